"""Models made to do harm: `model.penult` files, ONNX files, recipes; made in code, with checksums that fit them.

`MODELS` and `ONNX` are tables of `name: make`; `make` gets an empty folder and returns the file in it to open.
"""

from __future__ import annotations

import ast
import hashlib
import json
import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from onnxnets import classifier
from penult.bundle import Bundle, save_bundle
from penult.heads import HeadState
from penult.heads.novelty import NoveltyReference
from tinynet import tiny
from zips import Entry, put, zip64

Make = Callable[[Path], Path]
Members = dict[str, bytes]
HUGE = 1 << 34


def good_bundle() -> Bundle:
    """Return a model with a network, a head, a self-test and a novelty, all by hand."""
    facts = {"scaling": "unit", "blocks": [5], "classes": 2, "temperature": 1.0, "clip": 0.01}
    arrays = {"weights": np.linspace(-1, 1, 5)[None], "intercepts": np.zeros(1)}
    rows = np.random.default_rng(0).standard_normal((6, 5))
    unlike = NoveltyReference(
        {"rows": rows.astype(np.float16), "centre": np.zeros(5, np.float32)},
        {"blocks": [5], "nearest": 5, "level": 1.0, "share": 0.99},
    )
    network = tiny()
    half = np.array([0.5, 0.5])
    return Bundle(
        ("cat", "dog"), (network,), (5,), HeadState("linear", arrays, facts), half, "openvino", "f32", {}, {}, unlike
    )


def good_model(folder: Path) -> Path:
    """Write a model that is as it should be, its self-test included."""
    from dataclasses import replace

    from penult.embed import EmbedOptions
    from penult.predict import Predictor

    model = good_bundle()
    pictures = np.random.default_rng(1).integers(0, 256, (2, 40, 50, 3), dtype=np.uint8)
    with_precision = Predictor(model, EmbedOptions(cache=False, workers=0, precision="f32"), check=False)
    proba = with_precision.predict(list(pictures)).proba
    with_precision.close()
    save_bundle(folder / "m.penult", replace(model, selftest={"images": pictures, "proba": proba}))
    return folder / "m.penult"


@cache
def members() -> Members:
    """Return the members of a good model."""
    import tempfile
    import zipfile

    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(good_model(Path(folder))) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name != "SHA256SUMS"}


def sums(parts: Members) -> bytes:
    return "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(parts.items())).encode()


def packed(parts: Members, **first: Any) -> bytes:
    """Return the zip of members with checksums that fit; `first` are lies about its first entry."""
    entries = [Entry("SHA256SUMS", sums(parts), **first), *(Entry(name, data) for name, data in parts.items())]
    return put(entries)


def written(data: bytes | Callable[[], bytes], name: str = "m.penult") -> Make:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data if isinstance(data, bytes) else data())
        return folder / name

    return make


def forged(change: Callable[[Members], Any]) -> Make:
    """Return what makes a model with changed members, every checksum right."""

    def make(folder: Path) -> Path:
        parts = dict(members())
        change(parts)
        return written(packed(parts))(folder)

    return make


def about(**changes: Any) -> Make:
    """Return what makes a model with another `bundle.json`; a name `a__b` is b inside a."""

    def change(parts: Members) -> None:
        told = json.loads(parts["bundle.json"])
        for name, value in changes.items():
            *path, last = name.split("__")
            place = told
            for step in path:
                place = place[int(step) if step.isdigit() else step]
            place[last] = value
        parts["bundle.json"] = json.dumps(told).encode()

    return forged(change)


def text(data: bytes) -> Make:
    return forged(lambda parts: parts.update({"bundle.json": data}))


def arrays(**new: Any) -> Make:
    """Return what makes a model with other arrays: values, or raw bytes; a name `head__weights` is head/weights.npy."""

    def change(parts: Members) -> None:
        for name, value in new.items():
            parts[f"{name.replace('__', '/')}.npy"] = value if isinstance(value, bytes) else npy(value)

    return forged(change)


def npy(array: Any) -> bytes:
    import io

    out = io.BytesIO()
    np.lib.format.write_array(out, np.asarray(array), version=(1, 0), allow_pickle=True)
    return out.getvalue()


def header(text: str, rest: bytes = bytes(40), version: bytes = b"\1\0") -> bytes:
    head = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY" + version + len(head).to_bytes(2 if version == b"\1\0" else 4, "little") + head + rest


