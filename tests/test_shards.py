"""Shards are what `embed` computes, whoever does them, in whatever order; what is wrong with them is found."""

from __future__ import annotations

import errno
import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from objectstore import FaultyProxy, S3Server
from penult import objects, parquet, pixels, shards, zoo
from penult.backbones import Backbone
from penult.cli import main
from penult.cluster.work import ActorAttempts
from penult.embed import EmbeddedRows
from penult.errors import DamagedFile, InputError, OutputError
from penult.shards import extractor, run
from penult.shards.extractor import CRASHED, NOT_FINITE, OVERFLOW, checked
from penult.store.disk import disk
from sharded import NETWORK, in_float16, laptop, make_place, make_shards, rows_of

pytest.importorskip("pyarrow", reason="shards need the extra `cloud`")


@pytest.fixture(autouse=True)
def _quick(quick_disk: None) -> None:
    pass


@pytest.fixture
def folder(photos: Callable[..., Path]) -> Path:
    """13 photos of two classes, one of them twice, and three that cannot be read."""
    made = photos("train", warm=6, cold=6)
    shutil.copy(made / "warm/warm.1.png", made / "warm/copy.png")
    (made / "cold/cut.png").write_bytes((made / "cold/cold.1.png").read_bytes()[:900])
    (made / "cold/empty.jpg").write_bytes(b"")
    (made / "warm/text.jpg").write_bytes(b"no picture")
    return made


def test_shards_have_the_rows_of_embed(folder: Path, tmp_path: Path) -> None:
    out = make_shards(folder, tmp_path / "out")
    X = shards.open_features(out)
    ids = sorted(str(p.relative_to(folder)) for p in folder.rglob("*.*"))
    done = laptop(folder, ids)
    good = [name for name, ok in zip(ids, done.ok, strict=True) if ok]
    assert sorted(X.ids()) == good
    assert (X.shape, X.failed, X.manifest.images) == ((13, 112), 3, 16)
    mine, theirs = (
        rows_of(X),
        dict(zip(good, zip(in_float16(done.features()), done.digests[done.ok], strict=True), strict=True)),
    )
    assert {name: (row.tobytes(), digest.tobytes()) for name, (row, digest) in theirs.items()} == mine
    reasons = {name: (reason, detail) for name, reason, detail in X.failures()}
    assert reasons == {ids[i]: (f.reason, f.detail) for i, f in done.failures.items()}
    assert {name: name.split("/")[0] for name in X.ids()} == dict(zip(X.ids(), X.labels(), strict=True))
    assert [tuple(size) for size in X.sizes()] == [pixels.image_size(folder / name) for name in X.ids()]
    exact = shards.open_features(make_shards(folder, tmp_path / "exact", float32=True))
    np.testing.assert_array_equal(exact[:], laptop(folder, exact.ids()).features())


