"""Every command in every situation that people bring: no traceback, no wrong file, the exit code that is documented."""

from __future__ import annotations

import hashlib
import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from finished import Finished, finish, lay_out
from penult import serve, studio
from penult.cli import build, main

QUICK = ("-b", "colour_histogram", "--head", "centroid")
# The words of each command; what it may write has a name that begins with `out`, but for the run of `report` and `decide`.
WORDS: dict[str, tuple[str, ...]] = {
    "train": ("train", *QUICK, "--test", "labelled", "-o", "out"),
    "predict": ("run", "new", "--csv", "out/answers.csv", "--html", "out/page.html", "--sort-into", "out/sorted"),
    "evaluate": ("run", "labelled", "--max-log-loss", "9"),
    "decide": ("run", "--target", "recall warm 0.9", "--coverage", "0.9"),
    "explain": ("run", "new", "-o", "out"),
    "info": ("run",),
    "studio": ("train", "-b", "colour_histogram", "--no-browser", "--port", "0", "-o", "out"),
    "audit": ("train", "--test", "labelled", *QUICK, "--csv", "out/findings.csv"),
    "compare": ("train", *QUICK, "-o", "out"),
    "diff": ("run", "run"),
    "report": ("run",),
    "similar": ("run", "new", "--csv", "out/alike.csv"),
    "export": ("run", "--to", "onnx", "-o", "out/model.onnx"),  # statistics of an image are no network: refused
    "serve": ("run", "--port", "0"),
    "embed": ("train", "-b", "colour_histogram", "-o", "out/features.h5"),
    "plan": ("new", "-b", "colour_histogram", "-o", "out/plan.parquet"),
    "demo": ("train", *QUICK, "-o", "out"),
    "backbones": (),
    "cache": ("--verify",),
    "doctor": ("run",),
    "completion": ("bash",),
    "help": ("train",),
}
LEARN = ("train", "audit", "compare", "demo")
ALIKE = ("info", "diff", "report", "serve", "backbones", "cache", "doctor", "completion", "help")  # they look at no photos
OF_PHOTOS = ("class missing", "one photo", "unreadable photo")


def class_missing(world: Path) -> None:
    """A class has a folder and no photos; the labelled and the new photos are of one class alone."""
    (world / "train" / "green").mkdir()
    for name in ("labelled", "new"):
        shutil.rmtree(world / name / "cold")


def one_photo(world: Path) -> None:
    for name in ("train", "labelled", "new"):
        _, *rest = sorted((world / name).rglob("*.png"))
        for photo in rest:
            photo.unlink()


def all_mistakes(world: Path) -> None:
    """Every label of the labelled photos is the other one; the run's own labels mean nothing."""
    labelled = world / "labelled"
    (labelled / "cold").rename(labelled / "x")
    (labelled / "warm").rename(labelled / "cold")
    (labelled / "x").rename(labelled / "warm")
    for name in ("run", "train"):
        shutil.rmtree(world / name)
        (world / f"noise-{name}").rename(world / name)


def unreadable(world: Path) -> None:
    for name in ("train", "labelled", "new"):
        (world / name / "warm" / "bad.jpg").write_bytes(b"\xff\xd8\xff")


def as_it_is(_: Path) -> None:
    """Nothing is wrong: the run makes no mistake."""


SITUATIONS: dict[str, Callable[[Path], None]] = {
    "class missing": class_missing,
    "one photo": one_photo,
    "no mistake": as_it_is,
    "all mistakes": all_mistakes,
    "unreadable photo": unreadable,
    "read-only home": as_it_is,
    "no terminal": as_it_is,  # and no standard stream at all
    "reader gone": as_it_is,  # `penult ... | head`
}


class Gone(io.StringIO):
    """A pipe whose reader went away."""

    def write(self, _: str) -> int:
        raise BrokenPipeError


def expected(name: str, situation: str) -> set[int]:
    """Return the exit codes that are right."""
    if name == "export":
        return {1}
    if situation == "one photo" and name in LEARN:
        return {1}  # one photo is too few to learn from
    if situation == "reader gone" and name not in ("serve", "studio"):
        return {0, 1}  # 1 where there was something to print
    return {0}


