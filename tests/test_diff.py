"""What changed from one run to another is found photo by photo, and what cannot be compared is said."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from penult.cli import main
from penult.embed import EmbedOptions
from penult.errors import DamagedFile, InputError
from penult.evaluate import compare_answers
from penult.runs import RunFolder, write_oof, write_photos
from penult.training import TrainOptions, compare_runs, train_images

pytestmark = pytest.mark.usefixtures("quick_disk")


def test_photos_are_known_again_whatever_their_names_and_labels(
    photos: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(head: str) -> str:
        settings = EmbedOptions(cache=str(tmp_path / "cache"), workers=0)
        options = TrainOptions(str(tmp_path / "run"), ("colour_histogram",), head=head, settings=settings)
        return str(train_images(str(train), str(test), options).folder)

    train, test = photos("train", warm=8, cold=8), photos("test", warm=3, cold=3)
    shutil.move(train / "warm" / "warm.7.png", train / "cold" / "wrong.png")  # a wrong label
    former = run("centroid")
    shutil.move(train / "cold" / "wrong.png", train / "warm" / "mended.png")
    shutil.move(train / "cold" / "cold.0.png", train / "cold" / "renamed.png")
    (train / "cold" / "cold.1.png").unlink()
    photos("train", first=50, warm=1)
    present = run("knn")
    assert present == former
    found = compare_runs(f"{former}.1", present)
    assert [(one.file, one.former, one.present) for one in found.relabelled] == [("warm/mended.png", "cold", "warm")]
    assert (found.added, found.removed) == (("warm/warm.50.png",), ("cold/cold.1.png",))
    assert found.settings == (("head", "centroid", "knn"),)
    assert found.oof.scores[0].photos == 15
    assert found.test is not None
    assert found.test.scores[0].photos == 6
    assert "labels changed: both runs are judged by the labels of the present one." in found.notes
    assert main(["diff", f"{former}.1", present, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(found.to_dict()))
    assert main(["diff", f"{former}.1", present]) == 0
    said = capsys.readouterr().out
    assert "1 label changed\n  warm/mended.png: cold -> warm\n" in said
    assert "15 photos that both" in found._repr_html_()


def written(folder: Path, answers: dict[str, str], classes: tuple[str, ...] = ("cat", "dog"), photos: bool = True) -> Path:
    """Write a run: for each file, named after its class, what the model answered out of fold (in capitals: unsure)."""
    files = list(answers)
    y = np.array([classes.index(file.partition("/")[0]) for file in files])
    given = np.array([classes.index(answer.lower()) for answer in answers.values()])
    sure = np.where([answer.isupper() for answer in answers.values()], 0.6, 0.9)
    proba = np.repeat(((1 - sure) / (len(classes) - 1))[:, None], len(classes), axis=1)
    proba[np.arange(len(files)), given] = sure
    with RunFolder(folder) as run:
        write_oof(run, files, classes, y, np.zeros(len(files), np.intp), proba)
        if photos:
            rows = [(f, "train", classes[c], hashlib.sha256(f.encode()).hexdigest()) for f, c in zip(files, y, strict=True)]
            write_photos(run, rows)
        run.finish({"classes": dict.fromkeys(classes, 1), "options": {}, "backbones": [], "test": None})
    return folder


def test_the_counts_of_right_and_wrong_are_the_difference_of_the_scores(tmp_path: Path) -> None:
    same = {f"cat/{i}": "cat" for i in range(40)}
    former = written(tmp_path / "a", {**same, "dog/1": "cat", "dog/2": "CAT", "dog/3": "dog", "dog/4": "dog", "dog/5": "cat"})
    present = written(tmp_path / "b", {**same, "dog/1": "dog", "dog/2": "DOG", "dog/3": "dog", "dog/4": "cat", "dog/6": "dog"})
    found = compare_runs(former, present)
    assert [one.file for one in found.oof.right] == ["dog/1", "dog/2"]
    assert [(one.file, one.label, one.former, one.present) for one in found.oof.wrong] == [("dog/4", "dog", "dog", "cat")]
    score = found.oof.scores[0]
    assert (score.former, score.present, score.photos) == (42 / 44, 43 / 44, 44)
    assert score.difference == pytest.approx(1 / 44)
    loss = found.oof.scores[1]
    assert loss.present == pytest.approx(-(42 * np.log(0.9) + np.log(0.6) + np.log(0.1)) / 44)
    assert loss.present - loss.former == pytest.approx(loss.difference)
    assert score.low < 0 < score.difference < score.high
    assert (found.added, found.removed) == (("dog/6",), ("dog/5",))
    assert found.verdict() == "No clear difference of accuracy on the 44 photos that both runs measured."
    assert compare_runs(former, former).verdict().startswith("Both runs give the same answers to the 45 photos")
    better = written(tmp_path / "c", {f"cat/{i}": "cat" if i >= 3 else "dog" for i in range(40)})
    worse = written(tmp_path / "d", {f"cat/{i}": "cat" if i >= 15 else "dog" for i in range(40)})
    assert compare_runs(better, worse).verdict().startswith("The present run is worse: -30.0 points")


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    one = written(tmp_path / "one", {"cat/1": "cat", "dog/1": "dog"})
    other = written(tmp_path / "other", {"cat/2": "cat", "owl/1": "cat", "owl/2": "owl"}, ("cat", "owl"))
    found = compare_runs(one, other)
    assert found.oof.scores == ()
    assert found.verdict() == "The runs have no measured photo in common, so their scores cannot be compared."
    assert (found.classes_added, found.classes_removed) == (("owl",), ("dog",))
    assert (len(found.added), len(found.removed)) == (3, 2)
    assert found.to_dict()["score"] is None
    more = {"cat/1": "cat", "dog/1": "owl", **{f"owl/{i}": "owl" for i in range(9)}}
    found = compare_runs(one, written(tmp_path / "more", more, ("cat", "dog", "owl"), photos=False))
    assert [score.metric for score in found.oof.scores] == ["accuracy"], "a class more: the log loss would be another"
    assert [note.partition(":")[0] for note in found.notes] == [
        "the runs know different classes",
        "a run without photos.csv (an earlier version, or feature files)",
        "only 2 of the 11 photos that the present run measured were measured by the former",
    ]
    (one / "photos.csv").unlink()
    with pytest.raises(DamagedFile, match=r"photos\.csv is gone"):
        compare_runs(one, other)
    with pytest.raises(InputError, match=r"holds no metrics\.json"):
        compare_runs(tmp_path, other)


def test_few_photos_that_only_one_run_got_right_prove_nothing() -> None:
    """Of 200 photos four more right are chance (sign test: p = 0.125), six are not (p = 0.031)."""
    y = np.zeros(200, np.intp)
    right, wrong = np.array([[0.9, 0.1]]), np.array([[0.1, 0.9]])
    for won, clear in ((0, False), (4, False), (6, True)):
        first, second = np.repeat(right, 200, axis=0), np.repeat(right, 200, axis=0)
        second[:won] = wrong
        found = compare_answers(y, first, second)
        assert (round(found.value * 200), found.clear) == (won, clear)
    groups = np.r_[np.zeros(6, int), np.arange(1, 195)]  # all six are frames of one scene
    assert not compare_answers(y, first, second, groups).clear
