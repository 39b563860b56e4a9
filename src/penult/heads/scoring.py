"""A fitted head as arrays and facts, how they are checked, and the probabilities that they give.

In: what a head left behind (`HeadState`, maybe from a file) and X (n, d). Out: probabilities (n, k). numpy alone, without
scikit-learn or scipy. The estimators predict through this module, so what is served is what was measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from penult.arrays import Array, default_errors, unit_rows
from penult.errors import DamagedFile
from penult.heads import calibration, scaling
from penult.i18n import _

PRIOR_VOTES = 0.5  # shared by the classes (Krichevsky & Trofimov 1981)
CHUNK = 1 << 22  # numbers in one chunk of scaled rows: 32 MiB of float64


@dataclass(frozen=True)
class HeadState:
    """All that a fitted head needs to score.

    `kind`: "linear", "kernel", "mixed" (the sum of both), "neighbours", or "labels", of which any number holds for a row.
    `arrays`: see `SHAPES`, and `shift`, `factor` (d,) where the scaling has learnt something. `facts`, plain JSON: scaling,
    blocks, classes (their number), temperature, clip; and the head's own.
    """

    kind: str
    arrays: dict[str, Array]
    facts: dict[str, Any] = field(default_factory=dict)


# d: width, k: classes, c: columns (1 for two classes with one margin, else k), m: stored rows
SHAPES: dict[str, dict[str, str]] = {
    "linear": {"weights": "cd", "intercepts": "c"},
    "kernel": {"rows": "md", "weights": "cm", "intercepts": "c"},
    "mixed": {"rows": "md", "weights": "km", "intercepts": "k", "direct": "kd"},
    "neighbours": {"rows": "md", "codes": "m", "votes": "k"},
    "labels": {"weights": "kd", "intercepts": "k", "floors": "k"},
}
FACTS = ("scaling", "blocks", "classes", "temperature", "clip")
OWN_FACTS = {"kernel": ("gamma",), "mixed": ("gamma",), "neighbours": ("k",)}


def state_errors(kind: str, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> list[str]:
    """Return all that is wrong with a saved head; nothing when it can be used."""
    if kind not in SHAPES:
        return [f"unknown kind {kind!r}"]
    missing = [name for name in SHAPES[kind] if name not in arrays]
    missing += [name for name in (*FACTS, *OWN_FACTS.get(kind, ())) if name not in facts]
    if missing:
        return [f"{name} is missing" for name in missing]
    return [*_wrong_facts(kind, facts), *_wrong_arrays(kind, arrays, facts)]


def _wrong_facts(kind: str, facts: Mapping[str, Any]) -> list[str]:
    wrong = [] if facts["scaling"] in scaling.NAMES else [f"unknown scaling {facts['scaling']!r}"]
    numbers = {"temperature": 0.0, **({"gamma": 0.0} if "gamma" in OWN_FACTS.get(kind, ()) else {})}
    for name, low in numbers.items():
        value = facts[name]
        if not isinstance(value, int | float) or not math.isfinite(value) or value <= low:
            wrong.append(f"{name} is {value!r}")
    k, clip = facts["classes"], facts["clip"]
    if not isinstance(k, int) or k < (1 if kind == "labels" else 2):
        return [*wrong, f"classes is {k!r}"]
    if not isinstance(clip, int | float) or not 0 <= clip <= 1 / k:
        wrong.append(f"clip is {clip!r}")
    if not all(isinstance(width, int) and width > 0 for width in facts["blocks"]):
        wrong.append(f"blocks is {facts['blocks']!r}")
    if kind == "neighbours" and (not isinstance(facts["k"], int) or facts["k"] < 1):
        wrong.append(f"k is {facts['k']!r}")
    return wrong


def _wrong_arrays(kind: str, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> list[str]:
    k, d = facts["classes"], sum(facts["blocks"])
    sizes: dict[str, set[int]] = {"d": {d}, "k": {k}, "c": {1, k} if k == 2 else {k}}
    shapes = dict(SHAPES[kind])
    if facts["scaling"] in scaling.NAMES and facts["scaling"] not in scaling.STATELESS:
        shapes |= {"shift": "d", "factor": "d"}
    wrong = []
    for name, axes in shapes.items():
        array = arrays.get(name)
        if array is None:
            wrong.append(f"{name} is missing")
        elif array.ndim != len(axes) or array.dtype.kind not in "fiu":
            wrong.append(f"{name} has shape {array.shape} and type {array.dtype}")
        elif not all(size in sizes.setdefault(axis, {size}) for axis, size in zip(axes, array.shape, strict=True)):
            wrong.append(f"{name} has shape {array.shape}, which does not fit the other arrays")
        elif not np.isfinite(array).all():
            wrong.append(f"{name} has entries that are not finite")
    codes = arrays.get("codes")
    if kind == "neighbours" and not wrong and not _class_numbers(codes, k):
        wrong.append("codes names classes that do not exist")
    return wrong


def _class_numbers(codes: Any, k: int) -> bool:
    return codes.dtype.kind in "iu" and len(codes) > 0 and codes.min() >= 0 and codes.max() < k


@dataclass(frozen=True)
class Scorer:
    """Score rows as the head that left `state` would."""

    state: HeadState

    @default_errors
    def __call__(self, X: Array) -> Array:
        """Return calibrated, clipped probabilities (n, k) of X (n, d)."""
        facts = self.state.facts
        if self.state.kind == "labels":
            return label_probabilities(self.raw(X), self.state.arrays["floors"])
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
    return two_sided(row_products(X, np.ascontiguousarray(arrays["weights"], X.dtype)) + arrays["intercepts"])


def labels(X: Array, arrays: Mapping[str, Array], _facts: Mapping[str, Any]) -> Array:
    """Return X W^T + b, the calibrated logit (n, k) of each label."""
    return np.asarray(row_products(X, np.ascontiguousarray(arrays["weights"], X.dtype)) + arrays["intercepts"])


def label_probabilities(logits: Array, floors: Array) -> Array:
    """Return the probability (n, k) of each label by itself: the sigmoid, from its floor (k,) to 1 less it.

    It is squeezed into that range and not cut off, as photos are ranked by it.
    """
    return np.asarray(floors + (1 - 2 * floors) / (1 + np.exp(-np.clip(logits, -700, 700))))


def row_products(X: Array, weights: Array) -> Array:
    """Return X W^T (n, c) of rows X (n, d) and weights (c, d), the sums of a row depending on nothing but this row.

    BLAS adds up in another order where there are more rows, so that a photo's last digits would depend on the others.
    """
    return np.asarray(np.einsum("nd,cd->nc", X, weights))


def squared_distances(X: Array, rows: Array, products: Array | None = None) -> Array:
    """Return the squared distance of each row of X (n, d) to each of rows (m, d), (n, m); `products`: X rows^T, if known."""
    cross = X @ rows.T if products is None else products
    own, other = np.einsum("nd,nd->n", X, X), np.einsum("md,md->m", rows, rows)
    twice = np.multiply(cross, 2, out=cross if products is None else None)
    out = own[:, None] + other
    out = np.subtract(out, twice, out=out)  # three arrays (n, m) less than in one line, and the same bits
    return np.asarray(np.maximum(out, 0, out=out))


def kernel(X: Array, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> Array:
    """Return sum_m w_m exp(-gamma |x - row_m|^2) + b as logits (n, k)."""
    near = np.exp(-float(facts["gamma"]) * squared_distances(X, arrays["rows"].astype(X.dtype)))  # (n, m)
    return two_sided(near @ arrays["weights"].T + arrays["intercepts"])


def mixed(X: Array, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> Array:
    """Return the logits (n, k) of a kernel head plus X V^T, V being `direct`."""
    return np.asarray(kernel(X, arrays, facts) + row_products(X, np.ascontiguousarray(arrays["direct"], X.dtype)))


def neighbors(X: Array, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> Array:
    """Return the log of each class's smoothed share among the nearest rows by cosine, (n, k)."""
    cosine = unit_rows(X) @ arrays["rows"].T.astype(X.dtype)  # (n, m)
    return np.asarray(neighbor_logits(cosine, arrays["codes"], arrays["votes"], (int(facts["k"]),))[0])