def many_entries(folder: Path) -> Path:
    """A directory of half a million entries, 46 bytes each: half a kilobyte of memory each."""
    central = Entry("a", b"").central(0) * 500_000
    end = put([])[:8] + b"\xff\xff\xff\xff" + len(central).to_bytes(4, "little") + bytes(6)
    return written(central + end)(folder)


def compressed(folder: Path) -> Path:
    import zipfile

    with zipfile.ZipFile(folder / "m.penult", "w", zipfile.ZIP_DEFLATED) as archive:
        parts = {**members(), "head/bomb.npy": bytes(150_000_000)}
        for name, data in {"SHA256SUMS": sums(members()), **parts}.items():
            archive.writestr(name, data)
    return folder / "m.penult"


def inside_each_other() -> bytes:
    """A member whose data are another member's header and data: the same bytes counted again and again."""
    inner = Entry("head/b.npy", bytes(1000))
    outer = Entry("head/a.npy", inner.local())
    head = len(Entry("head/a.npy", b"").local())
    return put([outer, Entry("head/b.npy", bytes(1000), offset=head)])


def pipe(folder: Path) -> Path:
    import os

    os.mkfifo(folder / "m.penult")
    return folder / "m.penult"


def device(folder: Path) -> Path:
    (folder / "m.penult").symlink_to("/dev/zero")
    return folder / "m.penult"


def lying_sizes(size: int, claimed: int) -> bytes:
    wide = zip64(size, claimed)
    return packed(members(), size=wide[0], packed=wide[1], extra=wide[2])


CONTAINERS: dict[str, Make] = {
    "slip: a name with ..": forged(lambda m: m.update({"../evil.py": b"print(1)"})),
    "slip: an absolute name": forged(lambda m: m.update({"/etc/cron.d/evil": b"* * * * * root id"})),
    "slip: a name of Windows": forged(lambda m: m.update({"head\\..\\..\\evil.npy": b"x"})),
    "a name with a line's end": forged(lambda m: m.update({"head/a\nb.npy": b"x"})),
    "a link as a member": written(put([Entry("SHA256SUMS", b"/etc/passwd", mode=0o120777)])),
    "a name twice": written(put([*(Entry("SHA256SUMS", sums({})) for _ in range(2))])),
    "no list of checksums": written(put([Entry(n, d) for n, d in {"bundle.json": b"{}"}.items()])),
    "a checksum too many": written(
        put([Entry("SHA256SUMS", sums({"bundle.json": b"{}", "x": b""})), Entry("bundle.json", b"{}")])
    ),
    "a wrong checksum": written(put([Entry("SHA256SUMS", sums({"bundle.json": b"[]"})), Entry("bundle.json", b"{}")])),
    "checksums that are no text": written(put([Entry("SHA256SUMS", b"\xff\xfe\xfd"), Entry("bundle.json", b"{}")])),
    "encrypted": written(packed({"bundle.json": b"{}"}, flags=1)),
    "compressed bomb": compressed,
    "an unknown compression": written(packed({"bundle.json": b"{}"}, method=98)),
    "members inside each other": written(inside_each_other()),
    "zip64: a terabyte packed": written(lambda: lying_sizes(len(sums(members())), 1 << 40)),
    "zip64: a terabyte": written(lambda: lying_sizes(1 << 40, len(sums(members())))),
    "zip64: beyond all numbers": written(lambda: lying_sizes((1 << 64) - 1, (1 << 64) - 1)),
    "directory and header disagree": written(put([Entry("SHA256SUMS", b"", local_name="../evil.py")])),
    "an entry beyond the end": written(put([Entry("SHA256SUMS", b"x", offset=HUGE >> 3)])),
    "half a million entries": many_entries,
    "two thousand members": written(put([Entry(f"head/{i}.npy", b"") for i in range(2000)])),
    "a directory without a file": written(put([], count=5)),
    "a pipe instead of a file": pipe,
    "a device instead of a file": device,
    "a sparse gigabyte of nothing": lambda folder: sparse(folder / "m.penult", 1 << 30),
}


