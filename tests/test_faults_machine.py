"""A random life of a folder of photos and its cache, beside a dict that says what is true.

Photos come, go, get other names and labels; runs end well, fail or are killed at some act on the disk; shards are damaged,
also between embedding and reading; two writers work in one cache; the clock jumps. What is read is always the dict's truth,
for exactly the photos asked for, in their order; nothing that was saved is lost unless its very shard was damaged.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EDQUOT, EIO, ENOSPC, EROFS
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from PIL import Image

from conftest import draw
from penult import images, store, zoo
from penult.embed import Embedding, EmbedOptions, embed
from penult.errors import OutputError
from penult.store import cache as cache_module
from penult.store import shard_cache
from penult.store.disk import Disk, machine_id

ACTS = ("make", "create", "write", "sync", "replace", "sync_folder", "remove")
LABELS = ("cold", "warm")
GONE = 2**22 + 1  # the number of no process
NETWORK = zoo.find_backbone("colour_histogram")


class Killed(BaseException):
    """The process ends here: no act on the disk follows."""


@cache
def photo(number: int) -> bytes:
    """Return the bytes of a PNG file."""
    with tempfile.SpooledTemporaryFile() as file:
        Image.fromarray(draw(LABELS[number % 2], number, 12)).save(file, "png")
        file.seek(0)
        return file.read()


@cache
def truth(number: int) -> tuple[bytes, bytes]:
    """Return digest and vector of a photo, computed alone and without a cache."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "photo.png"
        path.write_bytes(photo(number))
        done = embed([path], [NETWORK], EmbedOptions(cache=False, workers=0))
        return done.digests[0].tobytes(), done.features()[0].tobytes()


