"""Say which images could not be read, why, and what to do: on standard error, or as an error where none could.

In: names, failures. Out: a line, or `InputError`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from penult.cli import show
from penult.errors import InputError
from penult.pixels import Failure, summarize_failures
from penult.texts import printable

NAMED = 10


def tell(names: Sequence[str], failures: Mapping[int, Failure]) -> None:
    """Note the images of these names (n,) that failed. Raises `InputError` where all of them did."""
    if not failures:
        return
    some = [f"'{printable(names[i])}' ({failures[i].reason})" for i in sorted(failures)[:NAMED]]
    more = f" and {len(failures) - NAMED:,} more" if len(failures) > NAMED else ""
    listed = f"{', '.join(some)}{more}. {summarize_failures(failures.values())}."
    if len(failures) == len(names):
        raise InputError(f"none of the {len(names):,} images can be read: {listed} Give others; nothing was written.")
    show.note(f"note: {len(failures):,} of {len(names):,} images cannot be read: {listed}")
