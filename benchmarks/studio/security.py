"""What other pages, other programs and damaged requests get from a studio: nothing.

Every call comes with what is wrong with it: a foreign Host or Origin, no cookie, a wrong one, a used token, no own header,
names that lead elsewhere; then calls whose bytes are changed at random, with the right cookie. Bounds: all of the first kind
are refused, no status above 499, no traceback, no file beside the project changed, and a usual request is answered at the end.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image
from serve_hostile import REQUESTS, changed

from studio.many import StudioProcess

EVIL = (
    "..", "../out", "/etc/passwd", "a/b", "a\\b", "con", "<script>alert(1)</script>", "=1+1", "\u202egpj.exe", "\x00",
    "x" * 5000, "\ud800", "'; DROP TABLE acts; --", "%2e%2e%2f", "C:\\Windows", "\n",
)  # fmt: skip
PATHS = (
    "../labels.db", "..%2flabels.db", "%2e%2e/%2e%2e/etc/passwd", "....//labels.db", "/etc/passwd", "%00", "..\\labels.db",
    "metrics.json%00.html", "~root", "labels.db", "%c0%ae%c0%ae/labels.db",
)  # fmt: skip
HOSTS = ("evil.example", "evil.example:{}", "127.0.0.1.evil.example:{}", "127.0.0.1:1", "0.0.0.0:{}")
SOON = 1.0  # seconds after which a client says that it sends nothing more


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--calls", type=int, default=1000, metavar="N", help="calls that are changed at random")
    parser.add_argument("--seed", type=int, default=0)


class RawClient:
    """Sends requests as bytes, each over a connection of its own, and counts what came back."""

    def __init__(self, port: int, cookie: str) -> None:
        self.port, self.cookie, self.statuses = port, cookie, Counter[int]()

    def raw(self, data: bytes) -> int:
        """Return the status of the answer, 0 where the connection was closed without one."""
        found = b""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=SOON) as one:
            one.sendall(data)
            while b"\r\n" not in found:
                try:
                    some = one.recv(4096)
                except TimeoutError:
                    one.shutdown(socket.SHUT_WR)
                    one.settimeout(30)
                    some = one.recv(4096)
                if not some:
                    break
                found += some
        words = found.split(b" ", 2)
        status = int(words[1]) if len(words) > 2 and words[1].isdigit() else 0
        self.statuses[status] += 1
        return status

    def request(self, path: str, body: bytes | None = None, **other: str | None) -> bytes:
        """Return the bytes of a request as the page sends it; `other` headers replace its own, None leaves one out."""
        headers: dict[str, str | None] = {"Host": f"127.0.0.1:{self.port}", "Cookie": self.cookie, "Connection": "close"}
        if body is not None:
            headers |= {"Origin": f"http://127.0.0.1:{self.port}", "X-Penult": "1", "Content-Type": "application/json"}
            headers |= {"Content-Length": str(len(body))}
        headers |= {name.replace("_", "-"): value for name, value in other.items()}
        lines = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items() if value is not None]
        return "\r\n".join(lines).encode("utf-8", "surrogatepass") + b"\r\n\r\n" + (body or b"")


def refused(client: RawClient, token: str) -> Iterator[tuple[str, bytes]]:
    """Yield what must be refused: what is wrong, and the request."""
    port, act = client.port, json.dumps({"id": "evil", "kind": "skip", "n": 0}).encode()
    reads = ("/", "/api/project", "/api/state", "/api/photos", "/assets/app.mjs", "/run/metrics.json", "/thumb/0/0.jpg")
    writes = ("/api/acts", "/api/undo", "/api/classes", "/api/train", "/api/export", "/api/job/cancel", "/api/alike")
    for path in (*reads, *writes):
        body = act if path in writes else None
        for host in (
            "evil.example",
            f"evil.example:{port}",
            f"127.0.0.1.evil.example:{port}",
            "127.0.0.1:1",
            f"0.0.0.0:{port}",
        ):
            yield f"host {host}", client.request(path, body, Host=host, Origin=f"http://{host}" if body else None)
        for cookie in (None, "", f"penult-{port}=", f"penult-{port}=x", client.cookie[:-1], f"{client.cookie}x"):
            yield f"cookie {cookie}", client.request(path, body, Cookie=cookie)
        if path != "/":  # a link to the page may stand anywhere
            yield "cross-site", client.request(path, body, Sec_Fetch_Site="cross-site")
    for path in writes:
        for origin in (None, "null", "http://evil.example", f"https://127.0.0.1:{port}", f"http://localhost:{port}"):
            yield f"origin {origin}", client.request(path, act, Origin=origin)
        yield "no own header", client.request(path, act, X_Penult=None)
        yield "same-site", client.request(path, act, Sec_Fetch_Site="same-site")
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            yield f"type {kind}", client.request(path, act, Content_Type=kind)
    yield "used token", client.request(f"/open?token={token}", Cookie=None)
    yield "wrong token", client.request("/open?token=" + "A" * 32, Cookie=None)
    for name in PATHS:
        for place in ("/assets/", "/run/", "/thumb/", "/photo/0/", "/"):
            yield f"name {name}", client.request(place + name)
    for number in (-1, 10**9, 10**30, "0x1", "1e1"):
        yield f"photo {number}", client.request(f"/thumb/{number}/{'0' * 16}.jpg")
        yield f"photos {number}", client.request(f"/api/details?numbers={number}")
    for name in EVIL[:7]:
        yield f"export {name}", client.request("/api/export", json.dumps({"what": "folders", "to": name}).encode())
        yield f"train {name}", client.request("/api/train", json.dumps({"backbones": [f"{name}@../x"]}).encode())


def usual(client: RawClient) -> list[bytes]:
    """Return requests that are fine, to be changed at random."""
    bodies: list[tuple[str, dict[str, object]]] = [
        ("/api/acts", {"id": "f1", "kind": "label", "n": 1, "label": 0, "base_seq": 0, "mode": "mixed"}),
        ("/api/acts", {"id": "f2", "kind": "page", "class": 0, "accepted": [1, 2, 3], "wrong": [4]}),
        ("/api/acts", {"id": "f3", "kind": "many", "numbers": [1, 2], "label": None}),
        ("/api/acts", {"id": "f4", "kind": "exclude", "numbers": [5]}),
        ("/api/classes", {"id": "f5", "do": "add", "name": "cat", "key": "c"}),
        ("/api/classes", {"id": "f6", "do": "rename", "number": 0, "name": "dog"}),
        ("/api/undo", {"id": "f7"}), ("/api/redo", {"id": "f8"}),
        ("/api/alike", {"numbers": [1, 2], "count": 5}), ("/api/export", {"what": "labels"}), ("/api/job/cancel", {}),
    ]  # fmt: skip
    made = [client.request(path, json.dumps(body).encode()) for path, body in bodies]
    gets = ("/api/photos?status=all&sort=doubt", "/api/details?numbers=1,2", "/api/queue?mode=doubt&count=3", "/api/quality",
            "/api/page?class=0&count=24", "/api/changes?since=0", "/photo/0/0000000000000000.jpg?side=640")  # fmt: skip
    return made + [client.request(path) for path in gets]


def contents(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file."""
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


