"""Exported graphs answer as `predict` does: the resize to the bit, every head and scaling to a millionth, in both runtimes."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from explainable import features, fitted, linear, some
from explainable import model as explained
from goldenfiles import unpack_golden
from penult import engines, pixels
from penult.backbones import find_builtin
from penult.backbones.backbone import StoredGraph
from penult.backbones.graph_builder import GraphBuilder
from penult.bundle import Bundle, decision_of, load_bundle, save_bundle
from penult.cli import main
from penult.errors import InputError, MissingExtra, PenultError
from penult.export import export_model, litert, model_card, model_graph, parity, web_runtime
from penult.export.formats import WEIGHTS
from penult.export.geometry import Geometry
from penult.export.head_graph import add_head, add_novelty
from penult.export.nodes import DOUBLE, FLOAT, IR, OPSET, UINT8, Nodes
from penult.heads import HeadState, scorer
from penult.heads.novelty import NoveltyReference
from penult.heads.unlike import fit_novelty
from penult.pixels.recipe import Recipe
from tinynet import tiny

HEADS = ["logistic", "lda", "blend3", "svm", "knn", "centroid", "dense"]
RECIPES = [
    Recipe(32),
    Recipe(61, "crop", 0.9, "bilinear"),
    Recipe(40, "squash", 1.0),
    Recipe(37, "squash", 0.8, "bilinear"),
    Recipe(33, "crop", 1.0, "nearest"),
    Recipe(48, "crop", 0.75, "bicubic", crop_rounding="down"),
    Recipe(36, "squash", 1.0, "nearest"),
]
SHAPES = [
    (1, 1),
    (2, 3),
    (1, 90),
    (90, 1),
    (32, 32),
    (36, 36),
    (61, 200),
    (200, 61),
    (400, 30),
    (37, 35),
    (7000, 4),
    (3, 5000),
]


def whole(nodes: Nodes, takes: tuple[str, int, list[Any]], gives: tuple[str, int, list[Any]]) -> Any:
    """Return the graph of these nodes as a model."""
    ends = [[onnx.helper.make_tensor_value_info(*value)] for value in (takes, gives)]
    graph = onnx.helper.make_graph(nodes.nodes, "part", *ends, nodes.constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=IR)
    onnx.checker.check_model(model)
    return model


def running(nodes: Nodes, takes: tuple[str, int, list[Any]], gives: tuple[str, int, list[Any]]) -> Callable[[Any], Any]:
    """Return the graph of these nodes as ONNX Runtime runs it."""
    return in_onnxruntime(whole(nodes, takes, gives), takes[0])


def in_onnxruntime(model: Any, name: str) -> Callable[[Any], Any]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda values: session.run(None, {name: values})[0]


def resizer(recipe: Recipe) -> Callable[[np.ndarray], np.ndarray]:
    """Return the graph of a recipe's geometry alone, as ONNX Runtime runs it."""
    return in_onnxruntime(resize_graph(recipe), "image")


def resize_graph(recipe: Recipe) -> Any:
    nodes = Nodes("resize")
    nodes.add("Identity", Geometry(nodes).resize("image", recipe), out="fitted")
    return whole(nodes, ("image", UINT8, ["h", "w", 3]), ("fitted", UINT8, [recipe.size, recipe.size, 3]))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: f"{r.size} {r.crop_mode} {r.interpolation}")
def test_the_resize_of_the_graph_is_that_of_pixels_to_the_bit(recipe: Recipe) -> None:
    random = np.random.default_rng(recipe.size)
    resize = resizer(recipe)
    shapes = SHAPES + [tuple(random.integers(1, 300, 2)) for _ in range(12)]
    for height, width in shapes:
        image = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        np.testing.assert_array_equal(resize(image), pixels.prepare(image, recipe), f"{height} x {width}")


