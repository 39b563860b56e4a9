"""What shards cost beside one `embed` of the same photos, in processor time of all processes, in turn.

Bound: shards of 1,000 <= 1.03 of one `embed`; shards of 250 are shown beside it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from cluster.bounds import Bounds
from cluster.photos import lay_out
from cluster.processes import cpu_of

_ALONE = (
    "import sys; from penult import zoo; from penult.embed import EmbedOptions, embed; from penult.sources import members; "
    "source, name = sys.argv[1:3]; done = embed(list(members(source)), [zoo.find_backbone(name)], EmbedOptions(cache=False)); "
    "print(done.features().shape)"
)
_SHARDS = "import sys; from penult import shards; print(shards.run_shards(sys.argv[1]).images)"


def add(p: argparse.ArgumentParser) -> None:
    """Add the options."""
    p.add_argument("--count", type=int, default=4000)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("-b", "--backbone", default="efficientnet_lite0")


def run(args: argparse.Namespace) -> int:
    """Measure each way in turn, in processes of their own."""
    from penult import shards, zoo
    from penult.embed import EmbedOptions

    bounds, spent = Bounds(), {"alone": [], 1000: [], 250: []}
    with tempfile.TemporaryDirectory(prefix="penult-cost-") as name:
        photos = lay_out(Path(name, "photos"), args.count)
        for round_ in range(args.rounds):
            spent["alone"].append(cpu_of(_ALONE, str(photos), args.backbone))
            for rows in (1000, 250):
                out = str(Path(name, f"out-{rows}-{round_}"))
                shards.make_ready(str(photos), out, [zoo.find_backbone(args.backbone)], EmbedOptions(cache=False), rows=rows)
                spent[rows].append(cpu_of(_SHARDS, out))
    alone = statistics.median(spent["alone"])
    print(f"one embed of {args.count:,} photos: {alone:.1f} CPU s, {1000 * alone / args.count:.2f} ms a photo")
    bounds.most("CPU of shards of 1,000 beside one embed", statistics.median(spent[1000]) / alone, 1.03)
    bounds.most("CPU of shards of 250 beside one embed", statistics.median(spent[250]) / alone, 1.08)
    return bounds.code
