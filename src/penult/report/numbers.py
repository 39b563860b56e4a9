"""How numbers are written on the page: few digits, the same everywhere, a dash where there is none.

In: numbers. Out: text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penult.texts import NONE, count, percent

__all__ = ["NONE", "between", "count", "digits", "percent", "plain", "seconds", "tick"]


def digits(value: float | None) -> str:
    """Return three digits that count: 0.992, 0.0249, 12.3, 1,480."""
    if value is None:
        return NONE
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4f}" if abs(value) < 0.001 else f"{value:#.3g}".rstrip(".")


def tick(value: float) -> str:
    """Return a number beside an axis, without zeros that say nothing: 0.1, 20, 10,000."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def between(score: Mapping[str, float | None] | None, share: bool) -> str:
    """Return the interval of a score as `98.1 to 99.7%` or `0.0042 to 0.0124`."""
    if not score or score.get("low") is None or score.get("high") is None:
        return NONE
    low, high = score["low"], score["high"]
    return f"{percent(low).removesuffix(' %')} to {percent(high)}" if share else f"{digits(low)} to {digits(high)}"


def seconds(value: float) -> str:
    """Return a time as `0.42 s`, `14 s` or `3 min 5 s`."""
    if value < 9.95:
        return f"{value:.2g} s" if value >= 0.01 else "0 s"
    if value < 99.5:
        return f"{value:.0f} s"
    whole = round(value)
    return f"{whole // 60:,} min {whole % 60} s"


def plain(value: Any) -> str:
    """Return a setting as it would be typed: lists by commas, nothing as a dash."""
    if value is None or value == []:
        return NONE
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {plain(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(plain(v) for v in value)
    return str(value)
