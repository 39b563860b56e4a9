"""What the page shows of many photos: lists by filter and order, details of some, all labels and guesses at once.

In: a `Snapshot` of labels and answers, a query as it came. Out: plain values, ready for JSON. All of it works on arrays, so
that it takes milliseconds for 100,000 photos.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from penult.errors import InputError
from penult.i18n import _
from penult.images import natural_key
from penult.store.labels import EXAM, EXCLUDED, KEPT, NONE_OF_THESE, SKIPPED, ClassName
from penult.studio.view import LabelledPhotos, LabelView, Mask
from penult.texts import printable

if TYPE_CHECKING:
    from penult.studio.background import HeadResult

Ints = NDArray[np.intp]
Floats = NDArray[np.float32]

STATUS_NAMES = {EXCLUDED: "excluded", EXAM: "exam", NONE_OF_THESE: "none", SKIPPED: "skipped", KEPT: "kept"}
SURE = 0.9  # probability below which a guess is doubtful: the share at which `penult train` puts photos aside for review
UNLIKE = 1.0  # novelty above which an answer is not to be relied on
GUESSES = 3
MOST_DETAILS = 200  # photos in one question
SORTS = ("number", "doubt", "confidence", "novelty", "label", "guess", "file")
STATES = ("all", "unlabelled", "labelled", "excluded", "none", "exam", "doubtful", "unlike", "copies", "mistakes")


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Labels, classes and what the models say after act `seq`.

    `proba` (N, k) is the quick model's, `result` the whole head's newest answers. `given` are guesses that photos came with,
    class numbers (N,) and their probability, for as long as the quick model has none. `reserved` (N,) are the exam's photos:
    no guess is shown of them before they are answered.
    """

    seq: int
    view: LabelView
    names: tuple[ClassName, ...]
    ready: bool
    proba: Floats
    changed: NDArray[np.int64]
    given: tuple[Ints, Floats]
    reserved: Mask
    result: HeadResult | None = None

    @cached_property
    def guessed(self) -> tuple[Ints, Floats]:
        """The likeliest class of each photo (N,), -1 where there is none, and its probability (N,)."""
        best, p = self.given
        if self.ready:
            best = self.proba.argmax(axis=1)
            p = np.take_along_axis(self.proba, best[:, None], axis=1)[:, 0]
        return np.where(self.asked_blind, -1, best), np.where(self.asked_blind, 0, p)

    @cached_property
    def asked_blind(self) -> Mask:
        """Which photos (N,) belong to the exam and have no answer yet."""
        return np.asarray(self.reserved & ~self.view.decided)

    @cached_property
    def exam(self) -> Mask:
        """Which photos (N,) belong to the exam and have a label."""
        return np.asarray(self.reserved & self.view.labelled)

    @cached_property
    def mistaken(self) -> Mask:
        """Which labelled photos (N,) a model that has not learnt from them takes for another class."""
        best = np.full(len(self.view.labels), -1)
        if self.result is not None:
            best = self.result.classes[self.result.proba.argmax(axis=1)]
        if self.ready:  # never learnt from
            best[self.exam] = self.guessed[0][self.exam]
        return np.asarray(self.view.labelled & (best >= 0) & (best != self.view.labels))

    @property
    def novelty(self) -> Floats | None:
        """How unlike all labelled photos each is (N,); None while nothing is known."""
        return None if self.result is None else self.result.novelty


