"""`--review`: the photos a person should look at, in order of doubt, and what the look buys."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from penult.cli import main
from penult.errors import InputError
from penult.evaluate import review, score
from penult.pixels import Failure
from penult.predict import Predictions, doubtful, write_review

Photos = Callable[..., Path]


def answers() -> Predictions:
    names = ("sure", "unsure", "less sure", "strange and sure", "strange\nand unsure", "broken")
    sure = np.array([0.99, 0.80, 0.60, 0.999, 0.7, 0.5])
    far = np.array([0.5, 0.9, 1.0, 1.5, 3.0, np.nan])
    return Predictions(names, ("a", "b"), np.column_stack([sure, 1 - sure]), {5: Failure("truncated", "")}, far)


def test_the_most_doubtful_come_first_with_their_reasons() -> None:
    assert [(p.id, reason) for p, reason in doubtful(answers(), 0.9)] == [
        ("broken", "unreadable: truncated"),
        ("strange\nand unsure", "unlike the training photos; unsure"),
        ("strange and sure", "unlike the training photos"),
        ("less sure", "unsure"),
        ("unsure", "unsure"),
    ]
    assert [p.id for p, _ in doubtful(answers(), 0.5)] == ["broken", "strange\nand unsure", "strange and sure"]


def test_the_table_reads_back(tmp_path: Path) -> None:
    assert write_review(tmp_path / "review.csv", answers(), 0.9) == 5
    with (tmp_path / "review.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["file", "label", "confidence", "novelty", "reason"]
    assert rows[1] == ["broken", "", "", "", "unreadable: truncated"]
    assert rows[2][:4] == ["strange\nand unsure", "a", "0.7", "3"]


def measured(sure: list[float], right: list[int]) -> object:
    y = np.where(np.array(right, bool), 0, 1)
    return score(y, np.column_stack([sure, 1 - np.array(sure)]), ["a", "b"])


def test_what_a_look_buys_is_counted() -> None:
    found = review(measured([0.95, 0.99, 0.92, 0.7, 0.6, 0.91, 0.98, 0.93, 0.94, 0.55], [1, 1, 1, 0, 1, 0, 1, 1, 1, 0]))
    assert found.share == pytest.approx(0.3)
    assert found.accuracy_all == pytest.approx(0.7)
    assert found.accuracy_kept == pytest.approx(6 / 7)
    assert found.curve[0] == (1.0, 0.7)
    assert found.curve[-1] == (0.5, 1.0)
    json.dumps(found.to_dict(), allow_nan=False)


def test_what_is_unlike_is_looked_at_however_sure_it_is() -> None:
    strange = np.array([True, False, False, False])
    found = review(measured([0.99, 0.98, 0.97, 0.96], [0, 1, 1, 1]), 0.9, strange)
    assert (found.share, found.unlike, found.accuracy_kept) == (0.25, 0.25, 1.0)
    assert dict(found.curve)[0.75] == 1.0
    assert review(measured([0.6, 0.7], [1, 1]), 0.9).accuracy_kept is None


@pytest.mark.parametrize("level", [0, -0.1, 1.1])
def test_a_level_that_is_no_probability_is_refused(level: float) -> None:
    with pytest.raises(InputError, match="confidence level"):
        review(measured([0.9, 0.9], [1, 0]), level)


def test_train_writes_it_for_the_test_part_and_says_what_it_buys(
    photos: Photos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test = photos("new", first=60, any=2, warm=2)
    (test / "any" / "broken.jpg").write_bytes(b"")
    words = ["train", str(photos("train", warm=9, cold=9)), "-b", "colour_histogram", "--out", str(tmp_path / "run")]
    assert main([*words, "--test", str(test), "--review", "0.8", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    with (tmp_path / "run" / "review.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {r["file"] for r in rows} >= {"any/broken.jpg", "any/any.60.png", "any/any.61.png"}
    assert rows[0]["reason"].startswith("unreadable: ")
    assert (said["review"]["level"], said["review"]["written"]) == (0.8, len(rows))
    assert said["review"]["accuracy_all"] == said["scores"]["scores"]["accuracy"]["value"]
    assert main([*words, "--json"]) == 0  # an old one does not stay
    assert not (tmp_path / "run" / "review.csv").exists()
    assert json.loads(capsys.readouterr().out)["review"]["level"] == 0.9


def test_predict_writes_it_beside_the_csv(photos: Photos, in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(photos("train", warm=9, cold=9)), "-b", "colour_histogram", "--out", "run"]) == 0
    new = str(photos("new", first=60, any=2))
    (in_folder / "there").mkdir()
    assert main(["predict", "run", new, "--csv", "there/out.csv", "--review", "0.9"]) == 0
    assert (in_folder / "there" / "review.csv").is_file()
    assert main(["predict", "run", new, "--review", "0.9"]) == 0
    assert (in_folder / "review.csv").is_file()
    assert "2 of them to review" in capsys.readouterr().out
    assert main(["predict", "run", new, "--review", "9"]) == 1
    with pytest.raises(SystemExit):
        main(["train", "train", "--review", "0.9"])