def sparse(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    return path


DESCRIBED = {
    "format: newer": about(format=99),
    "format: no number": about(format="__import__('os')"),
    "format: negative": about(format=-1),
    "format: infinite": text(b'{"format": Infinity}'),
    "JSON: a hundred thousand brackets": text(b"[" * 100_000),
    "JSON: a hundred thousand objects": text(b'{"a":' * 100_000),
    "JSON: three million lists": text(b"[" + b"[]," * 3_000_000 + b"1]"),
    "JSON: two million names": text(b"{" + b",".join(b'"%d":1' % i for i in range(2_000_000)) + b"}"),
    "JSON: a number of a million digits": text(b'{"format": 1' + b"0" * 1_000_000 + b"}"),
    "JSON: a list": text(b"[1, 2]"),
    "JSON: no UTF-8": text(b'{"format": "\xff"}'),
    "classes: a text": about(classes="ab"),
    "classes: one": about(classes=["cat"]),
    "classes: the same twice": about(classes=["cat", "cat"]),
    "classes: lists": about(classes=[["cat"], ["dog"]]),
    "classes: more than the head has": about(classes=["cat", "dog", "owl"]),
    "blocks: other widths": about(blocks=[7]),
    "blocks: negative": about(blocks=[-5]),
    "blocks: absurd": about(blocks=[10**12]),
    "head: of an unknown kind": about(head__kind="pickle"),
    "head: kind is a list": about(head__kind=[]),
    "head: absurd classes": about(head__facts__classes=10**9),
    "head: temperature NaN": about(head__facts__temperature=float("nan")),
    "head: temperature of 400 digits": about(head__facts__temperature=10**400),
    "head: blocks of others": about(head__facts__blocks=[4]),
    "head: no facts": about(head__facts=[]),
    "prior: no distribution": about(prior=[0.9, 0.9]),
    "prior: NaN": about(prior=[float("nan"), 0.5]),
    "prior: too short": about(prior=[1.0]),
    "prior: texts": about(prior=["a", "b"]),
    "recipe: size 10**9": about(backbones__0__recipe__size=10**9),
    "recipe: size is a text": about(backbones__0__recipe__size="224"),
    "recipe: standard deviation 0": about(backbones__0__recipe__std=[0, 0, 0]),
    "network: parts of a million": about(backbones__0__parts=[10**6], backbones__0__width=10**6),
    "network: a name of a million letters": about(backbones__0__name="x" * 10**6),
    "network: a digest that is a path": about(backbones__0__weights="../../../etc/passwd"),
    "network: an unknown setting": about(backbones__0__function="os.system"),
    "networks: more than graphs": about(backbones=[tiny().to_dict()] * 2),
    "precision: unknown": about(precision="f8"),
    "novelty: level 0": about(novelty__level=0),
    "novelty: nearest 10**9": about(novelty__nearest=10**9),
    "novelty: blocks of others": about(novelty__blocks=[2, 4]),
    "novelty: a text for a number": about(novelty__nearest="5"),
}

ARRAYS = {
    "array: 10**18 numbers": arrays(
        head__weights=header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000000,), }")
    ),
    "array: negative side": arrays(head__weights=header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 5), }")),
    "array: a product that wraps": arrays(
        head__weights=header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({1 << 32}, {1 << 32}), }}", b"")
    ),
    "array: objects": arrays(head__weights=npy(np.array([[print]], object))),
    "array: a pickle": arrays(head__weights=pickle.dumps(ast.literal_eval)),
    "array: structured": arrays(head__weights=header("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (5,), }")),
    "array: code for a header": arrays(head__weights=header("{'descr': __import__('os').system('id'), 'shape': (5,), }")),
    "array: a deep header": arrays(head__weights=header("(" * 9000)),
    "array: a header of 4 GB": arrays(head__weights=b"\x93NUMPY\x02\x00\xff\xff\xff\xff{'descr'"),
    "array: text": arrays(head__weights=npy(np.array([["a"] * 5]))),
    "array: dates": arrays(head__weights=npy(np.zeros((1, 5), "M8[s]"))),
    "array: another length": arrays(head__weights=npy(np.zeros((1, 5)))[:-8]),
    "head: weights NaN": arrays(head__weights=np.full((1, 5), np.nan)),
    "head: weights of another width": arrays(head__weights=np.zeros((1, 7))),
    "head: weights complex": arrays(head__weights=np.zeros((1, 5), complex)),
    "head: weights that overflow": arrays(head__weights=np.full((1, 5), 1e308), head__intercepts=np.full(1, 1e308)),
    "self-test: no pictures": arrays(selftest__images=np.zeros((2, 0, 5, 3), np.uint8)),
    "self-test: of absurd size": arrays(
        selftest__images=np.zeros((1, 5000, 1, 3), np.uint8), selftest__proba=np.full((1, 2), 0.5)
    ),
    "self-test: a thousand": arrays(
        selftest__images=np.zeros((1000, 1, 1, 3), np.uint8), selftest__proba=np.full((1000, 2), 0.5)
    ),
    "self-test: other answers": arrays(selftest__proba=np.array([[0.9, 0.1], [0.1, 0.9]])),
    "self-test: answers NaN": arrays(selftest__proba=np.full((2, 2), np.nan)),
    "self-test: only answers": forged(lambda m: m.pop("selftest/images.npy")),
    "novelty: of another width": arrays(novelty__rows=np.zeros((6, 4), np.float16)),
    "novelty: NaN": arrays(novelty__rows=np.full((6, 5), np.nan, np.float16)),
    "novelty: two million rows": arrays(novelty__rows=np.zeros((2_000_000, 5), np.float16)),
    "novelty: no rows": forged(lambda m: m.pop("novelty/rows.npy")),
}


