"""How fast a network is on this machine: measured while it works, kept beside the features, read back by the next run."""

from __future__ import annotations

import heapq
import json
import logging
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penult import backbones, engines
from penult.embed import EmbedOptions, embed, is_cached, measure_speed, speed, throughput
from penult.embed.throughput import ENOUGH, EngineSpeed, ThroughputMeter, record
from penult.engines import Throughput
from tinynet import SIDE, noise, tiny

TIMES = st.integers(0, 50).map(float)


@given(jobs=st.lists(st.tuples(TIMES, st.integers(1, 50).map(float)), min_size=1, max_size=30), streams=st.integers(1, 4))
def test_the_seconds_are_those_of_work_and_not_those_of_waiting(jobs: list[tuple[float, float]], streams: int) -> None:
    """Whatever arrives when: a queue served in order by so many streams is busy for the sum of the jobs."""
    events, clock, free = [], 0.0, [0.0] * streams
    for gap, length in jobs:
        clock += gap
        begun = max(clock, heapq.heappop(free))
        heapq.heappush(free, begun + length)
        events += [(clock, 0), (begun + length, 1)]
    work = Throughput(streams)
    with pytest.MonkeyPatch.context() as patch:
        for at, left in sorted(events, key=lambda event: event[0]):
            patch.setattr(time, "perf_counter", lambda at=at: at)
            (work.leave if left else work.enter)()
            work.settle()
    assert work.images == len(jobs)
    assert work.seconds == pytest.approx(sum(length for _, length in jobs))


def engine_at_work(streams: int = 2) -> SimpleNamespace:
    return SimpleNamespace(throughput=Throughput(streams), name="openvino", device="cpu", precision="f32")


def test_networks_that_share_the_cores_are_each_said_to_be_as_fast_as_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two networks held their streams for 16 s; the processor gave them 8 of its seconds, and 2 more for compiling."""
    spent = [100.0]
    monkeypatch.setattr(throughput, "_cpu_time_of_other_threads", lambda: spent[0])
    meter, first, second = ThroughputMeter(), engine_at_work(), engine_at_work()
    first.throughput.add(1000, 50.0)  # of an earlier loop
    for engine in (first, second):
        meter.watch(tiny(), engine)
    first.throughput.add(100, 4.0)
    second.throughput.add(100, 12.0)
    first.throughput.compiling = 2.0
    spent[0] += 10.0
    assert [(r.images, r.images_per_second) for r in meter.rates()] == [(100, 2 * 100 / 2.0), (100, 2 * 100 / 6.0)]


def test_several_threads_for_a_stream_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """More processor time than seconds: then these are what an image takes."""
    spent = [0.0]
    monkeypatch.setattr(throughput, "_cpu_time_of_other_threads", lambda: spent[0])
    meter, engine = ThroughputMeter(), engine_at_work()
    meter.watch(tiny(), engine)
    engine.throughput.add(50, 5.0)
    spent[0] = 18.0
    assert [r.images_per_second for r in meter.rates()] == [20.0]


@pytest.fixture
def pictures() -> list[np.ndarray]:
    return list(noise(ENOUGH + 8))


def test_a_run_that_embeds_enough_images_leaves_the_networks_speed(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    settings = EmbedOptions(precision="f32", cache=str(tmp_path))
    assert speed(tiny(), settings) is None
    embed(pictures, [tiny()], settings, thumbnails=True)
    (path,) = tmp_path.glob("speeds/*/record.json")  # none for the thumbnails
    kept = json.loads(path.read_text())
    assert speed(tiny(), settings) == kept["images_per_second"] > 0
    assert kept["backbone"] == "tiny" and kept["images"] == len(pictures)
    embed(pictures, [tiny()], settings)  # all from the cache: nothing new is known
    assert json.loads(path.read_text()) == kept


@pytest.mark.parametrize("change", ["backbone", "machine", "precision"])
def test_a_speed_is_of_one_network_in_one_precision_on_one_machine(
    change: str, tmp_path: Path, pictures: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, backbone = EmbedOptions(precision="f32", cache=str(tmp_path)), tiny()
    embed(pictures, [backbone], settings)
    if change == "machine":
        monkeypatch.setattr("penult.engines.cpu_name", lambda: "another")
    elif change == "backbone":
        backbone = replace(backbone, weights="1" * 64)
    else:
        monkeypatch.setattr(engines, "resolve", lambda *_: engines.Compute("cpu", "bf16"))
    assert speed(backbone, settings) is None


def test_a_few_images_and_a_run_without_a_cache_leave_none(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    embed(pictures[: ENOUGH - 1], [tiny()], EmbedOptions(cache=str(tmp_path)))
    embed(pictures, [tiny()], EmbedOptions(cache=False))
    assert not (tmp_path / "speeds").exists()
    assert speed(tiny(), EmbedOptions(cache=False)) is None


def test_a_speed_that_cannot_be_written_costs_a_line_in_the_log(
    tmp_path: Path, pictures: list[np.ndarray], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "speeds").write_text("a file where a folder should be")
    with caplog.at_level(logging.WARNING):
        done = embed(pictures, [tiny()], EmbedOptions(cache=str(tmp_path)))
    assert done.embedded == len(pictures)
    assert "the speed of tiny is not kept" in caplog.text


@pytest.mark.parametrize(
    "text", ["", "[]", '{"images_per_second": "fast", "sha256": {}}', '{"images_per_second": 0, "sha256": {}}']
)
def test_a_damaged_record_is_no_record(text: str, tmp_path: Path, pictures: list[np.ndarray]) -> None:
    settings = EmbedOptions(cache=str(tmp_path))
    embed(pictures, [tiny()], settings)
    next(tmp_path.glob("speeds/*/record.json")).write_text(text)
    assert speed(tiny(), settings) is None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time in seconds, which the test sets."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


def test_measuring_says_what_a_clock_would(tmp_path: Path, clock: list[float]) -> None:
    """A function that takes 2 ms for each image does 500 images a second."""

    def slow(pixels: np.ndarray) -> np.ndarray:
        clock[0] += 0.002 * len(pixels)
        return np.zeros((len(pixels), 112), np.float32)

    backbone = replace(backbones.find_builtin("colour_histogram", size=SIDE), function=slow)
    settings = EmbedOptions(cache=str(tmp_path))
    assert measure_speed(backbone, settings) == pytest.approx(500)
    assert speed(backbone, settings) == pytest.approx(500, abs=0.001)


class TwoStreams(SimpleNamespace):
    """An engine of two streams that take 10 ms for each image, as OpenVINO's."""

    def __init__(self, clock: list[float]):
        super().__init__(clock=clock, throughput=Throughput(2), name="openvino", device="cpu", precision="f32", left=[])

    def __call__(self, pixels: np.ndarray) -> None:
        self.submit(pixels)
        self.drain()

    def submit(self, pixels: np.ndarray) -> None:
        for _ in pixels:
            self.throughput.enter()
            self.left.append(None)

    def drain(self) -> list[object]:
        for number in range(len(self.left)):
            self.clock[0] += 0.01 if number % 2 == 0 else 0.0  # two are done at a time
            self.throughput.leave()
        self.left.clear()
        self.throughput.settle()
        return []

    def close(self) -> None: ...


