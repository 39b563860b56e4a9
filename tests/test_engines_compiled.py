"""A compiled graph is kept for the next process: the same vectors, sooner; and nothing that is wrong with it can hurt."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from penult import engines, store
from penult.backbones import Backbone
from penult.embed import EmbedOptions, embed
from penult.engines import openvino_engine
from penult.engines.engine import CompiledCache
from tinynet import noise, tiny

PIXELS = noise(5)
FACTS = {"backbone_digest": "d", "precision": "f32"}


def vectors(backbone: Backbone, keep: Path | None, precision: str = "f32", output: str = "features") -> np.ndarray:
    engine = engines.open_engine(backbone, precision=precision, output=output, cache=keep)
    try:
        return engine(PIXELS)
    finally:
        engine.close()


def blobs(keep: Path) -> list[Path]:
    return sorted(keep.glob("compiled/*/graph.bin"))


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of graphs that are read to be compiled, from here on."""
    read: list[str] = []
    real = openvino_engine.read

    def counted(backbone: Backbone, output: str) -> object:
        read.append(output)
        return real(backbone, output)

    monkeypatch.setattr(openvino_engine, "read", counted)
    return read


@pytest.mark.parametrize("precision", engines.precisions())
def test_the_second_opening_compiles_nothing_and_gives_the_same_bits(
    tmp_path: Path, uncompiled: list[str], precision: str
) -> None:
    first = vectors(tiny(), tmp_path, precision)
    assert len(uncompiled) == 1
    np.testing.assert_array_equal(vectors(tiny(), tmp_path, precision), first)
    assert len(uncompiled) == 1


def test_other_outputs_recipes_and_precisions_are_other_graphs(tmp_path: Path) -> None:
    plain = vectors(tiny(), tmp_path)
    maps = vectors(tiny(), tmp_path, output="maps")
    swapped = vectors(tiny(channels="bgr"), tmp_path)
    assert maps.ndim == 4
    assert not np.array_equal(plain, swapped)
    assert len(blobs(tmp_path)) == 3


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    vectors(tiny(), None)
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("damage", ["flipped", "short", "empty", "nonsense"])
def test_a_damaged_one_is_made_again(tmp_path: Path, uncompiled: list[str], damage: str) -> None:
    first = vectors(tiny(), tmp_path)
    (path,) = blobs(tmp_path)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    path.write_bytes({"flipped": bytes(flipped), "short": whole[:-9], "empty": b"", "nonsense": b"x" * 99}[damage])
    np.testing.assert_array_equal(vectors(tiny(), tmp_path), first)
    assert len(uncompiled) == 2
    vectors(tiny(), tmp_path)
    assert len(uncompiled) == 2


def test_one_that_the_library_refuses_is_made_again(tmp_path: Path, uncompiled: list[str]) -> None:
    """Its checksum is right, but another build of the library wrote it."""
    first = vectors(tiny(), tmp_path)
    (path,) = blobs(tmp_path)
    store.CacheEntry(path.parent).put({path.name: b"of another library"})
    np.testing.assert_array_equal(vectors(tiny(), tmp_path), first)
    assert len(uncompiled) == 2


def test_a_folder_that_cannot_be_made_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert vectors(tiny(), tmp_path / "file").shape == (5, 5)


def test_the_folder_is_bounded_and_what_rested_longest_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = CompiledCache(tmp_path / "other")
    compiled.put({"number": "0"}, bytes(100))
    size = sum(path.stat().st_size for path in tmp_path.glob("other/compiled/*/*"))
    monkeypatch.setattr("penult.engines.engine.MOST_ALL", 3 * size)
    compiled = CompiledCache(tmp_path)
    for age, number in ((300, 1), (200, 0), (100, 2)):
        compiled.put({"number": str(number)}, bytes([number]) * 100)
        for path in store.CacheEntry.of(tmp_path, "compiled", {"number": str(number)}).folder.iterdir():
            os.utime(path, (1e9 - age, 1e9 - age))
    assert compiled.get({"number": "1"}) == b"\x01" * 100  # used just now
    compiled.put({"number": "3"}, b"\x03" * 100)
    assert [compiled.get({"number": str(number)}) is not None for number in range(4)] == [False, True, True, True]


def test_what_is_too_large_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penult.engines.engine.MOST_EACH", 10)
    CompiledCache(tmp_path).put(FACTS, b"x" * 11)
    assert list(tmp_path.iterdir()) == []


def test_embedding_keeps_compiled_graphs_in_its_cache_folder_and_nowhere_without_one(tmp_path: Path) -> None:
    embed(list(PIXELS), [tiny()], EmbedOptions(precision="f32", cache=str(tmp_path / "cache"), workers=0))
    assert len(blobs(tmp_path / "cache")) == 1
    embed(list(PIXELS), [tiny()], EmbedOptions(precision="f32", cache=False, workers=0))
    assert len(list(tmp_path.rglob("graph.bin"))) == 1
