"""Every ONNX operator that the torch engine has computes what ONNX's own reference computes; needs torch."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from penult.errors import InputError

pytestmark = [
    pytest.mark.timm,
    pytest.mark.filterwarnings("ignore"),  # the reference divides by zero where numpy warns
    pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed: pip install 'penult[timm]'"),
]

SIDE = 12
RANDOM = np.random.default_rng(5)
PIXELS = RANDOM.integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)


def some(*dims: int) -> np.ndarray:
    return np.random.default_rng(sum(dims)).normal(0, 1, dims).astype(np.float32)


def whole(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def number(value: float) -> np.ndarray:
    return np.array(value, np.float32)


def model(nodes: list[Any], constants: dict[str, np.ndarray], opset: int, output: str = "y") -> bytes:
    """Return a network from `pixels` to `output`; `x` is (2, 3, 12, 12), around 0."""
    front = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["turned"], perm=[0, 3, 1, 2]),
        helper.make_node("Sub", ["turned", "half"], ["centred"]),
        helper.make_node("Mul", ["centred", "small"], ["x"]),
    ]
    held = {"half": number(127.5), "small": number(1 / 64), **constants}
    graph = helper.make_graph(
        [*front, *nodes],
        "g",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in held.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8).SerializeToString()


def by_torch(graph: bytes, output: str = "y", precision: str = "f32") -> np.ndarray:
    import torch

    from penult.engines.torch_net import build, translate

    plan = translate(graph, output, "net", PIXELS.shape)
    kind = {"f32": torch.float32, "bf16": torch.bfloat16}[precision]
    with torch.inference_mode():
        return build(plan, "cpu", kind)(torch.from_numpy(PIXELS)).numpy()


def by_onnx(graph: bytes) -> np.ndarray:
    from onnx.reference import ReferenceEvaluator

    return ReferenceEvaluator(onnx.load_model_from_string(graph)).run(None, {"pixels": PIXELS})[0]


# operator, opset, constant inputs after x, attributes
ONE = [
    *[(op, 17, [], {}) for op in ("Abs", "Ceil", "Cos", "Erf", "Exp", "Floor", "Neg", "Relu", "Round", "Sigmoid", "Sign",
    "Sin",
                                  "Softplus", "Softsign", "Tanh", "HardSwish", "Identity", "Reciprocal", "GlobalAveragePool",
                                  "GlobalMaxPool", "Flatten", "Transpose")],
    ("Add", 17, [some(3, 1, 1)], {}), ("Sub", 17, [some(12)], {}), ("Mul", 17, [some(2, 3, 1, 12)], {}),
    ("Div", 17, [some(3, 1, 1)], {}), ("Pow", 17, [number(2)], {}), ("Max", 17, [some(12), some(3, 1, 1)], {}),
    ("Min", 17, [some(12)], {}), ("Sum", 17, [some(12), some(1)], {}), ("Mean", 17, [some(12), some(1)], {}),
    ("Clip", 17, [number(-0.5), number(1)], {}), ("Clip", 6, [], {"min": -0.5, "max": 1.0}), ("Clip", 17, [number(0)], {}),
    ("LeakyRelu", 17, [], {"alpha": 0.2}), ("PRelu", 17, [some(3, 1, 1)], {}), ("Elu", 17, [], {"alpha": 0.5}),
    ("Celu", 17, [], {"alpha": 2.0}), ("Selu", 17, [], {}), ("ThresholdedRelu", 17, [], {"alpha": 0.7}),
    ("HardSigmoid", 17, [], {}), ("HardSigmoid", 17, [], {"alpha": 1 / 6, "beta": 0.5}), ("Mish", 18, [], {}),
    ("Gelu", 20, [], {}), ("Gelu", 20, [], {"approximate": "tanh"}), ("Dropout", 17, [], {}),
    ("Softmax", 17, [], {"axis": 1}), ("Softmax", 17, [], {}), ("LogSoftmax", 17, [], {"axis": 1}),
    *[(op, 17, [], {"axes": [2, 3], "keepdims": k}) for op in ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2",
                                                               "ReduceSumSquare", "ReduceLogSumExp",
                                                               "ReduceProd") for k in (0, 1)],
    ("ReduceMean", 18, [whole(-1, 1)], {}), ("ReduceSum", 18, [whole(2)], {"keepdims": 0}), ("ReduceMean", 18, [], {}),
    ("ReduceSum", 18, [], {"noop_with_empty_axes": 1}),
    ("Reshape", 17, [whole(0, -1, 6)], {}), ("Flatten", 17, [], {"axis": 2}), ("Transpose", 17, [], {"perm": [0, 2, 3, 1]}),
    ("Unsqueeze", 17, [whole(0, -1)], {}), ("Unsqueeze", 11, [], {"axes": [1]}), ("Expand", 17, [whole(4, 2, 1, 12, 1)], {}),
    ("Tile", 17, [whole(1, 2, 1, 3)], {}), ("Trilu", 17, [whole(1)[0]], {"upper": 0}),
    ("Slice", 17, [whole(1, -3), whole(9, 2**62), whole(2, 3)], {}), ("Slice", 17, [whole(-1), whole(-(2**62)), whole(3),
    whole(-2)], {}),
    ("Slice", 9, [], {"starts": [1, 0], "ends": [3, 5], "axes": [1, 2]}), ("Slice", 17, [whole(0, 5), whole(1, 99)], {}),
    ("Gather", 17, [whole(2, 0, -1)], {"axis": 1}), ("Gather", 17, [whole(-2)[0]], {"axis": 3}),
    ("Gather", 17, [np.array([[0, 1], [1, 0]])], {"axis": 2}), ("GatherElements", 17, [np.zeros((2, 3, 1, 12),
    np.int64) - 1], {"axis": 2}),
    ("Concat", 17, [some(2, 5, 12, 12)], {"axis": 1}), ("MatMul", 17, [some(12, 7)], {}),
    ("DepthToSpace", 17, [], {"blocksize": 1}), ("SpaceToDepth", 17, [], {"blocksize": 3}),
    ("Einsum", 17, [some(3, 4)], {"equation": "nchw,cd->ndhw"}), ("LpNormalization", 18, [], {"axis": 1, "p": 2}),
    ("Conv", 17, [some(4, 3, 3, 3)], {}), ("Conv", 17, [some(4, 3, 3, 5), some(4)], {"strides": [2, 1], "pads": [1, 2, 0, 2]}),
    ("Conv", 17, [some(6, 1, 3, 3), some(6)], {"group": 3, "pads": [1] * 4}),
    ("Conv", 17, [some(4, 3, 3, 3)], {"dilations": [2, 2], "pads": [2] * 4}),
    ("Conv", 17, [some(4, 3, 3, 3)], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ("Conv", 17, [some(4, 3, 4, 4)], {"auto_pad": "SAME_LOWER"}), ("Conv", 17, [some(4, 3, 3, 3)], {"auto_pad": "VALID"}),
    ("MaxPool", 17, [], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4}),
    ("MaxPool", 17, [], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]}),
    ("MaxPool", 17, [], {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    ("MaxPool", 17, [], {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
    ("AveragePool", 17, [], {"kernel_shape": [3, 3], "pads": [1] * 4}),
    ("AveragePool", 17, [], {"kernel_shape": [3, 3], "pads": [1] * 4, "count_include_pad": 1}),
    ("AveragePool", 17, [], {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0, 0, 1, 1]}),
    ("AveragePool", 17, [], {"kernel_shape": [2, 2], "pads": [0, 0, 1, 1], "count_include_pad": 1}),
    ("Pad", 17, [whole(0, 0, 1, 2, 0, 1, 0, 3), number(2)], {}),
    ("Pad", 17, [whole(0, 0, 1, 2, 0, 0, 2, 3)], {"mode": "reflect"}),
    ("Pad", 17, [whole(0, 0, 1, 2, 0, 0, 2, 3)], {"mode": "edge"}), ("Pad", 10, [], {"pads": [0, 0, 1, 1, 0, 0, 1, 1]}),
    ("BatchNormalization", 17, [some(3), some(3), some(3), abs(some(3)) + 0.1], {"epsilon": 1e-3}),
    ("LayerNormalization", 17, [some(12), some(12)], {"epsilon": 1e-6}),
    ("LayerNormalization", 17, [some(3, 12, 12)], {"axis": 1}),
    ("InstanceNormalization", 17, [some(3), some(3)], {}),
    ("GroupNormalization", 21, [some(3), some(3)], {"num_groups": 3}),
    ("Resize", 17, ["", number([1, 1, 2, 3])], {"mode": "nearest", "coordinate_transformation_mode": "asymmetric",
    "nearest_mode": "floor"}),
    ("Resize", 17, ["", "", whole(2, 3, 20, 7)], {"mode": "linear"}),
    ("Resize", 17, ["", "", whole(2, 3, 20, 7)], {"mode": "linear", "coordinate_transformation_mode": "align_corners"}),
    ("Resize", 17, ["", "", whole(2, 3, 20, 18)], {"mode": "cubic"}),
]  # fmt: skip


@pytest.mark.parametrize(("op", "opset", "inputs", "attributes"), ONE, ids=lambda v: v if isinstance(v, str) else None)
def test_an_operator_is_that_of_onnx(op: str, opset: int, inputs: list[Any], attributes: dict[str, Any]) -> None:
    constants = {f"c{i}": np.asarray(value) for i, value in enumerate(inputs) if not isinstance(value, str)}
    names = ["x", *["" if isinstance(value, str) else f"c{i}" for i, value in enumerate(inputs)]]
    graph = model([helper.make_node(op, names, ["y"], **attributes)], constants, opset)
    wanted = by_onnx(graph)
    got = by_torch(graph)
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_softmax_was_over_all_axes_from_one_on() -> None:
    """Before opset 13; ONNX's reference has only the new meaning."""
    x = by_torch(model([helper.make_node("Identity", ["x"], ["y"])], {}, 11))
    got = by_torch(model([helper.make_node("Softmax", ["x"], ["y"], axis=2)], {}, 11))
    flat = np.exp(x.reshape(2, 3, -1).astype(np.float64))
    np.testing.assert_allclose(got.reshape(2, 3, -1), flat / flat.sum(-1, keepdims=True), rtol=1e-4)


