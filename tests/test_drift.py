"""Drift is told where new photos are of another kind, and only there; class shares of the place of use move the answers."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path

import numpy as np
import pytest

from penult import bundle, evaluate, heads
from penult.bundle import Bundle
from penult.cli import main
from penult.errors import DamagedFile, InputError, UnknownName
from penult.evaluate.prior_shift import bbse_shares, em_shares, estimate_prior
from penult.fit import learn, to_bundle
from penult.heads.prior import parse_prior, reweigh, shifted_head
from penult.heads.reference import to_logits
from penult.predict import Predictor
from penult.predict.summary import PredictionSummary

WIDTH, CLASSES = 40, ("cat", "dog", "fox")
SHARES = np.array([0.4, 0.4, 0.2])


def rows(counts: tuple[int, ...], seed: int, moved: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return features (n, 40) of classes that lie apart, all moved to one side by another camera, and the classes."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(len(counts)), counts)
    X = rng.normal(size=(len(y), WIDTH)) + moved * np.eye(WIDTH)[30]
    X[np.arange(len(y)), y] += 3.5
    order = rng.permutation(len(y))
    return X[order].astype(np.float32), y[order]


@functools.cache
def model() -> Bundle:
    """Return a model of 300 rows, each third of them there twice."""
    X, y = rows((120, 120, 60), 0)
    of = np.concatenate([np.arange(300), np.arange(0, 300, 3)])
    X, y = X[of], y[of]
    head = heads.make_head("logistic", blocks=(WIDTH,))
    measured = evaluate.cross_validate(head, X, y, CLASSES, groups=of)
    fitted = learn(head, X, y, of, (WIDTH,), measured.fold)
    return to_bundle(fitted, CLASSES, (WIDTH,), reference=fitted.reference(y, measured.proba, of))


def asked(X: np.ndarray) -> Predictor:
    predictor = Predictor(model(), check=False)
    predictor.watch_drift()
    for part in np.array_split(X, 3):
        predictor.score(part)
    return predictor


def test_a_copy_counts_once_and_little_is_kept() -> None:
    kept = model().reference
    assert kept is not None
    assert len(kept.arrays["places"]) == len(kept.arrays["codes"]) == 300  # of 400 rows
    assert sum(array.nbytes for array in kept.arrays.values()) < 5000
    proba = np.array([[0.001, 0.5, 0.999]])
    shown = dataclasses.replace(kept, arrays={"logits": to_logits(proba)}).proba
    np.testing.assert_allclose(np.log(shown / (1 - shown)), np.log(proba / (1 - proba)), atol=0.05)


def test_photos_of_the_same_kind_are_no_drift_and_copies_among_them_change_nothing() -> None:
    """What copies would do where they count each: they are a kind of photos of their own."""
    draws = [rows((24, 24, 12), 100 + seed)[0] for seed in range(12)]
    copied = [np.concatenate([X, *([X[:4]] * 8)]) for X in draws]
    assert sum(asked(X).drift().found for X in copied) <= 2
    kept = model().reference
    assert kept is not None
    every = dataclasses.replace(model(), reference=dataclasses.replace(kept, facts={"alike": 1.01}))
    alarms = 0
    for X in copied[:4]:
        predictor = Predictor(every, check=False)
        predictor.watch_drift()
        predictor.score(X)
        alarms += predictor.drift().found
    assert alarms == 4


def test_another_camera_and_other_class_shares_are_told_apart() -> None:
    moved = asked(rows((40, 40, 20), 1, moved=2.0)[0]).drift()
    assert moved.found and not moved.shares and moved.features is not None and moved.features.statistic > 0.7
    assert "look different" in moved.meaning and "penult evaluate" in moved.meaning
    shares = asked(rows((5, 90, 5), 2)[0]).drift()
    assert shares.found and shares.shares and "dog: about 9" in shares.meaning and "--prior estimate" in shares.meaning
    assert json.loads(json.dumps(shares.to_dict()))["found"] is True


def test_photos_with_the_class_shares_that_were_announced_are_no_drift() -> None:
    """Of a model trained for other shares, and of one that was told of them since; and photos with the old ones are told."""
    new, (X, _) = np.array([0.1, 0.8, 0.1]), rows((10, 80, 10), 2)
    told = Predictor(model(), check=False)
    told.use_prior(new)
    kept = model().reference
    assert kept is not None
    there = reweigh(kept.proba, bundle.held_prior(model()), new)
    facts = {"prior": new.tolist(), "training_prior": model().prior.tolist()}
    state = shifted_head(model().head, bundle.held_prior(model()), new)
    moved = dataclasses.replace(kept, arrays={**kept.arrays, "logits": to_logits(there)})
    trained = Predictor(dataclasses.replace(model(), head=state, facts=facts, prior=new, reference=moved), check=False)
    for predictor in (told, trained):
        predictor.watch_drift()
        predictor.score(X)
        found = predictor.drift()
        assert found.tested and not found.found and found.meaning.endswith("in the class shares of --prior.")
        predictor.watch_drift()
        predictor.score(rows((80, 80, 40), 3)[0])
        found = predictor.drift()
        assert found.shares and "than --prior says" in found.meaning and "80% of --prior)" in found.meaning


def test_photos_that_the_model_was_trained_on_are_left_out() -> None:
    old, new = rows((60, 60, 30), 4)[0], rows((60, 60, 30), 5)[0]
    predictor = Predictor(model(), check=False)
    predictor.watch_drift()
    predictor.score(old, np.zeros(150, bool))
    assert not predictor.drift().tested and "the model was trained on these photos" in predictor.drift().meaning
    predictor.from_rows(np.concatenate([old, new]), [str(i) for i in range(300)], {}, np.arange(300) < 150)
    assert predictor.drift().photos == 150


def test_what_cannot_be_tested_is_said(tmp_path: Path) -> None:
    assert "5 different photos where 20 are the least" in asked(rows((2, 2, 1), 3)[0]).drift().meaning
    bundle.save_bundle(tmp_path / "m.penult", model())
    kept = bundle.load_bundle(tmp_path / "m.penult")
    assert kept.reference is not None and model().reference is not None
    for name, array in kept.reference.arrays.items():
        np.testing.assert_array_equal(array, model().reference.arrays[name])
    old = Predictor(dataclasses.replace(kept, reference=None), check=False)
    old.watch_drift()
    assert not old.drift().tested and "train again" in old.drift().meaning
    with pytest.raises(InputError, match="saved without the out-of-fold probabilities"):
        old.estimate_prior()
    wrong = dataclasses.replace(kept.reference, arrays={**kept.reference.arrays, "places": np.array([400], np.uint16)})
    with pytest.raises((ValueError, DamagedFile)):
        bundle.model.check(dataclasses.replace(kept, reference=wrong))


def test_class_shares_are_estimated_with_their_interval() -> None:
    X, y = rows((30, 250, 20), 5)
    found = asked(X).estimate_prior()
    truth = np.bincount(y) / len(y)
    assert found.differs and not found.doubts
    assert ((found.low <= truth) & (truth <= found.high)).all() and (found.high - found.low).max() < 0.2
    np.testing.assert_allclose(found.bbse, truth, atol=0.05)
    assert not asked(rows((120, 120, 60), 6)[0]).estimate_prior().differs
    with pytest.raises(InputError, match="look unlike the training photos of every class"):
        asked(rows((40, 40, 20), 1, moved=8.0)[0]).estimate_prior()
    with pytest.raises(InputError, match="only 21 photos"):
        asked(rows((9, 9, 3), 7)[0]).estimate_prior()


def test_classes_that_are_not_told_apart_have_no_shares() -> None:
    rng = np.random.default_rng(0)
    proba = rng.dirichlet((50, 50), 60)
    with pytest.raises(InputError, match="lies anywhere from"):
        estimate_prior(proba, np.arange(60) % 2, proba, np.array([0.5, 0.5]), ("a", "b"))


def test_em_and_bbse_find_shares_exactly_where_answers_are_exact() -> None:
    """Of a model of two answers per class the likelihoods are known, so both have a closed solution."""
    likelihood = np.array([[0.8, 0.3], [0.2, 0.7]])  # of the answers, by class
    old, new = np.array([0.5, 0.5]), np.array([0.1, 0.9])
    answers = likelihood * old / (likelihood @ old)[:, None]  # (answers, classes)
    drawn = np.repeat([0, 1], np.rint(1000 * likelihood @ new).astype(int))
    np.testing.assert_allclose(em_shares(answers[drawn], old), new, atol=2e-3)
    held = np.concatenate([np.repeat([0, 1], [80, 20]), np.repeat([0, 1], [30, 70])])
    np.testing.assert_allclose(bbse_shares(answers[drawn], np.repeat([0, 1], 100), answers[held]), new, atol=2e-3)


def test_a_prior_is_read_and_refused_in_words() -> None:
    np.testing.assert_allclose(parse_prior("cat=0.1", CLASSES, SHARES), [0.1, 0.6, 0.3])  # the others share the rest
    np.testing.assert_allclose(parse_prior({"cat": "50%", "dog": 0.25, "fox": 0.25}, CLASSES, SHARES), [0.5, 0.25, 0.25])
    for text, said in (
        ("cat=0.9,dog=0.2", "add up to 1.1"), ("cat=0.5,dog=0.5", "add up to 1"), ("cat", "is not a class with its share"),
        ("cat=0", "above 0"), ("cat=x", "above 0"), ("cat=0.1,cat=0.2", "more than once"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=said):
            parse_prior(text, CLASSES, SHARES)
    with pytest.raises(UnknownName, match="did you mean cat"):
        parse_prior("cats=0.1", CLASSES, SHARES)


@pytest.mark.parametrize("name", ["logistic", "svm", "lda"])
def test_a_moved_head_answers_as_reweighed_probabilities(name: str) -> None:
    X, y = rows((60, 60, 30), 0)
    for k in (2, 3):
        some = y < k
        state = heads.make_head(name, blocks=(WIDTH,)).fit(X[some], y[some]).to_arrays()
        old, new = np.array([0.5, 0.3, 0.2][:k]), np.array([0.05, 0.8, 0.15][:k])
        old, new = old / old.sum(), new / new.sum()
        before = heads.scorer(state.kind, state.arrays, {**state.facts, "clip": 0.0})(X)
        moved = shifted_head(state, old, new)
        after = heads.scorer(moved.kind, moved.arrays, {**moved.facts, "clip": 0.0})(X)
        np.testing.assert_allclose(after, reweigh(before, old, new), atol=1e-9)


def test_a_predictor_answers_for_other_shares_and_its_self_test_still_holds() -> None:
    predictor, X = Predictor(model(), check=False), rows((20, 20, 10), 8)[0]
    before = predictor.score(X)
    new = np.array([0.1, 0.1, 0.8])
    predictor.use_prior(new)
    np.testing.assert_allclose(predictor.score(X), reweigh(before, bundle.held_prior(model()), new))
    summary = PredictionSummary(predictor.bundle)
    assert [one.training for one in summary.classes] == pytest.approx(bundle.training_prior(model()).tolist())
    predictor.use_prior(bundle.held_prior(model()))
    np.testing.assert_allclose(predictor.score(X), before)
    balanced = dataclasses.replace(model(), facts={"choice": {"class_weight": "balanced"}})
    np.testing.assert_allclose(bundle.held_prior(balanced), 1 / 3)


def test_a_threshold_finds_the_same_photos_for_other_shares() -> None:
    X, y = rows((60, 60), 9)
    fitted = heads.make_head("logistic", blocks=(WIDTH,)).fit(X, y)
    rule = {"kind": "target", "measure": "recall", "class": "dog", "value": 0.95, "threshold": 0.3}
    two = Bundle(("cat", "dog"), (), (WIDTH,), fitted.to_arrays(), np.array([0.5, 0.5]), facts={"decision": rule})
    predictor = Predictor(two, check=False)
    before = predictor.from_rows(X, [str(i) for i in range(120)], {}).given
    predictor.use_prior(np.array([0.99, 0.01]))
    after = predictor.from_rows(X, [str(i) for i in range(120)], {})
    assert (after.given == before).all() and after.proba[:, 1].mean() < 0.4
    labels = dataclasses.replace(two, facts={"task": "labels", "thresholds": [0.5, 0.5]})
    with pytest.raises(InputError, match="several labels"):
        Predictor(labels, check=False).use_prior(np.array([0.5, 0.5]))


def test_train_for_a_place_of_use(photos, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The scores stay those of the photos as they are; the model, predictions of the test part and the note are for there."""
    folder = photos("train", ring=40, stripes=40)
    run = str(tmp_path / "run")
    common = ["train", str(folder), "--test", str(folder), "-b", "colour_histogram", "--head", "logistic", "-o", run]
    assert main(common) == 0
    plain = bundle.load_bundle(run)
    before = json.loads(Path(run, "metrics.json").read_text())
    assert main([*common, "--prior", "ring=0.05"]) == 0
    found = json.loads(Path(run, "metrics.json").read_text())
    moved = bundle.load_bundle(run)
    assert found["scores"]["scores"] == before["scores"]["scores"]
    assert found["prior"]["classes"] == pytest.approx({"ring": 0.05, "stripes": 0.95})
    assert found["prior"]["scores"]["accuracy"]["value"] >= before["scores"]["scores"]["accuracy"]["value"] - 0.05
    assert any("for the class shares of --prior (ring 5.0%" in note for note in found["notes"])
    np.testing.assert_allclose(moved.prior, [0.05, 0.95])
    np.testing.assert_allclose(bundle.training_prior(moved), [0.5, 0.5])
    shift = np.log(0.95 / 0.05) * moved.head.facts["temperature"]
    assert moved.head.arrays["intercepts"] - plain.head.arrays["intercepts"] == pytest.approx(shift, abs=1e-4)
    assert main(["decide", run, "--target", "recall stripes 0.9"]) == 0
    assert bundle.load_bundle(run).facts["decision"]["threshold"] > 0.5  # of there: 95% of the photos are stripes
    capsys.readouterr()
    assert main(["evaluate", run, str(folder), "--prior", "ring=0.5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scores"]["accuracy"]["value"] is not None
    assert main([*common, "--prior", "ring=2"]) == 1
    assert "above 0 and below 1" in capsys.readouterr().err
