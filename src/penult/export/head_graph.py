"""A fitted head as nodes of an ONNX graph: scaling, logits, temperature, softmax (or sigmoids) and the smallest probability.

What `heads.scoring` computes in numpy, in the precision of the graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from penult.arrays import NARROW, Array, block_slices
from penult.export.nodes import INT64, Nodes
from penult.heads import HeadState
from penult.heads.novelty import NoveltyReference, hashing, old_directions
from penult.heads.scoring import PRIOR_VOTES


def add_head(graph: Nodes, features: str, head: HeadState) -> tuple[str, str]:
    """Add the head behind features (n, d); return the names of the logits and of the probabilities, (n, k) each."""
    facts = head.facts
    rows = _scaled(graph, graph.cast(features), head)
    raw = _KINDS[head.kind](graph, rows, head.arrays, facts)
    if head.kind == "labels":  # `heads.scoring.label_probabilities`
        floors = head.arrays["floors"].astype(np.float64)
        squeezed = graph.add("Mul", graph.add("Sigmoid", raw), graph.real(1 - 2 * floors))
        return raw, graph.add("Add", squeezed, graph.real(floors))
    logits = graph.add("Div", raw, graph.real(facts["temperature"]))
    proba = graph.add("Softmax", logits, axis=1)
    return logits, _raised(graph, proba, float(facts["clip"]), int(facts["classes"]))


def unit_blocks(graph: Nodes, rows: str, blocks: tuple[int, ...]) -> str:
    """Return rows (n, d) in which each row of each block has length 1, as `arrays.unit_blocks` does."""
    add, parts = graph.add, []
    for columns in block_slices(blocks):
        part = add("Slice", rows, graph.indices(columns.start), graph.indices(columns.stop), graph.indices(1))
        if columns.stop - columns.start >= NARROW:
            largest = graph.reduce("Max", add("Abs", part), 1, keep=True)
            part = add("Div", part, _nonzero(graph, largest))
            length = add("Sqrt", graph.reduce("Sum", add("Mul", part, part), 1, keep=True))
            part = add("Div", part, _nonzero(graph, length))
        parts.append(part)
    return parts[0] if len(parts) == 1 else add("Concat", *parts, axis=1)


def squared_distances(graph: Nodes, rows: str, others: Array, step: Array | None = None) -> str:
    """Return the squared distance of each row (n, d) to each of `others` (m, d), times `step`, (n, m)."""
    add, size = graph.add, 1.0 if step is None else float(step)
    own = graph.reduce("Sum", add("Mul", rows, rows), 1, keep=True)
    exact = others.astype(np.float64) * size
    theirs = graph.real(np.einsum("md,md->m", exact, exact))
    cross = add("Mul", graph.real(-2.0 * size), add("MatMul", rows, graph.cast(_stored(graph, others.T))))
    return add("Max", add("Add", add("Add", own, theirs), cross), graph.real(0.0))


def _stored(graph: Nodes, values: Array) -> str:
    """Add an array as a model file has it: in its own precision, which is often the smaller one."""
    return graph.constant(np.ascontiguousarray(values))


def _nonzero(graph: Nodes, x: str) -> str:
    return graph.add("Where", graph.add("Greater", x, graph.real(0.0)), x, graph.real(1.0))


def _scaled(graph: Nodes, rows: str, head: HeadState) -> str:
    name, arrays = head.facts["scaling"], head.arrays
    if name == "none":
        return rows
    if name == "unit":
        return unit_blocks(graph, rows, tuple(head.facts["blocks"]))
    return graph.add("Mul", graph.add("Sub", rows, graph.real(arrays["shift"])), graph.real(arrays["factor"]))


def _linear(graph: Nodes, rows: str, arrays: Mapping[str, Array], _facts: Mapping[str, Any]) -> str:
    product = graph.add("MatMul", rows, graph.cast(_stored(graph, arrays["weights"].T)))
    return _two_sided(graph, graph.add("Add", product, graph.real(arrays["intercepts"])), len(arrays["weights"]))


def _kernel(graph: Nodes, rows: str, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> str:
    far = squared_distances(graph, rows, arrays["rows"])  # (n, m)
    near = graph.add("Exp", graph.add("Mul", far, graph.real(-float(facts["gamma"]))))
    product = graph.add("MatMul", near, graph.cast(_stored(graph, arrays["weights"].T)))
    return _two_sided(graph, graph.add("Add", product, graph.real(arrays["intercepts"])), len(arrays["weights"]))


def _mixed(graph: Nodes, rows: str, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> str:
    product = graph.add("MatMul", rows, graph.cast(_stored(graph, arrays["direct"].T)))
    return graph.add("Add", _kernel(graph, rows, arrays, facts), product)


def _neighbors(graph: Nodes, rows: str, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> str:
    add, k = graph.add, int(facts["classes"])
    length = add("Sqrt", graph.reduce("Sum", add("Mul", rows, rows), 1, keep=True))
    unit = add("Div", rows, _nonzero(graph, length))
    cosine = add("MatMul", unit, graph.cast(_stored(graph, arrays["rows"].T)))  # (n, m)
    count = min(int(facts["k"]), len(arrays["rows"]))
    best, index = f"{graph.prefix}best", f"{graph.prefix}nearest"
    graph.add_node("TopK", [cosine, graph.indices(count)], [best, index], axis=1)  # (n, count) each
    near = add("Gather", graph.constant(arrays["codes"].astype(np.int64)), index, axis=0)
    votes = add("Gather", graph.real(arrays["votes"]), near, axis=0)
    strength = add("Mul", add("Mul", add("Add", best, graph.real(1.0)), graph.real(0.5)), votes)
    mine = add(
        "Equal", add("Unsqueeze", near, graph.indices(2)), graph.constant(np.arange(k, dtype=np.int64))
    )  # (n, count, k)
    shares = graph.reduce("Sum", add("Mul", graph.cast(mine), add("Unsqueeze", strength, graph.indices(2))), 1)
    return add("Log", add("Add", shares, graph.real(PRIOR_VOTES / k)))


def _labels(graph: Nodes, rows: str, arrays: Mapping[str, Array], _facts: Mapping[str, Any]) -> str:
    product = graph.add("MatMul", rows, graph.cast(_stored(graph, arrays["weights"].T)))
    return graph.add("Add", product, graph.real(arrays["intercepts"]))


_KINDS = {"linear": _linear, "kernel": _kernel, "mixed": _mixed, "neighbours": _neighbors, "labels": _labels}


def _two_sided(graph: Nodes, margins: str, columns: int) -> str:
    if columns > 1:
        return margins
    half = graph.add("Mul", margins, graph.real(0.5))
    return graph.add("Concat", graph.add("Neg", half), half, axis=1)


def _raised(graph: Nodes, proba: str, floor: float, k: int) -> str:
    """Return max(floor, c p) with the c that makes each row sum to 1: `heads.calibration.raise_to_floor`."""
    if floor <= 0:
        return proba
    add, floor = graph.add, min(floor, 1 / k)
    ordered, places = f"{graph.prefix}ordered", f"{graph.prefix}order"
    graph.add_node("TopK", [proba, graph.indices(k)], [ordered, places], axis=1)
    sums = add("CumSum", ordered, graph.index(1))
    behind = graph.real(np.arange(k - 1, -1, -1))
    highest = add("Div", ordered, add("Add", add("Mul", ordered, behind), sums))
    keeps = graph.cast(add("GreaterOrEqual", highest, graph.real(floor)), INT64)
    kept = add("Max", graph.reduce("Sum", keeps, 1, keep=True), graph.index(1))  # (n, 1): the largest always keeps the rest
    whole = add("GatherElements", sums, add("Sub", kept, graph.index(1)), axis=1)
    lost = add("Mul", graph.real(floor), graph.cast(add("Sub", graph.index(k), kept)))
    shrink = add("Div", add("Sub", graph.real(1.0), lost), whole)
    return add("Max", add("Mul", proba, shrink), graph.real(floor))


def add_novelty(graph: Nodes, features: str, found: NoveltyReference) -> str:
    """Add the novelty behind features (n, d); return the name of the scores (n,), as `heads.novelty` computes them."""
    add, facts, arrays = graph.add, found.facts, found.arrays
    unit = unit_blocks(graph, graph.cast(features), tuple(facts["blocks"]))
    projected = (
        _hashed(graph, unit, tuple(facts["blocks"])) if "step" in arrays else _turned(graph, unit, sum(facts["blocks"]))
    )
    centered = add("Sub", projected, graph.real(arrays["centre"]))
    squares = squared_distances(graph, centered, arrays["rows"], arrays.get("step"))  # (n, m)
    near, places = f"{graph.prefix}near", f"{graph.prefix}near_places"
    count = min(int(facts["nearest"]), len(arrays["rows"]))
    graph.add_node("TopK", [squares, graph.indices(count)], [near, places], axis=1, largest=0)
    score = add("Div", graph.reduce("Mean", add("Sqrt", near), 1), graph.real(facts["level"]))
    if "axes" not in arrays:
        return score
    placed = add("MatMul", unit, graph.cast(_stored(graph, arrays["axes"])))
    nearest = graph.reduce("Min", squared_distances(graph, placed, arrays["means"]), 1)
    return add("Max", score, add("Div", add("Sqrt", nearest), graph.real(facts["class_level"])))


def _hashed(graph: Nodes, unit: str, blocks: tuple[int, ...]) -> str:
    """Return the sums of columns (n, q) of `novelty.compressed`."""
    order, factors, starts = hashing(blocks)
    if len(starts) == len(order):
        return graph.add("Mul", unit, graph.real(factors))
    ends = np.append(starts[1:], len(order))
    longest = int((ends - starts).max())
    places = starts[:, None] + np.arange(longest)  # (q, longest)
    used = places < ends[:, None]
    places = np.minimum(places, len(order) - 1)
    columns = graph.constant(order[places].astype(np.int64))
    terms = graph.add("Mul", graph.add("Gather", unit, columns, axis=1), graph.real(np.where(used, factors[places], 0.0)))
    return graph.reduce("Sum", terms, 2)


def _turned(graph: Nodes, unit: str, width: int) -> str:
    """Return rows along the random directions of earlier models."""
    signs = old_directions(width)
    if signs is None:
        return unit
    product = graph.add("MatMul", unit, graph.cast(graph.constant(signs.astype(np.int8))))
    return graph.add("Mul", product, graph.real(1 / np.sqrt(signs.shape[1])))
