"""A short run of the fuzzing that `make fuzz` does for ten minutes, with fixed seeds."""

from __future__ import annotations

from pathlib import Path

import pytest

import fuzzing
from penult.errors import PenultError


@pytest.mark.parametrize("target", fuzzing.TARGETS, ids=lambda target: target.name)
def test_a_changed_file_is_read_or_refused_and_nothing_else(target: fuzzing.Target, tmp_path: Path) -> None:
    found = fuzzing.fuzz(target, 20, 30, tmp_path)
    assert found["refused"] > 0
    assert set(found) <= {"refused", "accepted"}


def test_a_reader_that_breaks_is_found(tmp_path: Path) -> None:
    def read(path: Path) -> None:
        if b"\xff" in path.read_bytes():
            raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        fuzzing.fuzz(fuzzing.Target("x", lambda: b"abcdef", fuzzing.bytes_changed, read), 1, 200, tmp_path)


def test_a_valid_file_that_is_refused_is_found(tmp_path: Path) -> None:
    def read(path: Path) -> None:
        raise PenultError("I refuse everything.")

    with pytest.raises(AssertionError, match="I refuse everything"):
        fuzzing.fuzz(fuzzing.Target("x", lambda: b"a", fuzzing.bytes_changed, read), 1, 1, tmp_path)