# --- graphs ---


def graph(*nodes: Any, constants: Any = (), **more: Any) -> bytes:
    """Return a graph `pixels` -> (n, 5) `m`, then these nodes, which must make `features`."""
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", 32, 32, 3])
    out = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 5])
    first = [
        helper.make_node("Cast", ["pixels"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["f"], ["colour"], axes=[1, 2], keepdims=0),
        helper.make_node("Gather", ["colour", "five"], ["m"], axis=1),
    ]
    five = numpy_helper.from_array(np.array([0, 1, 2, 0, 1]), "five")
    made = helper.make_graph([*first, *nodes], "g", [pixels], [out], [five, *constants])
    for name, value in more.items():
        getattr(made, name).extend(value)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def numbers(name: str, *values: int) -> Any:
    return numpy_helper.from_array(np.array(values, np.int64), name)


def adding(node: Any, *constants: Any) -> bytes:
    """Return a graph that makes the tensor `big` and adds its largest number to the features."""
    biggest = helper.make_node("ReduceMax", ["big"], ["top"], keepdims=0)
    return graph(node, biggest, helper.make_node("Add", ["m", "top"], ["features"]), constants=constants)


def outside(path: str) -> bytes:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[5], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=path)
    return graph(helper.make_node("Add", ["m", "w"], ["features"]), constants=[tensor])


def loop() -> bytes:
    more = helper.make_tensor_value_info("more", TensorProto.BOOL, [])
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["more"])],
        "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info("go", TensorProto.BOOL, [])],
        [more],
    )
    node = helper.make_node("Loop", ["", "yes"], [], body=body)
    yes = numpy_helper.from_array(np.array(True), "yes")
    return graph(node, helper.make_node("Identity", ["m"], ["features"]), constants=[yes])


def nested(depth: int) -> bytes:
    """Branches in branches in branches."""
    out = helper.make_tensor_value_info("b", TensorProto.FLOAT, None)
    inner = helper.make_graph([helper.make_node("Identity", ["m"], ["b"])], "inner", [], [out])
    for _ in range(depth):
        node = helper.make_node("If", ["yes"], ["b"], then_branch=inner, else_branch=inner)
        inner = helper.make_graph([node], "inner", [], [out])
    top = helper.make_node("If", ["yes"], ["features"], then_branch=inner, else_branch=inner)
    return graph(top, constants=[numpy_helper.from_array(np.array(True), "yes")])


def dense_in_disguise() -> bytes:
    one = onnx.SparseTensorProto(dims=[HUGE])
    one.values.CopyFrom(numpy_helper.from_array(np.ones(1, np.float32), "big"))
    one.indices.CopyFrom(numbers("at", 0))
    node = helper.make_node("Identity", ["m"], ["n"])
    return graph(node, helper.make_node("Add", ["n", "big"], ["features"]), sparse_initializer=[one])


