"""Photos that use 8, 10, 12 or 14 bits of 16-bit files: found out for a run, scaled by what they use, kept with the model."""

from __future__ import annotations

import json
import struct
import zlib
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from badimages import photo, png, save
from penult import TransferClassifier, backbones, predict
from penult.cli import main
from penult.embed import EmbedOptions, at_depth, depth_notes, find_depth
from penult.errors import InputError
from penult.pixels import DEPTHS, Failure, Recipe, decode, modes, stores_sixteen

Values = NDArray[np.uint16]


def drawn(bits: int, gray: bool, seed: int = 3) -> Values:
    """Return a photo whose values go to the end of `bits` bits, (h, w) or (h, w, 3)."""
    eight = photo(40, 56, seed).astype(np.uint32)
    eight = eight[..., 0] if gray else eight
    eight = eight * 255 // eight.max()
    return (eight * (2**bits - 1) // 255).astype(np.uint16)


def as_png(values: Values) -> bytes:
    wide = values.astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in wide)
    color = {2: 0, 3: {2: 4, 3: 2, 4: 6}.get(values.shape[-1], 0)}[values.ndim]
    return png(values.shape[1], values.shape[0], 16, color, zlib.compress(rows))


def as_pnm(values: Values) -> bytes:
    kind = b"P5" if values.ndim == 2 else b"P6"
    head = b"%s # a note\n%d %d\n65535\n" % (kind, values.shape[1], values.shape[0])
    return head + values.astype(">u2").tobytes()


def as_tiff(values: Values, order: str = "<", inverted: bool = False) -> bytes:
    samples = 1 if values.ndim == 2 else 3
    body = values.astype(order + "u2").tobytes()
    tags = {256: values.shape[1], 257: values.shape[0], 258: 16, 259: 1, 262: 2 if samples == 3 else int(not inverted)}
    tags |= {273: 300, 277: samples, 278: values.shape[0], 279: len(body)}
    entries = b""
    for tag, value in tags.items():
        if tag == 258 and samples == 3:
            entries += struct.pack(order + "HHII", tag, 3, 3, 280)
        else:
            entries += struct.pack(order + "HHII", tag, 4, 1, value)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8) + struct.pack(order + "H", len(tags))
    return (head + entries + bytes(4)).ljust(280, b"\0") + struct.pack(order + "3H", 16, 16, 16).ljust(20, b"\0") + body


def as_packed_tiff(values: Values) -> bytes:
    return save(Image.fromarray(values), "TIFF", compression="tiff_lzw")


WRITERS = {
    "PNG": as_png, "PNM": as_pnm, "TIFF": as_tiff, "big-endian TIFF": lambda v: as_tiff(v, ">"), "packed TIFF": as_packed_tiff
}  # fmt: skip
KINDS = [(name, gray) for name, gray in product(WRITERS, (True, False)) if gray or name != "packed TIFF"]


@pytest.mark.parametrize(("name", "gray"), KINDS)
@pytest.mark.parametrize("bits", DEPTHS)
def test_each_format_gives_what_eight_bits_would_show(name: str, gray: bool, bits: int, tmp_path: Path) -> None:
    values = drawn(bits, gray)
    data = WRITERS[name](values)
    (tmp_path / "photo").write_bytes(data)
    assert stores_sixteen(tmp_path / "photo")
    assert find_depth([tmp_path / "photo"], EmbedOptions(cache=False, workers=0)) == bits
    found = decode(data, depth=bits)
    assert not isinstance(found, Failure), found
    wanted = np.broadcast_to((values if not gray else values[..., None]) * (255 / (2**bits - 1)), found.shape)
    assert np.abs(found - wanted).max() <= 1
    above = values.astype(np.uint32) * 4
    if bits < 14:  # what is above the range is white
        brighter = decode(WRITERS[name](above.clip(0, 65535).astype(np.uint16)), depth=bits)
        assert not isinstance(brighter, Failure)
        assert (brighter[wanted * 4 >= 256] == 255).all()


def test_white_is_zero_is_turned_round_at_every_depth() -> None:
    found = decode(as_tiff(np.array([[0, 1023, 4095, 5000]], np.uint16), inverted=True), depth=12)
    assert not isinstance(found, Failure)
    assert found[0, :, 0].tolist() == [255, 191, 0, 0]


@pytest.mark.parametrize("opaque", [4095, 65535])
def test_alpha_is_laid_on_white_whatever_it_counts_to(opaque: int) -> None:
    for channels in (1, 3):
        values = np.full((6, 6, channels + 1), 2048, np.uint16)
        values[..., -1] = opaque
        values[:3, :, -1] = 0
        found = decode(as_png(values), depth=12)
        assert not isinstance(found, Failure)
        assert (found[:3] == 255).all()
        assert (np.abs(found[3:].astype(int) - 128) <= 1).all()


def test_a_transparent_color_is_compared_in_all_bits() -> None:
    values = np.array([[[300, 300, 300], [301, 300, 300]]], np.uint16)
    data = as_png(values)
    at = data.index(b"IDAT") - 4
    body = b"tRNS" + struct.pack(">3H", 300, 300, 300)
    data = data[:at] + struct.pack(">I", 6) + body + struct.pack(">I", zlib.crc32(body)) + data[at:]
    found = decode(data, depth=10)
    assert not isinstance(found, Failure)
    assert found[0, 0].tolist() == [255] * 3
    assert found[0, 1].tolist() == [75] * 3


