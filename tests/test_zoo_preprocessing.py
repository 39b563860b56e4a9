"""A network gets its recipe's nodes in front, loses all that says where it was made, and its work is counted."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from networks import graph
from onnxnets import (
    BIAS,
    KERNEL,
    PATCH,
    PIXELS,
    RECIPE,
    SIDE,
    WIDTH,
    Net,
    classifier,
    ending,
    keras,
    maps_by_numpy,
    run_graph,
    shapes,
)
from penult import backbones
from penult.errors import DamagedFile, InputError
from penult.pixels.recipe import Recipe
from penult.zoo import onnx_graph, onnx_shapes
from penult.zoo.onnx_shapes import Cost, count
from penult.zoo.onnx_source import load
from penult.zoo.preprocessing import add_preprocessing, image_input, replace_preprocessing
from penult.zoo.sources import ModelSpec

SECRET = "/home/somebody/private/model.py"


def body(nhwc: bool = False, maps: bool = True, shape: tuple[Any, ...] | None = None, x: str = "x") -> onnx.ModelProto:
    """Return a network that ends in features and maps, with an output more and a node more than these need."""
    net = Net(18)
    made = net.add("Identity", net.trunk(x, nhwc), out="inner")
    made = net.add("Transpose", made, out="maps", perm=[0, 3, 1, 2]) if nhwc else net.add("Identity", made, out="maps")
    net.add("Flatten", net.add("GlobalAveragePool", made, out="pool"), out="features")
    net.add("Gemm", "features", net.weight("last", np.ones((WIDTH, 9), np.float32)), out="logits")
    outputs = {"logits": ("b", 9), "maps": ("b", WIDTH, 8, 8), "features": ("b", WIDTH)}
    outputs = outputs if maps else {"features": ("b", WIDTH)}
    return net.model(outputs, shape or (("b", SIDE, SIDE, 3) if nhwc else ("b", 3, SIDE, SIDE)), x)


def preprocessed(model: onnx.ModelProto, recipe: Recipe = RECIPE) -> bytes:
    return add_preprocessing(model.SerializeToString(), recipe)


@pytest.mark.parametrize("nhwc", [False, True])
@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_pixels_become_what_the_network_wants(nhwc: bool, channels: Any) -> None:
    """Features and maps are what numpy computes with the recipe's mean, std and channel order."""
    recipe = Recipe(SIDE, mean=(0.1, 0.2, 0.3), std=(0.3, 0.2, 0.1), channels=channels)
    made = preprocessed(body(nhwc), recipe)
    wanted = maps_by_numpy(PIXELS, recipe)
    np.testing.assert_allclose(run_graph(made, recipe, "maps"), wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(run_graph(made, recipe), wanted.mean(axis=(2, 3)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "model",
    [
        body(),
        body(nhwc=True),
        body(shape=("b", 3, None, None)),
        body(shape=(1, 3, SIDE, SIDE)),
        body(x="pixels"),
        body(x="penult_t0"),
    ],
    ids=["nchw", "nhwc", "open size", "batch 1", "called pixels", "called like ours"],
)
def test_the_graph_is_what_a_backbone_promises(model: onnx.ModelProto) -> None:
    made = onnx.load_model_from_string(preprocessed(model))
    onnx.checker.check_model(made, full_check=True)
    assert shapes(made.graph.input) == {"pixels": ["n", SIDE, SIDE, 3]}
    assert made.graph.input[0].type.tensor_type.elem_type == TensorProto.UINT8
    assert shapes(made.graph.output) == {"features": ["n", WIDTH], "maps": ["n", WIDTH, 8, 8]}
    assert made.producer_name == "penult"
    assert len(run_graph(made.SerializeToString(), RECIPE)) == len(PIXELS)


def test_the_nodes_in_front_are_those_of_the_built_in_networks() -> None:
    """Operator by operator, constant by constant."""
    lite = onnx.load_model_from_string(graph(backbones.find_builtin("efficientnet_lite0", channels="bgr", size=SIDE)))
    ours = onnx.load_model_from_string(
        preprocessed(body(), backbones.find_builtin("efficientnet_lite0", channels="bgr", size=SIDE).recipe)
    )
    for node, known in zip(ours.graph.node[:5], lite.graph.node[:5], strict=True):
        assert (node.op_type, node.attribute) == (known.op_type, known.attribute)
        assert constants(ours, node) == constants(lite, known)
    assert [node.op_type for node in ours.graph.node[:5]] == ["Gather", "Cast", "Transpose", "Sub", "Mul"]


def constants(model: onnx.ModelProto, node: Any) -> list[Any]:
    return [numpy_helper.to_array(t).tolist() for t in model.graph.initializer if t.name in node.input]


def test_what_is_not_needed_is_left_out() -> None:
    """The classifier with its weights, and operators of nobody; without maps, nothing else is lost."""
    made = onnx.load_model_from_string(preprocessed(body()))
    assert {t.name for t in made.graph.initializer} == {"kernel", "bias", "penult_c0", "penult_c1", "penult_c2"}
    assert not {"logits", "last"} & onnx_graph.tensor_names(made.graph)
    assert [o.domain for o in made.opset_import] == [""]
    assert list(shapes(onnx.load_model_from_string(preprocessed(body(maps=False))).graph.output)) == ["features"]


def test_nothing_tells_of_the_machine_that_made_it() -> None:
    """Exporters write paths, stack traces and dates: into the model, nodes, tensors, inner graphs and shapes."""
    plain, model = body(), body()
    branch = helper.make_graph([helper.make_node("Relu", ["inner"], ["r"], doc_string=SECRET)], "b", [], [value("r")])
    branch.value_info.append(value("r"))
    for net in (plain, model):
        net.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
        net.graph.node.insert(2, helper.make_node("If", ["yes"], ["either"], then_branch=branch, else_branch=branch))
        net.graph.node[3].input[0] = "either"
    model.producer_version = model.domain = model.doc_string = model.graph.doc_string = model.graph.name = SECRET
    model.opset_import.append(helper.make_opsetid("of.nobody", 1))
    model.graph.value_info.append(helper.make_tensor_value_info("inner", TensorProto.FLOAT, [7], doc_string=SECRET))
    for thing in (model, model.graph, *model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output):
        thing.metadata_props.add(key="trace", value=SECRET)
    for thing in (*model.graph.node, *model.graph.initializer, *model.graph.input):
        thing.doc_string = SECRET
    assert SECRET.encode() in model.SerializeToString()
    assert SECRET.encode() not in preprocessed(model)
    assert preprocessed(model) == preprocessed(plain)


def value(name: str) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, None)


def test_a_branch_sees_the_names_around_it() -> None:
    """A tensor that only a branch reads is kept, and renamed there as well."""
    model = body(x="pixels")
    branch = helper.make_graph([helper.make_node("Relu", ["pixels"], ["r"])], "b", [], [value("r")])
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    model.graph.node.insert(0, helper.make_node("If", ["yes"], ["seen"], then_branch=branch, else_branch=branch))
    model.graph.node[1].input[0] = "seen"
    made = preprocessed(model)
    onnx.checker.check_model(onnx.load_model_from_string(made), full_check=True)
    seen = np.abs(run_graph(made, RECIPE) - run_graph(preprocessed(body()), RECIPE))
    assert seen.max() > 0.01  # without what is below the mean


def test_the_same_body_gives_the_same_bytes() -> None:
    """Also in another process, where sets have another order."""
    script = (
        "import sys, hashlib; from penult.zoo.preprocessing import add_preprocessing; from penult.pixels.recipe import Recipe;"
        "print(hashlib.sha256(add_preprocessing(sys.stdin.buffer.read(), Recipe(32))).hexdigest())"
    )
    data = body().SerializeToString()
    done = subprocess.run(
        [sys.executable, "-c", script], input=data, capture_output=True, check=True, env={"PYTHONHASHSEED": "1"}
    )
    assert done.stdout.decode().strip() == hashlib.sha256(add_preprocessing(data, Recipe(32))).hexdigest()


def uncertain() -> onnx.ModelProto:
    """Return a network whose features depend in number on what the picture shows."""
    return ending(lambda net, x: net.add("Transpose", net.add("NonZero", x, out="where"), out="features"), ("n", 4))


def without_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    for output in model.graph.output:
        for dim in output.type.tensor_type.shape.dim:
            dim.Clear()
    return model


def test_shapes_that_are_not_declared_are_inferred() -> None:
    made = onnx.load_model_from_string(preprocessed(without_shapes(body())))
    assert shapes(made.graph.output) == {"features": ["n", WIDTH], "maps": ["n", WIDTH, 8, 8]}


@pytest.mark.parametrize(
    ("model", "recipe", "message"),
    [
        (body(), Recipe(64), "takes 32 x 32 pixels, and its recipe says 64"),
        (classifier(), RECIPE, "needs an output features .*; it has 'probabilities'"),
        (
            ending(lambda net, x: net.add("Identity", x, out="features"), ("n", WIDTH, 8, 8)),
            RECIPE,
            r"it has features \(n, 6, 8, 8\)",
        ),
        (body(shape=("b", 3)), RECIPE, "does not take color images"),
        (without_shapes(uncertain()), RECIPE, "shape of this network's features is not known"),
    ],
    ids=range(5),
)
def test_a_body_that_does_not_fit_is_refused(model: onnx.ModelProto, recipe: Recipe, message: str) -> None:
    with pytest.raises(InputError, match=message):
        preprocessed(model, recipe)


def test_a_finished_graph_does_not_get_it_again() -> None:
    with pytest.raises(InputError, match="its recipe's nodes are in it already"):
        add_preprocessing(preprocessed(body()), RECIPE)


def test_a_network_of_more_than_2_gb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a body and as a model; the limit is lowered, for a real one takes this machine's memory."""
    model = body()
    monkeypatch.setattr(onnx_graph, "MAX_BYTES", 1000)
    with pytest.raises(InputError, match=r"more than 2 GB.*take a smaller sibling"):
        preprocessed(model)
    with pytest.raises(InputError, match=r"0.00 GB of weights, and one ONNX file holds .*take a smaller sibling"):
        onnx_graph.to_bytes(model)


@pytest.mark.parametrize(
    ("raised", "expected"), [(ValueError, InputError), (RuntimeError, InputError), (MemoryError, MemoryError)]
)
def test_what_protobuf_says_of_2_gb_is_understood(raised: type[Exception], expected: type[Exception]) -> None:
    """Each of its versions raises something else; a lack of memory is not the network's fault."""

    def serialize(deterministic: bool) -> bytes:
        raise raised

    weights = [SimpleNamespace(raw_data=bytes(20_000_000))]
    with pytest.raises(expected):
        onnx_graph.to_bytes(SimpleNamespace(SerializeToString=serialize, graph=SimpleNamespace(initializer=weights)))


@pytest.mark.parametrize("name", backbones.LITES)
def test_the_work_of_the_built_in_networks_is_what_their_makers_say(name: str) -> None:
    """Google's figures count the batch normalisations too, which are folded here; parameters likewise."""
    backbone = backbones.find_builtin(name, pooling="mean")
    with_classes, without = count(graph(backbone, classifier=True)), count(graph(backbone))
    assert without.gmacs == pytest.approx(backbone.gmacs, rel=0.06)
    assert without.params == pytest.approx(backbone.params - 1_281_000, rel=0.01)
    assert with_classes.params - without.params == 1_281_000
    assert (with_classes.gmacs - without.gmacs) * 1e9 == pytest.approx(1_280_000)


def test_a_small_network_counted_by_hand() -> None:
    """8 x 8 patches, each 6 sums of 48 numbers, then 9 sums of 6; recipes add six numbers and no work."""
    trunk = 64 * WIDTH * 3 * PATCH**2
    assert count(body().SerializeToString()) == Cost(KERNEL.size + BIAS.size + WIDTH * 9, (trunk + 9 * WIDTH) / 1e9)
    assert count(preprocessed(body())) == Cost(KERNEL.size + BIAS.size + 6, trunk / 1e9)


def layer(op: str, x: tuple[int, ...], *weights: Any, **attributes: Any) -> bytes:
    """Return a graph of one node, opset 23, batch open."""
    tensors = [numpy_helper.from_array(w, f"w{i}") for i, w in enumerate(weights)]
    node = helper.make_node(op, ["x", *(t.name for t in tensors)], ["y"], **attributes)
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *x])]
    made = helper.make_graph([node], "g", inputs, [value("y")], tensors)
    return bytes(helper.make_model(made, opset_imports=[helper.make_opsetid("", 23)]).SerializeToString())


