"""A run folder is claimed, replaced file by file, and never somebody else's folder."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path

import pytest

from penult.errors import InputError, OutputError
from penult.runs import RunFolder


def test_a_folder_that_is_no_run_is_refused_and_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("four years")
    with pytest.raises(InputError, match=r"is not empty and is not a run of penult's; nothing was touched"):
        RunFolder(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(InputError, match="is a file; give another folder with --out"):
        RunFolder(tmp_path / "run")


def test_another_programs_metrics_do_not_make_a_run(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text('{"accuracy": 1}')
    with pytest.raises(InputError, match="not a run"):
        RunFolder(tmp_path)


def test_a_run_that_was_killed_is_recognised_and_can_be_run_again(tmp_path: Path) -> None:
    RunFolder(tmp_path / "run")
    assert json.loads((tmp_path / "run/metrics.json").read_text())["status"] == "running"
    again = RunFolder(tmp_path / "run")
    again.write_table("oof.csv", ["file"], [["a.jpg"]])
    metrics = again.finish({"x": 1})
    assert metrics["status"] == "done"
    assert metrics["files"] == {"oof.csv": hashlib.sha256((tmp_path / "run/oof.csv").read_bytes()).hexdigest()}


def test_a_name_that_is_not_utf8_keeps_its_bytes(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.write_table("t.csv", ["file"], [[b"\xff.jpg".decode("utf-8", "surrogateescape")]])
    assert (tmp_path / "t.csv").read_bytes().split(b"\n")[1].strip() == b"\xff.jpg"


def test_a_result_that_cannot_be_read_back_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with RunFolder(tmp_path / "run") as run:
        run.write_table("oof.csv", ["file"], [])
        monkeypatch.setattr(hashlib, "file_digest", broken)
        with pytest.raises(OutputError, match=r"oof\.csv, a result of this run, cannot be read back"):
            run.finish({})
