"""Figures beside their bounds: printed as they come, and an exit code for all of them."""

from __future__ import annotations


class Bounds:
    """Takes figures and prints each with its bound; `code` is 1 when one was missed."""

    def __init__(self) -> None:
        self.code = 0

    def least(self, what: str, value: float, bound: float, unit: str = "") -> None:
        """Take a figure that should be at least the bound."""
        self._take(what, value, f">= {bound:g}", value >= bound, unit)

    def most(self, what: str, value: float, bound: float, unit: str = "") -> None:
        """Take a figure that should be at most the bound."""
        self._take(what, value, f"<= {bound:g}", value <= bound, unit)

    def _take(self, what: str, value: float, bound: str, kept: bool, unit: str) -> None:
        print(f"{what:<66} {value:>10.4g} {unit:<4} {bound:<10} {'' if kept else 'MISSED'}".rstrip(), flush=True)
        self.code |= not kept