def test_neighbouring_channels_answer() -> None:
    """x / (bias + alpha / size * the sum of squares of the neighbours) ^ beta; ONNX's reference mixes up two axes."""
    x = by_torch(model([helper.make_node("Identity", ["x"], ["y"])], {}, 17)).astype(np.float64)
    got = by_torch(model([helper.make_node("LRN", ["x"], ["y"], size=3, alpha=0.5, bias=2.0)], {}, 17))
    squares = np.pad(x**2, ((0, 0), (1, 1), (0, 0), (0, 0)))
    near = squares[:, :-2] + squares[:, 1:-1] + squares[:, 2:]
    np.testing.assert_allclose(got, x / (2 + 0.5 / 3 * near) ** 0.75, rtol=1e-4)


CHAINS = {
    "gemm": [("Flatten", ["x"], "f", {}), ("Gemm", ["f", "w", "b"], "y", {"transB": 1, "alpha": 0.5, "beta": 2.0})],
    "gemm, a layer": [("Flatten", ["x"], "f", {}), ("Gemm", ["f", "w", "b"], "y", {"transB": 1})],
    "where": [("Greater", ["x", "half"], "g", {}), ("Not", ["g"], "h", {}), ("Where", ["h", "x", "half"], "y", {})],
    "split": [("Split", ["x", "parts"], ["p", "q"], {"axis": 3}), ("Concat", ["q", "p"], "y", {"axis": 3})],
    "shape arithmetic": [
        ("Shape", ["x"], "s", {}), ("Gather", ["s", "zero"], "n", {}), ("Unsqueeze", ["n", "axis"], "m", {}),
        ("Concat", ["m", "minus"], "t", {"axis": 0}), ("Reshape", ["x", "t"], "y", {}),
    ],
    "constant of shape": [("Shape", ["x"], "s", {}), ("ConstantOfShape", ["s"], "o", {}), ("Add", ["x", "o"], "y", {})],
    "range": [("Range", ["zero", "three", "one"], "r", {}), ("Gather", ["x", "r"], "y", {"axis": 2})],
    "cast to whole numbers": [("Cast", ["x"], "i", {"to": 6}), ("Cast", ["i"], "y", {"to": 1})],
    "squeeze": [("ReduceMean", ["x"], "r", {"axes": [2, 3]}), ("Squeeze", ["r", "axes"], "y", {})],
    "argmax": [("ArgMax", ["x"], "a", {"axis": 1, "keepdims": 1}), ("Cast", ["a"], "y", {"to": 1})],
}  # fmt: skip


