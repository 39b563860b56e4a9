"""Figures drawn in a process of their own: one that ends amid a figure leaves nothing half."""

from __future__ import annotations

from pathlib import Path

import pytest

from penult.plots import FigureWorker
from penult.store.disk import machine_id


@pytest.mark.parametrize("left", [OSError, KeyboardInterrupt, None])
def test_what_an_ended_drawing_left_half_is_gone(tmp_path: Path, left: type[BaseException] | None) -> None:
    """The half figure is made by hand, under the name that the drawing process would give it: its end cannot be timed."""

    def half() -> None:
        with FigureWorker(tmp_path) as drawing:
            assert drawing._worker is not None
            process = drawing._worker._child.pid
            (tmp_path / f".tmp-{machine_id()}-{process}-0123abcd").write_bytes(b"half a fig")
            (tmp_path / "mine.png").write_bytes(b"another's")
            if left is not None:
                raise left

    if left is None:
        half()
    else:
        with pytest.raises(left):
            half()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.png"]
