"""Measure the ways from a JPEG's bytes to a network's 224 x 224 pixels: images per second of one thread, and what they change.

    python benchmarks/pixels.py [--photos FOLDER] [--images 150]

Without a folder it makes photos of 400 x 360. The ways we ship come first; others are shown where they are installed
(`pip install simplejpeg cykooz-resizer`). Differences are in levels of 255 from Pillow's resize and crop, which is what timm
evaluates with. All figures are of one run: the median of several rounds in which the ways take turns.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from penult.pixels import Recipe, prepare_all, resizing

Pixels = NDArray[np.uint8]
Way = Callable[[bytes], object]
SIZE, WHOLE = 224, 256  # ImageNet's usual crop
ROUNDS = 5
BICUBIC = Image.Resampling.BICUBIC


def make_photos(folder: Path, count: int) -> None:
    """Write JPEGs of 400 x 360 whose detail is spread over all scales as in photos."""
    for i in range(count):
        random = np.random.default_rng(i)
        spectrum = random.normal(size=(360, 400, 3)) + 1j * random.normal(size=(360, 400, 3))
        across, down = np.fft.fftfreq(400), np.fft.fftfreq(360)
        spectrum /= np.maximum(np.hypot(across, down[:, None]), 1 / 400)[..., None] ** 1.5
        colours = np.fft.ifft2(spectrum, axes=(0, 1)).real @ np.array([[1, 1, 1], [0.3, 0, -0.3], [0.1, -0.2, 0.1]])
        values = 128 + 55 * colours / colours.std()
        Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(folder / f"{i:04}.jpg", quality=90)


def geometry(size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the size of the resized picture, and the crop's corner in it."""
    width, height = size
    resized = (WHOLE, int(WHOLE * height / width)) if width <= height else (int(WHOLE * width / height), WHOLE)
    return resized, (round((resized[0] - SIZE) / 2), round((resized[1] - SIZE) / 2))


def opened(data: bytes) -> Image.Image:
    picture = Image.open(BytesIO(data), formats=("JPEG",))
    picture.load()
    return picture


def cropped(picture: Image.Image, corner: tuple[int, int]) -> Pixels:
    left, top = corner
    return np.asarray(picture.crop((left, top, left + SIZE, top + SIZE)).convert("RGB"))


def by_pillow(picture: Image.Image, how: Image.Resampling = BICUBIC, gap: float | None = None) -> Pixels:
    resized, corner = geometry(picture.size)
    return cropped(picture.resize(resized, how, reducing_gap=gap), corner)


def by_kernel(picture: Image.Image) -> Pixels:
    resized, corner = geometry(picture.size)
    rgb = bytearray(SIZE * SIZE * 3)
    if not resizing.resize_compiled(rgb, picture, SIZE, resized, corner, BICUBIC):
        raise SystemExit("penult was installed without its compiled part: there is nothing to compare")
    return np.frombuffer(rgb, np.uint8).reshape(SIZE, SIZE, 3)


def drafted(data: bytes) -> Pixels:
    """Decode at half the size where that is still larger than the resized picture."""
    picture = Image.open(BytesIO(data), formats=("JPEG",))
    resized, corner = geometry(picture.size)
    picture.draft("RGB", resized)
    picture.load()
    return cropped(picture.resize(resized, BICUBIC), corner)


def ways(plainly: Callable[[bool], object]) -> Iterator[tuple[str, Way]]:
    """Yield names and ways; `plainly(True)` switches the vector instructions off."""

    def without_vectors(data: bytes) -> Pixels:
        plainly(True)
        try:
            return by_kernel(opened(data))
        finally:
            plainly(False)

    yield "decode alone: Pillow", opened
    yield "SHIPPED Pillow + compiled resize", lambda data: by_kernel(opened(data))
    yield "SHIPPED the same without vector instructions", without_vectors
    yield "SHIPPED Pillow + Pillow (no compiler; the reference)", lambda data: by_pillow(opened(data))
    yield "Pillow + Pillow, reducing_gap=2", lambda data: by_pillow(opened(data), gap=2.0)
    yield "Pillow + Pillow, bilinear", lambda data: by_pillow(opened(data), Image.Resampling.BILINEAR)
    yield "Pillow, scaled decode (draft) + Pillow", drafted
    with suppress(ImportError):
        yield from with_simplejpeg()
    with suppress(ImportError):
        yield from with_cykooz()


