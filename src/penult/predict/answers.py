"""What a model says of images: one `Prediction` each, all of them as `Predictions`, and their table.

In: names, classes, probabilities, novelty, who failed. Out: records, `predictions.csv`, and `review.csv`:
which answers a person should check, the most doubtful first.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from penult import html, store
from penult.bundle import Bundle, decision_of
from penult.decision import DecisionRule, PredictionSets
from penult.errors import InputError, unknown
from penult.frames import data_frame
from penult.i18n import N_, _
from penult.pixels import Failure
from penult.texts import count, joined_labels, percent

_SHOWN = 3  # classes in one line
UNLIKE = N_("unlike the training photos")
SETS = "prediction_set"  # the column, classes with `;` between, the most probable first


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one image.

    Attributes
    ----------
    id : str
        The name of the image: its path by default.
    label : str or None
        The class that the model's decision gives it: the most probable one where no other decision was asked for (`--cost`,
        `--target`). Of several labels a photo all of them as one text. None for an image that cannot be read.
    confidence : float or None
        The probability of that class; of several labels a photo that of the least sure of its answers, the labels that it
        does not give among them.
    probabilities : dict
        The probability of each class, or label; empty for an image that cannot be read.
    failure : Failure or None
        Why the image cannot be read.
    novelty : float or None
        How unlike the training photos it is, 1 being the level that nearly all of those keep below when they are held out;
        None for an unreadable image and for models that were saved without that measure.
    labels : tuple of str or None
        Of a model with several labels a photo those that it gives; it may be none of them.
    prediction_set : tuple of str or None
        The classes that hold the right one with the probability that `--coverage` asked for, the most probable first; None
        for a model without.

    Examples
    --------
    >>> import penult
    >>> answer = penult.predict("cats", ["cat.jpg"])["cat.jpg"]
    >>> answer.label, answer.confidence > 0.5, sorted(answer.probabilities)
    ('cat', True, ['cat', 'dog'])
    """

    id: str
    label: str | None
    confidence: float | None
    probabilities: dict[str, float]
    failure: Failure | None = None
    novelty: float | None = None
    labels: tuple[str, ...] | None = None
    prediction_set: tuple[str, ...] | None = None

    @property
    def unlike(self) -> bool:
        """Whether the image is more unlike the training photos than nearly all of those when they were held out."""
        return self.novelty is not None and self.novelty > 1

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        values: dict[str, Any] = {
            "file": self.id,
            "label": self.label,
            "confidence": self.confidence,
            "probabilities": self.probabilities,
            "novelty": self.novelty,
        }
        if self.labels is not None:
            values["labels"] = list(self.labels)
        if self.prediction_set is not None:
            values["prediction_set"] = list(self.prediction_set)
        if self.failure is not None:
            values["unreadable"] = self.failure.reason
        return values


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Predictions:
    """The answers for n images in the order that was asked: a sequence of `Prediction`, and for numpy the classes (n,).

    A number or the name of an image gives one of them, a slice or a mask `Predictions`. Compared with labels, it answers one
    by one, as an array does: ``(answers == labels).mean()``.

    Attributes
    ----------
    ids : tuple of str (n)
        The names of the images.
    classes : tuple of str (k)
        The classes, in the order of the columns of `proba`.
    proba : array (n, k)
        The probabilities. The row of an image that cannot be read has the class frequencies of the training set: a submission
        needs numbers.
    failures : dict
        Why images could not be read, by their place.
    novelty : array (n,) or None
        How unlike the training photos each is; NaN where it is not known.
    in_training : array of bool (n,) or None
        Which images are exact copies (the same file, or the same pixels) of photos that the model learned from.
    thresholds : array (k,) or None
        Of a model with several labels a photo: a label is given from its threshold on.
    rule : DecisionRule
        How a model with one class a photo chooses it.
    sets : PredictionSets or None
        Its prediction sets, if it has some.

    Examples
    --------
    >>> import penult
    >>> answers = penult.predict("cats", ["cat.jpg", "dog.jpg"])
    >>> answers
    Predictions(2 images: cat: 1, dog: 1)
    >>> answers["dog.jpg"].label, answers.texts, answers.proba.shape
    ('dog', ['cat', 'dog'], (2, 2))
    """

    ids: tuple[str, ...]
    classes: tuple[str, ...]
    proba: NDArray[np.float64]  # (n, k)
    failures: dict[int, Failure]
    novelty: NDArray[np.float64] | None = None  # (n,) NaN where it is not known
    in_training: NDArray[np.bool_] | None = None  # (n,) None where the model does not know its training photos
    thresholds: NDArray[np.float64] | None = None  # (k,) None where a photo has one class
    rule: DecisionRule = field(default_factory=DecisionRule)
    sets: PredictionSets | None = None

    @classmethod
    def of(
        cls,
        model: Bundle,
        ids: Sequence[str],
        proba: NDArray[np.float64],  # (n, k)
        failures: Mapping[int, Failure],
        novelty: NDArray[np.float64] | None = None,  # (n,)
    ) -> Predictions:
        """Return the answers of a model, by its own rule from probabilities to labels."""
        rule, sets = decision_of(model)
        return cls(
            tuple(ids), model.classes, proba, dict(failures), novelty, thresholds=model.thresholds, rule=rule, sets=sets
        )

    @property
    def task(self) -> Literal["classes", "labels"]:
        """Whether an image has one of the classes, or any number of labels."""
        return "classes" if self.thresholds is None else "labels"

    @property
    def given(self) -> NDArray[np.bool_]:
        """Which classes or labels each image is given, (n, k)."""
        if self.thresholds is not None:
            return np.asarray(self.proba >= self.thresholds)
        return np.asarray(np.arange(self.proba.shape[1]) == self.rule.labels(self.proba)[:, None])

    @property
    def confidence(self) -> NDArray[np.float64]:
        """How sure each answer is (n,): the probability of the class, or of the least sure answer about a label."""
        if self.thresholds is None:
            return np.take_along_axis(self.proba, self.rule.labels(self.proba)[:, None], axis=1)[:, 0]
        return np.asarray(np.where(self.given, self.proba, 1 - self.proba).min(axis=1))

    @property
    def labels(self) -> list[tuple[str, ...]] | None:
        """The labels of each image, where it may have any number of them; None where it has one class."""
        if self.thresholds is None:
            return None
        return [tuple(c for c, yes in zip(self.classes, row, strict=True) if yes) for row in self.given.tolist()]

    @property
    def texts(self) -> list[str]:
        """The answer for each image as one text: its class, or its labels."""
        if self.labels is None:
            return [self.classes[c] for c in self.rule.labels(self.proba).tolist()]
        return [joined_labels(labels, self.classes) for labels in self.labels]

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Prediction]:
        sure, labels, texts, sets = self.confidence, self.labels, self.texts, self.set_names()
        for i, name in enumerate(self.ids):
            if (failure := self.failures.get(i)) is not None:
                yield Prediction(name, None, None, {}, failure)
                continue
            yield Prediction(
                name,
                texts[i],
                float(sure[i]),
                dict(zip(self.classes, self.proba[i].tolist(), strict=True)),
                None,
                None if self.novelty is None or np.isnan(self.novelty[i]) else float(self.novelty[i]),
                None if labels is None else labels[i],
                sets[i] if sets else None,
            )

    def __getitem__(self, index: Any) -> Any:
        """Return one `Prediction` by its number or by the name of its image; of a slice or mask `Predictions`."""
        if isinstance(index, str):
            if index not in self.ids:
                raise unknown("image", index, self.ids)
            index = self.ids.index(index)
        if isinstance(index, int | np.integer):
            return next(iter(self[[range(len(self))[index]]]))
        kept = np.arange(len(self))[index].tolist()
        failures = {i: self.failures[old] for i, old in enumerate(kept) if old in self.failures}
        novelty, seen = (None if rows is None else rows[kept] for rows in (self.novelty, self.in_training))
        ids = tuple(self.ids[i] for i in kept)
        return replace(self, ids=ids, proba=self.proba[kept], failures=failures, novelty=novelty, in_training=seen)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the classes (n,) as scikit-learn has them; of several labels a photo 0 and 1, (n, k).

        Raises `InputError` where an image could not be read: it has no class.
        """
        if self.failures:
            first = self.ids[min(self.failures)]
            raise InputError(
                _(
                    "{images} of {n} cannot be read, such as {first!r}, and an array of labels has no place "
                    "for that; leave these images out.",
                    images=count(len(self.failures), "image"),
                    n=len(self),
                    first=first,
                )
            )
        if self.labels is not None:
            return np.asarray(self.given, dtype or np.intp)
        return np.asarray(self.texts, dtype)

    def __eq__(self, other: object) -> Any:
        """Compare with labels one by one, as an array does: `(model.predict(X) == y).mean()`."""
        if not isinstance(other, Predictions):
            return np.asarray(self) == other
        return self.ids == other.ids and self.classes == other.classes and np.array_equal(self.proba, other.proba)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        found = Counter(text for i, text in enumerate(self.texts) if i not in self.failures)
        told = [f"{name}: {many:,}" for name, many in found.most_common(_SHOWN)]
        told += [f"{len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
        told += [f"unreadable: {len(self.failures):,}"] if self.failures else []
        return f"Predictions({count(len(self), 'image')}: {', '.join(told)})"

    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame` with the columns of `write_csv`, its numbers not rounded. Raises `MissingExtra`."""
        bad = np.isin(np.arange(len(self)), list(self.failures))  # (n,)
        blank = np.where(bad, np.nan, 1.0)
        texts = [None if failed else text for text, failed in zip(self.texts, bad.tolist(), strict=True)]
        columns: dict[str, Any] = {"file": list(self.ids), self.heading: texts, "confidence": self.confidence * blank}
        columns |= {name: self.proba[:, i] * blank for i, name in enumerate(self.classes)}
        columns["novelty"] = np.full(len(self), np.nan) if self.novelty is None else self.novelty
        if self.sets is not None:
            columns[SETS] = [None if failed else ";".join(names) for names, failed in zip(self.set_names(), bad, strict=True)]
        return data_frame(columns)

    def set_names(self) -> list[tuple[str, ...]]:
        """Return the classes in the prediction set of each image, the most probable first; nothing without sets."""
        return [] if self.sets is None else self.sets.names(self.proba, self.classes)

    def _repr_html_(self) -> str:
        shown = [
            (p.id, p.label or "", percent(p.confidence), novelty_text(p.novelty), _remark(p)) for p in islice(self, html.SHOWN)
        ]
        rest = [("",) * 5] * (len(self) - len(shown))  # counted, not shown
        label = _("label") if self.heading == "label" else _("labels")
        header = (_("file"), label, _("confidence"), _("novelty"), "")
        return html.result(count(len(self), "prediction"), html.table(header, [*shown, *rest]))

    @property
    def heading(self) -> Literal["label", "labels"]:
        """What the column of the answers is called in tables."""
        return "label" if self.thresholds is None else "labels"

    def write_csv(self, path: str | Path) -> None:
        """Write the table of `penult predict --csv`, whole or not at all.

        The columns are `file,label,confidence`, one a class, `novelty`, and `prediction_set` of a model that has some. Of
        several labels a photo the second column is `labels`, with a semicolon between them.

        Parameters
        ----------
        path : str or Path
            A name that ends in `.parquet`, `.jsonl` or `.ndjson` gets such a file instead.

        Raises
        ------
        InputError
            The name promises another format.
        OutputError
            There is no place to write.
        """
        from penult.predict.tables import check_table, open_table

        check_table(path, _("the table"))
        with open_table(path, self) as add:
            add(self)


