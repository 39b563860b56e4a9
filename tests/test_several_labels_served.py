"""A model with several labels a photo, explained, exported, served and measured on new photos: the same answers everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import severallabels as drawn
from penult import evaluate, pixels
from penult.bundle import Bundle, save_bundle
from penult.cli import main
from penult.embed import EmbedOptions
from penult.errors import InputError, UnknownName
from penult.explain import explain
from penult.export import export_model, page
from penult.heads import scorer
from penult.heads.multilabel import MultiLabelHead
from penult.predict import Predictor, judge, judge_unseen, verdict_on_scores
from penult.predict.answers import Predictions
from serving import running
from tinynet import by_numpy, tiny

LIMITS = [0.3, 0.5, 0.6]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bundle, Path, list[Path]]]:
    """A model on a small network, its file, and four photos."""
    root = tmp_path_factory.mktemp("served")
    has = drawn.write(root / "photos", 40)
    photos = [root / "photos" / f"p{i}.png" for i in range(40)]
    network = tiny()
    seen = np.stack([pixels.prepare(pixels.load_rgb(str(path)), network.recipe) for path in photos])
    head = MultiLabelHead(C=1.0).fit(by_numpy(seen).astype(np.float32), has.astype(np.float32))
    facts = {"task": "labels", "thresholds": LIMITS, "scores": {"mAP": {"value": 0.9, "low": 0.8, "high": 0.95}}}
    drawings = seen[:2]
    plain = Bundle(drawn.LABELS, (network,), (5,), head.to_arrays(), has.mean(axis=0), "openvino", "f32", facts=facts)
    answers = Predictor(plain, EmbedOptions("cpu", "f32", False)).predict(list(drawings))
    model = replace(plain, selftest={"images": drawings, "proba": answers.proba})
    save_bundle(root / "model.penult", model)
    yield model, root / "model.penult", photos[:4]


def expected(model: Bundle, photos: list[Path]) -> Predictions:
    return Predictor(model, EmbedOptions("cpu", "f32", False)).predict([str(path) for path in photos])


def test_each_label_that_a_photo_is_given_has_a_heat_map_that_adds_up_to_its_own_logit(served):
    model, _, photos = served
    answers = expected(model, photos)
    found = explain(Predictor(model, EmbedOptions("cpu", "f32", False)), [str(path) for path in photos])
    wanted = [(i, label) for i, given in enumerate(answers.labels or ()) for label in given]
    told = [(one.index, one.label) for one in found if one.label in answers.labels[one.index]]
    assert told == wanted and {one.index for one in found} == set(range(len(photos)))
    for one in found:
        assert one.method == "cam" and one.intercept is not None
        assert one.heat.sum(dtype=np.float64) == pytest.approx(one.logit - one.intercept, rel=1e-3, abs=1e-4)
        assert one.probability == pytest.approx(1 / (1 + np.exp(-one.logit)), abs=0.02)
    asked = explain(Predictor(model, EmbedOptions("cpu", "f32", False)), str(photos[0]), "warm", "occlusion")
    assert [one.label for one in asked] == ["warm"]
    with pytest.raises(UnknownName, match="label"):
        explain(Predictor(model, EmbedOptions("cpu", "f32", False)), str(photos[0]), "wram")


def test_the_command_explains_every_label_and_says_which_is_not_given(served, tmp_path, capsys):
    _, path, photos = served
    assert main(["explain", str(path), str(photos[0]), "--class", "striped", "-o", str(tmp_path / "maps"), "--no-cache"]) == 0
    assert "striped" in capsys.readouterr().out
    assert len(list((tmp_path / "maps").glob("*.png"))) == 1


def test_exports_answer_with_sigmoids_and_carry_the_thresholds(served, tmp_path):
    model, path, photos = served
    done = export_model(path, "onnx", tmp_path / "m.onnx", photos=photos[0].parent)
    assert max(one.difference for one in done.parity) < 1e-3
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    told = session.get_modelmeta().custom_metadata_map
    assert told["task"] == "labels"
    assert json.loads(told["thresholds"]) == dict(zip(drawn.LABELS, LIMITS, strict=True))
    proba = session.run(["probabilities"], {"image": pixels.load_rgb(str(photos[1]))})[0]
    np.testing.assert_allclose(proba, expected(model, photos).proba[1], atol=1e-5)
    export_model(path, "openvino", tmp_path / "ov", photos=photos[0].parent)
    assert json.loads((tmp_path / "ov" / "thresholds.json").read_text())["warm"] == LIMITS[2]
    export_model(path, "card", tmp_path / "card", photos=photos[0].parent)
    card = (tmp_path / "card" / "README.md").read_text()
    assert "| warm |" in card and "thresholds[name]" in card and "argmax" not in card


def test_the_page_knows_the_thresholds_and_asks_for_labels(served):
    model, _, _ = served
    text = page.page(model, b"graph", (b"glue", b"wasm"), "v", {})
    assert "Which of these: bright, striped and warm?" in text
    assert '"thresholds":[0.3,0.5,0.6]' in text and "or none" in text


def test_a_server_answers_with_labels_and_tells_the_thresholds(served):
    model, path, photos = served
    wanted = next(iter(expected(model, photos[:1])))
    with running({"model": path}) as client:
        about = client.ask("/models").json()["models"][0]
        assert about["thresholds"] == dict(zip(drawn.LABELS, LIMITS, strict=True))
        answer = client.ask("/predict", photos[0].read_bytes(), headers={"Content-Type": "image/png"}).json()["predictions"][0]
    assert answer["labels"] == list(wanted.labels or ()) and answer["label"] == wanted.label


def test_new_photos_are_judged_label_by_label(served):
    model, _, photos = served
    answers = expected(model, photos)
    Y = answers.given.astype(np.float32)
    result = judge(answers, Y)
    assert isinstance(result, evaluate.LabelEvaluation)
    assert result.scores["micro_f1"].value == 1.0
    assert "on these photos" in verdict_on_scores(model, result, learnt=False)
    seen = replace(answers, in_training=np.array([True, False, False, False]))
    kept = judge_unseen(seen, Y)
    assert isinstance(kept, evaluate.LabelEvaluation) and len(kept.Y) == 3


def test_the_command_measures_a_table_and_its_gates(served, tmp_path, capsys):
    _, path, photos = served
    table = drawn.write_columns(photos[0].parent / "all.csv", drawn.properties(40))
    call = ["evaluate", str(path), str(table), "--no-cache"]
    assert main([*call, "--min-recall", "warm=0", "--max-log-loss", "9"]) == 0
    told = capsys.readouterr().out
    assert "mAP" in told and "gate met" in told and "striped" in told
    assert main([*call, "--max-log-loss", "0"]) == 5
    capsys.readouterr()
    assert main([*call, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["labels"] == list(drawn.LABELS)
    assert main([*call, "--min-accuracy", "0.5"]) == 1
    (tmp_path / "sets" / "warm").mkdir(parents=True)
    (tmp_path / "sets" / "warm" / "a.png").write_bytes(photos[0].read_bytes())
    assert main(["evaluate", str(path), str(tmp_path / "sets"), "--no-cache", "-q"]) == 1
    assert "several labels" in capsys.readouterr().err


def test_an_estimator_of_several_labels_is_explained_label_by_label(served):
    """What has no way of its own to answer first is asked about one label at a time."""
    model, _, photos = served
    head = model.head

    class Fitted:
        backbones_, classes_, thresholds_ = model.backbones, np.array(model.classes), model.thresholds
        device, precision_, cache_dir, max_pixels = "cpu", "f32", False, 10**8

        class head_:
            scorer = staticmethod(lambda: scorer(head.kind, head.arrays, head.facts))

    with pytest.raises(InputError, match="one by one"):
        explain(Fitted(), str(photos[0]))
    assert [one.label for one in explain(Fitted(), str(photos[0]), "warm")] == ["warm"]
