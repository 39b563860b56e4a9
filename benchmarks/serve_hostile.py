"""Bodies and requests that are made to do harm, sent to a server that answers usual photos beside them."""

from __future__ import annotations

import argparse
import json
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
from http_load import Connection, Load, Server, during, model_of, served, verdict

STATUSES = {200, 400, 401, 403, 404, 405, 408, 411, 413, 415, 422, 431, 503, 504}
AT_ONCE = 16
POST = b"POST /predict HTTP/1.1\r\nHost: localhost\r\n"
FORM = "multipart/form-data; boundary=xyz"
HEAD, END = b" HTTP/1.1\r\nHost: localhost\r\n", b"\r\n\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
ODD = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"99999999", b"[[[[")
REQUESTS = (
    b"\0" * 2000,
    b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",  # TLS
    b"GET" + END,
    b"GET / HTTP/9.9" + END,
    b"PRI * HTTP/2.0\r\n\r\nSM" + END,
    POST + b"Content-Length: -1" + END,
    POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n1",
    POST + b"Content-Length: " + b"9" * 90 + END,
    CHUNKED + b"Content-Length: 4\r\n\r\n0" + END,
    CHUNKED + b"\r\nfffffffffffffffff\r\n",
    CHUNKED + b"\r\n1;" + b"x" * 200_000,
    POST + b"X: " + b"y" * 100_000,
    POST + b"X: y\r\n" * 30_000,
    b"GET /" + b"a" * 100_000 + HEAD + END,
    b"GET /%00%ff/../../etc/passwd" + HEAD + b"\r\n",
    b"GET / HTTP/1.1" + END,
    b"GET /" + HEAD + b"Host: b" + END,
    b"CONNECT a:1" + HEAD + b"\r\n",
    b"OPTIONS *" + HEAD + b"\r\n",
    (b"GET /predict?model=%ff" + HEAD + b"\r\n") * 500,
    b"GET /" + HEAD + b"Upgrade: websocket\r\nConnection: upgrade" + END,
)


def files() -> Iterator[tuple[str, bytes]]:
    """Yield every bad picture that the tests draw, and every bad file of another kind."""
    import badimages
    import hostile

    for case in (*badimages.cases(), *badimages.bombs()):
        yield case.name, case.data
    with tempfile.TemporaryDirectory() as folder:
        for which, kind in hostile.KINDS.items():
            for i, (name, make) in enumerate(kind.bad.items()):
                place = Path(folder) / f"{which}{i}"
                place.mkdir()
                with suppress(Exception):  # some need a system that this one is not
                    path = make(place)
                    if path.is_file() and path.stat().st_size < 30_000_000:
                        yield f"{which}: {name}", path.read_bytes()


def whole() -> list[tuple[str, str, bytes, str]]:
    """Return what is changed at random: path, content type, body, further headers."""
    import base64

    import badimages

    kinds = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP")
    photos = {kind: badimages.save(badimages.photo(), kind) for kind in kinds}
    made = [("/predict", "image/x", data, "") for data in photos.values()]
    part = b'--xyz\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n'
    form = b"".join(part + photos[kind] + b"\r\n" for kind in ("JPEG", "PNG")) + b"--xyz--\r\n"
    made += [("/predict", FORM, form, "")] * 2
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1]}
    text = json.dumps({"id": "1", "inputs": [{**tensor, "data": [base64.b64encode(photos["JPEG"]).decode()]}]}).encode()
    made += [("/v2/models/m/infer", "application/json", text, "")] * 2
    data = len(photos["JPEG"]).to_bytes(4, "little") + photos["JPEG"]
    text = json.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": len(data)}}]}).encode()
    made.append(
        ("/v2/models/m/infer", "application/octet-stream", text + data, f"Inference-Header-Content-Length: {len(text)}\r\n")
    )
    return made


def changed(data: bytes, random: np.random.Generator) -> bytes:
    """Return bytes with one to six changes: bits, cuts, repetitions, odd numbers."""
    out = bytearray(data)
    for _ in range(random.integers(1, 7)):
        at, length = int(random.integers(0, len(out) + 1)), int(random.integers(1, 60))
        kind = random.integers(0, 5)
        if kind == 0 and out:
            out[at % len(out)] ^= 1 << int(random.integers(0, 8))
        elif kind == 1:
            out[at:at] = random.integers(0, 256, length, dtype=np.uint8).tobytes()
        elif kind == 2:
            del out[at : at + length]
        elif kind == 3:
            out[at : at + 4] = ODD[random.integers(0, len(ODD))]
        else:
            out = out[:at] if random.random() < 0.3 else out + out[at : at + length]
    return bytes(out)


