"""An ONNX file of one's own: its features are found, or named, or asked for; what cannot be used is refused with a cure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import tinynet
from onnxnets import (
    CLASSES,
    LAST,
    PIXELS,
    RECIPE,
    SIDE,
    WIDTH,
    Net,
    classifier,
    ending,
    finished,
    keras,
    maps_by_numpy,
    run,
    shapes,
)
from penult import backbones
from penult.errors import DamagedFile, InputError, PenultError, UnknownName
from penult.pixels.recipe import Recipe
from penult.zoo import onnx_graph, onnx_source
from penult.zoo.onnx_source import load
from penult.zoo.preprocessing import has_preprocessing
from penult.zoo.sources import LoadedModel, ModelSpec

Take = Callable[..., LoadedModel]
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
MAPS = maps_by_numpy(PIXELS)
MEANS = MAPS.mean(axis=(2, 3))


@pytest.fixture
def take(tmp_path: Path) -> Take:
    """Return a function that writes a model to `net.onnx` and loads it."""

    def load_it(model: Any, recipe: Recipe | dict[str, Any] | None = RECIPE, **more: Any) -> LoadedModel:
        path = tmp_path / "net.onnx"
        path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
        settings = recipe.to_dict() if isinstance(recipe, Recipe) else recipe
        return load(ModelSpec("onnx", str(path), recipe=None if settings is None else tuple(settings.items()), **more))

    return load_it


def conv_classifier() -> onnx.ModelProto:
    """As fully convolutional networks end: the last layer is a 1 x 1 convolution of one position."""

    def build(net: Net, x: str) -> str:
        x = net.add("AveragePool", x, out="pool", kernel_shape=[8, 8])
        x = net.add("Conv", x, net.weight("last", LAST.T[:, :, None, None]), out="conv2")
        x = net.add("Reshape", x, net.weight("shape", np.array([-1, CLASSES])), out="logits")
        return net.add("Softmax", x, out="probabilities")

    return ending(build, ("n", CLASSES))


def quantized() -> onnx.ModelProto:
    """As quantisers write it: the last layer's weight is unpacked from int8, what comes out is packed and unpacked."""

    def build(net: Net, x: str) -> str:
        one, zero = net.weight("one", np.float32(0.01)), net.weight("zero", np.int8(0))
        last = net.weight("packed", np.clip(LAST * 100, -127, 127).astype(np.int8))
        last = net.add("DequantizeLinear", last, one, zero, out="last")
        x = net.add("MatMul", net.mean(x, [2, 3]), last, out="product")
        x = net.add("QuantizeLinear", x, one, zero, out="packed_logits")
        return net.add("DequantizeLinear", x, one, zero, out="logits")

    return ending(build, ("n", CLASSES))


def two_outputs() -> onnx.ModelProto:
    """The logits, and an output whose name says that it is the features."""
    net = Net(18)
    x = net.mean(net.trunk("x"), [-2, -1], keepdims=1)
    y = net.add("Gemm", net.add("Flatten", x, out="flat"), net.weight("last", LAST), out="logits")
    return net.model({y: ("n", CLASSES), net.add("Identity", x, out="Image_Embeds"): ("n", WIDTH, 1, 1)})


def one_by_one() -> onnx.ModelProto:
    """An old file: batch 1 written into a Reshape, and constants among the inputs, as IR 3 has them."""

    def build(net: Net, x: str) -> str:
        x = net.add("GlobalAveragePool", x, out="pool")
        return net.add("Reshape", x, net.weight("shape", np.array([1, 1, WIDTH])), out="vector")

    model = ending(build, (1, 1, WIDTH), opset=8, shape=(1, 3, SIDE, SIDE), ir_version=3)
    model.graph.input.extend(helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in model.graph.initializer)
    return model


def with_function() -> onnx.ModelProto:
    """As torch's exporter writes it where it is not asked to optimise: layers are functions."""
    net = Net()
    x = net.add("pooled", net.trunk("x"), out="vector", domain="somewhere")
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("somewhere", 1)]
    nodes = [helper.make_node("GlobalAveragePool", ["a"], ["b"]), helper.make_node("Flatten", ["b"], ["c"])]
    function = helper.make_function("somewhere", "pooled", ["a"], ["c"], nodes, opsets[:1])
    model = net.model({x: ("n", WIDTH)}, functions=[function])
    model.opset_import.append(opsets[1])
    return model


