"""Memory of `penult train`, `evaluate` and `predict` on features far larger than the memory that they are given.

Made-up shards, written through penult's own writer: X is 8 times --memory. Bounds: anonymous memory of all processes of a
command <= --memory and 100 MB, whatever the number of rows; and the model is as good as it was measured to be.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cluster.bounds import Bounds
from cluster.processes import measured
from penult import zoo
from penult.backbones import Backbone
from penult.embed import EmbeddedRows, EmbedOptions
from penult.shards.extractor import feature_shard
from penult.shards.facts import PlanFacts, plan_facts
from penult.shards.manifest import write_manifest
from penult.shards.networks import save_networks
from penult.shards.output import open_output
from penult.shards.writer import ShardWriter
from penult.sources import Member

BESIDE = 100  # MB that may be taken beside
FACTOR = 8  # times the memory
MEMORY = 500  # MB


def add(p: argparse.ArgumentParser) -> None:
    """Add the options."""
    p.add_argument("--memory", type=int, default=MEMORY, help="MB that the commands are given")
    p.add_argument("--rows", type=int, default=10_000, help="images of a shard")
    p.add_argument("--head", default="blend")
    p.add_argument("--classes", type=int, default=2)


def run(args: argparse.Namespace) -> int:
    """Measure, and hold against the bounds."""
    bounds = Bounds()
    network = zoo.find_backbone("efficientnet_lite0", "mean")  # 1,280 columns
    n = FACTOR * args.memory * 10**6 // (4 * network.width)
    with tempfile.TemporaryDirectory(prefix="penult-train-") as folder:
        train, test, model = (str(Path(folder, name)) for name in ("train", "test", "run"))
        began = time.perf_counter()
        made = Shards(network, args.classes, args.rows)
        made.write(train, n)
        made.write(test, n // 10, seed=1)
        print(f"{n:,} x {network.width:,}, {args.classes} classes, written in {time.perf_counter() - began:.0f} s", flush=True)
        limit = ["--memory", f"{args.memory}MB", "-q"]
        peak = measured("train", train, "--head", args.head, "--out", model, *limit)
        bounds.least("X, times the memory", n * network.width * 4 / args.memory / 1e6, FACTOR)
        bounds.most("train: anonymous memory at its height", peak.memory, args.memory + BESIDE, "MB")
        record = json.loads(Path(model, "metrics.json").read_text())
        print(f"  CPU {peak.cpu:.0f} s, wall {peak.wall:.0f} s: {record['seconds']}")
        said = measured("evaluate", model, test, "--json", *limit)
        bounds.most("evaluate: anonymous memory at its height", said.memory, args.memory + BESIDE, "MB")
        answers = measured("predict", model, "--features", test, "--csv", f"{folder}/answers.csv")
        bounds.most("predict: anonymous memory at its height", answers.memory, args.memory + BESIDE, "MB")
        with Path(folder, "answers.csv").open() as file:
            bounds.least("predict: rows written", sum(1 for _ in csv.reader(file)) - 1, n // 10)
        told = record["scores"]["scores"]["accuracy"]
        fresh = json.loads(said.output)["scores"]["accuracy"]["value"]
        print(f"  accuracy out of fold {told['value']:.4f} ({told['low']:.4f} to {told['high']:.4f}), on new rows {fresh:.4f}")
        beyond = max(told["low"] - fresh, fresh - told["high"])
        bounds.most("accuracy on new rows, beyond the interval of training", beyond, 0.005)
    return bounds.code


class Shards:
    """Writes shards of made-up rows as if a network had made them."""

    def __init__(self, network: Backbone, classes: int, rows: int) -> None:
        self.network, self.rows, self.options = network, rows, EmbedOptions(cache=False)
        random = np.random.default_rng(7)
        self.centres = random.standard_normal((classes, network.width), np.float32) * 0.09

    def write(self, out: str, n: int, seed: int = 0) -> None:
        """Write n rows and the manifest."""
        facts = plan_facts("made up", [self.network], self.options, rows=self.rows)
        output = open_output(out)
        save_networks(output, [self.network], facts.compute, self.options)
        tasks, writer = [], ShardWriter(output)
        for number, data, count in self._made(n, facts, seed):
            task = Task(f"{seed:02}{number:08}", count)
            writer.write(task, data, {})
            tasks.append(task)
        write_manifest(Tasks(tasks), output, facts, "0" * 64)

    def _made(self, n: int, facts: PlanFacts, seed: int) -> Iterator[tuple[int, bytes, int]]:
        for number, start in enumerate(range(0, n, self.rows)):
            m, random = min(self.rows, n - start), np.random.default_rng([seed, number])
            y = random.integers(0, len(self.centres), m)
            vectors = np.maximum(random.standard_normal((m, self.network.width), np.float32) + self.centres[y], 0)
            digests: NDArray[np.uint8] = random.integers(0, 256, (m, 32), np.uint8)
            members = [Member(f"class{c}/{seed}-{start + i:09}.jpg", "made up", "") for i, c in enumerate(y.tolist())]
            labels = [f"class{c}" for c in y.tolist()]
            rows = EmbeddedRows(digests, np.ones(m, bool), {}, vectors, np.full((m, 2), 300, np.int32))
            yield number, feature_shard(members, labels, rows, facts), m


@dataclass(frozen=True)
class Task:
    """A shard that is written."""

    name: str
    rows: int


@dataclass(frozen=True)
class Tasks:
    """The shards of a made-up plan."""

    made: list[Task]

    def tasks(self) -> list[Task]:
        """Return the shards, in order."""
        return self.made