def weights(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


@pytest.mark.parametrize(
    ("model", "params", "work"),
    [
        (layer("Conv", (4, 10, 10), weights(8, 2, 3, 3), group=2, strides=[2, 2]), 144, 8 * 4 * 4 * 2 * 9),
        (layer("ConvTranspose", (4, 5, 5), weights(4, 8, 2, 2), strides=[2, 2]), 128, 4 * 25 * 8 * 4),
        (layer("MatMul", (7, 10), weights(10, 3)), 30, 7 * 3 * 10),
        (layer("Gemm", (10,), weights(3, 10), weights(3), transB=1), 33, 30),
        (layer("Gemm", (10,), weights(1, 3), transA=1), 3, 30),
        (layer("Attention", (2, 5, 4), weights(1, 2, 6, 4), weights(1, 2, 6, 3)), 84, 2 * 5 * 6 * (4 + 3)),
        (layer("Relu", (10,)), 0, 0),
        (layer("Gather", (10,), np.zeros(4, np.int64), axis=1), 0, 0),
    ],
    ids=["Conv", "ConvTranspose", "MatMul", "Gemm", "Gemm turned", "Attention", "Relu", "Gather"],
)
def test_every_kind_of_layer_counted_by_hand(model: bytes, params: int, work: int) -> None:
    assert count(model) == Cost(params, work / 1e9)


def test_quantized_weights_count_and_zero_points_do_not() -> None:
    model = ending(
        lambda net, x: net.add(
            "MatMul",
            net.mean(x, [2, 3]),
            net.add("DequantizeLinear", net.weight("q", np.ones((WIDTH, 9), np.int8)), *scales(net), out="last"),
            out="y",
        ),
        ("n", 9),
    )
    assert count(model.SerializeToString()).params == KERNEL.size + BIAS.size + WIDTH * 9 + 9


def scales(net: Net) -> tuple[str, str]:
    return net.weight("scale", np.ones(9, np.float32)), net.weight("zero", np.zeros(9, np.int8))


def padded(length: int) -> onnx.ModelProto:
    """As torch's old exporter pads: how much is computed by a chain of nodes from nothing but constants."""
    net = Net()
    net.add("ConstantOfShape", net.weight("length", np.array([length])), out="zeros")
    net.add("Concat", "zeros", net.weight("two", np.array([2, 2])), "zeros", out="both", axis=0)
    net.add(
        "Slice", "both", net.weight("start", np.array([length - 2])), net.weight("end", np.array([length + 6])), out="some"
    )
    net.add("Concat", "some", net.weight("none", np.zeros(0, np.int64)), out="all", axis=0)
    x = net.trunk(net.add("Pad", "x", net.add("Cast", "all", out="pads", to=TensorProto.INT64), out="wide"))
    return net.model({x: ("n", WIDTH, None, None)})


def test_shapes_that_hang_on_computed_constants_are_known() -> None:
    """So that the work behind them is counted: 34 x 34 pixels are 8 x 8 patches and two rows over."""
    model = padded(4)
    assert onnx_shapes.infer(model, {"x": (1, 3, SIDE, SIDE)})["wide"].shape == (1, 3, 34, 34)
    assert count(model.SerializeToString()).gmacs == 64 * WIDTH * 3 * PATCH**2 / 1e9


def test_a_constant_larger_than_any_memory_is_not_computed() -> None:
    """What hangs on it has no known shape, and its work counts as nothing."""
    model = padded(2**40)
    assert onnx_shapes.infer(model, {"x": (1, 3, SIDE, SIDE)})["wide"].shape is None
    assert count(model.SerializeToString()).gmacs == 0


def test_a_constant_that_cannot_be_computed_is_not_known() -> None:
    """Here the fifth of two numbers is asked for, and a division by zero on the way gives no warning."""

    def build(net: Net, x: str) -> str:
        two, zero = net.weight("two", np.array([6, 1])), net.weight("zero", np.array([0]))
        net.add("Gather", net.add("Div", two, zero, out="none"), net.weight("five", np.array([5])), out="wanted")
        return net.add("Reshape", x, "wanted", out="y")

    found = onnx_shapes.infer(ending(build, ("n", None)), {"x": (1, 3, SIDE, SIDE)})
    assert found["y"].shape is None and found["relu"].shape == (1, WIDTH, 8, 8)


def test_the_shape_of_the_picture_itself_can_be_computed_with() -> None:
    def build(net: Net, x: str) -> str:
        net.add("Shape", x, out="all")
        net.add("Slice", "all", *(net.weight(f"s{i}", np.array([i])) for i in (1, 2)), out="width")
        net.add("Concat", net.weight("any", np.array([-1])), "width", out="wanted", axis=0)
        return net.add("Reshape", net.add("GlobalAveragePool", x, out="pool"), "wanted", out="y")

    model = ending(build, ("n", None))
    assert onnx_shapes.infer(model, {"x": (1, 3, SIDE, SIDE)})["y"].shape == (1, WIDTH)


def test_a_model_without_operators_of_any_version_is_damaged() -> None:
    model = body()
    del model.opset_import[:]
    with pytest.raises(DamagedFile, match="its parts do not fit each other"):
        count(model.SerializeToString())


def test_the_input_is_read_off_the_graph() -> None:
    entry = image_input(body(nhwc=True))
    assert (entry.name, entry.layout, entry.size, entry.preprocessed) == ("x", "nhwc", SIDE, False)
    assert entry.shape(SIDE) == [1, SIDE, SIDE, 3]
    assert image_input(onnx.load_model_from_string(preprocessed(body()))).preprocessed


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
@pytest.mark.parametrize("make", [classifier, keras])
def test_another_recipe_in_front_is_as_good_as_another_conversion(make: Any, channels: Any, tmp_path: Path) -> None:
    """Mean, std and order of colours may change afterwards: the bytes are others, the numbers those of a new graph."""
    path = tmp_path / "net.onnx"
    onnx.save(make(), path)
    other = replace(RECIPE, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7), channels=channels)
    own, wanted = (load(ModelSpec("onnx", str(path), recipe=tuple(r.to_dict().items()))) for r in (RECIPE, other))
    changed = replace_preprocessing(add_preprocessing(own.network, RECIPE), other)
    anew = add_preprocessing(wanted.network, other)
    assert np.array_equal(run_graph(changed, other), run_graph(anew, other))
    assert len(onnx.load_model_from_string(changed).graph.node) == len(onnx.load_model_from_string(anew).graph.node)
    back = replace_preprocessing(changed, RECIPE)
    assert np.array_equal(run_graph(back, RECIPE), run_graph(add_preprocessing(own.network, RECIPE), RECIPE))


def test_a_graph_that_does_not_begin_with_a_recipe_is_not_changed() -> None:
    with pytest.raises(InputError, match="does not begin with the nodes of a recipe"):
        replace_preprocessing(classifier().SerializeToString(), RECIPE)
