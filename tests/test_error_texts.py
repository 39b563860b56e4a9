"""Every error that a user can cause is caused here, and its text says what happened, to which thing, and what to do.

Two tests go over the source: one reads every text where it is raised, the other knows all places of the user's rooms that
raise, so a new one needs a trigger here, or a place in `ELSEWHERE`.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import os
import re
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import penult
from conftest import draw
from penult import TransferClassifier, bundle, compare, demo, explain, predict, report, similar, store, zoo
from penult.bundle import Bundle, load_bundle
from penult.cli import main
from penult.embed import EmbedOptions, write_features
from penult.errors import PenultError
from penult.images import (
    TableOptions,
    expand_sources,
    labels_from,
    read_label_table,
    scan_labelled,
    scan_to_label,
    scan_unlabelled,
)
from penult.pixels import Recipe, prepare, prepare_all
from penult.predict import Predictor
from penult.predict.drift_sample import DriftSample
from penult.predict.sample_submission import SampleSubmission
from penult.training import TrainOptions, findings, repairs, train_features, train_images
from penult.training.data import Split

SOURCE = Path(penult.__file__).parent
ERRORS = {"InputError", "DamagedFile", "MissingExtra", "OutputError", "PenultError", "InternalError", "UnknownName", "unknown"}
ROOMS = (
    "images", "pixels", "train", "embed", "predict", "similar", "report", "explain", "compare", "cli",
    "estimators", "demo.py", "bundle",
)  # fmt: skip
ACTS = set(
    """
    add ask cause check choose close compare convert copy correct delete describe download evaluate fetch fill free get
    give install keep label leave list load log look make mend move name open pass pip prepare put quantise raise read
    reduce remove rename renumber repeat replace report restore run save say send set spell start stop take tell
    train try type unpack update upgrade use wait wrap write
    """.split()  # noqa: SIM905 - a list of 60 lines says no more
)
ELSEWHERE = {  # the beginning of a text: where it is caused, or why a user cannot
    "{} has features of {}, and the model needs": "test_train_shards",
    "class shares are of one class": "test_several_labels",
    "this model gives a photo several labels": "test_several_labels_served",
    "--min-accuracy is of one class": "test_several_labels_served",
    "several labels a photo are explained": "test_several_labels_served",
    "--memory is 0": "test_cluster_heads, without Ray",
    "combination": "test_api",
    "{} images came in": "a bug of ours, by its own words",
    "{} images have no features": "a bug of ours, by its own words",
    "of {} images {} are accounted for": "a bug of ours, by its own words",
    "{}, a result of this run,": "a result that goes between being written and being summed up: test_run_folder",
    "{} feature rows of {} are lost": "test_resume_store: the cache is emptied during a run",
    "{} would not read back": "csv writes nothing that it does not read; asked all the same",
    "{} cannot be moved": "an operating system that refuses a rename: not to be had as root",
    "'{}' cannot be read": "no permission: not to be had as root",
    "the folder '{}' cannot be opened": "no permission: not to be had as root",
    "{} cannot be read ({}); run `penult train`": "no permission: not to be had as root",
    "no network could be compared": "test_compare",
    "none of the {} images can be read: {}; give images": "test_compare",
    "none of the networks is available": "test_compare",
    "a scikit-learn estimator has no weights": "test_explain_occlusion: only a method that was chosen by name comes here",
    "the model that was made": "a bug of ours, by its own words: test_train_model_check",
    "there is no model, but": "a bug of ours: test_train_model_check",
    "the model's own samples give other answers": "test_explain_exact: another machine",
    "the model's own samples cannot be read": "decoders that do not work on this machine",
    "got a {} for the bytes of a photo": "test_predict_online",
    "photos cannot be decoded, because": "test_predict_online",
    "the predictor was closed before": "test_predict_online",
    "this predictor is closed": "test_predict_online",
    "--actor says what": "test_cluster_work",
    "{} holds features, not answers": "test_predict_shards",
    "{} holds answers of another model": "test_predict_shards",
}


@dataclass(frozen=True)
class World:
    """A folder with photos (`photos`), a run (`run`), a run from features (`rows`) and the feature file."""

    root: Path

    def __truediv__(self, name: str) -> Path:
        return self.root / name

    def text(self, name: str, content: str) -> Path:
        """Write a file and return its path."""
        (self.root / name).parent.mkdir(exist_ok=True, parents=True)
        (self.root / name).write_text(content, encoding="utf-8")
        return self.root / name

    def empty(self, *names: str) -> Path:
        """Write pictures without any bytes; return the folder of the first name."""
        for name in names:
            self.text(name, "")
        return self.root / names[0].split("/")[0]

    def copy(self, name: str, new: str) -> Path:
        return Path(shutil.copytree(self.root / name, self.root / new))

    def archive(self, name: str, members: dict[str, str], how: int = zipfile.ZIP_STORED) -> Path:
        with zipfile.ZipFile(self.root / name, "w", how) as file:
            for member, content in members.items():
                file.writestr(member, content)
        return self.root / name


def other_kind(model: Bundle) -> Any:
    """Have class shares estimated from rows that are like none of the training photos."""
    sample = DriftSample(model)
    X = np.random.default_rng(0).random((40, sum(model.widths)), np.float32)
    sample.add(X, np.tile([0.3, 0.7], (40, 1)))
    return sample.estimate_prior()


def two_parts(w: World) -> str:
    (w / "zips").mkdir()
    for name in ("zips/train.zip", "zips/test1.zip"):
        w.archive(name, {"cat/1.jpg": "x"})
    return str(w / "zips")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Train once; every trigger gets a copy."""
    from PIL import Image

    root = tmp_path_factory.mktemp("errors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PENULT_CACHE", str(root / "cache"))
        for kind in ("warm", "cold"):
            (root / "photos" / kind).mkdir(parents=True)
            for i in range(5):
                Image.fromarray(draw(kind, i)).save(root / f"photos/{kind}/{kind}.{i}.png")
        train_images(str(root / "photos"), None, TrainOptions(str(root / "run"), ("colour_histogram",)))
        train_features([str(root / "run/data_colour_histogram.h5")], TrainOptions(str(root / "rows")))
    return World(root)


