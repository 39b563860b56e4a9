"""A model file comes back as it was saved, or is refused with a sentence; nothing in it can run."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from penult import backbones, bundle, heads
from penult.bundle import Bundle
from penult.errors import DamagedFile, InputError, InternalError


@pytest.fixture(scope="module")
def model() -> Bundle:
    random = np.random.default_rng(1)
    network = backbones.find_builtin("colour_histogram")
    y = np.repeat([0, 1], 15)
    X = random.random((30, network.width), np.float32) + y[:, None].astype(np.float32)
    head = heads.make_head("logistic", blocks=(network.width,)).fit(X, y)
    return Bundle(("cat", "dög"), (network,), (network.width,), head.to_arrays(), np.array([0.5, 0.5]), facts={"a": 1})


def test_what_is_saved_is_loaded_bit_for_bit(model: Bundle, tmp_path: Path) -> None:
    bundle.save_bundle(tmp_path / "m.penult", model)
    again = bundle.load_bundle(tmp_path / "m.penult")
    assert again.classes == model.classes
    assert again.widths == model.widths
    assert again.facts == {"a": 1}
    assert again.backbones[0].digest == model.backbones[0].digest
    assert again.backbones[0].recipe == model.backbones[0].recipe
    for name, array in model.head.arrays.items():
        np.testing.assert_array_equal(again.head.arrays[name], array)


def test_the_same_model_gives_the_same_bytes(model: Bundle, tmp_path: Path) -> None:
    bundle.save_bundle(tmp_path / "a.penult", model)
    bundle.save_bundle(tmp_path / "b.penult", model)
    assert (tmp_path / "a.penult").read_bytes() == (tmp_path / "b.penult").read_bytes()


def test_a_run_folder_stands_for_its_model(model: Bundle, tmp_path: Path) -> None:
    bundle.save_bundle(tmp_path / "model.penult", model)
    assert bundle.load_bundle(tmp_path).classes == model.classes


def test_no_model_and_no_zip_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no model at"):
        bundle.load_bundle(tmp_path / "none.penult")
    with pytest.raises(InputError, match=r"is a folder without a model\.penult; give the folder of a run"):
        bundle.load_bundle(tmp_path)
    (tmp_path / "text.penult").write_text("hello")
    with pytest.raises(DamagedFile, match="not a complete penult model"):
        bundle.load_bundle(tmp_path / "text.penult")


def test_a_flipped_bit_anywhere_is_refused(model: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "m.penult"
    bundle.save_bundle(path, model)
    data = path.read_bytes()
    random = np.random.default_rng(2)
    places = {0, 5, len(data) - 1, *random.integers(0, len(data), 300).tolist()}
    for place in places:
        broken = bytearray(data)
        broken[place] ^= 1 << int(random.integers(8))
        path.write_bytes(broken)
        try:
            again = bundle.load_bundle(path)
        except DamagedFile:
            continue
        for (
            name,
            array,
        ) in model.head.arrays.items():  # a flip in the zip's own padding or dates changes nothing
            np.testing.assert_array_equal(again.head.arrays[name], array)
        assert again.classes == model.classes


def test_every_cut_is_refused(model: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "m.penult"
    bundle.save_bundle(path, model)
    data = path.read_bytes()
    for end in (0, 1, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:end])
        with pytest.raises(DamagedFile):
            bundle.load_bundle(path)


Members = dict[str, bytes]


def forged(path: Path, change: Callable[[Members], None], compression: int = zipfile.ZIP_STORED) -> None:
    """Rewrite the bundle with changed members and checksums that fit them."""
    with zipfile.ZipFile(path) as archive:
        members = {n: archive.read(n) for n in archive.namelist() if n != "SHA256SUMS"}
    change(members)
    sums = "".join(f"{hashlib.sha256(d).hexdigest()}  {n}\n" for n, d in sorted(members.items()))
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in {"SHA256SUMS": sums.encode(), **members}.items():
            archive.writestr(name, data)


def newer(members: Members) -> None:
    members["bundle.json"] = json.dumps({**json.loads(members["bundle.json"]), "format": 99}).encode()


def slipped(members: Members) -> None:
    members["../evil.py"] = b"print(1)"


def pickled(members: Members) -> None:
    members["head/evil.pkl"] = pickle.dumps([1])


def huge(members: Members) -> None:
    name = next(n for n in members if n.startswith("head/"))
    members[name] = (
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }".ljust(127)
        + b"\n"
        + bytes(8)
    )


def objects(members: Members) -> None:
    name = next(n for n in members if n.startswith("head/"))
    members[name] = (
        b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(127) + b"\n" + bytes(8)
    )


def emptied(members: Members) -> None:
    members["bundle.json"] = b"{}"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (newer, "has format 99, this penult reads up to 1"),
        (slipped, r"\.\./evil\.py"),
        (pickled, r"evil\.pkl"),
        (huge, "does not hold what its header says"),
        (objects, "does not hold what its header says"),
        (emptied, "not a penult model"),
    ],
)
def test_a_bundle_made_to_deceive_is_refused(
    model: Bundle, tmp_path: Path, change: Callable[[Members], None], says: str
) -> None:
    path = tmp_path / "m.penult"
    bundle.save_bundle(path, model)
    forged(path, change)
    with pytest.raises(DamagedFile, match=says):
        bundle.load_bundle(path)


def test_a_compressed_bundle_is_refused_before_it_is_unpacked(model: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "m.penult"
    bundle.save_bundle(path, model)
    forged(path, lambda members: members.update({"head/bomb.npy": bytes(10_000_000)}), zipfile.ZIP_DEFLATED)
    with pytest.raises(DamagedFile, match="compressed"):
        bundle.load_bundle(path)


def test_the_training_photos_of_a_model_are_known_by_their_digests(model: Bundle, tmp_path: Path) -> None:
    """The beginnings of the digests are kept once, sorted; they tell training photos from others."""
    digests = np.random.default_rng(2).integers(0, 256, (500, 32), dtype=np.uint8)
    kept = bundle.seen_digests(np.concatenate([digests[:300], digests[:40]]))
    assert (len(kept), kept.dtype.itemsize) == (300, 8)
    bundle.save_bundle(tmp_path / "m.penult", dataclasses.replace(model, seen=kept))
    again = bundle.load_bundle(tmp_path / "m.penult").seen
    assert again is not None
    np.testing.assert_array_equal(again, kept)
    np.testing.assert_array_equal(bundle.were_seen(digests, again), np.arange(500) < 300)
    bundle.save_bundle(tmp_path / "old.penult", model)
    assert bundle.load_bundle(tmp_path / "old.penult").seen is None


def test_of_very_many_training_photos_a_part_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penult.bundle.model.MOST_PHOTOS", 50)
    digests = np.random.default_rng(2).integers(0, 256, (500, 32), dtype=np.uint8)
    kept = bundle.seen_digests(digests)
    assert len(kept) == 50
    assert bundle.were_seen(digests, kept).sum() == 50


@pytest.mark.parametrize(
    "kept",
    [
        np.array([2, 1], "<u8"),
        np.array([1, 1], "<u8"),
        np.array([], "<u8"),
        np.array([[1, 2]], "<u8"),
        np.array([1.0, 2.0]),
        np.array([1, 2], "<i8"),
    ],
    ids=["unsorted", "twice", "none", "two sides", "floats", "signed"],
)
def test_a_list_of_training_photos_that_cannot_be_is_refused(
    kept: np.ndarray, model: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As somebody else may have written it: we do not."""
    with monkeypatch.context() as unchecked:
        unchecked.setattr("penult.bundle.model_file.parse", lambda members: None)
        bundle.save_bundle(tmp_path / "m.penult", dataclasses.replace(model, seen=kept))
    with pytest.raises(DamagedFile, match="list of training photos is not sorted digests"):
        bundle.load_bundle(tmp_path / "m.penult")


def test_a_model_that_would_not_load_is_not_saved_and_told_as_a_bug(model: Bundle, tmp_path: Path) -> None:
    """Whoever just trained did nothing wrong, and training again would not help."""
    pictures = np.zeros((1, 8, 8, 3), np.uint8)
    wrong = [
        dataclasses.replace(model, prior=np.array([0.5, 0.4])),
        dataclasses.replace(model, classes=("cat", "cat")),
        dataclasses.replace(model, selftest={"images": pictures, "proba": np.array([[0.6, 0.4005]])}),
        dataclasses.replace(model, selftest={"images": pictures, "proba": np.array([[np.nan, 1.0]])}),
        dataclasses.replace(model, head=dataclasses.replace(model.head, facts={**model.head.facts, "clip": 0.7})),
    ]
    for one in wrong:
        with pytest.raises(InternalError, match=r"a bug of penult .*report it, please") as caught:
            bundle.save_bundle(tmp_path / "m.penult", one)
        assert "train again" not in str(caught.value)
    assert not any(tmp_path.iterdir())
