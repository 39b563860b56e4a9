"""The quick model: fitted anew after each label, all photos scored, in some tens of milliseconds.

In: photos in 512 directions (n, r), see `projection`, and labels. Out: calibrated probabilities of all photos, and
look-alikes. It is penult's default head in these coordinates, a softmax and a linear discriminant averaged, with two
differences that make it quick: the softmax starts from the last one, and settings and calibration are chosen anew only when
the labels have grown by a tenth (`quick_head`). Near copies with one label count once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors
from penult.studio.projection import project
from penult.studio.quick_head import QuickHead, Units

__all__ = ["QuickModel", "project"]

Floats = NDArray[np.float32]
Ints = NDArray[np.intp]

SURE = 1e-4  # probability below which none is said: a class that the model does not know yet is not ruled out
QUERIES = 64  # photos of a selection that look-alikes are compared with


class QuickModel:
    """A model of all photos of a project that keeps up with the labels.

    Parameters
    ----------
    Z : array (N, r) float32
        The photos as `project` gives them.
    families : array (N,)
        The family of each photo; near copies of one picture have the same number.
    seed : int
        Of the folds in which it is calibrated.

    Attributes
    ----------
    ready : bool
        Whether two classes have labels; before that `proba` is uniform.
    version : int
        Grows with each `update`.
    proba : array (N, k) float32
        Calibrated probabilities of all photos; a class without labels has 0.

    Examples
    --------
    >>> import numpy as np
    >>> Z = np.repeat(np.eye(2, dtype=np.float32) * 4, 20, axis=0)
    >>> model = QuickModel(Z, np.arange(40))
    >>> labels = np.full(40, -1, np.int32)
    >>> labels[[0, 1, 2, 20, 21, 22]] = 0, 0, 0, 1, 1, 1
    >>> model.update(labels, labels >= 0, classes=2)
    >>> model.proba.argmax(axis=1).tolist() == [0] * 20 + [1] * 20
    True
    """

    def __init__(self, Z: Floats, families: Ints, seed: int = 0) -> None:
        self.Z = np.ascontiguousarray(Z, np.float32)
        self.families: Ints = np.unique(families, return_inverse=True)[1].astype(np.intp)
        self.ready, self.version = False, 0
        self.proba: Floats = np.zeros((len(Z), 0), np.float32)
        self._length = np.sqrt(np.einsum("nr,nr->n", self.Z, self.Z))  # (N,)
        self._head = QuickHead(self.Z.shape[1], seed)
        self._linear: tuple[Floats, Floats] = (self.Z[:0], self.Z[:0, 0])
        self._present: NDArray[np.int32] = np.zeros(0, np.int32)
        self._classes = 0

    @default_errors
    def update(
        self, labels: NDArray[np.int32], usable: NDArray[np.bool_], classes: int, exam: NDArray[np.bool_] | None = None
    ) -> None:
        """Learn the labels (N,) of the `usable` photos (N,) and score all photos.

        `exam` (N,): labelled photos that were drawn by lot and are not learnt; their answers only say how sure the model may
        be, which no label that was chosen can. They change no answer, so a score on them stays honest.
        """
        self.version += 1
        rows = self._units(labels, usable)
        present = np.unique(labels[rows])  # (p,) class numbers
        self.ready = len(present) > 1
        if not self.ready:
            self.proba = np.full((len(self.Z), classes), 1 / max(classes, 1), np.float32)
            return
        judges = np.zeros(0, np.intp) if exam is None else self._units(labels, exam & np.isin(labels, present))
        units = Units(rows, np.searchsorted(present, labels[rows]), judges, np.searchsorted(present, labels[judges]))
        self._linear = self._head.fit(self.Z, units, tuple(present.tolist()))
        self._present, self._classes = present, classes
        self.proba = self.answer(self.Z)

    def answer(self, Z: Floats) -> Floats:
        """Return calibrated probabilities (m, k) of photos in the same directions, (m, r); for a model that is `ready`."""
        weights, intercepts = self._linear  # (p, r), (p,)
        p = Z @ weights.T  # (m, p), from logits on in place
        p += intercepts
        p -= p.max(axis=1, keepdims=True)
        np.exp(p, out=p)
        p /= p.sum(axis=1, keepdims=True)
        np.maximum(p, max(self._head.floor, SURE), out=p)
        p /= p.sum(axis=1, keepdims=True)
        out = np.zeros((len(Z), self._classes), np.float32)
        out[:, self._present] = p
        return out

    def near(self, numbers: Sequence[int], count: int) -> tuple[Ints, Floats]:
        """Return up to `count` photos that look most like any of these, (m,), and how much, -1 to 1, the most alike first.

        One photo of each family, and none of the families asked about.
        """
        asked = np.asarray(numbers, np.intp)
        some = asked[np.linspace(0, len(asked) - 1, min(len(asked), QUERIES)).astype(np.intp)]
        length = np.maximum(self._length, 1e-12)
        alike = (self.Z @ (self.Z[some] / length[some, None]).T).max(axis=1) / length  # (N,)
        alike[np.isin(self.families, self.families[asked])] = -2
        # more than asked for, as some will be of one family
        there = int((alike > -2).sum())
        wanted = min(there, 4 * count + 32)
        first = np.argpartition(-alike, wanted - 1)[:wanted] if wanted else np.zeros(0, np.intp)
        first = first[np.lexsort((first, -alike[first]))]
        first = first[np.sort(np.unique(self.families[first], return_index=True)[1])][:count]
        return first, np.clip(alike[first], -1, 1)

    def _units(self, labels: NDArray[np.int32], which: NDArray[np.bool_]) -> Ints:
        """Return one photo (m,) of each family and label among some photos, ascending."""
        rows = np.flatnonzero(which & (labels >= 0))
        key = self.families[rows] * (int(labels.max(initial=0)) + 1) + labels[rows]
        first: Ints = rows[np.sort(np.unique(key, return_index=True)[1])]
        return first
