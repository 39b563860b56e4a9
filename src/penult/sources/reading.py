"""The bytes of many members, in order, fetched as suits where they lie."""

from __future__ import annotations

import atexit
from collections.abc import Generator, Iterable, Iterator
from itertools import groupby
from threading import Lock

from penult.sources.member import Member
from penult.sources.unpacking import MAX_BYTES, Container

Read = tuple[Member, bytes | OSError]
_left: list[Container] = []  # the tar packed by gzip, or Parquet file, that was read last: often more of it is read
_lock = Lock()


def read_ahead(members: Iterable[Member], window_bytes: int = 64 << 20) -> Generator[Read, None, None]:
    """Yield each member with its bytes, or why it cannot be read, in the order given.

    Objects are fetched in parallel; at most some `window_bytes` are held ahead of what is taken. Archives are read from front
    to back: members in another order than theirs cost more.
    """
    for (packing, container), several in groupby(members, lambda member: (member.packing, member.container)):
        if packing == "object":
            from penult.objects import fetch_ahead

            yield from fetch_ahead(several, lambda member: member.read(), lambda member: member.size, ahead=window_bytes)
        elif packing in ("file", "refused"):
            yield from ((member, _read(member)) for member in several)
        else:
            yield from _in_container(container, several)


def _in_container(path: str, members: Iterator[Member]) -> Iterator[Read]:
    try:
        container = _taken(path)
    except OSError as error:
        yield from ((member, error) for member in members)
        return
    try:
        yield from ((member, _read(member, container)) for member in members)
    finally:
        spare: Container | None = container
        if container.has_place:
            with _lock:
                spare = _left.pop() if _left else None
                _left.append(container)
        if spare is not None:
            spare.close()


@atexit.register
def _let_go() -> None:
    """Close the container that is kept, while what it needs for that is still there."""
    with _lock:
        while _left:
            _left.pop().close()


def _taken(path: str) -> Container:
    """Open a container, or go on in the one that was read last, whose way is from front to back."""
    with _lock:
        kept = _left.pop() if _left else None
    if kept is not None and kept.is_still(path):
        return kept
    if kept is not None:
        kept.close()
    return Container(path)


def _read(member: Member, container: Container | None = None) -> bytes | OSError:
    try:
        return member.read(MAX_BYTES, container)
    except OSError as error:
        return error


def reading_order(members: Iterable[object]) -> list[int] | None:
    """Return the places of sources in the order in which archives are read from front to back; None where that is theirs."""
    keys = [_place(one) for one in members]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return None if order == list(range(len(keys))) else order


def _place(source: object) -> tuple[str, int, int]:
    if not isinstance(source, Member) or source.in_place or source.packing not in ("gzip", "parquet", "stored", "zip"):
        return ("", 0, 0)
    if source.packing == "parquet":
        group, row, _ = source.key.split(":", 2)
        return (source.container, int(group), int(row))
    return (source.container, source.offset, 0)