def with_simplejpeg() -> Iterator[tuple[str, Way]]:
    import simplejpeg  # type: ignore[import-not-found]

    yield "decode alone: simplejpeg", lambda data: simplejpeg.decode_jpeg(data, "RGB")
    yield "simplejpeg + Pillow", lambda data: by_pillow(Image.fromarray(simplejpeg.decode_jpeg(data, "RGB")))


def with_cykooz() -> Iterator[tuple[str, Way]]:
    import cykooz_resizer as cr  # type: ignore[import-not-found]

    resizer = cr.Resizer()
    options = cr.ResizeOptions(resize_alg=cr.ResizeAlg.convolution(cr.FilterType.catmull_rom))

    def resize(data: bytes) -> Pixels:
        picture = opened(data)
        (wide, high), (left, top) = geometry(picture.size)
        whole = cr.ImageData(wide, high, cr.PixelType.U8x3)
        resizer.resize(cr.ImageData(*picture.size, cr.PixelType.U8x3, picture.convert("RGB").tobytes()), whole, options)
        values = np.frombuffer(whole.get_buffer(), np.uint8).reshape(high, wide, 3)
        return values[top : top + SIZE, left : left + SIZE]

    yield "Pillow + cykooz-resizer", resize


def seconds(way: Way, files: list[bytes]) -> float:
    began = time.thread_time()
    for data in files:
        way(data)
    return (time.thread_time() - began) / len(files)


def strays(way: Way, files: list[bytes]) -> str:
    """Return the greatest and the mean difference from the reference."""
    if not isinstance(way(files[0]), np.ndarray) or np.shape(way(files[0])) != (SIZE, SIZE, 3):
        return "|  | "
    off = [np.abs(np.asarray(way(d), int) - by_pillow(opened(d))) for d in files]
    return f"| {max(int(o.max()) for o in off)} | {np.mean([o.mean() for o in off]):.3f} "


def report(paths: list[Path]) -> None:
    from penult.pixels import _resample

    files = [path.read_bytes() for path in paths]
    tried = list(ways(lambda plain: _resample.vectors(not plain)))
    spent: dict[str, list[float]] = {name: [] for name, _ in tried}
    for _ in range(ROUNDS):
        for name, way in tried:
            spent[name].append(seconds(way, files))
    print(f"{len(files)} photos, {sum(map(len, files)) / len(files) / 1000:.1f} kB each, to {SIZE} x {SIZE}; one thread\n")
    print("| way | images/s | ms | most | mean |\n|---|---|---|---|---|")
    for name, way in tried:
        each = statistics.median(spent[name])
        print(f"| {name} | {1 / each:.0f} | {1000 * each:.2f} {strays(way, files)}|")


def worker_pool(paths: list[Path]) -> None:
    """Print what worker processes do with it all: read, digest, decode, resize, hand over."""
    many = paths * max(1, 3000 // len(paths))
    for recipes in ([Recipe(224)], [Recipe(224), Recipe(299), Recipe(299, crop_mode="squash", crop=1.0)]):
        for _ in prepare_all(many[:100], recipes):
            pass
        began = time.perf_counter()
        failed = sum(result.failure is not None for result in prepare_all(many, recipes))
        rate = len(many) / (time.perf_counter() - began)
        print(f"\nworkers, {len(recipes)} network(s): {rate:.0f} images/s of {len(many)}, {failed} failed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="a folder with JPEGs, anywhere below it")
    parser.add_argument("--images", type=int, default=150)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        if wanted.photos is None:
            make_photos(Path(place), wanted.images)
        paths = sorted((wanted.photos or Path(place)).rglob("*.jpg"))[: wanted.images]
        if not paths:
            raise SystemExit(f"there is no .jpg below {wanted.photos}")
        report(paths)
        worker_pool(paths)


if __name__ == "__main__":
    main()