@contextmanager
def going_wrong(at: int, error: BaseException) -> Iterator[None]:
    """Let the `at`-th act on the disk raise; after `Killed` every later one, too: the dead do not tidy up."""
    count = itertools.count(1)

    def guarded(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def act(*arguments: Any) -> Any:
            number = next(count)
            if number == at and name == "write":
                original(arguments[0], arguments[1], bytes(arguments[2])[: len(arguments[2]) // 2])
            if number == at or (number > at and isinstance(error, Killed)):
                raise error
            return original(*arguments)

        return act

    with pytest.MonkeyPatch.context() as patch:
        for name in ACTS:
            patch.setattr(Disk, name, guarded(name, getattr(Disk, name)))
        yield


class Life(RuleBasedStateMachine):
    """The folder, the cache, and what must be true of them."""

    @initialize()
    def begin(self) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(os, "fsync", lambda _: None)
        self.patch.setattr(shard_cache, "_SECONDS", 0.0)  # every batch is a shard
        self.patch.setattr(cache_module, "write_shard", self._acknowledged(cache_module.write_shard))
        self.place = Path(tempfile.mkdtemp(prefix="life"))
        self.folder, self.cache = self.place / "photos", self.place / "cache"
        for label in LABELS:
            (self.folder / label).mkdir(parents=True)
        self.photos: dict[Path, int] = {}
        self.saved: dict[Path, set[bytes]] = {}
        self.names = itertools.count()
        for number in range(4):
            self.add(number, LABELS[number % 2])

    def _acknowledged(self, original: Callable[..., Path]) -> Callable[..., Path]:
        def write(folder: Path, digests: np.ndarray, *others: Any) -> Path:
            path = original(folder, digests, *others)
            self.saved[path] = {digest.tobytes() for digest in digests}
            return path

        return write

    # What people do to their photos.

    @rule(number=st.integers(0, 30), label=st.sampled_from(LABELS))
    def add(self, number: int, label: str) -> None:
        path = self.folder / label / f"{next(self.names)}.png"
        path.write_bytes(photo(number))
        self.photos[path] = number

    @precondition(lambda self: len(self.photos) > 4)
    @rule(which=st.integers(0, 1000))
    def remove(self, which: int) -> None:
        path = sorted(self.photos)[which % len(self.photos)]
        path.unlink()
        del self.photos[path]

    @rule(which=st.integers(0, 1000), label=st.sampled_from(LABELS))
    def rename_or_relabel(self, which: int, label: str) -> None:
        path = sorted(self.photos)[which % len(self.photos)]
        other = self.folder / label / f"{next(self.names)}.png"
        path.rename(other)
        self.photos[other] = self.photos.pop(path)

    # Runs.

    @rule()
    def run(self) -> None:
        self._look(*self._embed())

    @rule(which=st.integers(0, 1000), how=st.sampled_from(["flip", "cut", "delete", "all"]), where=st.integers(0, 10**6))
    def run_while_the_cache_is_damaged(self, which: int, how: str, where: int) -> None:
        """Between embedding and reading."""
        found, done = self._embed()
        self.damage(which, how, where)
        self._look(found, done)

    @rule(at=st.integers(1, 12), number=st.integers(0, 30), again=st.booleans())
    def killed_run(self, at: int, number: int, again: bool) -> None:
        self.add(number, LABELS[0])
        try:
            with going_wrong(at, Killed()):
                self._look(*self._embed())
        except Killed:
            for path in self.cache.rglob(".tmp-*"):  # this process lives on; the one that was killed does not
                path.rename(path.with_name(f".tmp-{machine_id()}-{GONE}-{next(self.names):x}"))
        if again:
            self.run()

    @rule(at=st.integers(1, 12), number=st.integers(0, 30), refusal=st.sampled_from([ENOSPC, EDQUOT, EIO, EROFS]))
    def failing_run(self, at: int, number: int, refusal: int) -> None:
        self.add(number, LABELS[1])
        try:
            with going_wrong(at, OSError(refusal, os.strerror(refusal))):
                self._look(*self._embed())
        except OutputError as error:
            assert "could not" in str(error)
        assert not list(self.cache.rglob(f".tmp-{machine_id()}-{os.getpid()}-*"))

    @rule(days=st.sampled_from([-400, 2, 400]))
    def run_after_the_clock_jumped(self, days: int) -> None:
        now = time.time
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "time", lambda: now() + days * 86_400)
            self.run()

    @rule(first=st.integers(0, 30), second=st.integers(0, 30))
    def two_writers(self, first: int, second: int) -> None:
        """Two runs in one cache, in turns; each sees what the other saved."""
        if not (facts := self._facts()):
            return
        one, other = store.FeatureCache(self.cache, facts), store.FeatureCache(self.cache, facts)
        for writer, numbers in (
            (one, [first, second]),
            (other, [second]),
            (other, [first, (first + 1) % 31]),
            (one, [second]),
        ):
            writer.add(*(np.concatenate(part) for part in zip(*map(self._row, numbers), strict=True)))
        for reader in (one, other):
            self._read(reader, [first, second], must=True)

    @rule(which=st.integers(0, 1000), how=st.sampled_from(["flip", "cut", "delete", "all"]), where=st.integers(0, 10**6))
    def damage(self, which: int, how: str, where: int) -> None:
        if how == "all":
            shutil.rmtree(self.cache, ignore_errors=True)
            self.saved.clear()
            return
        if not (shards := sorted(self.cache.glob("features/*/shard-*.npz"))):
            return
        path = shards[which % len(shards)]
        content = bytearray(path.read_bytes())
        if how == "delete":
            path.unlink()
        elif how == "cut":
            path.write_bytes(content[: where % len(content)])
        else:
            content[where // 8 % len(content)] ^= 1 << where % 8
            path.write_bytes(content)
        self.saved.pop(path, None)

    def teardown(self) -> None:
        if hasattr(self, "place"):
            self._saved_is_there()
            self.patch.undo()
            shutil.rmtree(self.place)

    # What must be true.

    def _embed(self) -> tuple[images.ImageSet, Embedding]:
        """Embed the folder as it is; a part of what a run does, and all that it does with the cache."""
        found = images.scan_unlabelled(str(self.folder))
        return found, embed([i.path for i in found.images], [NETWORK], EmbedOptions(cache=str(self.cache), workers=0))

    def _look(self, found: images.ImageSet, done: Embedding) -> None:
        wanted = [truth(self.photos[self.folder / name]) for name in found.ids]
        assert len(found) == len(self.photos)
        assert done.ok.all()
        assert done.embedded + done.reused == len(wanted)
        assert [row.tobytes() for row in done.digests] == [digest for digest, _ in wanted]
        assert [row.tobytes() for row in done.features()] == [vector for _, vector in wanted]
        self._saved_is_there()
        assert not list(self.cache.rglob(".tmp-*"))

    def _saved_is_there(self) -> None:
        if facts := self._facts():
            saved = set().union(*self.saved.values())
            numbers = [number for number in range(31) if truth(number)[0] in saved]
            kept = store.FeatureCache(self.cache, facts)
            self._read(kept, numbers, must=True)
            self._read(kept, [*range(30, -1, -3), 0, 0], must=False)

    def _facts(self) -> dict[str, str] | None:
        for path in self.cache.glob("features/*/key.json"):
            return {k: v for k, v in json.loads(path.read_text()).items() if k != "format"}
        return None

    @staticmethod
    def _row(number: int) -> tuple[np.ndarray, np.ndarray]:
        digest, vector = truth(number)
        return np.frombuffer(digest, np.uint8)[None], np.frombuffer(vector, np.float32)[None]

    def _read(self, kept: store.FeatureCache, numbers: list[int], must: bool) -> None:
        """Read these photos in this order: every row is the truth, or is not found; it `must` be found."""
        if not numbers:
            return
        digests = np.concatenate([self._row(number)[0] for number in numbers])
        rows, there = kept.read(digests)
        assert there.all() or not must
        for number, row, found in zip(numbers, rows, there, strict=True):
            assert row.tobytes() == truth(number)[1] if found else not row.any()


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=30, stateful_step_count=30, derandomize=True, deadline=None)
