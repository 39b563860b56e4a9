"""The same photos give the same run, byte for byte, whatever the order, the workers, the cache, the folder or the language."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import penult
from conftest import PlainFigures, draw
from penult import TransferClassifier, zoo
from penult.audit import Pairs
from penult.embed import EmbedOptions, embed
from penult.images import scan_labelled, scan_unlabelled
from penult.training import TrainOptions, train_images, trainer
from penult.training.data import Split, TrainingData
from penult.training.environment import digests

Photos = Callable[..., Path]
NOTHING = Pairs(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0, np.float32))
FAKE = TrainOptions(backbones=("colour_histogram",))


def shuffled(folder: Path, seed: int = 1) -> str:
    """Write a CSV of a folder's labelled photos in another order, and return its path."""
    found = list(scan_labelled(folder).images)
    order = np.random.default_rng(seed).permutation(len(found))
    with (folder / "list.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "label"), *((found[i].id, found[i].label) for i in order)])
    return str(folder / "list.csv")


def results(folder: Path) -> dict[str, Any]:
    """Return the sha256 of every file of a run but the page, which tells the time; and the digests of the photos."""
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return {**metrics["digests"], **{n: sha for n, sha in metrics["files"].items() if n != "report.html"}}


@pytest.mark.usefixtures("real_figures", "real_workers")
def test_a_run_is_the_same_whatever_the_circumstances(photos: Photos, tmp_path: Path) -> None:
    source, test = photos("train", warm=9, cold=8), photos("test", first=50, warm=3, cold=3)
    (source / "warm/copy.png").write_bytes((source / "warm/warm.1.png").read_bytes())
    run = train_images(str(source), str(test), TrainOptions(str(tmp_path / "1"), FAKE.backbones))
    says_what_it_takes_to_repeat_it(run.metrics)
    first = results(run.folder)
    assert {"model.penult", "oof.csv", "map.csv", "data_colour_histogram.h5", "predictions.csv"} <= set(first)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "FigureWorker", PlainFigures)
        listed = train_images(shuffled(source), str(test), TrainOptions(str(tmp_path / "2"), FAKE.backbones))
    assert listed.metrics["images"]["reused"] == listed.metrics["images"]["scanned"]  # the cache is warm now
    again = results(listed.folder)
    assert again.keys() == first.keys()
    assert [name for name in first if again[name] != first[name] and not name.startswith("figures/")] == []
    other = {"PENULT_CACHE": str(tmp_path / "cache"), "PYTHONHASHSEED": "7", "LC_ALL": "C", "TZ": "Asia/Kathmandu"}
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(Path(penult.__file__).parents[1])}
    line = [
        sys.executable,
        "-m",
        "penult",
        "train",
        shuffled(source, 2),
        "--test",
        test,
        "-b",
        "colour_histogram",
        "--out",
        tmp_path / "3",
    ]
    subprocess.run(line, env={**os.environ, **other, **threads}, cwd="/", check=True, capture_output=True)
    assert results(tmp_path / "3") == first


def says_what_it_takes_to_repeat_it(found: Mapping[str, Any]) -> None:
    libraries = {"python", "numpy", "scipy", "scikit-learn", "pillow", "openvino", "onnx", "h5py", "pixels", "machine"}
    assert libraries <= set(found["versions"])
    assert found["options"]["seed"] == 0
    assert found["machine"]["processor"]
    assert (found["engine"]["name"], found["engine"]["precision"]) == ("numpy", "f32")
    assert all(len(network["weights"]) == 64 for network in found["backbones"])
    assert set(found["digests"]) == {"train", "test"}