class PhotoList:
    """The photos of a project, as the page asks for them."""

    def __init__(self, project: LabelledPhotos) -> None:
        self.project = project
        self.families: Ints = np.unique(project.families, return_inverse=True)[1].astype(np.intp)
        self._sizes = np.bincount(self.families)
        self._by_family = np.argsort(self.families, kind="stable")
        self._starts = np.concatenate([[0], np.cumsum(self._sizes)])

    @cached_property
    def _names(self) -> list[str]:
        return ["\n".join(files).casefold() for files in self.project.files]

    @cached_property
    def _by_file(self) -> Ints:
        """The rank of each photo (N,) by the name of its first file, as people count."""
        order = sorted(range(len(self._names)), key=lambda n: natural_key(self.project.files[n][0]))
        rank = np.empty(len(order), np.intp)
        rank[order] = np.arange(len(order))
        return rank

    def family(self, number: int) -> list[int]:
        """Return all photos of the family of one, itself too."""
        own = self.families[number]
        return self._by_family[self._starts[own] : self._starts[own + 1]].tolist()  # type: ignore[no-any-return]

    def numbers(self, now: Snapshot, query: Mapping[str, str]) -> list[int]:
        """Return the numbers of the photos that a query asks for, in its order. Raises `InputError`."""
        extra = sorted(set(query) - {"status", "class", "guess", "text", "sort", "descending"})
        if extra:
            raise InputError(
                _(
                    "'{name}' is no filter; use status, class, guess, text, sort or descending.",
                    name=printable(extra[0][:80]),
                )
            )
        chosen = self._state(now, _one_of(query, "status", STATES))
        for name, values in (("class", now.view.labels), ("guess", now.guessed[0])):
            if query.get(name):
                chosen = chosen & (values == _class(query, name, now.view.classes))
        found = np.flatnonzero(chosen)
        if query.get("text"):
            text = query["text"].casefold()
            found = np.array([n for n in found.tolist() if text in self._names[n]], np.intp)
        keys = self._key(now, _one_of(query, "sort", SORTS))
        if keys is not None:
            found = found[np.argsort(keys[found], kind="stable")]
        return (found[::-1] if query.get("descending") in ("1", "true") else found).tolist()  # type: ignore[no-any-return]

    def _state(self, now: Snapshot, status: str) -> Mask:
        view = now.view
        guess, p = now.guessed
        if status == "all":
            return np.ones(len(view.labels), np.bool_)
        if status == "doubtful":
            return np.asarray(~view.decided & (guess >= 0) & (p < SURE))
        if status == "unlike":
            return np.zeros(len(view.labels), np.bool_) if now.novelty is None else np.asarray(now.novelty > UNLIKE)
        if status == "copies":
            return np.asarray(self._sizes[self.families] > 1)
        if status == "exam":
            return now.exam
        return now.mistaken if status == "mistakes" else view.select(status)

    def _key(self, now: Snapshot, sort: str) -> NDArray[Any] | None:
        """Return what photos are sorted by (N,), None for their number; the most interesting first."""
        guess, p = now.guessed
        if sort == "doubt":
            return self._margin(now)
        if sort == "novelty":
            return None if now.novelty is None else -now.novelty
        if sort == "file":
            return self._by_file
        classes = now.view.classes
        if sort in ("label", "guess"):  # those without one come last
            own = np.asarray(now.view.labels if sort == "label" else guess, np.intp)
            return np.where(own < 0, classes, own)
        return None if sort == "number" else -p

    @staticmethod
    def _margin(now: Snapshot) -> Floats:
        """Return by how much the likeliest class of each photo is likelier than the next (N,)."""
        if not now.ready or now.proba.shape[1] < 2:
            return now.guessed[1]
        best = np.partition(now.proba, -2, axis=1)
        return np.asarray(best[:, -1] - best[:, -2])

    def details(self, now: Snapshot, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Return what is known of some photos. Raises `InputError` where there are no such, or too many are asked for."""
        if len(numbers) > MOST_DETAILS:
            raise InputError(
                _(
                    "{count} photos were asked for at once; ask for {most_details} at most.",
                    count=len(numbers),
                    most_details=MOST_DETAILS,
                )
            )
        self.check(numbers)
        return [self._details(now, number) for number in numbers]

    def _details(self, now: Snapshot, n: int) -> dict[str, Any]:
        files, (width, height) = self.project.files[n], self.project.size(n)
        guess, p = now.guessed
        return {
            "n": n,
            "file": printable(files[0]),
            "files": [printable(file) for file in files],
            "digest": self.project.digests[n][:16],
            "label": int(now.view.labels[n]),
            "status": status_names(int(now.view.status[n])),
            "guess": int(guess[n]),
            "p": round(float(p[n]), 4),
            "guesses": self._guesses(now, n),
            "novelty": None if now.novelty is None else round(float(now.novelty[n]), 3),
            "family": [other for other in self.family(n) if other != n],
            "width": width,
            "height": height,
        }

    @staticmethod
    def _guesses(now: Snapshot, n: int) -> list[dict[str, Any]]:
        if now.asked_blind[n]:
            return []
        if now.ready:
            row = now.proba[n]
            best = np.argsort(-row, kind="stable")[:GUESSES].tolist()
            return [{"class": k, "p": round(float(row[k]), 4)} for k in best if row[k] > 0 and k not in now.view.removed]
        guess, p = now.given[0][n], now.given[1][n]
        return [{"class": int(guess), "p": round(float(p), 4)}] if guess >= 0 else []

    def colors(self, now: Snapshot) -> dict[str, Any]:
        """Return labels, guesses and their probability in hundredths, of all photos."""
        guess, p = now.guessed
        labels = now.view.labels.tolist()
        return {"seq": now.seq, "labels": labels, "guesses": guess.tolist(), "p": np.rint(100 * p).astype(int).tolist()}

    def check(self, numbers: Sequence[int]) -> None:
        """Raise `InputError` for what is no list of numbers of photos."""
        if not isinstance(numbers, list) or len(numbers) > len(self.families):
            raise InputError(
                _("'numbers' is no list of photos; send the numbers of 1 to {count} photos.", count=len(self.families))
            )
        for number in numbers:
            if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(self.families):
                shown = printable(repr(number)[:80])
                raise InputError(
                    _(
                        "{value} is no number of a photo; use numbers from 0 to {last}.",
                        value=shown,
                        last=len(self.families) - 1,
                    )
                )


def status_names(status: int) -> list[str]:
    """Return the names of the bits of a photo's status.

    Examples
    --------
    >>> status_names(3)
    ['excluded', 'exam']
    """
    return [name for bit, name in STATUS_NAMES.items() if status & bit]


def _one_of(query: Mapping[str, str], name: str, known: Sequence[str]) -> str:
    value = query.get(name) or known[0]
    if value not in known:
        raise InputError(
            _("'{value}' is no {name}; use one of {known}.", value=printable(value[:80]), name=name, known=", ".join(known))
        )
    return value


def _class(query: Mapping[str, str], name: str, classes: int) -> int:
    value = query[name]
    if not value.isascii() or not value.isdigit() or len(value) > 9 or int(value) >= classes:
        raise InputError(_("'{value}' is no {name}; give the number of a class.", value=printable(value[:80]), name=name))
    return int(value)