def open_size() -> onnx.ModelProto:
    model = classifier(18)
    for axis in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = f"side{axis}"
    return model


def two_branches() -> onnx.ModelProto:
    """The sum of two vectors is no last layer, though an Add stands at the end."""

    def build(net: Net, x: str) -> str:
        x = net.mean(x, [2, 3])
        return net.add("Add", net.add("Relu", x, out="left"), net.add("Neg", x, out="right"), out="sum")

    return ending(build, ("n", WIDTH))


def test_an_output_that_is_no_classifiers_is_taken_as_it_is(take: Take) -> None:
    body = take(two_branches())
    assert (
        body.source.startswith("ONNX file net.onnx; the features are its only output, 'sum' (n, 6)") and body.pooling == "none"
    )
    np.testing.assert_allclose(run(body), 0 * MEANS, **CLOSE)
    net = Net()
    raw = take(net.model({net.add("Flatten", "x", out="flat"): ("n", 3 * SIDE**2)}))
    assert raw.source.startswith("ONNX file net.onnx; the features are its only output, 'flat' (n, 3072)") and raw.params == 0


FOUND: dict[str, tuple[Callable[[], onnx.ModelProto], str]] = {
    "torch": (classifier, "'dropped' (n, 6), which goes into the last layer before 'probabilities'"),
    "torch, logits": (
        lambda: classifier(13, softmax=False),
        "'dropped' (n, 6), which goes into the last layer before 'logits'",
    ),
    "keras": (keras, "'mean' (n, 6), which goes into the last layer before 'predictions'"),
    "keras, axes as input": (lambda: keras(18), "'mean' (n, 6)"),
    "keras, no top": (lambda: keras(last=False), "only output, 'to_nhwc' (n, 8, 8, 6); the recipe's output can name another"),
    "torch, no top": (lambda: ending(lambda _, x: x, ("n", WIDTH, 8, 8)), "only output, 'relu' (n, 6, 8, 8)"),
    "convolutional": (conv_classifier, "'pool' (n, 6, 1, 1), which goes into the last layer"),
    "quantised": (quantized, "'mean' (n, 6), which goes into the last layer"),
    "named output": (two_outputs, "output 'Image_Embeds' (n, 6, 1, 1)"),
    "old": (one_by_one, "only output, 'vector' (n, 1, 6)"),
    "function": (with_function, "only output, 'vector' (n, 6)"),
    "open size": (open_size, "'dropped' (n, 6)"),
}


@pytest.mark.parametrize("name", FOUND)
def test_the_features_of_many_exporters_are_found(name: str, take: Take) -> None:
    """They and their maps are what numpy computes from the same pixels, and the note says which tensor was taken."""
    model, note = FOUND[name][0](), FOUND[name][1]
    body = take(model)
    assert note in body.source
    assert body.pooling == "mean" and not has_preprocessing(body.network) and body.recipe == RECIPE
    np.testing.assert_allclose(run(body), MEANS, **CLOSE)
    np.testing.assert_allclose(run(body, "maps"), MAPS, **CLOSE)


@pytest.mark.parametrize("name", FOUND)
def test_what_comes_out_is_a_sound_graph(name: str, take: Take) -> None:
    """Shapes and all; what the features do not need is gone, the last layer first of all."""
    body = take(FOUND[name][0]())
    model = onnx.load_model_from_string(finished(body))
    onnx.checker.check_model(model, full_check=True)
    assert shapes(model.graph.input) == {"pixels": ["n", SIDE, SIDE, 3]}
    assert shapes(model.graph.output) == {"features": ["n", WIDTH], "maps": ["n", WIDTH, 8, 8]}
    assert not {"last", "shift", "logits"} & onnx_graph.tensor_names(model.graph)
    assert body.params == WIDTH * 3 * 16 + WIDTH


