"""Are copies kept in one fold? Photos copied by augmentation, films and leaks, with labels by a coin.

`python benchmarks/families.py PHOTOS [PHOTOS ...] [--pictures 40] [--copies 1 2 5 11 20] [--draws 200]`

PHOTOS are folders of photos, each of which is another picture. Some pictures of the first are taken, each of them
COPIES times: cropped, mirrored, turned, brightened. A coin gives each picture its label, so nothing can be learnt and
the honest accuracy is 50%. The features are computed once and the coins drawn again: how often does the 95% interval
of the out-of-fold accuracy hold 50%? Then two films of 60 frames, with a coin for each frame, and 11 copies in
training with a 12th as test photo. Last, for every folder of PHOTOS, and all of them together: how many pairs of
different photos are joined, in a thousand?
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from penult import audit, evaluate, heads, images, zoo
from penult.audit import Photos
from penult.embed import Embedding, EmbedOptions, embed

FRAMES = 60


def augmented(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return a picture cropped by up to a twelfth a side, perhaps mirrored, turned by up to 8 degrees, brighter or darker."""
    w, h = picture.size
    left, top, right, bottom = (int(rng.integers(0, side // 12 + 1)) for side in (w, h, w, h))
    picture = picture.crop((left, top, w - right, h - bottom))
    if rng.random() < 0.5:
        picture = ImageOps.mirror(picture)
    picture = picture.rotate(rng.uniform(-8, 8), resample=Image.Resampling.BICUBIC)
    return ImageEnhance.Brightness(picture).enhance(rng.uniform(0.8, 1.2))


def frames(picture: Image.Image, kind: str, rng: np.random.Generator) -> Iterator[Image.Image]:
    """Yield the frames of a film: the scene is still, panned over, zoomed into, or an object moves through it."""
    w, h = picture.size
    for t in range(FRAMES):
        seen = picture
        if kind == "pan":
            seen = picture.crop((w * t // (4 * FRAMES), 0, w * t // (4 * FRAMES) + 3 * w // 4, h))
        elif kind == "zoom":
            z = 0.175 * t / FRAMES
            seen = picture.crop((int(z * w), int(z * h), int((1 - z) * w), int((1 - z) * h)))
        elif kind == "object":
            seen = picture.copy()
            seen.paste((200, 30, 30), (int(0.8 * w * t / FRAMES), h // 2, int(0.8 * w * t / FRAMES) + w // 5, h // 2 + w // 5))
        noisy = np.asarray(seen, np.float32) * rng.uniform(0.97, 1.03) + rng.normal(0, 5, (seen.size[1], seen.size[0], 3))
        yield Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def saved(several: Iterator[Image.Image], folder: Path, name: str) -> list[str]:
    """Write pictures as JPEG and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for i, picture in enumerate(several):
        paths.append(str(folder / f"{name}-{i:03d}.jpg"))
        picture.save(paths[-1], quality=90)
    return paths


def grouped(done: Embedding) -> audit.Grouping:
    """Return the groups that training would make."""
    return audit.group(done.digests[done.ok], done.features(), done.widths, None, done.thumbnails())


def coins(done: Embedding, units: Any, draws: int, head: str) -> dict[str, Any]:
    """Draw labels by a coin for each unit (n,) again and again; return how often the interval holds 50%."""
    X, groups = done.features(), grouped(done).groups
    held, highest = 0, 0.0
    for draw in range(draws):
        rng = np.random.default_rng(draw)
        names = np.unique(units)
        y = (rng.permutation(len(names)) < len(names) // 2).astype(np.intp)[np.searchsorted(names, units)]
        found = evaluate.cross_validate(
            heads.make_head(head, blocks=done.blocks), X, y, ("a", "b"), groups=groups, seed=draw
        ).scores["accuracy"]
        held += bool(found.low <= 0.5 <= found.high)
        highest = max(highest, found.value or 0)
    return {"holds 50%": held, "draws": draws, "highest accuracy": round(highest, 3)}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("photos", nargs="+", metavar="PHOTOS")
    asked.add_argument("--pictures", type=int, default=40)
    asked.add_argument("--copies", type=int, nargs="*", default=[1, 2, 5, 11, 20])
    asked.add_argument("--draws", type=int, default=200)
    asked.add_argument("--head", default="logistic")
    asked.add_argument("-b", "--backbone", action="append")
    asked.add_argument("--cache", help="feature cache that is kept (default: none)")
    args = asked.parse_args()
    networks = [zoo.find_backbone(name) for name in zoo.expand(args.backbone or ["lite"])]
    settings = EmbedOptions(cache=args.cache or False)
    scans = [images.scan_unlabelled(folder) for folder in args.photos]
    rng = np.random.default_rng(0)
    chosen = [str(scans[0].images[i].path) for i in rng.permutation(len(scans[0]))[: args.pictures]]
    out: dict[str, Any] = {"pictures": len(chosen), "backbones": [b.name for b in networks]}

    def seen(paths: list[str]) -> Embedding:
        return embed(paths, networks, settings, thumbnails=True)

    with tempfile.TemporaryDirectory() as made:
        most = max([*args.copies, 12])
        opened = [Image.open(path).convert("RGB") for path in chosen]
        every = [saved((augmented(o, rng) for _ in range(most)), Path(made), f"{k}") for k, o in enumerate(opened)]
        for m in args.copies:
            began = time.perf_counter()
            units = np.repeat(np.arange(len(chosen)), m)
            out[f"{m} copies"] = coins(seen([p for paths in every for p in paths[:m]]), units, args.draws, args.head)
            print(f"{m} copies", out[f"{m} copies"], f"{time.perf_counter() - began:.0f} s", file=sys.stderr)
        for kinds in (("still", "still"), ("pan", "zoom"), ("object", "still")):
            paths = [p for k, kind in enumerate(kinds) for p in saved(frames(opened[k], kind, rng), Path(made), f"{kind}{k}")]
            done = seen(paths)
            groups = grouped(done).groups
            names = [len(np.unique(part)) for part in (groups[:FRAMES], groups[FRAMES:], groups)]
            film: dict[str, Any] = {"groups": names[2], "as films": names == [1, 1, 2]}
            out[" and ".join(kinds)] = {**film, **coins(done, np.arange(len(paths)), args.draws, args.head)}
        train, test = seen([p for paths in every for p in paths[:11]]), seen([paths[11] for paths in every])
        found = audit.leaks(_photos(train), _photos(test), train.widths)
        right = int((found.first // 11 == found.second).sum())
        out["12th copies"] = {"of": len(every), "leaks found": len(np.unique(found.second)), "with their own": right}
    done, X, looks = [seen([str(i.path) for i in scan.images]) for scan in scans], [], []
    for name, one in zip(args.photos, done, strict=True):
        out[Path(name).name] = joined(one.digests[one.ok], one.features(), one.widths, one.thumbnails())
        X.append(one.features())
        looks.append(one.thumbnails())
    digests = np.vstack([one.digests[one.ok] for one in done])
    out["all of them"] = joined(digests, np.vstack(X), done[0].widths, np.vstack([look for look in looks if look is not None]))
    print(json.dumps(out, indent=1))


def joined(digests: Any, X: Any, widths: Any, looks: Any) -> dict[str, Any]:
    """Return how many pairs of different photos are in one group."""
    sizes = np.bincount(audit.group(digests, X, widths, None, looks).groups)
    n, pairs = len(X), int((sizes * (sizes - 1) // 2).sum())
    return {
        "photos": n,
        "pairs joined": pairs,
        "in a thousand": round(2000 * pairs / (n * (n - 1)), 4),
        "largest": int(sizes.max()),
    }


def _photos(done: Embedding) -> Photos:
    return Photos(done.digests[done.ok], done.features(), done.thumbnails())


if __name__ == "__main__":
    main()
