"""Color thumbnails of photos, for people: made where a photo is decoded for its features, kept in the cache by digest."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import pixels, store
from penult.embed.options import EmbedOptions
from penult.errors import ProgressCallback, quiet
from penult.i18n import N_, _
from penult.pixels import FULL_DEPTH, Failure, Recipe
from penult.sources import reading_order


class PhotoThumbnails:
    """Thumbnails of n photos by number: upright, at most 160 pixels a side, the bytes of JPEG files.

    What the cache lacks is made when it is asked for, in decoder processes, and kept. `failures` has the photos for which that
    was not possible, and why. Any thread may ask.

    Examples
    --------
    >>> from penult.embed import EmbedOptions, PhotoThumbnails
    >>> thumbnails = PhotoThumbnails.of_files(["photos/cat/cat1.png"], EmbedOptions(cache=False))
    >>> thumbnails[0][:2].hex()  # how a JPEG file begins
    'ffd8'
    """

    def __init__(
        self,
        sources: Sequence[Any],
        digests: NDArray[np.uint8],  # (n, 32), zero where a file could not be read
        settings: EmbedOptions,
        depth: int = FULL_DEPTH,
        cache: store.BlobCache | None = None,
    ) -> None:
        self._sources, self._digests, self._settings, self._depth = sources, digests, settings, depth
        self._cache = open_thumbnails(settings, depth) if cache is None else cache
        self._lock = threading.Lock()
        self.failures: dict[int, Failure] = {}

    @classmethod
    def of_files(cls, paths: Sequence[Any], settings: EmbedOptions, depth: int = FULL_DEPTH) -> PhotoThumbnails:
        """Return the thumbnails of files whose digests are not known yet; each is read for it."""
        digests = b"".join(digest or bytes(32) for digest in pixels.content_digests(paths))
        return cls(paths, np.frombuffer(digests, np.uint8).reshape(-1, 32), settings, depth)

    def __len__(self) -> int:
        return len(self._sources)

    def __getitem__(self, number: int) -> bytes | None:
        return self.read([number])[0]

    def read(self, numbers: Sequence[int] | NDArray[np.intp]) -> list[bytes | None]:
        """Return the thumbnails of these photos, None for one that cannot be decoded, or is gone."""
        wanted = np.asarray(numbers, np.intp)
        with self._lock:
            found = self._cache.read(self._digests[wanted])
            lost = [n for n, one in zip(wanted.tolist(), found, strict=True) if one is None and n not in self.failures]
            if lost:
                self._make(lost, quiet)
                found = self._cache.read(self._digests[wanted])
        return found

    def make_all(self, progress: ProgressCallback = quiet) -> None:
        """Make all that the cache lacks. Raises `OutputError` where that cannot be written."""
        with self._lock:
            known = {row.tobytes() for row in self._cache.known()}
            digests = map(bytes, self._digests)
            lost = [n for n, digest in enumerate(digests) if digest not in known and n not in self.failures]
            if lost:
                self._make(lost, progress)

    def _make(self, numbers: Sequence[int], progress: ProgressCallback) -> None:
        known = self._cache.known()  # (m, 32)
        recipe = Recipe(1, interpolation="nearest", depth=self._depth)  # what needs no thumbnail needs no pixels
        sources = [self._sources[n] for n in numbers]
        if (order := reading_order(sources)) is not None:
            numbers, sources = [numbers[i] for i in order], [sources[i] for i in order]
        prepared = pixels.prepare_with_thumbnails(
            sources, [recipe], [known], known, self._settings.workers, max_pixels=self._settings.max_pixels
        )
        with closing(prepared), self._cache:
            for done, (n, one) in enumerate(zip(numbers, prepared, strict=True), 1):
                if one.thumbnail is not None and one.digest is not None:
                    self._cache.add(one.digest, one.thumbnail)
                if one.failure is not None:
                    self.failures[n] = one.failure
                elif one.digest != self._digests[n].tobytes():
                    self.failures[n] = Failure("unreadable file", _("it was changed meanwhile"))
                progress(N_("thumbnails"), done, len(numbers))


def open_thumbnails(settings: EmbedOptions, depth: int) -> store.BlobCache:
    """Return where thumbnails are kept; `depth` is that of the recipes, by which photos in 16-bit files look different."""
    return settings.thumbnails({**pixels.thumbnail_format(), "road": pixels.preprocessing_version(), "depth": str(depth)})
