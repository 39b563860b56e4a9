"""The exact method: class activation maps of every network, laid on the photo and added up.

In: photos. Out: an `Answer` each.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from penult import engines
from penult.errors import InputError
from penult.explain.activation import activation, pooled
from penult.explain.linear import weights_of
from penult.explain.placing import spread
from penult.explain.seeing import Answer, Seen, contrast
from penult.explain.subject import Subject
from penult.floats import default_errors

Array = NDArray[np.float64]


class Exact:
    """Explains by class activation maps; as a `with` block, which gives the engines back.

    The features are pooled from the maps themselves in double precision, so that the map adds up to the logit whatever the
    engine's precision is.
    """

    def __init__(self, subject: Subject):
        self.subject = subject
        self._stack = ExitStack()
        keep = subject.settings.folder
        self._engines = [
            self._stack.enter_context(
                closing(engines.open_engine(b, subject.device, subject.precision, output="maps", keep=keep))
            )
            for b in subject.backbones
        ]
        self._edges = np.cumsum([0, *(b.width for b in subject.backbones)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @default_errors
    def __call__(self, photos: Sequence[Seen], labels: Sequence[int | None]) -> list[Answer]:
        """Return the answer for each photo, about the class asked for or the likeliest one."""
        return [self._explain(seen, maps, label) for seen, maps, label in zip(photos, self._maps(photos), labels, strict=True)]

    @default_errors
    def rows(self, photos: Sequence[Seen]) -> Array:
        """Return the features of photos, (n, d)."""
        return np.stack([self._row(maps) for maps in self._maps(photos)])

    def _maps(self, photos: Sequence[Seen]) -> list[list[Array]]:
        """Return the maps of each photo, one (c, h, w) for each network."""
        stacks = [np.stack([seen.pixels[i] for seen in photos]) for i in range(len(self._engines))]
        maps = [engine(stack) for engine, stack in zip(self._engines, stacks, strict=True)]  # each (n, c, h, w)
        return [[m[row].astype(np.float64) for m in maps] for row in range(len(photos))]

    def _row(self, maps: Sequence[Array]) -> Array:
        return np.concatenate([pooled(m, b.pooling) for m, b in zip(maps, self.subject.backbones, strict=True)])  # (d,)

    def _explain(self, seen: Seen, maps: Sequence[Array], wanted: int | None) -> Answer:
        """Return what `maps`, one (c, h, w) for each network, say of one photo."""
        subject = self.subject
        if subject.state is None:
            raise InputError("a foreign estimator has no weights to explain; use the method occlusion.")
        row = self._row(maps)  # (d,)
        proba = subject.proba(row[None])[0]  # (k,)
        label = int(proba.argmax()) if wanted is None else wanted
        found = weights_of(subject.state, row)
        weights, intercept = found.against_the_others(label)
        heat = np.zeros(seen.shape)
        for (start, stop), own, backbone, view in zip(pairwise(self._edges), maps, subject.backbones, seen.views, strict=True):
            grid = activation(own, backbone.pooling, weights[start:stop], found.shift[start:stop])
            heat += spread(grid, view, seen.shape)
        logit = float(contrast(subject.raw(row[None]), label)[0])
        return Answer(proba, label, heat, logit, intercept)
