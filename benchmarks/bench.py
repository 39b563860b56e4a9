"""Measure penult beside its peers and beside the machine's own ceiling: one machine, one run, taking turns.

    make bench                    at most 20 minutes; BENCH=full: every peer with every contest; BENCH=quick: does it all work?
    python benchmarks/bench.py --torch PYTHON --tensorflow PYTHON [--photos FOLDER] [--quick | --full]

PYTHON: of an environment with penult[timm,keras,int8], and of one with keras and tensorflow; who has none is not run.
Every repeat runs each contestant once, in a process of its own; the table has medians. It is printed, and except for a
quick run it is put into docs/benchmarks.md. All single results go to WORK/results.json; --again prints the table of those.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from peers import arena, field, markdown, photos, startup, table

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
Runs = defaultdict[str, list[dict[str, Any]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch", help="Python with penult[timm,keras,int8]")
    parser.add_argument("--tensorflow", help="Python with keras and tensorflow")
    parser.add_argument("--photos", type=Path, help="JPEG photos in class folders (default: some that are made here)")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "bench", help="(default: build/bench)")
    parser.add_argument("--only", default="", metavar="WORD", help="contestants whose name or contest has this in it")
    size = parser.add_mutually_exclusive_group()
    for name in ("quick", "full"):
        size.add_argument(f"--{name}", dest="scale", action="store_const", const=name, default="usual")
    parser.add_argument("--again", action="store_true", help="measure nothing; the table of the last run")
    asked = parser.parse_args()
    asked.work = asked.work.resolve()
    results = asked.work / "results.json"
    if not asked.again:
        record = measure(asked, field.SCALES[asked.scale])
        results.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    record = json.loads(results.read_text(encoding="utf-8"))
    text = table.render(record)
    print(text)
    if record["scale"] != "quick" and not record["only"]:
        markdown.put(PAGE, text)


def measure(asked: argparse.Namespace, scale: field.Scale) -> dict[str, Any]:
    """Return all that was measured."""
    given = {field.PENULT: sys.executable, field.TORCH: asked.torch, field.TENSORFLOW: asked.tensorflow}
    homes = {name: python and str(Path(python).absolute()) for name, python in given.items()}
    began = datetime.now(UTC)
    ready(asked, scale, homes)
    runs: Runs = defaultdict(list)
    for repeat in range(scale.repeats):
        turn(asked, scale, homes, runs, repeat)
    names = {"scale": scale.name, "only": asked.only, "repeats": scale.repeats, "machine": table.machine()}
    times = {"date": f"{began:%Y-%m-%d}", "minutes": (datetime.now(UTC) - began).total_seconds() / 60}
    return {**names, **times, "photos": str(asked.photos.name if asked.photos else "made"), "runs": runs}


def ready(asked: argparse.Namespace, scale: field.Scale, homes: dict[str, str | None]) -> None:
    """Make what the contestants need and what nobody times: photos, weights, conversions, a trained model, rows for heads."""
    work = asked.work
    progress("preparing")
    work.mkdir(parents=True, exist_ok=True)
    if asked.photos is None:
        photos.make(work / "photos", scale.photos)
    for count in {scale.photos, scale.photos_three}:
        photos.choose(asked.photos or work / "photos", work / f"photos-{count}", count)
    startup.train(work / f"photos-{scale.photos}", work)
    folders = [(work / f"head-{rows}-{columns}", rows, columns) for rows, columns in scale.heads]
    made = [arena.run(sys.executable, "run_head", "make", *words, work=work) for words in folders]
    if homes[field.TORCH]:
        made.append(arena.run(homes[field.TORCH], "weights", work / "weights", *field.weights(scale), work=work))
        for contest in field.contests(scale):
            photos_of, names = work / f"photos-{contest.photos}", [located(n, work) for n in contest.in_int8]
            made += [arena.run(homes[field.TORCH], "quantised", photos_of, name, work=work) for name in names]
    if errors := [facts["error"] for facts in made if "error" in facts]:
        raise SystemExit("preparing failed: " + "; ".join(errors))


def turn(asked: argparse.Namespace, scale: field.Scale, homes: dict[str, str | None], runs: Runs, repeat: int) -> None:
    """Run everybody once."""
    work = asked.work

    def one(name: str, home: str, module: str, *words: object) -> None:
        python = homes[home]
        if asked.only and asked.only not in name:
            return
        facts = arena.run(python, module, *words, work=work) if python else {"error": f"no environment for {home}"}
        runs[name].append(facts)
        progress(f"{repeat + 1}/{scale.repeats} {name}: {table.brief(facts)}")

    one("ceiling", field.TORCH if homes[field.TORCH] else field.PENULT, "run_ceiling", 2)
    for contest in field.contests(scale):
        for x in contest.contestants:
            networks = [located(n, work) for n in x.networks]
            one(f"{contest.name}/{x.name}", x.home, x.module, work / f"photos-{contest.photos}", x.way, *networks)
    for rows, columns in scale.heads:
        for way in ("sklearn", "penult", "own"):
            if repeat == 0 or way != "sklearn" or rows < 10_000:  # minutes each
                one(f"head {rows} x {columns}/{way}", field.PENULT, "run_head", way, work / f"head-{rows}-{columns}")
    if asked.only in "start":
        first, second = sorted((work / f"photos-{scale.photos}").glob("*/*"))[:2]
        runs["start"].append(arena.watched(lambda: dict(startup.measure(first, second, work))))


def located(network: str, work: Path) -> str:
    """Return a network's name with the file of its weights, where it has one."""
    return f"{network}{work}/weights/{network[:-1]}.safetensors" if network.endswith("@") else network


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
