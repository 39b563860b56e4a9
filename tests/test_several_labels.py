"""Photos with several labels through the whole product: training, run folder, model file, page, predictions."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import penult
import severallabels as drawn
from penult import bundle, evaluate, report, runs, training
from penult.cli import main
from penult.embed import EmbedOptions
from penult.errors import InputError, InternalError
from penult.predict.sample_submission import SampleSubmission, plain_submission
from penult.texts import label_separator
from penult.training import Run, TrainOptions

MISSING, WRONG = (3, 2), (7, 1)  # row and label that are planted wrong


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Run, Path, np.ndarray]]:
    """A run on 90 drawn pictures of which one lacks a label and one has another's, and 30 test pictures."""
    root = tmp_path_factory.mktemp("several")
    has, test = drawn.write(root / "train", 90), drawn.write(root / "test", 30, seed=1)
    told = has.copy()
    for row, label in (MISSING, WRONG):
        told[row, label] = not told[row, label]
    options = TrainOptions(
        str(root / "run"), ("colour_histogram",), near_duplicates="separate", settings=EmbedOptions(cache=str(root / "cache"))
    )
    run = training.train_sets(drawn.image_set(root / "train", told), drawn.image_set(root / "test", test), options)
    yield run, root, test


def test_a_run_has_scores_thresholds_and_findings_of_each_label(trained):
    run, _, _ = trained
    metrics = run.metrics
    assert metrics["task"] == "labels" and run.model.task == "labels"
    assert metrics["scores"]["scores"]["mAP"]["value"] > 0.9
    assert metrics["test"]["scores"]["micro_f1"]["value"] > 0.9
    assert list(metrics["thresholds"]) == list(drawn.LABELS)
    assert run.model.thresholds.tolist() == list(metrics["thresholds"].values())
    found = {(one.kind, one.file) for one in run.findings}
    assert ("missing_label", f"p{MISSING[0]}.png") in found
    assert ("wrong_label", f"p{WRONG[0]}.png") in found
    assert sum(kind in ("missing_label", "wrong_label") for kind, _ in found) <= 4


def test_the_folder_reads_back_as_it_was_written_and_its_page_is_made_anew(trained):
    run, _, _ = trained
    read = runs.read_run(run.folder)
    rows = read.label_rows
    assert rows is not None
    order = [rows.files.index(f"p{i}.png") for i in range(90)]
    assert rows.Y[order][MISSING] == 0 and rows.Y[order][WRONG] == 1
    assert np.allclose(rows.proba, run.evaluation.proba, atol=1e-5)
    before = (run.folder / "report.html").read_text()
    for text in ("mean average precision", "Missed labels", "bright: calibration", "possibly missing label", "threshold"):
        assert text in before
    report.rebuild(run.folder)
    assert "mean average precision" in (run.folder / "report.html").read_text()


def test_a_loaded_model_gives_labels_by_its_thresholds(trained):
    run, root, test = trained
    model = penult.load_model(run.folder, cache_dir=False)
    answers = list(model.predict([str(root / "test" / f"p{i}.png") for i in range(5)]))
    for answer, has in zip(answers, test.tolist(), strict=False):
        assert answer.labels == tuple(name for name, yes in zip(drawn.LABELS, has, strict=True) if yes)
        assert answer.label == ";".join(answer.labels)
        p, limits = np.array(list(answer.probabilities.values())), run.model.thresholds
        assert answer.confidence == pytest.approx(np.where(p >= limits, p, 1 - p).min())
    assert answers[0].to_dict()["labels"] == list(answers[0].labels)
    rows = list(csv.DictReader((run.folder / "predictions.csv").read_text().splitlines()))
    assert [row["labels"] for row in rows[:5]] == [answer.label for answer in answers]


def test_a_model_file_of_another_task_than_its_head_is_refused(trained, tmp_path):
    run, _, _ = trained
    from dataclasses import replace

    facts = {name: value for name, value in run.model.facts.items() if name != "task"}
    with pytest.raises(InternalError, match="another task"):
        bundle.save_bundle(tmp_path / "m.penult", replace(run.model, facts=facts))
    facts = {**run.model.facts, "thresholds": [0.5, 2, 0.5]}
    with pytest.raises(InternalError, match="thresholds"):
        bundle.save_bundle(tmp_path / "m.penult", replace(run.model, facts=facts))


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ("Id,Predicted\na,bright warm\nb,warm\n", "Id,Predicted\na,bright warm\nb,\n"),
        ("Id,Predicted\na,bright;warm\nb,\n", "Id,Predicted\na,bright;warm\nb,\n"),
        ("id,warm,bright,striped\na,0.5,0.5,0.5\nb,0.5,0.5,0.5\n", "id,warm,bright,striped\na,0.9,0.8,0.1\nb,0.2,0.1,0.3\n"),
    ],
)
def test_submissions_take_the_form_of_the_sample(tmp_path, sample, expected):
    path = tmp_path / "sample.csv"
    path.write_text(sample)
    form = SampleSubmission.read(path, drawn.LABELS, None, several=True)
    proba = np.array([[0.8, 0.1, 0.9], [0.1, 0.3, 0.2]])
    form.write(tmp_path / "out.csv", ["a.png", "b.png"], drawn.LABELS, proba, proba >= 0.5)
    assert (tmp_path / "out.csv").read_text().replace("\r\n", "\n") == expected


