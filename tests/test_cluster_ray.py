"""Shards by Ray, on this machine: processes that die, errors that end the work, what is left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="needs the extra `ray`")

from finished import Finished
from penult.cli import main
from penult.cluster import ActorResources, connect_ray, ray_runner
from penult.errors import InputError
from shardwork import FileWorker, tasks

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")]

ONE_CORE = ActorResources(cpus=1)


def test_every_shard_is_done_once_whatever_dies(on_ray: None, tmp_path: Path) -> None:
    asked = tasks(plain=12, killed_once=1, poison=1)
    found = {status.name: status for status in ray_runner("ray", FileWorker, ONE_CORE)(str(tmp_path), asked)}
    assert set(found) == {task.name for task in asked}
    assert {name for name, status in found.items() if status.failed} == {"poison_13"}
    begun = (tmp_path / "begun").read_text().split()
    assert begun.count("poison_13") == 3
    assert all(begun.count(f"plain_{i}") == 1 for i in range(12))  # nobody else's death does a finished shard again
    cores = {(tmp_path / task.name).read_text().split()[1] for task in asked if "poison" not in task.name}
    assert cores == {"1"}
    again = list(ray_runner("ray", FileWorker, ONE_CORE)(str(tmp_path), asked[:3]))
    assert all(status.skipped for status in again)


def test_an_error_of_a_node_ends_the_work_as_itself(on_ray: None, tmp_path: Path) -> None:
    run = ray_runner("ray", FileWorker, ONE_CORE)
    with pytest.raises(InputError, match=r"shard refused_2 on .*lacks bf16"):
        list(run(str(tmp_path), tasks(plain=2, refused=1)))
    assert len(list(run(str(tmp_path), tasks(plain=2)))) == 2  # and what was done stays


def test_the_instance_is_private_and_taken_as_it_is(on_ray: None) -> None:
    import ray

    def seen() -> tuple[int, str | None, str]:
        return os.nice(0), os.environ.get("RAY_AUTH_MODE"), os.environ["HOME"]

    niceness, mode, home = ray.get(ray.remote(num_cpus=0)(seen).remote())
    assert niceness < 15  # which is Ray's own
    assert mode == "token"
    assert ray.util.get_node_ip_address() == "127.0.0.1"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert not Path(home, ".ray").exists()  # where Ray would keep a token
    with connect_ray("ray"):
        pass
    assert ray.is_initialized()  # what was there already is left as it is


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_features_and_answers_are_those_of_one_process(
    on_ray: None, finished: Finished, photos: Callable[..., Path], tmp_path: Path
) -> None:
    source = str(photos("new", first=70, warm=9, cold=8))
    (Path(source) / "warm" / "cut.png").write_bytes(b"no picture")
    ray = ["--on", "ray", "--actor", "cpus=1"]
    for name, command in {
        "features": ["embed", source, "-b", "colour_histogram"],
        "answers": ["predict", str(finished.folder), source],
    }.items():
        alone, on = tmp_path / name, tmp_path / f"{name}-on-ray"
        assert main([*command, "--out", str(alone), "--rows", "5", "-q"]) == 0
        assert main([*command, "--out", str(on), "--rows", "5", "-q", *ray]) == 0
        assert content(on) == content(alone)  # every shard, the receipts, the manifest, and nothing left behind
        assert len(list((on / "shards").iterdir())) == 4