@pytest.mark.parametrize("chain", CHAINS)
def test_several_operators_together_are_those_of_onnx(chain: str) -> None:
    constants = {
        "w": some(5, 432), "b": some(5), "parts": whole(5, 7), "zero": whole(0)[0], "axis": whole(0), "minus": whole(-1),
        "three": whole(3)[0], "one": whole(1)[0], "axes": whole(2, 3),
    }  # fmt: skip
    nodes = [helper.make_node(op, i, o if isinstance(o, list) else [o], **a) for op, i, o, a in CHAINS[chain]]
    graph = model(nodes, constants, 17)
    np.testing.assert_allclose(by_torch(graph), by_onnx(graph), rtol=1e-4, atol=1e-5)


def ops(graph: bytes) -> list[str]:
    from penult.engines.torch_net import translate

    return [node.op for node in translate(graph, "y", "net", PIXELS.shape).nodes]


FUSED: dict[str, tuple[list[tuple[Any, ...]], list[str]]] = {
    "the recipe": ([("Relu", ["x"], "y", {})], ["See", "Relu"]),
    "GELU as torch writes it": (
        [("Div", ["x", "root"], "a", {}), ("Erf", ["a"], "b", {}), ("Add", ["b", "one"], "c", {}),
         ("Mul", ["x", "c"], "d", {}),
         ("Mul", ["d", "half_"], "y", {})],
        ["See", "Gelu"],
    ),
    "GELU, half first": (
        [("Mul", ["inverse", "x"], "a", {}), ("Erf", ["a"], "b", {}), ("Add", ["one", "b"], "c", {}),
         ("Mul", ["half_", "x"], "d", {}),
         ("Mul", ["d", "c"], "y", {})],
        ["See", "Gelu"],
    ),
    "no GELU: another constant": (
        [("Div", ["x", "root"], "a", {}), ("Erf", ["a"], "b", {}), ("Add", ["b", "half_"], "c", {}),
         ("Mul", ["x", "c"], "d", {}),
         ("Mul", ["d", "half_"], "y", {})],
        ["See", "Div", "Erf", "Add", "Mul", "Mul"],
    ),
    "SiLU": ([("Sigmoid", ["x"], "s", {}), ("Mul", ["s", "x"], "y", {})], ["See", "Silu"]),
    "no SiLU: the gate is used twice": (
        [("Sigmoid", ["x"], "s", {}), ("Mul", ["s", "x"], "m", {}), ("Add", ["m", "s"], "y", {})],
        ["See", "Sigmoid", "Mul", "Add"],
    ),
    "batch normalisation, factor, term": (
        [("Conv", ["x", "kernel"], "a", {"pads": [1] * 4}), ("BatchNormalization", ["a", "g4", "s4", "m4", "v4"], "b", {}),
         ("Mul", ["b", "each"], "c", {}), ("Add", ["half_", "c"], "y", {})],
        ["See", "Conv"],
    ),
    "a batch normalisation as Keras writes it": (
        [("Conv", ["x", "kernel"], "a", {"pads": [1] * 4}), ("Sub", ["a", "each"], "b", {}), ("Div", ["b", "each"], "c", {}),
         ("Add", ["c", "each"], "y", {})],
        ["See", "Conv"],
    ),
    "the same without a convolution": (
        [("Sub", ["x", "three"], "b", {}), ("Mul", ["b", "three"], "c", {}), ("Add", ["half_", "c"], "d", {}),
         ("Relu", ["d"], "y", {})],
        ["See", "Affine", "Relu"],
    ),
    "no fusion: the constant is divided": (
        [("Conv", ["x", "kernel"], "a", {"pads": [1] * 4}), ("Sub", ["each", "a"], "b", {}), ("Add", ["b", "half_"], "y", {})],
        ["See", "Conv", "Sub", "Add"],
    ),
    "no fusion: what is between is used twice": (
        [("Conv", ["x", "kernel"], "a", {"pads": [1] * 4}), ("Mul", ["a", "each"], "b", {}), ("Add", ["a", "b"], "y", {})],
        ["See", "Conv", "Mul", "Add"],
    ),
    "a term for each place is no bias": (
        [("Conv", ["x", "kernel"], "a", {"pads": [1] * 4}), ("Add", ["a", "places"], "y", {})],
        ["See", "Conv", "Add"],
    ),
    "attention": (
        [("Mul", ["x", "half_"], "q", {}), ("Transpose", ["x"], "k", {"perm": [0, 1, 3, 2]}), ("MatMul", ["q", "k"], "w", {}),
         ("Softmax", ["w"], "p", {"axis": -1}), ("MatMul", ["p", "x"], "y", {})],
        ["See", "Mul", "Transpose", "Attention4"],
    ),
    "a layer": ([("MatMul", ["x", "mix"], "a", {}), ("Add", ["bias7", "a"], "y", {})], ["See", "Linear"]),
}  # fmt: skip


