"""`benchmarks/billions.py`, small: no shard is lost or doubled, whatever dies or does not answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")
ROOT = Path(__file__).resolve().parents[1]
SHARDS = 1500


@pytest.fixture
def billions(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import billions

    return billions


def small(scenario):
    fleet = replace(scenario.fleet, machines=16, actors=1, driver_lives=scenario.fleet.driver_lives / 2)
    return replace(scenario, fleet=fleet, bound=scenario.bound + 0.25)  # the start and the end tell more of so short a job


@pytest.mark.parametrize("name", ["deaths 100 %/h", "poison", "8 parts", "all of it"])
def test_each_shard_is_in_the_manifest_once(billions, name):
    (scenario,) = (one for one in billions.scenarios() if one.name.startswith(name))
    found = billions.simulate(small(scenario), SHARDS)
    assert found.faults() == []
    assert found.world.killed > 0
    assert found.world.crashes == 0 or scenario.poison


def test_a_shard_that_is_lost_or_doubled_is_noticed(billions):
    (scenario,) = (one for one in billions.scenarios() if one.name == "deaths 5 %/h")
    found = billions.simulate(small(scenario), 400)
    assert found.faults() == []
    assert replace(found, listed=found.listed[1:]).faults() == ["each planned shard once"]
    assert replace(found, manifest={**found.manifest, "embedded": 1}).faults() == ["every image in one count"]


def test_two_drivers_hardly_do_the_same_shards(billions):
    (scenario,) = (one for one in billions.scenarios() if one.name == "two drivers")
    found = billions.simulate(small(scenario), SHARDS)
    assert found.faults() == []
    assert found.world.store.writes["shards"] < 1.15 * SHARDS
