"""The doors for files from anywhere: what is sound passes unchanged, what is not is an error with a reason."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from onnx import TensorProto, helper, numpy_helper

from hostile_models import GRAPHS, graph, npy, part, sparse
from onnxnets import classifier, keras
from penult import untrusted
from penult.backbones import onnx_guard
from tinynet import tiny
from zips import Entry, put

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
)


@settings(max_examples=25)
@given(PLAIN)
def test_json_comes_through_as_it_is(value: object) -> None:
    text = json.dumps(value)
    assert json.dumps(untrusted.parse_json(text.encode())) == text


@settings(max_examples=40)
@given(st.data(), st.sampled_from(["<f8", "<f4", "<f2", ">f4", "<i8", "|u1", "|b1", "<u2"]), st.sampled_from("CF"))
def test_arrays_come_through_as_they_are(data: st.DataObject, kind: str, order: str) -> None:
    wanted = data.draw(arrays(np.dtype(kind), array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)))
    got = untrusted.parse_npy(npy(np.asarray(wanted, order=order)))
    assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
    assert got.tobytes() == wanted.tobytes() and not got.flags.writeable


@pytest.mark.parametrize("text", ["a,b\n1,2\n", 'a,b\r\n"x\ny",2\r\n', "a;b\n1;2\n", "\ufeffa,b\n\n1,2", "a\rb\r"])
def test_rows_are_those_of_the_csv_module(tmp_path: Path, text: str) -> None:
    import csv

    (tmp_path / "t.csv").write_text(text, encoding="utf-8", newline="")
    text = text.removeprefix("\ufeff")
    wanted = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in text else ",") if row]
    assert [cells for _, cells in untrusted.read_csv(tmp_path / "t.csv", ",;")] == wanted


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name, said in (
        ("pipe", "device or a pipe"),
        ("zero", "device or a pipe"),
        (".", "Is a directory"),
        ("none", "No such"),
    ):
        with pytest.raises(OSError, match=said):
            untrusted.open_file(tmp_path / name)
    with pytest.raises(OSError, match="more than 1,000 bytes"):
        untrusted.read_bytes(sparse(tmp_path / "large", 1001), 1000)


def test_stored_members_come_through_and_lies_do_not() -> None:
    sound = [Entry("a", b"x" * 50), Entry("b", b"")]
    archive = untrusted.StoredZip(io.BytesIO(put(sound)), 2)
    assert {name: archive.read(name) for name in archive.names} == {"a": b"x" * 50, "b": b""}
    for lie, said in ((Entry("a", b"xy", packed=1), "overlap"), (Entry("a", b"xy", method=8), "compressed")):
        with pytest.raises(ValueError, match=said):
            untrusted.StoredZip(io.BytesIO(put([lie])), 2)
    with pytest.raises(ValueError, match="3 members, and 2 are the most"):
        untrusted.StoredZip(io.BytesIO(put([*sound, Entry("c", b"")])), 2)


@pytest.mark.parametrize(
    "made", [tiny().graph(), classifier().SerializeToString(), keras().SerializeToString()], ids=["own", "torch", "keras"]
)
def test_graphs_of_networks_pass(made: bytes) -> None:
    onnx_guard.check(made)


def test_numbers_of_every_kind_pass() -> None:
    """Weights as exporters keep them: raw, packed as floats, and as half floats in int32."""
    values = np.arange(5, dtype=np.float32)
    floats = helper.make_tensor("w", TensorProto.FLOAT, [5], values.tolist())
    halves = helper.make_tensor("h", TensorProto.FLOAT16, [5], values.astype(np.float16).tolist())
    add = helper.make_node("Add", ["m", "w"], ["features"])
    for constants in (
        [floats, halves],
        [numpy_helper.from_array(values, "w"), helper.make_tensor("i", TensorProto.INT64, [2], [1, -1])],
    ):
        onnx_guard.check(graph(add, constants=constants))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("graph: weights in /etc/passwd", "keeps tensors in other files"),
        ("graph: a sparse tensor of 2**34", "sparse tensors"),
        ("graph: a loop without an end", "has a loop"),
        ("graph: branches in branches", "too deep"),
        ("graph: a ring", "form a cycle"),
        ("graph: a tensor that claims 2**34 numbers", "claims 17179869184 numbers"),
        ("graph: 30 million sides", "more parts|more dimensions"),
        ("graph: a pickle", "not a valid ONNX graph"),
    ],
)
def test_graphs_made_to_harm_do_not_pass(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        onnx_guard.check(GRAPHS[name])


@given(st.binary(max_size=300))
def test_any_bytes_pass_or_are_refused(data: bytes) -> None:
    try:
        onnx_guard.check(data)
        onnx_guard.check(part(7, data))
    except ValueError as error:
        assert len(str(error)) < 300


def test_the_cost_of_numbers_is_that_of_their_memory() -> None:
    """Nine million sides of one byte each would be 72 MB of memory: still fine; twice as many are not."""
    onnx_guard.check(part(7, part(1, part(5, part(8, b"\1" * 9_000_000)))))
    with pytest.raises(ValueError, match="more parts"):
        onnx_guard.check(part(7, part(1, part(5, part(8, b"\1" * 18_000_000)))))