@pytest.mark.parametrize("recipe", [Recipe(288), Recipe(50, "squash", 0.9), RECIPES[1]], ids=str)
def test_a_runtime_without_float64_resizes_to_the_bit_too(recipe: Recipe) -> None:
    random = np.random.default_rng(recipe.size)
    resize = engines.open_graph("openvino", resize_graph(recipe).SerializeToString(), ("fitted",))[0]
    for height, width in [(1, 1), (36, 36), (2000, 40), *(tuple(random.integers(1, 900, 2)) for _ in range(6))]:
        image = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        np.testing.assert_array_equal(resize({"image": image})[0], pixels.prepare(image, recipe), f"{height} x {width}")


def test_a_sliver_of_which_only_the_centre_is_resized_is_equal_too() -> None:
    recipe = Recipe(32, crop=1.0)
    image = np.random.default_rng(1).integers(0, 256, (60_000, 1, 3), dtype=np.uint8)
    assert 32 * 32 * 60_000 > 50_000_000
    np.testing.assert_array_equal(resizer(recipe)(image), pixels.prepare(image, recipe))


def state(kind: str, k: int, scaling: str = "unit") -> tuple[HeadState, np.ndarray]:
    """Return a fitted head of two blocks of columns, and rows (n, d) that it has not seen."""
    X = (
        np.random.default_rng(k).normal(0.3, 1, (90, 24)).astype(np.float32)
        + 2 * np.eye(24, dtype=np.float32)[np.arange(90) % k]
    )
    return fitted(kind, X[:60], k, scaling=scaling, blocks=(16, 8)), X[60:]


