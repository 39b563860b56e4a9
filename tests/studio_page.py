"""The studio's page with a server behind it that makes its photos up: for what a browser does with any number of photos.

`MadeUpStudio(photos, classes)` as a `with` block; `url` is its page. It answers as the HTTP API does, keeps labels in memory
and has no model: a guess is the photo's number modulo the classes. `acts` holds what the page sent.
"""

from __future__ import annotations

import io
import json
import threading
import time
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import numpy as np
from PIL import Image

ASSETS = files("penult") / "studio" / "assets"
KINDS = {
    "mjs": "text/javascript",
    "css": "text/css",
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
}
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'"
PICTURES = 64  # different ones


@cache
def picture(number: int, side: int) -> bytes:
    """Return one of 64 drawn pictures as JPEG."""
    rng = np.random.default_rng(number)
    drawn = Image.fromarray(rng.integers(40, 220, (4, 4, 3), np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    drawn.save(out, "JPEG", quality=80)
    return out.getvalue()


class MadeUpStudio:
    """A project of made-up photos, and the server of its page."""

    def __init__(self, photos: int, classes: tuple[str, ...] = ("cat", "dog", "owl"), labelled: float = 0.3) -> None:
        rng = np.random.default_rng(0)
        self.n, self.classes = photos, classes
        self.guesses = np.arange(photos) % len(classes)
        self.labels = np.where(rng.random(photos) < labelled, self.guesses, -1)
        self.p = np.round(rng.uniform(0.5, 1, photos), 3)
        self.places = np.round(rng.random((photos, 2)) * 0.3 + 0.3 * (self.guesses % 3)[:, None], 4)
        self.excluded = np.zeros(photos, bool)
        self.seq, self.acts, self.decisions, self.job = 1, [], {}, None  # type: ignore[var-annotated]
        self._undo: list[tuple[Any, ...]] = []
        handler = type("Answers", (_Answers,), {"studio": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> MadeUpStudio:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def project(self) -> dict[str, Any]:
        classes = [{"number": i, "name": name, "key": str(i + 1), "removed": False} for i, name in enumerate(self.classes)]
        paths = {
            "name": "photos",
            "source": "/home/ada/photos",
            "out": "/home/ada/photos-studio",
            "kind": "folder",
            "order": "0" * 16,
        }
        counts = {"photos": self.n, "files": self.n, "families": self.n, "copies": 0}
        return paths | counts | {
            "preparing": None, "unreadable": [], "classes": classes, "version": "0", "limits": {"page": [24, 48]},
            "language": "en", "trained": True,
        }  # fmt: skip

    def state(self) -> dict[str, Any]:
        labelled = int((self.labels >= 0).sum())
        counts = {
            "photos": self.n,
            "labelled": labelled,
            "unlabelled": self.n - labelled,
            "excluded": int(self.excluded.sum()),
            "none": 0,
            "exam": 0,
        }
        model = {"ready": True, "version": 1, "labels": labelled}
        return {
            "seq": self.seq, "model": model, "counts": counts, "exam": EXAM, "agreement": {"asked": 14, "same": 13},
            "background": BACKGROUND, "job": self.job, "undo": bool(self._undo), "redo": False, "preparing": None,
        }  # fmt: skip

    def photos(self, asked: dict[str, str]) -> dict[str, Any]:
        status, label = asked.get("status", "all"), asked.get("class")
        keep = {"unlabelled": self.labels < 0, "labelled": self.labels >= 0, "excluded": self.excluded}.get(
            status, np.ones(self.n, bool)
        )
        if label is not None:
            keep = keep & (self.labels == int(label))
        order = np.argsort(self.p, kind="stable") if asked.get("sort") == "doubt" else np.arange(self.n)
        numbers = order[keep[order]][:: -1 if asked.get("descending") else 1].tolist()
        return {"seq": self.seq, "total": len(numbers), "numbers": numbers}

    def status(self, n: int) -> list[str]:
        return ["excluded"] if self.excluded[n] else []

    def details(self, n: int) -> dict[str, Any]:
        guess, p, k = int(self.guesses[n]), float(self.p[n]), len(self.classes)
        guesses = [{"class": guess, "p": p}, {"class": (guess + 1) % k, "p": round(1 - p, 3)}]
        facts = {"novelty": 0.5, "family": [], "width": 640, "height": 480, "digest": f"{n:064x}"}
        label = {"label": int(self.labels[n]), "status": self.status(n), "guess": guess, "p": p, "guesses": guesses}
        return {"n": n, "file": f"photo {n:06d}.jpg", "files": [f"photo {n:06d}.jpg"]} | label | facts

    def some(self, path: str, count: int, label: int) -> dict[str, Any]:
        """Return the first photos without a label, as questions or as a page of a class."""
        photos = [self.details(int(n)) for n in np.flatnonzero(self.labels < 0)[:count]]
        if path == "/api/page":
            return {"seq": self.seq, "class": label, "photos": photos, "expected_wrong": 1.2}
        asked = [one | {"id": f"q{one['n']}", "kind": "doubt", "family": 1} for one in photos]
        return {"seq": self.seq, "questions": asked}

    def findings(self) -> dict[str, Any]:
        made = [("label", 3, None), ("near_copy", 4, 5), ("outlier", 8, None)]
        listed = [
            {"id": f"{kind}-{n}", "kind": kind, "title": kind, "n": n, "related": other, "reason": "a reason",
             "suggestion": "look", "label": 0, "guess": 0, "p": 0.9, "score": 0.8, "other": 1,
             "decision": self.decisions.get(f"{kind}-{n}")}
            for kind, n, other in made
        ]  # fmt: skip
        return {"findings": listed, "expected": {}}

    def act(self, sent: dict[str, Any]) -> list[int]:
        """Do what the page sent; return the photos that it changed."""
        self._undo.append((self.labels.copy(), self.excluded.copy(), dict(self.decisions)))
        numbers = sent.get("numbers", [])
        if sent["kind"] == "many":
            self.labels[numbers] = -1 if sent["label"] is None else sent["label"]
        elif sent["kind"] in ("exclude", "include"):
            self.excluded[numbers] = sent["kind"] == "exclude"
        elif sent["kind"] == "finding":
            numbers = [int(sent["finding"].split("-")[-1])]
            self.decisions[sent["finding"]] = sent["decision"]
            self.labels[numbers] = sent.get("label", self.labels[numbers])
            self.excluded[numbers] |= sent["decision"] == "exclude"
        return list(numbers)

    def undo(self) -> list[int]:
        """Take the last act back; return the photos that changed."""
        labels, excluded = self.labels, self.excluded
        self.labels, self.excluded, self.decisions = self._undo.pop()
        return np.flatnonzero((labels != self.labels) | (excluded != self.excluded)).tolist()

    def post(self, path: str, sent: dict[str, Any]) -> dict[str, Any]:
        self.acts.append((path, sent))
        if path == "/api/alike":
            return {"photos": [self.details((sent["numbers"][0] + i) % self.n) | {"similarity": 0.9} for i in range(1, 9)]}
        if path in ("/api/train", "/api/job/cancel"):
            state = "running" if path == "/api/train" else "cancelled"
            self.job = {
                "id": "a",
                "kind": "train",
                "stage": "features",
                "done": 3,
                "total": 10,
                "state": state,
                "error": None,
                "result": None,
            }
            return {"job": self.job}
        if path == "/api/export":
            return {"path": f"/home/ada/photos-studio/{sent['what']}"}
        changed = self.undo() if path == "/api/undo" else self.act(sent)
        self.seq += 1
        told = [{"n": int(n), "label": int(self.labels[n]), "status": self.status(n)} for n in changed]
        state = self.state()
        return {"seq": self.seq, "changed": told, "next": [], "undone": {"kind": "many"}} | {
            name: state[name] for name in ("model", "exam", "counts")
        }

    def get(self, path: str, asked: dict[str, str]) -> dict[str, Any]:
        if path == "/api/details":
            return {"photos": [self.details(int(n)) for n in asked["numbers"].split(",")]}
        if path in ("/api/queue", "/api/page"):
            return self.some(path, int(asked["count"]), int(asked.get("class", 0)))
        if path == "/api/map":
            return {"numbers": list(range(self.n)), "x": self.places[:, 0].tolist(), "y": self.places[:, 1].tolist()}
        if path == "/api/colors":
            return {"seq": self.seq, "labels": self.labels.tolist(), "guesses": self.guesses.tolist(), "p": self.p.tolist()}
        if path == "/api/changes":
            return {"seq": self.seq, "changed": [], "classes": self.project()["classes"]}
        if path == "/api/quality":
            return quality(len(self.classes))
        if path == "/api/differences":
            score = {"former": 0.842, "present": 0.871, "difference": 0.029, "low": 0.004, "high": 0.055, "photos": 60}
            return {
                "former": "run.1",
                "present": "run",
                "score": score,
                "right": [3, 9],
                "wrong": [4],
                "labels_changed": 12,
                "photos_added": 0,
            }
        made = {"/api/project": self.project, "/api/state": self.state, "/api/findings": self.findings}.get(path)
        return made() if made else self.photos(asked)


EXAM = {"asked": 62, "right": 53, "planned": 100, "score": 0.855, "low": 0.747, "high": 0.922, "enough": True}
BACKGROUND = {"labels": 300, "accuracy": 0.871, "low": 0.76, "high": 0.93, "running": False}


def quality(k: int) -> dict[str, Any]:
    """Return what `/api/quality` may say of k classes."""
    curve = [{"labels": n, "accuracy": a, "low": a - 0.06, "high": a + 0.05} for n, a in ((20, 0.6), (80, 0.74), (300, 0.85))]
    classes = [
        {"class": c, "labelled": 40, "recall": None if c == 1 else 0.8, "precision": 0.9, "doubt": 4.2} for c in range(k)
    ]
    stop = {"key": "go_on", "values": {"labels": 300, "left": 90, "since": 140, "changed": 0.062, "score": 0.85}}
    return {
        "exam": EXAM, "curve": curve, "classes": classes, "help": [{"class": 1, "numbers": list(range(20)), "doubt": 7.6}],
        "agreement": {"asked": 14, "same": 13}, "background": BACKGROUND, "stop": stop,
    }  # fmt: skip


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *about: object) -> None:
        """Say nothing: a browser that leaves a page ends its connections."""


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    studio: ClassVar[MadeUpStudio]

    def log_message(self, *said: object) -> None:
        """Say nothing."""

    def _send(self, body: bytes, kind: str, code: int = 200) -> None:
        self.send_response(code)
        for name, value in (("content-type", kind), ("content-length", str(len(body))), ("content-security-policy", POLICY)):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _json(self, told: dict[str, Any]) -> None:
        self._send(json.dumps(told).encode(), "application/json")

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        first = url.path.split("/")[1]
        if first in ("thumb", "photo"):
            self._send(picture(int(url.path.split("/")[2]) % PICTURES, 160 if first == "thumb" else 640), "image/jpeg")
        elif url.path == "/api/state" and "json" not in self.headers["accept"]:
            self._stream()
        elif first == "api":
            self._json(self.studio.get(url.path, asked))
        else:
            asset = ASSETS.joinpath(*(url.path.split("/")[2:] or ["index.html"]))
            kind = KINDS.get(asset.name.rpartition(".")[2])
            self._send(asset.read_bytes() if kind else b"", kind or "text/plain", 200 if kind else 404)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.close_connection = True
        last = ""
        try:
            while True:
                now = json.dumps(self.studio.state())
                if now != last:
                    self.wfile.write(f"event: state\ndata: {now}\n\n".encode())
                last = now
                time.sleep(0.05)
        except OSError:  # the tab is gone
            return

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self._json(self.studio.post(urlsplit(self.path).path, sent))
