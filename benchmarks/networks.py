"""Measure other libraries' networks on this machine: conversion, the start afterwards, the comparison.

    python benchmarks/networks.py --photos FOLDER      FOLDER has train/<class>/ and test/; needs penult[timm,keras]

The weights are random: they cost the same time. Each line is one run from the start of the process to its end.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PENULT = [sys.executable, "-m", "penult"]
TIMM = """
import sys
from penult.zoo.timm_source import import_timm
timm = import_timm()
from safetensors.torch import save_file
save_file({k: v.contiguous() for k, v in timm.create_model("resnet50").state_dict().items()}, sys.argv[1])
"""
KERAS = """
import os, sys
os.environ["KERAS_BACKEND"] = "torch"
import keras
keras.applications.ResNet50(weights=None, include_top=False).save(sys.argv[1])
"""
WORK = """
from penult.zoo.timm_source import import_timm
timm = import_timm()
import torch
from torch.utils.flop_counter import FlopCounterMode
for size in (518, 224):
    with torch.device("meta"), torch.no_grad():
        model = timm.create_model("vit_small_patch14_dinov2", img_size=size, num_classes=0).eval().requires_grad_(False)
        with FlopCounterMode(display=False) as counter:
            model(torch.empty(1, 3, size, size))
    print(counter.get_total_flops() / 2e9)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", required=True, type=Path, help="a folder with train/<class>/ and test/")
    photos = parser.parse_args().photos
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        os.environ |= {"PENULT_CACHE": str(work / "cache"), "KERAS_HOME": str(work / "keras")}
        ours, theirs, one = work / "weights.safetensors", work / "weights.keras", work / "one"
        for script, path in ((TIMM, ours), (KERAS, theirs)):
            subprocess.run([sys.executable, "-c", script, path], check=True, capture_output=True)
        one.mkdir()
        tests = sorted(p for p in (photos / "test").rglob("*.jpg"))
        shutil.copy(next((photos / "train").rglob("*.jpg")), one)
        network, out = f"resnet50@{ours}", work / "f.h5"
        print("| command | seconds |\n|---|---|")
        row("`--fetch resnet50@weights.safetensors`: load by timm, convert, prove, keep", "backbones", "--fetch", network)
        row("`--fetch keras:ResNet50@weights.keras`", "backbones", "--fetch", f"keras:ResNet50@{theirs}")
        row("`embed`, converted ResNet50, 1 new photo; no torch", "embed", one, "-b", network, "--out", out)
        row(f"the same, {len(tests)} new photos", "embed", photos / "test", "-b", network, "--out", out)
        row("`compare`, three lite networks, nothing cached", "compare", photos / "train", "--out", work / "compare")
        large, small = map(float, subprocess.run([sys.executable, "-c", WORK], check=True, capture_output=True).stdout.split())
        print(f"\nDINOv2 ViT-S/14: {large:.1f} GMACs at 518 pixels, {small:.1f} at 224: 1/{large / small:.1f}")


def row(what: str, *words: object) -> None:
    began = time.perf_counter()
    subprocess.run([*PENULT, *map(str, words), "-q"], check=True, capture_output=True)
    print(f"| {what} | {time.perf_counter() - began:.1f} |", flush=True)


if __name__ == "__main__":
    main()