def test_the_record_says_where_it_comes_from(take: Take, tmp_path: Path) -> None:
    """By the file's name and its sha256; no path of this machine."""
    body = take(classifier())
    assert body.weights == hashlib.sha256((tmp_path / "net.onnx").read_bytes()).hexdigest()
    assert (body.source.partition(";")[0], body.license) == ("ONNX file net.onnx", "not stated")


def test_half_precision_comes_out_as_floats(take: Take) -> None:
    """An input, weights and an output of float16; the engine computes in float32."""
    net = Net(dtype=np.float16)
    x = net.add("GlobalAveragePool", net.trunk("x"), out="pool")
    body = take(net.model({x: ("n", WIDTH, 1, 1)}))
    made = run(body)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, MEANS, rtol=2e-3, atol=2e-3)


def test_any_tensor_can_be_named(take: Take) -> None:
    """Also one inside; maps are averaged, and the vector that nobody pooled has no maps."""
    named = take(classifier(), output="relu")
    note = "the features are the tensor 'relu' (n, 6, 8, 8), as the recipe says; they are averaged over its positions"
    assert named.source == f"ONNX file net.onnx; {note}"
    np.testing.assert_allclose(run(named), MEANS, **CLOSE)
    logits = take(classifier(), output="logits")
    assert logits.pooling == "none" and shapes(onnx.load_model_from_string(logits.network).graph.output) == {
        "features": ["n", CLASSES]
    }
    np.testing.assert_allclose(run(logits), MEANS @ LAST + LAST[0], **CLOSE)


def test_a_tensor_that_is_not_there_is_answered_with_the_nearest(take: Take) -> None:
    """With tensors that could be features, and not with weights or shapes."""
    with pytest.raises(UnknownName, match=r"net.onnx: unknown tensor 'drop'; did you mean dropped\?"):
        take(classifier(), output="drop")
    with pytest.raises(UnknownName, match="known: conv, relu, pool, flat, dropped, logits, probabilities"):
        take(classifier(), output="x1234")


def test_the_names_of_the_file_do_not_get_in_the_way(take: Take) -> None:
    """A file may call its tensors what we call ours."""
    net = Net()
    x = net.add("Identity", net.trunk("pixels"), out="maps")
    x = net.add("GlobalAveragePool", x, out="penult_t0")
    x = net.add("Mul", x, net.weight("penult_c0", np.float32(2)), out="features")
    body = take(net.model({x: ("n", WIDTH, 1, 1)}, x="pixels"))
    np.testing.assert_allclose(run(body), 2 * MEANS, **CLOSE)
    assert body.pooling == "none"  # they are twice the means


@pytest.mark.parametrize("axis", [2, 3])
def test_the_mean_of_half_the_positions_has_no_maps(axis: int, take: Take) -> None:
    """Features whose maps cannot be proved have none."""

    def build(net: Net, x: str) -> str:
        x = net.add("ReduceMax", x, out="max", axes=[5 - axis], keepdims=1)
        return net.add("Flatten", net.mean(x, [axis]), out="vector")

    body = take(ending(build, ("n", WIDTH)))
    assert body.pooling == "none" and len(onnx.load_model_from_string(body.network).graph.output) == 1
    np.testing.assert_allclose(run(body), MAPS.max(axis=5 - axis).mean(axis=2), **CLOSE)


def test_our_own_graph_is_taken_as_it_is(take: Take) -> None:
    """It has its recipe inside: the one that is given decides the geometry alone."""
    tiny = tinynet.tiny()
    other = Recipe(SIDE, "crop", 0.9, mean=(0.1, 0.1, 0.1))
    body = take(tiny.graph(), recipe=other)
    assert has_preprocessing(body.network) and body.pooling == "mean" and body.recipe == other
    np.testing.assert_allclose(run(body, pixels=tinynet.noise(2)), tinynet.by_numpy(tinynet.noise(2)), **CLOSE)