class Watch:
    """The largest memory of the server's process, looked at every 20 ms."""

    def __init__(self, server: Server) -> None:
        self._server, self.most, self._stop = server, 0.0, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._stop.wait(0.02) and self._server.alive():
            with suppress(Exception):
                self.most = max(self.most, self._server.memory)

    def stop(self) -> float:
        self._stop.set()
        self._thread.join()
        return self.most


def wrong(status: int, body: bytes) -> str:
    """Return what is wrong with an answer, or nothing."""
    if status not in STATUSES:
        return f"status {status}"
    if status == 200:
        return ""
    try:
        sentence = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        return f"{status} without a sentence: {body[:100]!r}"
    return "" if sentence.endswith(".") and len(sentence) > 15 else f"{status}: {sentence!r} is no sentence"


def trickle(port: int, stop: threading.Event) -> None:
    """Open connections that send a byte now and then, of headers or of a body, as long as nothing stops it."""
    while not stop.is_set():
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as one:
            one.sendall(POST + b"Content-Length: 1000000\r\n\r\n" if id(one) % 3 else b"POST /")
            while not stop.wait(0.3):
                one.sendall(b"x")


def measure(args: argparse.Namespace, base: Path, paths: list[Path]) -> bool:
    photos = [path.read_bytes() for path in paths]
    model = model_of(paths, args.backbone, base / "model.penult")
    limits = ("--header-seconds", "2", "--body-seconds", "3", "--deadline", "30")
    with served(f"m={model}", "-q", *limits, log=base / "log") as server:
        during(Load(server.port, photos, AT_ONCE), 4)
        before, watch, stop = server.memory, Watch(server), threading.Event()
        slow = [threading.Thread(target=trickle, args=(server.port, stop), daemon=True) for _ in range(40)]
        for thread in slow:
            thread.start()
        faults: list[str] = []
        statuses: Counter[int] = Counter()
        beside = Load(server.port, photos, 1).start()
        with ThreadPoolExecutor(AT_ONCE) as many:
            faults += ask(server, many, [(name, ("/predict", "image/x", data, "")) for name, data in files()], statuses)
            faults += raw(server, many, statuses)
            random, known = np.random.default_rng(0), whole()
            some = []
            for i in range(args.fuzzed):
                path, kind, body, more = known[i % len(known)]
                some.append((f"fuzzed {i}", (path, kind, changed(body, random), more)))
            faults += ask(server, many, some, statuses)
            halves(server, photos[0])
        stop.set()
        usual = beside.stop()
        for thread in slow:
            thread.join()
        most = watch.stop()
        time.sleep(1)
        print(f"answers by status: {dict(sorted(statuses.items()))}")
        print(f"memory {before:.0f} MB before, at most {most:.0f}, {server.memory:.0f} after")
        print(*faults[:10], sep="\n")
        fine = verdict("the server lives", float(server.alive()), ">=", 1)
        fine &= verdict("answers without a status and a sentence", len(faults), "<=", 0)
        fine &= verdict("memory", most - before, "<=", 150, " MB")
        fine &= verdict("usual photos beside them that failed", sum(one.status != 200 for one in usual), "<=", 0)
        print(f"({len(usual)} usual photos beside them)")
    return fine


Asked = tuple[str, tuple[str, str, bytes, str]]


def ask(server: Server, many: ThreadPoolExecutor, what: Sequence[Asked], statuses: Counter[int]) -> list[str]:
    """Send bodies, and return what was wrong with answers."""
    local = threading.local()

    def one(asked: Asked) -> str:
        name, (path, kind, body, more) = asked
        if not hasattr(local, "connection"):
            local.connection = Connection(server.port)
        status, answer = local.connection.post(path, body, kind, more)
        while status == 503:  # as a client does: it is told to come again
            time.sleep(0.2)
            status, answer = local.connection.post(path, body, kind, more)
        statuses[status] += 1
        found = wrong(status, answer)
        return f"{name}: {found}" if found else ""

    began = time.perf_counter()
    found = [fault for fault in many.map(one, what) if fault]
    print(f"{len(what)} bodies in {time.perf_counter() - began:.0f} s", flush=True)
    return found


def raw(server: Server, many: ThreadPoolExecutor, statuses: Counter[int]) -> list[str]:
    """Send requests that are none, and return what was wrong with the answers."""

    def one(data: bytes) -> str:
        status, answer = Connection(server.port).send(data, patience=10)
        statuses[status] += 1
        found = wrong(status, answer)
        return f"{data[:60]!r}: {found}" if found else ""

    return [fault for fault in many.map(one, REQUESTS) if fault]


def halves(server: Server, photo: bytes) -> None:
    """Begin bodies and go away."""
    for i in range(200):
        with suppress(OSError), socket.create_connection(("127.0.0.1", server.port)) as one:
            one.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(photo) + photo[: 1 + i * len(photo) // 250])


if __name__ == "__main__":
    sys.exit("python benchmarks/serve.py hostile")
