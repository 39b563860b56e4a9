"""The names of a checkpoint's tensors: which beginning to take off, and how a refusal lists them.

In: names. Out: a beginning that all of them share, or a part of a sentence. Whoever wraps a network names its tensors anew:
PyTorch Lightning `model.`, others `backbone.`, `encoder.`, `net._orig_mod.`.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence

from penult.errors import listed

_ALONE, _EACH = 10, 5  # names in a refusal: of one list, and of each of several
_LONGEST, _SHORT = 90, 60  # letters of a name with its shapes; of three lists


def shared_prefix(names: Collection[str], wanted: Collection[str]) -> str:
    """Return the beginning, dot included, that all names share and without which most of them are wanted; often "".

    It is only returned where more names are wanted without it than with it.
    """
    if not names:
        return ""
    split = [name.split(".")[:-1] for name in names]
    first, last = min(split), max(split)  # what these two share all do
    parts = [a for a, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))]
    every = ["", *(f"{'.'.join(parts[:count])}." for count in range(1, len(parts) + 1))]
    known = set(wanted)
    return max(every, key=lambda prefix: sum(name[len(prefix) :] in known for name in names))


def misfit(lists: Mapping[str, Sequence[str]], counted: bool = False) -> str:
    """Return `missing: a, b and 198 more; unknown: c` for a refusal of a thousand letters; `counted`: `200 missing`."""
    told = {what: names for what, names in lists.items() if names}
    most, longest = _ALONE if len(told) == 1 else _EACH, _LONGEST if len(told) < 3 else _SHORT
    return "; ".join(
        f"{f'{len(names)} ' if counted else ''}{what}: {listed(names, most, longest)}" for what, names in told.items()
    )