@pytest.mark.parametrize("case", FUSED)
def test_what_is_fused_computes_the_same(case: str) -> None:
    chain, wanted = FUSED[case]
    constants = {
        "root": number(2**0.5), "inverse": number(0.5**0.5), "one": number(1), "half_": number(0.5),
        "kernel": some(4, 3, 3, 3),
        "g4": some(4), "s4": some(4) + 1, "m4": some(4) - 1, "v4": abs(some(4)) + 0.2,
        "each": some(1, 4, 1, 1), "three": some(3, 1, 1), "places": some(12, 12), "mix": some(12, 7), "bias7": some(7),
    }  # fmt: skip
    graph = model([helper.make_node(op, i, [o], **a) for op, i, o, a in chain], constants, 17)
    assert ops(graph) == wanted
    np.testing.assert_allclose(by_torch(graph), by_onnx(graph), rtol=1e-4, atol=1e-4)


def test_only_what_lies_between_layers_is_shortened() -> None:
    """In bf16 the recipe in front and the pooling behind keep float32; the layers do not."""
    mean = helper.make_node("ReduceMean", ["a"], ["y"], axes=[2, 3], keepdims=0)
    plain = model([helper.make_node("ReduceMean", ["x"], ["y"], axes=[2, 3], keepdims=0)], {}, 17)
    np.testing.assert_array_equal(by_torch(plain, precision="bf16"), by_torch(plain))
    graph = model([helper.make_node("Conv", ["x", "kernel"], ["a"]), mean], {"kernel": some(4, 3, 3, 3)}, 17)
    low, full = by_torch(graph, precision="bf16"), by_torch(graph)
    assert low.dtype == np.float32 and 0 < np.abs(low - full).max() < 0.02 * np.abs(full).max()
    assert not np.array_equal(low, low.astype(np.float32).view(np.uint32) & 0xFFFF0000)


