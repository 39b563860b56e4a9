"""Which images a network is quantised with, when its graph is used again, and what is refused."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from penult import backbones, engines, quantize
from penult.errors import InputError, MissingExtra, PenultError
from penult.quantize import QuantizedCache
from penult.worker import Worker
from quantized import by_hand, instead_of_nncf
from tinynet import SIDE, by_numpy, noise, tiny

Photos = Callable[..., Path]


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.png"))


# --- the calibration set ---


def test_images_that_come_and_go_move_no_others(photos: Photos) -> None:
    every = files(photos("train", warm=30, cold=30))
    chosen = quantize.by_name(every)
    assert sorted(chosen) == every and chosen != every
    assert quantize.by_name(every[::-1]) == chosen
    fewer = every[::3]
    assert quantize.by_name(fewer) == [path for path in chosen if path in fewer]


def test_a_moved_folder_has_the_same_sample(photos: Photos, tmp_path: Path) -> None:
    folder = photos("train", warm=9, cold=9)
    before = quantize.calibration_set(files(folder), [tiny().recipe], 5)
    shutil.move(folder, tmp_path / "elsewhere")
    after = quantize.calibration_set(files(tmp_path / "elsewhere"), [tiny().recipe], 5)
    assert before.digests == after.digests
    np.testing.assert_array_equal(before.pixels[0], after.pixels[0])


def test_a_sample_has_each_picture_once_and_none_that_cannot_be_read(photos: Photos) -> None:
    folder = photos("train", warm=6)
    for i, path in enumerate(files(folder)):
        shutil.copy(path, folder / f"copy {i}.png")
        (folder / f"bad {i}.png").write_bytes(b"no picture")
    recipes = [tiny().recipe, backbones.find_builtin("efficientnet_lite0").recipe]
    taken = quantize.calibration_set(files(folder), recipes, 100)
    assert len(taken.digests) == 6
    assert [seen.shape for seen in taken.pixels] == [(6, SIDE, SIDE, 3), (6, 224, 224, 3)]
    assert len(quantize.calibration_set(files(folder), recipes, 4).digests) == 4


# --- kept graphs ---


def test_a_kept_graph_comes_back_and_a_damaged_one_does_not(tmp_path: Path) -> None:
    images = frozenset(os.urandom(32) for _ in range(3))
    QuantizedCache(tmp_path, "b" * 64).put(images, b"a graph")
    assert QuantizedCache(tmp_path, "b" * 64).samples() == [images]
    assert QuantizedCache(tmp_path, "b" * 64).get(images) == b"a graph"
    assert QuantizedCache(tmp_path, "c" * 64).samples() == []
    (path,) = tmp_path.rglob("graph.onnx")
    record = path.with_name("record.json")
    written = record.read_bytes()
    for damaged in damages(path.read_bytes()):
        record.write_bytes(written)
        path.write_bytes(damaged)
        assert QuantizedCache(tmp_path, "b" * 64).get(images) is None
    assert QuantizedCache(tmp_path, "b" * 64).samples() == []  # what was damaged is forgotten


def test_graphs_of_an_earlier_version_come_back_and_damaged_ones_do_not(tmp_path: Path) -> None:
    images = frozenset(os.urandom(32) for _ in range(3))
    rest = (3).to_bytes(4, "big") + b"".join(sorted(images)) + b"a graph"
    path = tmp_path / "int8" / ("b" * 32) / f"{'0' * 16}.int8"
    path.parent.mkdir(parents=True)
    path.write_bytes(whole := hashlib.sha256(rest).digest() + rest)
    assert QuantizedCache(tmp_path, "b" * 64).samples() == [images]
    assert QuantizedCache(tmp_path, "b" * 64).get(images) == b"a graph"
    for damaged in damages(whole):
        path.write_bytes(damaged)
        assert QuantizedCache(tmp_path, "b" * 64).samples() == []


def damages(whole: bytes) -> Iterator[bytes]:
    """Yield a file with a bit of each byte changed, and cut after each."""
    for place in range(len(whole)):
        yield whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        yield whole[:place]


def test_a_graph_is_quantised_once_for_much_the_same_images(
    photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = instead_of_nncf(monkeypatch)
    first = files(photos("train", warm=20, cold=20))
    (made,) = quantize.in_int8([tiny()], first, tmp_path)
    assert made.quantized and made.digest != tiny().digest and made.graph() == by_hand(tiny().graph())
    assert [request.pixels.shape for request in requests] == [(40, SIDE, SIDE, 3)]
    more = [*first[10:], *files(photos("more", 100, warm=30))]  # ten gone, thirty new
    assert quantize.in_int8([tiny()], more, tmp_path) == (made,)
    assert len(requests) == 1
    others = files(photos("others", 500, warm=12))
    quantize.in_int8([tiny()], others, tmp_path)
    assert len(requests) == 2
    assert quantize.in_int8([made], others, tmp_path) == (made,)  # what is in 8 bits already stays as it is
    assert len(requests) == 2


def test_a_kept_graph_is_found_by_all_images_not_by_the_sample_alone(
    photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = instead_of_nncf(monkeypatch)
    monkeypatch.setattr(quantize.calibration_set, "__defaults__", (10,))
    first = files(photos("train", warm=10))
    quantize.in_int8([tiny()], first, tmp_path)
    many = [*first, *files(photos("more", 100, warm=90))]  # a sample of ten among these has about one of the first ten
    assert (
        len(quantize.calibration_set(many, [tiny().recipe]).digests & quantize.calibration_set(first, [tiny().recipe]).digests)
        < 5
    )
    quantize.in_int8([tiny()], many, tmp_path)
    assert len(requests) == 1


def test_without_a_cache_graphs_are_kept_for_the_process(photos: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = instead_of_nncf(monkeypatch)
    network = tiny().with_recipe(crop_mode="crop", crop=0.77)  # of this test alone
    paths = files(photos("train", warm=5))
    assert quantize.in_int8([network], paths, None) == quantize.in_int8([network], paths, None)
    assert len(requests) == 1


def test_a_numpy_function_has_no_bits_to_save(photos: Photos) -> None:
    colours = backbones.find_builtin("colour_histogram")
    assert quantize.in_int8([colours], files(photos("train", warm=2)), None) == (colours,)


# --- refusals ---


def test_without_the_extra_the_cure_is_said(photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantize.importlib.util, "find_spec", lambda name: None if name == "nncf" else name)
    with pytest.raises(MissingExtra, match=r"precision int8 needs nncf, once .* pip install 'penult\[int8\]'"):
        quantize.in_int8([tiny()], files(photos("train", warm=2)), tmp_path)


def test_no_readable_image_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instead_of_nncf(monkeypatch)
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    with pytest.raises(InputError, match="none of the 2 images can be read, and int8 needs some"):
        quantize.in_int8([tiny()], [bad, tmp_path / "absent.png"], tmp_path)


def test_a_network_that_does_not_stand_8_bits_is_refused_and_not_kept(
    photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = instead_of_nncf(monkeypatch, lambda graph: by_hand(graph, step=1.9, zero=255))  # nothing above 0 is left
    for _ in range(2):
        with pytest.raises(InputError, match=r"8 bits change the features of tiny too much \(median cosine -?0\.\d\d"):
            quantize.in_int8([tiny()], files(photos("train", warm=8)), tmp_path)
    assert len(requests) == 2


def test_a_child_that_dies_is_one_sentence(photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantize.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(quantize, "Worker", lambda work, threads: Worker("os:abort", threads))
    with pytest.raises(PenultError, match=r"quantising tiny ended without an answer .*lack of memory"):
        quantize.in_int8([tiny()], files(photos("train", warm=3)), tmp_path)


# --- engines ---


def test_a_quantised_graph_computes_in_8_bits_and_in_nothing_else(photos: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    instead_of_nncf(monkeypatch)
    (network,) = quantize.in_int8([tiny()], files(photos("train", warm=3)), None)
    assert engines.resolve("auto", "auto", [network]) == engines.resolve("cpu", "int8", [network]) == ("cpu", "int8")
    engine = engines.open_engine(network)
    assert engine.precision == "int8"
    pixels = noise(7)
    off = np.abs(engine(pixels) - by_numpy(pixels))
    assert 0 < off.max() < 0.05
    for precision in ("f32", "bf16"):
        with pytest.raises(InputError, match=f"tiny was quantised .* in int8 only; leave --precision {precision} out"):
            engines.resolve("cpu", precision, [network])
    with pytest.raises(InputError, match="does not compute in int8 on cuda; use --device cpu"):
        engines.resolve("cuda", "int8", [network])
    with pytest.raises(InputError, match="plain is not quantised and others are; use --precision int8 for all"):
        engines.resolve(
            "auto", "auto", [network, backbones.Backbone.from_dict({**tiny().to_dict(), "name": "plain"}, tiny().graph())]
        )


def test_a_graph_that_is_not_quantised_is_no_engine_in_8_bits() -> None:
    with pytest.raises(InputError, match="tiny is not quantised; `embed` does it"):
        engines.open_engine(tiny(), "cpu", "int8")


def test_a_processor_without_8_bits_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penult.engines.select.int_precisions", lambda: ())
    with pytest.raises(InputError, match="this processor does not compute in int8; use --precision auto"):
        engines.resolve("cpu", "int8", [tiny()])
