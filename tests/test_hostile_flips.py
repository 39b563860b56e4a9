"""No flipped bit becomes a value: a sample of every kind of place; `benchmarks/hostile.py` flips all bits of all bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import flips


@pytest.mark.parametrize("name", ["shard", "model"])
def test_a_flipped_bit_is_refused_or_changes_nothing(tmp_path: Path, name: str) -> None:
    target = flips.TARGETS[name](tmp_path)
    random = np.random.default_rng(7)
    for kind, places in flips.places(target.data).items():
        some = random.choice(places, min(len(places), 60), replace=False).tolist() if places else []
        found = flips.tried(target, [(place, int(random.integers(8))) for place in some], tmp_path)
        assert found["wrong"] == 0, (kind, found)
        if kind in {"array", "array header", "json", "onnx"}:
            assert found["refused"] == len(some), kind


def test_a_flipped_bit_of_a_feature_file_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    """A sample; `test_store_h5_hostile` has one bit of every other byte."""
    target = flips.TARGETS["features"](tmp_path)
    random = np.random.default_rng(8)
    used = [place for place, byte in enumerate(target.data) if byte]
    found = flips.tried(target, [(place, int(random.integers(8))) for place in random.choice(used, 150).tolist()], tmp_path)
    assert found["wrong"] == 0, found
    assert found["refused"] > 20


def test_a_wrong_value_would_be_counted(tmp_path: Path) -> None:
    target = flips.Target("x", b"abc", lambda path: path.read_text())
    assert flips.tried(target, [(0, 0), (2, 1)], tmp_path)["wrong"] == 2
