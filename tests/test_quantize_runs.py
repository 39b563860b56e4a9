"""A run in 8 bits: one graph for training and test photos, in the model too, and what it did to the log loss."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from sklearn.exceptions import NotFittedError

from onnxnets import RECIPE, classifier
from penult import Embedder, TransferClassifier, bundle, engines
from penult.cli import main
from penult.embed import EmbedOptions, embed
from penult.errors import InputError
from penult.predict import Predictor
from penult.training import Run, TrainOptions, train
from penult.zoo import find
from quantized import instead_of_nncf

Photos = Callable[..., Path]


@pytest.fixture
def network(tmp_path: Path) -> str:
    """Return the path of a small network."""
    path = tmp_path / "net.onnx"
    onnx.save(classifier(), str(path))
    (tmp_path / "net.recipe.json").write_text(json.dumps(RECIPE.to_dict()))
    return str(path)


def a_run(photos: Photos, tmp_path: Path, network: str, precision: str = "int8") -> Run:
    folder, test = photos("train", warm=14, cold=14), photos("test", first=50, any=5)
    options = TrainOptions(
        out=str(tmp_path / f"run-{precision}"), backbones=(network,), settings=EmbedOptions(precision=precision)
    )
    return train(str(folder), str(test), options)


def test_a_run_in_8_bits_is_quantised_once_with_training_photos(
    photos: Photos, tmp_path: Path, network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = instead_of_nncf(monkeypatch)
    run = a_run(photos, tmp_path, network)
    assert [len(request.pixels) for request in requests] == [28]
    assert run.metrics["engine"]["precision"] == "int8"
    assert run.metrics["backbones"][0]["quantized"] is True
    beside = run.metrics["precision"]
    assert (beside["precision"], beside["images"]) == ("int8", 28)
    assert beside["difference"]["value"] == pytest.approx(beside["log_loss"] - beside["log_loss_f32"])
    assert 0.9 < beside["cosine"] < 1
    again = a_run(photos, tmp_path, network)
    assert len(requests) == 1
    assert again.metrics["images"]["reused"] == 33
    assert again.metrics["precision"] == beside


def test_the_model_holds_the_graph_in_8_bits(
    photos: Photos, tmp_path: Path, network: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    requests = instead_of_nncf(monkeypatch)
    run = a_run(photos, tmp_path, network)
    model = bundle.load(run.folder)
    assert model.precision == "int8" and model.backbones[0].quantized
    paths = sorted((tmp_path / "test").rglob("*.png"))
    said = (run.folder / "predictions.csv").read_text().splitlines()[1:]
    answers = Predictor(model).predict(paths)
    assert [a.label for a in answers] == [line.split(",")[1] for line in said]
    assert len(requests) == 1
    with pytest.raises(InputError, match=r"computes in int8 only; leave --precision f32 out"):
        Predictor(model, EmbedOptions(precision="f32")).predict(paths)
    assert main(["predict", str(run.folder), str(paths[0]), "--precision", "int8"]) == 0
    capsys.readouterr()


def test_a_model_of_another_precision_has_no_networks_in_8_bits(
    photos: Photos, tmp_path: Path, network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead_of_nncf(monkeypatch)
    run = a_run(photos, tmp_path, network, "f32")
    assert run.metrics["precision"] is None
    with pytest.raises(InputError, match="trained in f32 and has no networks in int8; leave --precision out"):
        Predictor(bundle.load(run.folder), EmbedOptions(precision="int8"))


def test_train_says_what_the_precision_did(
    photos: Photos, tmp_path: Path, network: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    instead_of_nncf(monkeypatch)
    words = ["train", photos("train", warm=8, cold=8), "-b", network, "--precision", "int8", "--out", tmp_path / "r"]
    assert main([str(w) for w in words]) == 0
    out = capsys.readouterr().out
    assert "int8 beside f32, 16 images on the same folds: log loss " in out


def test_features_of_their_own_say_which_network_made_them(
    photos: Photos, tmp_path: Path, network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead_of_nncf(monkeypatch)
    paths = sorted(photos("train", warm=4, cold=4).rglob("*.png"))
    (plain,) = [find(network)]
    done = embed(paths, [plain], EmbedOptions("cpu", "int8", None))
    (used,) = done.backbones
    assert used.quantized and done.compute.precision == "int8"
    assert used.digest != plain.digest
    assert not np.array_equal(done.features(), embed(paths, [plain], EmbedOptions("cpu", "f32", None)).features())


def test_an_embedder_keeps_the_networks_of_fit(photos: Photos, network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images that come later must not be seen by a network that was quantised with them."""
    requests = instead_of_nncf(monkeypatch)
    paths = sorted(photos("train", warm=6, cold=6).rglob("*.png"))
    later = sorted(photos("later", 900, any=5).rglob("*.png"))
    embedder = Embedder(network, precision="int8")
    with pytest.raises(NotFittedError):
        embedder.transform(paths)
    rows = embedder.fit(paths).transform(later)
    assert rows.shape == (5, 6)
    assert len(requests) == 1
    model = TransferClassifier(network, precision="int8").fit(paths, [p.parent.name for p in paths])
    assert model.precision_ == "int8" and model.backbones_[0].quantized
    assert model.predict(later).shape == (5,)
    assert len(requests) == 1


def test_compare_measures_networks_in_8_bits(
    photos: Photos, tmp_path: Path, network: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    requests = instead_of_nncf(monkeypatch)
    words = ["compare", photos("train", warm=9, cold=9), "-b", network, "-b", "colour_histogram", "--precision", "int8"]
    assert main([str(w) for w in [*words, "--out", tmp_path / "c", "--json"]]) == 0
    assert {"net", "colour_histogram"} <= set(capsys.readouterr().out.replace('"', " ").split())
    assert len(requests) == 1
    assert engines.resolve("auto", "auto") != ("cpu", "int8")
