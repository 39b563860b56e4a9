"""How the maps of a network become its features: the one law between the graph's two outputs.

In: maps (n, c, h, w), in runs of channels that come from the same layer. Out: features, and the widths of their
blocks, the runs of columns that belong together.

"mean": the mean of every map over its positions, (n, c). "mean+max": the means of all maps, then their
maxima, (n, 2c). "none": the features are not made from maps, there are none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from penult.backbones.graph import Graph
from penult.errors import InputError

Pooling = Literal["mean", "mean+max", "none"]
POOLINGS: tuple[str, ...] = get_args(Pooling)


def blocks_of(pooling: Pooling, runs: Sequence[int]) -> tuple[int, ...]:
    """Return the widths of the runs of columns of features pooled from maps in `runs` of channels."""
    return tuple(runs) * (2 if pooling == "mean+max" else 1)


def channels_of(pooling: Pooling, blocks: Sequence[int]) -> int:
    """Return c, how many maps the features with these blocks are pooled from."""
    return sum(blocks) // 2 if pooling == "mean+max" else sum(blocks)


def pool(graph: Graph, maps: Sequence[str], pooling: Pooling, out: str) -> str:
    """Add the pooling of several maps that lie behind one another; returns the name of the mean of the last.

    Each is pooled by itself, so that a graph cut to its features never copies the maps together.
    """
    means = [graph.add("ReduceMean", m, axes=[2, 3], keepdims=0) for m in maps]
    pooled = list(means)
    if pooling == "mean+max":
        pooled += [graph.add("ReduceMax", m, axes=[2, 3], keepdims=0) for m in maps]
    graph.add("Concat", *pooled, axis=1, out=out)
    return means[-1]


def check_blocks(pooling: object, width: object, blocks: Sequence[object]) -> None:
    """Raise `InputError` unless a backbone can have this pooling, this width and these blocks."""
    if pooling not in POOLINGS:
        raise InputError(f"pooling cannot be {pooling!r}; give one of {', '.join(POOLINGS)}.")
    whole = [p for p in blocks if type(p) is int and p > 0]
    if not whole or len(whole) != len(blocks) or sum(whole) != width:
        raise InputError(f"parts cannot be {list(blocks)}; give whole numbers above 0 that add up to the width ({width!r}).")
    half = len(whole) // 2
    if pooling == "mean+max" and whole[:half] != whole[half:]:
        raise InputError(f"parts cannot be {whole} with the pooling mean+max; give the maxima the widths of the means.")
