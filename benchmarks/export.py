"""How exactly an exported model answers: its resize, its probabilities in each runtime, its page in a browser.

    python benchmarks/export.py pixels [--pictures 2000]            the resize of the graph beside penult's own
    python benchmarks/export.py answers RUN --photos FOLDER         each runtime beside `penult predict --precision f32`
    python benchmarks/export.py heads --photos FOLDER [FOLDER ...]  each head behind one, two and three networks, both runtimes
    python benchmarks/export.py speed RUN --photos FOLDER           time of the resize, and of a photo in the page, one thread
    python benchmarks/export.py page RUN --photos FOLDER            the page in a Chromium without a window, opened from a file

`pixels` draws noise of any size (1 x 1, slivers, 12 megapixels, odd sides) and needs onnxruntime. `page` downloads
onnxruntime-web once.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

FIXED = [
    (1, 1),
    (1, 900),
    (900, 1),
    (3, 900),
    (40, 2000),
    (2000, 40),
    (224, 224),
    (256, 256),
    (16000, 20),
    (20, 16000),
    (3000, 4000),
]


def recipes() -> list[Any]:
    from penult.pixels.recipe import Recipe

    return [
        Recipe(224), Recipe(260), Recipe(288), Recipe(288, "squash", 1.0), Recipe(299, "crop", 0.8975),
        Recipe(299, "squash", 1.0, "bilinear"), Recipe(96, "crop", 1.0, "bilinear"), Recipe(224, "crop", 0.875, "nearest"),
        Recipe(224, "squash", 1.0, "nearest"),
    ]  # fmt: skip


def pictures(count: int) -> Iterator[np.ndarray]:
    random = np.random.default_rng(0)
    for height, width in FIXED + [tuple(random.integers(1, 900, 2)) for _ in range(count - len(FIXED))]:
        yield random.integers(0, 256, (height, width, 3), dtype=np.uint8)


def measure_pixels(args: argparse.Namespace) -> None:
    from penult import pixels
    from test_export import resizer

    for recipe in recipes():
        resize, values, off, seconds = resizer(recipe), 0, 0, 0.0
        for picture in pictures(args.pictures):
            began = time.process_time()
            given = resize(picture)
            seconds += time.process_time() - began
            off += int((given != pixels.prepare(picture, recipe)).sum())
            values += given.size
        kind = f"{recipe.size} {recipe.crop_mode} {recipe.crop:g} {recipe.interpolation}"
        each = 1000 * seconds / args.pictures
        print(f"{kind:28} {args.pictures} pictures, {values:,} values, {off} differ, {each:.1f} ms CPU each", flush=True)


def measure_answers(args: argparse.Namespace) -> None:
    from penult.export import export_model

    with tempfile.TemporaryDirectory() as folder:
        for to, weights in (("onnx", "f32"), ("network", "f32"), ("onnx", "f16"), ("onnx", "int16")):
            done = export_model(args.run, to, Path(folder) / "model.onnx", weights=weights, photos=args.photos)
            for one in done.parity:
                print(
                    f"{to} {weights}: {one.runtime} {one.version}, {one.photos} photos, largest difference of a probability "
                    f"{one.difference:.1e}, {done.nbytes / 1e6:.1f} MB"
                )


def measure_heads(args: argparse.Namespace) -> None:
    from penult import TransferClassifier, bundle, images, pixels
    from penult.export import model_graph, parity
    from penult.zoo import DEFAULT, PRESETS

    for folder in args.photos:
        found = images.scan_labelled(folder).in_order()
        paths, y = list(found.paths), [found.classes[i] for i in found.y]
        shown = [pixels.decode(Path(paths[i]).read_bytes()) for i in range(0, len(paths), len(paths) // 20)]
        for names in (["efficientnet_lite0"], list(DEFAULT), list(PRESETS["lite"])):
            for head in ("logistic", "lda", "blend", "svm", "knn", "centroid", "dense"):
                with tempfile.TemporaryDirectory() as place:
                    TransferClassifier(names, head=head).fit(paths, y).save(f"{place}/model.penult")
                    model = bundle.load_bundle(f"{place}/model.penult")
                graph = model_graph.to_bytes(model_graph.build(model, "image"))
                off = ", ".join(
                    f"{one.runtime} {one.difference:.1e} (novelty {one.novelty:.1e})"
                    for one in parity.ParityCheck(model, shown, "image").check(graph, "f32")
                )
                print(f"{len(found.classes)} classes, {len(names)} networks, {head:8}, {len(shown)} photos: {off}", flush=True)


def measure_speed(args: argparse.Namespace) -> None:
    import onnxruntime

    from browser import Chromium
    from penult.export import export_model
    from penult.pixels.recipe import Recipe
    from test_export import resize_graph

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    random = np.random.default_rng(0)
    for recipe in (Recipe(224), Recipe(288), Recipe(288, "squash", 1.0)):
        session = onnxruntime.InferenceSession(
            resize_graph(recipe).SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        for height, width in ((375, 500), (3000, 4000)):
            image = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
            each = []
            for _ in range(args.rounds):
                began = time.process_time()
                session.run(None, {"image": image})
                each.append(1000 * (time.process_time() - began))
            what = f"resize to {recipe.size} {recipe.crop_mode}, {height} x {width}"
            print(f"{what}: {min(each):.1f} ms CPU, median {np.median(each):.1f}")
    photo = next(str(p) for p in sorted(Path(args.photos).rglob("*")) if p.suffix.lower() in (".jpg", ".jpeg"))
    with tempfile.TemporaryDirectory() as folder, Chromium() as browser:
        export_model(args.run, "html", f"{folder}/page.html", photos=args.photos)
        tab = browser.open(Path(f"{folder}/page.html").as_uri())
        wait(tab, "document.body.dataset.ready")
        answer(tab, photo)
        times = tab.run(
            f"(async () => {{ const blob = new Blob([Uint8Array.from(atob('{encoded(photo)}'), (c) => c.charCodeAt(0))]);"
            f" const photo = await penult.decode(blob), all = []; for (let i = 0; i < {args.rounds}; i++) {{"
            " const began = performance.now(); await penult.classify(photo); all.push(performance.now() - began); }"
            " return all; })()"
        )
        print(
            f"the page in Chromium, one thread: {min(times):.0f} ms a photo, median {np.median(times):.0f} (without decoding)"
        )


def encoded(photo: str) -> str:
    import base64

    return base64.b64encode(Path(photo).read_bytes()).decode()


def measure_page(args: argparse.Namespace) -> None:
    import penult
    from browser import Chromium
    from penult.export import export_model

    photos = sorted(str(p) for p in Path(args.photos).rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"))
    photos = [photos[i] for i in np.unique(np.linspace(0, len(photos) - 1, args.pictures).astype(int))]
    wanted = penult.load_model(args.run, precision="f32", cache_dir=False).predict(photos)
    with tempfile.TemporaryDirectory() as folder, Chromium() as browser:
        for weights in ("f32", "f16", "int16"):
            path = Path(folder) / f"{weights}.html"
            export_model(args.run, "html", path, weights=weights, photos=args.photos)
            tab = browser.open(path.as_uri())
            wait(tab, "document.body.dataset.ready")
            began = time.perf_counter()
            given = np.array([answer(tab, photo) for photo in photos])
            seconds = (time.perf_counter() - began) / len(photos)
            off = np.abs(given[:, :-1] - wanted.proba).max(), np.abs(given[:, -1] - wanted.novelty).max()
            asked = [url for url in tab.requests() if not url.startswith("blob:")]
            print(
                f"{weights}: {len(photos)} photos, largest difference of a probability {off[0]:.1e}, of novelty {off[1]:.1e}; "
                f"{path.stat().st_size / 1e6:.1f} MB, {1000 * seconds:.0f} ms a photo, {len(asked)} requests, "
                f"complaints: {tab.complaints()}"
            )


def wait(tab: Any, condition: str) -> None:
    for _ in range(1200):
        if tab.run(f"Boolean({condition})"):
            return
        time.sleep(0.1)
    raise RuntimeError(f"the page did not come to {condition}: {tab.complaints()}")


def answer(tab: Any, photo: str) -> list[float]:
    """Return the probabilities and the novelty that the page gives to a file."""
    given = tab.run(
        f"penult.decode(new Blob([Uint8Array.from(atob('{encoded(photo)}'), (c) => c.charCodeAt(0))])).then(penult.classify)"
        ".then(({ proba, novelty }) => [...proba, novelty])"
    )
    return [float(value) for value in given]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    p = commands.add_parser("pixels")
    p.add_argument("--pictures", type=int, default=2000)
    p.set_defaults(run=None, do=measure_pixels)
    for name, do in (("answers", measure_answers), ("speed", measure_speed), ("page", measure_page)):
        p = commands.add_parser(name)
        p.add_argument("run")
        p.add_argument("--photos", required=True)
        p.add_argument("--pictures", type=int, default=100)
        p.add_argument("--rounds", type=int, default=20)
        p.set_defaults(do=do)
    p = commands.add_parser("heads")
    p.add_argument("--photos", nargs="+", required=True)
    p.set_defaults(do=measure_heads)
    args = parser.parse_args()
    args.do(args)


if __name__ == "__main__":
    main()