def test_a_built_in_network_comes_back_without_its_classifier(take: Take) -> None:
    lite = backbones.find_builtin("efficientnet_lite0", pooling="mean", size=64)
    body = take(lite.graph(classifier=True), recipe=lite.recipe)
    assert has_preprocessing(body.network) and body.pooling == "mean" and len(body.network) < 14e6
    assert shapes(onnx.load_model_from_string(body.network).graph.output) == {
        "features": ["n", 1280],
        "maps": ["n", 1280, 2, 2],
    }


def test_a_recipe_cannot_be_left_out(take: Take) -> None:
    with pytest.raises(InputError, match=r"has no recipe.*--show-recipe NAME > net.recipe.json.*--recipe size=224 fit=crop"):
        take(classifier(), recipe=None)
    with pytest.raises(InputError, match=r"net.onnx: its recipe does not say fit .*crop .*interpolation .*mean .*std"):
        take(classifier(), recipe={"size": SIDE, "channels": "rgb"})
    with pytest.raises(InputError, match="it takes 32 x 32 pixels, and its recipe says size 64"):
        take(classifier(), size=64)


def mean_first(net: Net, x: str) -> str:
    return net.mean(x, [2, 3])


def unfitting() -> onnx.ModelProto:
    return ending(lambda net, x: net.add("Concat", x, "kernel", out="both", axis=1), ("n", WIDTH, 8, 8))


def tokens() -> onnx.ModelProto:
    return ending(
        lambda net, x: net.add("Reshape", x, net.weight("shape", np.array([0, 64, WIDTH])), out="tokens"), ("n", 64, WIDTH)
    )


def volumes() -> onnx.ModelProto:
    return ending(
        lambda net, x: net.add("Unsqueeze", x, net.weight("axes", np.array([1])), out="volume"), ("n", 1, WIDTH, 8, 8)
    )


def whole_numbers() -> onnx.ModelProto:
    def build(net: Net, x: str) -> str:
        return net.add("ArgMax", mean_first(net, x), out="class", axis=1)

    model = ending(build, ("n", 1))
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    return model


def only_probabilities() -> onnx.ModelProto:
    return ending(lambda net, x: net.add("Softmax", mean_first(net, x), out="probabilities"), ("n", WIDTH))


def heads() -> onnx.ModelProto:
    net = Net()
    x = net.trunk("x")
    return net.model({x: ("n", WIDTH, 8, 8), mean_first(net, x): ("n", WIDTH)})


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (tokens, r"'tokens' \(n, 64, 6\) has 64 vectors an image \(tokens\), .*name one tensor of shape \(n, d\)"),
        (unfitting, r"'both' \(unknown shape\) is not one vector of floats"),
        (volumes, r"'volume' \(n, 1, 6, 8, 8\) has 5 dimensions"),
        (whole_numbers, r"'class' \(n, 1\) is not one vector of floats"),
        (only_probabilities, "'probabilities' is probabilities, and the layer that makes them was not found"),
        (heads, r"are the features cannot be told: 'relu' \(n, 6, 8, 8\), 'mean' \(n, 6\); name one tensor"),
    ],
)
def test_features_that_are_not_one_vector_are_refused_with_what_there_is(
    model: Callable[[], onnx.ModelProto], message: str, take: Take
) -> None:
    with pytest.raises(InputError, match=message):
        take(model())


def with_input(*shape: Any, kind: int = TensorProto.FLOAT, extra: bool = False) -> onnx.ModelProto:
    """Return a network that takes something else than pictures."""
    inputs = [helper.make_tensor_value_info("x", kind, shape)]
    inputs += [helper.make_tensor_value_info("text", TensorProto.INT64, ["n", 77])] if extra else []
    nodes = [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * len(shape))]
    graph = helper.make_graph(nodes, "g", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (with_input("n", 3, SIDE, SIDE, extra=True), r"has 2 inputs \('x' float \(n, 3, 32, 32\), 'text' int64 \(n, 77\)\)"),
        (with_input("n", 77), r"'x' float \(n, 77\) does not take color images"),
        (with_input("n", 1, SIDE, SIDE), "does not take color images"),
        (with_input("n", "c", "h", "w"), r"\(n, c, h, w\) does not take color images"),
        (with_input("n", 3, SIDE, 64), r"\(n, 3, 32, 64\) takes images that are not square"),
        (with_input(4, 3, SIDE, SIDE), "takes batches of 4 only; export it with an open batch, or 1"),
        (with_input("n", 3, SIDE, SIDE, kind=TensorProto.UINT8), "'x' uint8 .*takes neither float32 nor float16, nor uint8"),
        (with_input("n", 3, SIDE, SIDE, kind=TensorProto.DOUBLE), "'x' double .*takes neither float32"),
    ],
    ids=range(8),
)
def test_what_takes_no_pictures_is_refused(model: onnx.ModelProto, message: str, take: Take) -> None:
    with pytest.raises(InputError, match=message):
        take(model)


