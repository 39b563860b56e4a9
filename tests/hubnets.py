"""Small networks with the outputs and the open input of those that Transformers.js and Optimum put on the hub, made by hand.

`pixel_values` (batch_size, num_channels, height, width), none of them fixed, as Optimum exports them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH = 12
BIT = {  # DINOv2's own file, but for its mean and std, which are ImageNet's
    "crop_size": {"height": 224, "width": 224}, "do_center_crop": True, "do_convert_rgb": True, "do_normalize": True,
    "do_rescale": True, "do_resize": True, "image_mean": [0.485, 0.456, 0.406], "image_processor_type": "BitImageProcessor",
    "image_std": [0.229, 0.224, 0.225], "resample": 3, "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 256},
}  # fmt: skip
SIGLIP = {
    "do_convert_rgb": None, "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": [0.5, 0.5, 0.5],
    "image_processor_type": "SiglipImageProcessor", "image_std": [0.5, 0.5, 0.5], "processor_class": "SiglipProcessor",
    "resample": 2, "rescale_factor": 0.00392156862745098, "size": {"height": 224, "width": 224},
}  # fmt: skip
CLIP = {  # as CLIP's older files say it
    "crop_size": 224, "do_center_crop": True, "do_normalize": True, "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3, "size": 224,
}  # fmt: skip


class _Net:
    def __init__(self, seed: int):
        self.random = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def weight(self, *shape: int, scale: float = 0.3) -> str:
        return self.constant(self.random.normal(0, scale, shape).astype(np.float32))

    def constant(self, values: Any) -> str:
        name = f"w{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def add(self, op: str, *inputs: str, out: str | None = None, **attributes: Any) -> str:
        name = out or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def patches(self, size: int) -> str:
        """Add the tokens (n, patches, d) of patches of size x size."""
        x = self.add("Conv", "pixel_values", self.weight(WIDTH, 3, size, size, scale=0.05), strides=[size, size])
        x = self.add("Reshape", x, self.constant(np.array([0, 0, -1])))
        return self.add("Transpose", x, perm=[0, 2, 1])

    def positions(self, size: int) -> str:
        """Add the learnt positions of 5 x 5 patches, resized to those of the image, as DINOv2 does it while it runs."""
        shape, sizes = self.add("Shape", "pixel_values"), [self.constant(np.array([1, WIDTH]))]
        for axis in (2, 3):
            side = self.add("Gather", shape, self.constant(np.array([axis])))
            sizes.append(self.add("Div", side, self.constant(np.array([size]))))
        grid = self.weight(1, WIDTH, 5, 5, scale=1.0)
        how = {"mode": "cubic", "cubic_coeff_a": -0.75, "coordinate_transformation_mode": "pytorch_half_pixel"}
        x = self.add("Resize", grid, "", "", self.add("Concat", *sizes, axis=0), **how)
        x = self.add("Reshape", x, self.constant(np.array([1, WIDTH, -1])))
        return self.add("Transpose", x, perm=[0, 2, 1])

    def attention(self, x: str, query: str) -> str:
        """Add what the queries (n, q, d) find in the tokens x (n, t, d)."""
        scores = self.add("MatMul", query, self.add("Transpose", x, perm=[0, 2, 1]))
        return self.add("MatMul", self.add("Softmax", scores, axis=-1), x)

    def with_class_token(self, tokens: str) -> str:
        """Put one more token before those of the patches, for each image of the batch."""
        batch = self.add("Slice", self.add("Shape", "pixel_values"), *(self.constant(np.array([v])) for v in (0, 1)))
        shape = self.add("Concat", batch, self.constant(np.array([1, WIDTH])), axis=0)
        token = self.add("Expand", self.weight(1, 1, WIDTH), shape)
        return self.add("Concat", token, tokens, axis=1)

    def model(self, *outputs: tuple[str, tuple[Any, ...]], size: Any = None) -> bytes:
        sides = ["height", "width"] if size is None else [size, size]
        first = helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch_size", "num_channels", *sides])
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in outputs]
        graph = helper.make_graph(self.nodes, "main_graph", [first], ends, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="pytorch")
        onnx.checker.check_model(model)
        return model.SerializeToString()


def dinov2(tanh: bool = False) -> bytes:
    """Return tokens (n, 1 + patches, d) and the normalised class token; with `tanh` BERT's pooler in its place (ViT)."""
    net = _Net(1)
    x = net.with_class_token(net.add("Add", net.patches(14), net.positions(14)))
    x = net.add("Add", x, net.attention(x, x))
    ones = net.constant(np.ones(WIDTH, np.float32))
    x = net.add("LayerNormalization", x, ones, net.weight(WIDTH), out="last_hidden_state", axis=-1)
    first = net.add("Gather", x, net.constant(np.array(0)), axis=1, out=None if tanh else "pooler_output")
    if tanh:
        net.add("Tanh", net.add("MatMul", first, net.weight(WIDTH, WIDTH)), out="pooler_output")
    tokens = ("batch_size", "sequence_length", WIDTH)
    return net.model(("last_hidden_state", tokens), ("pooler_output", ("batch_size", WIDTH)))