def test_photos_of_eight_bits_are_the_same_at_every_depth() -> None:
    picture = photo()
    for data in (save(picture, "JPEG"), save(picture, "PNG"), save(picture, "TIFF"), save(picture, "PPM")):
        assert all((decode(data, depth=bits) == decode(data)).all() for bits in DEPTHS)


def test_only_files_that_do_not_say_how_many_bits_they_use_are_looked_at(tmp_path: Path) -> None:
    values = drawn(12, gray=True)
    known = {
        "8 bits": save(photo(), "PNG"),
        "a JPEG": save(photo(), "JPEG"),
        "a PGM that says 4095": b"P5 56 40 4095\n" + values.astype(">u2").tobytes(),
        "an 8-bit TIFF": save(photo(), "TIFF"),
        "nothing": b"",
    }
    for name, data in known.items():
        (tmp_path / name).write_bytes(data)
        assert not stores_sixteen(tmp_path / name), name
    assert not stores_sixteen(tmp_path)
    assert not stores_sixteen(tmp_path / "not there")


@pytest.mark.parametrize("bits", DEPTHS[:-1])
def test_hot_pixels_do_not_hide_the_depth_and_a_slope_is_no_hot_pixel(bits: int) -> None:
    values = drawn(bits, gray=True).repeat(10, axis=0).repeat(10, axis=1)  # 224,000 of them
    values[:4, 0] = 65535
    assert modes.choose_depth([modes.levels(values, alpha=False)]) == bits
    random = np.random.default_rng(1)
    stars = (40 / random.random(300_000) ** 0.9).clip(0, 65535).astype(np.uint16)[None]  # few are bright, at any brightness
    assert modes.choose_depth([modes.levels(stars, alpha=False)]) == 16


def test_no_sixteen_bit_file_means_sixteen() -> None:
    assert modes.choose_depth([]) == 16


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 10**9)] * 6), max_size=4))
def test_whatever_the_counts_a_depth_of_the_list_is_chosen(counts: list[tuple[int, ...]]) -> None:
    assert modes.choose_depth(counts) in DEPTHS


def test_a_depth_of_sixteen_leaves_recipes_and_digests_as_they_were() -> None:
    network = backbones.find_builtin("colour_histogram")
    assert "depth" not in network.recipe.to_dict()
    assert network.at_depth(16).digest == network.digest
    at_twelve = network.at_depth(12)
    assert at_twelve.digest != network.digest
    assert Recipe.from_dict(json.loads(json.dumps(at_twelve.recipe.to_dict()))) == at_twelve.recipe
    with pytest.raises(InputError, match="8, 10, 12, 14 or 16"):
        Recipe(8, depth=11)


# --- runs ---


def lay_out(folder: Path, bits: int, count: int = 6) -> Path:
    """Write dark and bright photos, of which one cannot tell by color what the depth is."""
    for label, low, high in (("dim", 0, 110), ("fair", 140, 255)):
        (folder / label).mkdir(parents=True)
        for i in range(count):
            eight = photo(40, 56, seed=20 + i)[..., 0].astype(np.uint32)
            eight = low + eight * (high - low) // 255
            eight[0, 0], eight[0, 1] = 0, 255
            data = (
                as_png((eight * (2**bits - 1) // 255).astype(np.uint16)) if bits > 8 else save(eight.astype(np.uint8), "PNG")
            )
            (folder / label / f"{i}.png").write_bytes(data)
    return folder


def test_a_run_finds_the_depth_says_it_and_its_model_keeps_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Features of 12 bits in 16 are those of 8 bits, up to rounding; nothing is looked at twice."""
    monkeypatch.setenv("PENULT_CACHE", str(tmp_path / "cache"))
    photos = lay_out(tmp_path / "photos", 12)
    assert main(["train", str(photos), "-b", "colour_histogram", "--out", str(tmp_path / "run")]) == 0
    assert "the photos in 16-bit files use 12 of the 16 bits, so 4,095 is taken as white" in capsys.readouterr().out
    model = predict.load(tmp_path / "run")
    assert [b.recipe.depth for b in model.bundle.backbones] == [12]
    files = sorted(photos.rglob("*.png"))
    assert [p.label for p in model.predict(files)] == ["dim"] * 6 + ["fair"] * 6
    monkeypatch.setattr("penult.pixels.decoding.open_counting_levels", None)
    assert find_depth(files, EmbedOptions(workers=0)) == 12
    assert main(["predict", str(tmp_path / "run"), str(files[0]), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["label"] == "dim"
    assert main(["embed", str(photos), "-b", "colour_histogram", "--out", str(tmp_path / "f.h5")]) == 0
    assert "use 12 of the 16 bits" in capsys.readouterr().out


def test_ordinary_photos_have_the_keys_and_features_that_they_had(tmp_path: Path) -> None:
    for name, bits in (("eight", 8), ("sixteen", 16)):
        photos = lay_out(tmp_path / name, bits)
        files = sorted(photos.rglob("*.png"))
        network = backbones.find_builtin("colour_histogram")
        (used,) = at_depth([network], files, EmbedOptions(cache=False))
        assert used.digest == network.digest
        assert depth_notes([used]) == ()


def test_the_estimator_predicts_at_the_depth_that_it_learned(tmp_path: Path) -> None:
    files = sorted(lay_out(tmp_path, 10).rglob("*.png"))
    labels = [file.parent.name for file in files]
    for X in (files, [Image.open(file) for file in files]):
        model = TransferClassifier("colour_histogram", cache=False).fit(X, labels)
        assert [b.recipe.depth for b in model.backbones_] == [10]
        assert list(model.predict(X)) == labels
