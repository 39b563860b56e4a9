"""Every kind of bad image in one run with good ones: each has its reason, and the good ones' features know nothing of it."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from badimages import Case, cases, photo, save
from penult.cli import main
from penult.store import FeatureFile, read_h5

GOOD = 12
SMALL = ("-b", "colour_histogram")


@pytest.fixture
def kinds(tmp_path: Path) -> dict[str, Case]:
    """Lay out every case and some good photos as two classes, listed in a CSV (which drops nothing); return id and case."""
    every = cases()
    laid: dict[str, Case] = {}
    with (tmp_path / "all.csv").open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        table = csv.writer(file)
        table.writerow(["file", "label"])
        for i in range(max(GOOD, len(every))):
            label = ("dogs", "cats")[i % 2]
            if i < GOOD:  # good ones stand between the bad ones
                table.writerow([good_one(tmp_path, label, i), label])
            if i < len(every):
                name = f"{label}/{i}/{every[i].filename}"
                (tmp_path / name).parent.mkdir(parents=True)
                (tmp_path / name).write_bytes(every[i].data)
                table.writerow([name, label])
                laid[name] = every[i]
    return laid


def good_one(folder: Path, label: str, number: int) -> str:
    name = f"{label}/good{number}.jpg"
    (folder / label).mkdir(exist_ok=True)
    (folder / name).write_bytes(save(photo(50, 70, seed=100 + number), "JPEG", quality=92))
    return name


def told(table: Path) -> dict[str, str]:
    with table.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return {row["file"]: row["reason"] for row in csv.DictReader(file)}


def rows(file: FeatureFile, names: set[str]) -> dict[str, bytes]:
    """Return the bytes of the features of the files of these names."""
    assert file.train_files is not None
    return {n: v.tobytes() for n, v in zip(file.train_files, file.train, strict=True) if n in names}


@pytest.mark.usefixtures("real_workers")
def test_a_run_over_every_kind_of_bad_image_loses_no_good_one(
    kinds: dict[str, Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len({(case.expect, case.name) for case in kinds.values()}) >= 60
    run, bad = tmp_path / "run", {name: case.expect for name, case in kinds.items() if case.expect != "ok"}
    assert main(["train", str(tmp_path / "all.csv"), *SMALL, "--head", "centroid", "--out", str(run)]) == 0
    assert f"skipped: {len(bad)} images cannot be read" in capsys.readouterr().out
    assert told(run / "skipped.csv") == bad
    mixed = read_h5(run / "data_colour_histogram.h5")
    good = {f"{('dogs', 'cats')[i % 2]}/good{i}.jpg" for i in range(GOOD)}
    assert set(mixed.train_files or ()) == good | (set(kinds) - set(bad))
    with (tmp_path / "good.csv").open("w", encoding="utf-8") as file:
        file.write("file,label\n" + "".join(f"{name},{name.partition('/')[0]}\n" for name in sorted(good)))
    monkeypatch.setenv("PENULT_CACHE", str(tmp_path / "another cache"))
    assert main(["embed", str(tmp_path / "good.csv"), *SMALL, "--out", str(tmp_path / "alone.h5")]) == 0
    alone = rows(read_h5(tmp_path / "alone.h5"), good)
    assert len(alone) == GOOD
    assert rows(mixed, good) == alone
    assert np.isfinite(mixed.train).all()
    assert not [name for name in os.listdir(run) if name.startswith(".tmp")]


def test_photos_that_lack_rows_are_used_and_found_also_when_their_features_are_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are no bad images, so a strict run takes them; the model sees the same pixels of them later."""
    for i in range(GOOD):
        good_one(tmp_path, ("dogs", "cats")[i % 2], i)
    cut = tmp_path / "cats" / "good1.jpg"
    data = cut.read_bytes()
    cut.write_bytes(data[: len(data) * 85 // 100])
    monkeypatch.setenv("PENULT_CACHE", str(tmp_path / "a cache"))
    told_of = []
    for number in (1, 2):
        table = tmp_path / f"{number}.csv"
        assert main(["audit", str(tmp_path), *SMALL, "--strict", "--csv", str(table), "-q"]) == 0
        with table.open(newline="", encoding="utf-8") as file:
            told_of.append([row for row in csv.DictReader(file) if row["kind"] == "truncated"])
    assert told_of[0] == told_of[1]
    (found,) = told_of[0]
    assert found["file"] == "cats/good1.jpg"
    assert "% of its rows are missing (training photo)" in found["reason"]
    assert found["suggestion"].startswith("used as it is")
    assert 0 < float(found["score"]) <= 0.5


def test_the_cure_of_a_bad_photo_is_in_the_refusal_the_table_and_the_finding(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for label in ("cats", "dogs"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for i in range(3):
            (tmp_path / "photos" / label / f"{i}.jxl").write_bytes(b"\xff\x0a" + bytes(60))
    run = tmp_path / "run"
    assert main(["train", str(tmp_path / "photos"), *SMALL, "--out", str(run), "-q"]) == 1
    said = capsys.readouterr().err
    assert "cats (0 of 3 readable), dogs (0 of 3 readable)" in said
    assert "6 unsupported format (JPEG XL): save it as JPEG or PNG" in said
    with (run / "skipped.csv").open(newline="", encoding="utf-8") as file:
        assert {row["cure"] for row in csv.DictReader(file)} == {"save it as JPEG or PNG"}
    for i in range(4):
        good_one(tmp_path / "photos", ("dogs", "cats")[i % 2], i)
    assert main(["audit", str(tmp_path / "photos"), *SMALL, "--csv", str(tmp_path / "found.csv"), "-q"]) == 0
    with (tmp_path / "found.csv").open(newline="", encoding="utf-8") as file:
        found = [row for row in csv.DictReader(file) if row["kind"] == "unreadable"]
    assert {row["suggestion"] for row in found} == {"save it as JPEG or PNG"}
    assert {row["reason"] for row in found} == {"unsupported format (JPEG XL) (training photo)"}
