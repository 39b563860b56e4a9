"""The bytes of many members, in order, fetched as suits where they lie."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from itertools import groupby

from penult.objects import fetch_ahead
from penult.sources.member import Member

Read = tuple[Member, bytes | OSError]


def read_ahead(members: Iterable[Member], window_bytes: int = 64 << 20) -> Generator[Read, None, None]:
    """Yield each member with its bytes, or why it cannot be read, in the order given.

    At most some `window_bytes` are held ahead of what is taken.
    """
    for remote, several in groupby(members, lambda member: member.packing == "object"):
        if remote:
            yield from fetch_ahead(several, lambda member: member.read(), lambda member: member.size, ahead=window_bytes)
            continue
        for member in several:
            try:
                yield member, member.read()
            except OSError as error:
                yield member, error
