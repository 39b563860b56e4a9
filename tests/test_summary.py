"""The end of `penult train`: the verdict, what to look at first, where it all is; a frame on a terminal and nowhere else."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penult import evaluate, runs
from penult.audit import Finding
from penult.cli import main
from penult.cli.summary import lines, show_summary, summary

Photos = Callable[..., Path]
STYLE = re.compile(r"\x1b\[[0-9;]*m")
HOSTILE = "a\n\x1b[31m<img onerror=x>\udcff.jpg"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def about(folder: Path, scores: dict[str, Any] | None = None, **review: Any) -> dict[str, Any]:
    told = {"level": 0.9, "share": 0.041, "accuracy_all": 0.992, "accuracy_kept": 0.9987, "written": None, **review}
    found = [Finding(**{**row, "score": 0.0}) for row in runs.read_table(folder / "findings.csv")]
    return summary({"verdict": "99.2% accuracy.", "review": told, "scores": scores}, folder, found)


@pytest.fixture
def found(tmp_path: Path) -> Path:
    """Return a folder with a report and six kinds of findings, one of a hostile name."""
    with (tmp_path / "findings.csv").open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = csv.writer(file)
        rows.writerow(["kind", "file", "related", "score", "reason", "suggestion"])
        rows.writerow(["leak", HOSTILE, "cat/1.jpg", "1.0", "the same file is in training", "remove it"])
        for kind in ("label", "label", "copy", "near_copy", "dark", "tiny"):
            rows.writerow([kind, f"{kind}.jpg", "", "0.5", "odd", "look"])
    (tmp_path / "report.html").write_text("<p>")
    return tmp_path


def test_findings_are_told_kind_by_kind_and_the_rest_is_counted(found: Path) -> None:
    told = about(found)
    assert [(one["kind"], one["count"]) for one in told["findings"]] == [
        ("leak", 1), ("label", 2), ("copy", 1), ("near_copy", 1), ("dark", 1), ("tiny", 1)
    ]  # fmt: skip
    said = [words for _, words in lines(told)]
    assert said[1] == "2 possible label errors, e.g. label.jpg: odd"
    assert said[3] == "1 near-duplicate: near_copy.jpg: odd"
    assert said[4] == "and 2 other kinds of data issues"
    assert ("report", str(found / "report.html")) in lines(told)
    json.dumps(told, allow_nan=False)


def test_how_many_labels_are_expected_to_be_wrong_is_told(found: Path) -> None:
    labels = [Finding("label", "a.jpg", "", 0.7, "odd", ""), Finding("label", "b.jpg", "", 0.6, "odd", "")]
    metrics = {"verdict": "", "review": {"written": None, "share": 0, "level": 0.9}, "audit": {"expected": {"label": 1.3}}}
    told = summary({**metrics, "scores": None}, found, labels)
    said = [words for _, words in lines(told)]
    assert said[0] == "2 possible label errors (about 1 of these 2 labels are expected to be wrong), e.g. a.jpg: odd"


def test_what_a_run_did_not_make_is_not_named(tmp_path: Path) -> None:
    told = about(tmp_path)
    assert (told["findings"], told["report"]) == ([], None)
    assert [name for name, _ in lines(told)] == ["review", "model"]


@pytest.mark.parametrize(
    ("review", "said"),
    [
        ({}, "reviewing 4.1% of the photos by hand (confidence below 0.9, or unlike the other photos) raises accuracy"),
        ({"share": 0.0}, "no training photo is uncertain (confidence below 0.9, or unlike the other photos)"),
        ({"share": 1.0, "accuracy_kept": None}, "all photos are uncertain (confidence below 0.9"),
        ({"written": 7}, "; 7 test photos are in review.csv"),
    ],
)
def test_the_review_is_one_sentence(tmp_path: Path, review: dict[str, Any], said: str) -> None:
    assert said in dict(lines(about(tmp_path, **review)))["review"]


def shown(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, told: dict[str, Any]) -> str:
    monkeypatch.setattr("sys.stdout", stream)
    show_summary(told)
    return stream.getvalue()


def test_a_terminal_gets_a_frame_and_a_pipe_plain_lines(found: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    framed = STYLE.sub("", shown(monkeypatch, Terminal(), about(found)))
    assert framed.startswith("╭")
    assert max(len(line) for line in framed.splitlines()) <= 80
    plain = shown(monkeypatch, io.StringIO(), about(found))
    assert plain.splitlines()[0] == "99.2% accuracy."
    assert "╭" not in plain
    assert "\x1b" not in plain
    monkeypatch.setenv("TERM", "dumb")
    assert shown(monkeypatch, Terminal(), about(found)) == plain


def test_hostile_names_and_colours(found: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "96")
    without = shown(monkeypatch, Terminal(), about(found))
    assert set(STYLE.findall(without)) <= {"\x1b[0m", "\x1b[1m", "\x1b[2m"}  # NO_COLOR is set in every test: no colours
    assert "a\\n\\x1b[31m<img" in STYLE.sub("", without)
    assert "a\\n\\x1b[31m<img onerror=x>\\xff.jpg" in shown(monkeypatch, io.StringIO(), about(found))


def test_train_ends_with_it_and_gives_the_same_as_data(
    photos: Photos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", str(photos("train", warm=9, cold=9)), "-b", "colour_histogram", "--out", str(tmp_path / "run")]
    assert main(words) == 0
    end = capsys.readouterr().out.splitlines()
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["summary"]["verdict"] == told["verdict"] == end[0]
    assert end[-1] == f"  model:   {tmp_path / 'run' / 'model.penult'}"
    assert any(line.startswith("  review:  ") for line in end)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("small_class", "cat", "8 photos, fewer than 20")], "1 class with too few photos: cat: 8 photos, fewer than 20"),
        (
            [("small_class", "cat", "8 photos"), ("small_class", "dog", "9 photos")],
            "2 classes with too few photos, e.g. cat: 8 photos",
        ),
        ([("small_class", f"c{i}", "5 photos") for i in range(44)], "44 classes with too few photos, e.g. c0: 5 photos"),
        ([("label", f"{i}.jpg", "odd") for i in range(3)], "3 possible label errors, e.g. 0.jpg: odd"),
    ],
)
def test_classes_are_not_counted_as_photos(tmp_path: Path, rows: list[tuple[str, str, str]], said: str) -> None:
    """The reason belongs to the one that is named, and what else there is is called what it is."""
    with (tmp_path / "findings.csv").open("w", newline="") as file:
        lines_ = csv.writer(file)
        lines_.writerow(["kind", "file", "related", "score", "reason", "suggestion"])
        lines_.writerows([kind, name, "", "0.5", reason, "look"] for kind, name, reason in rows)
    assert ("check", said) in lines(about(tmp_path))


@pytest.mark.parametrize(("kinds", "said"), [(5, "and 1 other kind of data issues"), (6, "and 2 other kinds of data issues")])
def test_the_rest_is_counted_in_good_english(tmp_path: Path, kinds: int, said: str) -> None:
    with (tmp_path / "findings.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["kind", "file", "related", "score", "reason", "suggestion"])
        rows.writerows(
            [kind, "a.jpg", "", "0.5", "odd", "look"] for kind in ("leak", "label", "copy", "dark", "tiny", "blank")[:kinds]
        )
    assert ("", said) in lines(about(tmp_path))


@pytest.mark.parametrize(
    ("review", "said"),
    [
        ({"accuracy_all": 1.0, "accuracy_kept": 1.0}, None),
        ({"accuracy_all": 0.971, "accuracy_kept": 0.9706}, None),
        ({"accuracy_all": 1.0, "accuracy_kept": 1.0, "written": 1}, "1 test photo is in review.csv"),
    ],
)
def test_a_look_that_buys_nothing_is_not_sold(tmp_path: Path, review: dict[str, Any], said: str | None) -> None:
    """`leaves 100% right; 100% without a look` is no advice."""
    assert dict(lines(about(tmp_path, **review))).get("review") == said


def test_the_cure_for_imbalance_comes_first(tmp_path: Path) -> None:
    y = np.repeat([0, 1], [100, 3])
    scores = evaluate.score(y, np.tile([0.9, 0.1], (103, 1)), ["cat", "dog"]).to_dict()
    name, words = lines(about(tmp_path, scores))[0]
    assert name == "balance" and words.endswith("add photos of 'dog', or train with --class-weight balanced")


def test_the_command_to_decide_can_be_pasted_whatever_names_hold(tmp_path: Path) -> None:
    point = {"label": "child's", "flagged": {"value": 0.5}, "precision": {"value": 0.5}}
    advice = {"target": "recall child's 0.95", "missed": 0.2, "called": "other", "point": point}
    folder = tmp_path / "my run"
    told = summary({"verdict": "", "review": None, "scores": None, "decision": {"advice": advice}}, folder, [])
    assert shlex.split(told["decide"]) == ["penult", "decide", str(folder), "--target", "recall child's 0.95"]
