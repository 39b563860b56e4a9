"""Hostile files, opened by the product itself in a process that is watched: what it opens, runs, and asks of the memory.

`KINDS` has for each kind of file a good one, the code of penult that opens it, and the table of bad ones. Run as a script,
`python hostile.py FOLDER`, it opens the files that a list in the folder names, and prints one line of JSON for each.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import hostile_files as files
import hostile_models as models
from hostile_models import Make
from tinynet import tiny

ALLOWED = 100 << 20  # bytes beyond the file's own, and beyond what a good file takes
TASKS, WARM, GOOD = "tasks.json", "good, to load what it needs", "good"
NOTHING: dict[str, Any] = {"extra": 0, "seconds": 0.0, "deeds": []}
LONGEST = 6000  # letters of a message: ten names of 400
ROOM = 3 << 30  # of address space that a case may ask for before the system says no
Read = Callable[[Path], Any]


@dataclass(frozen=True)
class Kind:
    """A kind of file: `read` returns None where a bad one is passed over, as caches do, and raises `PenultError` elsewhere."""

    good: Make
    read: Read
    bad: dict[str, Make]


# --- how each kind is opened ---


def read_model(path: Path) -> Any:
    from penult import bundle
    from penult.embed import EmbedOptions
    from penult.predict import Predictor

    predictor = Predictor(bundle.load_bundle(path), EmbedOptions(cache=False, workers=0, precision="f32", device="cpu"))
    try:
        return predictor.predict([np.full((40, 40, 3), 128, np.uint8)]).proba.tolist()
    finally:
        predictor.close()


def read_onnx(path: Path) -> Any:
    """What the converting process does with an order."""
    from penult.zoo import catalog, convert, model_cache, names

    spec = catalog.with_recipe_file(names.understand(str(path)))
    return [str(made) for made in convert.convert_child(iter([(spec, model_cache.entry_of(spec, path.parent / "cache"))]))]


def read_shard(path: Path) -> Any:
    from penult.store import shards

    try:
        return [part.tolist() for part in shards.read_shard(path, files.WIDTH)]
    except OSError:  # as the cache does: it is left out
        return None


def read_shelf(path: Path) -> Any:
    from penult import store
    from penult.zoo import model_cache

    found = model_cache.get(store.CacheEntry(path))
    return None if found is None else _features(found)


def read_int8(path: Path) -> Any:
    from dataclasses import replace

    from penult.backbones import StoredGraph
    from penult.quantize import QuantizedCache

    kept = QuantizedCache(path, "0" * 64)
    recipe = tiny().recipe
    graphs = [graph for graph in map(kept.get, kept.samples()) if graph is not None]
    return [_features(replace(tiny(), network=StoredGraph(graph, recipe))) for graph in graphs] or None


def _features(backbone: Any) -> Any:
    from penult import engines

    engine = engines.open_engine(backbone, "cpu", "f32")
    try:
        return engine(np.full((1, 32, 32, 3), 128, np.uint8)).tolist()
    finally:
        engine.close()


def read_speed(path: Path) -> Any:
    from penult import store
    from penult.embed import throughput

    return throughput._read(store.CacheEntry(path.parent))


def read_list(path: Path) -> Any:
    from penult import images

    return images.scan_labelled(path).ids


def read_sample(path: Path) -> Any:
    from penult.predict.sample_submission import SampleSubmission

    return SampleSubmission.read(path, files.CLASSES).kind


def read_moves(path: Path) -> Any:
    from penult.training import repairs

    return repairs.apply_repairs(str(path.parent), str(path))


def read_run(path: Path) -> Any:
    from penult import report

    return report.rebuild(path)[1]


def read_index(path: Path) -> Any:
    from penult import store
    from penult.similar import search

    found = search._opened(store.CacheEntry(path, files.ABOUT))
    return None if found is None else float(found.bounds(np.ones(8, np.float32)).sum())


def read_features(path: Path) -> Any:
    """What the reading process does."""
    from penult.store.h5read import load

    return load(path).train.tolist()


def read_weights(path: Path) -> Any:
    from penult.zoo.keras_weights import opened

    with opened(path) as file:
        return [array.read().tolist() for layer in file.layers for array in layer.arrays]


KINDS: dict[str, Kind] = {
    "model": Kind(models.good_model, read_model, models.MODELS),
    "onnx": Kind(models.good_onnx, read_onnx, models.ONNX),
    "shard": Kind(files.good_shard, read_shard, files.SHARDS),
    "shelf": Kind(files.shelved(tiny().graph()), read_shelf, files.SHELF),
    "int8": Kind(files.good_int8, read_int8, files.INT8),
    "speed": Kind(files.fixed(b'{"images_per_second": 3, "sha256": {}}', "record.json"), read_speed, files.SPEEDS),
    "list": Kind(files.good_list, read_list, files.LISTS),
    "sample": Kind(files.good_sample, read_sample, files.SAMPLES),
    "moves": Kind(files.listed(b"file,to\nwarm0.png,moved.png\n"), read_moves, files.MOVES),
    "run": Kind(files.good_run, read_run, files.RUNS),
    "index": Kind(files.good_index, read_index, files.INDEXES),
    "features": Kind(files.good_h5, read_features, files.FEATURES),
    "weights": Kind(files.good_weights, read_weights, files.WEIGHTS),
}


# --- the watched process ---

_DENIED = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.spawn", "subprocess.", "socket.connect", "socket.bind",
           "socket.getaddrinfo", "socket.sendto", "pty.", "ctypes.", "webbrowser", "pickle.find_class")  # fmt: skip
_CHANGES = {"os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.chown", "os.link", "os.symlink", "os.truncate",
            "shutil.move", "shutil.rmtree", "shutil.copyfile"}  # fmt: skip


class Watch:
    """An audit hook: notes what a hostile file must never bring about while `on` is true."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.on = str(folder.resolve()), False
        self.seen: list[str] = []
        own = [sys.prefix, sys.base_prefix, sys.exec_prefix, str(Path(__file__).resolve().parent.parent), "/proc/", "/sys/"]
        self._own = (*own, "/dev/null", "/dev/urandom", *(p for p in sys.path if p))
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        self.on = False  # what is looked at here is no deed of the file's
        try:
            evil = event.startswith(_DENIED) or self._elsewhere(event, arguments) or self._foreign_code(event, arguments)
            if evil and not _importing():
                self.seen.append(f"{event} {str(arguments)[:200]}")
        finally:
            self.on = True

    def _elsewhere(self, event: str, arguments: tuple[Any, ...]) -> bool:
        """Whether a file outside of the folder is opened (and is none of Python's own), or changed."""
        if event not in _CHANGES and event != "open":
            return False
        paths = [os.fsdecode(a) for a in arguments[: 2 if event != "open" else 1] if isinstance(a, str | bytes | os.PathLike)]
        outside = [p for p in map(os.path.realpath, paths) if not p.startswith(self.folder)]
        writes = event != "open" or bool((arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR))
        return any(writes or not p.startswith(self._own) for p in outside)

    def _foreign_code(self, event: str, arguments: tuple[Any, ...]) -> bool:
        if event == "compile":
            return not str(arguments[1]).startswith(self._own)
        return event == "exec" and not arguments[0].co_filename.startswith((*self._own, "<frozen"))


