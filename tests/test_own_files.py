"""A file of a run folder that is not the one that the run wrote is refused by every command that reads it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from finished import finish, lay_out
from penult import bundle
from penult.cli import main
from penult.errors import DamagedFile
from penult.runs import checksums

SMALL = ["-b", "colour_histogram", "-q"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run on drawn photos, with test photos; tests work on copies of it."""
    base = tmp_path_factory.mktemp("job")
    lay_out(base / "train", warm=9, cold=9)
    lay_out(base / "test", 50, warm=9, cold=9)
    return finish(base).base


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished / "run", tmp_path / "run"))


def change(path: Path) -> None:
    """Turn one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def said(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """Return the one line of a command that was refused."""
    capsys.readouterr()
    assert main([str(w) for w in words]) != 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def commands(run: Path, photo: Path, out: Path) -> dict[str, tuple[str, list[object]]]:
    """Return for each command that reads a run: the file that it reads, and its words."""
    return {
        "predict": ("model.penult", ["predict", run, photo, "-q"]),
        "predict a file": ("model.penult", ["predict", run / "model.penult", photo, "-q"]),
        "evaluate": ("model.penult", ["evaluate", run, photo.parents[1], "-q"]),
        "explain": ("model.penult", ["explain", run, photo, "--out", out / "heat", "-q"]),
        "similar, model": ("model.penult", ["similar", run, photo, "-q"]),
        "similar, rows": ("data_colour_histogram.h5", ["similar", run, photo, "-q"]),
        "train": (
            "data_colour_histogram.h5",
            ["train", "--features", run / "data_colour_histogram.h5", "--out", out / "run", "-q"],
        ),
        "predict rows": ("data_colour_histogram.h5", ["predict", run, "--features", run / "data_colour_histogram.h5", "-q"]),
        "report, answers": ("oof.csv", ["report", run, "-q"]),
        "report, map": ("map.csv", ["report", run, "-q"]),
        "report, test": ("predictions.csv", ["report", run, "-q"]),
    }


@pytest.mark.parametrize("which", list(commands(Path(), Path("a/b/c"), Path())))
def test_a_changed_file_is_refused(
    which: str, finished: Path, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = finished / "train" / "warm" / "warm.0.png"
    name, words = commands(run, photo, tmp_path / "out")[which]
    change(run / name)
    error = said(capsys, *words)
    assert f"{run / name} was changed or damaged after it was written (its sha256 differs" in error
    assert "run the same `penult train` again" in error
    assert not (tmp_path / "out").exists()


def test_another_runs_file_is_refused_although_it_is_whole(
    finished: Path, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", finished / "test", *SMALL, "--out", tmp_path / "other", "--cache", finished / "cache"]
    assert main([str(w) for w in words]) == 0
    photo = finished / "train" / "warm" / "warm.0.png"
    shutil.copy(tmp_path / "other" / "data_colour_histogram.h5", run)
    assert "data_colour_histogram.h5 was changed" in said(capsys, "similar", run, photo, "-q")
    shutil.copy(tmp_path / "other" / "model.penult", run)
    assert "model.penult was changed" in said(capsys, "predict", run, photo, "-q")


@pytest.mark.parametrize("name", ["map.csv", "predictions.csv"])
def test_a_page_is_not_made_without_a_table_that_the_run_wrote(
    name: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / name).unlink()
    assert f"{name} is gone, and metrics.json says that the run wrote it" in said(capsys, "report", run, "-q")


def test_files_as_they_were_written_are_read(finished: Path, run: Path, tmp_path: Path) -> None:
    photo = finished / "train" / "warm" / "warm.0.png"
    every = commands(run, photo, tmp_path / "out")
    for which in ("predict", "similar, rows", "predict rows", "report, map"):
        assert main([str(w) for w in every[which][1]]) == 0


def test_another_hands_file_in_a_run_folder_is_let_pass(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(run / "data_colour_histogram.h5", run / "mine.h5")
    assert main(["predict", str(run), "--features", str(run / "mine.h5")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 18


def test_a_file_copied_out_of_its_run_folder_is_read_as_it_is(run: Path, tmp_path: Path) -> None:
    change(run / "report.html")
    shutil.copy(run / "report.html", tmp_path / "report.html")
    assert checksums.check_file(tmp_path / "report.html") is None
    with pytest.raises(DamagedFile, match=r"copy the file out of the run folder"):
        checksums.check_file(run / "report.html")


@pytest.mark.parametrize("text", ["{", "[]", "null", '{"penult_run": 1, "status": "running"}', '{"files": {"a": "0"}}', None])
def test_without_a_finished_runs_record_nothing_is_known(text: str | None, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"anything")
    if text is not None:
        (tmp_path / "metrics.json").write_text(text)
    assert checksums.check_file(tmp_path / "a") is None
    assert checksums.check_all(tmp_path, ["a", "b"]) is None


def record(folder: Path, content: bytes) -> None:
    sums = {"a.h5": hashlib.sha256(content).hexdigest()}
    (folder / "metrics.json").write_text(json.dumps({"penult_run": 1, "status": "done", "files": sums}))


def test_a_run_that_is_written_anew_meanwhile_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`metrics.json` was read before the other process replaced the file, its sha256 after it."""
    record(tmp_path, b"old")
    (tmp_path / "a.h5").write_bytes(b"new")
    real = checksums._sha256

    def slow(path: Path) -> str | None:
        record(tmp_path, b"new")
        return real(path)

    monkeypatch.setattr(checksums, "_sha256", slow)
    assert checksums.check_file(tmp_path / "a.h5") is None