def test_a_measured_network_is_as_fast_as_its_batches_go_by(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Images over seconds of work, on all streams, agree with images by the clock."""
    monkeypatch.setattr(throughput, "_cpu_time_of_other_threads", lambda: 2 * clock[0])
    monkeypatch.setattr(engines, "open_engine", lambda *_: TwoStreams(clock))
    assert measure_speed(tiny(), EmbedOptions(precision="f32", cache=False)) == pytest.approx(200)


def test_a_speed_that_hardly_changed_is_not_written_again(tmp_path: Path) -> None:
    settings = EmbedOptions(cache=str(tmp_path))
    engine = engine_at_work()
    for rate, kept in ((100.0, 100.0), (103.0, 100.0), (120.0, 120.0)):
        record([EngineSpeed(tiny(), engine, ENOUGH, rate)], settings)  # type: ignore[arg-type]
        (path,) = tmp_path.glob("speeds/*/record.json")
        assert json.loads(path.read_text())["images_per_second"] == kept


def test_known_says_which_rows_the_cache_has(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    settings = EmbedOptions(precision="f32", cache=str(tmp_path))
    embed(pictures[::2], [tiny()], settings)
    digests = embed(pictures, [backbones.find_builtin("colour_histogram")], settings).digests
    assert is_cached(tiny(), digests, settings).tolist() == [i % 2 == 0 for i in range(len(pictures))]


def test_a_slow_network_is_not_measured_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a second sees only a few images, they are kept all the same."""
    monkeypatch.setattr(throughput, "_SECONDS", 0.0001)
    settings = EmbedOptions(precision="f32", cache=str(tmp_path))
    found = measure_speed(tiny(), settings)
    assert json.loads(next(tmp_path.glob("speeds/*/record.json")).read_text())["images"] < ENOUGH
    assert speed(tiny(), settings) == pytest.approx(found, abs=0.001)
