"""A source of networks is one module and one line of a table: `toysource` shows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onnxnets import PIXELS, RECIPE, maps_by_numpy, run_graph
from penult.errors import MissingExtra, UnknownName
from penult.zoo import catalog, convert, model_cache, names
from penult.zoo.sources import SOURCES, ModelSpec, NetworkSource


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SOURCES, "toy", NetworkSource("toysource", prefix="toy:"))


def test_its_names_are_understood() -> None:
    spec = names.understand("toy:plain:64")
    assert spec == ModelSpec("toy", "plain", None, 64) and (spec.label, spec.typed) == ("toy:plain:64",) * 2


def test_its_networks_are_converted_and_have_their_own_digests() -> None:
    """From the name to features that numpy computes, too."""
    plain, graph = convert.convert(names.understand("toy:plain"))
    double, _ = convert.convert(names.understand("toy:double"))
    wanted = maps_by_numpy(PIXELS).mean(axis=(2, 3))
    np.testing.assert_allclose(run_graph(graph, RECIPE), wanted, rtol=1e-5, atol=1e-5)
    assert (plain.name, plain.license, plain.source, plain.recipe) == ("toy:plain", "MIT", "toys", RECIPE)
    assert plain.weights != double.weights
    with pytest.raises(UnknownName, match="unknown toy backbone 'plane'; did you mean plain"):
        convert.convert(names.understand("toy:plane"))


def test_its_networks_are_listed() -> None:
    assert [row.name for row in catalog.list_child([("toy", "d*"), ("toy", "toy:p*")])] == ["toy:plain"]


def test_each_network_has_its_own_place_in_the_cache(tmp_path: Path) -> None:
    places = {model_cache.entry_of(names.understand(f"toy:{name}"), tmp_path).folder.name for name in ("plain", "double")}
    assert len(places) == 2


def test_what_it_requires_is_said_before_anything_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SOURCES, "toy", NetworkSource("toysource", ("no_such_library",), prefix="toy:"))
    with pytest.raises(MissingExtra, match=r"'toy:plain' is not available yet\. Install: pip install 'penult\[toy\]'"):
        catalog.find_backbone("toy:plain")
