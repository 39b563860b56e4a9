"""`penult cache`: what is shown is there, damage is found, what is removed was penult's, a running command goes on."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penult import backbones, store
from penult.cli import main
from penult.cli.cache import human
from penult.cli.stored import size
from penult.embed import EmbedOptions, embed
from penult.engines.engine import CompiledCache
from penult.errors import InputError, UnknownName
from penult.quantize import QuantizedCache
from penult.similar.search import SimilarityIndex, open_index
from penult.store import CacheEntry, inventory
from penult.store.disk import Disk, machine_id
from penult.store.shards import read_shard, rows_by_size, width_of, write_shard
from penult.zoo import model_cache

pytestmark = pytest.mark.usefixtures("quick_disk")

DAY = 86_400.0
FACTS = {"backbone": "net", "backbone_digest": "d" * 64, "road": "1", "engine": "numpy", "precision": "f32", "width": "3"}


def rows(count: int, width: int, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    digests = [np.frombuffer(hashlib.sha256(b"%d" % i).digest(), np.uint8) for i in range(first, first + count)]
    return np.array(digests, np.uint8).reshape(-1, 32), np.random.default_rng(first).standard_normal((count, width)).astype(
        np.float32
    )


def fill(folder: Path, name: str = "net", width: int = 3, count: int = 10, per_shard: int = 4) -> store.FeatureCache:
    facts = {**FACTS, "backbone": name, "backbone_digest": hashlib.sha256(name.encode()).hexdigest(), "width": str(width)}
    with store.FeatureCache(folder, facts, rows_per_shard=per_shard) as cache:
        cache.add(*rows(count, width))
    return cache


def converted(cache: Path, name: str = "resnet9") -> Path:
    """Lay a converted network on the shelf, as the zoo does."""
    recipe = {"size": 32, "fit": "crop", "crop": 1.0, "interpolation": "bicubic", "mean": [0.5] * 3, "std": [0.5] * 3}
    entry = CacheEntry.of(cache, "backbones", {"name": name}, name)
    model_cache.put(entry, b"a graph", {"name": name, "recipe": recipe})
    return entry.folder


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with every part in it, filled by the code that fills it in earnest; tests work on copies."""
    tmp_path = tmp_path_factory.mktemp("filled")
    cache = tmp_path / "cache"
    fill(cache)
    converted(cache)
    QuantizedCache(cache, "d" * 64, "other").put(frozenset({b"i" * 32}), b"a graph in 8 bits")
    CompiledCache(cache).put({"machine": "this"}, b"a compiled graph")
    store.write_h5(tmp_path / "data.h5", train=rows(40, 6)[1], facts={})
    with store.RowReader([tmp_path / "data.h5"]) as files:
        assert isinstance(open_index(files, (6,), cache, lambda *_: None), SimilarityIndex)
    speed = {"backbone_digest": "d", "engine": "numpy", "device": "cpu", "precision": "f32", "machine": "this"}
    CacheEntry.of(cache, "speeds", speed).put({}, backbone="net", images=1, images_per_second=2.5)
    return cache


@pytest.fixture
def cache(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled, tmp_path / "cache"))


ONE_OF_EACH = {
    "shard": "features/*/shard-*.npz",
    "key": "features/*/key.json",
    "graph": "backbones/*/graph.onnx",
    "record": "backbones/*/record.json",
    "int8": "int8/*/graph.onnx",
    "compiled": "compiled/*/graph.bin",
    "index": "similar/*/rows.npy",
    "index record": "similar/*/record.json",
    "speed": "speeds/*/record.json",
}


def age(path: Path, days: float) -> None:
    for one in [path] if path.is_file() else [*path.iterdir(), path]:
        when = one.stat().st_mtime - days * DAY
        os.utime(one, (when, when))


def ask(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["cache", *(str(w) for w in words)])
    return code, *capsys.readouterr()