@pytest.mark.parametrize("backbone", ["colour_histogram", "efficientnet_lite0"])
def test_features_do_not_depend_on_workers_order_or_company(backbone: str, photos: Photos, tmp_path: Path) -> None:
    folder = photos("train", warm=6, cold=6)
    paths = [str(path) for path in sorted(folder.rglob("*.png"))]
    networks = [zoo.find_backbone(backbone)]
    whole = embed(paths, networks, EmbedOptions(cache=False, workers=0)).features()  # (n, d)
    for workers in (1, 2, 5):
        assert embed(paths, networks, EmbedOptions(cache=False, workers=workers)).features().tobytes() == whole.tobytes()
    back = embed(paths[::-1], networks, EmbedOptions(cache=False, workers=2)).features()
    assert back.tobytes() == whole[::-1].tobytes()
    for i in (0, 7):
        assert embed([paths[i]], networks, EmbedOptions(cache=False)).features().tobytes() == whole[i].tobytes()
    kept = EmbedOptions(cache=str(tmp_path / "kept"))
    cold, warm = (embed(paths, networks, kept) for _ in range(2))
    assert (cold.embedded, warm.embedded) == (len(paths), 0)
    assert cold.features().tobytes() == warm.features().tobytes() == whole.tobytes()


@pytest.mark.parametrize("head", ["logistic", "dense", "auto"])
def test_a_classifier_learns_the_same_from_photos_in_another_order(head: str) -> None:
    pictures = [draw(kind, i) for kind in ("warm", "cold", "green") for i in range(8)]
    pictures += [pictures[0], pictures[9]]  # copies
    labels = np.array([*np.repeat(["warm", "cold", "green"], 8), "warm", "cold"])
    groups = np.arange(len(pictures)) // 2
    order = np.random.default_rng(5).permutation(len(pictures))
    new = [draw(kind, 90 + i) for kind in ("warm", "cold", "green") for i in range(3)]
    straight, mixed = (TransferClassifier("colour_histogram", head, cache=False) for _ in range(2))
    straight.fit(pictures, labels, groups)
    mixed.fit([pictures[i] for i in order], labels[order], groups[order])
    assert mixed.predict_proba(new).tobytes() == straight.predict_proba(new).tobytes()
    assert mixed.head_.choice_ == straight.head_.choice_


def test_a_classifier_on_a_network_learns_the_same_from_files_in_another_order(photos: Photos) -> None:
    paths = sorted(str(path) for path in photos("train", warm=6, cold=6).rglob("*.png"))
    labels = [Path(path).parent.name for path in paths]
    straight, back = (TransferClassifier("efficientnet_lite0") for _ in range(2))
    straight.fit(paths, labels)
    back.fit(paths[::-1], labels[::-1])
    assert back.predict_proba(paths).tobytes() == straight.predict_proba(paths).tobytes()


def test_a_list_is_put_into_the_order_in_which_a_folder_is_walked(tmp_path: Path) -> None:
    names = ["a/1", "a/10", "a/2", "a/b/1", "a.b/1", "a.1", "a-/1", "a1/x", "a10/x", "a2/x", "A/1", "b.2", "b.10", "z"]
    names += ["\u00e9/1", "e\u0301/1", "a b/1"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\xff\xd8\xff\xe0")
    walked = scan_unlabelled(tmp_path)
    assert len(walked) == len(names)
    mixed = replace(walked, images=tuple(sorted(walked.images, key=lambda image: image.id[::-1])))
    assert mixed.ids != walked.ids
    assert mixed.in_order().ids == walked.ids


def test_the_digest_of_a_part_tells_its_photos_and_labels_and_neither_names_nor_order() -> None:
    rows = np.random.default_rng(1).random((4, 3), np.float32)

    def told(files: str, order: list[int], labels: list[int]) -> str:
        part = Split(tuple(files), np.ones(4, bool), rows[order], np.array(labels, np.intp), {})
        material = TrainingData(part, None, ("cat", "dog"), ("x",), (3,), ((3,),), None, NOTHING, ())
        return digests(material, None)["train"]

    assert told("abcd", [0, 1, 2, 3], [0, 0, 1, 1]) == told("xyzw", [3, 0, 2, 1], [1, 0, 1, 0])
    assert told("abcd", [0, 1, 2, 3], [0, 0, 1, 1]) != told("abcd", [0, 1, 2, 3], [0, 1, 1, 1])
    assert told("abcd", [0, 1, 2, 3], [0, 0, 1, 1]) != told("abcd", [0, 1, 2, 2], [0, 0, 1, 1])
