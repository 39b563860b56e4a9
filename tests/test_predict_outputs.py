"""What `penult predict` makes of answers: tables by ending, sorted photos, a submission, a page, a summary."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import penult
import penult.report.predictions
from conftest import draw
from finished import Finished
from penult import bundle
from penult.cli import main
from penult.errors import InputError
from penult.pixels import Failure
from penult.predict import Predictions
from penult.predict.sorting import PhotoSorter
from penult.predict.summary import PredictionSummary
from penult.predict.tables import formula_safe
from penult.report.prediction_rows import PhotoSample

Photos = Callable[..., Path]
ODD = "=HYPERLINK(1).png"


@pytest.fixture
def new(photos: Photos) -> Path:
    """Five photos: two warm, one cold, one with an odd name, one that cannot be read."""
    folder = photos("new", first=80, warm=2, cold=1)
    (folder / "cold" / "cold.80.png").rename(folder / ODD)
    shutil.copy(folder / "warm" / "warm.81.png", folder / "cold" / "warm.81.png")  # of one name and content
    (folder / "bad.jpg").write_bytes(b"no picture")
    return folder


def predict(finished: Finished, source: Path, *words: object) -> int:
    return main(["predict", str(finished.folder), str(source), *map(str, words)])


# --- tables ---


def test_a_table_is_what_its_name_ends_in_and_an_unreadable_photo_has_no_class(
    finished: Finished, new: Path, tmp_path: Path
) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    names = {end: tmp_path / f"a{end}" for end in (".csv", ".parquet", ".jsonl")}
    for name in names.values():
        assert predict(finished, new, "-o" if name.suffix == ".jsonl" else "--csv", name) == 0
    with names[".csv"].open(newline="", encoding="ascii") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    lines = {one["file"]: one for one in map(json.loads, names[".jsonl"].read_text().splitlines())}
    table = {row["file"]: row for row in pq.read_table(names[".parquet"]).to_pylist()}
    assert set(table) == set(lines) == {name.removeprefix("./") for name in rows} and len(rows) == 5
    assert f"./{ODD}" in rows and set(rows["bad.jpg"].values()) == {"bad.jpg", ""}
    assert lines["bad.jpg"]["label"] is None and lines["bad.jpg"]["unreadable"] == "not an image"
    assert (table["bad.jpg"]["warm"], table["bad.jpg"]["unreadable"]) == (None, "not an image")
    warm = "warm/warm.80.png"
    assert rows[warm]["label"] == lines[warm]["label"] == table[warm]["label"] == "warm"
    assert float(rows[warm]["warm"]) == pytest.approx(table[warm]["confidence"], rel=1e-5)
    assert table[warm]["cold"] == lines[warm]["probabilities"]["cold"]


def test_spreadsheets_get_a_mark_where_there_is_more_than_ascii_and_no_formula(tmp_path: Path) -> None:
    proba = np.array([[0.9, 0.1], [0.2, 0.8]])
    plain = Predictions(("a.jpg", "-1"), ("@x", "b"), proba, {})
    plain.write_csv(tmp_path / "plain.csv")
    assert (tmp_path / "plain.csv").read_bytes().startswith(b"file,label,confidence,'@x,b,novelty\r\na.jpg,'@x,0.9")
    Predictions(("a.jpg", "ü.jpg"), ("x", "b"), proba, {}).write_csv(tmp_path / "marked.csv")
    text = (tmp_path / "marked.csv").read_bytes()
    assert text.startswith(b"\xef\xbb\xbffile,") and text.decode("utf-8-sig").count("ü.jpg") == 1
    pandas = pytest.importorskip("pandas")
    assert pandas.read_csv(tmp_path / "marked.csv").columns[0] == "file"
    assert [formula_safe(text) for text in ("+1", "-1e3", "=1", "a=1", "-x")] == ["+1", "-1e3", "'=1", "a=1", "'-x"]


def test_classes_that_are_called_like_a_column_have_one_of_their_own_in_parquet(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    answers = Predictions(("a",), ("file", "novelty", "cat"), np.array([[0.5, 0.3, 0.2]]), {})
    answers.write_csv(tmp_path / "a.parquet")
    row = pq.read_table(tmp_path / "a.parquet").to_pylist()[0]
    assert (row["file"], row["file (class)"], row["novelty (class)"], row["cat"]) == ("a", 0.5, 0.3, 0.2)


# --- sorted photos ---


def laid(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("link", [False, True])
def test_photos_are_sorted_nothing_is_written_over_and_the_same_command_goes_on(
    finished: Finished, new: Path, tmp_path: Path, link: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sorted"
    (out / "warm").mkdir(parents=True)
    (out / "warm" / "warm.80.png").write_bytes(b"somebody's own")
    asked = ("--sort-into", out, *(["--link"] if link else []))
    assert predict(finished, new, *asked) == 0
    assert f"sorted into {out}: 5 {'linked' if link else 'copied'}" in capsys.readouterr().out
    first = laid(out)
    assert first.pop("warm/warm.80.png") == b"somebody's own"
    assert sorted(map(len, first.values())) == sorted(path.stat().st_size for path in new.rglob("*.*g"))
    assert {f"cold/{ODD}", "unreadable/bad.jpg", "warm/warm.81.png"} <= set(first) and len(first) == 5
    assert os.path.samefile(out / "cold" / ODD, new / ODD) == link
    assert predict(finished, new, *asked) == 0
    assert "5 there already" in capsys.readouterr().out
    (out / "cold" / ODD).unlink()
    assert predict(finished, new, *asked) == 0
    assert "4 there already" in capsys.readouterr().out and laid(out) == {**first, "warm/warm.80.png": b"somebody's own"}


def test_members_of_an_archive_are_copied_and_names_lead_nowhere_else(tmp_path: Path) -> None:
    import zipfile

    from penult.sources import members

    evil = ("../../up.png", "/etc/x.png", "a/..\\..\\b.png", "a/...png")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        for name in evil:
            file.writestr(name, name.encode())
    found = list(members(str(tmp_path / "a.zip")))
    classes = ("..", "/etc", "CON", "unreadable")
    proba = np.eye(4)[: len(found)]
    answers = Predictions(tuple(one.id for one in found), classes, proba, {})
    out = tmp_path / "deep" / "sorted"
    for number in ("copied", "there already"):
        sorter = PhotoSorter(out, classes, link=True)
        sorter.add(answers, found)
        assert f"{len(found)} {number}" in sorter.sort().describe()
    assert len(laid(out)) == len(found) > 1 and {path.name for path in tmp_path.iterdir()} == {"a.zip", "deep"}
    assert all(len(name.split("/")) == 2 for name in laid(out))
    assert not (out / "unreadable").exists() and (out / "unreadable-2").exists() == (len(found) > 3)


def test_photos_with_several_labels_lie_in_the_folder_of_each(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "gone.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    sources = [str(tmp_path / name) for name in ("a.jpg", "b.jpg", "gone.jpg")]
    proba = np.array([[0.9, 0.8], [0.1, 0.2], [0.9, 0.1]])
    sorter = PhotoSorter(tmp_path / "out", ("cat", "indoor"))
    sorter.add(Predictions(("a", "b", "c"), ("cat", "indoor"), proba, {}, thresholds=np.array([0.5, 0.5])), sources)
    (tmp_path / "gone.jpg").unlink()
    assert sorter.sort().describe().endswith("out: 3 copied, 1 could not be read again")
    assert set(laid(tmp_path / "out")) == {"cat/a.jpg", "indoor/a.jpg", "no label/b.jpg"}


# --- submission ---


def test_a_submission_follows_its_sample_as_that_of_train_does(
    finished: Finished, new: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (new / "cold" / "warm.81.png").unlink()
    sample = tmp_path / "sample.csv"
    sample.write_text(f"id,warm,cold\nbad,0,0\n{ODD.removesuffix('.png')},0,0\nwarm.81,0,0\nwarm.80,0,0\n")
    assert predict(finished, new, "--submission", sample) == 0
    assert "1 unreadable image with the class frequencies of the training set" in capsys.readouterr().out
    with (tmp_path / "submission.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    prior = dict(zip(bundle.load_bundle(finished.folder).classes, bundle.load_bundle(finished.folder).prior, strict=True))
    assert header == ["id", "warm", "cold"] and [row[0] for row in rows] == ["bad", ODD[:-4], "warm.81", "warm.80"]
    assert float(rows[0][1]) == pytest.approx(prior["warm"], rel=1e-5)
    assert float(rows[3][1]) > 0.5 > float(rows[1][1])
    sample.write_text("id,warm\n1,0\n")
    assert predict(finished, new, "--submission", sample, "--html", "page.html") == 1
    assert "ids of the sample have no image (1)" in capsys.readouterr().err and not (tmp_path / "page.html").exists()


# --- summary and page ---


def test_the_summary_counts_beside_the_training_photos(finished: Finished) -> None:
    model = bundle.load_bundle(finished.folder)
    summary = PredictionSummary(model)
    proba = np.array([[0.95, 0.05], [0.7, 0.3], [0.1, 0.9], [0.5, 0.5]])
    novelty, seen = np.array([0.5, 2.0, 1.0, np.nan]), np.array([True, False, False, False])
    for at in (slice(0, 2), slice(2, 4)):
        failures = {1: Failure("empty", "")} if at.start else {}
        summary.add(Predictions(tuple("abcd"[at]), model.classes, proba[at], failures, novelty[at], seen[at]))
    said = (
        "4 photos: mean confidence 85.0%, 1 below 90%, 33.3% unlike the training photos, 1 unreadable, 1 that the model was "
    )
    assert summary.describe() == f"{said}trained on"
    header, first, second = summary.table()
    assert header[-1] == "in training" and (first[:3], second[:3]) == (("cold", "2", "66.7%"), ("warm", "1", "33.3%"))
    assert float(first[3][:-1]) + float(second[3][:-1]) == 100


def test_the_page_has_all_photos_escaped_and_says_what_it_shows(finished: Finished, new: Path, tmp_path: Path) -> None:
    (new / "warm" / "warm.80.png").rename(new / "<img src=x onerror=alert(1)>.png")
    assert predict(finished, new, "--html", tmp_path / "page.html", "--heat", "1") == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    data = json.loads(page.split('id="photos">')[1].split("</script>")[0])
    assert "<img src=x" not in page and "<img src=x onerror=alert(1)>.png" in data["files"] and len(data["files"]) == 5
    assert list(data["bad"].values()) == ["not an image"] and len(data["small"]) == 4 and len(data["heat"]) == 1
    assert "script-src &#x27;sha256-" in page and "5</strong>photos predicted: 3 warm, 1 cold." in page
    assert "1 photo has a heat map" in page and "All 5 photos." in page
    with pytest.raises(InputError, match="201 heat maps"):
        penult.report.predictions.PredictionPage(penult.load_model(finished.folder), 201)


def test_the_page_marks_as_unlike_the_photos_that_the_summary_counts(finished: Finished, tmp_path: Path) -> None:
    model = penult.load_model(finished.folder)
    page, summary = penult.report.predictions.PredictionPage(model, heats=0), PredictionSummary(model.bundle)
    proba, novelty = np.full((3, 2), 0.5), np.array([0.999, 1.0, 1.004])  # all of them are shown as 1.00
    answers = Predictions(tuple("abc"), model.bundle.classes, proba, {}, novelty)
    page.add(answers, [np.zeros((8, 8, 3), np.uint8)] * 3)
    summary.add(answers)
    text = page.write(tmp_path / "page.html", summary).read_text(encoding="utf-8")
    data = json.loads(text.split('id="photos">')[1].split("</script>")[0])
    assert [data["files"][i] for i in data["unlike"]] == ["c"] and summary.unlike == 1


def test_of_many_photos_the_page_has_those_to_look_at_first_and_a_sample(finished: Finished) -> None:
    sample = PhotoSample(most=20)
    rng = np.random.default_rng(0)
    p = rng.uniform(0.5, 1, 500)
    for start in range(0, 500, 50):
        at = slice(start, start + 50)
        ids = tuple(map(str, range(start, start + 50)))
        part = Predictions(ids, ("a", "b"), np.column_stack([p, 1 - p])[at], {}, np.full(50, 0.5))
        sample.add(part, ids)
    kept = [int(row.source) for row in sample.rows]
    assert len(kept) == 20 and sample.photos == 500
    assert set(np.argsort(p)[:10].tolist()) <= set(kept)
    assert kept == sorted(kept, key=lambda i: p[i]) and p[kept[10:]].mean() > 0.6


def draw_many(folder: Path, n: int) -> None:
    from PIL import Image

    folder.mkdir()
    for i in range(n):
        Image.fromarray(draw("warm" if i % 2 else "cold", 300 + i)).save(folder / f"{i}.png")


def test_a_list_of_answers_ends_with_a_summary_on_standard_error(
    finished: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_many(tmp_path / "many", 10)
    assert predict(finished, tmp_path / "many") == 0
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 10 and "10 photos: mean confidence" in told.err and "in training" in told.err
