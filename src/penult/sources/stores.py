"""Images in object stores: the objects below an address.

In: `s3://`, `gs://`, `az://` addresses. Out: members in the order in which a folder of the same content is walked. What is
listed but lost by the time it is read is one image that cannot be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from penult import signatures
from penult.objects import ObjectStore, StoredObject, open_store
from penult.sources.folder import HIDDEN, NOT_IMAGE
from penult.sources.member import Member
from penult.sources.names import is_system_file
from penult.sources.ordering import in_folder_order
from penult.texts import is_url


def stored_members(url: str, on_skip: Callable[[str, str], None] = lambda kind, name: None) -> Iterator[Member]:
    """Yield the images below an address, or the one that it names, in the order of a folder with the same content.

    An object is an image by its name, or by its first bytes where the name tells nothing, as in a folder.
    Raises InputError where nothing can be listed.
    """
    url = url.rstrip("/")
    store = open_store(url)
    found = False
    for key, size, tag in in_folder_order((one.key, str(one.size), one.tag) for one in _images(store, on_skip)):
        found = True
        yield Member(key, url, key, size=int(size), packing="object", tag=tag)
    if not found and (single := _single(url)) is not None:
        yield single


def _single(url: str) -> Member | None:
    above, _, name = url.rpartition("/")
    if not is_url(above):  # a bucket as a whole
        return None
    known = open_store(above).head(name)
    return None if known is None else Member(name, above, name, size=known.size, packing="object", tag=known.tag)


def _images(store: ObjectStore, on_skip: Callable[[str, str], None]) -> Iterator[StoredObject]:
    with ThreadPoolExecutor(16, "penult-heads") as pool:
        untold: list[StoredObject] = []
        for one in store.list():
            parts = one.key.split("/")
            told = signatures.named_like_image(parts[-1])
            if any(map(is_system_file, parts)):
                on_skip(HIDDEN, one.key)
            elif told:
                yield one
            elif told is None and one.size:
                untold.append(one)
                if len(untold) == 1000:
                    yield from _by_heads(store, untold, pool, on_skip)
                    untold = []
            else:
                on_skip(NOT_IMAGE, one.key)
        yield from _by_heads(store, untold, pool, on_skip)


def _by_heads(
    store: ObjectStore, untold: list[StoredObject], pool: ThreadPoolExecutor, on_skip: Callable[[str, str], None]
) -> Iterator[StoredObject]:
    """Yield those of the objects that begin like an image."""
    heads = pool.map(lambda one: _head(store, one.key), untold)
    for one, head in zip(untold, heads, strict=True):
        if signatures.looks_like_image(head):
            yield one
        else:
            on_skip(NOT_IMAGE, one.key)


def _head(store: ObjectStore, key: str) -> bytes:
    try:
        return store.get_range(key, 0, signatures.HEAD)
    except FileNotFoundError:
        return b""
