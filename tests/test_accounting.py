"""Every image is accounted for: counted, told, and refused where more are bad than was allowed."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from finished import finish, lay_out
from penult import embed as room
from penult.cli import main
from penult.embed import EmbedOptions, Tolerance, embed
from penult.errors import InputError, OutputError, PenultError, TooManyBad
from penult.pixels import Failure
from penult.zoo import find_backbone

Photos = Callable[..., Path]
SMALL = ["-b", "colour_histogram"]
CHEAP = ["--head", "centroid"]


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main([str(word) for word in words])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def two_of_twenty(photos: Photos) -> Path:
    """Twenty images, of which two cannot be read: 10%."""
    folder = photos("train", warm=9, cold=9)
    (folder / "warm" / "nothing.jpg").write_bytes(b"")
    (folder / "cold" / "words.jpg").write_bytes(b"these are words")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("model")
    lay_out(base / "train", warm=9, cold=9)
    return finish(base, test=False, head="centroid").folder


def commands(folder: Path, model: Path) -> dict[str, list[object]]:
    """Every command that takes a limit, on this folder."""
    out = folder.parent
    return {
        "train": ["train", folder, *SMALL, *CHEAP, "--out", out / "run"],
        "predict": ["predict", model, folder, "--csv", out / "p.csv"],
        "evaluate": ["evaluate", model, folder],
        "embed": ["embed", folder, *SMALL, "--out", out / "f.h5"],
        "compare": ["compare", folder, *SMALL, "--out", out / "compared"],
        "audit": ["audit", folder, *SMALL, "--csv", out / "findings.csv"],
    }


@pytest.mark.parametrize("name", ["train", "predict", "evaluate", "embed", "compare", "audit"])
def test_each_command_refuses_more_than_the_limit_and_allows_the_limit(
    name: str, two_of_twenty: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = commands(two_of_twenty, model)[name]
    for limit, allows in ((["--max-bad", "9%"], 1), (["--max-bad", "1"], 1), (["--strict"], "none")):
        code, out, err = run(capsys, *words, *limit)
        assert (code, out, err.count("\n")) == (3, "", 1), err
        assert f"2 of 20 images (10%) cannot be read ({' '.join(limit)} allows {allows}): " in err
        assert "1 empty: copy it again" in err and "1 not an image: remove it" in err
        assert "warm/nothing.jpg" in err and "cold/words.jpg" in err
        assert "Repair or remove them" in err
    for limit in (["--max-bad", "10%"], ["--max-bad", "2"], []):
        code, _, err = run(capsys, *words, *limit)
        assert code == 0, err


def test_a_refused_training_lists_all_bad_images_and_leaves_no_model(
    two_of_twenty: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "train", two_of_twenty, *SMALL, *CHEAP, "--out", tmp_path / "run", "--max-bad", "0%")
    assert code == 3
    assert str(tmp_path / "run" / "skipped.csv") in err
    with (tmp_path / "run" / "skipped.csv").open(newline="") as file:
        assert [(row["file"], row["reason"]) for row in csv.DictReader(file)] == [
            ("cold/words.jpg", "not an image"),
            ("warm/nothing.jpg", "empty"),
        ]
    assert not (tmp_path / "run" / "model.penult").exists()
    code, out, _ = run(capsys, "train", two_of_twenty, *SMALL, *CHEAP, "--out", tmp_path / "run", "--max-bad", "2", "-v")
    assert code == 0
    assert "0 computed, 18 from cache, 2 failed" in out, "what the refused run computed was kept"


def test_strict_refuses_what_a_scan_passes_over(photos: Photos, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = photos("train", warm=9, cold=9)
    (folder / "warm" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (folder / "notes.txt").write_text("no image, and nobody takes it for one")
    words = ["train", folder, *SMALL, *CHEAP, "--out", tmp_path / "run"]
    code, _, err = run(capsys, *words, "--strict")
    assert code == 3
    assert "links that lead to no file were ignored: 'warm/gone.png'" in err
    assert "leave --strict out" in err
    assert not (tmp_path / "run").exists(), "known before anything was done"
    assert run(capsys, *words)[0] == 0
    ignored = json.loads((tmp_path / "run" / "metrics.json").read_text())["ignored"]
    assert ignored == {"train": {"files that are not images": 1, "links that lead to no file": 1}}
    (folder / "warm" / "gone.png").unlink()
    assert run(capsys, *words, "--strict")[0] == 0, "a text file hides no image"


def test_predict_says_what_its_scan_passed_over(
    model: Path, photos: Photos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photos("new", first=40, any=2)
    (folder / "any" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    code, out, err = run(capsys, "predict", model, folder)
    assert (code, len(out.splitlines())) == (0, 2)
    assert "note: links that lead to no file were ignored: 'any/gone.png'" in err


def test_the_counts_of_a_run_add_up_and_are_kept(
    two_of_twenty: Path, photos: Photos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = photos("new", first=70, any=3)
    (new / "any" / "bad.png").write_bytes(b"\x89PNG")
    (new / "any" / "copy.png").write_bytes((new / "any" / "any.70.png").read_bytes())
    code, out, _ = run(capsys, "train", two_of_twenty, "--test", new, *SMALL, *CHEAP, "--out", tmp_path / "run", "-v")
    assert code == 0
    assert "21 computed, 1 from cache, 3 failed" in out
    counts = json.loads((tmp_path / "run" / "metrics.json").read_text())["images"]
    assert counts == {"scanned": 25, "embedded": 21, "reused": 1, "failed": 3, "train": 20, "test": 5}
    code, out, _ = run(capsys, "embed", two_of_twenty, *SMALL, "--out", tmp_path / "f.h5", "--json")
    said = json.loads(out)
    assert {name: said[name] for name in ("scanned", "embedded", "reused", "failed")} == {
        "scanned": 20, "embedded": 0, "reused": 18, "failed": 2,
    }  # fmt: skip


def test_a_loop_that_loses_an_image_says_so_instead_of_going_on(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [np.full((8, 8, 3), i, np.uint8) for i in range(4)]
    real = room.loop.pixels.prepare_all

    def lossy(*arguments: object, **others: object) -> object:
        yield from list(real(*arguments, **others))[:-1]  # type: ignore[arg-type]

    monkeypatch.setattr(room.loop.pixels, "prepare_all", lossy)
    with pytest.raises(PenultError, match=r"4 images came in, 3 embedded \+ 0 reused \+ 0 failed went out: a bug"):
        embed(pictures, [find_backbone("colour_histogram")], EmbedOptions(cache=False))


@pytest.mark.parametrize("text", ["", "five", "-1", "101%", "5%%", "0.05", "nan%", "1e3"])
def test_a_limit_that_is_none_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InputError, match=r"not a share or number of images; use one such as 5% or 20"):
        Tolerance.parse(text)


@pytest.mark.parametrize(
    ("text", "n", "most"),
    [("5%", 20, 1), ("5%", 19, 0), ("0%", 100, 0), ("100%", 7, 7), ("12.5%", 8, 1), ("3", 100, 3), ("0", 9, 0)],
)
def test_a_limit_allows_so_many_and_no_more(text: str, n: int, most: int) -> None:
    tolerance, names = Tolerance.parse(text), [f"{i}.jpg" for i in range(n)]
    tolerance.check_failures(names, {i: Failure("empty") for i in range(most)})
    if most < n:
        with pytest.raises(TooManyBad, match=f"^{most + 1} of {n} images"):
            tolerance.check_failures(names, {i: Failure("empty") for i in range(most + 1)})


def test_a_long_list_of_bad_images_is_cut_short_with_its_number() -> None:
    with pytest.raises(TooManyBad, match=r"'9\.jpg' and 40 more"):
        Tolerance(count=0).check_failures([f"{i}.jpg" for i in range(60)], {i: Failure("empty") for i in range(50)})


def test_what_cannot_be_written_has_an_exit_code_of_its_own(
    photos: Photos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = run(capsys, "embed", photos("train", warm=2, cold=2), *SMALL, "--out", tmp_path / "file" / "f.h5")
    assert (code, code) == (OutputError.exit_code, 4)
    assert err.startswith("penult: could not write") and err.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_an_answer_that_cannot_be_printed_is_one_line(photos: Photos, model: Path) -> None:
    with Path("/dev/full").open("w") as full:
        words = [sys.executable, "-m", "penult", "predict", str(model), str(photos("new", any=2) / "any")]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (4, 1), done.stderr
    assert "standard output: No space left on device" in done.stderr


def test_no_memory_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def none_left(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("penult.bundle.load_bundle", none_left)
    code, out, err = run(capsys, "predict", tmp_path / "model.penult", tmp_path)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "not enough memory" in err
