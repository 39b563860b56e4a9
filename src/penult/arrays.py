"""Small operations on arrays that several layers need; numpy alone.

`default_errors`: numpy may be told to raise on overflow, underflow and the like, or to warn; penult's own computing then keeps
to numpy's default. That exp(-1000) is 0 is no error, and a division by zero is looked after where it can occur. What a program
asked numpy for (`np.seterr(all="raise")`) stays so for the program itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import wraps
from itertools import pairwise
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from penult.errors import InputError
from penult.i18n import _

Array = NDArray[Any]
P = ParamSpec("P")
T = TypeVar("T")

ERRORS = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}  # numpy's default
NARROW = 8  # columns below which a block keeps its length: a fixed one takes away a dimension, and so few have none to spare
TINY = 1e-12  # a largest entry whose inverse still fits float32
FLOAT16_END = 65536.0  # no number of float16 is so large
ROWS = 1024  # rows whose temporaries are in memory at a time


def default_errors(function: Callable[P, T]) -> Callable[P, T]:
    """Return the function as it computes with numpy's default for every kind of error that would raise, warn or be told."""

    @wraps(function)
    def quiet(*args: P.args, **kwargs: P.kwargs) -> T:
        changed = {kind: ERRORS[kind] for kind, what in np.geterr().items() if what not in ("ignore", ERRORS[kind])}
        if not changed:
            return function(*args, **kwargs)
        with np.errstate(**changed):  # type: ignore[arg-type]
            return function(*args, **kwargs)

    return quiet


def row_chunks(n: int, step: int = ROWS) -> list[slice]:
    """Return slices that together are n rows, each of `step` rows at most."""
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def widen(x: Array, out: Array) -> None:
    """Write numbers into `out`, float16 into float32 five times faster than numpy's own way (AVX-512 or not).

    Infinity and NaN of float16 become numbers of 65,536 and more, which float16 has not.
    """
    if x.dtype != np.float16 or out.dtype != np.float32 or not x.flags.c_contiguous or not out.flags.c_contiguous:
        np.copyto(out, x)
        return
    # the 15 bits of exponent and fraction at the place of float32's, the sign at the top; then only the bias is wrong
    bits = out.view(np.int32)
    np.copyto(bits, x.view(np.int16))
    np.left_shift(bits, 13, out=bits)
    np.bitwise_and(bits, np.int32(-0x70002000), out=bits)
    np.multiply(out, np.float32(2.0**112), out=out)


def in_threads(function: Callable[[slice], T], parts: Sequence[slice]) -> list[T]:
    """Return what the function makes of each part, in order; on all cores, since numpy works outside Python's lock."""
    if len(parts) < 2:
        return [function(part) for part in parts]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(len(parts), os.cpu_count() or 1)) as pool:
        return list(pool.map(function, parts))


def check_blocks(d: int, blocks: Sequence[int] | None) -> tuple[int, ...]:
    """Return the widths of the blocks of d columns, one block when None. Raises `InputError` when they do not add up."""
    if blocks is None:
        return (d,)
    widths = tuple(int(width) for width in blocks)
    if sum(widths) != d or min(widths, default=0) < 1:
        raise InputError(
            _(
                "the block widths {widths} add up to {sum}, and X has {d} columns; give the width of each backbone's "
                "block, in the order of the columns, or leave blocks out",
                widths=widths,
                sum=sum(widths),
                d=d,
            )
        )
    return widths


def block_slices(blocks: Sequence[int]) -> list[slice]:
    """Return the columns of each block."""
    return [slice(int(start), int(stop)) for start, stop in pairwise(np.cumsum((0, *blocks)))]


def unit_rows(X: Array) -> Array:
    """Return rows (n, d) of length 1, in their own precision; rows of zeros stay so."""
    length = np.linalg.norm(X, axis=1, keepdims=True)
    return np.asarray(X / np.where(length > 0, length, 1))


def unit_blocks(X: Array, blocks: Sequence[int]) -> Array:
    """Return a copy of X (n, d) in which each row of each block of at least `NARROW` columns has length 1, zeros apart."""
    out = np.array(X)
    for rows in row_chunks(len(X)):
        for columns in block_slices(blocks):
            if columns.stop - columns.start >= NARROW:
                part = out[rows, columns]
                largest, length = _length(part)
                part /= largest
                part /= length
    return out


def block_factors(X: Array, blocks: Sequence[int]) -> tuple[Array, bool]:
    """Return one over the length of each row's blocks, (n, b), by which `unit_blocks` multiplies; if one would overflow."""
    out = np.ones((len(X), len(blocks)), X.dtype)
    odd = False
    for at, columns in enumerate(block_slices(blocks)):
        if columns.stop - columns.start < NARROW:
            continue
        largest, length = _length(X[:, columns])
        out[:, at] = (1 / length / largest)[:, 0]
        odd |= bool((largest < TINY).any() or (largest > 1 / TINY).any())
    return out, odd


def _length(part: Array) -> tuple[Array, Array]:
    """Return the largest entry of each row, and the length of the row divided by it, (n, 1); 1 for a row of zeros."""
    # squares of huge or tiny features must neither overflow nor vanish
    largest = np.abs(part).max(axis=1, keepdims=True)  # (n, 1)
    largest = np.where(largest > 0, largest, 1)
    scaled = part / largest
    length = np.sqrt(np.einsum("nd,nd->n", scaled, scaled))[:, None]
    return largest, np.where(length > 0, length, 1)


def stratified_rows(y: Array, counts: Sequence[int] | Array, seed: int) -> NDArray[np.intp]:
    """Return the numbers of `counts` (k,) random rows of each class of y (n,), ascending."""
    rng = np.random.default_rng(seed)
    kept = [rng.permutation(np.flatnonzero(y == c))[:count] for c, count in enumerate(counts)]
    return np.sort(np.concatenate(kept)).astype(np.intp)


def random_places(unit: Array, seed: int) -> Array:
    """Return a random number in [0, 1) for each unit, the same for ever (splitmix64; Steele, Lea & Flood 2014)."""
    z = (unit.astype(np.uint64) + np.uint64(1 + (seed << 32) % (1 << 63))) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray((z ^ (z >> np.uint64(31))).astype(np.float64) / 2.0**64)


def median_cosine(A: Array, B: Array) -> float:
    """Return the median cosine of the rows of A and B (n, d), one with one."""
    lengths = np.linalg.norm(A, axis=1) * np.linalg.norm(B, axis=1)  # (n,)
    return float(np.median((A * B).sum(axis=1) / np.maximum(lengths, 1e-12)))


def drawn_picture(size: int) -> NDArray[np.uint8]:
    """Return a drawn picture (1, size, size, 3) by which machines are compared: rings, stripes and a slope."""
    y, x = np.mgrid[:size, :size].astype(np.int64)
    rings = ((x - size // 3) ** 2 + (y - size // 2) ** 2) * 900 // size**2
    stripes = (x * 7 + y * 3) // 5 % 2 * 160 + 40
    slope = (x + 2 * y) * 255 // (3 * size)
    return (np.stack([rings, stripes, slope], axis=-1) % 256).astype(np.uint8)[None]
