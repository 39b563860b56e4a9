"""A run folder is claimed, replaced file by file, and never somebody else's folder."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from penult.errors import InputError, OutputError
from penult.runs import FolderState, RunFolder, folder_state
from penult.store.disk import Disk


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


def test_a_run_that_ended_is_kept_beside_the_next_one_and_an_unfinished_one_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "run"
    for text in ("one", "two", "three"):
        with RunFolder(out) as run:
            assert run.former == {"one": None, "two": tmp_path / "run.1", "three": tmp_path / "run.2"}[text]
            run.write_table("oof.csv", [text], [])
            if text != "three":
                run.finish({})
    with RunFolder(out) as again:  # "three" was not finished
        assert again.former is None
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run", "run.1", "run.2"]
    assert [(tmp_path / name / "oof.csv").read_text().strip() for name in ("run.1", "run.2", "run")] == ["one", "two", "three"]
    assert folder_state(tmp_path / "run.1") == FolderState("done", same=("oof.csv",))
    assert len(caplog.messages) == 2
    assert f"is kept as {tmp_path / 'run.2'}" in caplog.messages[1]
    with RunFolder(out) as run:
        run.finish({})
    assert RunFolder(out, overwrite=True).former is None
    assert not (tmp_path / "run.3").exists()


def test_a_run_that_cannot_be_kept_stays_and_the_cure_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RunFolder(tmp_path / "run") as run:
        run.write_table("oof.csv", ["one"], [])
        run.finish({})
    before = folder_state(tmp_path / "run")

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Disk, "link", refuse)
        with pytest.raises(OutputError, match=r"the disk is full; free some space or .*--overwrite"):
            RunFolder(tmp_path / "run")
    assert folder_state(tmp_path / "run") == before
    monkeypatch.setattr(Disk, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EXDEV, "no such names here")))
    assert RunFolder(tmp_path / "run").former == tmp_path / "run.1"  # goes on with what was begun, by copies
    assert folder_state(tmp_path / "run.1") == before


def test_a_copy_that_was_not_ended_is_not_gone_on_with_for_another_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, done = Disk.link, []

    def killed(*args: Any) -> None:
        if done:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done.append(args)
        link(*args)

    with RunFolder(tmp_path / "run") as run:
        run.write_table("a.csv", ["one"], [])
        run.finish({})
    with monkeypatch.context() as patch:
        patch.setattr(Disk, "link", killed)
        with pytest.raises(OutputError):
            RunFolder(tmp_path / "run")
    with RunFolder(tmp_path / "run", overwrite=True) as run:
        run.drop("a.csv")
        run.write_table("b.csv", ["two"], [])
        run.finish({})
    assert RunFolder(tmp_path / "run").former == tmp_path / "run.2"
    assert folder_state(tmp_path / "run.2") == FolderState("done", same=("b.csv",))
    assert [path.name for path in (tmp_path / "run.1").glob("*.csv")] == ["a.csv"]


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