def test_rows_are_read_when_they_are_asked_for(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices, numbers in any order, across failed rows, row groups and shards; a pickle is the address."""
    monkeypatch.setattr(parquet, "GROUP_ROWS", 2)
    monkeypatch.setattr(parquet.to_parquet, "__defaults__", (2,))
    X = shards.open_features(make_shards(folder, tmp_path / "out", rows=5))
    whole = X[:]
    for key in (
        slice(3, 9),
        slice(None, None, -2),
        np.array([0, 5, 12]),
        np.array([7, 2, 2]),
        np.arange(13) % 3 == 0,
        slice(9, 9),
    ):
        np.testing.assert_array_equal(X[key], whole[key])
    np.testing.assert_array_equal(X[-1], whole[12])
    out = np.empty((4, 112), np.float32)
    X.read_direct(out, np.s_[2:6])
    np.testing.assert_array_equal(out, whole[2:6])
    assert X.ids(slice(4, 6)) == X.ids()[4:6]
    again = pickle.loads(pickle.dumps(X))
    np.testing.assert_array_equal(again[:], whole)
    with pytest.raises(IndexError, match="there are 13 rows"):
        X[np.array([13])]
    with pytest.raises(IndexError, match="whole numbers"):
        X[0:2, 0:2]


def test_parts_in_any_order_write_the_same_bytes(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The one that ends last writes the manifest; again and by one machine it is the same to the byte."""
    words = ["embed", str(folder), "-b", NETWORK, "--rows", "3"]
    make_place(folder, tmp_path / "parts", 3)
    for part, says in (("2/3", "4 shards of 6 are still with the other parts"), ("3/3", "2 shards of 6"), ("1/3", "13 have")):
        assert main([*words, "--out", str(tmp_path / "parts"), "--part", part]) == 0
        assert says in capsys.readouterr().out
    assert main([*words, "--out", str(tmp_path / "whole")]) == 0
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    before = contents(tmp_path / "whole")
    assert main([*words, "--out", str(tmp_path / "whole"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["done"] == 0
    assert contents(tmp_path / "whole") == before


def test_shards_in_an_object_store_are_those_of_a_folder(
    folder: Path, tmp_path: Path, s3: S3Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """Photos and shards lie there; two parts end with the bytes of one run on files, and once more there is nothing to do."""
    shutil.copytree(folder, s3.root / "shots")
    source, out = s3.bucket("shots"), s3.bucket("made") + "/features"
    words = ["embed", source, "-b", NETWORK, "--rows", "5", "--out"]
    assert main([*words, out, "--part", "1/2"]) == main([*words, out, "--part", "2/2"]) == 0
    assert "2 shards of 4 are still with the other parts" in capsys.readouterr().out
    assert main([*words, str(tmp_path / "out")]) == 0
    there = s3.root / "made/features"
    assert contents(there) == contents(tmp_path / "out")
    capsys.readouterr()
    assert main([*words, out, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["done"] == 0
    X, laptop_X = shards.open_features(out), shards.open_features(make_shards(folder, tmp_path / "folder", rows=5))
    assert rows_of(X) == rows_of(laptop_X)
    assert sorted(X.failures()) == sorted(laptop_X.failures())
    assert [one.wrong for one in shards.check_shards(out) if one.wrong] == []


@pytest.mark.parametrize("local", [True, False])
def test_progress_counts_what_this_run_does(folder: Path, tmp_path: Path, local: bool) -> None:
    """Of 4 shards one is there, and another part ends one meanwhile: this run does 2, whoever hands them out."""
    out = make_place(folder, tmp_path / "out")
    assert shards.run_shards(out, part=(1, 4), workers=0).done == 1
    seen: dict[str, list[tuple[int, int]]] = {"images": [], "shards": []}

    def progress(step: str, done: int, total: int) -> None:
        if not seen["shards"]:
            list(run.local_runner(out, shards.Plan.open(f"{out}/plan.parquet").tasks()[1:2], workers=0))
        seen[step].append((done, total))

    there = partial(run.local_runner, workers=0)  # as a cluster: it tells nothing but what ended
    made = shards.run_shards(out, workers=0, progress=progress, runner=None if local else there)
    assert (made.done, made.images, made.left) == (2, 8, 0)
    assert (len(seen["shards"]), seen["shards"][0], seen["shards"][-1]) == (4, (0, 3), (2, 2))
    done, totals = ([pair[i] for pair in seen["images"]] for i in (0, 1))
    assert done == sorted(done) and totals == sorted(totals, reverse=True)
    assert (seen["images"][0], seen["images"][-1]) == ((0, 12), (8, 8))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_plan_is_kept_and_others_are_refused(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = make_shards(folder, tmp_path / "out")
    for words, says in (
        ((folder, "-b", "efficientnet_lite0"), "the plan was made with colour_histogram"),
        ((folder, "--rows", "5"), "--rows 4"),
        ((folder, "--float32"), "without --float32"),
        ((folder / "warm",), f"of {folder}"),
    ):
        assert main(["embed", *map(str, words), "--out", out, "-q"]) == 1
        assert says in capsys.readouterr().err
    (Path(out) / "shards/mine.txt").touch()
    assert main(["embed", str(folder), "--out", out]) == 0
    assert "left alone: shards/mine.txt" in capsys.readouterr().err
    assert main(["embed", str(folder), "--out", out, "-q", "--max-bad", "2"]) == 3
    assert "3 of 16 images" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"preprocessing": "1.pillow9"}, "pip install 'pillow==9.*'"),
        ({"preprocessing": "0.pillow9"}, "install the version of penult that made the plan"),
        ({"precision": "bf16"}, "the plan fixes bf16 on cpu"),
        ({"device": "cuda"}, "which fixes f32 on cuda"),
    ],
)
def test_a_machine_that_cannot_keep_the_plan_refuses(changed: dict[str, str], says: str) -> None:
    network = zoo.find_backbone(NETWORK)
    facts = replace(shards.plan_facts("photos", [network]), **changed)
    if "device" in changed:
        network = replace(network, function=None)
    with pytest.raises(InputError, match=says.replace("*", r"\*")):
        extractor.check_machine(facts, [network])


def test_a_machine_that_computes_something_else_refuses(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = make_place(folder, tmp_path / "out")
    real = Backbone.mean_over_views
    monkeypatch.setattr(Backbone, "mean_over_views", lambda self, vectors: real(self, vectors) * np.float32(1.2))
    with pytest.raises(InputError, match="off by 20%"):
        shards.Extractor(out, workers=0)


def test_networks_travel_by_value(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the shards are done nobody is asked for a network by its name, and no feature cache is opened."""
    out = make_place(folder, tmp_path / "out")
    monkeypatch.setattr(zoo, "find_backbone", None)
    monkeypatch.setattr("penult.store.FeatureCache.__init__", None)
    assert shards.run_shards(out, workers=0).manifest is not None
    (record,) = (tmp_path / "out/backbones").glob("*.json")
    record.write_text(record.read_text().replace("colour_histogram", "color_histogram"))
    with pytest.raises(DamagedFile, match="cannot be used"):
        shards.Extractor(out, workers=0)


def test_vectors_that_float16_does_not_hold_are_failures() -> None:
    vectors = np.array([[1, 2], [7e4, 0], [np.nan, 1], [3, -np.inf], [-65504, 4]], np.float32)
    n = len(vectors) + 1
    ok = np.arange(n) != 2
    rows = EmbeddedRows(np.ones((n, 32), np.uint8), ok, {}, vectors, np.ones((n, 2), np.int32))
    half, whole = checked(rows, "float16"), checked(rows, "float32")
    assert {i: f.reason for i, f in half.failures.items()} == {1: OVERFLOW, 3: NOT_FINITE, 4: NOT_FINITE}
    assert {i: f.reason for i, f in whole.failures.items()} == {3: NOT_FINITE, 4: NOT_FINITE}
    np.testing.assert_array_equal(half.vectors, vectors[[0, 4]])
    assert half.ok.tolist() == [True, False, False, False, False, True]


def test_an_image_that_ends_the_process_is_one_failed_row(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After three deaths the shard is done in parts; a machine that dies there too goes on where it was."""
    out = make_place(folder, tmp_path / "out", rows=16)
    (task,) = shards.Plan.open(f"{out}/plan.parquet").tasks()
    place = shards.open_output(out)
    for deaths in range(3):
        assert shards.AttemptFiles(place).begin(task.name) == deaths
    seen: list[int] = []

    class Died(Exception):
        pass

    def in_child(self: shards.Extractor, members: Any) -> EmbeddedRows | None:
        seen.append(len(members))
        if len(seen) == 4:
            raise Died
        return None if any("warm.2" in getattr(member, "id", "") for member in members) else self.embed(members)

    monkeypatch.setattr(extractor, "_in_child", in_child)
    with pytest.raises(Died), shards.Extractor(out, workers=0) as worker:
        worker.give_up(task, shards.AttemptFiles(place))
    (status,) = run.local_runner(out, [task], workers=0)
    assert len(seen) < 24
    assert status.reasons == {CRASHED: 1, "empty": 1, "not an image": 1, "truncated": 1}
    assert shards.run_shards(out, workers=0).manifest is not None
    assert not (tmp_path / "out/attempts").exists()
    X = shards.open_features(out)
    assert [name for name, reason, _ in X.failures() if reason == CRASHED] == ["warm/warm.2.png"]
    np.testing.assert_array_equal(X[:], in_float16(laptop(folder, X.ids()).features()))


def test_a_machine_where_every_child_dies_blames_no_image(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = make_place(folder, tmp_path / "out", rows=16)
    (task,) = shards.Plan.open(f"{out}/plan.parquet").tasks()
    monkeypatch.setattr(extractor, "_in_child", lambda *_: None)
    with shards.Extractor(out, workers=0) as worker, pytest.raises(InputError, match="even with a drawn picture"):
        worker.give_up(task, shards.AttemptFiles(worker.output))
    assert not (tmp_path / "out/done").exists()


def test_a_child_process_gives_the_same_rows(folder: Path, tmp_path: Path) -> None:
    out = make_place(folder, tmp_path / "out", rows=16)
    (task,) = shards.Plan.open(f"{out}/plan.parquet").tasks()
    with shards.Extractor(out, workers=0) as worker:
        assert worker.give_up(task, shards.AttemptFiles(worker.output)).failed == 3
    shards.run_shards(out, workers=0)
    assert rows_of(shards.open_features(out)) == rows_of(shards.open_features(make_shards(folder, tmp_path / "plain")))


def test_what_was_damaged_is_found(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A flipped bit of any file, a shard that is gone or of another plan; and the same command mends a shard."""
    out = Path(make_shards(folder, tmp_path / "out", rows=8))
    rng = np.random.default_rng(0)
    for path in sorted(p for p in out.rglob("*") if p.suffix in (".parquet", ".json", ".csv")):
        whole = path.read_bytes()
        for place_ in rng.integers(0, len(whole), 6):
            damaged = bytearray(whole)
            damaged[place_] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged)
            with pytest.raises((DamagedFile, InputError)):
                read_all(str(out))
        path.write_bytes(whole)
    read_all(str(out))
    assert main(["doctor", str(out)]) == 0
    shard = next((out / "shards").iterdir())
    shard.unlink()
    assert main(["doctor", str(out)]) == 1
    assert f"1 of 10 files are not as written: shards/{shard.name}" in capsys.readouterr().out
    with pytest.raises(DamagedFile, match="only this shard"):
        shards.open_features(str(out))[:]
    assert shards.run_shards(str(out), workers=0).done == 1
    read_all(str(out))


def read_all(out: str) -> None:
    wrong = [one for one in shards.check_shards(out) if one.wrong]
    if wrong:
        raise DamagedFile(str(wrong))


def test_every_reader_gets_the_same_vectors(folder: Path, tmp_path: Path) -> None:
    """pyarrow, polars and DuckDB, of all shards at once."""
    pq, pl, duckdb = (pytest.importorskip(name) for name in ("pyarrow.parquet", "polars", "duckdb"))
    X = shards.open_features(make_shards(folder, tmp_path / "out", rows=5))
    wanted = dict(zip(X.ids(), X[:].tolist(), strict=True))
    files = str(tmp_path / "out/shards/*.parquet")
    table = pq.read_table(str(tmp_path / "out/shards")).to_pydict()
    frame = pl.read_parquet(files).filter(pl.col("reason").is_null()).select("id", pl.col("vector").cast(pl.List(pl.Float32)))
    query = f"select id, vector::float[] from '{files}' where reason is null"
    found = {name: list(map(float, v)) for name, v in zip(table["id"], table["vector"], strict=True) if v is not None}
    assert found == wanted
    assert dict(frame.rows()) == wanted
    assert dict(duckdb.sql(query).fetchall()) == wanted


def test_images_that_changed_count_once(folder: Path, tmp_path: Path) -> None:
    """`--add` plans what is new or changed in new shards, and the old row of an image changed or mended counts no more."""
    out = make_shards(folder, tmp_path / "out", rows=5)
    before = rows_of(shards.open_features(out))
    shutil.copy(folder / "cold/cold.1.png", folder / "warm/new.png")
    (folder / "warm/warm.1.png").write_bytes((folder / "cold/cold.2.png").read_bytes())
    shutil.copy(folder / "cold/cold.2.png", folder / "warm/text.jpg")
    shards.make_plan(str(folder), f"{out}/plan.parquet", None, add=True)
    assert shards.run_shards(out, workers=0).done == 1
    X = shards.open_features(out)
    after = rows_of(X)
    assert len(X) == len(after) == 15 and X.ids().count("warm/warm.1.png") == 1
    assert (X.manifest.images, X.manifest.embedded, X.failed) == (17, 15, 2)
    assert X.manifest.reasons == {"empty": 1, "truncated": 1}
    assert [name for name, _, _ in X.failures()] == ["cold/cut.png", "cold/empty.jpg"]
    assert after["warm/warm.1.png"] == after["cold/cold.2.png"] != before["warm/warm.1.png"]
    assert after.pop("warm/text.jpg") == after["cold/cold.2.png"]
    assert {name: row for name, row in after.items() if "1.png" not in name and "new" not in name} == {
        name: row for name, row in before.items() if "1.png" not in name
    }


def test_two_processors_at_one_shard_leave_a_pair(tmp_path: Path) -> None:
    """File A, file B, receipt B, receipt A: who is last looks, and writes again; a shard that is done stays as it is."""
    output = shards.open_output(tmp_path)
    task, first, second = shards.ShardTask("", 0, "one", 1), shards.ShardWriter(output), shards.ShardWriter(output)
    real, seen = output.write, list[str]()

    def write(name: str, data: bytes) -> None:
        real(name, data)
        seen.append(name)
        if len(seen) == 1:
            second.write(task, b"bytes of B", {})

    first.output = SimpleNamespace(**{name: getattr(output, name) for name in ("read", "exists", "address")}, write=write)
    assert first.write(task, b"bytes of A", {}).embedded == 1
    receipt = json.loads(output.read("done/one.json"))
    assert receipt["sha256"] == hashlib.sha256(output.read("shards/one.parquet")).hexdigest()
    before = contents(tmp_path)
    assert second.write(task, b"bytes of B", {}).skipped
    assert contents(tmp_path) == before


def test_an_image_that_was_done_is_not_given_up(folder: Path) -> None:
    """Actors that die at a later image leave no trace on those before it."""
    attempts = ActorAttempts()

    def run(start: int, stop: int, last: bool) -> int | None:
        if start <= 1 < stop and not last:
            if stop - start == 1:
                raise InterruptedError
            return None
        return stop - start

    for _ in range(3):
        with pytest.raises(InterruptedError):
            shards.in_halves("one", 2, attempts, partial(run, last=False))
    assert shards.in_halves("one", 2, attempts, partial(run, last=True)) == [(0, 1, 1), (1, 2, None)]


def test_a_manifest_of_another_program_makes_no_features(folder: Path, tmp_path: Path) -> None:
    (folder / "manifest.json").write_text('{"images": 3}')
    (folder / "plan.parquet").write_bytes(b"PAR1")
    assert not shards.is_features(folder)
    out = make_place(folder / "warm", tmp_path / "out")
    assert shards.is_features(out)


def test_a_plan_is_taken_as_it_is_now(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its networks with their --fit, an addition to it; one of other images is refused."""
    plan, out = str(tmp_path / "plan.parquet"), str(tmp_path / "out")
    assert main(["plan", str(folder), "-b", NETWORK, "--fit", "crop", "--rows", "5", "--out", plan, "-q"]) == 0
    assert main(["embed", plan, "--out", out, "-q"]) == 0
    shutil.copy(folder / "cold/cold.2.png", folder / "warm/new.png")
    assert main(["plan", str(folder), "--out", plan, "--add"]) == 0
    assert "17 images in 5 shards (1 new" in (said := capsys.readouterr().out), said
    assert main(["embed", plan, "--out", out]) == 0
    assert "17 images: 14 have features" in (said := capsys.readouterr().out), said
    other = str(tmp_path / "other.parquet")
    assert main(["plan", str(folder / "warm"), "-b", NETWORK, "--fit", "crop", "--out", other, "-q"]) == 0
    assert main(["embed", other, "--out", out, "-q"]) == 1
    assert "has another plan" in capsys.readouterr().err


def test_places_that_are_files_or_sources_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(folder)
    for out, says in (
        ("s3://b.c/x.h5", "as shards into a folder or address without ending, s3://b.c/x"),
        (str(folder.parent / "x.v2"), "ending of a file"),
        (str(folder), "where the images are"),
        (str(folder / "warm/x"), "outside of it"),
    ):
        with pytest.raises(InputError, match=says):
            shards.check_place(out, str(folder))
    assert main(["embed", str(folder), "-b", NETWORK, "--out", str(folder), "-q"]) == 1
    assert "where the images are" in capsys.readouterr().err
    assert contents(folder) == before


def test_a_part_waits_as_long_as_part_1_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half an hour of planning with a sign of work now and then, and no plan in the end."""
    now, place_, waited = [0.0], shards.open_output(tmp_path), list[int]()

    def sleep(seconds: float) -> None:
        now[0] += seconds * 50
        if now[0] < 1800:
            place_.write("planning", str(now[0]).encode())

    monkeypatch.setattr("penult.shards.place.time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    with pytest.raises(InputError, match="there is no plan"):
        shards.wait_for_plan(str(tmp_path), lambda step, done, total: waited.append(done))
    assert now[0] > 2300 and len(waited) > 20


def test_planning_shows_signs_of_work(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penult.shards.place._TOLD", 0.0)
    seen = set[str]()

    def progress(step: str, done: int, total: int) -> None:
        seen.update(path.read_text() for path in tmp_path.glob("out/planning"))

    shards.make_ready(str(folder), str(tmp_path / "out"), [zoo.find_backbone(NETWORK)], rows=5, progress=progress)
    assert seen == {"5", "10", "15"} and not (tmp_path / "out/planning").exists()


def test_a_full_disk_is_told_and_the_rest_is_done_later(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever write fails, nothing half-written counts, and the same command ends with the same bytes."""
    whole = contents(Path(make_shards(folder, tmp_path / "whole", rows=5)))
    out = make_place(folder, tmp_path / "out", rows=5)
    real, left = disk.write, [0]

    def write(descriptor: int, data: Any) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "no space")
        return real(descriptor, data)

    monkeypatch.setattr(disk, "write", write)
    for room in range(0, 5, 2):
        left[0] = room
        with pytest.raises(OutputError, match="the disk is full; free some space"):
            shards.run_shards(out, workers=0)
    left[0] = 1000
    assert shards.run_shards(out, workers=0).manifest is not None
    assert contents(Path(out)) == whole


def test_a_full_bucket_is_told_and_the_rest_is_done_later(
    folder: Path, s3: S3Server, faulty_s3: FaultyProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever object finds no room: one sentence, and the same command ends with the bytes of a run on files."""
    monkeypatch.setattr(objects.store, "_PATIENCE", timedelta(seconds=0.1))
    whole = contents(Path(make_shards(folder, tmp_path / "whole", rows=5)))
    out = s3.bucket("narrow") + "/features"
    make_place(folder, out, rows=5)
    puts = [0]

    def fault(method: str, path: str) -> str | None:
        puts[0] -= method == "PUT"
        return "507 InsufficientStorage" if puts[0] < 0 and method == "PUT" else None

    faulty_s3.fault = fault
    for room in (0, 3):
        puts[0] = room
        with pytest.raises(OutputError, match=r"the store is full \(InsufficientStorage\); make room, and run it again"):
            shards.run_shards(out, workers=0)
    puts[0] = 1000
    assert shards.run_shards(out, workers=0).manifest is not None
    assert contents(s3.root / "narrow/features") == whole


def test_names_and_labels_are_read_without_the_vectors(photos, tmp_path, monkeypatch):
    X = shards.open_features(make_shards(photos("many", warm=9, cold=9), tmp_path / "out"))
    monkeypatch.setattr(type(X), "_open", None)  # reads whole files
    assert len(X.ids()) == len(X.labels()) == len(X.digests()) == 18