@pytest.fixture(scope="module")
def world_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that makes no mistake and one that knows nothing, photos to learn from, labelled and new ones."""
    base = tmp_path_factory.mktemp("every") / "world"
    lay_out(base / "train", warm=7, cold=7)
    finish(base, test=False, head="centroid")
    noise = base / "noise"
    lay_out(noise / "train", warm=8, cold=8)
    for i in range(0, 8, 2):  # half of each class has the other label
        warm, cold = noise / "train/warm" / f"warm.{i}.png", noise / "train/cold" / f"cold.{i}.png"
        warm.rename(noise / "train/cold" / warm.name)
        cold.rename(noise / "train/warm" / cold.name)
    finish(noise, test=False, head="centroid")
    for name in ("labelled", "new"):
        lay_out(base / name, first=20, warm=1 + (name == "labelled"), cold=1)
    return base


@pytest.fixture
def world(world_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Return a function that makes a world of its own for a situation, and goes into it."""

    def make(situation: str) -> Path:
        root = tmp_path / situation
        Finished(world_once).copy(root)
        noise = Finished(world_once / "noise").copy(tmp_path / f"noise {situation}")
        noise.folder.rename(root / "noise-run")
        (noise.base / "train").rename(root / "noise-train")
        shutil.rmtree(root / "noise")
        SITUATIONS[situation](root)
        monkeypatch.chdir(root)
        monkeypatch.setenv("PENULT_CACHE", str(world_once.parent / "cache"))
        return root

    return make


def files(root: Path) -> dict[str, str]:
    """Return the content of every file and the folders that there are."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in root.rglob("*")
    }


def surround(situation: str, root: Path, patch: pytest.MonkeyPatch) -> None:
    """Take away what the situation says is not there."""
    if situation == "read-only home":
        home = root.parent / "home"
        home.touch()  # no folder can be made in it
        patch.delenv("PENULT_CACHE")
        for name in ("HOME", "USERPROFILE", "LOCALAPPDATA", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
            patch.setenv(name, str(home / "me"))
    if situation == "no terminal":
        for name in ("stdin", "stdout", "stderr"):
            patch.setattr(sys, name, None)
    if situation == "reader gone":
        patch.setattr(sys, "stdout", Gone())


def test_no_command_is_forgotten() -> None:
    assert set(WORDS) == set(build().commands())


@pytest.mark.parametrize("name", WORDS)
def test_a_command_in_every_situation(
    name: str, world: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for server in (serve.ModelServer, studio.StudioServer):
        monkeypatch.setattr(server, "run", lambda self, ready, run=server.run: run(self, lambda: (ready(), self.stop())))
    wrong = []
    for situation in SITUATIONS:
        if name in ALIKE and situation in OF_PHOTOS:
            continue
        root = world(situation)
        before = files(root)
        with pytest.MonkeyPatch.context() as patch:
            surround(situation, root, patch)
            code = called(name)
            if situation == "no terminal":
                for stream in (sys.stdin, sys.stdout, sys.stderr):
                    stream.close()
        said = capsys.readouterr().err
        after = files(root)
        changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
        own = ("out", "run/") if name in ("report", "decide") else ("out",)
        strange = {path for path in changed if not path.startswith(own)}
        told = sum(line.startswith("penult: ") for line in said.splitlines())
        if situation not in ("no terminal", "reader gone"):
            if told != (code == 1):
                wrong.append((situation, code, "one line says why", said))
            if code == 1 and any(path.endswith((".csv", ".h5", ".html", ".onnx", ".penult")) for path in changed):
                wrong.append((situation, code, "refused, and written", changed))
        if code not in expected(name, situation) or strange or "internal error" in said or "Traceback" in said:
            wrong.append((situation, code, strange, said[-600:]))
    assert not wrong, "\n".join(map(str, wrong))


def called(name: str) -> int:
    """Return the exit code of a command."""
    try:
        return main([name, *WORDS[name]])
    except SystemExit as end:
        return int(end.code or 0)
