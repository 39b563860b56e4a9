"""Penult's whole default head in a process of its own: folds, calibration, doubt about labels; the studio goes on meanwhile.

In: the photos in their directions (n, r) and the labels, whenever they have grown by a tenth. Out: `HeadResult`, the newest
one: out-of-fold scores, probabilities of all photos, labels in doubt. The child is nice to everything else, is ended at
`close`, and one that crashes costs nothing but its answer.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import evaluate, heads
from penult.errors import InputError
from penult.heads.unlike import fit_novelty
from penult.training.label_check import check_labels
from penult.worker import Crashed, Worker

log = logging.getLogger(__name__)

GROWTH = 1.1  # times as many labels from which it is worth while
LEAST = 20  # labels
NICE = 10
NOTHING = evaluate.Score(None, None, None)


@dataclass(frozen=True, eq=False, slots=True)
class HeadResult:
    """What the whole head found.

    Parameters
    ----------
    labels : int
        Photos that it learned from.
    classes : array (k,)
        Their class numbers, the columns of `proba`.
    proba : array (N, k) float32
        Calibrated probabilities of all photos; of those it learned from, by models that had not seen them where there are.
    accuracy : Score
        Out of fold, of the labelled photos: which were chosen, so it is no score of all photos.
    recall, precision : mapping of class number to float or None
        Out of fold.
    doubted : tuple of (int, int, float, int)
        Photos whose label is more probably wrong than right, that label, how probably, and the likeliest other class.
    novelty : array (N,) float32 or None
        How unlike the labelled photos each photo is; above 1 an answer is not to be relied on; None if nothing was measured.
    note : str
        Why nothing could be measured, or labels were not judged.
    """

    labels: int
    classes: NDArray[np.intp]
    proba: NDArray[np.float32]
    accuracy: evaluate.Score
    recall: dict[int, float | None]
    precision: dict[int, float | None]
    doubted: tuple[tuple[int, int, float, int], ...]
    novelty: NDArray[np.float32] | None = None
    note: str = ""


class BackgroundHead:
    """Fits the whole head whenever the labels have grown by a tenth, one fit at a time.

    Parameters
    ----------
    Z : array (N, r) float32
        The photos as `project` gives them.
    families : array (N,)
        What never stands on both sides of a fold.
    done : callable
        Called, from another thread, when there is a new result.
    """

    def __init__(self, Z: NDArray[np.float32], families: NDArray[np.intp], done: Callable[[], None] = lambda: None) -> None:
        self.Z, self.families, self.done = Z, families, done
        self._lock = threading.Lock()
        self._worker: Worker | None = None
        self._thread: threading.Thread | None = None
        self._result: HeadResult | None = None
        self._offered = 0  # labels of the last fit that was begun
        self._state: tuple[bytes, bytes] = (b"", b"")  # what they were
        self._closed = self._told = self._fitting = False

    @property
    def running(self) -> bool:
        """Whether a fit is on its way."""
        return self._fitting

    def result(self) -> HeadResult | None:
        """Return the newest result; None before there is one."""
        return self._result

    def offer(self, labels: NDArray[np.int32], usable: NDArray[np.bool_], pause: bool = False) -> bool:
        """Begin a fit on the labels (N,) of the `usable` photos (N,) if it is time for one; return whether it was begun.

        It is time where there are a tenth more of them than at the last fit, or where they are others and the user pauses.
        Returns at once: the rows are handed over by a thread.
        """
        rows = np.flatnonzero(usable & (labels >= 0))
        with self._lock:
            if self._closed or self.running or len(rows) < LEAST or len(np.unique(labels[rows])) < 2:
                return False
            state = (rows.tobytes(), labels[rows].tobytes())
            grown = len(rows) >= GROWTH * self._offered
            if not grown and not (pause and state != self._state):
                return False
            self._offered, self._state, self._fitting = len(rows), state, True
            self._thread = threading.Thread(
                target=self._fit, args=(rows, labels[rows].astype(np.intp)), name="penult-background", daemon=True
            )
            self._thread.start()
        return True

    def close(self) -> None:
        """End the child at once."""
        with self._lock:
            self._closed = True
            worker, thread = self._worker, self._thread
        if worker is not None:
            worker.kill()
        if thread is not None:
            thread.join(5)

    def _fit(self, rows: NDArray[np.intp], y: NDArray[np.intp]) -> None:
        try:
            self._result = self._answer(rows, y) or self._result
        except Crashed as error:
            if not self._closed and not self._told:
                self._told = True
                log.warning("the whole head could not be fitted in the background (%s); labelling goes on without it", error)
        except Exception as error:  # a mistake here must cost no label
            log.warning("the whole head could not be fitted in the background (%s: %s)", type(error).__name__, error)
        self._worker, self._fitting = (
            None,
            False,
        )  # before the news: whoever hears of them asks what goes on, and may offer more
        self.done()

    def _answer(self, rows: NDArray[np.intp], y: NDArray[np.intp]) -> HeadResult | None:
        with Worker("penult.studio.background:work") as worker:
            with self._lock:
                self._worker = worker
                if self._closed:
                    return None
            worker.send((self.Z, rows, y, self.families[rows]))
            result: HeadResult = worker.answer()
        return result


def work(sent: Iterator[Any]) -> Iterator[HeadResult]:
    """Be the child: fit and measure the whole head for what is sent."""
    if threading.current_thread() is threading.main_thread():
        with suppress(OSError, AttributeError):
            os.nice(NICE)
    for Z, rows, y, families in sent:
        yield whole_head(Z, rows, y, families)


def whole_head(Z: NDArray[np.float32], rows: NDArray[np.intp], y: NDArray[np.intp], families: NDArray[np.intp]) -> HeadResult:
    """Return what penult's default head says of all photos Z (N, r) once it knows the classes y (n,) of some rows (n,).

    Classes of which there is one picture only are left out: nothing of them could be held out.
    """
    several = np.array([len(np.unique(families[y == c])) > 1 for c in range(int(y.max()) + 1)])[y]
    rows, y, families = rows[several], y[several], families[several]
    if len(np.unique(y)) < 2:
        empty = np.zeros((len(Z), 0), np.float32)
        return HeadResult(len(rows), np.unique(y), empty, NOTHING, {}, {}, (), note="fewer than two classes have two photos")
    known, codes = np.unique(y, return_inverse=True)
    names, X = [str(c) for c in known], Z[rows]
    groups = families if len(np.unique(families)) < len(families) else None
    head = heads.make_head("blend", scaling="none")
    seen, note = None, ""
    try:
        seen = evaluate.cross_validate(head, X, codes, names, groups=groups)
    except InputError as error:
        note = str(error)
    check = None if seen is None else check_labels(head, X, seen)  # before the search of the folds is used up
    head = head.fit_searched() if head.searched else head.fit(X, codes, groups=groups)
    proba = head.predict_proba(Z).astype(np.float32)
    if seen is None or check is None:
        return HeadResult(len(rows), known, proba, NOTHING, {}, {}, (), note=note)
    measured = seen.measured
    proba[rows[measured]] = seen.proba[measured]
    doubted = []
    for row, wrong in zip(check.rows.tolist(), check.wrong.tolist(), strict=True):
        if wrong > 0.5:
            other = np.where(np.arange(len(known)) == codes[row], -1, seen.proba[row])
            doubted.append((int(rows[row]), int(known[codes[row]]), wrong, int(known[other.argmax()])))
    reference, own, _ = fit_novelty(X, codes, seen.fold)
    novelty = reference(Z)  # (N,)
    novelty[rows] = np.where(np.isfinite(own), own, novelty[rows])  # beside other folds, not beside themselves
    per = dict(zip(known.tolist(), seen.per_class, strict=True))
    return HeadResult(
        len(rows), known, proba, seen.scores["accuracy"],
        {c: one.recall for c, one in per.items()}, {c: one.precision for c, one in per.items()},
        tuple(sorted(doubted, key=lambda one: -one[2])), novelty.astype(np.float32), check.note,
    )  # fmt: skip