def novelty_text(novelty: float | None) -> str:
    """Return a novelty as tables have it: empty where it is not known."""
    return "" if novelty is None else f"{novelty:.4g}"


def share_text(share: float | None) -> str:
    """Return a probability as tables have it: empty where there is none."""
    return "" if share is None else f"{share:.6g}"


def _remark(p: Prediction) -> str:
    if p.failure is not None:
        return _("unreadable: {reason}", reason=_(p.failure.reason))
    return _(UNLIKE) if p.unlike else ""


def doubtful(answers: Iterable[Prediction], level: float) -> list[tuple[Prediction, str]]:
    """Return the answers that are not to be relied on, with the reason, the most doubtful first.

    First the unreadable, then those unlike the training photos (what the model says of them says nothing), the most unlike
    first, then those less sure than `level`, the least sure first. Raises `InputError` for a level outside 0..1.
    """
    from penult.evaluate import check_level

    check_level(level)
    found = [(p, reason) for p in answers if (reason := review_reason(p, level))]
    return sorted(found, key=lambda one: _doubt(one[0]))


def write_review(path: str | Path, answers: Iterable[Prediction], level: float) -> int:
    """Write `file,label,confidence,novelty,reason`, whole or not at all; return the number of rows."""
    found = doubtful(answers, level)
    with store.atomic_write_text(path) as file:
        rows = csv.writer(file)
        rows.writerow(["file", "label", "confidence", "novelty", "reason"])
        for p, reason in found:
            rows.writerow([p.id, p.label or "", share_text(p.confidence), novelty_text(p.novelty), reason])
    return len(found)


def review_reason(p: Prediction, level: float) -> str:
    """Return why an answer is not to be relied on, the confidence being below `level` among it; empty where it is."""
    if p.failure is not None:
        return f"unreadable: {p.failure.reason}"
    reasons = [UNLIKE] if p.unlike else []
    reasons += ["unsure"] if p.confidence is not None and p.confidence < level else []
    return "; ".join(reasons)


def _doubt(p: Prediction) -> tuple[int, float, str]:
    if p.failure is not None:
        return 0, 0.0, p.id
    return (1, -(p.novelty or 0.0), p.id) if p.unlike else (2, p.confidence or 0.0, p.id)
