"""A prepared project of many photos, made of few: what several topics share.

The photos' files are all different and small, and hold one picture; their features are those of real photos, repeated with
noise, in the directions that the quick model learns from. They are written where `penult studio` would have kept them.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from PIL import Image

PATIENCE = 600.0
IDLE = 5.0  # seconds
NOISE = 0.5  # of the spread of each direction
FILES_A_FOLDER = 1000


@dataclass
class ManyPhotos:
    """A folder of photos, the project beside it, and the true class of each photo."""

    source: Path
    project: Path
    truth: NDArray[np.intp]
    classes: list[str]


def lay_out(base: Path, n: int, photos: Path) -> ManyPhotos:
    """Write n files, and what a project of them keeps; `photos` has class folders of real photos."""
    from penult.studio import StudioOptions, prepared
    from penult.studio.photos import find_photos, remember
    from penult.studio.project import facts_of, prepare_project

    first = StudioOptions(photos, out=base / "first")
    found = find_photos(first)
    found.folder.mkdir(parents=True)
    real = prepare_project(found, first)
    classes = list(real.classes)
    y = np.array([classes.index(str(label)) for label in real.labels])
    rng = np.random.default_rng(0)
    which = np.concatenate([rng.permutation(len(y)) for _ in range(-(-n // len(y)))])[:n]
    Z = real.Z[which]
    Z = Z + NOISE * real.Z.std(axis=0) * rng.standard_normal(Z.shape, np.float32)
    source = base / "photos"
    names = [f"{i // FILES_A_FOLDER:03}/{i:06}.jpg" for i in range(n)]
    digests = np.frombuffer(b"".join(_write(source, names)), np.uint8).reshape(-1, 32)
    options = StudioOptions(source, out=base / "many-studio", unlabelled=True)
    found = find_photos(options)
    found.folder.mkdir()
    remember(found, options)
    files, paths = [one.id for one in found.images], [one.path for one in found.images]
    order = np.array([names.index(file) for file in files]) if files != names else np.arange(n)
    stats = prepared.file_stats(paths)
    prepared.write_digests(found.folder, files, stats, digests[order])
    arrays = {
        "Z": np.ascontiguousarray(Z[order], np.float32),
        "families": np.arange(n),
        "quality": np.tile(np.array([128, 50, 200, 0.1], np.float32), (n, 1)),
        "alike": np.zeros((0, 2), np.int64),
        "depth": np.array([real.embedded.depth]),
    }
    facts = facts_of(digests[order], options)
    prepared.write_arrays(found.folder, facts, arrays)
    places = {"places": rng.random((n, 2))}
    prepared.write_arrays(found.folder, {**facts, "what": "map"}, places)
    return ManyPhotos(source, found.folder, y[which][order], classes)


def _write(source: Path, names: Sequence[str]) -> Iterator[bytes]:
    """Write one picture under each name, with a comment of its own; yield the sha256 of each."""
    import os

    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)).save(file, "JPEG", quality=60)
    picture, before = file.getvalue(), time.time() - 60
    for i, name in enumerate(names):
        path = source / name
        if i % FILES_A_FOLDER == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        comment = b"%08d" % i
        data = picture[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + picture[2:]
        path.write_bytes(data)
        os.utime(path, (before, before))
        yield hashlib.sha256(data).digest()


class StudioProcess:
    """`penult studio` in a process of its own, and a browser's part to it."""

    def __init__(self, *arguments: str, stderr: Any = None) -> None:
        command = [sys.executable, "-m", "penult", "studio", *arguments, "--port", "0", "--no-browser"]
        self.began = time.perf_counter()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)(/open\?token=\S+)", said)
        if found is None:
            raise SystemExit(f"the studio did not start: {said}")
        self.port = int(found[1])
        self.there = time.perf_counter() - self.began
        self._asked = 0.0
        self.cookie, self.token = "", found[2].partition("=")[2]
        self._connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        self.cookie = self.ask(found[2])[1]["set-cookie"].partition(";")[0]
        self.acts = 0

    def ask(self, path: str, body: Any = None) -> tuple[int, dict[str, str], bytes]:
        """Ask once over the connection that stays open."""
        headers = {"Cookie": self.cookie}
        if body is not None:
            headers |= {"Origin": f"http://127.0.0.1:{self.port}", "X-Penult": "1", "Content-Type": "application/json"}
        if time.perf_counter() - self._asked > IDLE:
            self._connection.close()  # the server closes connections that are not used
        self._asked = time.perf_counter()
        self._connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body), headers)
        given = self._connection.getresponse()
        return given.status, {k.lower(): v for k, v in given.getheaders()}, given.read()

    def json(self, path: str, body: Any = None) -> Any:
        """Return the JSON of an answer; ends the benchmark where it is a refusal."""
        status, _, said = self.ask(path, body)
        if status != 200:
            raise SystemExit(f"{path}: {status} {said[:300]!r}")
        return json.loads(said)

    def act(self, path: str = "/api/acts", **fields: Any) -> Any:
        """Send an act with an id of its own."""
        self.acts += 1
        return self.json(path, {"id": f"bench-{self.acts}", **fields})

    def until_open(self) -> float:
        """Wait until the project is open; return the seconds since the process was started."""
        while (about := self.json("/api/project"))["preparing"] is not None:
            if about["preparing"]["stage"] == "failed":
                raise SystemExit(about["preparing"]["error"])
            time.sleep(0.01)
        return time.perf_counter() - self.began

    def cpu(self) -> float:
        """Return the processor seconds of the server itself, without its child processes."""
        return float(sum(psutil.Process(self.process.pid).cpu_times()[:2]))


@contextmanager
def studio(*arguments: str) -> Iterator[StudioProcess]:
    """Run the studio until the block ends."""
    made = StudioProcess(*arguments)
    try:
        yield made
    finally:
        made.process.terminate()
        made.process.wait(60)


def parser_of_photos(parser: Any) -> None:
    """Add the folder of real photos."""
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR", help="class folders of real photos")
    parser.add_argument("--many", type=int, default=20_000, metavar="N", help="photos of the project (default: 20000)")
