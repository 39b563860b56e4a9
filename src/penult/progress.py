"""How a long work tells how far it is: the callback that is given to it, and the one that shows nothing."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str, int, int], None]  # what is done, how many of it, of how many


def quiet(step: str, done: int, total: int) -> None:
    """Show nothing."""