@pytest.mark.parametrize("k", [2, 10])
@pytest.mark.parametrize("kind", HEADS)
def test_every_head_gives_in_the_graph_what_it_gives_in_numpy(kind: str, k: int) -> None:
    for scaling in ("unit", "standard", "block", "none") if kind == "logistic" else ("unit",):
        head, X = state(kind, k, scaling)
        nodes = Nodes("head")
        nodes.add("Identity", add_head(nodes, "features", head)[1], out="probabilities")
        given = running(nodes, ("features", FLOAT, ["n", 24]), ("probabilities", DOUBLE, ["n", k]))(X)
        np.testing.assert_allclose(given, scorer(head.kind, head.arrays, head.facts)(X), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("k", [2, 3])
def test_a_linear_head_and_a_kernel_add_up_in_the_graph(k: int) -> None:
    X = np.random.default_rng(k).normal(0.3, 1, (90, 24)).astype(np.float32)
    head = fitted("svm", X[:60], k, blocks=(16, 8), kernel="rbf")
    one, other = head.arrays["weights"], np.random.default_rng(0).normal(0, 3, (k, 24))
    both = {
        "weights": np.vstack([-one / 2, one / 2]) if len(one) == 1 else one,
        "intercepts": np.arange(k) - 0.5,
        "direct": other,
    }
    head = HeadState("mixed", {**head.arrays, **both}, head.facts)
    nodes = Nodes("head")
    nodes.add("Identity", add_head(nodes, "features", head)[1], out="probabilities")
    given = running(nodes, ("features", FLOAT, ["n", 24]), ("probabilities", DOUBLE, ["n", k]))(X[60:])
    np.testing.assert_allclose(given, scorer(head.kind, head.arrays, head.facts)(X[60:]), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("width", "k"), [(24, 2), (24, 3), (1500, 4)])
def test_novelty_in_the_graph_is_that_of_numpy(width: int, k: int) -> None:
    random = np.random.default_rng(k)
    X, y = random.normal(0.3, 1, (90, width)).astype(np.float32), np.arange(90) % k
    X[np.arange(90), y] += 3
    found, _, _ = fit_novelty(X[:60], y[:60], np.arange(60) % 5, (width - 8, 8))
    if k > 2:  # whether the classes' own distance is kept depends on the photos
        axes, means = random.normal(0, 1, (width, 2)), random.normal(0, 0.5, (k, 2))
        arrays = {**found.arrays, "axes": axes.astype(np.float32), "means": means.astype(np.float32)}
        found = NoveltyReference(arrays, {**found.facts, "class_level": 0.9})
    nodes = Nodes("novelty")
    nodes.add("Identity", add_novelty(nodes, "features", found), out="novelty")
    given = running(nodes, ("features", FLOAT, ["n", width]), ("novelty", DOUBLE, ["n"]))(X[60:])
    np.testing.assert_allclose(given, found(X[60:]), rtol=1e-9)


def test_the_novelty_of_earlier_models_is_exported_too(tmp_path: Path) -> None:
    unpack_golden(tmp_path)
    old = load_bundle(tmp_path / "run/model.penult").novelty
    assert old is not None
    width = sum(old.facts["blocks"])
    X = np.random.default_rng(0).random((6, width)).astype(np.float32)
    nodes = Nodes("novelty")
    nodes.add("Identity", add_novelty(nodes, "features", old), out="novelty")
    given = running(nodes, ("features", FLOAT, ["n", width]), ("novelty", DOUBLE, ["n"]))(X)
    np.testing.assert_allclose(given, old(X), rtol=1e-9)


def compared(graph: bytes, made: Bundle, photos: Any, takes: Any, weights: Any = "f32") -> list[parity.Parity]:
    return parity.ParityCheck(made, photos, takes).check(graph, weights)


def model(weights: float = 1.0) -> Bundle:
    """Return a model of the tiny network, whose classes are told by colours."""
    backbone = tiny()
    head = linear(weights * np.array([[1.0, -1, 0, 0, 0.2], [0, 1, -1, 0, 0], [0.3, 0, 1, -1, 0]]), classes=3)
    pictures = np.stack(some(3, 64, 64))
    bundle = Bundle(("red", "green", "other"), (backbone,), (5,), head, np.full(3, 1 / 3), "openvino", "f32")
    proba = explained(bundle.backbones, head).predict(list(pictures)).proba
    return replace(bundle, selftest={"images": pictures, "proba": proba})


@pytest.mark.parametrize("takes", ["image", "pixels"])
def test_several_views_and_their_mirror_images_are_averaged_in_the_graph(takes: Any) -> None:
    made = model()
    recipe = replace(made.backbones[0].recipe, crop_mode="crop+squash+mirror", crop=0.8)
    made = replace(made, backbones=(replace(made.backbones[0], recipe=recipe),))
    data = model_graph.to_bytes(model_graph.build(made, takes))
    one, other = compared(data, made, some(6), takes)
    assert one.difference < 1e-6
    assert other.difference < 1e-4
    alone = explained(model().backbones, made.head).predict(some(6)).proba
    assert np.abs(explained(made.backbones, made.head).predict(some(6)).proba - alone).max() > 1e-3, "the views matter"


def test_novelty_is_proved_too_and_not_a_number_where_the_model_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    made = model()
    data = model_graph.to_bytes(model_graph.build(made, "image"))
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    assert np.isnan(session.run(["novelty"], {"image": some(1)[0]})[0])
    assert [one.novelty for one in compared(data, made, some(2), "image")] == [None, None]
    rows = explained(made.backbones, made.head)
    X = features(some(12), made.backbones[0])
    found, _, _ = fit_novelty(X, np.arange(12) % 2, np.arange(12) % 3, (5,))
    made = replace(made, novelty=found)
    data = model_graph.to_bytes(model_graph.build(made, "image"))
    assert all(one.novelty is not None and one.novelty < 1e-3 for one in compared(data, made, some(4), "image"))
    off = replace(made, novelty=NoveltyReference(found.arrays, {**found.facts, "level": 2 * found.facts["level"]}))
    with pytest.raises(PenultError, match="the novelty differs by"):
        compared(model_graph.to_bytes(model_graph.build(off, "image")), made, some(4), "image")
    assert rows.bundle.novelty is None


def test_the_order_of_the_passes_is_that_of_the_pillow_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(2).integers(0, 256, (400, 90, 3), dtype=np.uint8)
    now = resizer(RECIPES[0])(image)
    monkeypatch.setattr("penult.export.geometry.may_begin_with_y", lambda: False)
    before = resizer(RECIPES[0])(image)
    assert 0 < np.abs(now.astype(int) - before).max() < 40, "rounded between the passes, in another order"


@pytest.mark.parametrize("to", ["onnx", "html", "network", "openvino", "card"])
def test_each_format_is_written_when_it_answers_as_predict_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    save_bundle(tmp_path / "model.penult", model())
    monkeypatch.setattr(web_runtime, "runtime", lambda *_: (b"glue", b"wasm"))
    out = tmp_path / {"onnx": "colours.onnx", "network": "colours.onnx", "html": "colours.html"}.get(to, "colours")
    done = export_model(tmp_path / "model.penult", to, out)
    assert {one.runtime: one.photos for one in done.parity} == {"onnxruntime": 3, "openvino": 3}
    assert done.parity[0].difference < 1e-6
    assert done.parity[1].difference < 1e-4
    assert all(path.is_file() for path in done.paths)
    if to == "card":
        card = (out / "README.md").read_text()
        assert "pipeline_tag: image-classification" in card
        assert "| onnxruntime |" in card
        assert json.loads((out / "classes.json").read_text())["classes"] == ["red", "green", "other"]
    if to == "html":
        assert out.read_text().startswith("<!doctype html>")
    if to == "openvino":
        assert {path.name for path in done.paths} == {"model.bin", "model.xml", "classes.json"}


@pytest.mark.parametrize(
    "decision",
    [
        None,
        {"kind": "cost", "costs": [["green", "red", 30.0]]},
        {"kind": "target", "measure": "recall", "class": "other", "value": 0.9, "threshold": 0.1},
        {"kind": "target", "measure": "precision", "class": "red", "value": 0.9, "threshold": 0.8},
    ],
)
def test_the_code_of_the_card_gives_what_the_model_decides(
    decision: dict[str, Any] | None, capsys: pytest.CaptureFixture[str]
) -> None:
    decided = replace(model(), facts={"decision": decision} if decision else {})
    code = model_card.text(decided, "1", {}, ()).split("```python\n")[1].split("```")[0]
    after = "\n".join(code.split("session.run(")[1].splitlines()[1:])
    for row in np.array([[0.6, 0.3, 0.1], [0.2, 0.75, 0.05], [0.9, 0.08, 0.02]]):
        around = {"classes": list(decided.classes), "probabilities": row, "novelty": 0.5, "np": np, "json": json}
        exec(after, around | {"open": lambda _: io.StringIO(json.dumps({"decision": decision}))})
        c = int(decision_of(decided)[0].labels(row[None])[0])
        assert capsys.readouterr().out == f"{decided.classes[c]} {row[c]} 0.5\n"


def test_the_file_says_what_it_is_and_runs_alone(tmp_path: Path) -> None:
    save_bundle(tmp_path / "model.penult", model())
    export_model(tmp_path / "model.penult", "onnx", tmp_path / "a.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx", providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["classes"]) == ["red", "green", "other"]
    assert json.loads(about["parity"])[0]["runtime"] == "onnxruntime"
    assert {node.domain for node in onnx.load(tmp_path / "a.onnx").graph.node} == {""}
    photo = some(4)[3]
    wanted = explained(model().backbones, model().head).predict([photo])
    proba, logits, features = session.run(["probabilities", "logits", "features"], {"image": photo})
    np.testing.assert_allclose(proba, wanted.proba[0], atol=1e-6)
    np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(), proba, atol=1e-6)
    assert features.shape == (5,)


