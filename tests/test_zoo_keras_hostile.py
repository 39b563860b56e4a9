"""A file of weights from anywhere is read, or refused in one sentence; it is never believed."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penult.errors import DamagedFile, InputError, PenultError
from penult.zoo.keras_weights import WeightsFile, opened

KERNEL = "layers/conv2d/vars/0"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Return a file as Keras 3 lays it out, made without Keras."""
    import h5py

    with h5py.File(tmp_path / "net.weights.h5", "w") as file:
        file[KERNEL] = np.arange(270, dtype=np.float32).reshape(3, 3, 3, 10)
        file["layers/conv2d/vars/1"] = np.arange(10, dtype=np.float32)
        file["layers/dropout/seed_generator/vars/0"] = np.arange(2, dtype=np.uint32)
        file["layers/dense/vars/0"] = np.ones((10, 2), np.float32)
        file.create_group("layers/rescaling/vars")
        file.create_group("vars")
    return tmp_path / "net.weights.h5"


def look(path: Path) -> WeightsFile:
    with opened(path) as file:
        for layer in file.layers:
            for array in layer.arrays:
                array.read()
        return file


def test_layers_are_read_in_keras_order(weights: Path) -> None:
    """State of random numbers is no weight; layers without weights are only counted."""
    with opened(weights) as file:
        found = {layer.name: [t.read().shape for t in layer.arrays] for layer in file.layers}
        assert (file.paths, file.rescalings) == (True, 1)
    assert found == {"layers/conv2d": [(3, 3, 3, 10), (10,)], "layers/dense": [(10, 2)]}


def test_the_layout_of_keras_2_15_is_known(weights: Path) -> None:
    import h5py

    with h5py.File(weights, "a") as file:
        file.move("layers", "_layer_checkpoint_dependencies")
    assert [layer.name for layer in look(weights).layers] == ["layers/conv2d", "layers/dense"]


def external(file: Any) -> None:
    file.create_dataset(KERNEL, (10,), np.float32, external=[("/etc/passwd", 0, 40)])


def virtual(file: Any) -> None:
    import h5py

    layout = h5py.VirtualLayout((10,), np.float32)
    layout[:] = h5py.VirtualSource("other.h5", "x", (10,))
    file.create_virtual_dataset(KERNEL, layout)


def elsewhere(file: Any) -> None:
    import h5py

    file[KERNEL] = h5py.ExternalLink("/etc/passwd", "x")


def soft(file: Any) -> None:
    import h5py

    file[KERNEL] = h5py.SoftLink("/layers/dense/vars/0")


def huge(file: Any) -> None:
    file.create_dataset(KERNEL, (1 << 20, 1 << 20), np.float32, chunks=(1024, 1024), compression="gzip")


def unwritten(file: Any) -> None:
    file.create_dataset(KERNEL, (10, 10), np.float32, chunks=(5, 5))


def words(file: Any) -> None:
    file[KERNEL] = np.array([b"text"])


def ring(file: Any) -> None:
    file["layers/conv2d/round"] = file["layers"]


@pytest.mark.parametrize(
    ("fault", "kind", "sentence"),
    [
        (external, InputError, "keeps its data in other files"),
        (virtual, InputError, "keeps its data in other files"),
        (elsewhere, InputError, "is a link to somewhere else"),
        (soft, InputError, "is a link to somewhere else"),
        (huge, InputError, "more than a file of"),
        (unwritten, DamagedFile, "was declared but never written"),
        (words, InputError, "which is no kind of number"),
        (ring, InputError, "is a group that stands in two places"),
    ],
)
def test_what_a_file_only_claims_is_refused(
    fault: Callable[[Any], None], kind: type[PenultError], sentence: str, weights: Path
) -> None:
    import h5py

    with h5py.File(weights, "a") as file:
        del file[KERNEL]
        fault(file)
    with pytest.raises(kind, match=sentence):
        look(weights)


def test_names_of_data_that_is_not_there(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs["layer_names"] = ["conv"]
        file.create_group("conv").attrs["weight_names"] = ["conv/kernel"]
    with pytest.raises(DamagedFile, match="announces 'conv/conv/kernel' and does not have it"):
        look(tmp_path / "old.h5")


def test_every_cut_is_found(weights: Path) -> None:
    """Cut anywhere: damaged, never a traceback of HDF5's, never other numbers."""
    whole = weights.read_bytes()
    for length in range(0, len(whole), 257):
        weights.write_bytes(whole[:length])
        with pytest.raises((DamagedFile, InputError)):
            look(weights)


def test_a_keras_zip_is_read_for_its_weights_alone(weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "net.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", '{"class_name": "Lambda", "config": {"function": "not looked at"}}')
        archive.write(weights, "model.weights.h5")
    assert [layer.name for layer in look(path).layers] == ["layers/conv2d", "layers/dense"]
    whole = path.read_bytes()
    path.write_bytes(whole.replace(np.arange(10, dtype=np.float32).tobytes(), bytes(40)))
    with pytest.raises(DamagedFile, match="damaged or cut off: Bad CRC-32"):
        look(path)


def test_a_zip_that_unpacks_to_far_more_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", bytes(10_000_000))
    with pytest.raises(InputError, match="claims 10000000 bytes of weights, more than it can hold"):
        look(path)


def test_other_files_are_told_apart(tmp_path: Path) -> None:
    import h5py

    class Bad:
        def __reduce__(self) -> Any:
            return pytest.fail, ("it was unpickled",)

    (tmp_path / "pickle.h5").write_bytes(pickle.dumps(Bad()))
    with zipfile.ZipFile(tmp_path / "torch.keras", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Bad()))
    with h5py.File(tmp_path / "features.h5", "w") as file:
        file["train"] = np.ones((3, 4))
    for name, kind, sentence in (
        ("pickle.h5", DamagedFile, r"is not a whole \.h5, \.weights\.h5 or \.keras file"),
        ("torch.keras", InputError, r"holds no model\.weights\.h5"),
        ("features.h5", InputError, "holds no layers with weights"),
        ("nowhere.h5", InputError, "is not a file"),
        (".", InputError, "is not a file"),
    ):
        with pytest.raises(kind, match=sentence):
            look(tmp_path / name)
