"""From a key to the next question: HTTP request sent to answer received, with everything that the studio does in between.

An act is durable, the model refitted, all photos scored, and the next question chosen when it is answered. Ten classes, up
to 1,000 labels, each the true one. Wall times mean something on a quiet machine only; CPU times are of the server's process.
Bound: 95% of the answers within 150 ms.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from studio.many import lay_out, parser_of_photos, studio

BANDS = ((0, 100), (100, 300), (300, 600), (600, 1000))


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser_of_photos(parser)
    parser.add_argument("--labels", type=int, default=1000, metavar="N")
    parser.add_argument("--mode", choices=("doubt", "mixed"), default="doubt")


def run(args: argparse.Namespace) -> None:
    """Measure, and print a table."""
    with tempfile.TemporaryDirectory() as folder:
        many = lay_out(Path(folder), args.many, args.photos)
        with studio(str(many.source), "--out", str(many.project), "--unlabelled") as server:
            server.until_open()
            for name in many.classes:
                server.act("/api/classes", do="add", name=name)
            wall, cpu = [], []
            questions = server.json(f"/api/queue?mode={args.mode}&count=3")["questions"]
            for _ in range(args.labels):
                one = questions[0]
                kind = one["kind"] if one["kind"] in ("exam", "again") else "label"
                before, began = server.cpu(), time.perf_counter()
                answer = server.act(kind=kind, n=one["n"], label=int(many.truth[one["n"]]), mode=args.mode)
                wall.append(time.perf_counter() - began)
                cpu.append(server.cpu() - before)
                questions = answer["next"]
            state = server.json("/api/state")
    print(f"{args.many:,} photos, {len(many.classes)} classes, {state['counts']['labelled']} labels; ms an act")
    print("  acts         wall p50   p95   max   CPU mean   p95")
    for low, high in (*BANDS, (0, args.labels)):
        if low < args.labels:
            w, c = 1000 * np.array(wall[low:high]), 1000 * np.array(cpu[low:high])
            told = (
                f"{np.median(w):8.0f} {np.percentile(w, 95):5.0f} {w.max():5.0f} {c.mean():10.0f} {np.percentile(c, 95):5.0f}"
            )
            print(f"  {low:>4}-{min(high, args.labels):<5} {told:>38}")