def test_weights_in_two_bytes_take_half_the_room_and_change_little() -> None:
    random = np.random.default_rng(1)
    nodes = GraphBuilder("wide")
    x = nodes.conv(
        nodes.preprocess("pixels", RECIPES[0]),
        random.normal(0, 0.1, (400, 3, 5, 5)).astype(np.float32),
        np.zeros(400, np.float32),
    )
    nodes.add("ReduceMean", nodes.relu6(x), axes=[2, 3], keepdims=0, out="features")
    wide = StoredGraph(nodes.model(32, [("features", (400,))]), RECIPES[0])
    backbone = replace(tiny(), blocks=(400,), pooling="none", recipe=RECIPES[0], network=wide)
    head = linear(random.normal(0, 0.2, (3, 400)), classes=3)
    made = replace(model(), backbones=(backbone,), widths=(400,), head=head)
    data = {kept: model_graph.to_bytes(model_graph.build(made, "image", kept)) for kept in WEIGHTS}
    off = {kept: max(one.difference for one in compared(data[kept], made, some(3), "image", kept)) for kept in WEIGHTS}
    assert max(len(data["f16"]), len(data["int16"])) < len(data["f32"]) - 50_000
    assert off["f32"] < off["int16"] / 5 < off["f16"] / 10 < 0.001