def test_unknown_operators_are_named_all_at_once() -> None:
    nodes = [
        helper.make_node("NonZero", ["x"], ["a"]),
        helper.make_node("Frobnicate", ["a"], ["b"], domain="of.mine"),
        helper.make_node("Cast", ["b"], ["y"], to=1),
    ]
    with pytest.raises(InputError, match=r"does not know: NonZero, of\.mine\.Frobnicate; .*--device cpu"):
        by_torch(model(nodes, {}, 17))


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (
            [("Resize", ["x", "", "f"], "y", {"mode": "nearest", "nearest_mode": "ceil"})],
            r"cannot do this Resize .*--device cpu",
        ),
        ([("ArgMax", ["x"], "a", {}), ("Reshape", ["x", "a"], "y", {})], "depends on the picture itself; .*--device cpu"),
        ([("MaxPool", ["x"], ["m", "y"], {"kernel_shape": [2, 2]})], "MaxPool with 2 outputs"),
    ],
)
def test_what_cannot_be_done_is_said(nodes: list[Any], message: str) -> None:
    made = [helper.make_node(op, i, o if isinstance(o, list) else [o], **a) for op, i, o, a in nodes]
    with pytest.raises(InputError, match=message):
        by_torch(model(made, {"f": number([1, 1, 1.5, 1.5])}, 17))


def test_what_the_output_does_not_need_is_left_out() -> None:
    """Also an operator that nobody knows."""
    nodes = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Frobnicate", ["y"], ["z"], domain="of.mine")]
    assert ops(model(nodes, {}, 17)) == ["See", "Relu"]
