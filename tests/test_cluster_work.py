"""The rules for shards that go wrong, and what an actor is to get; without Ray."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from penult.cli import main
from penult.cluster import start
from penult.cluster.resources import ActorResources, Pool, pool_for
from penult.cluster.work import ActorAttempts, ShardWork, block_sizes
from penult.errors import InputError, InternalError, OutputError
from penult.shards import DEATHS, ShardStatus
from shardwork import FileWorker, task


def work(tmp_path: Path, attempts: ActorAttempts | None = None) -> tuple[ShardWork, list[float]]:
    waited: list[float] = []
    return ShardWork(lambda: FileWorker(str(tmp_path)), attempts or ActorAttempts(), waited.append), waited


def test_what_goes_wrong_is_an_answer_and_never_an_exception(tmp_path: Path) -> None:
    at_work, waited = work(tmp_path)
    assert at_work.answer(task("plain_0")) == ShardStatus("plain_0", 10, 10, 0)
    assert at_work.answer(task("plain_0")) == ShardStatus("plain_0", 10, 10, 0, skipped=True)
    assert at_work.answer(task("flaky_1")) == ShardStatus("flaky_1", 10, 10, 0)
    assert waited == [5.0, 10.0]  # the store was asked three times
    refused, broken = at_work.answer(task("refused_2")), at_work.answer(task("broken_3"))
    assert type(refused) is InputError
    assert str(refused).endswith("lacks bf16; take another.")
    assert f"process {os.getpid()}" in str(refused)
    assert type(broken) is InternalError
    assert "shard broken_3" in str(broken)
    assert len(waited) == 2 + 3  # what penult refuses is not tried again, an error of a library is


def test_a_shard_that_ended_its_process_three_times_is_given_up(tmp_path: Path) -> None:
    attempts = ActorAttempts()
    for before in range(DEATHS):
        assert attempts.begin("poison_0") == before
    at_work, _ = work(tmp_path, attempts)
    assert at_work.answer(task("poison_0")) == ShardStatus("poison_0", 10, 0, 10)
    assert attempts.begin("poison_0") == 0  # forgotten with its parts
    assert attempts.begin("poison_0.0.10") == 0


@pytest.mark.parametrize(("count", "actors"), [(1, 8), (41, 2), (2000, 1), (50_000, 300)])
def test_blocks_shrink_toward_the_end(count: int, actors: int) -> None:
    sizes = block_sizes(count, actors)
    assert sum(sizes) == count
    assert sizes == sorted(sizes, reverse=True)
    assert max(sizes) <= 32
    assert sizes[-min(count, actors) :] == [1] * min(count, actors)  # the last ones, of every actor, are single


@pytest.mark.parametrize(
    ("cores", "asked", "expected"),
    [
        ([2], {}, Pool(2, 0.0, None, 1, 40)),  # a laptop: one process, as without Ray
        ([64] * 3, {}, Pool(8, 0.0, None, 24, 40)),
        ([6, 6], {}, Pool(6, 0.0, None, 2, 40)),
        ([4, 6], {}, Pool(2, 0.0, None, 5, 40)),  # 2 uses all ten, 6 would leave four idle
        ([0, 16], {"cpus": 4, "most": 3}, Pool(4, 0.0, None, 3, 3)),
        ([0.5, 1], {"cpus": 0.25}, Pool(0.25, 0.0, None, 6, 40)),
    ],
)
def test_a_pool_uses_the_cores_of_the_nodes(cores: list[float], asked: dict[str, float], expected: Pool) -> None:
    nodes = [{"Alive": True, "Resources": {"CPU": n}} for n in cores] + [{"Alive": False, "Resources": {"CPU": 99}}]
    assert pool_for(ActorResources(**asked), nodes, tasks=40) == expected


def test_actors_share_a_gpu_by_fractions() -> None:
    nodes = [{"Alive": True, "Resources": {"CPU": 16, "GPU": 2}}]
    assert pool_for(ActorResources(gpus=0.5), nodes, tasks=9) == Pool(4, 0.5, None, 4, 9)
    with pytest.raises(InputError, match="--actor"):
        pool_for(ActorResources(gpus=3), nodes, tasks=9)


def test_resources_are_read_from_texts() -> None:
    read = ActorResources.parse(["cpus=4", "gpus=0.25", "memory=1.5GiB", "max=10"])
    assert read == ActorResources(4, 0.25, 3 << 29, 10)
    for wrong in ("cpus", "memory=8XB", "cpus=4GB", "cores=4", "max=1.5", "gpus=0", "memory=-1"):
        with pytest.raises(InputError, match="--actor"):
            ActorResources.parse([wrong])


@pytest.mark.parametrize("address", ["ray:", "spark", "ray://", "ray://head", "http://head:10001", "ray://head:x"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="--on"), start.connect_ray(address):
        pass


def test_a_cluster_that_others_can_reach_must_want_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    for address, cluster in (("ray://head.example:10001", ""), ("ray", "10.0.0.1:6379")):
        monkeypatch.setenv("RAY_ADDRESS", cluster)
        with pytest.raises(InputError, match="RAY_AUTH_MODE=token"), start.connect_ray(address):
            pass


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(start.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"penult\[ray\]"), start.connect_ray("ray"):
        pass


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_processes_on_one_machine_get_different_cores_until_they_end(tmp_path: Path) -> None:
    hold = "from penult.cluster import cores as c; print(flush=True); print(c.take_cores(1), flush=True); input()"
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    free = len(os.sched_getaffinity(0))

    def begin() -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        child.stdout.readline()
        return child

    held = [begin() for _ in range(free)]
    taken = [child.stdout.readline().strip() for child in held]
    late = begin()
    none = late.stdout.readline().strip()
    next_one = begin()  # takes the cores of one that is killed only now
    held[0].kill()
    same = next_one.stdout.readline().strip()
    for child in (*held, late, next_one):
        child.kill()
        child.communicate()
    assert len(set(taken) - {"[]"}) == free
    assert none == "[]"
    assert same == taken[0]


def test_an_output_error_of_the_disk_ends_as_one(tmp_path: Path) -> None:
    at_work, waited = work(tmp_path / "nowhere")
    assert type(at_work.answer(task("plain_0"))) is OutputError
    assert len(waited) == 3


def test_what_actors_get_is_for_ray_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["embed", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--actor", "cpus=2"]) == 1
    assert "give --on ray" in capsys.readouterr().err