def test_litert_is_refused_where_its_converter_does_not_run(tmp_path: Path) -> None:
    save_bundle(tmp_path / "model.penult", model())
    said = r"needs Python 3\.12 or later" if sys.version_info < (3, 12) else r"pip install 'penult\[litert\]'"
    if find_spec("onnx2tf"):
        pytest.skip("the converter is installed")
    with pytest.raises((InputError, MissingExtra), match=said):
        export_model(tmp_path / "model.penult", "litert", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("off", [0.0, 0.01])
def test_a_litert_file_is_written_with_its_parity_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, off: float
) -> None:
    def convert(graph: bytes, inputs: Any) -> litert.LiteRTFile:
        run, _ = engines.open_graph("onnxruntime", litert.batch_of_one(graph), ("probabilities", "novelty"))
        return litert.LiteRTFile(b"a file", "2.1", [(run(one)[0][0] + off, run(one)[1]) for one in inputs])

    save_bundle(tmp_path / "model.penult", model())
    monkeypatch.setattr(litert, "check_converter", lambda: None)
    monkeypatch.setattr(litert, "convert", convert)
    if off:
        with pytest.raises(PenultError, match=r"in litert 2.1: a probability differs by 0.01"):
            export_model(tmp_path / "model.penult", "litert", tmp_path / "out")
        assert not (tmp_path / "out").exists()
        return
    done = export_model(tmp_path / "model.penult", "litert", tmp_path / "out")
    assert [one.runtime for one in done.parity] == ["onnxruntime", "openvino", "litert"]
    assert (tmp_path / "out/model.tflite").read_bytes() == b"a file"
    assert json.loads((tmp_path / "out/model.json").read_text())["classes"] == ["red", "green", "other"]


def test_a_graph_that_answers_otherwise_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_bundle(tmp_path / "model.penult", model())
    real = model_graph.build
    monkeypatch.setattr(model_graph, "build", lambda made, *rest: real(replace(made, head=model(weights=1.01).head), *rest))
    with pytest.raises(PenultError, match=r"answers otherwise than `penult predict` in onnxruntime .* nothing was written"):
        export_model(tmp_path / "model.penult", "onnx", tmp_path / "a.onnx")
    assert not (tmp_path / "a.onnx").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"backbones": (), "widths": (5,)}, "trained from feature files and has no network in it"),
        ({"backbones": (replace(tiny(), quantized=True),)}, "tiny computes in 8 bits"),
        ({"backbones": (find_builtin("colour_histogram"),)}, "is no network and cannot be exported"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_a_sentence(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        model_graph.build(replace(model(), **changes), "image")


def test_the_command_says_how_near_it_came(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_bundle(tmp_path / "model.penult", model())
    words = ["export", str(tmp_path / "model.penult"), "--to", "onnx"]
    assert main([*words, "--out", str(tmp_path / "a.onnx")]) == 0
    said = capsys.readouterr().out
    assert "of `penult predict --precision f32` on 3 photos" in said
    assert "written:" in said
    assert main([*words, "--out", str(tmp_path / "a.txt"), "--quiet"]) == 1
    assert "would be written as an ONNX file, whatever its ending" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "model.penult"), "--to", "onx", "--out", str(tmp_path / "b")]) == 1
    assert "did you mean onnx?" in capsys.readouterr().err
