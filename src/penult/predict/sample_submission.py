"""Kaggle's submission file: follow the sample's columns, ids and order, or write the plain `id,label`.

Whatever does not match is known before anything is computed: `SampleSubmission.read` and `rows_of` need only names.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from penult import store, untrusted
from penult.errors import InputError, OutputError
from penult.i18n import _
from penult.images import LabelNormalizer
from penult.images.labels import decode_surrogates, normalize_label
from penult.signatures import image_ending
from penult.texts import printable

Submit = Literal["labels", "probabilities"]
_SHOWN = 10
_BETWEEN_WORDS = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class SampleSubmission:
    """A sample submission: its header, its ids in order, and what its value columns want.

    `kind`: "label" (one column of class names), "probability" (one column: of the class whose index is in `order`),
    "columns" (a probability a class, `order` has the class index of each column) or "one-hot" (there 1 or 0 instead). Of
    photos with any number of labels also "labels": one column of them, with `separator` between them.
    """

    path: str
    header: tuple[str, ...]
    ids: tuple[str, ...]
    kind: str
    order: tuple[int, ...] = ()
    separator: str = " "

    @classmethod
    def read(
        cls, path: str | Path, classes: Sequence[str], submit: Submit | None = None, several: bool = False
    ) -> SampleSubmission:
        """Read a sample submission and see what it wants, unless `submit` says it; `several`: photos have several labels.

        Raises `InputError` when it fits no known form.
        """
        rows = _read(path)
        header, body = tuple(rows[0]), rows[1:]
        one_cell = several and len(header) == 2
        kind, order = _one_cell(str(path), submit) if one_cell else _wanted(str(path), header, body, classes, submit)
        ids = tuple(r[0] for r in body)
        twice = sorted(i for i, times in Counter(ids).items() if times > 1)[:_SHOWN]
        if twice:
            raise InputError(
                _(
                    "the sample submission {path} has ids more than once: {twice}; give each one row.",
                    path=path,
                    twice=", ".join(twice),
                )
            )
        return cls(str(path), header, ids, kind, order, _separator([row[1] for row in body], classes) if several else " ")

    def describe(self, classes: Sequence[str]) -> str:
        """Return in a sentence what the submission holds."""
        if self.kind == "labels":
            if self.separator == " ":
                return _("submission.csv: the labels of each image, with a space between them")
            return _("submission.csv: the labels of each image, with {sign!r} between them", sign=self.separator)
        if self.kind == "label" and len(classes) == 2:
            return _("submission.csv: class labels; use --submit probabilities for probabilities")
        if self.kind == "label":
            return _("submission.csv: class labels")
        if self.kind == "probability":
            return _(
                "submission.csv: probability of class {name}; use --submit labels for class labels",
                name=printable(classes[self.order[0]]),
            )
        if self.kind == "one-hot":
            return _(
                "submission.csv: 1 for the class of each image, 0 for the others; use --submit probabilities for probabilities"
            )
        return _("submission.csv: probability of each class; use --submit labels for 1 and 0")

    def rows_of(self, names: Sequence[str]) -> list[int]:
        """Return for each id the index of its file. Raises `InputError` that names all ids and files without a partner.

        An id is the path below the folder, the file name, or the file name without its ending, as it stands or in another
        Unicode form, letter case, ending or with zeros in front; the first of these by which the files are told apart and
        every id is found.
        """
        if not names:
            raise InputError(
                _(
                    "there are no test images for the sample submission {path}; give their folder with "
                    "--test, or the sample itself (--test {sample}) where it can list them.",
                    path=self.path,
                    sample=printable(self.path),
                )
            )
        best: tuple[list[str], list[str]] | None = None
        for key, of_id in ((str, str), (_base, str), (_stem, str), (_loose, _loose), (_number, _number)):
            table = {key(n): i for i, n in enumerate(names)}
            ids = [of_id(i) for i in self.ids]
            missing = [i for i, form in zip(self.ids, ids, strict=True) if form not in table]
            extra = sorted(set(table) - set(ids))
            if len(table) == len(names) == len(set(ids)) and not missing and not extra:
                return [table[form] for form in ids]
            if best is None or len(missing) < len(best[0]):
                best = (missing, extra)
        missing, extra = best or ([], [])
        said = [_("{n} ids of the sample have no image ({names})", n=len(missing), names=_some(missing))] if missing else []
        said += [_("{n} images are not in the sample ({names})", n=len(extra), names=_some(extra))] if extra else []
        advice = _("Give the sample that belongs to this test folder, or leave --submission out.")
        if not missing:  # photos for training and for the test in one folder, as in some competitions
            advice = _(
                "If only the images of the sample are meant, give it as the list of them (--test "
                "{path}); else give the sample that belongs to this test folder.",
                path=printable(self.path),
            )
        raise InputError(
            _(
                "the sample submission {path} does not match the test images: {what}. {advice}",
                path=self.path, what="; ".join(said), advice=advice,
            )
        )  # fmt: skip

    def write(
        self,
        path: str | Path,
        names: Sequence[str],
        classes: Sequence[str],
        proba: NDArray[np.float64],  # (n, k)
        given: NDArray[np.bool_] | None = None,  # (n, k)
    ) -> None:
        """Write the submission; what was written is read back and compared before it gets its name.

        `given` says which classes or labels each image is given, None: the likeliest class.
        """
        if given is None:
            given = np.arange(len(classes)) == proba.argmax(axis=1)[:, None]
        lines = [tuple(map(decode_surrogates, self.header))]  # a sample in another encoding is followed in UTF-8
        for name, i in zip(self.ids, self.rows_of(names), strict=True):
            id = (
                name if decode_surrogates(names[i]) != names[i] else decode_surrogates(name)
            )  # names of files keep their bytes
            lines.append((id, *self._values(proba[i], given[i], classes)))
        text = io.StringIO(newline="")
        csv.writer(text).writerows(lines)
        if [tuple(r) for r in csv.reader(io.StringIO(text.getvalue(), newline=""))] != lines:
            raise OutputError(
                _("{path} would not read back as it was meant; rename the images with odd names in them.", path=path)
            )
        with store.atomic_write_text(path) as file:
            file.write(text.getvalue())

    def _values(self, row: NDArray[np.float64], given: NDArray[np.bool_], classes: Sequence[str]) -> list[str]:
        if self.kind in ("label", "labels"):
            return [self.separator.join(name for name, yes in zip(classes, given.tolist(), strict=True) if yes)]
        if self.kind == "one-hot":
            return [str(int(given[j])) for j in self.order]
        return [f"{row[j]:.6g}" for j in self.order]


def _some(names: Sequence[str]) -> str:
    """Return the first of some names, for a message."""
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _read(path: str | Path) -> list[list[str]]:
    """Return header and rows. Raises `InputError` at the first that is no row of a table."""
    rows: list[list[str]] = []
    try:
        encoding = untrusted.guess_encoding(path)
        for line, row in untrusted.read_csv(path, encoding=untrusted.UTF8 if encoding == "cp1252" else encoding):
            rows.append(row)
            if len(row) < 2 or len(row) != len(rows[0]):
                raise ValueError(
                    _(
                        "line {line} has {n} cells; it needs a header and rows of at least two columns, all equally long",
                        line=line,
                        n=len(row),
                    )
                )
    except untrusted.CSV_ERRORS as error:
        what = error.strerror if isinstance(error, OSError) else error
        raise InputError(
            _("the sample submission {path} cannot be read ({what}); give the file that Kaggle gave.", path=path, what=what)
        ) from error
    if len(rows) < 2:
        raise InputError(
            _("the sample submission {path} needs a header and rows below it; give the file that Kaggle gave.", path=path)
        )
    return rows


def _wanted(
    path: str, header: tuple[str, ...], body: list[list[str]], classes: Sequence[str], submit: Submit | None
) -> tuple[str, tuple[int, ...]]:
    """Return kind and order. Numbers from 0 to 1 for two classes are probabilities: whole ones may be placeholders."""
    if len(header) > 2:
        return "one-hot" if submit == "labels" else "columns", _class_columns(path, header, classes)
    meant = LabelNormalizer(classes)
    known = set(classes)
    values = {row[1] for row in body}
    if not any(value.strip() for value in values) and submit is None:  # it only shows where the answers go
        submit = "labels" if len(classes) > 2 else "probabilities"
    labels = all(meant(value) in known for value in values)
    numbers = all(_is_number(value) for value in values)
    may_be_probability = numbers and all(0 <= float(value) <= 1 for value in values)
    if submit == "labels" or (submit is None and labels and not (len(classes) == 2 and may_be_probability)):
        return "label", ()
    if submit == "probabilities" and len(classes) > 2:
        raise InputError(
            _(
                "the sample submission {path} has one value column, {header!r}, and there are {n} "
                "classes: their probabilities need a column each; give a sample that has these, or leave "
                "--submit out.",
                path=path,
                header=printable(header[1]),
                n=len(classes),
            )
        )
    if len(classes) == 2 and (numbers or submit == "probabilities"):
        return "probability", (_positive(header[1], classes),)
    shown = ", ".join(sorted(map(decode_surrogates, values))[:3])
    raise InputError(
        _(
            "the sample submission {path} has one value column, {header!r}, whose values are neither "
            "class names nor (with two classes) numbers: {shown}; give --submit labels where its "
            "values mean nothing, or write classes into it: {classes}.",
            path=path,
            header=printable(header[1]),
            shown=shown,
            classes=", ".join(classes[:_SHOWN]),
        )
    )


def _one_cell(path: str, submit: Submit | None) -> tuple[str, tuple[int, ...]]:
    """Return kind and order of a sample with one value column, for photos with any number of labels."""
    if submit != "probabilities":
        return "labels", ()
    raise InputError(
        _(
            "the sample submission {path} has one value column, and the probabilities of several "
            "labels need a column each; give a sample that has these, or leave --submit out.",
            path=path,
        )
    )


def _separator(cells: Sequence[str], labels: Sequence[str]) -> str:
    """Return the sign that parts labels in the cells of a sample: one that gives labels, else what no label has."""
    known, free = set(labels), [sign for sign in " ;|,/" if not any(sign in label for label in labels)]
    used = [sign for sign in free if any(sign in cell and set(cell.split(sign)) <= known for cell in cells)]
    return next(iter([*used, *free]), "\t")


def _class_columns(path: str, header: tuple[str, ...], classes: Sequence[str]) -> tuple[int, ...]:
    """Return the class index of each value column."""
    exact, lower = ({key(c): i for i, c in enumerate(classes)} for key in (str, str.lower))
    meant = LabelNormalizer(classes)
    for names, index in (
        (header[1:], exact),  # classes may differ in capitals alone
        (tuple(meant(name) for name in header[1:]), exact),
        (tuple(meant(name).lower() for name in header[1:]), lower),
    ):
        if sorted(names) == sorted(index):
            return tuple(index[name] for name in names)
    strange = sorted({decode_surrogates(name).strip().lower() for name in header[1:]} ^ set(lower))
    raise InputError(
        _(
            "the columns of the sample submission {path} are not the classes of the training images; "
            "only on one side: {strange}. Give the sample that belongs to these photos.",
            path=path,
            strange=", ".join(strange[:_SHOWN]),
        )
    )


def _positive(column: str, classes: Sequence[str]) -> int:
    """Return of which of two classes a column wants the probability: the one that it is named after, else the second.

    `cat`, `is_cat` and `probability of cat` are named after the class `cat`.
    """
    written = normalize_label(column).casefold()
    words = f" {_BETWEEN_WORDS.sub(' ', written)} "
    for forms in (
        [normalize_label(name).casefold() == written for name in classes],
        [f" {_BETWEEN_WORDS.sub(' ', normalize_label(name).casefold())} " in words for name in classes],
    ):
        if sum(forms) == 1:
            return forms.index(True)
    return 1


def plain_submission(
    names: Sequence[str], classes: Sequence[str], submit: Submit | None = None, several: bool = False
) -> SampleSubmission:
    """Return the form without a sample: `id,label`, the probability of the second class for two classes, else the label.

    With `submit` "probabilities" more classes have a column each. `several`: photos have any number of labels, `id,labels`.
    """
    stems = [_stem(n) for n in names]
    ids = tuple(stems if len(set(stems)) == len(stems) else names)
    if several and submit != "probabilities":
        return SampleSubmission("(none)", ("id", "labels"), ids, "labels", (), _separator((), classes))
    if several:
        return SampleSubmission("(none)", ("id", *classes), ids, "columns", tuple(range(len(classes))))
    if submit == "labels" or (submit is None and len(classes) > 2):
        return SampleSubmission("(none)", ("id", "label"), ids, "label")
    if len(classes) > 2:
        return SampleSubmission("(none)", ("id", *classes), ids, "columns", tuple(range(len(classes))))
    return SampleSubmission("(none)", ("id", "label"), ids, "probability", (1,))


def _base(name: str) -> str:
    return PurePosixPath(name).name


def _stem(name: str) -> str:
    return PurePosixPath(name).stem


def _loose(name: str) -> str:
    """Return a file's name or an id without folder, ending, Unicode form and letter case."""
    text = unicodedata.normalize("NFKC", decode_surrogates(_base(name.strip().replace("\\", "/")))).casefold()
    return text[: len(text) - len(image_ending(text))]


def _number(name: str) -> str:
    """Return the loose form without zeros in front and without `.0` behind, which spreadsheets and pandas drop and add."""
    text = _loose(name)
    plain = text.removesuffix(".0")
    return plain.lstrip("0") or "0" if plain.isascii() and plain.isdigit() else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
