"""Shards by Ray, on this machine: processes that die, errors that end the work, what is left behind."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="needs the extra `ray`")

from penult.cluster import ActorResources, RayConnection, connect_ray, ray_runner
from penult.errors import InputError
from shardwork import FileWorker, tasks

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")]

ONE_CORE = ActorResources(cpus=1)


def test_every_shard_is_done_once_whatever_dies(on_ray: RayConnection, tmp_path: Path) -> None:
    asked = tasks(plain=12, killed_once=2, poison=1)
    found = {status.name: status for status in ray_runner("ray", FileWorker, ONE_CORE)(str(tmp_path), asked)}
    assert set(found) == {task.name for task in asked}
    assert {name for name, status in found.items() if status.failed} == {"poison_14"}
    begun = (tmp_path / "begun").read_text().split()
    assert begun.count("poison_14") == 3
    assert all(begun.count(f"plain_{i}") == 1 for i in range(12))  # nobody else's death does a finished shard again
    cores = {(tmp_path / task.name).read_text().split()[1] for task in asked if "poison" not in task.name}
    assert cores == {"1"}
    again = list(ray_runner("ray", FileWorker, ONE_CORE)(str(tmp_path), asked[:3]))
    assert all(status.skipped for status in again)


def test_an_error_of_a_node_ends_the_work_as_itself(on_ray: RayConnection, tmp_path: Path) -> None:
    run = ray_runner("ray", FileWorker, ONE_CORE)
    with pytest.raises(InputError, match=r"shard refused_2 on .*lacks bf16"):
        list(run(str(tmp_path), tasks(plain=2, refused=1)))
    assert len(list(run(str(tmp_path), tasks(plain=2)))) == 2  # and what was done stays


def test_the_instance_is_private_and_leaves_nothing(on_ray: RayConnection) -> None:
    import ray

    def seen() -> tuple[int, str | None]:
        return os.nice(0), os.environ.get("RAY_AUTH_MODE")

    niceness, mode = ray.get(ray.remote(num_cpus=0)(seen).remote())
    assert niceness < 15  # which is Ray's own
    assert mode == "token"
    assert ray.util.get_node_ip_address() == "127.0.0.1"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert not (Path.home() / ".ray").exists()
    with connect_ray("ray"):
        pass
    assert ray.is_initialized()  # what was there already is left as it is