def unknowable() -> bytes:
    """The length of a tensor is a product that is only known once a sum was computed: 2**34 zeros."""
    ones = numpy_helper.from_array(np.ones(1, np.float32), "one")
    nodes = [
        helper.make_node("Expand", ["one", "length"], ["many"]),
        helper.make_node("ReduceSum", ["many"], ["sum"], keepdims=0),
        helper.make_node("Cast", ["sum"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["whole", "shape"], ["side"]),
        helper.make_node("Mul", ["side", "side"], ["square"]),
        helper.make_node("ConstantOfShape", ["square"], ["big"]),
        helper.make_node("ReduceMax", ["big"], ["top"], keepdims=0),
        helper.make_node("Add", ["m", "top"], ["features"]),
    ]
    return graph(*nodes, constants=[ones, numbers("length", 1 << 17), numbers("shape", 1)])


def ring() -> bytes:
    nodes = [helper.make_node("Add", ["m", "b"], ["a"]), helper.make_node("Identity", ["a"], ["b"])]
    return graph(*nodes, helper.make_node("Identity", ["b"], ["features"]))


def part(number: int, data: bytes) -> bytes:
    """Return a field of a protobuf message."""
    out, rest = bytearray([number << 3 | 2]), len(data)
    while rest > 127:
        out.append(rest & 127 | 128)
        rest >>= 7
    return bytes([*out, rest]) + data


_FEATURES = helper.make_node("Identity", ["m"], ["features"])
_ONE = numpy_helper.from_array(np.ones(1, np.float32), "one")
_LIE = TensorProto(name="big", data_type=TensorProto.FLOAT, dims=[HUGE], raw_data=bytes(20))
GRAPHS: dict[str, bytes] = {
    "graph: no graph at all": b"\x80\x04\x95junk",
    "graph: a pickle": pickle.dumps(ast.literal_eval),
    "graph: cut in half": graph(_FEATURES)[:-30],
    "graph: weights in /etc/passwd": outside("/etc/passwd"),
    "graph: weights in ../../etc/passwd": outside("../../../../../../etc/passwd"),
    "graph: weights beside it": outside("beside.bin"),
    "graph: 2**34 zeros": adding(helper.make_node("ConstantOfShape", ["s"], ["big"]), numbers("s", HUGE)),
    "graph: one number made 2**34": adding(helper.make_node("Expand", ["one", "s"], ["big"]), _ONE, numbers("s", HUGE)),
    "graph: tiles": adding(helper.make_node("Tile", ["m", "s"], ["big"]), numbers("s", 1, HUGE)),
    "graph: a length known too late": unknowable(),
    "graph: a tensor that claims 2**34 numbers": adding(helper.make_node("Identity", ["big"], ["b"]), _LIE),
    "graph: a sparse tensor of 2**34": dense_in_disguise(),
    "graph: an unknown operator": graph(helper.make_node("Evil", ["m"], ["features"])),
    "graph: an operator of somebody": graph(helper.make_node("PyOp", ["m"], ["features"], domain="evil", module="os")),
    "graph: a loop without an end": loop(),
    "graph: branches in branches": nested(12),
    "graph: a ring": ring(),
    "graph: another width": graph(helper.make_node("Concat", ["m", "m"], ["features"], axis=1)),
    "graph: a million empty nodes": part(7, part(1, b"") * 1_000_000),
    "graph: 30 million sides": part(7, part(5, part(1, b"\1" * 30_000_000))),
}

SLOW = {"graph: a million empty nodes"}  # two seconds: once is enough

MODELS: dict[str, Make] = {
    **CONTAINERS,
    **DESCRIBED,
    **ARRAYS,
    **{name: forged(lambda m, data=data: m.update({"graphs/0.onnx": data})) for name, data in GRAPHS.items()},
}


# --- ONNX files with their recipes ---

RECIPE = {
    "size": 32,
    "fit": "squash",
    "crop": 1.0,
    "interpolation": "bilinear",
    "mean": [0.5] * 3,
    "std": [0.25] * 3,
    "channels": "rgb",
}


def onnx_file(data: bytes, recipe: bytes | dict[str, Any] = RECIPE) -> Make:
    def make(folder: Path) -> Path:
        (folder / "net.recipe.json").write_bytes(recipe if isinstance(recipe, bytes) else json.dumps(recipe).encode())
        return written(data, "net.onnx")(folder)

    return make


def good_onnx(folder: Path) -> Path:
    return onnx_file(classifier().SerializeToString())(folder)


_GOOD = classifier().SerializeToString()
ONNX: dict[str, Make] = {
    **{f"file: {name}": onnx_file(data) for name, data in GRAPHS.items() if name not in SLOW and "width" not in name},
    "recipe: size 10**9": onnx_file(_GOOD, {**RECIPE, "size": 10**9}),
    "recipe: NaN": onnx_file(_GOOD, {**RECIPE, "mean": [float("nan")] * 3}),
    "recipe: a hundred thousand brackets": onnx_file(_GOOD, b"[" * 99_000),
    "recipe: eight thousand names": onnx_file(_GOOD, b"{" + b",".join(b'"%d":1' % i for i in range(8000)) + b"}"),
    "recipe: 5 MB": onnx_file(_GOOD, b" " * 5_000_000),
    "recipe: a tensor that is not there": onnx_file(_GOOD, {**RECIPE, "output": "/etc/passwd"}),
    "recipe: unknown setting": onnx_file(_GOOD, {**RECIPE, "preprocess": "os.system"}),
}