def run(args: argparse.Namespace) -> None:
    """Send it all, and print what came back; exit code 1 where a bound is not kept."""
    rng = np.random.default_rng(args.seed)
    with tempfile.TemporaryDirectory() as base:
        source = Path(base) / "photos"
        source.mkdir()
        for i in range(30):
            Image.fromarray(rng.integers(0, 255, (40, 40, 3), np.uint8)).save(source / f"{i}.png")
        before, wrong = contents(source), []
        with tempfile.TemporaryFile("w+") as log:
            server = StudioProcess(
                str(source), "--out", f"{base}/p", "-b", "colour_histogram", "--cache", f"{base}/c", stderr=log
            )
            try:
                server.until_open()
                client = RawClient(server.port, server.cookie)
                for what, data in refused(client, server.token):
                    if not 400 <= (status := client.raw(data)) < 500:
                        wrong.append(f"{what}: {status}")
                print(f"{client.statuses.total()} calls that must be refused: {dict(sorted(client.statuses.items()))}")
                if (seq := server.json("/api/state")["seq"]) != 0:
                    wrong.append(f"refused acts changed something: {seq}")
                client.statuses.clear()
                for i, name in enumerate(EVIL):
                    client.raw(client.request("/api/classes", json.dumps({"id": f"e{i}", "do": "add", "name": name}).encode()))
                print(f"{client.statuses.total()} classes with evil names: {dict(sorted(client.statuses.items()))}")
                names = [one["name"] for one in server.json("/api/project")["classes"]]
                for number in range(min(len(names), 30)):
                    server.act(kind="many", numbers=[number], label=number)
                if names:
                    server.act("/api/export", what="folders", how="copy")
                requests = usual(client)
                for i in range(args.calls):
                    data = REQUESTS[i % len(REQUESTS)] if i % 10 == 9 else changed(requests[i % len(requests)], rng)
                    if (status := client.raw(data)) >= 500:
                        wrong.append(f"{status} for {data[:200]!r}")
                print(f"{args.calls} calls changed at random: {dict(sorted(client.statuses.items()))}")
                if server.json("/api/state")["counts"]["photos"] != 30 or not server.ask("/")[2].startswith(
                    b"<!doctype html>"
                ):
                    wrong.append("a usual request is not answered any more")
            finally:
                server.process.terminate()
                code = server.process.wait(60)
            log.seek(0)
            if "Traceback" in (said := log.read()) or code != 0:
                wrong.append(f"exit code {code}, log: {said[-2000:]}")
        wrong += [f"{path} was changed" for path, digest in contents(source).items() if before.get(path) != digest]
        strange = [p for p in Path(base).rglob("*") if p.relative_to(base).parts[0] not in ("photos", "p", "c")]
        wrong += [f"{path} was written" for path in strange]
    print("\n".join(wrong) or "all bounds are kept: 0 let through, 0 tracebacks, nothing beside the project touched")
    if wrong:
        sys.exit(1)
