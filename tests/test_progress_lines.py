"""Progress where there is no terminal: a line a minute, with what is left, and none for a short run."""

from __future__ import annotations

import pytest

from penult.progress import MinuteLines


class Clock:
    """A clock that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_long_step_says_once_a_minute_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    progress = MinuteLines(clock)
    for done in range(0, 60_001, 100):  # 100 a second: ten minutes
        progress("features", done, 60_000)
        clock.now += 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 9, "the end itself is not a line"
    assert lines[0] == "features: 6,000 of 60,000, 100/s, about 9 min left"
    assert lines[-1] == "features: 54,000 of 60,000, 100/s, about 60 s left"


def test_a_short_run_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    progress = MinuteLines(clock)
    for step in ("features", "folds"):
        for done in range(25):
            progress(step, done, 25)
            clock.now += 1
    assert capsys.readouterr().err == ""


def test_each_step_has_a_rate_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    progress = MinuteLines(clock)
    for step, rate in (("features", 1000), ("folds", 1)):
        for second in range(100):
            progress(step, second * rate, 100_000)
            clock.now += 1
    assert capsys.readouterr().err.splitlines() == [
        "features: 60,000 of 100,000, 1,000/s, about 40 s left",
        "folds: 20 of 100,000, about 27.8 h left",
        "folds: 80 of 100,000, about 27.8 h left",
    ]


def test_steps_that_alternate_keep_their_rates(capsys: pytest.CaptureFixture[str]) -> None:
    """Images and shards do; a total may shrink, and a step that begins anew has a new rate."""
    clock = Clock()
    progress = MinuteLines(clock)
    for shard in range(15):
        progress("images", shard * 1000, 61_000 - 1000 * shard)
        progress("shards", shard, 61 - shard)
        clock.now += 10
    progress("images", 0, 100)
    clock.now += 60
    progress("images", 60, 100)
    assert capsys.readouterr().err.splitlines() == [
        "images: 6,000 of 55,000, 100/s, about 8 min left",
        "images: 12,000 of 49,000, 100/s, about 6 min left",
        "images: 60 of 100, about 40 s left",
    ]
