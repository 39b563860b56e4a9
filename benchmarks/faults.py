"""The proof that nothing is lost and nothing is wrong: kills, failing and full disks, many runs at once.

    python benchmarks/faults.py --points 1000                 every act on the disk of a small run fails, and is its last
    python benchmarks/faults.py --kills 200                   kill -9 at random moments of whole runs
    python benchmarks/faults.py --kills 20 -b efficientnet_lite0
    python benchmarks/faults.py --full 20                     a disk that is full at so many moments (root: a real one)
    python benchmarks/faults.py --concurrent 50               two or four runs at once on one cold cache

Each part is a line of JSON: counts, and every single thing that was wrong. Photos are drawn. Runs are forked from this
process after its imports, so that the time goes into runs, not into starts; they are those of the command line. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # no threads before a fork
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import faulty

PATIENCE = 180.0  # seconds for a run of a few seconds: after them it is a deadlock


class Started:
    """One `penult` command in a forked process; its standard error goes to a file."""

    def __init__(self, words: Sequence[object], log: Path, room: int | None = None) -> None:
        log.mkdir(parents=True, exist_ok=True)
        (log / "saved").unlink(missing_ok=True)
        self.error = log / "error"
        self.words, self.log, self.room = [str(word) for word in words], log, room
        self.pid = os.fork()
        if self.pid == 0:
            code = 70
            try:
                code = self._be()
            finally:
                os._exit(code)
        self.code: int | None = None

    def _be(self) -> int:
        from penult import cli

        file = os.open(self.error, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if self.room is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.room, resource.RLIM_INFINITY))
        faulty.Harness(faulty.NEVER, self.log).listen()
        sys.argv = ["penult", *self.words]
        try:
            return cli.main(self.words)
        except SystemExit as end:
            return int(end.code or 0)
        except BaseException:
            import traceback

            traceback.print_exc()
            return faulty.BROKEN

    def poll(self) -> bool:
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code is not None

    def wait(self, seconds: float = PATIENCE) -> int | None:
        """Return the exit code, or None after so many seconds; it is killed then."""
        end = time.monotonic() + seconds
        while not self.poll():
            if time.monotonic() > end:
                self.kill()
                return None
            time.sleep(0.01)
        return self.code

    def kill(self) -> None:
        if not self.poll():
            os.kill(self.pid, signal.SIGKILL)
            _, status = os.waitpid(self.pid, 0)
            self.code = os.waitstatus_to_exitcode(status)

    def said(self) -> str:
        return self.error.read_text(errors="replace") if self.error.exists() else ""


class Whole:
    """An uninterrupted run, and an older one of other photos: what the others are held against."""

    def __init__(self, place: Path, network: str, count: int) -> None:
        self.place, self.network, self.log = place, network, place / "log"
        self.photos = faulty.draw_photos(place / "photos", count)
        older = faulty.draw_photos(place / "older", count - 2, 300)
        self.finish(self.photos, place / "whole")
        began = time.monotonic()
        self.finish(older, place / "old")
        self.seconds = time.monotonic() - began
        self.wanted, self.old = (faulty.content(place / name / "out") for name in ("whole", "old"))
        self.truth = faulty.rows_of(place / "whole" / "cache")

    def words(self, job: faulty.Training, out: Path, cache: Path) -> list[object]:
        return ["train", job.photos, "--test", job.test, "-b", self.network, "--out", out, "--cache", cache, "--quiet"]

    def start(self, place: Path, room: int | None = None) -> Started:
        return Started(self.words(self.photos, place / "out", place / "cache"), self.log, room)

    def finish(self, job: faulty.Training, place: Path) -> None:
        run = Started(self.words(job, place / "out", place / "cache"), place / "log")
        if run.wait() != 0:
            raise SystemExit(f"an undisturbed run ended with {run.code}: {run.said()}")

    def rerun(self, place: Path) -> list[str]:
        """Run to the end and say what is not as in the uninterrupted run."""
        run = self.start(place)
        if run.wait() != 0:
            return [f"the rerun ended with {run.code}: {run.said()}"]
        return faulty.unlike(place / "out", place / "cache", self.wanted, self.truth)

    def half(self, place: Path) -> list[str]:
        return faulty.half(place / "out", place / "cache", self.log, (self.wanted, self.old), self.truth)


def points(place: Path, count: int) -> dict[str, object]:
    """Every act fails, and is the last: of a training, of the page written again, and of each kind of file by itself."""
    found = faulty.all_of_it(place, 5, count, count, count)
    return {"points": {kind: n for kind, (n, _) in found.items()}, "wrong": [w for _, wrong in found.values() for w in wrong]}


def kills(place: Path, count: int, network: str, photos: int) -> dict[str, object]:
    """Kill -9 again and again; after each look, after every fourth run to the end, compare, and begin anew."""
    whole = Whole(place, network, photos)
    dice, wrong, reruns, early, rows = random.Random(0), [], 0, 0, 0
    at = place / "killed"
    for i in range(count):
        if i % 4 == 0:
            shutil.rmtree(at, ignore_errors=True)
            if i % 8:
                shutil.copytree(place / "old" / "out", at / "out")
        run = whole.start(at)
        run.wait(dice.uniform(0.02, 0.9) * whole.seconds)
        early += run.code != -signal.SIGKILL
        saved = whole.log / "saved"
        rows += len(saved.read_text().split()) if saved.exists() else 0
        if run.code not in (0, -signal.SIGKILL):
            wrong.append(f"kill {i} came too late: it ended with {run.code}: {run.said()}")
        wrong += [f"kill {i}: {w}" for w in whole.half(at)]
        if i % 4 == 3 or i == count - 1:
            wrong += [f"after kill {i}: {w}" for w in whole.rerun(at)]
            reruns += 1
    return {"network": network, "kills": count - early, "ended before": early, "saved shards": rows,
            "reruns compared": reruns, "seconds of a run": round(whole.seconds, 1), "wrong": wrong}  # fmt: skip


def full(place: Path, count: int) -> dict[str, object]:
    """Give a run so little room that it is used up at `count` moments; make room, run again, compare."""
    whole = Whole(place, "colour_histogram", 20)
    need = sum(path.stat().st_size + 4096 for path in (place / "whole").rglob("*"))
    codes: dict[str, int] = {}
    wrong = []
    disk = place / "disk"
    disk.mkdir()
    real = os.geteuid() == 0 and mounted(disk, need)
    for i in range(count):
        room = int(need * (i + 0.5) / count)
        if real:
            subprocess.run(["mount", "-o", f"remount,size={max(room, 8192)}", str(disk)], check=True)
        run = whole.start(disk, None if real else max(600, room // 4))
        code = run.wait()
        codes[str(code)] = codes.get(str(code), 0) + 1
        last = run.said().strip().splitlines()[-1:]
        if code == 0 and (disk / "out" / "report.html").exists():
            codes["nothing was short"] = codes.get("nothing was short", 0) + 1
        elif code in (None, 0, faulty.BROKEN, 70) or code < 0 or not last or not last[0].startswith("penult: could not"):
            wrong.append(f"with {room} bytes it ended with {code}: {run.said()}")
        wrong += [f"with {room} bytes: {w}" for w in whole.half(disk)]
        wrong += [f"with {room} bytes {path} was left" for path in disk.rglob(".tmp-*")]
        if real:
            subprocess.run(["mount", "-o", f"remount,size={4 * need}", str(disk)], check=True)
        wrong += [f"after {room} bytes: {w}" for w in whole.rerun(disk)]
        for folder in disk.iterdir():
            shutil.rmtree(folder)
    if real:
        subprocess.run(["umount", str(disk)], check=True)
    return {"moments": count, "a real disk": bool(real), "exit codes": codes, "bytes of a run": need, "wrong": wrong}


def mounted(disk: Path, size: int) -> bool:
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def concurrent(place: Path, count: int) -> dict[str, object]:
    """Start two, every fifth time four, runs at once on one cold cache: trainings into folders of their own, and `embed`."""
    whole = Whole(place, "colour_histogram", 12)
    wrong, runs = [], 0
    for i in range(count):
        at = place / "many"
        shutil.rmtree(at, ignore_errors=True)
        trains, embeds = (4, 0) if i % 5 == 0 else (1, 1) if i % 2 else (2, 0)
        cache = at / "cache"
        started = [Started(whole.words(whole.photos, at / f"run{n}", cache), at / f"log{n}") for n in range(trains)]
        words = ["embed", whole.photos.photos, "-b", "colour_histogram", "--cache", cache, "--quiet"]
        started += [Started([*words, "--out", at / f"{n}.h5"], at / f"log-{n}") for n in range(embeds)]
        runs += len(started)
        ends = [run.wait() for run in started]
        wrong += [f"try {i}: a run ended with {end}: {run.said()}" for end, run in zip(ends, started, strict=True) if end != 0]
        if not any(ends):
            wrong += [
                f"try {i}: {w}" for n in range(trains) for w in faulty.unlike(at / f"run{n}", cache, whole.wanted, whole.truth)
            ]
    return {"tries": count, "runs": runs, "deadlocks": sum("ended with None" in w for w in wrong), "wrong": wrong}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("points", "kills", "full", "concurrent"):
        parser.add_argument(f"--{name}", type=int, default=0, metavar="N")
    parser.add_argument("-b", "--backbone", default="colour_histogram", help="of the runs that are killed")
    parser.add_argument("--photos", type=int, default=30, help="a class, of the runs that are killed")
    asked = parser.parse_args()
    faulty.load()
    parts = {
        "points": lambda place: points(place, asked.points),
        "kills": lambda place: kills(place, asked.kills, asked.backbone, asked.photos),
        "full": lambda place: full(place, asked.full),
        "concurrent": lambda place: concurrent(place, asked.concurrent),
    }
    bad = 0
    for name, part in parts.items():
        if getattr(asked, name):
            began = time.monotonic()
            with tempfile.TemporaryDirectory(prefix="faults-") as folder:
                found = part(Path(folder))
            bad += len(found["wrong"])  # type: ignore[arg-type]
            print(json.dumps({"part": name, **found, "seconds": round(time.monotonic() - began)}), flush=True)
    raise SystemExit(bad > 0)


if __name__ == "__main__":
    main()
