"""From saved arrays to probabilities, with numpy alone.

In: what a fitted head left behind (`HeadState`) and X (n, d). Out: probabilities (n, k).
It must not import scikit-learn or scipy, nor know how a head was fitted. The estimators predict through this
module, so what is served is what was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from penult.arrays import Array
from penult.errors import DamagedFile
from penult.floats import default_errors
from penult.heads import calibration, scaling
from penult.heads.state import HeadState, problems

HALF_VOTE = 0.5
CHUNK = 1 << 22  # numbers in one chunk of scaled rows: 32 MiB of float64


@dataclass(frozen=True)
class Scorer:
    """Score rows as the head that left `state` would."""

    state: HeadState

    @default_errors
    def __call__(self, X: Array) -> Array:
        """Return calibrated, clipped probabilities (n, k) of X (n, d)."""
        facts = self.state.facts
        return calibration.probabilities(self.raw(X), facts["temperature"], facts["clip"])

    @default_errors
    def logits(self, X: Array) -> Array:
        """Return calibrated logits (n, k): the temperature is in them, the clip is not."""
        return self.raw(X) / float(self.state.facts["temperature"])

    @default_errors
    def raw(self, X: Array) -> Array:
        """Return the head's own logits (n, k), chunk by chunk, in double precision."""
        arrays, facts = self.state.arrays, self.state.facts
        blocks, name = tuple(facts["blocks"]), facts["scaling"]
        step = max(1, CHUNK // X.shape[1])
        parts = []
        for start in range(0, len(X), step):
            rows = scaling.apply(name, np.asarray(X[start : start + step], np.float64), blocks, arrays)
            with np.errstate(invalid="ignore"):  # a false alarm of BLAS beside small matrices; rows that overflow are told of
                parts.append(KINDS[self.state.kind](rows, arrays, facts))
        return np.concatenate(parts) if parts else np.zeros((0, facts["classes"]))


def two_sided(margins: Array) -> Array:
    """Return logits (n, k) of margins (n, c): one margin z becomes (-z/2, z/2), its sigmoid their softmax."""
    return margins if margins.shape[1] > 1 else np.hstack([-margins / 2, margins / 2])


def linear(X: Array, arrays: Mapping[str, Array], _facts: Mapping[str, Any]) -> Array:
    """Return X W^T + b as logits (n, k)."""
    return two_sided(X @ arrays["weights"].T.astype(X.dtype) + arrays["intercepts"])


def squared_distances(X: Array, rows: Array) -> Array:
    """Return the squared distance of each row of X (n, d) to each of rows (m, d), (n, m)."""
    cross = X @ rows.T
    own, other = np.einsum("nd,nd->n", X, X), np.einsum("md,md->m", rows, rows)
    return np.asarray(np.maximum(own[:, None] + other - 2 * cross, 0))


def kernel(X: Array, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> Array:
    """Return sum_m w_m exp(-gamma |x - row_m|^2) + b as logits (n, k)."""
    near = np.exp(-float(facts["gamma"]) * squared_distances(X, arrays["rows"].astype(X.dtype)))  # (n, m)
    return two_sided(near @ arrays["weights"].T + arrays["intercepts"])


def neighbours(X: Array, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> Array:
    """Return the log of each class's smoothed share among the nearest rows by cosine, (n, k)."""
    length = np.linalg.norm(X, axis=1, keepdims=True)
    cosine = (X / np.where(length > 0, length, 1)) @ arrays["rows"].T.astype(X.dtype)  # (n, m)
    return np.asarray(votes(cosine, arrays["codes"], arrays["votes"], (int(facts["k"]),))[0])


def votes(cosine: Array, codes: Array, weight: Array, counts: tuple[int, ...]) -> Array:
    """Return logits (len(counts), n, k) of the votes of the `count` nearest rows.

    A neighbour votes with (1 + cosine) / 2 times the weight of its class; half a vote, shared by the classes,
    keeps the shares away from 0 (Krichevsky & Trofimov 1981).
    """
    k, most = len(weight), min(max(counts), cosine.shape[1])
    near = np.argpartition(-cosine, most - 1, axis=1)[:, :most]  # (n, most)
    order = np.argsort(-np.take_along_axis(cosine, near, axis=1), axis=1, kind="stable")
    near = np.take_along_axis(near, order, axis=1)  # (n, most)
    strength = (1 + np.take_along_axis(cosine, near, axis=1)) / 2 * weight[codes[near]]  # (n, most)
    out = np.empty((len(counts), len(cosine), k))
    for at, count in enumerate(counts):
        for c in range(k):
            mine = (codes[near[:, :count]] == c) * strength[:, :count]
            out[at, :, c] = np.log(mine.sum(axis=1) + HALF_VOTE / k)
    return out


KINDS: dict[str, Callable[[Array, Mapping[str, Array], Mapping[str, Any]], Array]] = {
    "linear": linear,
    "kernel": kernel,
    "neighbours": neighbours,
}


def scorer(kind: str, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> Scorer:
    """Return the scorer of saved arrays, after checking them.

    Raises DamagedFile, with all that is wrong: an unknown kind, a missing array or fact, a shape that does
    not fit, a number that is not finite.
    """
    wrong = list(problems(kind, arrays, facts))
    if wrong:
        raise DamagedFile(f"the saved head cannot be used: {'; '.join(wrong)}; train again, or update penult if it is newer")
    return Scorer(HeadState(kind, dict(arrays), dict(facts)))
