"""Feature files that are damaged, lie or attack are refused with one sentence."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penult import store, worker
from penult.errors import DamagedFile, InputError, PenultError
from penult.store.h5read import load

h5py = pytest.importorskip("h5py")

GOOD = np.arange(12, dtype=np.float32).reshape(4, 3)


def link_out(h: Any, folder: Path) -> None:
    with h5py.File(folder / "other.h5", "w") as other:
        other["train"] = GOOD
    h["train"] = h5py.ExternalLink(str(folder / "other.h5"), "/train")


def soft_link(h: Any, folder: Path) -> None:
    h["elsewhere"] = GOOD
    h["train"] = h5py.SoftLink("/elsewhere")


def outside_data(h: Any, folder: Path) -> None:
    (folder / "secret").write_bytes(bytes(48))
    h.create_dataset("train", (4, 3), "f4", external=[(str(folder / "secret"), 0, 48)])


def virtual(h: Any, folder: Path) -> None:
    layout = h5py.VirtualLayout((4, 3), "f4")
    layout[:] = h5py.VirtualSource(str(folder / "missing.h5"), "train", (4, 3))
    h.create_virtual_dataset("train", layout)


def absurd(h: Any, folder: Path) -> None:
    h.create_dataset("train", (2**40, 2**40), "f4", chunks=(1, 1024))


def bomb(h: Any, folder: Path) -> None:
    h.create_dataset("train", data=np.zeros((3000, 1000), "f4"), compression="gzip")


def huge_chunk(h: Any, folder: Path) -> None:
    h.create_dataset("train", (4, 3), "f4", chunks=(2**14, 2**12), maxshape=(None, None))


def never_written(h: Any, folder: Path) -> None:
    h.create_dataset("train", (4, 3), "f4")
    h["padding"] = np.zeros(100)


def half_written(h: Any, folder: Path) -> None:
    h.create_dataset("train", (4, 3), "f4", chunks=(2, 3))[:2] = 1
    h["padding"] = np.zeros(100)


def references(h: Any, folder: Path) -> None:
    h["train"] = GOOD
    h.create_dataset("train_files", data=np.array([h.ref] * 4, dtype=h5py.ref_dtype))


def group(h: Any, folder: Path) -> None:
    h.create_group("train")


def only(**arrays: Any) -> Callable[[Any, Path], None]:
    def make(h: Any, folder: Path) -> None:
        for name, values in arrays.items():
            h[name] = values

    return make


REFUSED: dict[str, tuple[Callable[[Any, Path], None], type[PenultError], str]] = {
    "external link": (link_out, InputError, "'train' in .* is a link to somewhere else"),
    "soft link": (soft_link, InputError, "is a link to somewhere else"),
    "external storage": (outside_data, InputError, "keeps its data in other files"),
    "virtual": (virtual, InputError, "keeps its data in other files"),
    "absurd shape": (absurd, InputError, "more than a file of"),
    "bomb": (bomb, InputError, "more than a file of"),
    "huge chunk": (huge_chunk, InputError, "has chunks of 268435456 bytes"),
    "never written": (never_written, DamagedFile, "was declared but never written"),
    "half written": (half_written, DamagedFile, "has rows that were never written"),
    "references": (references, InputError, "not allowed there"),
    "group": (group, InputError, "is not a data set"),
    "nothing": (only(), InputError, "has no data set 'train'; give a feature file"),
    "empty": (only(train=np.zeros((0, 3), "f4")), InputError, "train is empty"),
    "null": (only(train=h5py.Empty("f4")), InputError, "has the shape None"),
    "four dimensions": (only(train=np.zeros((2, 2, 2, 2))), InputError, "not 2 dimension"),
    "whole numbers": (only(train=np.ones((2, 3), int)), InputError, "holds int64"),
    "complex": (only(train=np.ones((2, 3), complex)), InputError, "holds complex128"),
    "nan": (only(train=GOOD * np.nan), InputError, "4 of 4 rows of 'train' .* contain NaN or infinite values"),
    "too large": (only(train=np.full((2, 3), 1e300)), InputError, "2 of 2 rows"),
    "test width": (only(train=GOOD, test=GOOD[:, :2]), InputError, "train has 3 columns and test 2"),
    "label count": (only(train=GOOD, label=np.arange(3)), InputError, "label has 3 entries for 4 rows"),
    "one hot": (only(train=GOOD, label=np.eye(4)), InputError, "give one class number per row"),
    "label half": (only(train=GOOD, label=np.full(4, 0.5)), InputError, "not whole numbers; give one class per row"),
    "label nan": (only(train=GOOD, label=np.full(4, np.nan)), InputError, "not whole numbers"),
    "label infinite": (only(train=GOOD, label=np.full(4, np.inf)), InputError, "not whole numbers"),
    "label without end": (only(train=GOOD, label=np.full(4, 1e300)), InputError, "not whole numbers"),
    "label negative": (only(train=GOOD, label=-np.ones(4, int), classes=[b"a"]), InputError, "goes down to -1"),
    "label empty": (only(train=GOOD, label=np.array([b"a", b"", b"a", b"b"])), InputError, "rows without a name"),
    "label long": (only(train=GOOD, label=np.array([b"a" * 600] * 4)), InputError, "texts of more than 500 bytes"),
    "classes": (
        only(train=GOOD, label=np.arange(4), classes=[b"a"]),
        InputError,
        "label goes up to 3, but there are 1",
    ),
    "files": (only(train=GOOD, train_files=[b"a"]), InputError, "train_files has 1 entries for 4 rows"),
    "test files": (only(train=GOOD, test_files=[b"a"]), InputError, "test_files has 1 entries for no rows"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_not_be_trusted_is_refused_with_its_reason(tmp_path: Path, case: str) -> None:
    make, error, said = REFUSED[case]
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as h:
        make(h, tmp_path)
    with pytest.raises(error, match=said) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_disagreements_inside_a_file_are_told_at_once(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as h:
        only(train=GOOD, label=np.arange(3), test=GOOD[:, :1])(h, tmp_path)
    with pytest.raises(InputError, match="train has 3 columns and test 1; label has 3 entries for 4 rows"):
        load(tmp_path / "x.h5")


def test_an_unknown_filter_is_named(tmp_path: Path) -> None:
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((4, 3))
    plan.set_filter(32015, h5py.h5z.FLAG_OPTIONAL)
    with h5py.File(tmp_path / "x.h5", "w") as h:
        space = h5py.h5s.create_simple((4, 3))
        h5py.h5d.create(h.id, b"train", h5py.h5t.NATIVE_FLOAT, space, plan)
    with pytest.raises(InputError, match="filter number 32015"):
        load(tmp_path / "x.h5")


def test_what_is_no_hdf5_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("hello")
    os.mkfifo(tmp_path / "pipe.h5")
    for name, said in {
        "text.h5": "is not an HDF5 file",
        "missing.h5": "does not exist",
        "": "is not a file",
        "pipe.h5": "is not a file",
    }.items():
        with pytest.raises(InputError, match=said):
            load(tmp_path / name)


def test_a_file_that_may_not_be_read_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.h5").write_bytes(b"")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match="cannot be read: Permission denied"):
        load(tmp_path / "x.h5")


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ours") / "data_x.h5"
    names = [f"{i}.jpg" for i in range(4)]
    parts = {"train_files": names, "test_files": names, "classes": ["a", "b"], "facts": {"size": 224}}
    store.write_h5(path, train=GOOD, test=GOOD + 50, label=np.arange(4) % 2, **parts)
    return path


def snapshot(file: store.FeatureFile) -> tuple[Any, ...]:
    arrays = [None if a is None else a.tolist() for a in (file.train, file.test, file.label)]
    return (*arrays, file.train_files, file.test_files, file.classes)


def test_no_flipped_bit_of_our_file_becomes_a_value(ours: Path, tmp_path: Path) -> None:
    """A bit in every eighth byte that is not zero, and in some that are: right values, or a refusal; benchmarks try all."""
    good = load(ours)
    data = ours.read_bytes()
    path = tmp_path / "data_x.h5"
    refused = 0
    used = [place for place, byte in enumerate(data) if byte][::8]
    for place in sorted({*used, *range(0, len(data), 397)}):
        bad = bytearray(data)
        bad[place] ^= 1 << (place % 8)
        path.write_bytes(bad)
        try:
            got = load(path)
        except (DamagedFile, InputError):
            refused += 1
        else:
            assert snapshot(got) == snapshot(good), place
            assert dict(got.facts) in (dict(good.facts), {}), place
    assert refused > 25


def test_a_flipped_byte_order_is_seen(ours: Path, tmp_path: Path) -> None:
    """Every byte of the data is right then, and every value wrong."""
    data = bytearray(ours.read_bytes())
    little_endian_float = b"\x11\x20\x1f\x00\x04"
    assert data.count(little_endian_float) == 2
    data[data.index(little_endian_float) + 1] ^= 1
    (tmp_path / "x.h5").write_bytes(data)
    with pytest.raises(DamagedFile, match=r"train in .* fail their checksum"):
        load(tmp_path / "x.h5")


def test_a_cut_file_is_refused(ours: Path, tmp_path: Path) -> None:
    data = ours.read_bytes()
    path = tmp_path / "x.h5"
    for length in itertools.chain(range(0, 200, 7), range(200, len(data), 397)):
        path.write_bytes(data[:length])
        with pytest.raises((DamagedFile, InputError)):
            load(path)


def test_a_flipped_bit_in_a_foreign_file_with_checksums_is_told_as_damage(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as h:
        h.create_dataset("train", data=GOOD, chunks=(4, 3), fletcher32=True)
    data = bytearray(path.read_bytes())
    data[data.index(GOOD.tobytes()) + 9] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedFile, match=r"x.h5 is damaged or cut off: .*; write it again, or get a fresh copy"):
        load(path)


@pytest.mark.parametrize("change", ["values", "facts", "newer", "missing"])
def test_our_own_record_is_held_against_the_file(ours: Path, tmp_path: Path, change: str) -> None:
    """What HDF5's checksums can not see, because it was rewritten properly, ours do."""
    path = Path(shutil.copy(ours, tmp_path / "x.h5"))
    with h5py.File(path, "r+") as h:
        if change == "values":
            h["train"][0, 0] = 7
        elif change == "missing":
            del h["test"]
        elif change == "facts":
            h.attrs["penult"] = np.bytes_(h.attrs["penult"].replace(b"224", b"225"))
        else:
            text = json.dumps({**json.loads(h.attrs["penult"]), "format": 99}).encode()
            h.attrs["penult"] = np.bytes_(text)
            h.attrs["penult_sha256"] = np.bytes_(hashlib.sha256(text).hexdigest())
    said = {
        "values": "train in .* fail their checksum",
        "missing": "test in .* fail their checksum",
        "facts": "the metadata in .* fails its checksum",
        "newer": "newer than this version reads; update penult",
    }[change]
    with pytest.raises(DamagedFile, match=said):
        load(path)