def neighbor_logits(cosine: Array, codes: Array, weight: Array, counts: tuple[int, ...]) -> Array:
    """Return logits (len(counts), n, k) of the votes of the `count` nearest rows, weight (k,) that of each class.

    A neighbor votes with (1 + cosine) / 2 times the weight of its class; half a vote, shared by the classes, keeps the shares
    away from 0 (Krichevsky & Trofimov 1981).
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
            out[at, :, c] = np.log(mine.sum(axis=1) + PRIOR_VOTES / k)
    return out


KINDS: dict[str, Callable[[Array, Mapping[str, Array], Mapping[str, Any]], Array]] = {
    "linear": linear,
    "kernel": kernel,
    "mixed": mixed,
    "neighbours": neighbors,
    "labels": labels,
}


def scorer(kind: str, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> Scorer:
    """Return the scorer of saved arrays, after checking them.

    Raises DamagedFile, with all that is wrong: an unknown kind, a missing array or fact, a shape that does not fit, a number
    that is not finite.
    """
    wrong = list(state_errors(kind, arrays, facts))
    if wrong:
        raise DamagedFile(
            _("the saved head cannot be used: {wrong}; train again, or update penult if it is newer", wrong="; ".join(wrong))
        )
    if kind in ("linear", "labels"):  # once, and not for every row
        arrays = {**arrays, "weights": np.asarray(arrays["weights"], np.float64)}
    return Scorer(HeadState(kind, dict(arrays), dict(facts)))