def without_inputs() -> onnx.ModelProto:
    model = classifier()
    del model.graph.input[:]
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((1, 3, SIDE, SIDE), np.float32), "x"))
    return model


def external(place: str) -> onnx.ModelProto:
    """Return a network with a tensor in another file: of the weights, in a node, or in a branch."""
    tensor = TensorProto(name="far", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../../etc/passwd")
    model = ending(lambda _, x: x, ("n", WIDTH, 8, 8))
    if place == "weights":
        model.graph.initializer.append(tensor)
        return model
    node = helper.make_node("Constant", [], ["far"], value=tensor)
    if place == "branch":
        branch = helper.make_graph([node], "b", [], [helper.make_tensor_value_info("far", TensorProto.FLOAT, [1])])
        node = helper.make_node("If", ["condition"], ["either"], then_branch=branch, else_branch=branch)
    model.graph.node.append(node)
    return model


def versions(**changes: int) -> onnx.ModelProto:
    model = classifier()
    model.ir_version = changes.get("ir", model.ir_version)
    model.opset_import[0].version = changes.get("opset", 17)
    return model


def foreign() -> onnx.ModelProto:
    model = ending(lambda net, x: net.add("FancyPool", x, out="y", domain="com.example"), ("n", WIDTH))
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    return model


def foreign_inside() -> onnx.ModelProto:
    """Return a network with such an operator in a branch alone."""
    model = foreign()
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", WIDTH])
    branch = helper.make_graph([model.graph.node.pop()], "b", [], [y])
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    model.graph.node.append(helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch))
    return model


def in_training() -> onnx.ModelProto:
    def build(net: Net, x: str) -> str:
        ones = [net.weight(f"w{i}", np.ones(WIDTH, np.float32)) for i in range(4)]
        net.nodes.append(helper.make_node("BatchNormalization", [x, *ones], ["y", "mean", "var"], training_mode=1))
        return "y"

    return ending(build, ("n", WIDTH, 8, 8))


def doubling(depth: int) -> onnx.ModelProto:
    """Return a network of functions that each call the one before twice."""
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]
    functions = [helper.make_function("f", "f0", ["x"], ["y"], [helper.make_node("Relu", ["x"], ["y"])], opsets)]
    for i in range(1, depth):
        calls = [helper.make_node(f"f{i - 1}", [a], [b], domain="f") for a, b in (("x", "m"), ("m", "y"))]
        functions.append(helper.make_function("f", f"f{i}", ["x"], ["y"], calls, opsets))
    model = ending(lambda net, x: net.add(f"f{depth - 1}", x, out="y", domain="f"), ("n", WIDTH, 8, 8), functions=functions)
    model.opset_import.append(opsets[1])
    return model


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (without_inputs(), r"has 0 inputs \(none\)"),
        (external("weights"), r"outside its own folder \(../../etc/passwd\), .*onnx.load\('net.onnx'\), 'whole.onnx'\)"),
        (external("node"), "outside its own folder"),
        (external("branch"), "outside its own folder"),
        (versions(ir=99), r"has the ONNX format 99, newer than \d+, known here; export it with opset 17"),
        (versions(opset=99), r"has ONNX's operators of version 99, and 7 to \d+ are known here"),
        (versions(opset=6), "has ONNX's operators of version 6"),
        (foreign(), "operators that are not ONNX's own: com.example:FancyPool; export it with standard ones"),
        (foreign_inside(), "operators that are not ONNX's own: com.example:FancyPool"),
        (in_training(), r"exported as it trains, .*call model.eval\(\)"),
        (doubling(30), "functions that would be more than 200,000 operators written out"),
    ],
)  # fmt: skip
def test_what_asks_for_more_than_is_in_it_is_refused_with_a_cure(model: onnx.ModelProto, message: str, take: Take) -> None:
    with pytest.raises(InputError, match=message):
        take(model)


