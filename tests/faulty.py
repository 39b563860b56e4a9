"""Whole runs on a disk that fails, or in processes that die, at a chosen act; what must hold afterwards.

In: a `Fault` and what is to be run. Out: how the run ended, and a list of everything that is not as it must be.
A run and its helping processes are forked from this one, so that no run waits for its imports. It needs a process without
threads: `python tests/faulty.py` is that for the tests, benchmarks/faults.py for the whole proof.

The acts are those of `penult.store.disk.Disk`, counted in each process by itself: `main` is the run, `figures` draws. `h5`
is the process that writes HDF5; its acts are in C, so it is given room for so many bytes (RLIMIT_FSIZE): the write that
goes beyond is cut there and fails, or ends the process (SIGXFSZ).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

ACTS = ("make", "create", "write", "sync", "replace", "link", "sync_folder", "remove")
SAID, BROKEN = 4, 5  # exit codes of a run: an OutputError; anything else
Rows = dict[tuple[str, bytes], bytes]  # (key, digest) -> vector
CHANGING = ("metrics.json", "report.html")  # times and places are in them


@dataclass(frozen=True, slots=True)
class Fault:
    """At act `at` of the process `role` (for `h5`: beyond byte `at`) the act fails, or the process dies."""

    role: str
    at: int
    kind: str  # "fail" or "die"
    number: int = errno.ENOSPC


NEVER = Fault("main", 0, "fail")


class Harness:
    """Counts the acts of this process and lets the chosen one go wrong; its children are forked and do the same."""

    def __init__(self, fault: Fault, log: Path, keep: int = -1) -> None:
        self.fault, self.log, self.keep, self.role = fault, log, keep, "main"
        self.happened: list[str] = []
        self.lock = threading.Lock()

    def install(self) -> None:
        import penult.pixels.preparing
        import penult.plots.figures
        import penult.store.shard_cache
        import penult.worker
        from penult.store.disk import Disk

        for name in ACTS:
            setattr(Disk, name, self._guarded(name, getattr(Disk, name)))
        penult.worker.start = self._start
        penult.pixels.preparing.worker_count = lambda *_: 0  # their start takes longer than the photos
        penult.plots.figures.save_all = _stand_in
        penult.store.shard_cache._SECONDS = 0.0  # each batch is a shard: more acts
        os.fsync = lambda _: None  # nothing here pulls the plug
        self.listen()

    def listen(self) -> None:
        """Only write down which shards are saved."""
        import penult.store.cache

        penult.store.cache.write_shard = self._acknowledged(penult.store.cache.write_shard)

    def _guarded(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def act(*arguments: Any) -> Any:
            with self.lock:
                self.happened.append(name)
                with (self.log / f"{self.role}.acts").open("a") as file:
                    file.write(f"{name}\n")
                now = (self.role, len(self.happened)) == (self.fault.role, self.fault.at)
            if now:
                if name == "write":  # half of it reaches the disk
                    original(arguments[0], arguments[1], bytes(arguments[2])[: len(arguments[2]) // 2])
                self._go_wrong()
            return original(*arguments)

        return act

    def _go_wrong(self) -> None:
        if self.fault.kind == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(self.fault.number, os.strerror(self.fault.number))

    def _acknowledged(self, original: Callable[..., Path]) -> Callable[..., Path]:
        def write(*arguments: Any) -> Path:
            path = original(*arguments)
            with (self.log / "saved").open("ab", buffering=0) as file:
                file.write(os.fsencode(path) + b"\n")
            return path

        return write

    def _start(self, *arguments: str, **_: Any) -> Child:
        return Child(lambda: self._child(arguments), self.keep)

    def _child(self, arguments: tuple[str, ...]) -> None:
        self.happened.clear()
        import penult.worker

        self.role = arguments[-1].rpartition(":")[0].rpartition(".")[2].replace("h5write", "h5")
        if self.role == self.fault.role == "h5":
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL if self.fault.kind == "die" else signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.fault.at, resource.RLIM_INFINITY))
        sys.argv = [*sys.argv[:1], arguments[-1]]
        penult.worker.main()


def _stand_in(folder: Path, **results: Any) -> list[Path]:
    """Write the files of figures without drawing them, which takes longer than all the rest."""
    from penult.plots import figures

    names = [f"{name}.{kind}" for name, result in results.items() if result is not None for kind in ("png", "svg")]
    return [figures._write(folder / name, f"{name}\n".encode() * 9000) for name in names]


class Child:
    """A forked process behind the face of `subprocess.Popen`."""

    def __init__(self, body: Callable[[], None], keep: int) -> None:
        mine, its = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _be(body, its[0], mine[1], keep)
        os.close(its[0])
        os.close(mine[1])
        self.stdin: IO[bytes] = os.fdopen(its[1], "wb")
        self.stdout: IO[bytes] = os.fdopen(mine[0], "rb")
        self.code: int | None = None

    def poll(self) -> int | None:
        return self._reap(os.WNOHANG)

    def wait(self, timeout: float | None = None) -> int:
        return self._reap(0) or 0

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def _reap(self, how: int) -> int | None:
        if self.code is None:
            with contextlib.suppress(ChildProcessError):
                pid, status = os.waitpid(self.pid, how)
                self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code


def _be(body: Callable[[], None], stdin: int, stdout: int, keep: int) -> None:
    """Be a forked child: only its two pipes, and `keep`, are left of what the parent had open."""
    os.dup2(stdin, 0)
    os.dup2(stdout, 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    os.closerange(3, keep)
    os.closerange(keep + 1, 1024)
    sys.stdin, sys.stdout = os.fdopen(0, "r", closefd=False), os.fdopen(1, "w", closefd=False)
    sys.__stdin__, sys.__stdout__ = sys.stdin, sys.stdout  # type: ignore[misc]  # kept, or their ends would be closed
    code = 1
    try:
        body()
        sys.stdout.flush()
        code = 0
    finally:
        os._exit(code)


def ended(job: Job, out: Path, cache: Path, fault: Fault, log: Path) -> int:
    """Fork a run, wait until it and every process that it started have gone, and return its exit code."""
    shutil.rmtree(log, ignore_errors=True)
    log.mkdir(parents=True)
    alive, keep = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(alive)
        code = BROKEN
        try:
            harness = Harness(fault, log, keep)
            harness.install()
            code = _ran(job, out, cache, log)
        finally:
            os._exit(code)
    os.close(keep)
    _, status = os.waitpid(pid, 0)
    os.read(alive, 1)  # the end of the file: the last one that had `keep` open has gone
    os.close(alive)
    return os.waitstatus_to_exitcode(status)


def _ran(job: Job, out: Path, cache: Path, log: Path) -> int:
    from penult.errors import OutputError

    try:
        job.run(out, cache)
    except OutputError as error:
        (log / "said").write_text(str(error))
        return SAID
    except BaseException:
        (log / "broken").write_text(traceback.format_exc())
        return BROKEN
    return 0


def load() -> None:
    """Import what a run needs, so that no fork has to."""
    for name in ("h5py", "matplotlib.figure", "PIL.Image", "sklearn.linear_model", "sklearn.metrics", "penult.training"):
        importlib.import_module(name)


class Job(Protocol):
    """What is run, into a folder and with a cache; `features` is the name of a feature file that it writes."""

    features: str

    def run(self, out: Path, cache: Path) -> None: ...


@dataclass(frozen=True, slots=True)
class Training:
    """One small training: photos, test photos."""

    photos: Path
    test: Path
    features: str = "data_colour_histogram.h5"

    def run(self, out: Path, cache: Path) -> None:
        from penult.embed import EmbedOptions
        from penult.training import TrainOptions, train_images

        settings = EmbedOptions(cache=str(cache), workers=0)
        train_images(str(self.photos), str(self.test), TrainOptions(str(out), ("colour_histogram",), settings=settings))


@dataclass(frozen=True, slots=True)
class Files:
    """One of each kind of file that there is, without a training: table, model, features of two networks, figure, rows."""

    seed: int
    features: str = "b.h5"

    def run(self, out: Path, cache: Path) -> None:
        import numpy as np

        from penult import bundle, store
        from penult.heads import HeadState
        from penult.runs import RunFolder

        rows = np.random.default_rng(self.seed).random((90, 400), np.float32)
        arrays = {"rows": rows, "codes": np.arange(90) % 2, "votes": np.ones(2)}
        facts = {"scaling": "unit", "blocks": [400], "classes": 2, "temperature": 1.0, "clip": 0.01, "k": 5}
        head = HeadState("neighbours", arrays, facts)
        with RunFolder(out) as run, store.FeatureCache(cache, {"width": "400"}, rows_per_shard=30) as kept:
            kept.add(store.row_digests(rows), rows)
            with store.H5Writer() as writer:
                writer.write(run / "a.h5", train=rows[:9], label=np.arange(9), train_files=[f"{self.seed}" for _ in range(9)])
                writer.write(run / self.features, train=rows)
            run.write_table("oof.csv", ["file", "p"], [[f"{self.seed}.jpg", p] for p in rows[0]])
            bundle.save_bundle(run / "model.penult", bundle.Bundle(("a", "b"), (), (400,), head, np.array([0.5, 0.5])))
            _stand_in(run / "figures", figure=self.seed)
            run.finish({})


@dataclass(frozen=True, slots=True)
class Page:
    """The page of a finished run, written again."""

    features: str = ""

    def run(self, out: Path, _: Path) -> None:
        from penult import report

        report.rebuild(out)


@dataclass(frozen=True, slots=True)
class Nothing:
    """A run that does nothing."""

    features: str = ""

    def run(self, _out: Path, _cache: Path) -> None:
        return


def draw_photos(place: Path, count: int = 10, first: int = 0) -> Training:
    """Draw a set of `count` photos a class, and three test photos a class."""
    from PIL import Image

    from conftest import draw

    for part, n, start in (("train", count, first), ("test", 3, first + 900)):
        for kind in ("warm", "cold"):
            folder = place / part / (kind if part == "train" else "")
            folder.mkdir(parents=True, exist_ok=True)
            for i in range(start, start + n):
                Image.fromarray(draw(kind, i)).save(folder / f"{kind}.{i}.png")
    return Training(place / "train", place / "test")


def content(out: Path) -> dict[str, str]:
    """Return the sha256 of every file of a run."""
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def rows_of(cache: Path) -> Rows:
    """Return every row of every shard, checked."""
    from penult.store.shards import read_shard

    rows = {}
    for path in sorted(cache.glob("features/*/shard-*.npz")):
        width = int(json.loads((path.parent / "key.json").read_text())["width"])
        for digest, vector in zip(*read_shard(path, width), strict=True):
            rows[path.parent.name, digest.tobytes()] = vector.tobytes()
    return rows


class Proof:
    """An uninterrupted run, an older one, and what is wrong with any other run beside them."""

    def __init__(self, place: Path, job: Job, older: Job) -> None:
        self.place, self.job = place, job
        self.keeps = not isinstance(job, Page)  # a run that ended is kept beside the new one
        for one, name in ((older, "old"), (job, "whole")):
            code = ended(one, place / name / "out", place / name / "cache", NEVER, place / "log")
            assert code == 0, _text(place / "log")
        self.acts = {p.stem: p.read_text().split() for p in (place / "log").glob("*.acts")}
        self.wanted, self.old = content(place / "whole" / "out"), content(place / "old" / "out")
        self.truth = rows_of(place / "whole" / "cache")
        self.size = (place / "whole" / "out" / job.features).stat().st_size if job.features else 0

    def points(self) -> list[Fault]:
        """Return every act of every process, failing and dying, and the HDF5 file cut at every eighth of a page or so."""
        found = [Fault(role, n, kind) for role in self.acts for n in range(1, len(self.acts[role]) + 1)
                 for kind in ("fail", "die")]  # fmt: skip
        cuts = sorted({0, 1, 100, *range(512, self.size, max(512, self.size // 24)), self.size - 1}) if self.size else []
        return found + [Fault("h5", at, kind) for at in cuts for kind in ("fail", "die")]

    def wrong_after(self, fault: Fault, replacing: bool) -> list[str]:
        """Run with the fault into an empty folder, or over an older run; look; run again; look; say what is wrong."""
        place = self.place / "try"
        shutil.rmtree(place, ignore_errors=True)
        out, cache, log = place / "out", place / "cache", place / "log"
        if replacing:
            shutil.copytree(self.place / "old" / "out", out)
        code = ended(self.job, out, cache, fault, log)
        wrong = self._ending(fault, code, log) + half(out, cache, log, (self.wanted, self.old), self.truth)
        kept = place / "out.1"
        if replacing and self.keeps and self.old not in (content(out), content(kept)):
            wrong.append("the former run is nowhere whole")
        code = ended(self.job, out, cache, NEVER, place / "again")
        if code:
            wrong.append(f"the rerun ended with {code}: {_text(place / 'again')}")
        else:
            wrong += unlike(out, cache, self.wanted, self.truth)
            if replacing and self.keeps and content(kept) != self.old:
                wrong.append("the former run was not kept")
        return [f"{fault} {'over an older run' if replacing else 'into an empty folder'}: {w}" for w in wrong]

    def _ending(self, fault: Fault, code: int, log: Path) -> list[str]:
        """A failing act is told or does no harm; a dead main process is dead, another one is as a failing act."""
        if code < 0 or (code == 0 and fault.role == "h5" and fault.at < self.size):
            dead = code == -signal.SIGKILL and (fault.role, fault.kind) == ("main", "die")
            return [] if dead else [f"the run ended with {code}"]
        if code == SAID:
            said = (log / "said").read_text()
            return [] if "could not" in said and said.endswith(".") else [f"it said: {said}"]
        return [f"the run broke: {_text(log)}"] if code else []


def half(out: Path, cache: Path, log: Path, known: tuple[dict[str, str], ...], truth: Rows) -> list[str]:
    """Under final names there is only what is whole, of one of the `known` runs; saved rows are there; no row is wrong."""
    wrong = []
    for name, digest in content(out).items() if out.is_dir() else ():
        if ".tmp-" in name or digest in [run.get(name) for run in known]:
            continue
        if name not in CHANGING or not (out / name).read_text().endswith(("}\n", "</html>\n")):
            wrong.append(f"{name} is half, or of no run")
    try:
        wrong += ["a wrong row" for key, vector in rows_of(cache).items() if truth.get(key) != vector]
    except (OSError, ValueError) as error:
        wrong.append(f"the cache has a file that can not be read: {error}")
    saved = (log / "saved").read_text().splitlines() if (log / "saved").exists() else []
    return wrong + [f"a saved shard is lost: {path}" for path in saved if not Path(path).is_file()]


def unlike(out: Path, cache: Path, wanted: dict[str, str], truth: Rows) -> list[str]:
    """Say in what a finished run is not the uninterrupted one."""
    made = content(out)
    wrong = [f"{n} differs" for n in sorted({*made, *wanted}) if n not in CHANGING and made.get(n) != wanted.get(n)]
    if json.loads((out / "metrics.json").read_text())["status"] != "done":
        wrong.append("it is not done")
    wrong += [f"{path} was left" for folder in (out, cache) for path in folder.rglob(".tmp-*")]
    return wrong + ([] if rows_of(cache) == truth else ["the cache has other rows"])


def _text(log: Path) -> str:
    return "".join((log / name).read_text() for name in ("said", "broken") if (log / name).exists())


def training(place: Path) -> Proof:
    """Return the proof for whole trainings."""
    return Proof(place, draw_photos(place / "photos"), draw_photos(place / "older", 8, 300))


def files(place: Path) -> Proof:
    """Return the proof for each kind of file by itself."""
    return Proof(place, Files(1), Files(2))


def page(place: Path, finished: Path) -> Proof:
    """Return the proof for the page of a finished run, written again over another one."""
    for name in ("old", "whole"):
        shutil.copytree(finished, place / name / "out")
        (place / name / "out" / "report.html").write_text("<html>an older one</html>\n")
        (place / name / "cache").mkdir()
    return Proof(place, Page(), Nothing())


def tried(proof: Proof, count: int, seed: int, replacing: bool | None = None) -> tuple[int, list[str]]:
    """Try `count` points by `seed`, or all; return how many that were, and what is wrong."""
    dice = random.Random(seed)
    points = proof.points()
    chosen = points if count >= len(points) else dice.sample(points, count)
    over = [dice.random() < 0.5 if replacing is None else replacing for _ in chosen]
    return len(chosen), [line for fault, old in zip(chosen, over, strict=True) for line in proof.wrong_after(fault, old)]


def main() -> None:
    """In the folder PLACE, by SEED: so many points of a training, of its page, of each kind of file by itself."""
    place, seed, counts = Path(sys.argv[1]), int(sys.argv[2]), [int(count) for count in sys.argv[3:]]
    load()
    json.dump(all_of_it(place, seed, *counts), sys.stdout)


def all_of_it(place: Path, seed: int, of_training: int, of_page: int, of_files: int) -> dict[str, tuple[int, list[str]]]:
    """Try so many points of each; return how many that were, and what is wrong."""
    whole = training(place / "training")
    return {
        "training": tried(whole, of_training, seed),
        "page": tried(page(place / "page", place / "training" / "whole" / "out"), of_page, seed, replacing=True),
        "files": tried(files(place / "files"), of_files, seed),
    }


if __name__ == "__main__":
    main()