@pytest.fixture
def world(made: World, tmp_path: Path) -> World:
    for name in ("photos", "run", "rows"):
        shutil.copytree(made / name, tmp_path / name)
    return World(tmp_path)


def pictures(count: int = 4) -> list[np.ndarray]:
    return [draw(("warm", "cold")[i % 2], i) for i in range(count)]


def cli(*words: object) -> None:
    """Run a command that must fail, and raise what it printed."""
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("penult.cli.process.error_line", lines.append)
        assert main([str(word) for word in words]) != 0
    raise PenultError(lines[-1].removeprefix("penult: "))


def speaking(config: str | Path) -> None:
    """Run a command whose language a file says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PENULT_LANG", "")
        cli("info", "run", "--config", config)


def misspelt(*words: str) -> None:
    """Run a command with a word that there is not, and raise what it printed of it."""
    told = io.StringIO()
    with pytest.raises(SystemExit), redirect_stderr(told):
        main(list(words))
    raise PenultError(told.getvalue().partition("error: ")[2].partition("\n")[0])


def configured(name: str, content: str, w: World) -> None:
    cli("train", "photos", "--config", w.text(name, content))


def lines(w: World, name: str, *rows: str) -> str:
    return str(w.text(name, "".join(f"{row}\n" for row in rows)))


def folded(w: World, *folds: str) -> None:
    """Scan photos of a, b, a, b in these folds."""
    w.empty(*(f"{i}.jpg" for i in range(4)))
    rows = [f"{i}.jpg,{'ab'[i % 2]},{fold}" for i, fold in enumerate(folds)]
    scan_labelled(lines(w, "t.csv", "file,label,fold", *rows), table=TableOptions(folds="fold"))


def in_no_folder(w: World) -> None:
    w.empty("1.jpg", "2.jpg")
    here = os.getcwd()
    os.chdir(w.root)
    try:
        scan_labelled(["1.jpg", "2.jpg"])
    finally:
        os.chdir(here)


def nothing_piped(w: World) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", None)
        expand_sources(["-"])


def unread_workbook(w: World) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "python_calamine", None)
        scan_labelled(w.text("book.csv", "PK\x03\x04"))


def sheet(w: World, *rows: str) -> SampleSubmission:
    return SampleSubmission.read(lines(w, "sample.csv", *rows), ("cold", "warm"))


def metrics(w: World, **changes: Any) -> Path:
    found = json.loads((w / "run/metrics.json").read_text(encoding="utf-8"))
    w.text("run/metrics.json", json.dumps({**found, **changes}))
    return w / "run"


def features(w: World, name: str, **changes: Any) -> str:
    """Write the feature file of the run anew with other contents; return its path."""
    found = store.read_h5(w / "run/data_colour_histogram.h5")
    content: dict[str, Any] = {"train": found.train, "label": found.label, "classes": found.classes, "facts": found.facts}
    store.write_h5(w / name, **{k: v for k, v in {**content, **changes}.items() if v is not None})
    return str(w / name)


def model(w: World) -> bundle.Bundle:
    return bundle.load_bundle(w / "run")


def without_numbers(w: World) -> Predictor:
    """A model whose head overflows: which numbers do that depends on the head."""
    predictor = Predictor(model(w))
    predictor._score = lambda X: np.full((len(X), 2), np.nan)
    return predictor


def tomorrow(w: World) -> None:
    """Load a model whose format number is larger, with right checksums."""
    about = json.dumps({"format": 99})
    sums = f"{hashlib.sha256(about.encode()).hexdigest()}  bundle.json\n"
    bundle.load_bundle(w.archive("new.penult", {"SHA256SUMS": sums, "bundle.json": about}))


def altered(w: World, change: Callable[[bytes], bytes]) -> None:
    """Load the model with its first array of the head changed, and right checksums."""
    with zipfile.ZipFile(w / "run/model.penult") as file:
        members = {name: file.read(name) for name in file.namelist() if name != "SHA256SUMS"}
    name = min(n for n in members if n.startswith("head/"))
    members[name] = change(members[name])
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {n}\n" for n, data in members.items())
    with zipfile.ZipFile(w / "altered.penult", "w") as file:
        for n, data in {"SHA256SUMS": sums.encode(), **members}.items():
            file.writestr(n, data)
    bundle.load_bundle(w / "altered.penult")


def overlapping(w: World) -> None:
    """Load a zip whose directory has the same bytes for two members."""
    path = w.archive("deep.penult", {"SHA256SUMS": "x" * 5000, "graphs/0.onnx": ""})
    data = path.read_bytes()
    at = data.rindex(b"PK\1\2")
    entry = bytearray(data[at : data.rindex(b"PK\5\6")])
    entry[20:28] = (5000).to_bytes(4, "little") * 2
    path.write_bytes(data[:at] + entry + data[data.rindex(b"PK\5\6") :])
    bundle.load_bundle(path)


def unreachable(w: World) -> None:
    """Ask for two networks whose weights would have to be fetched."""

    def find(name: str, *_: object, **__: object) -> None:
        raise zoo.Unreachable(f"{name} is out of reach; give weights that you have.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoo, "find_backbone", find)
        train_images(str(w / "photos"), None, TrainOptions(str(w / "out"), ("timm:one", "timm:two")))


def no_demo(w: World) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("penult.demo.find_spec", lambda name: None)
        demo.solar_cells(TrainOptions(str(w / "out")), lambda *_: None)


def no_pip(w: World) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("penult.demo.find_spec", lambda name: None)
        demo.fetch_photos(w / "cache")


def no_index(w: World) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", "")
        demo.fetch_photos(w / "cache")


# For each: a part of the text that names the thing, and how a user gets it.
TRIGGERS: dict[str, tuple[str, Callable[[World], Any]]] = {
    # class shares of the place of use
    "class shares of labels": ("--prior", lambda w: DriftSample(
        replace(load_bundle(w / "run"), facts={"task": "labels", "thresholds": [0.5, 0.5]})
    ).estimate_prior()),
    "class shares by an old model": ("--prior", lambda w: DriftSample(
        replace(load_bundle(w / "run"), reference=None)
    ).estimate_prior()),
    "class shares of photos of another kind": ("AUC 1.00", lambda w: other_kind(load_bundle(w / "run"))),
    # images
    "no such folder": ("nowhere", lambda w: scan_labelled(w / "nowhere")),
    "a file that is no list": ("notes.txt", lambda w: scan_labelled(w.text("notes.txt", "x"))),
    "an empty folder": ("bare", lambda w: scan_labelled(w.text("bare/notes.txt", "").parent)),
    "labels that are no table": ("gone.csv", lambda w: read_label_table("gone.csv", [])),
    "no folder to label": ("nowhere", lambda w: scan_to_label(w / "nowhere")),
    "an empty folder to label": ("bare", lambda w: scan_to_label(w.text("bare/notes.txt", "").parent)),
    "a flat folder": ("IMG_1.jpg", lambda w: scan_labelled(w.empty("flat/IMG_1.jpg"))),
    "one level too high": ("valid", lambda w: scan_labelled(w.empty("set/train/cat.1.jpg", "set/valid/cat.2.jpg"))),
    "one class folder": ("cat", lambda w: scan_labelled(w.empty("one/cat/1.jpg", "one/cat/2.jpg"))),
    "a list of one class": (
        "mono.csv",
        lambda w: (w.empty("1.jpg"), scan_labelled(lines(w, "mono.csv", "file,label", "1.jpg,a"))),
    ),
    "a class of one": ("dog", lambda w: scan_labelled(w.empty("few/cat/1.jpg", "few/cat/2.jpg", "few/dog/1.jpg"))),
    "labels of another model": ("photos", lambda w: scan_labelled(w / "photos", classes=("cat", "dog"))),
    "groups that are no pattern": ("person(", lambda w: scan_labelled(w / "photos", groups="person(")),
    "groups of a folder": ("patient", lambda w: scan_labelled(w / "photos", groups="patient")),
    "a workbook": ("book.xlsx", lambda w: scan_labelled(w.text("book.xlsx", "PK"))),
    "a workbook by another name": ("book.csv", unread_workbook),
    "a list without rows": ("none.csv", lambda w: scan_labelled(lines(w, "none.csv", "file,label"))),
    "a list without a header": ("void.csv", lambda w: scan_labelled(w.text("void.csv", ""))),
    "a list without its column": ("--label-column", lambda w: scan_labelled(lines(w, "bad.csv", "file", "1.jpg"))),
    "a list of what is not there": ("gone.jpg", lambda w: scan_labelled(lines(w, "gone.csv", "file,label", "gone.jpg,a"))),
    "UTF-16": ("wide.csv", lambda w: ((w / "wide.csv").write_bytes(b"\xff\xfef\0"), scan_labelled(w / "wide.csv"))),
    "a quotation mark": ("quote.csv", lambda w: scan_labelled(lines(w, "quote.csv", "file,label", '"' + "x" * 140_000))),
    "a table of columns that nobody knows": ("--label-column", lambda w: (
        w.empty("1.jpg"), scan_labelled(lines(w, "t.csv", "id,age,sex", "1,3,m"))
    )),
    "a column that is not there": ("'where'", lambda w: scan_labelled(
        lines(w, "t.csv", "file,label", "1.jpg,cat"), table=TableOptions(image_column="where")
    )),
    "a label that is none": ("'None'", lambda w: scan_labelled(lines(w, "t.csv", "file,label", "1.jpg,None"))),
    "an encoding that is none": ("'klingon'", lambda w: scan_labelled(
        lines(w, "t.csv", "file,label", "1.jpg,cat"), table=TableOptions(encoding="klingon")
    )),
    "options of a table for a folder": ("--image-dir", lambda w: scan_labelled(
        w / "photos", table=TableOptions(image_dir="x")
    )),
    "a sample of one column for many": ("3 classes", lambda w: SampleSubmission.read(
        lines(w, "sample.csv", "id,label", "1,0"), ("a", "b", "c"), "probabilities"
    )),
    "labels asked of what has none": ("labels", lambda w: scan_unlabelled(w / "photos").y),
    "another archive": ("a.7z", lambda w: scan_labelled(w.text("a.7z", "x"))),
    "a web address": ("example.org", lambda w: scan_labelled("https://example.org/a.jpg")),
    "a web address to predict": ("example.org", lambda w: scan_unlabelled("https://example.org/a.jpg")),
    "an address of another kind": ("ftp://x", lambda w: scan_unlabelled("ftp://x/a.jpg")),
    "archives that are parts": ("train.zip", lambda w: scan_labelled(two_parts(w))),
    "an archive to label": ("a.zip", lambda w: scan_to_label(w.archive("a.zip", {"1.jpg": "x"}))),
    "archives to label": ("zips", lambda w: scan_to_label(two_parts(w))),
    "nothing to predict": ("images", lambda w: scan_unlabelled([])),
    "a photo that is not there": ("gone.jpg", lambda w: scan_unlabelled([w / "gone.jpg"])),
    "no photo among files": ("notes.md", lambda w: scan_unlabelled([w.text("notes.md", "x")])),
    "a list that is not there": ("list.lst", lambda w: expand_sources([f"@{w / 'list.lst'}"])),
    "a list without a path": ("none.lst", lambda w: expand_sources([f"@{w.text('none.lst', chr(10))}"])),
    "a pattern that nothing fits": ("*.gif", lambda w: expand_sources([str(w / "*.gif")])),
    "a list that nobody pipes": ("standard input", nothing_piped),
    "class folders and photos": ("some of the folders", lambda w: scan_labelled(
        [str(w.empty("a/x/1.jpg")), str(w.empty("b/1.jpg"))]
    )),
    "photos in no folder": ("--labels FILE", in_no_folder),
    "a table among folders": ("t.csv", lambda w: scan_labelled([str(w / "photos"), lines(w, "t.csv", "file,label")])),
    "two tables": ("t.csv", lambda w: labels_from(lines(w, "t.csv", "file,label"), "other.csv", TableOptions())),
    "a table of labels that is not there": ("gone.csv", lambda w: labels_from(str(w / "photos"), "gone.csv", TableOptions())),
    "a table without any label": ("t.csv", lambda w: (
        w.empty("1.jpg"), scan_labelled(lines(w, "t.csv", "file,label", "1.jpg,"))
    )),
    "several sources for shards": ("--out", lambda w: cli("embed", w / "run", w / "run", w / "rows", "--out", w / "out")),
    "a move of one of several labels": ("t.csv", lambda w: repairs.apply_repairs(
        lines(w, "t.csv", "file,a,b", *(f"photos/warm/warm.{i}.png,1,{i % 2}" for i in range(4))),
        lines(w, "moves.csv", "file,kind,decision", "photos/warm/warm.0.png,wrong_label,move:b"),
    )),
    "several labels in the studio": ("t.csv", lambda w: (
        w.empty("1.jpg", "2.jpg"), scan_to_label(lines(w, "t.csv", "file,a,b", "1.jpg,1,0", "2.jpg,1,1"))
    )),
    "one fold": ("'1'", lambda w: folded(w, "1", "1", "1", "1")),
    "a class of one fold": ("'a'", lambda w: folded(w, "1", "2", "1", "1")),
    "labels that all have": ("t.csv", lambda w: (
        w.empty("1.jpg", "2.jpg"), scan_labelled(lines(w, "t.csv", "file,a,b", "1.jpg,1,0", "2.jpg,1,0"),
        table=TableOptions(task="labels"))
    )),
    "a damaged Parquet file": ("t.csv", lambda w: scan_labelled(lines(w, "t.csv", "PAR1"))),
    "a workbook of Numbers": ("a.numbers", lambda w: scan_labelled(w.text("a.numbers", "x"))),
    # pixels
    "no image at all": ("int64", lambda w: list(prepare_all([np.zeros((2, 2, 3), np.int64)], [Recipe(8)]))),
    "no recipe": ("recipe", lambda w: list(prepare_all([], []))),
    "known of another number": ("2 entries", lambda w: list(prepare_all([], [Recipe(8)], [None, None]))),
    "known of another kind": (
        "float64",
        lambda w: list(prepare_all([], [Recipe(8)], [np.zeros((1, 32))])),  # type: ignore[list-item]
    ),
    "a recipe of no size": ("got 0 and", lambda w: Recipe(0)),
    "a recipe of an odd depth": ("got 11", lambda w: Recipe(8, depth=11)),
    "recipes of two depths": ("16-bit photos", lambda w: list(prepare_all([], [Recipe(8), Recipe(8, depth=12)]))),
    "views of a number that there is not": ("views=3", lambda w: penult.train(w / "photos", views=3)),
    "two views as one picture": ("crop+squash", lambda w: prepare(np.zeros((9, 9, 3), np.uint8), Recipe(8, "crop+squash"))),
    "a limit of no pixels": ("0 pixels", lambda w: EmbedOptions(max_pixels=0)),
    "a picture of one band": ("(2, 2)", lambda w: prepare(np.zeros((2, 2), np.uint8), Recipe(8))),
    # train
    "unreadable classes": ("dog (0 of 2 readable)", lambda w: train_images(
        str(w.empty("sick/cat/1.jpg", "sick/cat/2.jpg", "sick/dog/1.jpg", "sick/dog/2.jpg")), None,
        TrainOptions(str(w / "out"), ("colour_histogram",)),
    )),
    "labels of a part without": (
        "labels",
        lambda w: Split(("a",), np.ones(1, bool), np.ones((1, 1), np.float32), None, {}).ok_y,
    ),
    "a run that is a file": (
        "taken",
        lambda w: train_images(str(w / "photos"), None, TrainOptions(str(w.text("taken", "")), ("colour_histogram",))),
    ),
    "a folder of something else": ("photos", lambda w: train_images(
        str(w / "photos"), None, TrainOptions(str(w / "photos"), ("colour_histogram",))
    )),
    "features without labels": (
        "bare.h5",
        lambda w: train_features([features(w, "bare.h5", label=None)], TrainOptions(str(w / "out"))),
    ),
    "features with other facts": ("odd", lambda w: train_features(
        [features(w, "odd.h5", facts={"parts": [1]})], TrainOptions(str(w / "out"))
    )),
    "features of one class": ("only one class", lambda w: train_features(
        [features(w, "mono.h5", classes=("a",), label=np.zeros(10, int))], TrainOptions(str(w / "out"))
    )),
    "features of too few": ("b (1)", lambda w: train_features(
        [features(w, "few.h5", classes=("a", "b"), label=np.arange(10) // 9)], TrainOptions(str(w / "out"))
    )),
    "a list of too few names": ("names.txt", lambda w: train_features(
        [str(w / "run/data_colour_histogram.h5")], TrainOptions(str(w / "out"), files=lines(w, "names.txt", "a"))
    )),
    "no list of names": ("nowhere.txt", lambda w: train_features(
        [str(w / "run/data_colour_histogram.h5")], TrainOptions(str(w / "out"), files=str(w / "nowhere.txt"))
    )),
    "hubs out of reach": ("timm:one, timm:two", unreachable),
    "an unknown head": ("logistik", lambda w: train_images(str(w / "photos"), None, TrainOptions(head="logistik"))),
    "an unknown network": ("colour_histogramm", lambda w: zoo.find_backbone("colour_histogramm")),
    "a sample of one column for the probabilities of labels": ("a column each", lambda w: SampleSubmission.read(
        lines(w, "sample.csv", "id,labels", "1,a b"), ("a", "b"), "probabilities", several=True
    )),
    "no sample": ("nowhere.csv", lambda w: SampleSubmission.read(w / "nowhere.csv", ("a", "b"))),
    "a sample of one column": ("sample.csv", lambda w: sheet(w, "id", "1")),
    "a sample with an id twice": ("more than once: 1", lambda w: sheet(w, "id,label", "1,cold", "1,cold")),
    "a sample of other columns": ("green", lambda w: sheet(w, "id,cold,green", "1,0,0")),
    "a sample of other labels": ("'label'", lambda w: sheet(w, "id,label", "1,tiger")),
    "a sample without photos": ("no test images", lambda w: sheet(w, "id,label", "1,cold").rows_of([])),
    "a sample of other photos": (
        "ids of the sample have no image (7)",
        lambda w: sheet(w, "id,label", "7,cold").rows_of(["1.jpg"]),
    ),
    "moves in a file": ("notes.md", lambda w: repairs.apply_repairs(str(w.text("notes.md", "")), "x.csv")),
    "moves by no list": ("nowhere.csv", lambda w: repairs.apply_repairs(str(w / "photos"), str(w / "nowhere.csv"))),
    "moves by another list": ("moves.csv", lambda w: repairs.apply_repairs(str(w / "photos"), lines(w, "moves.csv", "a,b"))),
    "a move to nowhere": (
        "moves.csv",
        lambda w: repairs.apply_repairs(str(w / "photos"), lines(w, "moves.csv", "file,to", "a.png,")),
    ),
    "a move out": (
        "outside",
        lambda w: repairs.apply_repairs(str(w / "photos"), lines(w, "moves.csv", "file,to", "warm/warm.0.png,../x")),
    ),
    "a move of nothing": (
        "gone.png",
        lambda w: repairs.apply_repairs(str(w / "photos"), lines(w, "moves.csv", "file,to", "gone.png,cold/")),
    ),
    "a move over another": ("exists already", lambda w: repairs.apply_repairs(
        str(w / "photos"), lines(w, "moves.csv", "file,to", "warm/warm.0.png,cold/cold.1.png")
    )),
    "a photo moved twice": ("moved twice", lambda w: repairs.apply_repairs(
        str(w / "photos"), lines(w, "moves.csv", "file,to", "warm/warm.0.png,a.png", "warm/warm.0.png,b.png")
    )),
    "an audit of nothing": ("nowhere", lambda w: findings.audit_photos(str(w / "nowhere"))),
    # the command line
    "no such option": ("--bakcbone", lambda w: misspelt("train", "photos", "--bakcbone", "x")),
    "no such command": ("trian", lambda w: misspelt("trian", "photos")),
    "help for no command": ("trian", lambda w: misspelt("help", "trian")),
    **{
        f"options in a file: {what}": (says, partial(configured, name, content))
        for what, says, name, content in (
            ("no command", "did you mean train", "penult.toml", "[trian]\nhead = 'svm'"),
            ("no option", "did you mean head", "penult.toml", "[train]\nhed = 'svm'"),
            ("an option of none", "did you mean device", "penult.toml", "devise = 'cpu'"),
            ("no switch", "strict is 1", "penult.toml", "strict = 1"),
            ("no text", "head is True", "penult.toml", "[train]\nhead = true"),
            ("two for one", "seed takes one value, and 2", "penult.toml", "seed = [1, 2]"),
            ("no TOML", "not valid TOML", "penult.toml", "head = "),
            ("no table", "tool is no table", "pyproject.toml", "tool = 'penult'"),
            ("too large", "1,048,576 bytes", "penult.toml", "#" * 1_048_577),
        )
    },
    "no file of options": ("none.toml", lambda w: cli("train", "x", "--config", w / "none.toml")),
    "a recipe for no file": ("--recipe", lambda w: cli("train", w / "photos", "-b", "colour_histogram", "--recipe", "size=9")),
    "a part of no whole": (
        "--part '0/3'",
        lambda w: cli("embed", w / "photos", "--out", w / "shards", "--part", "0/3"),
    ),
    "no readable image in shards": ("2 empty", lambda w: cli(
        "embed", w.empty("sick/1.jpg", "sick/2.jpg"), "-b", "colour_histogram", "--out", w / "shards", "-q"
    )),
    "shards in one file": ("--rows", lambda w: cli("embed", w / "photos", "--out", w / "x.h5", "--rows", "9")),
    "a clip that is none": (
        "--clip 'often'",
        lambda w: cli("train", w / "photos", "-b", "colour_histogram", "--clip", "often"),
    ),
    # embed, predict, similar
    "no image to predict that can be read": ("1 empty", lambda w: cli("predict", w / "run", w.empty("sick/1.jpg"))),
    "no readable image": (
        "sick",
        lambda w: write_features(str(w.empty("sick/1.jpg")), w / "x.h5", [zoo.find_backbone("colour_histogram")]),
    ),
    "no model": ("nowhere", lambda w: predict.load(w / "nowhere")),
    "a model of rows, given photos": ("--features", lambda w: predict.load(w / "rows").predict(pictures())),
    "rows of another width": ("(2, 3)", lambda w: predict.load(w / "run").score(np.zeros((2, 3), np.float32))),
    "a table of an odd kind": ("x.xlsx", lambda w: cli("predict", w / "run", w / "photos", "--csv", "x.xlsx")),
    "a table at an address": ("s3://a/b.csv", lambda w: cli("predict", w / "run", w / "photos", "--csv", "s3://a/b.csv")),
    "too many heat maps": ("201", lambda w: cli("predict", w / "run", w / "photos", "--html", "x.html", "--heat", "201")),
    "photos sorted among themselves": ("photos/in", lambda w: cli(
        "predict", w / "run", w / "photos", "--sort-into", w / "photos" / "in"
    )),
    "photos sorted into a link": ("a link", lambda w: (
        os.makedirs(w / "sorted"), os.symlink(w / "photos", w / "sorted" / "unreadable"),
        cli("predict", w / "run", w / "photos", w.text("broken.jpg", ""), "--sort-into", w / "sorted"),
    )),
    "a submission over its sample": ("submission.csv", lambda w: cli(
        "predict", w / "run", w / "photos", "--csv", w / "x.csv", "--submission", w.text("submission.csv", "id,label\n1,0\n")
    )),
    "a level that is none": ("1.5", lambda w: cli("predict", w / "run", w / "photos", "--review", "1.5")),
    "no neighbours": ("0 similar", lambda w: similar.similar(w / "run", pictures(), n=0)),
    "neighbours in no run": ("photos", lambda w: similar.similar(w / "photos", pictures())),
    "neighbours without features": ("data_colour_histogram.h5", lambda w: (
        (w / "run/data_colour_histogram.h5").unlink(), similar.similar(w / "run", pictures())
    )),
    "neighbours with features of another network": (
        "(3,) columns",
        lambda w: (
            metrics(w, files={}),  # else it is refused as a file that the run did not write
            features(w, "run/data_colour_histogram.h5", train=np.ones((10, 3), np.float32), facts=None),
            similar.similar(w / "run", pictures()),
        ),
    ),
    # bundle
    "a folder without a model": ("is a folder", lambda w: predict.load(w / "photos")),
    "a model that is none": ("notes.txt", lambda w: bundle.load_bundle(w.text("notes.txt", "x"))),
    "a zip that is no model": ("x.penult", lambda w: bundle.load_bundle(w.archive("x.penult", {"a": "b"}))),
    "a packed model": (
        "x.penult",
        lambda w: bundle.load_bundle(w.archive("x.penult", {"SHA256SUMS": "x" * 99}, zipfile.ZIP_DEFLATED)),
    ),
    "a model of other members": (
        "evil.py",
        lambda w: bundle.load_bundle(w.archive("x.penult", {"SHA256SUMS": "", "evil.py": ""})),
    ),
    "a model without its facts": ("x.penult", lambda w: bundle.load_bundle(w.archive("x.penult", {"SHA256SUMS": ""}))),
    "a model of tomorrow": ("format 99", tomorrow),
    "a model that overlaps itself": ("claims to hold", overlapping),
    "a model with an array of tomorrow": (
        "not an array as penult writes them",
        lambda w: altered(w, lambda npy: npy[:6] + b"\x09" + npy[7:]),
    ),
    "a model with half an array": ("what its header says", lambda w: altered(w, lambda npy: npy[:-4])),
    "int8 of another model": ("f32", lambda w: bundle.precision_here(model(w), "int8", "cpu")),
    # report
    "a page of no run": ("photos", lambda w: report.rebuild(w / "photos")),
    "a page of another's file": ("metrics.json", lambda w: report.rebuild(w.text("other/metrics.json", "{}").parent)),
    "a page of half a run": ("run", lambda w: report.rebuild(metrics(w, status="running"))),
    "a page of a changed table": (
        "map.csv",
        lambda w: (w.text("run/map.csv", "file,label\nx,y\n"), report.rebuild(w / "run")),
    ),
    "a page of a table that is none": (
        "a table in",
        lambda w: (metrics(w, files={}), w.text("run/map.csv", "file,label\nx,y\n"), report.rebuild(w / "run")),
    ),
    "a page of odd facts": ("metrics.json", lambda w: report.rebuild(metrics(w, sources=5), str(w / "photos"))),
    "a limit that is none": ("5 of a hundred", lambda w: cli("train", w / "photos", "--max-bad", "5 of a hundred")),
    "no age": ("--older -1", lambda w: cli("cache", "--cache", w / "none", "--prune", "--older", "-1")),
    "no size": ("--max 'five'", lambda w: cli("cache", "--cache", w / "none", "--prune", "--max", "five")),
    "a sample without rows": ("header and rows", lambda w: sheet(w, "id,label")),
    "a move to an endless name": (
        "cannot be moved",
        lambda w: repairs.apply_repairs(
            str(w / "photos"), lines(w, "moves.csv", "file,to", "cold/cold.0.png,warm/" + "x" * 999)
        ),
    ),
    "a head that overflows": ("not numbers", lambda w: without_numbers(w).score(np.ones((1, 112), np.float32))),
    # explain
    "an unknown class": ("tiger", lambda w: explain.explain(model(w), pictures(), "tiger")),
    "an unknown method": ("xray", lambda w: explain.explain(model(w), pictures(), method="xray")),
    "no exact map": ("colour_histogram", lambda w: explain.explain(model(w), pictures(), method="cam")),
    "names that do not match": ("4 photos", lambda w: explain.explain(model(w), pictures(), ids=["a"])),
    "no side": ("side of 0", lambda w: explain.explain(model(w), pictures(), side=0)),
    "a model of rows, explained": ("feature files", lambda w: explain.explain(bundle.load_bundle(w / "rows"), pictures())),
    "no model to explain": ("a dict", lambda w: explain.explain({}, pictures())),
    # the command line
    "an unknown language": ("'zz'", lambda w: cli("--lang", "zz", "info", "run")),
    "an unknown language in a file": ("penult.toml", lambda w: speaking(w.text("penult.toml", "lang = 'zz'"))),
    # compare
    "a budget that is none": ("'soon'", lambda w: compare.seconds("soon")),
    "no sample to compare on": ("0 images", lambda w: compare.compare(str(w / "photos"), compare.CompareOptions(sample=0))),
    "a comparison in a file": (
        "taken",
        lambda w: compare.compare(str(w / "photos"), compare.CompareOptions(out=str(w.text("taken", "")))),
    ),
    "a comparison in a folder": (
        "photos",
        lambda w: compare.compare(str(w / "photos"), compare.CompareOptions(out=str(w / "photos"))),
    ),
    # demo
    "too few to hold out": ("dog", lambda w: demo.own_folder(
        str(w.empty("few/cat/1.jpg", "few/cat/2.jpg", "few/dog/1.jpg", "few/dog/2.jpg")), TrainOptions(), lambda *_: None
    )),
    "no photos of the demo": ("penult[demo]", no_demo),
    "no pip for the photos of the demo": ("elpv-dataset", no_pip),
    "photos of the demo that cannot be fetched": ("elpv-dataset", no_index),
    # scikit-learn's face
    "labels of another number": ("4 images", lambda w: TransferClassifier("colour_histogram").fit(pictures(), ["a"])),
    "no network": ("[]", lambda w: TransferClassifier([]).fit(pictures(), list("aabb"))),
    "one class": ("'a'", lambda w: TransferClassifier("colour_histogram").fit(pictures(), list("aaaa"))),
    "no images": ("no images", lambda w: TransferClassifier("colour_histogram").fit([], [])),
    "a class that weighs nothing": ("'a'", lambda w: TransferClassifier("colour_histogram").fit(
        pictures(), list("aabb"), sample_weight=[0, 0, 1, 1])),
    "labels of unreadable images": ("b.jpg", lambda w: (
        (w / "b.jpg").write_bytes(b"\xff\xd8\xff"), np.asarray(Predictor(model(w)).predict([w / "b.jpg"])))),
    "probabilities of unreadable images": (
        "image number 0", lambda w: predict.load_model(w / "run").predict_proba([penult.FileContent(b"x")])),
    "the score of a strange class": ("'bird'", lambda w: predict.load_model(w / "run").score(pictures(), ["bird"] * 4)),
    "parameters of a fitted model": ("not C", lambda w: predict.load_model(w / "run").set_params(C=1)),
    "an answer for no image": ("x.jpg", lambda w: Predictor(model(w)).predict(pictures())["x.jpg"]),
    "a folder for an image": ("photos' is a folder", lambda w: predict.load(w / "run").predict(w / "photos")),
    "ids of another number": ("4 images", lambda w: predict.load(w / "run").predict(pictures(), ["a"])),
    "weights of strange classes": ("'c'", lambda w: TransferClassifier("colour_histogram", class_weight={"c": 2}).fit(
        pictures(), list("aabb")
    )),
    "unreadable images": ("1.jpg", lambda w: TransferClassifier("colour_histogram").fit(
        [str(w.empty("sick/1.jpg") / "1.jpg"), *pictures(3)], list("abab")
    )),
}  # fmt: skip


@dataclass(frozen=True)
class Site:
    """A place in the source that makes an error, and its text, `{}` for what is put in."""

    file: str
    first: int
    last: int
    text: str


def sites() -> Iterator[Site]:
    for path in sorted(SOURCE.rglob("*.py")):
        file = path.relative_to(SOURCE).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS and node.args:
                yield Site(file, node.lineno, node.end_lineno or node.lineno, literal(node.args[0]))


def literal(node: ast.expr) -> str:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "ngettext"):
        return re.sub(r"\{\w[^{}]*\}", "{}", literal(node.args[-1 if node.func.id == "_" else 1]))
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(literal, node.values))
    if isinstance(node, ast.BinOp):
        return literal(node.left) + literal(node.right)
    return "{}"


def says_what_to_do(text: str) -> bool:
    """Tell whether a clause behind the first begins with an act, is put in where the error is made, or lists what is known."""
    if "; known: " in text or "; did you mean " in text:
        return True
    clauses = re.split(r"[.;:]\s+|,\s+|\s+\(", text.strip().rstrip(".)"))[1:]
    first = (set(re.findall(r"[a-z]+", clause.lower())[:4]) for clause in clauses)
    return any(words & ACTS for words in first) or bool({"{}", "{}{}"} & set(clauses))


HITS: set[tuple[str, int]] = set()


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Note in HITS where an error was made: the first place on the way up that is ours and not `errors`."""

    def init(self: PenultError, *args: object) -> None:
        frame = sys._getframe(1)
        while frame.f_back and (frame.f_code.co_name == "unknown" or not frame.f_code.co_filename.startswith(str(SOURCE))):
            frame = frame.f_back
        HITS.add((frame.f_code.co_filename, frame.f_lineno))
        Exception.__init__(self, *args)

    monkeypatch.setattr(PenultError, "__init__", init)


