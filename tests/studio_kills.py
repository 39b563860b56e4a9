"""A studio that is killed at random acts, again and again: what was acknowledged is there, and equals the replay of the acts.

In: a folder, a seed, how often. Out: how many acts were acknowledged, and a list of everything that is not as it must be. The
server is the real one, over HTTP, in a forked process that is ended by SIGKILL while an act is on its way, or just after a
pause, when labels.csv is written. The act that got no answer is sent again to the next server with its id, as the page does.
It needs a process without threads: `python tests/studio_kills.py` is that for the test, `benchmarks/studio.py kills` for many.
"""

from __future__ import annotations

import copy
import csv
import json
import os
import random
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from conftest import draw
from penult.store import LabelStore
from penult.studio import StudioOptions, StudioServer
from penult.studio.photo_list import status_names
from studio_client import StudioClient
from studio_lives import Plain, Truth

PHOTOS = 24
MOST = 8  # acts between two kills
KINDS = ("label",) * 4 + ("page", "many", "none", "skip", "exclude", "include", "undo", "undo", "redo", "classes")
PATHS = {"undo": "/api/undo", "redo": "/api/redo", "classes": "/api/classes"}


@dataclass
class Running:
    """A server in a process of its own, and a client that was let in."""

    pid: int
    client: StudioClient

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def start(photos: Path, out: Path) -> Running:
    """Fork a server and wait until its project is open."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(told)
        try:
            serve(photos, out, tell)
        finally:
            os._exit(1)
    os.close(tell)
    with os.fdopen(told, "r") as file:
        address = file.readline().strip()
    client = StudioClient(int(address.split(":")[2].partition("/")[0]))
    client.enter(address)
    client.until(lambda state: state["preparing"] is None, 60)
    return Running(pid, client)


def serve(photos: Path, out: Path, tell: int) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    server = StudioServer(StudioOptions(photos, out=out, port=0, backbones=("colour_histogram",)))

    def ready() -> None:
        os.write(tell, server.address().encode() + b"\n")
        os.close(tell)

    server.run(ready)


class Life:
    """A project over many servers, and what it must be."""

    def __init__(self, place: Path, seed: int) -> None:
        self.dice, self.photos, self.out = random.Random(seed), place / "photos", place / "p"
        self.photos.mkdir(parents=True)
        for i in range(PHOTOS):
            Image.fromarray(draw("warm" if i % 2 else "cold", i)).save(self.photos / f"{i}.png")
        self.wrong: list[str] = []
        self.acknowledged = self.sent = self.on_their_way = self.tables = 0
        self.pending: tuple[str, dict[str, Any]] | None = None
        self.truth = Truth([])
        self.states: list[dict[str, str]] = []  # what labels.csv may say: the labelled files after each act

    def go(self, times: int) -> None:
        running = start(self.photos, self.out)
        details = running.client.get(f"/api/details?numbers={','.join(map(str, range(PHOTOS)))}")["photos"]
        self.files = [one["file"] for one in details]
        self.digests = LabelDigests(self.out, running)
        self.truth = Truth([min([one["n"], *one["family"]]) for one in details])
        for n in range(PHOTOS):
            self.truth.now.label[n], self.truth.now.status[n] = -1, set()
        self._remember()
        for name in ("cat", "dog"):
            self.done(running, "classes", {"do": "add", "name": name})
        for round in range(times):
            for _ in range(self.dice.randint(0, MOST)):
                self.done(running, *self.chosen())
            if self.dice.random() < 0.3:  # labels.csv is written a second after the last act
                time.sleep(self.dice.uniform(0.9, 1.15))
            self.killed(running)
            self.look(round)
            running = start(self.photos, self.out)
            self.reread(running.client, round)
        os.kill(running.pid, signal.SIGTERM)
        os.waitpid(running.pid, 0)
        self.look(times)

    def chosen(self) -> tuple[str, dict[str, Any]]:
        """Return an act that is valid now."""
        dice, now = self.dice, self.truth.now
        live = [k for k, (_, removed) in enumerate(now.classes) if not removed]
        kind = dice.choice(KINDS) if live else "redo"  # the addition of all of them may be undone
        numbers = dice.sample(range(PHOTOS), dice.randint(1, 5))
        if kind in ("undo", "redo"):
            return kind, {}
        if kind == "classes":
            return kind, {"do": "rename", "number": dice.choice(live), "name": f"class {dice.randrange(10**9)}"}
        if kind == "label":
            return kind, {"n": numbers[0], "label": dice.choice(live)}
        if kind == "page":
            return kind, {"class": dice.choice(live), "accepted": numbers[:-1], "wrong": numbers[-1:]}
        if kind == "many":
            return kind, {"numbers": numbers, "label": dice.choice([None, *live])}
        return kind, {"n": numbers[0]} if kind in ("none", "skip") else {"numbers": numbers}

    def done(self, running: Running, kind: str, fields: dict[str, Any]) -> None:
        """Do an act that is acknowledged."""
        body = self._body(kind, fields)
        answer = running.client.ask(PATHS.get(kind, "/api/acts"), body)
        if answer.status != 200:
            self.wrong.append(f"{body} was refused: {answer.body[:200]!r}")
            return
        self._acknowledge(kind, fields)

    def _body(self, kind: str, fields: dict[str, Any]) -> dict[str, Any]:
        self.sent += 1
        return {"id": f"a{self.sent}", **({} if kind in PATHS else {"kind": kind}), **fields}

    def _acknowledge(self, kind: str, fields: dict[str, Any]) -> None:
        self.acknowledged += 1
        apply(self.truth, kind, fields)
        self._remember()

    def _remember(self) -> None:
        now = self.truth.now
        names = [name for name, _ in now.classes]
        labelled = {n for n, k in now.label.items() if k >= 0 and "excluded" not in now.status[n]}
        self.states.append({self.files[n]: names[now.label[n]] for n in labelled})

    def killed(self, running: Running) -> None:
        """Send an act and kill the server before, while or after it answers."""
        kind, fields = self.chosen()
        body = self._body(kind, fields)
        data = json.dumps(body).encode()
        port = running.client.port
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(
                f"POST {PATHS.get(kind, '/api/acts')} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"
                f"X-Penult: 1\r\nContent-Type: application/json\r\nCookie: {running.client.cookie}\r\n"
                f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n".encode()
                + data
            )
            time.sleep(self.dice.choice([0, self.dice.uniform(0, 0.02), self.dice.uniform(0, 0.2)]))
            running.kill()
            answer = b""
            try:
                while part := connection.recv(65536):
                    answer += part
            except OSError:
                pass
        if answer.startswith(b"HTTP/1.1 200"):
            self._acknowledge(kind, fields)
        else:
            self.pending = kind, body
            self.on_their_way += 1

    def look(self, round: int) -> None:
        """Look at the files while no server runs; the database every second time, as opening it ends its log."""
        self.read_table(round)
        if self.dice.random() < 0.5:
            return
        with LabelStore(self.out / "labels.db", self.digests.every) as store:
            self.wrong += [f"round {round}: {line}" for line in store.check()]
            labels, status = store.labels().tolist(), [set(status_names(s)) for s in store.status().tolist()]
        self._compare({n: (labels[n], status[n]) for n in range(PHOTOS)}, f"round {round}, the file")

    def reread(self, client: StudioClient, round: int) -> None:
        """Compare what the new server says, and send again what got no answer."""
        self._compare(self._asked(client), f"round {round}, the new server")
        if self.pending is not None:
            kind, body = self.pending
            answer = client.ask(PATHS.get(kind, "/api/acts"), body)
            if answer.status != 200:
                self.wrong.append(f"round {round}: {body}, sent again, was refused: {answer.body[:200]!r}")
            self.pending = None
            self._acknowledge(kind, body)
            self._compare(self._asked(client), f"round {round}, after what was sent again")

    @staticmethod
    def _asked(client: StudioClient) -> dict[int, tuple[int, set[str]]]:
        details = client.get(f"/api/details?numbers={','.join(map(str, range(PHOTOS)))}")["photos"]
        return {one["n"]: (one["label"], set(one["status"])) for one in details}

    def _compare(self, found: dict[int, tuple[int, set[str]]], where: str) -> None:
        """The state is that of the acknowledged acts, with or without the one that got no answer."""
        possible = [self.truth]
        if self.pending is not None:
            possible.append(copy.deepcopy(self.truth))
            apply(possible[1], self.pending[0], self.pending[1])
        if found not in [plain(truth.now) for truth in possible]:
            self.wrong.append(f"{where}: {found}, and not {plain(self.truth.now)}")

    def read_table(self, round: int) -> None:
        """labels.csv is whole: it says what the labels were after some act."""
        path = self.out / "labels.csv"
        if not path.exists():
            return
        self.tables += 1
        data = path.read_bytes()
        rows = list(csv.reader(data.decode().splitlines()))
        said = {Path(row[0]).name: row[1] for row in rows[1:]}
        if rows[0] != ["file", "label", "sha256", "status"] or not data.endswith(b"\r\n") or said not in self.states:
            self.wrong.append(f"round {round}: labels.csv says {said}, which the labels never were")


class LabelDigests:
    """The digests of a project's photos, in the order of their numbers."""

    def __init__(self, out: Path, running: Running) -> None:
        import hashlib

        details = running.client.get(f"/api/details?numbers={','.join(map(str, range(PHOTOS)))}")["photos"]
        self.every = [hashlib.sha256((out.parent / "photos" / one["file"]).read_bytes()).hexdigest() for one in details]


def plain(state: Plain) -> dict[int, tuple[int, set[str]]]:
    return {n: (state.label[n], state.status[n]) for n in state.label}


def apply(truth: Truth, kind: str, fields: dict[str, Any]) -> None:
    """Do with plain dicts what an act does."""
    if kind in ("undo", "redo"):
        truth.turn(kind == "undo")
    elif kind == "classes":
        truth.change_classes(fields["do"], fields.get("number", 0), fields["name"])
    elif kind == "page":
        truth.act(kind, fields["accepted"], fields["class"], fields["wrong"], "")
    else:
        truth.act(kind, fields.get("numbers", [fields.get("n")]), fields.get("label"), [], "")


def main() -> None:
    """In the folder PLACE, by SEED, kill TIMES servers."""
    life = Life(Path(sys.argv[1]), int(sys.argv[2]))
    life.go(int(sys.argv[3]))
    told = {"acknowledged": life.acknowledged, "on their way": life.on_their_way, "tables": life.tables, "wrong": life.wrong}
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
