"""How many photos should a network be quantised with? Print a table: cosine to f32, log loss, images/s of the engine.

    python benchmarks/int8.py --photos FOLDER                   class folders; needs penult[int8]
    python benchmarks/int8.py --photos FOLDER --network efficientnet_lite2 --images 32 128

Log loss is out of fold, of the default head on this one network's features of all photos. Those that the network was
quantised with are among them: nothing but ranges of activations is learned from them, and no label.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np

from penult import engines, evaluate, heads, images, pixels, quantize, zoo
from penult.backbones import StoredGraph
from penult.quantize import nncf
from penult.quantize.nncf import QuantizeRequest

BATCH, REPEATS = 64, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", required=True)
    parser.add_argument("--network", default="efficientnet_lite0")
    parser.add_argument("--images", type=int, nargs="+", default=[8, 32, 128, 512])
    asked = parser.parse_args()
    found = images.scan_labelled(asked.photos)
    network = zoo.find_backbone(asked.network)
    ready = list(pixels.prepare_all(found.paths, [network.recipe]))
    seen = np.stack([one.pixels[0] for one in ready if one.failure is None])  # (n, s, s, 3)
    y = found.y[[one.failure is None for one in ready]]
    print("| precision | photos it saw | quantised in | cosine, median | least | log loss | images/s |\n" + 7 * "|---" + "|")
    exact = features(network, "f32", seen)
    show("f32", "", "", exact, exact, y, found.classes, speed(network, "f32", seen))
    if "bf16" in engines.precisions("cpu"):
        show("bf16", "", "", features(network, "bf16", seen), exact, y, found.classes, speed(network, "bf16", seen))
    for count in asked.images:
        taken = quantize.calibration_set(found.paths, [network.recipe], count)
        began = time.perf_counter()
        graph = next(nncf.work(iter([QuantizeRequest(network.name, network.graph(), taken.pixels[0])])))
        seconds = time.perf_counter() - began
        made = replace(network, network=StoredGraph(graph, network.recipe), weights=f"{count:064x}", quantized=True)
        ours = features(made, "int8", seen)
        show("int8", str(len(taken.digests)), f"{seconds:.0f} s", ours, exact, y, found.classes, speed(made, "int8", seen))


def features(network, precision: str, seen: np.ndarray) -> np.ndarray:
    engine = engines.open_engine(network, "cpu", precision)
    made = np.concatenate([engine(seen[i : i + BATCH]) for i in range(0, len(seen), BATCH)])  # (n, d)
    engine.close()
    return made


def speed(network, precision: str, seen: np.ndarray) -> float:
    """Return images/s of the engine alone, the best of some."""
    engine = engines.open_engine(network, "cpu", precision)
    best = 0.0
    for _ in range(REPEATS):
        began = time.perf_counter()
        for i in range(0, len(seen), BATCH):
            engine(seen[i : i + BATCH])
        best = max(best, len(seen) / (time.perf_counter() - began))
    engine.close()
    return best


def show(precision: str, saw: str, took: str, ours, exact, y, classes, rate: float) -> None:
    cosine = (ours * exact).sum(axis=1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(exact, axis=1)
    loss = evaluate.cross_validate(heads.make_head("logistic"), ours, y, classes, seed=0).scores["log_loss"].value
    print(
        f"| {precision} | {saw} | {took} | {np.median(cosine):.4f} | {cosine.min():.4f} | {loss:.4f} | {rate:.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
