"""Write `v0/`: models, a run folder, a feature cache, a feature file and a comparison as commit dad1e24 wrote them.

`tests/test_golden_v0.py` reads them with the penult of today. They are never renewed: what they show is that files from then
are still read. This script says how they were made. It was run once, by the penult of that commit and in an empty folder:

    git worktree add ../then dad1e24    # and a virtual environment in it, with the versions that v0/answers.json names
    mkdir /tmp/v0 && cd /tmp/v0 && THEN/.venv/bin/python HERE/tests/golden/make_v0.py

and `answers.json` and `files.tar.xz`, which it wrote, were moved to `tests/golden/v0/`. (It is one archive because all models
carry the same samples, which take 120 kB once and 1.2 MB in files of their own.) All pictures are drawn, the network is one
of `tests/onnxnets.py`, and what lies in the place of a network in 8 bits is that network again (NNCF is not asked). Left out
are what depends on the machine (compiled graphs, measured speeds) and what no command reads again and is large (`figures/`
and `report.html`): their lines in the run's `metrics.json` are gone, too.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

TRAIN, TEST = 8, 2  # pictures of each class
COLORS = {"cold": (90, 110, 150), "green": (95, 145, 110), "warm": (150, 110, 90)}
HEADS = ("logistic", "svm", "knn", "centroid", "lda", "dense", "auto")
HISTOGRAM, NETWORK = "colour_histogram", "tiny.onnx"
HOW = ("--cache", "cache", "--device", "cpu", "--precision", "f32")
BUILT_IN = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", HISTOGRAM)


def draw_pictures() -> None:
    """Lay out `photos/train/CLASS/CLASS.N.png` and `photos/test/...`: noise around colors that overlap."""
    from PIL import Image

    random = np.random.default_rng(0)
    for label, color in COLORS.items():
        for i in range(TRAIN + TEST):
            folder = Path("photos", "train" if i < TRAIN else "test", label)
            folder.mkdir(parents=True, exist_ok=True)
            shape = (20 + i % 3, 22, 3)
            picture = np.array(color) + random.normal(0, 32, 3) + random.normal(0, 40, shape)
            Image.fromarray((np.clip(picture, 0, 255) // 16 * 16).astype(np.uint8)).save(
                folder / f"{label}.{i}.png", optimize=True
            )


def write_network() -> None:
    """Write `tiny.onnx`, as torch would, and its recipe beside it."""
    import onnx

    from onnxnets import RECIPE, classifier

    onnx.save(classifier(), NETWORK)
    Path("tiny.recipe.json").write_text(json.dumps(RECIPE.to_dict(), indent=1) + "\n")


def penult(*words: str) -> Any:
    """Run a command; return what it prints as JSON, where that is asked for."""
    from penult.cli import main

    sys.argv = ["penult", *words]  # which `metrics.json` tells
    with contextlib.redirect_stdout(io.StringIO()) as out:
        code = main(list(words))
    if code:
        raise SystemExit(f"penult {' '.join(words)}: exit code {code}")
    return json.loads(out.getvalue()) if "--json" in words else None


def make_models() -> None:
    """Write `models/`: one of each head, one of two networks, one by Python, of two classes."""
    from penult import TransferClassifier

    Path("models").mkdir()
    for head in HEADS:
        penult("train", "photos/train", "-b", HISTOGRAM, "--head", head, "--out", "scratch", "-q", *HOW)
        shutil.copy("scratch/model.penult", f"models/{head}.penult")
    penult("train", "photos/train", "--test", "photos/test", "-b", HISTOGRAM, "-b", NETWORK, "--out", "scratch", "-q", *HOW)
    shutil.copy("scratch/model.penult", "models/two_networks.penult")
    paths = [p for p in sorted(Path("photos/train").rglob("*.png")) if p.parent.name != "green"]
    made = TransferClassifier(HISTOGRAM, device="cpu", precision="f32", cache="cache")
    made.fit(paths, [p.parent.name for p in paths]).save("models/python.penult")
    shutil.rmtree("scratch")


def make_folders() -> None:
    """Write `run/`, `features.h5` and `compare/`; `cache/` was filled on the way."""
    penult("train", "photos/train", "--test", "photos/test", "-b", NETWORK, "--review", "0.9", "--out", "run", "-q", *HOW)
    shutil.rmtree("run/figures")
    Path("run/report.html").unlink()
    metrics = json.loads(Path("run/metrics.json").read_text())
    metrics["files"] = {name: digits for name, digits in metrics["files"].items() if Path("run", name).is_file()}
    metrics["machine"]["system"] = "Linux"  # no more than that
    Path("run/metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    penult("embed", "photos/train", "-b", HISTOGRAM, "--out", "features.h5", "-q", *HOW)
    penult("compare", "photos/train", "-b", HISTOGRAM, "-b", NETWORK, "--out", "compare", "-q", *HOW)
    shutil.rmtree("compare/figures")


def fill_cache() -> None:
    """Add to `cache/` what small sets of photos do not put there: a network in 8 bits, an index of `penult similar`."""
    from penult.quantise.kept import Kept
    from penult.similar.index import open_index

    from penult import store, zoo

    sample = frozenset(hashlib.sha256(p.read_bytes()).digest() for p in Path("photos/train").rglob("*.png"))
    graph = next(Path("cache/backbones").rglob("graph.onnx")).read_bytes()
    Kept(Path("cache"), zoo.find(NETWORK, cache="cache").digest).put(sample, graph)
    with store.RowFiles([Path("run/data_tiny.onnx.h5")]) as rows:
        open_index(rows, rows.heads[0].facts["parts"], Path("cache"), lambda *_: None)


def answers() -> dict[str, Any]:
    """Return what the penult of then answers about all this."""
    from penult import backbones, pixels, predict, zoo

    test = [str(p) for p in sorted(Path("photos/test").rglob("*.png"))]
    models = {}
    for path in [*sorted(Path("models").iterdir()), Path("run/model.penult")]:
        model = predict.load(path, device="cpu", precision="f32", cache=False, workers=0)
        found = model.predict(test)
        assert not found.failures and found.novelty is not None and np.abs(found.proba.sum(axis=1) - 1).max() < 1e-12
        models[path.as_posix()] = {
            "classes": list(found.classes),
            "head": model.bundle.head.kind,
            "proba": found.proba.tolist(),
            "novelty": found.novelty.tolist(),
        }
    records = [*(zoo.find(name) for name in BUILT_IN), backbones.thumbnail(), backbones.quality()]
    held = penult("cache", "--cache", "cache", "--json", "-q")["features"]
    explained = penult("explain", "run", *test[:2], "--json", "--out", "pictures", "-q", *HOW)
    occluded = penult(
        "explain", "models/knn.penult", test[0], "--method", "occlusion", "--json", "--out", "pictures", "-q", *HOW
    )
    shutil.rmtree("pictures")
    return {
        "versions": {name: version(name) for name in ("penult", "numpy", "pillow", "openvino", "scikit-learn", "h5py")},
        "road": pixels.road_version(),
        "digests": {record.name: record.digest for record in records},
        "rows": {row["backbone"]: row["rows"] for row in held},
        "network": zoo.find(NETWORK, cache="cache").digest,
        "models": models,
        "evaluate": penult("evaluate", "run", "photos/test", "--json", "-q", *HOW),
        "explain": [{k: v for k, v in one.items() if k != "picture"} for one in (*explained, *occluded)],
        "similar": penult("similar", "run", test[0], "-n", "3", "--json", "-q", *HOW),
    }


def write_everything() -> None:
    """Fill the folder where this is run."""
    from penult.bundle import Bundle

    if "seen" in Bundle.__dataclass_fields__:
        raise SystemExit("this is a later penult than that of commit dad1e24; run this script by that one")
    if any(Path().iterdir()):
        raise SystemExit("run this in an empty folder")
    draw_pictures()
    write_network()
    make_models()
    make_folders()
    fill_cache()
    found = answers()
    for part in ("compiled", "speeds"):
        shutil.rmtree(f"cache/{part}", ignore_errors=True)
    with tarfile.open("files.tar.xz", "w:xz", preset=9) as archive:
        for path in sorted(Path().iterdir()):
            if path.name != "files.tar.xz":
                archive.add(path, filter=_nobodys)
    Path("answers.json").write_text(json.dumps(found, indent=1) + "\n")


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    write_everything()
