"""A run in 8 bits: one graph for training and test photos, in the model too, and what it did to the log loss."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from sklearn.exceptions import NotFittedError

from finished import lay_out
from onnxnets import RECIPE, classifier
from penult import Embedder, TransferClassifier, bundle, engines
from penult.cli import main
from penult.embed import EmbedOptions, embed
from penult.errors import InputError
from penult.predict import Predictor
from penult.quantize.nncf import QuantizeRequest
from penult.training import Run, TrainOptions, train_images
from penult.zoo import find_backbone
from quantized import instead_of_nncf

Photos = Callable[..., Path]


def small_network(folder: Path) -> str:
    """Return the path of a small network, written to a folder."""
    onnx.save(classifier(), str(folder / "net.onnx"))
    (folder / "net.recipe.json").write_text(json.dumps(RECIPE.to_dict()))
    return str(folder / "net.onnx")


@pytest.fixture
def network(tmp_path: Path) -> str:
    return small_network(tmp_path)


def a_run(folder: Path, network: str, precision: str = "int8") -> Run:
    settings = EmbedOptions(precision=precision, cache=str(folder / "cache"))
    options = TrainOptions(out=str(folder / f"run-{precision}"), backbones=(network,), settings=settings)
    return train_images(str(folder / "train"), str(folder / "test"), options)


@pytest.fixture(scope="module")
def quantized_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Run, list[QuantizeRequest]]]:
    """Return a folder with a finished run in 8 bits, the run, and what it asked NNCF for."""
    folder = tmp_path_factory.mktemp("int8")
    lay_out(folder / "train", warm=14, cold=14)
    lay_out(folder / "test", first=50, any=5)
    with pytest.MonkeyPatch.context() as patch:
        requests = instead_of_nncf(patch)
        yield folder, a_run(folder, small_network(folder)), requests


def test_a_run_in_8_bits_is_quantised_once_with_training_photos(
    quantized_run: tuple[Path, Run, list[QuantizeRequest]],
) -> None:
    folder, run, requests = quantized_run
    assert [len(request.pixels) for request in requests] == [28]
    assert run.metrics["engine"]["precision"] == "int8"
    assert run.metrics["backbones"][0]["quantized"] is True
    check = run.metrics["precision"]
    assert (check["precision"], check["images"]) == ("int8", 28)
    assert check["difference"]["value"] == pytest.approx(check["log_loss"] - check["log_loss_f32"])
    assert 0.9 < check["cosine"] < 1
    again = a_run(folder, str(folder / "net.onnx"))
    assert len(requests) == 1
    assert again.metrics["images"]["reused"] == 33
    assert again.metrics["precision"] == check


def test_the_model_holds_the_graph_in_8_bits(
    quantized_run: tuple[Path, Run, list[QuantizeRequest]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, run, requests = quantized_run
    model = bundle.load_bundle(run.folder)
    assert model.precision == "int8" and model.backbones[0].quantized
    paths = sorted((folder / "test").rglob("*.png"))
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
    photos("train", warm=4, cold=4)
    photos("test", first=50, any=1)
    resolved: list[engines.Compute] = []
    real = EmbedOptions.compute
    monkeypatch.setattr(EmbedOptions, "compute", lambda *asked: resolved.append(real(*asked)) or resolved[-1])
    run = a_run(tmp_path, network, "f32")
    assert resolved == [("cpu", "f32")]  # once for the whole run
    assert run.metrics["precision"] is None
    with pytest.raises(InputError, match="trained in f32 and has no networks in int8; leave --precision out"):
        Predictor(bundle.load_bundle(run.folder), EmbedOptions(precision="int8"))


def test_train_says_what_the_precision_did(
    photos: Photos, tmp_path: Path, network: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    instead_of_nncf(monkeypatch)
    words = ["train", photos("train", warm=8, cold=8), "-b", network, "--precision", "int8", "--out", tmp_path / "r", "-v"]
    assert main([str(w) for w in words]) == 0
    out = capsys.readouterr().out
    assert "precision check (16 photos): int8 instead of f32 changes the log loss by " in out


def test_features_of_their_own_say_which_network_made_them(
    photos: Photos, tmp_path: Path, network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead_of_nncf(monkeypatch)
    paths = sorted(photos("train", warm=4, cold=4).rglob("*.png"))
    (plain,) = [find_backbone(network)]
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