def test_one_hot_submissions_follow_submit_labels_and_the_plain_form_is_id_and_labels(tmp_path):
    path = tmp_path / "sample.csv"
    path.write_text("id,warm,bright,striped\na,0,0,0\n")
    proba = np.array([[0.8, 0.1, 0.9]])
    form = SampleSubmission.read(path, drawn.LABELS, "labels", several=True)
    form.write(tmp_path / "out.csv", ["a.png"], drawn.LABELS, proba, proba >= 0.5)
    assert (tmp_path / "out.csv").read_text().splitlines()[1] == "a,1,1,0"
    assert plain_submission(["a.png"], drawn.LABELS, None, several=True).header == ("id", "labels")
    odd = ("sea; sky", "dog")  # then one sign in all tables of a run
    assert plain_submission(["a.png"], odd, None, several=True).separator == label_separator(odd) == "|"
    path.write_text("id,labels\na,x\n")
    with pytest.raises(InputError, match="a column each"):
        SampleSubmission.read(path, drawn.LABELS, "probabilities", several=True)


@pytest.mark.parametrize(
    ("asked", "said"),
    [({"head": "svm"}, "one class"), ({"class_weight": {"warm": 2.0}}, "balanced"), ({"review": 0.9}, "leave it out")],
)
def test_what_several_labels_cannot_do_is_refused_in_a_sentence(tmp_path, asked, said):
    has = drawn.write(tmp_path / "train", 12)
    with pytest.raises(InputError, match=said):
        training.train_sets(
            drawn.image_set(tmp_path / "train", has), None, TrainOptions(str(tmp_path / "run"), ("colour_histogram",), **asked)
        )
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_labels_that_no_photo_tells_apart_are_refused_and_rare_ones_are_told(tmp_path):
    from penult.training.data import check_label_counts

    with pytest.raises(InputError, match="no label to tell apart"):
        check_label_counts(np.zeros((5, 2), np.float32), ["a", "b"])
    Y = np.array([[1, 0], [1, 0], [0, 0], [0, 1]], np.float32)
    assert check_label_counts(Y, ["a", "b"])[0].startswith("b: 1 photos")


def test_an_estimator_takes_a_matrix_of_labels(tmp_path):
    has = drawn.write(tmp_path / "photos", 60)
    paths = [str(tmp_path / "photos" / f"p{i}.png") for i in range(60)]
    model = penult.TransferClassifier("colour_histogram", cache_dir=False).fit(paths[:48], has[:48].tolist())
    assert model.classes_.tolist() == ["0", "1", "2"]
    proba = model.predict_proba(paths[48:])
    given = model.predict(paths[48:])
    assert given.shape == (12, 3) and np.array_equal(given, proba >= model.thresholds_)
    assert model.score(paths[48:], has[48:]) >= 0.75
    model.save(tmp_path / "m.penult")
    loaded = penult.load_model(tmp_path / "m.penult", cache_dir=False).predict(paths[48:])
    np.testing.assert_allclose(loaded.proba, proba, atol=1e-6)
    assert np.array_equal(loaded.given, given == 1)
    with pytest.raises(InputError, match="one class"):
        penult.TransferClassifier("colour_histogram", "svm").fit(paths, has)
    with pytest.raises(InputError, match="0 without"):
        penult.TransferClassifier("colour_histogram").fit(paths, has + 1)
    assert penult.TransferClassifier("colour_histogram", cache_dir=False).fit(paths, has[:, 2]).thresholds_ is None
    with pytest.raises(InputError, match="class shares"):
        penult.load_model(tmp_path / "m.penult").use_prior(np.full(3, 1 / 3))


