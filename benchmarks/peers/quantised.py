"""penult's networks in 8 bits, quantised once with the photos of a contest and kept in the cache folder of all contestants.

python -m peers.quantised PHOTOS resnet50@FILE ...       needs penult[int8]; what is there is kept
"""

from __future__ import annotations

import sys
from pathlib import Path

from penult import quantize, store, zoo
from penult.backbones import Backbone


def main(photos: str, *names: str) -> None:
    """Quantise each network; tells nothing."""
    networks(photos, *names)


def networks(photos: str, *names: str) -> tuple[Backbone, ...]:
    """Return the networks in 8 bits."""
    paths = sorted(p for p in Path(photos).rglob("*") if p.is_file())
    return quantize.in_int8([zoo.find_backbone(name) for name in names], paths, store.default_cache())


if __name__ == "__main__":
    main(*sys.argv[1:])