def test_functions_that_call_each_other_in_a_circle_are_refused(take: Take) -> None:
    """By ONNX's own checker where it is new enough, else by us: nothing writes them out."""
    model = doubling(2)
    model.functions[0].node[0].op_type, model.functions[0].node[0].domain = "f1", "f"
    with pytest.raises(PenultError, match=r"recursive|operators written out"):
        take(model)
    with pytest.raises(InputError, match="operators written out"):
        onnx_source.write_out_functions(model, "it")


def test_functions_of_another_version_are_refused(take: Take) -> None:
    model = with_function()
    model.functions[0].opset_import[0].version = 16
    with pytest.raises(InputError, match=r"functions of another version .*somewhere:pooled"):
        take(model)


def unsound() -> bytes:
    model = classifier()
    model.graph.node[0].input[0] = "nowhere"
    return bytes(model.SerializeToString())


def hollow() -> bytes:
    model = classifier()
    model.graph.initializer[0].dims[0] = 1
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has no network in it"),
        (b"<html>404</html>" * 9, "is not an ONNX file, or not a whole one"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "git lfs pull"),
        (classifier().SerializeToString()[:-100], "is not an ONNX file, or not a whole one"),
        (unsound(), "is not a sound ONNX file: .*topologically sorted"),
        (hollow(), "is not a sound ONNX file: .*reshape"),
    ],
    ids=range(6),
)
def test_a_damaged_file_is_said_in_a_sentence(data: bytes, message: str, take: Take) -> None:
    with pytest.raises(DamagedFile, match=message) as error:
        take(data)
    assert "net.onnx" in str(error.value) and "\n" not in str(error.value)


def test_a_file_that_is_too_large_or_not_there_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.onnx"
    with path.open("wb") as file:
        file.truncate(2**31)  # a hole: it takes no space
    with pytest.raises(InputError, match=r"large.onnx has 2.1 GB, .*take a smaller sibling"):
        load(ModelSpec("onnx", str(path)))
    with pytest.raises(InputError, match=r"none.onnx cannot be read: No such file"):
        load(ModelSpec("onnx", str(tmp_path / "none.onnx")))
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        load(ModelSpec("onnx", str(tmp_path)))


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    mean=st.tuples(*[st.floats(-1, 1)] * 3),
    std=st.tuples(*[st.floats(0.1, 2)] * 3),
    channels=st.sampled_from(["rgb", "bgr"]),
    model=st.sampled_from([classifier, keras]),
)
def test_every_recipe_is_obeyed(mean: Any, std: Any, channels: Any, model: Any, take: Take) -> None:
    """Whatever the mean, std, channel order and layout are, the features are those of numpy's own preprocessing."""
    recipe = Recipe(SIDE, "squash", 1.0, "nearest", mean, std, channels)
    wanted = maps_by_numpy(PIXELS, recipe).mean(axis=(2, 3))
    np.testing.assert_allclose(run(take(model(), recipe=recipe)), wanted, rtol=1e-5, atol=1e-5 * max(1, wanted.max()))


GOOD = [classifier().SerializeToString(), keras(18).SerializeToString()]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.sampled_from(GOOD),
    place=st.floats(0, 1, exclude_max=True),
    cut=st.integers(0, 8),
    put=st.binary(max_size=4),
)
def test_bytes_that_were_changed_raise_nothing_but_our_own_errors(
    data: bytes, place: float, cut: int, put: bytes, take: Take
) -> None:
    start = int(place * len(data))
    try:
        body = take(data[:start] + put + data[start + cut :])
    except PenultError:
        return
    assert shapes(onnx.load_model_from_string(body.network).graph.output)["features"][0] == "n"