def test_every_error_names_its_thing_and_says_what_to_do(world: World, recorded: None) -> None:
    """All triggers in one test: the last assertion needs them all."""
    wrong = []
    for number, (name, (thing, cause)) in enumerate(TRIGGERS.items()):
        place = World(world / str(number))
        place.root.mkdir()
        for folder in ("photos", "run", "rows"):
            os.symlink(world / folder, place / folder)
        if any(word in name for word in ("page", "neighbours with", "move")):
            for folder in ("photos", "run"):
                (place / folder).unlink()
                world.copy(folder, f"{number}/{folder}")
        try:
            cause(place)
        except PenultError as error:
            text = " ".join(str(error).split())
            if thing not in text or not says_what_to_do(text):
                wrong.append((name, text))
        else:
            wrong.append((name, "no error"))
    assert not wrong, "\n".join(map(str, wrong))
    missed = [
        f"{site.file}:{site.first} {site.text}"
        for site in sites()
        if site.file.split("/")[0] in ROOMS
        and not site.text.startswith(tuple(ELSEWHERE))
        and not any(file.endswith("/penult/" + site.file) and site.first <= line <= site.last for file, line in HITS)
    ]
    assert not missed, "\n".join(missed)


def test_no_entry_of_the_list_of_exceptions_is_out_of_date() -> None:
    texts = [site.text for site in sites()]
    assert [start for start in ELSEWHERE if not any(text.startswith(start) for text in texts)] == []


def test_every_text_in_the_source_says_what_to_do() -> None:
    """`zoo` and `engines` tell of networks that cannot be used: what else to take is put in, or said by the caller."""
    shown = [s for s in sites() if s.file.split("/")[0] not in ("zoo", "engines") and s.text != "{}"]
    assert len(shown) > 100
    assert [f"{s.file}:{s.first} {s.text}" for s in shown if len(s.text) > 20 and not says_what_to_do(s.text)] == []
