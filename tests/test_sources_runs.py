"""A run from a tar, zip or Parquet file is the run from the folder that they hold: same names, same bits, same reasons."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

import archives
from badimages import cases, photo, save
from penult import Embedder, FileContent, load_model, quantize
from penult.backbones import builtin
from penult.cli import main
from penult.embed import EmbedOptions, embed
from penult.errors import InputError
from penult.images import scan_labelled, scan_to_label, scan_unlabelled
from penult.images.columns import TableOptions
from penult.pixels import Recipe, content_digests, prepare_all
from penult.sources import Member, locate
from penult.sources.gzip_stream import Unpacked
from penult.sources.names import path_key
from penult.store import read_features
from penult.training.repairs import apply_repairs

NETWORK = "colour_histogram"
QUIET = ["-b", NETWORK, "--no-cache", "--quiet"]


def drawn(label: str, i: int) -> bytes:
    noise = np.random.default_rng([i, len(label)]).integers(0, 60, (40, 50, 3), dtype=np.uint8)
    noise[..., 0 if label == "cat" else 2] += 150
    return save(noise, "JPEG", quality=90)


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """24 photos, two copies, a 16-bit PNG that uses 12 of them, and ten files that cannot be read."""
    found = {f"{label}/{i}.jpg": drawn(label, i) for label in ("cat", "birds") for i in range(12)}
    found |= {"cat/copy.jpg": found["cat/3.jpg"], "birds/copy.jpg": found["birds/5.jpg"]}
    found["cat/deep.png"] = save(Image.fromarray((photo()[..., 0].astype(np.uint16)) << 4), "PNG")
    bad = [one for one in cases() if one.expect != "ok" and one.filename.isascii() and one.filename.endswith((".jpg", ".png"))]
    return found | {f"birds/bad-{one.filename}": one.data for one in bad[:10]}


@pytest.fixture(scope="module")
def folder(files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archives.lay_out(tmp_path_factory.mktemp("folder") / "photos", files)


@pytest.mark.parametrize("kind", archives.KINDS[1:])
def test_features_of_archives_are_those_of_the_folder_to_the_bit(
    kind: str, files: dict[str, bytes], folder: Path, tmp_path: Path
) -> None:
    source = archives.source(kind, tmp_path, files)
    whole, packed = scan_labelled(folder).in_order(), scan_labelled(source).in_order()
    assert [(one.id, one.label) for one in packed.images] == [(one.id, one.label) for one in whole.images]
    networks = [builtin.find_builtin(NETWORK)]
    ways = [EmbedOptions(cache=False, workers=n) for n in (2, 0)]
    first = embed(whole.sources, networks, ways[0])
    for way in ways:
        done = embed(packed.sources, networks, way)
        assert np.array_equal(done.digests, first.digests)
        assert {i: (f.reason, f.detail) for i, f in done.failures.items()} == {
            i: (f.reason, f.detail) for i, f in first.failures.items()
        }
        assert (done.embedded, done.reused) == (first.embedded, first.reused)
        assert np.array_equal(done.features(), first.features())
    assert len(first.failures) == 10
    assert first.reused == 2


@pytest.fixture(scope="module")
def runs(files: dict[str, bytes], folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of the folder, and of a Parquet file with a zip file as test part."""
    place = tmp_path_factory.mktemp("runs")
    names = sorted((name for name in files if name.endswith(("1.jpg", "2.jpg", "bad-empty.jpg"))), key=path_key)
    test = {name: files[name] for name in names}  # archives keep their own order
    archives.lay_out(place / "test", test)
    (place / "test.zip").write_bytes(archives.zipped(test))
    archives.parquet(place / "photos.parquet", files, ("birds", "cat"))
    for source, test_part, out in ((folder, "test", "a"), (place / "photos.parquet", "test.zip", "b")):
        assert main(["train", str(source), "--test", str(place / test_part), "--out", str(place / out), *QUIET]) == 0
    return place


def test_a_model_of_archives_is_that_of_the_folder(runs: Path) -> None:
    for name in ("model.penult", "findings.csv", "skipped.csv", "predictions.csv", "submission.csv"):
        assert (runs / "a" / name).read_bytes() == (runs / "b" / name).read_bytes(), name
    metrics = json.loads((runs / "b" / "metrics.json").read_text())
    assert metrics["sources"] == {"train": str(runs / "photos.parquet"), "test": str(runs / "test.zip")}
    pages = [(runs / out / "report.html").read_text() for out in "ab"]
    assert pages[0].count("data:image/webp") == pages[1].count("data:image/webp") > 20