def test_a_large_file_with_checksums_of_its_own_is_not_read_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(tmp_path, b"as it was")
    (tmp_path / "a.h5").write_bytes(b"changed")
    monkeypatch.setattr(checksums, "LARGE", 3)
    assert checksums.check_file(tmp_path / "a.h5", checked_inside=True) is None
    with pytest.raises(DamagedFile):
        checksums.check_file(tmp_path / "a.h5")


def test_what_became_of_every_file_of_a_run(run: Path) -> None:
    assert checksums.folder_state(run).changed == checksums.folder_state(run).missing == ()

    change(run / "oof.csv")
    (run / "map.csv").unlink()
    (run / "notes.txt").write_text("mine")
    (run / ".tmp-00000000-1-2").write_text("")
    found = checksums.folder_state(run)
    assert found.status == "done"
    assert "oof.csv" in found.changed
    assert found.missing == ("map.csv",)
    assert found.extra == ("notes.txt",)
    assert found.leftovers == (".tmp-00000000-1-2",)
    assert "model.penult" in found.same
    assert checksums.folder_state(run.parent).status is None


@pytest.mark.parametrize(
    "record",
    [b"[" * 100_000, b'{"penult_run": 1, "status": "done", "files": {"model.penult": []}}', b'{"files": 5}', b"\xff", None],
)
def test_a_record_that_is_odd_is_none_and_holds_nothing_up(tmp_path: Path, record: bytes | None) -> None:
    (tmp_path / "model.penult").write_bytes(b"x")
    if record is None:
        os.mkfifo(tmp_path / "metrics.json")
    else:
        (tmp_path / "metrics.json").write_bytes(record)
    assert checksums.check_file(tmp_path / "model.penult") is None
    assert checksums.folder_state(tmp_path).same == ()


def test_a_pipe_in_the_place_of_a_result_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.penult")
    record = {"penult_run": 1, "status": "done", "files": {"model.penult": "0" * 64}}
    (tmp_path / "metrics.json").write_text(json.dumps(record))
    with pytest.raises(DamagedFile, match="is not a complete penult model"):
        bundle.load_bundle(tmp_path / "model.penult")
