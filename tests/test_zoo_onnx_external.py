"""Weights in files beside an ONNX model (torch's default since 2.9) are read, and only from its own folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from onnxnets import KERNEL, PIXELS, RECIPE, WIDTH, classifier, ending, maps_by_numpy, run
from penult.backbones import onnx_guard
from penult.errors import DamagedFile, InputError, PenultError
from penult.zoo import checkpoint, model_cache, onnx_external
from penult.zoo.onnx_source import load
from penult.zoo.sources import ModelSpec

SETTINGS = tuple(RECIPE.to_dict().items())
MEANS = maps_by_numpy(PIXELS).mean(axis=(2, 3))


def spec(path: Path) -> ModelSpec:
    return ModelSpec("onnx", str(path), recipe=SETTINGS)


def saved(folder: Path, **how: Any) -> Path:
    """Save a network with all its weights in other files; return its path."""
    folder.mkdir(exist_ok=True, parents=True)
    how = {"location": "net.onnx.data", "size_threshold": 0, **how}
    onnx.save_model(classifier(), folder / "net.onnx", save_as_external_data=True, **how)
    return folder / "net.onnx"


def changed(path: Path, change: Callable[[TensorProto], None], name: str = "kernel") -> None:
    """Change what the model says of one tensor, and nothing else."""
    model = onnx.load_model(path, load_external_data=False)
    change(next(t for t in model.graph.initializer if t.name == name))
    path.write_bytes(model.SerializeToString())


def told(**facts: str | None) -> Callable[[TensorProto], None]:
    """Return what says something else of where a tensor is; None leaves a fact out."""

    def change(tensor: TensorProto) -> None:
        entries = {entry.key: entry.value for entry in tensor.external_data}
        del tensor.external_data[:]
        for key, value in {**entries, **facts}.items():
            if value is not None:
                tensor.external_data.add(key=key, value=value)

    return change


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"convert_attribute": True},
        {"all_tensors_to_one_file": False, "location": None},
        {"location": "weights.bin"},
    ],
    ids=["as torch writes it", "attributes too", "a file a tensor", "another name"],
)
def test_the_features_are_those_of_the_model_in_one_file(tmp_path: Path, how: dict[str, Any]) -> None:
    """However an exporter spreads the weights over files, the network is the same, and whole in itself from then on."""
    path = saved(tmp_path, **how)
    assert len(list(tmp_path.iterdir())) > 1
    body = load(spec(path))
    np.testing.assert_allclose(run(body), MEANS, rtol=1e-5, atol=1e-5)
    onnx_guard.check(body.network)


def test_what_exporters_leave_out_or_add_is_no_matter(tmp_path: Path) -> None:
    """No length (the file ends with the tensor), a checksum, a folder below, pieces that lie apart."""
    path = saved(tmp_path)
    (tmp_path / "below").mkdir()
    (tmp_path / "below/kernel.bin").write_bytes(bytes(4096) + KERNEL.tobytes())
    changed(path, told(location="below/kernel.bin", offset="4096", length=None, checksum="0" * 40))
    np.testing.assert_allclose(run(load(spec(path))), MEANS, rtol=1e-5, atol=1e-5)


def test_the_digest_is_of_the_weights_too(tmp_path: Path) -> None:
    """Other weights beside the same model are another network, with another place in the cache; one file has its sha256."""
    path, plain = saved(tmp_path / "a"), tmp_path / "plain.onnx"
    before = model_cache.entry_of(spec(path), tmp_path), load(spec(path)).weights, onnx_external.digest(path)
    assert before[1] == before[2]
    assert model_cache.entry_of(spec(saved(tmp_path / "b")), tmp_path) == before[0]  # the same, elsewhere
    data = bytearray((tmp_path / "a/net.onnx.data").read_bytes())
    data[3] ^= 1
    (tmp_path / "a/net.onnx.data").write_bytes(data)
    after = model_cache.entry_of(spec(path), tmp_path), load(spec(path)).weights, onnx_external.digest(path)
    assert all(x != y for x, y in zip(before, after, strict=True))
    onnx.save(classifier(), plain)
    assert onnx_external.digest(plain) == checkpoint.of_file(plain) == load(spec(plain)).weights


def gone(folder: Path) -> None:
    (folder / "net.onnx.data").unlink()


def linked(folder: Path) -> None:
    (folder / "net.onnx.data").rename(folder.parent / "secret")
    (folder / "net.onnx.data").symlink_to(folder.parent / "secret")


def linked_folder(folder: Path) -> None:
    (folder.parent / "outside").mkdir()
    shutil.copy(folder / "net.onnx.data", folder.parent / "outside/w")
    (folder / "in").symlink_to(folder.parent / "outside")
    changed(folder / "net.onnx", told(location="in/w"))


def a_folder(folder: Path) -> None:
    gone(folder)
    (folder / "net.onnx.data").mkdir()


def a_pipe(folder: Path) -> None:
    gone(folder)
    os.mkfifo(folder / "net.onnx.data")


def short(folder: Path) -> None:
    os.truncate(folder / "net.onnx.data", 40)


def says(**facts: str | None) -> Callable[[Path], None]:
    return lambda folder: changed(folder / "net.onnx", told(**facts))


def sides(*dims: int) -> Callable[[Path], None]:
    return lambda folder: changed(folder / "net.onnx", lambda tensor: tensor.dims.__setitem__(slice(None), dims))


def kind(number: int) -> Callable[[Path], None]:
    return lambda folder: changed(folder / "net.onnx", lambda tensor: setattr(tensor, "data_type", number))


def inside_as_well(folder: Path) -> None:
    changed(folder / "net.onnx", lambda tensor: setattr(tensor, "raw_data", KERNEL.tobytes()))


OUTSIDE = "outside its own folder"
HOSTILE: dict[str, tuple[Callable[[Path], None], type[PenultError], str]] = {
    "no file": (
        gone,
        InputError,
        r"keeps its weights in net.onnx.data, which is not beside it; copy it .*external_data=False",
    ),
    "a folder": (a_folder, InputError, "net.onnx.data, which is not beside it"),
    "a pipe": (a_pipe, InputError, "net.onnx.data, which is not beside it"),
    "an absolute name": (says(location="/etc/passwd"), InputError, OUTSIDE),
    "a name above": (says(location="../net.onnx.data"), InputError, OUTSIDE),
    "a name above, further in": (says(location="a/../../b"), InputError, OUTSIDE),
    "a name of Windows": (says(location="..\\b"), InputError, OUTSIDE),
    "a drive": (says(location="C:\\b"), InputError, OUTSIDE),
    "a share": (says(location="\\\\host\\b"), InputError, OUTSIDE),
    "a zero in the name": (says(location="a\0b"), InputError, OUTSIDE),
    "a name without end": (says(location="x" * 300), InputError, OUTSIDE),
    "no name": (says(location=""), PenultError, "outside its own folder|does not say clearly"),
    "no name at all": (says(location=None), DamagedFile, "does not say clearly where its tensor 'kernel' is"),
    "a link out": (linked, InputError, "net.onnx.data, a link that leads out of its folder; put the file itself"),
    "a folder that leads out": (linked_folder, InputError, "in/w, a link that leads out of its folder"),
    "a file cut off": (short, DamagedFile, "is not the file of weights that .* was written with"),
    "a place behind the end": (says(offset="99999999"), DamagedFile, "is not the file of weights"),
    "a place before the beginning": (says(offset="-8"), DamagedFile, "is not the file of weights"),
    "a place that is no number": (says(offset="many"), DamagedFile, "is not the file of weights"),
    "a length of its own": (says(length="4"), DamagedFile, "is not the file of weights"),
    "a length without end": (says(length=str(2**62)), DamagedFile, "is not the file of weights"),
    "sides without end": (sides(2**40, 2**20), InputError, "GB of weights, and 2.1 GB are the most"),
    "sides that the file has not": (sides(WIDTH, 3, 4, 5), DamagedFile, "is not the file of weights"),
    "sides below zero": (sides(-1, 5), DamagedFile, "no other file can hold"),
    "texts": (kind(TensorProto.STRING), DamagedFile, "no other file can hold"),
    "a kind that is none": (kind(99), DamagedFile, "no other file can hold"),
    "numbers inside as well": (inside_as_well, DamagedFile, "does not say clearly"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_files_that_are_not_its_own_are_refused_in_a_sentence(tmp_path: Path, case: str) -> None:
    """Nothing outside the model's folder is read, nothing is asked of the memory that the files do not hold."""
    change, kind_of_error, message = HOSTILE[case]
    path = saved(tmp_path / "model")
    change(path.parent)
    with pytest.raises(kind_of_error, match=message) as error:
        load(spec(path))
    assert len(str(error.value)) < 700
    assert "\n" not in str(error.value)


def test_a_tensor_that_claims_too_much_is_refused_unless_it_says_where_the_numbers_are() -> None:
    """The check of a graph's bytes is as it was for tensors that stand in the graph."""
    model = ending(lambda _, x: x, ("n", WIDTH, 8, 8))
    tensor = TensorProto(name="far", data_type=TensorProto.FLOAT, dims=[1 << 30])
    model.graph.initializer.append(tensor)
    for outside in (False, True):
        with pytest.raises(ValueError, match="claims 1073741824 numbers and does not hold them"):
            onnx_guard.check(model.SerializeToString(), outside)
    tensor = model.graph.initializer[-1]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="w.bin")
    with pytest.raises(ValueError, match="in other files"):
        onnx_guard.check(model.SerializeToString())
    assert onnx_guard.locations(model.SerializeToString()) == ["w.bin"]
    tensor.data_location = TensorProto.DEFAULT
    with pytest.raises(ValueError, match="one of its tensors claims"):
        onnx_guard.check(model.SerializeToString(), outside=True)
