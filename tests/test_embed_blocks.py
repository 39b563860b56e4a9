"""Rows that need not fit into memory: read a part at a time, they are those of the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from penult.embed import EmbedOptions, embed, loop
from penult.zoo import find_backbone


@pytest.mark.parametrize("lost", [False, True])
def test_rows_in_parts_are_the_rows_in_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: bool) -> None:
    monkeypatch.setattr(loop, "_PART", 4 * 112 * 3)  # three rows
    pictures = [np.random.default_rng(i % 7).integers(0, 256, (8, 8, 3), np.uint8) for i in range(10)]  # three of them twice
    done = embed(pictures, [find_backbone("colour_histogram")], EmbedOptions(cache=str(tmp_path)))
    whole = done.rows(0)  # (10, d)
    if lost:
        for path in tmp_path.rglob("shard-*.npz"):
            path.unlink()
    found = done.row_blocks(0)
    parts = list(found.blocks)
    assert (found.shape, [len(part) for part in parts]) == ((10, 112), [3, 3, 3, 1])
    np.testing.assert_array_equal(np.concatenate(parts), whole)