def test_the_commands_train_audit_and_predict_from_tables(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    has = drawn.write(tmp_path / "train", 60)
    drawn.write(tmp_path / "test", 4, seed=1)
    told = has.copy()
    told[MISSING] = not told[MISSING]
    drawn.write_columns(tmp_path / "columns.csv", told, "train/")
    drawn.write_cells(tmp_path / "cells.csv", has, "train/")
    more = ["-b", "colour_histogram", "--near-duplicates", "separate", "--no-cache"]
    assert main(["audit", "columns.csv", *more, "--csv", "found.csv"]) == 0
    found = [
        row["file"] for row in csv.DictReader((tmp_path / "found.csv").read_text().splitlines()) if "label" in row["kind"]
    ]
    assert f"train/p{MISSING[0]}.png" in found
    assert main(["train", "cells.csv", "--test", "test", *more, "-o", "run", "--submit", "probabilities"]) == 0
    assert (tmp_path / "run" / "submission.csv").read_text().startswith("id,bright,striped,warm")
    capsys.readouterr()
    assert main(["predict", "run", "test", "--csv", "out.csv", "--no-cache"]) == 0
    assert (tmp_path / "out.csv").read_text().startswith("file,labels,confidence,bright,striped,warm")
    assert main(["compare", "columns.csv", "-b", "colour_histogram", "-o", "compared", "--no-cache"]) == 0
    assert "60 images of 3 labels" in capsys.readouterr().out
    ranked = next(csv.DictReader((tmp_path / "compared" / "compare.csv").read_text().splitlines()))
    assert float(ranked["mAP"]) > 0.8 and "accuracy" not in ranked
    assert main(["info", "run"]) == 0
    card = capsys.readouterr().out
    assert "C=" in card and "slope" not in card
    for call, said in (
        (["diff", "run", "run"], "several labels"),
        (["studio", "run", "--no-browser", "-o", "project"], "several labels"),
        (["train", "cells.csv", "--prior", "warm=0.2,bright=0.8", *more], "--prior is for photos of one class each"),
        (["train", "cells.csv", "--task", "labels", "--head", "knn", *more], "one class"),
        (["compare", "columns.csv", "-b", "colour_histogram", "--head", "svm", "--no-cache"], "one class"),
    ):
        assert main(call) == 1
        assert said in capsys.readouterr().err


def test_shards_are_learnt_and_measured_with_a_table_of_labels(tmp_path, capsys, monkeypatch):
    pytest.importorskip("pyarrow")
    monkeypatch.chdir(tmp_path)
    has = drawn.write(tmp_path / "photos", 40)
    drawn.write_columns(tmp_path / "columns.csv", has, "photos/")
    assert main(["embed", "columns.csv", "--out", "shards", "-b", "colour_histogram", "--no-cache"]) == 0
    assert "several labels each" in capsys.readouterr().err
    train = ["train", "shards", "--near-duplicates", "separate", "-o", "run"]
    assert main([*train, "--labels", "columns.csv"]) == 0
    assert runs.read_run(tmp_path / "run").metrics["task"] == "labels"
    capsys.readouterr()
    assert main(["evaluate", "run", "shards", "--labels", "columns.csv", "--json"]) == 0
    assert '"mAP"' in capsys.readouterr().out
    assert main(["predict", "run", "photos", "--out", "answers"]) == 0
    monkeypatch.setattr("penult.training.stored_data.fits", lambda *_: False)
    for call, said in (
        ([*train, "--labels", "columns.csv"], "learnt in memory"),
        ([*train, "--task", "labels"], "--labels FILE"),
        (["train", "--features", "run/data.h5", "--task", "labels"], "one class a row"),
        (["evaluate", "run", "shards"], "--labels FILE"),
    ):
        assert main(call) == 1
        assert said in capsys.readouterr().err


def test_two_networks_are_compared_on_the_same_photos_with_labels():
    random = np.random.default_rng(0)
    Y = (random.random((80, 2)) < 0.5).astype(np.float32)
    Y[0, 1] = np.nan
    p = np.clip(np.nan_to_num(Y) * 0.6 + 0.2 + random.normal(0, 0.1, Y.shape), 0.01, 0.99)
    good, bad = (evaluate.score_labels(Y, one, ("a", "b"), name="x") for one in (p, 0.5 + 0.5 * (p - 0.5)))
    gap = evaluate.paired_label_difference(bad, good)
    own = [one.scores["log_loss"].value for one in (bad, good)]
    assert gap.low < gap.value < gap.high and gap.clear and gap.value == pytest.approx(own[0] - own[1], abs=0.01)
    with pytest.raises(InputError, match="same photos"):
        evaluate.paired_label_difference(bad, evaluate.score_labels(1 - Y, p, ("a", "b")))
