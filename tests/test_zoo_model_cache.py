"""Converted networks on disk: whole or absent, checked, and in the same place on every machine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from penult.backbones import Backbone
from penult.errors import DamagedFile, InputError
from penult.store import CacheEntry
from penult.zoo import model_cache
from penult.zoo.sources import ModelSpec
from tinynet import tiny


def filled(folder: Path) -> Backbone:
    network = tiny()
    model_cache.put(CacheEntry(folder), network.graph(), network.to_dict())
    return network


def test_what_was_put_is_got_with_its_graph(tmp_path: Path) -> None:
    network = filled(tmp_path / "net")
    got = model_cache.get(CacheEntry(tmp_path / "net"))
    assert got == network and got.digest == network.digest and got.graph() == network.graph()
    assert [folder for folder, _ in model_cache.cached_networks(tmp_path)] == []
    filled(tmp_path / "backbones" / "net")
    assert [(f.name, b) for f, b in model_cache.cached_networks(tmp_path)] == [("net", network)]


def test_a_changed_graph_is_refused_and_forgotten(tmp_path: Path) -> None:
    filled(tmp_path)
    got = model_cache.get(CacheEntry(tmp_path))
    graph = tmp_path / "graph.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"!")
    assert got is not None
    with pytest.raises(DamagedFile, match="was changed after it was written"):
        got.graph()
    assert model_cache.get(CacheEntry(tmp_path)) is None  # so the next run converts it again


@pytest.mark.parametrize("harm", ["no record", "half a record", "no graph", "another record", "odd record"])
def test_a_folder_that_is_not_whole_is_as_good_as_none(harm: str, tmp_path: Path) -> None:
    filled(tmp_path)
    record = tmp_path / "record.json"
    if harm == "no record":
        record.unlink()
    elif harm == "half a record":
        record.write_bytes(record.read_bytes()[:50])
    elif harm == "no graph":
        (tmp_path / "graph.onnx").unlink()
    elif harm == "another record":
        record.write_text("[1, 2]")
    else:
        record.write_text(json.dumps({**json.loads(record.read_text()), "width": -1}))
    assert model_cache.get(CacheEntry(tmp_path)) is None


def test_another_recipe_than_the_converted_one_is_refused_with_the_way_to_have_it(tmp_path: Path) -> None:
    filled(tmp_path)
    got = model_cache.get(CacheEntry(tmp_path))
    assert got is not None
    assert got.with_recipe(crop_mode="crop", crop=0.5).graph() == got.graph()  # geometry is not in the graph
    assert got.with_recipe(channels="bgr").graph() != got.graph()
    with pytest.raises(InputError, match="NAME:SIZE"):
        got.with_recipe(size=64).graph()
    with pytest.raises(InputError, match="classifier"):
        got.graph(classifier=True)


def test_the_place_depends_on_what_is_wished_and_on_nothing_else(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "w.pth", tmp_path / "b" / "v.pth"
    for path in (first, second):
        path.parent.mkdir()
        path.write_bytes(b"the same weights")

    def place(spec: ModelSpec, cache: str = "c") -> str:
        return model_cache.entry_of(replace(spec, label="net"), tmp_path / cache).folder.name

    plain = ModelSpec("timm", "net")
    assert place(plain) == place(plain, "d")
    assert place(ModelSpec("timm", "net", str(first))) == place(ModelSpec("timm", "net", str(second)))
    others = [
        plain,
        ModelSpec("keras", "net"),
        ModelSpec("timm", "other"),
        ModelSpec("timm", "net", str(first)),
        ModelSpec("timm", "net", None, 96),
    ]
    assert len({place(spec) for spec in others}) == len(others)
    before = place(ModelSpec("timm", "net", str(first)))
    first.write_bytes(b"other weights")
    assert place(ModelSpec("timm", "net", str(first))) != before