def test_commands_take_archives(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, zip = str(runs / "b"), str(runs / "test.zip")
    said = []
    for source in (zip, str(runs / "test")):
        assert main(["predict", model, source, "--json", "--no-cache", "--quiet"]) == 0
        said.append(json.loads(capsys.readouterr().out))
    assert said[0] == said[1]
    assert main(["evaluate", model, zip, "--json", "--no-cache", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["unreadable"] == 1
    assert main(["report", model, "--quiet"]) == 0
    assert "not where" not in capsys.readouterr().out
    assert main(["explain", model, f"{zip}/cat", "--out", str(tmp_path / "heat"), "--no-cache", "--quiet"]) == 0
    assert len(list((tmp_path / "heat").iterdir())) == len(list((runs / "test" / "cat").iterdir()))
    assert main(["similar", model, f"{zip}/cat", "--json", "--no-cache", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])[0]["photo"] == "1.jpg"
    assert main(["embed", zip, "--out", str(tmp_path / "x.h5"), *QUIET]) == 0
    assert list(read_features([str(tmp_path / "x.h5")]).files or ())[:2] == ["birds/1.jpg", "birds/2.jpg"]


def test_photos_for_int8_are_those_of_the_folder_and_gzip_is_read_once(
    files: dict[str, bytes], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [one.source for one in scan_labelled(folder).in_order()]
    packed = [one.source for one in scan_labelled(archives.source("tar.gz", tmp_path, files)).in_order()]
    begin, begun = Unpacked._begin, []
    monkeypatch.setattr(Unpacked, "_begin", lambda self: begun.append(self) or begin(self))
    assert content_digests(packed[::-1]) == content_digests(whole)[::-1]
    assert quantize.calibration_set(packed, [Recipe(8)], 5).digests == quantize.calibration_set(whole, [Recipe(8)], 5).digests
    assert set(quantize.digests(packed)) == set(quantize.digests(whole))
    assert len(begun) <= 6  # of 37 photos; once in a use, and where the next photos lie before the last


def test_what_needs_files_refuses_archives(runs: Path, folder: Path, tmp_path: Path) -> None:
    with (tmp_path / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("kind", "file", "decision"), ("label", "cat/1.jpg", "drop")])
    with pytest.raises(InputError, match=r"is an archive, and photos inside it cannot be moved; .*Unpack it"):
        apply_repairs(str(runs / "test.zip"), str(tmp_path / "list.csv"))
    with pytest.raises(InputError, match="is an archive, and labels are given to files; unpack it"):
        scan_to_label(runs / "test.zip")
    from penult.studio.options import StudioOptions
    from penult.studio.photos import find_photos

    with pytest.raises(InputError, match=r"are in the archive .*photos.parquet"):
        find_photos(StudioOptions(source=runs / "b", out=tmp_path / "project"))


def test_objects_and_archives_in_a_store_are_the_folder(s3: Any, files: dict[str, bytes], folder: Path) -> None:
    place = s3.bucket("runs")
    archives.lay_out(s3.root / "runs" / "photos", files)
    (s3.root / "runs" / "a.zip").write_bytes(archives.zipped(files))
    (s3.root / "runs" / "a.tar").write_bytes(archives.tar(files))
    archives.parquet(s3.root / "runs" / "a.parquet", files, ("birds", "cat"))
    networks, options = [builtin.find_builtin(NETWORK)], EmbedOptions(cache=False, workers=1)
    whole = scan_labelled(folder).in_order()
    first = embed(whole.sources, networks, options)
    for name in ("photos", "a.zip", "a.tar", "a.parquet"):
        found = scan_labelled(f"{place}/{name}").in_order()
        assert [(one.id, one.label) for one in found.images] == [(one.id, one.label) for one in whole.images]
        done = embed(found.sources, networks, options)
        assert np.array_equal(done.digests, first.digests)
        assert {i: one.reason for i, one in done.failures.items()} == {i: one.reason for i, one in first.failures.items()}
        assert np.array_equal(done.features(), first.features())
    (s3.root / "runs" / "bad.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"s3://runs/bad\.parquet is no Parquet file as it was written"):
        scan_labelled(f"{place}/bad.parquet")


# --- layouts ---


def test_a_zip_of_kaggle_gets_the_sentences_of_a_folder(tmp_path: Path) -> None:
    jpeg = save(photo(20, 30), "JPEG")
    flat = {f"train/{label}.{i}.jpg": jpeg for label in ("cat", "dog") for i in range(3)} | {"test1/1.jpg": jpeg}
    path = tmp_path / "dogs-vs-cats.zip"
    path.write_bytes(archives.zipped(flat))
    with pytest.raises(InputError, match=r"are parts of a data set, .* the part to learn from, such as '.*cats.zip/train'"):
        scan_labelled(path)
    found = scan_labelled(f"{path}/train")
    assert found.counts == {"cat": 3, "dog": 3}
    assert found.ids[0] == "cat.0.jpg"
    assert scan_unlabelled(f"{path}/test1").ids == ("1.jpg",)
    assert [one.read() for one in locate(f"{path}/train", ["dog.2.jpg"]) if isinstance(one, Member)] == [jpeg]
    (tmp_path / "zips").mkdir()
    for part in ("train", "test1"):
        inside = {name.partition("/")[2]: data for name, data in flat.items() if name.startswith(part)}
        (tmp_path / "zips" / f"{part}.zip").write_bytes(archives.zipped(inside))
    with pytest.raises(InputError, match=r"the archives in .* are parts .*, such as '.*train.zip'"):
        scan_labelled(tmp_path / "zips")
    with pytest.raises(InputError, match="has images but no class folders"):
        scan_labelled(tmp_path / "zips" / "test1.zip")


def test_a_table_beside_an_archive_names_images_in_it(tmp_path: Path) -> None:
    jpeg = save(photo(20, 30), "JPEG")
    names = [f"{i}.jpg" for i in range(4)]
    (tmp_path / "train.zip").write_bytes(archives.zipped({f"train/{name}": jpeg for name in names}))
    (tmp_path / "labels.csv").write_text("id,breed\n" + "".join(f"{i},{'pug' if i % 2 else 'owl'}\n" for i in range(4)))
    found = scan_labelled(tmp_path / "labels.csv")
    assert found.counts == {"owl": 2, "pug": 2}
    assert found.ids == tuple(f"train.zip/train/{name}" for name in names)
    assert all(isinstance(one, Member) and one.read() == jpeg for one in found.sources)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "labels.csv").rename(tmp_path / "elsewhere" / "labels.csv")
    named = scan_labelled(tmp_path / "elsewhere" / "labels.csv", table=TableOptions(image_dir=str(tmp_path / "train.zip")))
    assert named.ids == tuple(f"train/{name}" for name in names)
    assert named.counts == found.counts


def test_shards_of_webdataset_and_numbered_classes(tmp_path: Path) -> None:
    jpeg = save(photo(20, 30), "JPEG")
    for shard in range(3):
        files = {f"{i:04d}.{kind}": data for i in range(4) for kind, data in (("cls", str(i % 2).encode()), ("jpg", jpeg))}
        (tmp_path / f"{shard:05d}.tar").write_bytes(archives.tar({**files, "0009.jpg": jpeg}))
    found = scan_labelled(tmp_path)
    assert found.counts == {"0": 6, "1": 6}
    assert found.ids[0] == "00000.tar/0000.jpg"
    assert [note for note in found.notes if "images without a label" in note]
    unlabelled = scan_unlabelled(tmp_path, classes=("x", "y"))
    assert len(unlabelled) == 15
    assert unlabelled.classes == ()
    assert "labels of" in unlabelled.notes[0]
    with pytest.raises(InputError, match=r"--label-column is about a table, and '.*' is an archive"):
        scan_labelled(tmp_path / "00000.tar", table=TableOptions(label_column="x"))


def test_a_folder_of_archives_is_scanned_once(tmp_path: Path) -> None:
    """What lies beside the archives is counted once; no part of an archive's name is a label; Parquet may lie deeper."""
    jpeg = save(photo(20, 30), "JPEG")
    files = {f"{label}/{i}.jpg": jpeg for label in ("cat", "dog") for i in range(3)}
    (tmp_path / "zip").mkdir()
    (tmp_path / "zip" / "PHOTOS.ZIP").write_bytes(archives.zipped(files))
    for name in (".DS_Store", "raw.cr2", "notes.txt"):
        (tmp_path / "zip" / name).write_bytes(b"x")
    found = scan_labelled(tmp_path / "zip")
    assert found.counts == {"cat": 3, "dog": 3}
    assert found.ignored == {"camera raw files": 1, "files that are not images": 1, "hidden or system files": 1}
    (tmp_path / "parquet" / "data").mkdir(parents=True)
    archives.parquet(tmp_path / "parquet" / "data" / "a.parquet", files, ("cat", "dog"))
    assert scan_labelled(tmp_path / "parquet", table=TableOptions(label_column="label")).counts == found.counts


def test_labels_beside_a_few_images_leave_the_class_folders_to_count(tmp_path: Path) -> None:
    """And a caption, which img2dataset writes as .txt, is no label."""
    jpeg = save(photo(20, 30), "JPEG")
    files = {f"{label}/{i}.jpg": jpeg for label in ("cat", "dog") for i in range(6)}
    (tmp_path / "a.tar").write_bytes(archives.tar({**files, "dog/5.txt": b"a dog", "dog/6.jpg": jpeg, "dog/6.cls": b"3"}))
    found = scan_labelled(tmp_path / "a.tar")
    assert found.counts == {"cat": 6, "dog": 7}
    assert [note for note in found.notes if "only 1 of 13 images have a label" in note]
    assert scan_unlabelled(tmp_path / "a.tar", classes=("cat", "dog")).counts == {"cat": 6, "dog": 7}
    beside = {
        f"{label}/{i}.{kind}": data
        for label in "ab"
        for i in range(9)
        for kind, data in (("cls", b"%d" % (i % 2)), ("jpg", jpeg))
    }
    (tmp_path / "b.tar").write_bytes(archives.tar({**beside, "b/9.jpg": jpeg}))
    assert scan_labelled(tmp_path / "b.tar").counts == {"0": 10, "1": 8}


# --- bytes ---


def test_contents_are_what_their_files_are(folder: Path, files: dict[str, bytes], runs: Path) -> None:
    names = [name for name in files if "bad" not in name and name.endswith(".jpg")]
    paths, contents = [str(folder / name) for name in names], [FileContent(files[name]) for name in names]
    by_path = Embedder(NETWORK, cache_dir=False).transform(paths)
    assert np.array_equal(Embedder(NETWORK, cache_dir=False).transform(contents), by_path)
    model = load_model(runs / "a", cache_dir=False)
    answers = model.predict(contents)
    assert np.array_equal(answers.proba, model.predict(paths).proba)
    assert np.array_equal(model.predict_bytes([one.data for one in contents]).proba, answers.proba)
    assert answers.ids[3] == "image number 3"
    with pytest.raises(InputError, match=r"penult.FileContent\(data\)"):
        model.predict(files[names[0]])
    assert len(model.predict(os.fsencode(paths[0]))) == 1  # bytes alone are a path


def test_contents_of_any_size_pass_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the area of shared memory holds at once, of sizes that leave gaps, one after a reader that dawdles."""
    from penult.pixels import content_area

    monkeypatch.setattr(content_area, "_FULL", 200_000)
    small = save(photo(20, 30), "PNG")
    chance = np.random.default_rng(0)
    sizes = [int(n) for n in chance.integers(0, 150_000, 120)] + [3_000_000, 10, 700_000, 0]
    sources = [FileContent(small + b"\0" * n) for n in sizes]
    seen = []
    for one in prepare_all(sources, [Recipe(8)], workers=2):
        seen.append(one.index)
        if one.index % 40 == 0:
            time.sleep(0.05)
        assert one.failure is None
    assert seen == list(range(len(sources)))


KILLED = """
import sys, time
from penult.pixels import Recipe, prepare_all
from penult.sources import FileContent
data = FileContent(open(sys.argv[1], "rb").read())
for one in prepare_all([data] * 100_000, [Recipe(64)], workers=2):
    if one.index == 50:
        print("going", flush=True)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /dev/shm")
def test_kill_9_of_all_leaves_no_file_and_no_process(folder: Path, tmp_path: Path) -> None:
    before = {*os.listdir("/dev/shm"), *os.listdir("/tmp")}
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder / "cat/1.jpg")], stdout=subprocess.PIPE, env=environment
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"going\n"
    workers = psutil.Process(child.pid).children()
    assert len(workers) == 2
    child.kill()
    child.wait()
    child.stdout.close()
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []
    assert list(tmp_path.iterdir()) == []
    assert not [name for name in {*os.listdir("/dev/shm"), *os.listdir("/tmp")} - before if "penult" in name]


def test_a_worker_that_dies_costs_no_content(monkeypatch: pytest.MonkeyPatch) -> None:
    data: list[Any] = [FileContent(save(photo(60, 90, seed=i), "PNG")) for i in range(40)]
    others = psutil.Process().children()  # such as the server of a fixture
    prepared = prepare_all(data, [Recipe(8)], workers=2)
    first = next(prepared)
    for worker in {*psutil.Process().children()} - {*others}:
        worker.kill()
    results = [first, *prepared]
    assert [one.failure for one in results] == [None] * 40
