"""What many answers come to: how many photos of each class beside the training photos, how sure, how many of another kind.

In: a model and its answers, part by part. Out: numbers, and the lines of the terminal; nothing of it needs the photos.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from penult.bundle import Bundle, training_prior
from penult.i18n import _
from penult.predict.answers import Predictions
from penult.texts import clauses, count, percent

if TYPE_CHECKING:
    from penult.evaluate.drift import Drift

UNSURE = 0.9  # a confidence below is one that a person may want to check
LISTED = 12  # classes of the terminal's table


@dataclass(frozen=True, slots=True)
class ClassCount:
    """How many photos are given a class, the share that is, and the class's share of the training photos."""

    name: str
    photos: int
    share: float
    training: float


@dataclass(slots=True)
class PredictionSummary:
    """The numbers of any number of answers; `add` takes them part by part.

    `unlike` counts photos unlike the training photos, of the `measured` of which that is known; `unsure` those with a
    confidence below 0.9; `known` those that are training photos of the model.

    Examples
    --------
    >>> import penult
    >>> from penult.predict.summary import PredictionSummary
    >>> model = penult.load_model("cats")
    >>> summary = PredictionSummary(model.bundle)
    >>> summary.add(model.predict(["cat.jpg", "dog.jpg"]))
    >>> [(one.name, one.photos) for one in summary.classes]
    [('cat', 1), ('dog', 1)]
    """

    model: Bundle
    photos: int = 0
    unreadable: int = 0
    measured: int = 0
    unlike: int = 0
    unsure: int = 0
    known: int = 0
    drift: Drift | None = None
    _given: NDArray[np.int64] = field(init=False, repr=False)  # (k,)
    _sure: float = 0.0

    def __post_init__(self) -> None:
        self._given = np.zeros(len(self.model.classes), np.int64)

    def add(self, part: Predictions) -> None:
        """Count answers."""
        ok = np.ones(len(part), bool)  # (n,)
        ok[list(part.failures)] = False
        sure = part.confidence[ok]  # (n_ok,)
        self.photos += len(part)
        self.unreadable += len(part.failures)
        self._given += part.given[ok].sum(axis=0)
        self._sure += float(sure.sum())
        self.unsure += int((sure < UNSURE).sum())
        if part.novelty is not None:
            far = part.novelty[ok & ~np.isnan(part.novelty)]
            self.measured += len(far)
            self.unlike += int((far > 1).sum())
        if part.in_training is not None:
            self.known += int(part.in_training.sum())

    @property
    def answered(self) -> int:
        """How many photos could be read."""
        return self.photos - self.unreadable

    @property
    def confidence(self) -> float | None:
        """The mean confidence; None where no photo could be read."""
        return self._sure / self.answered if self.answered else None

    @property
    def unlike_share(self) -> float | None:
        """The share of photos that are unlike the training photos; None where the model does not know."""
        return self.unlike / self.measured if self.measured else None

    @property
    def classes(self) -> tuple[ClassCount, ...]:
        """The classes in the model's order; of several labels a photo the shares do not add up to 1."""
        each = zip(self.model.classes, self._given.tolist(), training_prior(self.model).tolist(), strict=True)
        return tuple(ClassCount(name, n, n / max(self.answered, 1), share) for name, n, share in each)

    def describe(self) -> str:
        """Return in a sentence how many photos there are, and how sure the answers."""
        parts = [] if self.confidence is None else [_("mean confidence {share}", share=percent(self.confidence))]
        parts += [_("{n:,} below {share}", n=self.unsure, share=percent(UNSURE, 0))] if self.unsure else []
        if self.unlike_share is not None:
            parts.append(_("{share} unlike the training photos", share=percent(self.unlike_share)))
        parts += [_("{n:,} unreadable", n=self.unreadable)] if self.unreadable else []
        parts += [_("{n:,} that the model was trained on", n=self.known)] if self.known else []
        return _("{photos}: {facts}", photos=count(self.photos, "photo"), facts=clauses(parts))

    def table(self) -> Iterator[tuple[str, str, str, str]]:
        """Yield the rows of the terminal's table, its header first: the most frequent classes, and those missing most."""
        yield _("class"), _("photos"), _("share"), _("in training")
        every = sorted(self.classes, key=lambda one: (-one.photos, -one.training))
        shown = every if len(every) <= LISTED + 1 else every[:LISTED]
        for one in shown:
            yield one.name, f"{one.photos:,}", percent(one.share), percent(one.training)
        if rest := every[len(shown) :]:
            photos = sum(one.photos for one in rest)
            name = _("{n} more classes", n=len(rest))
            yield name, f"{photos:,}", percent(sum(one.share for one in rest)), percent(sum(one.training for one in rest))
