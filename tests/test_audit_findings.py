"""The audit names what was spoilt on purpose, and moves only what a list says."""

from __future__ import annotations

import csv
import importlib.util
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from penult import heads, images
from penult.audit import COLUMNS, KINDS, AuditData, AuditPart, Finding, Pairs, Photos, counts, expected, leaks, ranked
from penult.audit.kinds import labels
from penult.audit.kinds.outliers import outliers
from penult.audit.kinds.quality import conditions
from penult.audit.noise_model import label_noise
from penult.cli import main
from penult.embed import EmbedOptions
from penult.errors import InputError, UnknownName
from penult.evaluate import cross_validate, score
from penult.training import TrainOptions, label_check
from penult.training.label_check import check_labels, judged
from penult.training.repairs import Repairs, apply_repairs


def spoiler():
    path = Path(__file__).resolve().parents[1] / "benchmarks" / "audit.py"
    spec = importlib.util.spec_from_file_location("audit_benchmark", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def answers(n, k, sharp, seed):
    """Calibrated probabilities (n, k), and classes (n,) drawn by them: a model that errs, and labels that are right."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1, (n, k)) * sharp
    proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return proba, (proba.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)


@pytest.mark.parametrize(("k", "sharp"), [(2, 1.0), (2, 4.0), (10, 3.0)])
def test_the_errors_of_a_model_that_says_how_unsure_it_is_are_no_label_errors(k, sharp):
    """Classes that look alike: hundreds of errors, and no wrong label."""
    proba, y = answers(2000, k, sharp, seed=0)
    found = label_noise(y, proba)
    assert (proba.argmax(axis=1) != y).sum() > 150
    assert found.rate < 0.035
    assert (found.wrong > 0.5).sum() <= 0.01 * len(y)


@pytest.mark.parametrize(("k", "sharp"), [(2, 12.0), (10, 8.0)])
@pytest.mark.parametrize("share", [0.02, 0.05, 0.2])
def test_wrong_labels_are_told_from_errors_and_counted(k, sharp, share):
    """Sure probabilities against a label are explained by its being wrong; how many of those listed are is foretold."""
    proba, y = answers(2000, k, sharp, seed=1)
    rng = np.random.default_rng(2)
    bad = rng.random(len(y)) < share
    y = np.where(bad, (y + rng.integers(1, k, len(y))) % k, y)
    found = label_noise(y, proba**0.7 / (proba**0.7).sum(axis=1, keepdims=True))  # they pull a model together
    listed = found.wrong > 0.5
    assert abs(found.rate - share) < 0.25 * share + 0.01
    assert (listed & bad).sum() / bad.sum() > 0.7
    assert abs(bad[listed].mean() - found.wrong[listed].mean()) < 0.1


def test_one_far_row_stands_out_and_no_other():
    rng = np.random.default_rng(0)
    X = 5 + rng.normal(size=(60, 30))
    X[7] = -X[7]
    assert [row for row, _ in outliers(X, np.arange(60) % 2)] == [7]


def test_blank_dark_and_blurred_photos_are_told_apart():
    quality = np.tile([120.0, 50, 200, 0.4], (30, 1)) + np.random.default_rng(0).normal(0, 0.01, (30, 4))
    quality[1], quality[2], quality[3] = [120, 1, 121, 1], [10, 8, 30, 0.4], [120, 40, 190, 0.95]
    assert {k: [row for row, _ in v] for k, v in conditions(quality).items()} == {"blank": [1], "dark": [2], "blurred": [3]}


def test_the_same_digest_in_train_and_test_is_a_leak_and_others_are_not():
    rng = np.random.default_rng(0)
    digests = rng.integers(0, 256, (50, 32), dtype=np.uint8)
    X = rng.normal(size=(50, 40)).astype(np.float32)
    digests[45], X[45], X[46] = digests[5], X[5], X[8] + 0.1 * rng.normal(size=40)
    pairs = leaks(Photos(digests[:40], X[:40], None), Photos(digests[40:], X[40:], None))
    assert set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == {(5, 5), (8, 6)}


def test_findings_are_ranked_by_kind_and_score():
    found = ranked([Finding(k, f, "", s, "", "") for k, f, s in [("dark", "a", 1.0), ("leak", "b", 0.5), ("leak", "c", 0.9)]])
    assert [one.file for one in found] == ["c", "b", "a"]
    assert counts(found) == {"leak": 2, "dark": 1}


def test_the_command_names_copies_leaks_and_odd_photos(photos, tmp_path, capsys):
    train, test = photos("train", warm=24, cold=24), photos("test", 50, warm=4, cold=4)
    shutil.copyfile(train / "warm/warm.3.png", train / "cold/copy.png")
    shutil.copyfile(train / "warm/warm.5.png", test / "warm/leak.png")
    (train / "cold/broken.png").write_bytes(b"no picture")
    (test / "cold/torn.png").write_bytes(b"no picture")
    Image.new("RGB", (90, 90), (5, 5, 5)).save(train / "cold/black.png")
    common = ["-b", "colour_histogram", "--json", "-q"]
    assert main(["audit", str(train), "--test", str(test), "--csv", str(tmp_path / "f.csv"), *common]) == 0
    said = json.loads(capsys.readouterr().out)
    with (tmp_path / "f.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert tuple(rows[0]) == COLUMNS == ("kind", "file", "related", "score", "reason", "suggestion")
    found = {(row[0], Path(row[1]).name, Path(row[2]).name) for row in rows[1:]}
    assert ("leak", "leak.png", "warm.5.png") in found
    assert {("unreadable", "broken.png", ""), ("blank", "black.png", "")} <= found
    assert any(kind == "copy" and {a, b} == {"copy.png", "warm.3.png"} for kind, a, b in found)
    assert said["leak"]["photos"] >= 1
    assert len(said["findings"]) == len(rows) - 1
    assert main(["train", str(train), "--test", str(test), "--out", str(tmp_path / "run"), *common]) == 0
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["audit"]["counts"] == said["counts"]
    assert metrics["audit"]["leak"]["scores_without"]["measured"] == 10 - said["leak"]["photos"]
    assert metrics["audit"]["leak"] == said["leak"]
    with (tmp_path / "run/findings.csv").open(newline="") as file:
        assert len(list(csv.reader(file))) == len(rows)


def listing(path: Path, *moves: tuple[str, str]) -> str:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("file", "to"), *moves])
    return str(path)


def test_only_what_the_list_says_is_moved(photos, tmp_path):
    train = photos("train", warm=3, cold=3)
    assert apply_repairs(str(train), listing(tmp_path / "m.csv", ("warm/warm.1.png", "cold/"))) == Repairs(1)
    assert sorted(p.name for p in (train / "cold").iterdir()) == ["cold.0.png", "cold.1.png", "cold.2.png", "warm.1.png"]
    assert len(list(train.rglob("*.png"))) == 6


@pytest.mark.parametrize(
    ("moves", "why"),
    [
        ([("warm/warm.0.png", "cold/"), ("warm/none.png", "cold/")], "was not found"),
        ([("warm/warm.0.png", "cold/cold.1.png")], "exists already"),
        ([("warm/warm.0.png", "../x.png")], "outside"),
        ([("warm/warm.0.png", "cold/x.png"), ("warm/warm.1.png", "cold/x.png")], "the place of two photos"),
        ([("warm/warm.0.png", "cold/x.png"), ("cold/../warm/warm.0.png", "cold/y.png")], "moved twice"),
        ([("warm/warm.0.png", "")], "lacks `file` or `to`"),
    ],
)
def test_a_list_with_one_bad_line_moves_nothing(photos, tmp_path, moves, why):
    train = photos("train", warm=3, cold=3)
    before = sorted(train.rglob("*"))
    with pytest.raises(InputError, match=why):
        apply_repairs(str(train), listing(tmp_path / "m.csv", *moves))
    assert sorted(train.rglob("*")) == before


def test_real_photos_spoilt_on_purpose_are_found(real_photos, tmp_path):
    benchmark = spoiler()
    options = TrainOptions(settings=EmbedOptions(cache=str(tmp_path / "cache")))
    clean = benchmark.counted(real_photos, benchmark.Spoilt(), options)
    assert clean["accused"] <= 4
    done = benchmark.spoil(real_photos, tmp_path / "set", 0)
    found = benchmark.counted(tmp_path / "set", done, options)
    assert found["swapped"] >= 11
    assert (found["copied"], found["leaked"]) == (6, 8)
    assert found["accused"] <= 6


def test_every_kind_is_declared_once_with_its_titles_and_its_place():
    """What report, table and command line say of a kind all comes from the file that declares it."""
    assert list(KINDS) == [
        "leak", "label", "missing_label", "wrong_label", "copy", "near_copy", "unreadable", "truncated", "outlier", "blank",
        "dark", "blurred", "tiny", "model_error", "small_class", "group",
    ]  # fmt: skip
    assert len({kind.rank for kind in KINDS.values()}) == len(KINDS)
    for name, kind in KINDS.items():
        assert (kind.name, kind.title(1)) == (name, f"1 {kind.one}")
        one = kind.finding("a.jpg", 0.5, "why")
        assert (one.kind, one.suggestion, one.about) == (name, kind.suggestion, kind.about)


@pytest.mark.parametrize("kind", KINDS)
def test_a_finding_says_whether_it_names_photos_or_a_class(kind):
    """Only findings about classes have no photos; every kind is one or the other, alone and with another photo."""
    for related in ("", "b.jpg"):
        one = Finding(kind, "a", related, 0.5, "", "")
        assert one.about == ("class" if kind == "small_class" else "photo")
        assert one.photos == (() if kind == "small_class" else ("a", "b.jpg") if related else ("a",))
        assert one.to_dict()["about"] == one.about


def labelled(y, names, checked=(), proba=(), wrong=()):
    """Photos of which only the labels are known, and maybe what a model says of some of them."""
    files = [f"{i}.jpg" for i in range(len(y))]
    photos = Photos(np.zeros((len(y), 32), np.uint8), np.zeros((len(y), 1), np.float32), None)
    part = AuditPart("training", files, files, photos, np.asarray(y))
    asked = (np.asarray(checked, np.intp), np.asarray(proba), np.asarray(wrong))
    return AuditData(part, None, names, [1], [1], Pairs.none(), *asked)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ([8, 8], ["8 photos, fewer than 20", "8 photos, fewer than 20"]),
        ([1, 19], ["1 photo, fewer than 20; the largest class, b, has 19", "19 photos, fewer than 20"]),
        ([20, 200], [None, None]),
        ([20, 201], ["20 photos; the largest class, b, has 201", None]),
        ([1200, 3], [None, "3 photos, fewer than 20; the largest class, a, has 1,200"]),
        ([5] * 44, ["5 photos, fewer than 20"] * 44),
    ],
)
def test_a_small_class_is_told_what_is_true_of_it(counts, said):
    """The largest class is named only where another is small beside it, never where all are alike."""
    names = [chr(ord("a") + i) for i in range(len(counts))]
    found = {one.file: one.reason for one in labels.small_classes(labelled(np.repeat(np.arange(len(counts)), counts), names))}
    assert [found.get(name) for name in names] == said
    scores = [one.score for one in labels.small_classes(labelled(np.repeat(np.arange(len(counts)), counts), names))]
    assert all(0 <= score <= 1 for score in scores)


@pytest.mark.parametrize(
    ("counts", "right", "told"),
    [
        ((2, 2), (2, 1), 0),  # four photos: not surely better than chance
        ((60, 60), (32, 29), 0),  # a coin
        ((100, 3), (100, 0), 0),  # a rare class that was never learned
        ((300, 30), (300, 12), 300),  # nor was this one: only the other may be judged
        ((60, 60), (58, 59), 120),
        ((100, 40), (98, 38), 140),
    ],
)
def test_labels_are_judged_only_by_a_model_that_has_learned_the_class(counts, right, told):
    """What a model that knows no better says against a label is no finding."""
    y = np.repeat([0, 1], counts)
    hit = np.concatenate([np.arange(n) < r for n, r in zip(counts, right, strict=True)])
    proba = np.where(np.where(hit, y, 1 - y)[:, None] == [0, 1], 0.9, 0.1)
    rows, note = judged(score(y, proba, ["cat", "dog"]))
    assert len(rows) == told
    assert bool(note) == (told == 0)


def test_a_model_that_is_wrong_about_most_photos_has_no_say():
    y = np.arange(300) % 6
    proba = np.where(np.where(np.arange(300) % 3 == 0, y, (y + 1) % 6)[:, None] == np.arange(6), 0.5, 0.1)
    rows, note = judged(score(y, proba, list("abcdef")))  # 33% right, of six classes
    assert len(rows) == 0
    assert "wrong about too many photos" in note


@pytest.mark.parametrize(("name", "nested"), [("logistic", None), ("logistic", 0), ("blend", 0)])
def test_labels_are_checked_a_second_time_without_the_doubted_ones(name, nested):
    """Planted errors among simulated photos are found, and more surely once the models have not learned them."""
    rng = np.random.default_rng(0)
    y = np.arange(240) % 3
    X = (np.eye(3, 12)[y] * 6 + rng.normal(size=(240, 12))).astype(np.float32)
    bad = rng.choice(240, 24, replace=False)
    given = y.copy()
    given[bad] = (y[bad] + 1) % 3
    head = heads.make_head(name)
    seen = cross_validate(head, X, given, ["a", "b", "c"], nested=nested)
    found = check_labels(head, X, seen)
    assert (found.note, len(found.rows)) == ("", 240)
    listed = np.flatnonzero(found.wrong > 0.5)
    assert len(set(listed) & set(bad)) >= 22
    assert len(set(listed) - set(bad)) <= 2
    first = label_noise(given, seen.proba).wrong
    assert found.wrong[bad].mean() > first[bad].mean()


def test_what_is_said_of_few_labels_hardly_depends_on_how_the_folds_were_drawn(monkeypatch):
    rng = np.random.default_rng(0)
    y = np.arange(160) % 4
    X = (np.eye(4, 30)[y] * 3 + rng.normal(size=(160, 30))).astype(np.float32)
    given = np.where(rng.permutation(160) < 12, (y + 1) % 4, y)
    head = heads.make_head("centroid")
    seen = [cross_validate(head, X, given, list("abcd"), seed=seed) for seed in (0, 1)]
    apart = {}
    for draws in (1, label_check.DRAWS):
        monkeypatch.setattr(label_check, "DRAWS", draws)
        one, other = (check_labels(head, X, each).wrong for each in seen)
        apart[draws] = np.abs(one - other).mean()
    assert apart[3] < 0.6 * apart[1]


def test_a_fold_whose_photos_are_of_a_kind_of_their_own_accuses_no_labels():
    """A group of look-alikes fills most of a fold: the model that never saw its kind is wrong there, and sure of itself."""
    rng = np.random.default_rng(0)
    y, odd = np.arange(300) % 2, np.arange(300) < 50
    X = rng.normal(size=(300, 12)).astype(np.float32)
    X[:, 0] += np.where(odd, 3, 3 * (2 * y - 1))  # where the others differ, all of these look like the second class
    X[:, 1] += np.where(odd, 6 * (2 * y - 1), 0)
    groups = np.where(odd, 0, 1 + np.arange(300))
    head = heads.make_head("logistic", scaling="none")
    seen = cross_validate(head, X, y, ["a", "b"], groups)
    first = label_noise(y, seen.proba).wrong
    found = check_labels(head, X, seen)
    assert (first > 0.5)[odd].sum() > 15
    assert (found.wrong > 0.5).sum() <= 3


def test_look_alikes_that_are_contradicted_together_speak_against_the_model_and_one_alone_against_its_label():
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    X = rng.normal(size=(200, 8)).astype(np.float32)
    X[:, 0] += 4 * (2 * y - 1)
    groups = np.arange(200)
    given, together, friends = y.copy(), np.arange(0, 12, 2), np.arange(20, 32, 2)
    groups[together], given[together] = 0, 1  # all six look like the other class
    groups[friends], given[friends[0]] = 20, 1  # one of six
    head = heads.make_head("centroid")
    wrong = check_labels(head, X, cross_validate(head, X, given, ["a", "b"], groups)).wrong
    assert (wrong[together] == 0).all()
    assert wrong[friends[0]] > 0.9
    assert (wrong[friends[1:]] < 0.1).all()
    apart = check_labels(head, X, cross_validate(head, X, given, ["a", "b"])).wrong
    assert (apart[together] > 0.5).all()


def test_where_nothing_was_learned_no_label_is_doubted_and_one_sentence_says_why():
    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(80) % 2)
    head = heads.make_head("centroid")
    found = check_labels(head, None, cross_validate(head, rng.normal(size=(80, 9)).astype(np.float32), y, ["a", "b"]))
    assert len(found.rows) == len(found.wrong) == 0
    assert found.note.startswith("labels were not checked: the model is not significantly better than chance")
    assert check_labels(head, None, None).note == "labels were not checked: no model could be measured"


def test_what_is_said_of_a_label_is_no_order_and_the_models_errors_are_listed_where_asked_for():
    y, wrong = np.repeat([0, 1], 4), np.array([0.9, 0, 0.2, 0, 0, 0, 0, 0])
    proba = np.array([[0.02, 0.98], [0.9, 0.1], [0.4, 0.6], *[[0.8, 0.2]], *[[0.1, 0.9]] * 4])
    data = labelled(y, ["cat", "dog"], np.arange(8), proba, wrong)
    found = list(labels.find(data))
    assert [(one.kind, one.file) for one in found if one.kind != "small_class"] == [("label", "0.jpg")]
    assert found[0].reason == "labelled cat, predicted dog (98.0%)"
    assert found[0].suggestion == "look at it; if it is dog, correct the label"
    assert found[0].score == 0.9
    every = list(labels.find(replace(data, errors=True)))
    assert [(one.file, one.score) for one in every if one.kind == "model_error"] == [("2.jpg", pytest.approx(0.6))]


def test_how_many_are_expected_to_be_true_is_said_of_several_labels_and_of_nothing_else():
    found = [Finding(kind, "a", "", score, "", "") for kind, score in (("label", 0.9), ("label", 0.6), ("dark", 1.0))]
    assert expected(found) == {"label": 1.5}
    assert KINDS["label"].expects(12, 8.2) == "about 8 of these 12 labels are expected to be wrong"
    assert KINDS["label"].expects(1, 0.9) == KINDS["label"].expects(12, None) == KINDS["dark"].expects(12, 8.2) == ""


def test_every_photo_that_the_model_gets_wrong_is_listed_where_asked_for(photos, capsys):
    train = photos("train", warm=14, cold=14)
    (train / "warm/warm.0.png").rename(train / "cold/odd.png")
    common = ["audit", str(train), "-b", "colour_histogram", "-q", "--json"]
    listed = {}
    for extra in ([], ["--all"]):
        assert main([*common, *extra]) == 0
        found = json.loads(capsys.readouterr().out)["findings"]
        listed[len(extra)] = {(one["kind"], one["file"]) for one in found if one["kind"] in ("label", "model_error")}
    assert {file for _, file in listed[1]} == {"cold/odd.png"}
    assert listed[0] == {one for one in listed[1] if one[0] == "label"}


def test_the_command_names_a_class_as_a_class(photos, capsys):
    """In the lines and in the JSON a finding about a class is not to be taken for a photo."""
    train = photos("train", warm=6, cold=6)
    assert main(["audit", str(train), "-b", "colour_histogram"]) == 0
    assert "class cold: 6 photos, fewer than 20; add photos" in capsys.readouterr().out
    assert main(["audit", str(train), "-b", "colour_histogram", "-q", "--json"]) == 0
    found = [one for one in json.loads(capsys.readouterr().out)["findings"] if one["kind"] == "small_class"]
    assert [one["about"] for one in found] == ["class", "class"]


def decided(path: Path, *rows: tuple[str, str, str]) -> str:
    """Write findings.csv with a column of decisions: kind, file, decision."""
    with path.open("w", newline="") as file:
        lines = [(kind, one, "", "0.9", "why", "look", decision) for kind, one, decision in rows]
        csv.writer(file).writerows([("kind", "file", "related", "score", "reason", "suggestion", "decision"), *lines])
    return str(path)


def test_decisions_move_and_drop_photos_and_overwrite_nothing(photos, tmp_path, capsys):
    train, test = photos("train", warm=4, cold=4), photos("test", warm=2, cold=2)
    (train / "cold" / "warm.1.png").write_bytes(b"another")
    (tmp_path / "train-dropped" / "warm").mkdir(parents=True)
    (tmp_path / "train-dropped" / "warm" / "warm.2.png").write_bytes(b"dropped before")
    every = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    rows = (
        ("label", "warm/warm.1.png", "move:cold"), ("outlier", "warm/warm.1.png", "Move: cold"),
        ("blank", "warm/warm.2.png", "drop"), ("label", "warm/warm.3.png", "keep"),
        ("label", "cold/cold.1.png", ""), ("small_class", "cold", ""),
        ("label", "cold/cold.2.png", "move:cold"), ("leak", "warm/warm.0.png", "drop"),
    )  # fmt: skip
    words = ["audit", str(train), "--test", str(test), "--apply", decided(tmp_path / "f.csv", *rows)]
    assert main(words) == 0
    assert capsys.readouterr().out.splitlines() == [
        "1 photo moved, 2 dropped",
        f"dropped photos are in {tmp_path / 'train-dropped'}",
        f"dropped photos are in {tmp_path / 'test-dropped'}",
    ]
    moved = {
        train / "warm" / "warm.1.png": train / "cold" / "warm.1-2.png",
        train / "warm" / "warm.2.png": tmp_path / "train-dropped" / "warm" / "warm.2-2.png",
        test / "warm" / "warm.0.png": tmp_path / "test-dropped" / "warm" / "warm.0.png",
    }
    now = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "f.csv"}
    assert now == {moved.get(path, path): content for path, content in every.items()}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (("label", "warm/warm.1.png", "move:wram"), r"unknown class 'wram'; did you mean warm"),
        (("label", "warm/warm.1.png", "move:.."), "unknown class"),
        (("label", "warm/warm.1.png", "delete"), "line 3 has the decision 'delete'; nothing was moved. Write keep, drop"),
        (("label", "warm/warm.0.png", "keep"), "lines 2 and 3 have different decisions for warm/warm.0.png"),
        (("label", "warm/gone.png", "drop"), "was not found"),
        (("label", "../train/warm/warm.1.png", "drop"), "is outside"),
        (("label", "../secret.png", "drop"), "is outside"),
        (("label", "warm/link.png", "drop"), "is outside"),
        (("label", "cold/../warm/warm.0.png", "keep"), "lines 2 and 3 have different decisions for warm/warm.0.png"),
        (("label", "warm/./warm.0.png", "move:cold"), "lines 2 and 3 have different decisions for warm/warm.0.png"),
        (("small_class", "warm", "drop"), "line 3 is about no photo"),
        (("leak", "warm/warm.1.png", "drop"), r"is a test photo; nothing was moved. Give the folder with --test DIR"),
    ],
)
def test_one_decision_that_cannot_be_moves_nothing(photos, tmp_path, row, why):
    train = photos("train", warm=3, cold=3)
    (tmp_path / "secret.png").write_bytes(b"x")
    (train / "warm" / "link.png").symlink_to(tmp_path / "secret.png")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises((InputError, UnknownName), match=why):
        apply_repairs(str(train), decided(tmp_path / "f.csv", ("label", "warm/warm.0.png", "drop"), row))
    (tmp_path / "f.csv").unlink()
    assert sorted(tmp_path.rglob("*")) == before


def test_of_a_table_a_corrected_copy_is_written_with_all_its_columns(photos, tmp_path):
    train = photos("train", warm=3, cold=3)
    table = train / "labels.csv"
    lines = ["id;label;patient", *(f"{k}/{k}.{i};{k};p,{i}" for k in ("warm", "cold") for i in range(3))]
    table.write_text("\n".join(lines) + "\n")
    found = decided(tmp_path / "f.csv", ("label", "warm/warm.1.png", "move:cold"), ("blank", "cold/cold.0.png", "drop"))
    done = apply_repairs(str(table), found)
    assert done == Repairs(1, 1, table=str(train / "labels-corrected.csv"))
    wanted = [line.split(";") for line in lines if "cold.0" not in line]
    wanted[2][1] = "cold"
    with Path(done.table).open(newline="") as file:
        assert list(csv.reader(file)) == wanted
    again = images.scan_labelled(done.table)
    assert {one.id: one.label for one in again.images}["warm/warm.1.png"] == "cold"
    assert apply_repairs(str(table), found).table == str(train / "labels-corrected-2.csv")
    assert table.read_text() == "\n".join(lines) + "\n"
    assert len(list(train.rglob("*.png"))) == 6


def test_a_leak_is_never_taken_for_the_training_photo_of_the_same_name_in_a_table(photos, tmp_path):
    table = photos("train", warm=3, cold=3) / "labels.csv"
    table.write_text("file,label\n" + "".join(f"./{k}/{k}.{i}.png,{k}\n" for k in ("warm", "cold") for i in range(3)))
    leak = ("leak", "./warm/warm.1.png")
    with pytest.raises(InputError, match=r"warm\.1\.png is a test photo.* Drop it from the test table"):
        apply_repairs(str(table), decided(tmp_path / "f.csv", (*leak, "drop")))
    with pytest.raises(InputError, match=r"tells nothing of the test photos.*Leave --test out"):
        apply_repairs(str(table), decided(tmp_path / "f.csv", (*leak, "keep")), str(tmp_path / "test"))
    rows = (*leak, "keep"), ("leak", "warm/of the test photos.png", "keep"), ("label", "warm/warm.1.png", "drop")
    done = apply_repairs(str(table), decided(tmp_path / "f.csv", *rows))
    assert (done.dropped, done.kept) == (1, 2)
    assert Path(done.table).read_text().split() == [row for row in table.read_text().split() if "warm.1" not in row]


def test_a_link_and_the_photo_that_it_leads_to_are_two_photos(photos, tmp_path):
    train = photos("train", warm=3, cold=3)
    (train / "warm" / "link.png").symlink_to("warm.0.png")
    rows = ("copy", "warm/warm.0.png", "drop"), ("copy", "warm/link.png", "drop")
    assert apply_repairs(str(train), decided(tmp_path / "f.csv", *rows)).dropped == 2
    assert sorted(path.name for path in (tmp_path / "train-dropped/warm").iterdir()) == ["link.png", "warm.0.png"]
    assert sorted(path.name for path in (train / "warm").iterdir()) == ["warm.1.png", "warm.2.png"]


def flat_folder(photos, tmp_path: Path) -> Path:
    (tmp_path / "flat").mkdir()
    for path in photos("train", warm=3, cold=3).rglob("*.png"):
        path.rename(tmp_path / "flat" / path.name)
    return tmp_path / "flat"


@pytest.mark.parametrize(
    ("name", "why"),
    [("warm.png", "was not found"), ("warm.x.png", "was not found"), ("notes.txt", "not named like cat.12.jpg")],
)
def test_what_is_not_named_after_its_class_is_told_in_a_flat_folder(photos, tmp_path, name, why):
    folder = flat_folder(photos, tmp_path)
    (folder / "notes.txt").write_text("no photo")
    with pytest.raises(InputError, match=why):
        apply_repairs(str(folder), decided(tmp_path / "f.csv", ("label", name, "move:cold")))


def test_photos_whose_class_is_in_their_name_are_renamed(photos, tmp_path):
    flat_folder(photos, tmp_path)
    apply_repairs(str(tmp_path / "flat"), decided(tmp_path / "f.csv", ("label", "warm.1.png", "move:cold")))
    names = sorted(path.name for path in (tmp_path / "flat").iterdir())
    assert names == ["cold.0.png", "cold.1.png", "cold.2.png", "cold.3.png", "warm.0.png", "warm.2.png"]
