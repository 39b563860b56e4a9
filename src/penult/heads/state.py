"""What a fitted head leaves behind, and what makes it unusable.

In: arrays and facts, maybe from a file. Out: `HeadState`, or a list of all that is wrong. Numpy alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from penult.arrays import Array
from penult.heads import scaling


@dataclass(frozen=True)
class HeadState:
    """All that a fitted head needs to score.

    `kind`: "linear", "kernel" or "neighbours". `arrays`: see `SHAPES`, and `shift`, `factor` (d,) where the
    scaling has learnt something. `facts`, plain JSON: scaling, blocks, classes (their number), temperature,
    clip; and the head's own.
    """

    kind: str
    arrays: dict[str, Array]
    facts: dict[str, Any] = field(default_factory=dict)


# d: width, k: classes, c: columns (1 for two classes with one margin, else k), m: stored rows
SHAPES: dict[str, dict[str, str]] = {
    "linear": {"weights": "cd", "intercepts": "c"},
    "kernel": {"rows": "md", "weights": "cm", "intercepts": "c"},
    "neighbours": {"rows": "md", "codes": "m", "votes": "k"},
}
FACTS = ("scaling", "blocks", "classes", "temperature", "clip")


def problems(kind: str, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> list[str]:
    """Return all that is wrong with a saved head; nothing when it can be used."""
    if kind not in SHAPES:
        return [f"unknown kind {kind!r}"]
    missing = [name for name in SHAPES[kind] if name not in arrays]
    missing += [name for name in (*FACTS, *({"kernel": ["gamma"], "neighbours": ["k"]}.get(kind, []))) if name not in facts]
    if missing:
        return [f"{name} is missing" for name in missing]
    return [*_wrong_facts(kind, facts), *_wrong_arrays(kind, arrays, facts)]


def _wrong_facts(kind: str, facts: Mapping[str, Any]) -> list[str]:
    wrong = [] if facts["scaling"] in scaling.NAMES else [f"unknown scaling {facts['scaling']!r}"]
    numbers = {"temperature": 0.0, **({"gamma": 0.0} if kind == "kernel" else {})}
    for name, low in numbers.items():
        value = facts[name]
        if not isinstance(value, int | float) or not math.isfinite(value) or value <= low:
            wrong.append(f"{name} is {value!r}")
    k, clip = facts["classes"], facts["clip"]
    if not isinstance(k, int) or k < 2:
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