def ask_json(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    return dict(json.loads(ask(capsys, *words, "--json")[1]))


def names(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_what_is_shown_is_there(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(cache, "other", width=5, count=7)
    about = ask_json(capsys, "--cache", cache)
    found = {one["backbone"]: one for one in about["features"]}
    assert {name: (one["rows"], one["shards"]) for name, one in found.items()} == {"net": (10, 2), "other": (7, 1)}
    assert about["bytes"] == sum(p.stat().st_size for p in cache.rglob("*") if p.is_file())
    parts = {name: part["entries"] for name, part in about["parts"].items()}
    assert parts == {"backbones": 1, "int8": 1, "compiled": 1, "similar": 1, "speeds": 1, "demo": 0}
    code, out, err = ask(capsys, "--cache", cache)
    assert (code, err) == (0, "")
    for text in (str(cache), "net", "other", "numpy", "1 converted networks", "1 networks in 8 bits", "total: "):
        assert text in out


@pytest.mark.parametrize(("count", "width"), [(1, 1), (7, 5), (64, 1280)])
def test_rows_are_counted_without_opening_a_shard(count: int, width: int, tmp_path: Path) -> None:
    path = write_shard(tmp_path, *rows(count, width), "")
    length = path.stat().st_size
    assert rows_by_size(length, width) == count
    assert rows_by_size(length - 1, width) is None
    assert rows_by_size(0, width) is None
    assert width_of(path) == width
    assert read_shard(path, width)[1].shape == (count, width)


def test_no_cache_and_an_empty_one_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no cache yet" in ask(capsys, "--cache", tmp_path / "none")[1]
    assert not (tmp_path / "none").exists()
    (tmp_path / "empty").mkdir()
    assert "it is empty" in ask(capsys, "--cache", tmp_path / "empty")[1]
    for wish in ("--verify", "--prune"):
        assert ask(capsys, "--cache", tmp_path / "none", wish)[0] == 0
    assert "nothing had to be removed" in ask(capsys, "--cache", tmp_path / "empty", "--prune")[1]


def test_a_whole_cache_is_verified_and_stays(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = names(cache)
    code, out, err = ask(capsys, "--cache", cache, "--verify")
    assert (code, err) == (0, "")
    assert f"{len(before)} files" in out
    assert "none damaged" in out
    assert names(cache) == before


@pytest.mark.parametrize("which", list(ONE_OF_EACH))
@pytest.mark.parametrize("how", ["a bit", "cut", "empty"])
def test_damage_is_found_told_and_removed_once(which: str, how: str, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = next(cache.glob(ONE_OF_EACH[which]))
    data = bytearray(path.read_bytes())
    data[len(data) * 3 // 4 if which == "shard" else len(data) // 2] ^= 1  # not in a zip's header, which nothing is read from
    path.write_bytes({"a bit": data, "cut": data[: len(data) // 2], "empty": b""}[how])
    before = names(cache)
    code, out, _ = ask(capsys, "--cache", cache, "--verify", "--dry-run")
    assert code == 1
    assert path.parent.name in out  # a record that is damaged can speak against the file that it describes
    assert "nothing was removed" in out
    assert names(cache) == before
    about = ask_json(capsys, "--cache", cache, "--verify")
    assert str(path.parent) in {str(Path(one["file"]).parent) for one in about["damaged"]}
    gone = before - names(cache)
    assert path.relative_to(cache).as_posix() in gone
    together = {"graph": 2, "record": 2, "int8": 2, "compiled": 2, "index": 5, "index record": 5}
    assert len(gone) == together.get(which, 1)
    assert about["freed"] == sum(one["bytes"] for one in about["removed"])
    assert ask(capsys, "--cache", cache, "--verify")[0] == 0


def test_a_good_file_that_was_put_there_meanwhile_stays(tmp_path: Path) -> None:
    cache = fill(tmp_path)
    path = next(cache.folder.glob("shard-*"))
    good = path.read_bytes()
    path.write_bytes(good[:-1])
    damages = list(inventory.verify(inventory.scan(tmp_path)))
    path.unlink()
    path.write_bytes(good)
    os.utime(path, ns=(0, 12345))
    assert inventory.carry_out(inventory.of_damage(damages), tmp_path) == (0, [])
    assert path.read_bytes() == good


def test_a_file_that_cannot_be_read_now_is_told_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = fill(tmp_path, count=3)
    path = next(cache.folder.glob("shard-*"))

    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(inventory, "read_shard", broken)
    damages = list(inventory.verify(inventory.scan(tmp_path)))
    assert [(one.path, one.reason) for one in damages] == [(path, "it cannot be read (Input/output error)")]
    assert inventory.of_damage(damages) == []


def test_damaged_rows_are_computed_again_after_a_verification(photos: Callable[..., Path], tmp_path: Path) -> None:
    paths = sorted(photos("train", warm=5, cold=5).rglob("*.png"))
    settings = EmbedOptions(cache=str(tmp_path / "cache"), workers=0)
    net = backbones.find_builtin("colour_histogram")
    first = embed(paths, [net], settings).features()
    shard = next((tmp_path / "cache").rglob("shard-*"))
    shard.write_bytes(shard.read_bytes()[:-7])
    assert main(["cache", "--cache", str(tmp_path / "cache"), "--verify"]) == 1
    again = embed(paths, [net], settings)
    assert again.embedded == 10
    np.testing.assert_array_equal(again.features(), first)


def test_a_run_whose_cache_is_pruned_under_it_goes_on(
    photos: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paths = sorted(photos("train", warm=5, cold=5).rglob("*.png"))
    net = backbones.find_builtin("colour_histogram")
    wanted = embed(paths, [net], EmbedOptions(cache=False, workers=0)).features()
    for stop_at in (3, 10):  # in the middle of the photos, and after the last

        def prune(step: str, done: int, total: int, at: int = stop_at) -> None:
            if done == at:
                assert main(["cache", "--cache", str(tmp_path / "cache"), "--prune", "--all"]) == 0

        done = embed(paths, [net], EmbedOptions(cache=str(tmp_path / "cache"), workers=0), prune)
        assert main(["cache", "--cache", str(tmp_path / "cache"), "--prune", "--all"]) == 0
        assert not list((tmp_path / "cache").rglob("shard-*"))
        with caplog.at_level(logging.WARNING):
            np.testing.assert_array_equal(done.features(), wanted)
        assert "vanished from the cache and are computed again" in caplog.text


def test_leftovers_of_dead_processes_go_and_those_of_the_living_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = fill(tmp_path)
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True)
    dead = cache.folder / f".tmp-{machine_id()}-{int(child.stdout)}-0a"
    alive = cache.folder / f".tmp-{machine_id()}-{os.getpid()}-0a"
    theirs = tmp_path / ".tmp-of-another-program"
    for path in (dead, alive, theirs):
        path.write_bytes(b"x")
    age(theirs, 30)
    about = ask_json(capsys, "--cache", tmp_path, "--prune", "--all")
    assert str(dead) in [one["path"] for one in about["removed"]]
    assert (dead.exists(), alive.exists(), theirs.exists()) == (False, True, True)
    assert names(tmp_path) == {alive.relative_to(tmp_path).as_posix(), theirs.name}


def test_what_is_visibly_of_no_use_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache = fill(tmp_path)
    cut = next(cache.folder.glob("shard-*"))
    cut.write_bytes(cut.read_bytes()[:-1])
    begun, fresh = converted(tmp_path, "begun"), converted(tmp_path, "fresh")
    for folder in (begun, fresh):
        (folder / "record.json").unlink()
    age(begun, 2)
    assert "leftovers of killed processes" in ask(capsys, "--cache", tmp_path)[1]
    assert ask(capsys, "--cache", tmp_path, "--prune")[0] == 0
    assert (cut.exists(), begun.exists(), fresh.exists()) == (False, False, True)


def test_the_oldest_go_and_what_was_used_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, used, new = fill(tmp_path, "old"), fill(tmp_path, "used"), fill(tmp_path, "new")
    network = converted(tmp_path)
    for folder in (old.folder, used.folder, network):
        age(folder, 40)
    fill(tmp_path, "used", count=0)  # opening it is using it
    code, out, _ = ask(capsys, "--cache", tmp_path, "--prune", "--older", "30", "--dry-run")
    assert code == 0
    assert "(old)" in out
    assert "not used for 40 days" in out
    assert old.folder.exists()
    assert ask(capsys, "--cache", tmp_path, "--prune", "--older", "30")[0] == 0
    assert (old.folder.exists(), used.folder.exists(), new.folder.exists(), network.exists()) == (False, True, True, True)


def test_the_least_recently_used_go_until_it_is_small_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [fill(tmp_path, f"n{i}", count=50).folder for i in range(4)]
    for days, folder in enumerate(folders):
        age(folder, 10 - days)
    each = sum(p.stat().st_size for p in folders[0].iterdir())
    assert ask(capsys, "--cache", tmp_path, "--prune", "--max", str(int(2.5 * each)))[0] == 0
    assert [folder.exists() for folder in folders] == [False, False, True, True]
    converted(tmp_path)
    out = ask(capsys, "--cache", tmp_path, "--prune", "--max", "1")[1]
    assert "stay, more than --max" in out
    assert [folder.exists() for folder in folders] == [False] * 4
    assert (tmp_path / "backbones").exists()


def test_all_of_one_network_goes(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = {name for name in names(cache) if name.startswith(("int8", "backbones", "compiled", "similar"))}
    digest = hashlib.sha256(b"net").hexdigest()
    QuantizedCache(cache, digest, "net").put(frozenset({b"j" * 32}), b"of net")
    (cache / "int8" / digest[:32]).mkdir()
    (cache / "int8" / digest[:32] / f"{'a' * 16}.int8").write_bytes(b"of net, by an earlier version")
    assert ask(capsys, "--cache", cache, "--prune", "--backbone", "net")[0] == 0
    assert names(cache) == kept
    assert ask(capsys, "--cache", cache, "--prune", "--backbone", "res*")[0] == 0
    assert list((cache / "backbones").iterdir()) == []
    QuantizedCache(cache, "e" * 64, "efficientnet_lite0").put(frozenset({b"k" * 32}), b"of lite0")
    with pytest.raises(UnknownName, match=r"unknown cached backbone 'nett'"):
        inventory.plan(inventory.scan(cache), backbones=["nett"])
    for names_given in (["efficientnet_lite0", "nett"], ["nett", "efficientnet_lite0"]):
        words = [word for name in names_given for word in ("--backbone", name)]
        assert "unknown cached backbone" in ask(capsys, "--cache", cache, "--prune", *words)[2]
    before = len(list(cache.glob("int8/*/*")))
    assert ask(capsys, "--cache", cache, "--prune", "--backbone", "efficientnet_lite0")[0] == 0
    assert len(list(cache.glob("int8/*/*"))) == before - 2


def test_all_is_everything_of_penults_and_nothing_else(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "key.json").write_text("{}")
    mine = [cache / "notes.txt", cache / "features" / "mine.npz", next(cache.glob("features/*/")) / "shard.npz"]
    for path in mine:
        path.write_text("mine")
    (cache / "features" / ("a" * 32)).symlink_to(outside)
    (cache / "similar" / ("b" * 32)).write_text("a file where a folder should be")
    assert "not penult's, left alone: notes.txt" in ask(capsys, "--cache", cache)[1]
    assert ask(capsys, "--cache", cache, "--prune", "--all")[0] == 0
    left = {path.relative_to(cache).as_posix() for path in mine} | {f"similar/{'b' * 32}"}
    assert names(cache) - {f"features/{'a' * 32}/key.json"} == left
    assert (outside / "key.json").exists()


def test_a_folder_that_is_no_cache_is_refused_and_not_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "thesis.txt").write_text("four years")
    (tmp_path / f".tmp-{machine_id()}-1-0a").write_text("?")
    age(tmp_path / f".tmp-{machine_id()}-1-0a", 9)
    before = names(tmp_path)
    for words in ([], ["--verify"], ["--prune", "--all"]):
        code, out, err = ask(capsys, "--cache", tmp_path, *words)
        assert (code, out) == (1, "")
        assert "holds nothing that penult keeps in a cache" in err
        assert names(tmp_path) == before
    assert "is a file, not a cache folder" in ask(capsys, "--cache", tmp_path / "features" / "thesis.txt")[2]


def test_what_cannot_be_removed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = fill(tmp_path)
    monkeypatch.setattr(inventory, "remove", lambda path: False)
    code, out, _ = ask(capsys, "--cache", tmp_path, "--prune", "--all")
    assert code == 0
    assert "0 bytes are free" in out
    assert out.count("could not be removed") == len(list(cache.folder.iterdir()))


def test_of_many_files_some_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = fill(tmp_path).folder
    for i in range(60):
        (folder / f"shard-{i:016x}.npz").write_bytes(b"cut")
    code, out, _ = ask(capsys, "--cache", tmp_path, "--verify", "--prune")
    assert code == 1
    assert out.count("  and 20 more (--json lists all)") == 2
    assert out.count("gone: ") == 40
    assert len(list(folder.glob("shard-*"))) == 2


def test_a_broken_key_says_nothing_and_breaks_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache = fill(tmp_path)
    for text in ("{", "[]", '{"width": "x"}', '{"width": null, "backbone": 3}'):
        (cache.folder / "key.json").write_text(text)
        assert ask(capsys, "--cache", tmp_path)[0] == 0
        assert ask(capsys, "--cache", tmp_path, "--verify")[0] == 1
        assert cache.read(rows(10, 3)[0])[1].all()  # the rows themselves are whole
        fill(tmp_path, count=0)  # the next run says again what they are
        assert json.loads((cache.folder / "key.json").read_text())["backbone"] == "net"


def test_words_that_cannot_be_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as wrong:
        ask(capsys, "--max", "5GB")
    assert wrong.value.code == 2
    for words, text in (
        (["--max", "much"], "is no size"),
        (["--older", "-1"], "are no days"),
        (["--older", "nan"], "no days"),
    ):
        code, _, err = ask(capsys, "--cache", tmp_path, "--prune", *words)
        assert code == 1
        assert text in err


def test_sizes_are_read_and_said() -> None:
    given = {"5GB": 5 * 10**9, "500 mb": 5 * 10**8, "2.5GiB": 5 * 2**29, "17": 17, "1k": 1000, " 3 TB ": 3 * 10**12}
    assert {text: size(text, "--max") for text in given} == given
    for text in ("", "GB", "-1GB", "1PB", "1,5GB", "nan"):
        with pytest.raises(InputError):
            size(text, "--max")
    assert [human(n) for n in (0, 999, 1500, 28.0e6, 999.9e9, 5e15)] == [
        "0 bytes", "999 bytes", "1.5 kB", "28.0 MB", "1000 GB", "5000 TB",
    ]  # fmt: skip


def test_a_folder_that_is_pruned_between_two_acts_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, pruned = Disk.create, []

    def create(self: Disk, path: Path) -> int:
        if not pruned:
            pruned.append(path.parent)
            path.parent.rmdir()
        return real(self, path)

    monkeypatch.setattr(Disk, "create", create)
    cache = fill(tmp_path)
    assert pruned == [cache.folder]
    assert cache.read(rows(10, 3)[0])[1].all()


@pytest.mark.parametrize("what", ["key", "record", "int8", "compiled", "index", "index record", "speed"])
def test_a_pipe_in_the_cache_is_not_waited_for(what: str, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = cache.glob(ONE_OF_EACH[what])
    path.unlink()
    os.mkfifo(path)
    assert ask(capsys, "--cache", cache)[0] == 0
    code, out, _ = ask(capsys, "--cache", cache, "--verify", "--dry-run")
    assert code == 1 and path.name in out
