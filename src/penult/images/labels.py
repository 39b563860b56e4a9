"""Names of classes: one way to write each, and which of them look alike.

In: labels as a table or a folder has them. Out: the label that is learnt, the class of a model that is meant, sentences about
classes that may be one. It must not touch the disk.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from penult.i18n import N_, _
from penult.images.records import MENTIONED, quoted
from penult.texts import in_quotes, printable

# What pandas reads as, and writes for, a missing value (its `na_values`), and what Excel shows.
_MISSING = frozenset(
    {"nan", "NaN", "NAN", "-nan", "-NaN", "NaT", "null", "NULL", "Null", "None", "NA", "N/A", "n/a", "#N/A", "#NA"}
    | {"<NA>", "<na>", "#N/A N/A", "1.#QNAN", "-1.#QNAN", "1.#IND", "-1.#IND", "Nan"}
    | {"#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!"}
)
# Those of them that are no class for sure: a photo without a defect may be one of `None`, and `#REF!` is a mistake.
_SURELY_MISSING = frozenset(
    {"nan", "NaN", "NAN", "-nan", "-NaN", "Nan", "NaT", "#N/A", "#NA", "<NA>", "<na>", "#N/A N/A", "1.#QNAN", "-1.#QNAN"}
)
_INVISIBLE = re.compile("[\u00ad\u180e\u200b\u2060\ufeff]")  # no sign of their own, wherever they stand
# They mean something between letters and nothing at the ends.
_AT_ENDS = "\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_BLANK = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")  # blanks that look like a blank
_SURROGATE = re.compile("[\ud800-\udfff]")
_BYTES = re.compile(r"""b(['"])(.*)\1""", re.DOTALL)
_FORMULA = re.compile(r"^'(?=[=+\-@])")  # what tables for spreadsheets have in front of a text that begins like a formula
_BETWEEN_WORDS = re.compile(r"(?<=\w)[\s_\-]+(?=\w)")
_TOKENS = re.compile(r"[\s,;|+&/]+")
_NUMBER = re.compile(r"0*(\d+)(?:\.0+)?")  # 1, 01 and 1.0: pandas writes a whole number so where its column has a gap
_LATIN = str.maketrans("аеорсухіјѕԁһӏαορνικυ", "aeopcyxijsdhlaopviku")  # Cyrillic and Greek


def decode_surrogates(text: str) -> str:
    """Return `text` with the bytes that are no UTF-8, kept as surrogates, read as Windows-1252: always valid Unicode."""
    if not _SURROGATE.search(text):
        return text
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text)
    for codec in ("utf-8", "cp1252"):
        try:
            return raw.decode(codec)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def normalize_label(label: str) -> str:
    """Return the one way to write a label: NFC, without invisible signs, plain blanks, none around it."""
    text = decode_surrogates(label)
    if text.isascii():
        return text.strip()
    text = _BLANK.sub(" ", _INVISIBLE.sub("", unicodedata.normalize("NFC", text)))
    before = None
    while before != text:
        before, text = text, text.strip().strip(_AT_ENDS)
    return text


def strip_bytes_literal(text: str) -> str:
    """Return `cat` for `b'cat'`, which is how Python prints bytes; any other text as it is."""
    found = _BYTES.fullmatch(text)
    return found[2] if found else text


def is_missing(label: str) -> bool:
    """Tell whether a cell holds what pandas or Excel write for a missing value; an empty cell is one too."""
    return not label or label in _MISSING


def says_missing(label: str) -> bool:
    """Tell whether a cell surely says that there is no label: it is empty, or `nan`, which nobody calls a class."""
    return not label or label in _SURELY_MISSING


class LabelNormalizer:
    """From what is written to the label that is meant: a class of the model in any form of its name, else the tidy form."""

    def __init__(self, classes: Iterable[str] = ()) -> None:
        self._known = dict.fromkeys(classes)
        self._tidy: dict[str, str | None] = {}
        for name in self._known:
            form = normalize_label(name)
            self._tidy[form] = None if form in self._tidy else name  # two classes in one form: only the very name will do
        self._meant: dict[str, str] = {}
        self.forms: dict[str, set[str]] = defaultdict(set)  # of each label: how it was written

    def __call__(self, written: str) -> str:
        """Return the label that is meant; empty text where nothing is written."""
        label = self._meant.get(written)
        if label is None:
            label = self._meant[written] = self._of(written)
            self.forms[label].add(written)
        return label

    @property
    def of_model(self) -> bool:
        """Whether labels are those of a model."""
        return bool(self._known)

    def knows(self, label: str) -> bool:
        """Tell whether a label is a class of the model."""
        return label in self._known

    def _of(self, written: str) -> str:
        if written in self._known:
            return written
        form = normalize_label(written)
        unwrapped = strip_bytes_literal(form)
        for one in dict.fromkeys((form, unwrapped, _FORMULA.sub("", form))):
            if one in self._known:
                return one
            if found := self._tidy.get(one):
                return found
        return unwrapped

    def notes(self, what: str, encoding: bool = True) -> list[str]:
        """Return sentences about labels that were written in more than one way, or as no label should be.

        `what` they are, `class folders` or `labels`; with `encoding` also that they were no UTF-8.
        """
        several = {label: forms for label, forms in self.forms.items() if len({f.strip() for f in forms}) > 1}
        said = []
        if several:
            shown = _joined(
                [_("'{name}' ({how})", name=printable(label), how=_how(forms)) for label, forms in several.items()]
            )
            said.append(_("{what} that differ only in how they are written are one class: {names}", what=_(what), names=shown))
        other_encoding = [label for label, f in self.forms.items() if any(_SURROGATE.search(one) for one in f)]
        if other_encoding and encoding:
            names = quoted(other_encoding)
            said.append(_("{what} that are not UTF-8 were read as Windows-1252: {names}", what=_(what), names=names))
        wrapped = [label for label, f in self.forms.items() if any(_BYTES.fullmatch(normalize_label(one)) for one in f)]
        if wrapped and not any(one in self._known for forms in self.forms.values() for one in forms if _BYTES.fullmatch(one)):
            told = N_("{what} written as Python prints bytes were read without the b'': {names}")
            said.append(_(told, what=_(what), names=quoted(wrapped)))
        return said


def _how(forms: set[str]) -> str:
    """Return in what the ways to write one label differ."""
    texts = {decode_surrogates(form) for form in forms}
    ways = []
    if len({unicodedata.normalize("NFC", text) for text in texts}) < len(texts):
        ways.append(_("Unicode form"))
    if any(_INVISIBLE.search(text) or text.strip(_AT_ENDS) != text for text in texts):
        ways.append(_("invisible characters"))
    if any(_BLANK.search(text) or text != text.strip() for text in texts):
        ways.append(_("blanks"))
    if any(_BYTES.fullmatch(text) for text in texts):
        ways.append("b''")
    return _(" and ").join(ways or [_("encoding")])


def similar_names(counts: Mapping[str, int]) -> list[str]:
    """Return sentences about classes that may be one under two names, and about labels that may be several in one cell."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in counts:
        alike[_loose(name)].append(name)
    groups = [names for names in alike.values() if len(names) > 1]
    said = []
    if groups:
        shown = []
        for names in groups:
            each = _(" and ").join(_("{name} ({n:,})", name=in_quotes(name), n=counts[name]) for name in names)
            shown.append(_("{names} differ only in {how}", names=each, how=_(_difference(names))))
        told = N_("classes with similar names are kept apart: {names}; give them one name if they are the same class")
        said.append(_(told, names=_joined(shown)))
    several = _several_in_one(list(counts))
    if several:
        said.append(
            _(
                "labels that look like several in one cell are classes of their own: {names}; if a photo has several of them, "
                "give --task labels",
                names=quoted(several),
            )
        )
    return said


def missing_names(classes: Iterable[str]) -> list[str]:
    """Return a sentence about class folders that are named like a missing value."""
    odd = [name for name in classes if is_missing(name)]
    if not odd:
        return []
    told = N_("folders named like a missing value are taken as classes: {names}; rename or remove them if they are none")
    return [_(told, names=quoted(odd))]


def _loose(name: str) -> str:
    text = unicodedata.normalize("NFKC", name)
    if number := _NUMBER.fullmatch(text):
        return number[1]
    return _BETWEEN_WORDS.sub(" ", text.casefold().translate(_LATIN))


def _difference(names: Sequence[str]) -> str:
    if all(map(_NUMBER.fullmatch, names)):
        return N_("how a number is written")
    if len({name.lower() for name in names}) == 1:
        return N_("letter case")
    if len({_BETWEEN_WORDS.sub(" ", name) for name in names}) == 1:
        return N_("blanks, hyphens or underscores")
    return N_("characters that look alike, letter case, blanks, hyphens or underscores")


def _several_in_one(names: Sequence[str]) -> list[str]:
    """Return labels of several words, all of which stand in other labels, too: `cat indoor` beside `dog indoor` and `cat`."""
    words = {name: {word for word in _TOKENS.split(name.lower()) if word} for name in names}
    uses: dict[str, int] = defaultdict(int)
    for parts in words.values():
        for word in parts:
            uses[word] += 1
    found = [name for name, parts in words.items() if len(parts) > 1 and all(uses[word] > 1 for word in parts)]
    if len(found) > 1 or any({part} in words.values() for name in found for part in words[name]):
        return found
    # `clear primary` may be a name in `clear primary water`; in `clear road primary` it is two tags.
    wider = [name for one in found for name in names if words[one] < words[name] and _in_a_row(one) not in _in_a_row(name)]
    return [*found, *wider] if wider else []


def _in_a_row(name: str) -> str:
    return f" {' '.join(word for word in _TOKENS.split(name.lower()) if word)} "


def _joined(parts: Sequence[str]) -> str:
    """Return the first parts of a list for a message, and how many more there are."""
    shown, more = _("; ").join(parts[:MENTIONED]), len(parts) - MENTIONED
    return _("{names} and {more:,} more", names=shown, more=more) if more > 0 else shown
