"""How long a prepared project takes to open: from the start of the process until questions are answered.

Bound: 20,000 photos within 2 s. Wall times mean something on a quiet machine only; CPU times are those of the process.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import psutil

from studio.many import lay_out, parser_of_photos, studio


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser_of_photos(parser)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--labels", type=int, default=1000, metavar="N", help="photos that have a label already")


def run(args: argparse.Namespace) -> None:
    """Measure, and print a line each time."""
    with tempfile.TemporaryDirectory() as folder:
        many = lay_out(Path(folder), args.many, args.photos)
        arguments = (str(many.source), "--out", str(many.project), "--unlabelled")
        with studio(*arguments) as server:
            server.until_open()
            for name in many.classes:
                server.act("/api/classes", do="add", name=name)
            for label in range(len(many.classes)):
                numbers = [n for n in range(min(args.labels, args.many)) if many.truth[n] == label]
                server.act(kind="many", numbers=numbers, label=label)
        walls, cpus = [], []
        for _ in range(args.times):
            with studio(*arguments) as server:
                walls.append(server.until_open())
                server.json("/api/queue?mode=doubt")
                cpus.append(server.cpu())
                memory = psutil.Process(server.process.pid).memory_info().rss
                print(f"page there {server.there:.2f} s, open {walls[-1]:.2f} s, CPU {cpus[-1]:.2f} s, {memory / 1e6:.0f} MB")
    print(f"{args.many:,} photos, {args.labels} labels: open after {statistics.median(walls):.2f} s (median), CPU "
          f"{statistics.median(cpus):.2f} s with the first question")  # fmt: skip
