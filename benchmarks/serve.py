"""What `penult serve` bears: its rate beside the pipeline without HTTP, overload, killed decoders, reloads, hostile bodies.

    python benchmarks/serve.py rate [-b efficientnet_lite0 | -b lite] [--photos FOLDER]
    python benchmarks/serve.py latency
    python benchmarks/serve.py kills [--kills 200]
    python benchmarks/serve.py reloads [--reloads 50]
    python benchmarks/serve.py hostile [--fuzzed 7000]
    python benchmarks/serve.py conformance [--axe axe.min.js]      needs pip install schemathesis tritonclient[http]
    python benchmarks/serve.py page [--out docs]                   the picture of the page in the docs

Photos are drawn fruit, or those of FOLDER (class folders). Each prints its figures beside their bounds and ends with 1
where one is missed. At most some three minutes each, on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from http_load import ROOT, Connection, Load, Reply, Server, cpu_seconds, during, model_of, photos_of, served, verdict
from psutil import Process

sys.path.insert(0, str(ROOT / "tests"))

CONNECTIONS = 16
CORES = os.cpu_count() or 1


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Bare:
    """The same pipeline without HTTP, as many photos under way as there are connections."""

    def __init__(self, model: Path, photos: Sequence[bytes]) -> None:
        from penult.bundle import load_bundle
        from penult.predict.online import OnlinePredictor

        self.predictor = OnlinePredictor(load_bundle(model))
        self.predictor.check()
        self.photos = photos

    def run(self, seconds: float) -> float:
        """Return photos a second."""
        began, done, waiting = time.perf_counter(), 0, []
        while time.perf_counter() - began < seconds:
            while len(waiting) < CONNECTIONS:
                waiting.append(self.predictor.submit(self.photos[(done + len(waiting)) % len(self.photos)]))
            waiting.pop(0).result()
            done += 1
        rate = done / (time.perf_counter() - began)
        for one in waiting:
            one.result()
        return rate


def measure_rate(args: argparse.Namespace, base: Path, paths: list[Path]) -> bool:
    photos = [path.read_bytes() for path in paths]
    model = model_of(paths, args.backbone, base / "model.penult")
    bare = Bare(model, photos)
    ratios, cpu_ratios = [], []
    with served(f"m={model}", "-q", log=base / "log") as server:

        def over_http(seconds: float) -> float:
            began = time.perf_counter()
            replies = during(Load(server.port, photos, CONNECTIONS), seconds)
            assert {one.status for one in replies} == {200}
            return len(replies) / (time.perf_counter() - began)

        def ours() -> float:
            """Seconds of processor time of this process and its decoders."""
            others = {server.process.pid, *(one.pid for one in server.decoders())}
            return cpu_seconds(one for one in (Process(), *Process().children(recursive=True)) if one.pid not in others)

        over_http(3)
        bare.run(3)
        for number in range(args.rounds):
            found = {}
            for http in (True, False) if number % 2 else (False, True):  # neither comes always first
                run, cpu = (over_http, server.cpu) if http else (bare.run, ours)
                before, began = cpu(), time.perf_counter()
                rate = run(args.seconds)
                found[http] = rate, 1000 * (cpu() - before) / (rate * (time.perf_counter() - began))
            (slow, slow_cpu), (fast, fast_cpu) = found[True], found[False]
            ratios.append(slow / fast)
            cpu_ratios.append(fast_cpu / slow_cpu)
            print(
                f"without HTTP {fast:.1f}/s, {fast_cpu:.2f} ms CPU a photo; over HTTP {slow:.1f}/s, {slow_cpu:.2f} ms: "
                f"{ratios[-1]:.3f}, {cpu_ratios[-1]:.3f}",
                flush=True,
            )
    bare.predictor.close()
    bound = 0.92 if args.backbone == "efficientnet_lite0" else 0.97
    what = f"{args.backbone}, {CONNECTIONS} connections, medians"
    fine = verdict(f"rate over HTTP / without, {what}", statistics.median(ratios), ">=", bound)
    verdict("the same by processor time, without the clients'", statistics.median(cpu_ratios), ">=", bound)
    return fine


def measure_latency(args: argparse.Namespace, base: Path, paths: list[Path]) -> bool:
    photos = [path.read_bytes() for path in paths]
    model = model_of(paths, args.backbone, base / "model.penult")
    with served(f"m={model}", "-q", log=base / "log") as server:
        # The clients stand for other machines: that they wait for a core of this one must not count
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, -10)
        during(Load(server.port, photos, 2 * CORES), 4)
        began = time.perf_counter()
        usual = during(Load(server.port, photos, 2 * CORES), 4 * args.seconds)
        rate = len(usual) / (time.perf_counter() - began)
        p50, p99 = (quantile([one.seconds for one in usual], share) for share in (0.5, 0.99))
        print(f"{2 * CORES} connections: {rate:.1f}/s, p50 {1000 * p50:.1f} ms, p99 {1000 * p99:.1f} ms")
        fine = verdict("p99 / p50", p99 / p50, "<=", 2.5)
        before = server.memory
        flood = during(Load(server.port, photos, 192, rate=4 * rate), 4 * args.seconds)
        half = server.memory
        flood += during(Load(server.port, photos, 192, rate=4 * rate), 4 * args.seconds)
        after = server.memory
        taken = [one.seconds for one in flood if one.status == 200]
        refused = [one.seconds for one in flood if one.status == 503]
        print(f"4 x overload: {dict(Counter(one.status for one in flood))}, memory {before:.0f}, {half:.0f}, {after:.0f} MB")
        # What is taken waits behind 64 photos and those in work
        fine &= verdict("accepted, p99", quantile(taken, 0.99), "<=", 2 * (64 + 2 * (2 * CORES + 2)) / rate, " s")
        fine &= verdict("refused, p99", 1000 * quantile(refused, 0.99), "<=", 50, " ms")
        fine &= verdict("memory, second half of the flood", after - half, "<=", 10, " MB")
        fine &= verdict("other statuses", sum(one.status not in (200, 503) for one in flood), "<=", 0)
    return fine


def expected(server: Server, photos: Sequence[bytes], path: str = "/predict") -> list[Any]:
    """Return what each photo is answered on a server that nothing disturbs."""
    connection = Connection(server.port)
    answers = [connection.post(path, one) for one in photos]
    connection.close()
    assert {status for status, _ in answers} == {200}
    return [json.loads(body)["predictions"] for _, body in answers]


def measure_kills(args: argparse.Namespace, base: Path, paths: list[Path]) -> bool:
    photos = [path.read_bytes() for path in paths]
    model = model_of(paths, args.backbone, base / "model.penult")
    drawn, killed = random.Random(0), 0
    with served(f"m={model}", "-q", log=base / "log") as server:
        wanted = expected(server, photos)

        def kill() -> None:
            nonlocal killed
            while killed < args.kills:
                time.sleep(drawn.uniform(0.1, 0.5))
                there = server.decoders()
                if there:
                    os.kill(drawn.choice(there).pid, signal.SIGKILL)
                    killed += 1

        replies = during(Load(server.port, photos, CONNECTIONS), 0, kill)
    failed = [one for one in replies if one.status != 200]
    wrong = [one for one in replies if one.status == 200 and one.json()["predictions"] != wanted[one.photo]]
    print(f"{killed} decoders killed among {len(replies)} photos", *(one.body.decode()[:200] for one in failed[:3]), sep="\n")
    return verdict("failed", len(failed), "<=", 0) & verdict("wrong", len(wrong), "<=", 0)


def measure_reloads(args: argparse.Namespace, base: Path, paths: list[Path]) -> bool:
    photos = [path.read_bytes() for path in paths]
    models = [model_of(paths, args.backbone, base / f"{head}.penult", head) for head in ("logistic", "centroid")]
    live, wanted = base / "live.penult", {}
    for model in models:
        with served(f"m={model}", "-q", log=base / "log") as server:
            answers = expected(server, photos)
            version = _version(server)
        wanted[version] = answers
    shutil.copy(models[0], live)
    with served(f"m={live}", "-q", "--reload-seconds", "0.2", log=base / "log") as server:
        swaps = 0

        def swap() -> None:
            nonlocal swaps
            while swaps < args.reloads:
                now = _version(server)
                shutil.copy(models[(swaps + 1) % 2], base / "next")
                (base / "next").replace(live)
                until = time.monotonic() + 60
                while _version(server) == now and time.monotonic() < until:
                    time.sleep(0.05)
                swaps += 1
                time.sleep(0.5)
                if swaps in (5, args.reloads // 2, args.reloads):
                    print(
                        f"after {swaps} reloads: memory {server.memory:.0f} MB, {len(server.decoders())} decoders", flush=True
                    )

        replies = during(Load(server.port, photos, 2 * CORES), 0, swap)
    failed = [one for one in replies if one.status != 200]
    good = [(one.photo, one.json()) for one in replies if one.status == 200]
    told = Counter(said["model_version"] for _, said in good)
    wrong = [photo for photo, said in good if said["predictions"] != wanted[said["model_version"]][photo]]
    print(f"{swaps} reloads among {len(replies)} photos; answers by version: {dict(told)}")
    fine = verdict("failed", len(failed), "<=", 0) & verdict("answers of another version than they name", len(wrong), "<=", 0)
    return fine & verdict("least answers of a version", min(told.values()) if len(told) == 2 else 0, ">=", 1)


def _version(server: Server) -> str:
    connection = Connection(server.port)
    status, body = connection.send(b"GET /models HTTP/1.1\r\nHost: localhost\r\n\r\n")
    connection.close()
    return str(Reply(0, status, 0, body).json()["models"][0]["model_version"])


def main() -> int:
    import serve_conformance
    import serve_hostile

    topics: dict[str, Callable[[argparse.Namespace, Path, list[Path]], bool]] = {
        "rate": measure_rate, "latency": measure_latency, "kills": measure_kills, "reloads": measure_reloads,
        "hostile": serve_hostile.measure, "conformance": serve_conformance.measure, "page": serve_conformance.photograph,
    }  # fmt: skip
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("topic", choices=topics)
    parser.add_argument("-b", "--backbone", default="efficientnet_lite0")
    parser.add_argument("--photos", metavar="FOLDER", help="class folders of photos; drawn fruit without it")
    parser.add_argument("--seconds", type=float, default=6, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--reloads", type=int, default=50)
    parser.add_argument("--fuzzed", type=int, default=7000)
    parser.add_argument("--axe", type=Path, help="axe.min.js of the npm package axe-core")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fine = topics[asked.topic](asked, Path(folder), photos_of(asked.photos, Path(folder)))
    return not fine


if __name__ == "__main__":
    sys.exit(main())