def _importing() -> bool:
    """Whether Python is loading a module of its own path just now, which compiles and runs it."""
    frame: Any = sys._getframe(2)
    while frame is not None:
        if "importlib._bootstrap" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


def _memory(name: str) -> int:
    """Return a line of the system's record of this process, in bytes."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith(f"{name}:"))


def _reset_peak() -> None:
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def size_of(path: Path) -> int:
    """Return the bytes of what is opened, of a folder those of all files in it."""
    found = path.rglob("*") if path.is_dir() else [path]
    return sum(p.stat().st_size for p in found if p.is_file())


def opened(kind: Kind, name: str, path: Path, watch: Watch) -> dict[str, Any]:
    """Open one file, and say what became of it."""
    from penult.errors import PenultError

    _reset_peak()
    before, began, answer, said = _memory("VmRSS"), time.monotonic(), "accepted", ""
    watch.seen.clear()
    watch.on = True
    try:
        if kind.read(path) is None:
            answer = "passed over"
    except PenultError as error:
        answer, said = "refused", str(error)
    except BaseException as error:
        answer, said = f"raised {type(error).__name__}", str(error)[:300]
    finally:
        watch.on = False
    extra = max(0, _memory("VmHWM") - before - size_of(path))
    seconds = round(time.monotonic() - began, 2)
    return {"name": name, "answer": answer, "said": said, "extra": extra, "seconds": seconds, "deeds": list(watch.seen)}


def main(folder: Path) -> None:
    """Open all files of a list, the good ones of each kind first: what they need is loaded then."""
    import logging
    import warnings

    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    watch = Watch(folder)
    tasks = [(which, name, Path(path)) for which, name, path in json.loads((folder / TASKS).read_text())]
    for which, name, path in tasks:
        if name == WARM:
            opened(KINDS[which], name, path, watch)
    os.environ.pop("HF_HUB_OFFLINE", None)  # so that whoever looks up the hub's address is seen each time
    resource.setrlimit(resource.RLIMIT_AS, (_memory("VmSize") + ROOM, resource.RLIM_INFINITY))
    for which, name, path in tasks:
        if name != WARM:
            print(json.dumps({"kind": which, **opened(KINDS[which], name, path, watch)}), flush=True)


def judged(kinds: Sequence[str], folder: Path, timeout: float = 300) -> list[dict[str, Any]]:
    """Make all files of some kinds and have one watched process open them; return what became of each."""
    tasks = []
    for which in kinds:
        kind = KINDS[which]
        for name, make in [(WARM, kind.good), (GOOD, kind.good), *kind.bad.items()]:
            place = folder / str(len(tasks))
            place.mkdir()
            tasks.append((which, name, str(make(place))))
    (folder / TASKS).write_text(json.dumps(tasks))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "PENULT_CACHE": str(folder / "cache"),
    }
    command = [sys.executable, "-W", "ignore", __file__, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment, check=False)
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"kind"')]
    wanted = [task for task in tasks if task[1] != WARM]
    if len(found) < len(wanted):
        which, name, _ = wanted[len(found)]
        said = done.stderr[-500:]
        found.append({"kind": which, "name": name, "answer": f"died {done.returncode}", "said": said, **NOTHING})
    return found


def faults(found: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield a sentence for every file that was not treated as it must be."""
    usual = {case["kind"]: case["extra"] for case in found if case["name"] == GOOD}
    for case in found:
        fine = {"accepted"} if case["name"] == GOOD else {"refused", "passed over"}
        what = f"{case['kind']}, {case['name']}"
        if case["answer"] not in fine:
            yield f"{what}: {case['answer']} {case['said']}"
        if case["answer"] == "refused" and not (10 < len(case["said"]) < LONGEST and "\n" not in case["said"]):
            yield f"{what}: {len(case['said'])} letters: {case['said'][:200]!r}"
        if case["extra"] > ALLOWED + usual[case["kind"]]:
            yield f"{what}: {case['extra'] >> 20} MB"
        if case["deeds"]:
            yield f"{what}: {case['deeds'][:3]}"


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main(Path(sys.argv[1]))