def test_a_file_that_crashes_hdf5_does_not_crash_us(ours: Path, tmp_path: Path) -> None:
    """Chunk indexes that claim five entries and have one: HDF5 2.0 reads memory that is not its own."""
    data = ours.read_bytes().replace(b"TREE\x01\x00\x01\x00", b"TREE\x01\x00\x05\x00")
    assert data != ours.read_bytes()
    (tmp_path / "x.h5").write_bytes(data)
    with pytest.raises(DamagedFile, match=r"x\.h5"):
        store.read_h5(tmp_path / "x.h5")


def test_a_reading_process_that_dies_half_way_is_damage(ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start, sent = worker.start, pickle.dumps(load(ours))
    for length in (0, 5, 100, len(sent) - 1):
        (tmp_path / "sent").write_bytes(sent[:length])
        script = f"import sys; sys.stdout.buffer.write(open({str(tmp_path / 'sent')!r}, 'rb').read())"
        with monkeypatch.context() as patch:
            patch.setattr(worker, "start", lambda *_, script=script, **__: start("-c", script))
            with pytest.raises(DamagedFile, match="HDF5 crashed while it read it"):
                store.read_h5(ours)


@pytest.mark.parametrize(("case", "error"), [("bomb", InputError), ("half written", DamagedFile)])
def test_refusals_come_through_from_the_reading_process(tmp_path: Path, case: str, error: type[PenultError]) -> None:
    make, _, said = REFUSED[case]
    with h5py.File(tmp_path / "x.h5", "w") as h:
        make(h, tmp_path)
    with pytest.raises(error, match=said):
        store.read_h5(tmp_path / "x.h5")