def siglip() -> bytes:
    """Return tokens (n, patches, d) without a class token, and what an attention pooling makes of them."""
    net = _Net(2)
    x = net.patches(16)
    x = net.add("Add", x, net.attention(x, x), out="last_hidden_state")
    pooled = net.attention(x, net.weight(1, 1, WIDTH, scale=1.0))
    net.add("Squeeze", pooled, net.constant(np.array([1])), out="pooler_output")
    tokens = ("batch_size", "sequence_length", WIDTH)
    return net.model(("last_hidden_state", tokens), ("pooler_output", ("batch_size", WIDTH)))


def clip() -> bytes:
    """Return the class token's projection, as CLIPVisionModelWithProjection has it, and the tokens."""
    net = _Net(3)
    x = net.with_class_token(net.patches(32))
    x = net.add("Add", x, net.attention(x, x), out="last_hidden_state")
    first = net.add("Gather", x, net.constant(np.array(0)), axis=1)
    net.add("MatMul", first, net.weight(WIDTH, 7), out="image_embeds")
    tokens = ("batch_size", "sequence_length", WIDTH)
    return net.model(("image_embeds", ("batch_size", 7)), ("last_hidden_state", tokens))


def classifier(size: Any = None) -> bytes:
    """Return logits alone: maps, their means, a linear layer; with a `size` it is fixed."""
    net = _Net(4)
    maps = net.add("Relu", net.add("Conv", "pixel_values", net.weight(WIDTH, 3, 16, 16, scale=0.05), strides=[16, 16]))
    x = net.add("Flatten", net.add("GlobalAveragePool", maps, out="means"), axis=1)
    net.add("Gemm", x, net.weight(WIDTH, 5), net.weight(5), out="logits")
    return net.model(("logits", ("batch_size", 5)), size=size)


def two_towers() -> bytes:
    """Return a file with the encoders of images and texts, as CLIP's `model.onnx` is: their vectors, and how they agree."""
    model = onnx.load_model_from_string(clip())
    net = _Net(5)
    words = net.add("Gather", net.weight(9, 7), "input_ids", axis=0)
    text = net.add("ReduceMean", words, out="text_embeds", axes=[1], keepdims=0)
    net.add("MatMul", "image_embeds", net.add("Transpose", text, out="turned", perm=[1, 0]), out="logits_per_image")
    for node in net.nodes:
        node.output[:] = [name.replace("t0", "text_t0") if name == "t0" else name for name in node.output]
        node.input[:] = [name.replace("t0", "text_t0") if name == "t0" else name for name in node.input]
    for tensor in net.constants:
        tensor.name = f"text_{tensor.name}"
    net.nodes[0].input[0] = "text_w0"
    model.graph.node.extend(net.nodes)
    model.graph.initializer.extend(net.constants)
    model.graph.input.append(helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch_size", "sequence_length"]))
    for name, dims in (("text_embeds", ("batch_size", 7)), ("logits_per_image", ("batch_size", "batch_size"))):
        model.graph.output.insert(0, helper.make_tensor_value_info(name, TensorProto.FLOAT, dims))
    onnx.checker.check_model(model)
    return model.SerializeToString()


def outside(data: bytes, location: str) -> tuple[bytes, bytes]:
    """Return a model with its weights in another file, and that file, as exporters write a large network."""
    model = onnx.load_model_from_string(data)
    place, rest = 0, b""
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        raw = tensor.raw_data
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", place), ("length", len(raw))):
            tensor.external_data.add(key=key, value=str(value))
        rest += raw
        place += len(raw)
    return model.SerializeToString(), rest
