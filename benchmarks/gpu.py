"""Measure the whole job on a GPU: photos to features of three networks in one pass, and what each stage could do alone.

    python benchmarks/gpu.py                       4,000 photos, ResNet50 + InceptionV3 + Xception as timm has them
    python benchmarks/gpu.py --networks lite       the built-in networks: no timm, no conversion
    python benchmarks/gpu.py --device onnxruntime-cpu --images 60 --quick     a rehearsal without a GPU

No network is needed: the weights are random (they cost the same time), the photos are made here. What cannot be done on this
machine is reported and left out. Each line is printed as soon as it is known.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

SEED = ("resnet50", "inception_v3", "legacy_xception")
LITE = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
JOB = 37_500  # images of the seed's job
WIDE, HIGH = 400, 360
MAKE_WEIGHTS = """
import sys
from penult.zoo.timm_source import import_timm
timm = import_timm()
import torch
from safetensors.torch import save_file
torch.manual_seed(0)
model = timm.create_model(sys.argv[1])
for layer in model.modules():  # as trained ones do, they keep the size of what flows: float16 ends at 65,504
    if isinstance(layer, torch.nn.BatchNorm2d):
        layer.momentum = None
with torch.no_grad():
    model.train()(torch.randn(8, 3, 299, 299))
save_file({k: v.contiguous() for k, v in model.state_dict().items()}, sys.argv[2])
"""


def row(what: str, value: str) -> None:
    print(f"| {what} | {value} |", flush=True)


def attempt(what: str, step: Callable[..., Any], *args: Any) -> Any:
    """Do one part; what goes wrong is printed and ends that part alone."""
    try:
        return step(*args)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        row(what, f"failed: {type(error).__name__}: {str(error)[:300]}")
        traceback.print_exc()
        sys.stderr.flush()
        return None


@contextmanager
def seconds() -> Iterator[list[float]]:
    taken: list[float] = []
    began = time.perf_counter()
    yield taken
    taken.append(time.perf_counter() - began)


# --- the machine ---


def machine(device: str) -> None:
    from penult.engines import devices

    ort = devices.load()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    row("python, onnxruntime", f"{platform.python_version()}, {ort.__version__} ({', '.join(ort.get_available_providers())})")
    row("cores", str(cores))
    if device == "cuda":
        row("GPU", devices.gpu_name())
    side = 8192 if device == "cuda" else 512
    for precision in ("f16", "f32"):
        best = _product(device, precision, side)
        row(f"matrix product {side}^3, {precision}", f"{2 * side**3 / best / 1e12:.2f} TFLOP/s")
    here = np.zeros((256, 299, 299, 3), np.uint8)
    there = ort.OrtValue.ortvalue_from_numpy(here, devices.ACCELERATORS[device].memory, 0)
    best = min(_timed(lambda: there.update_inplace(here)) for _ in range(10))
    row("copy to the device", f"{here.nbytes / best / 1e9:.1f} GB/s = {256 / best:,.0f} images of 299 x 299 a second")


def _product(device: str, precision: str, side: int) -> float:
    """Return the seconds of one product of two square matrices that lie on the device."""
    from onnx.parser import parse_model

    from penult.engines import devices

    ort, one = devices.load(), devices.ACCELERATORS[device]
    name, kind = ("float16", np.float16) if precision == "f16" else ("float", np.float32)
    shape = f"{name}[{side},{side}]"
    text = f'<ir_version: 8, opset_import: ["": 17]> product ({shape} a, {shape} b) => ({shape} c) {{ c = MatMul(a, b) }}'
    providers = list(dict.fromkeys((one.provider, "CPUExecutionProvider")))
    options = [dict(one.options) if provider == one.provider else {} for provider in providers]
    session = ort.InferenceSession(parse_model(text).SerializeToString(), None, providers, options)
    binding, random = session.io_binding(), np.random.default_rng(0)
    for place in "ab":
        values = random.random((side, side), np.float32).astype(kind)
        binding.bind_ortvalue_input(place, ort.OrtValue.ortvalue_from_numpy(values, one.memory, 0))
    binding.bind_ortvalue_output("c", ort.OrtValue.ortvalue_from_shape_and_type([side, side], kind, one.memory, 0))
    return min(_timed(lambda: session.run_with_iobinding(binding)) for _ in range(20))


def _timed(work: Callable[[], Any]) -> float:
    with seconds() as taken:
        work()
    return taken[0]


# --- photos ---


def photo(number: int) -> bytes:
    """Return a JPEG of a drawn photo: a 1/f spectrum, as natural pictures have it, weak colours, about 30 KB."""
    from PIL import Image

    random = np.random.default_rng(number)
    down, along = np.fft.fftfreq(HIGH)[:, None], np.fft.rfftfreq(WIDE)[None, :]
    weight = 1 / np.maximum(np.hypot(down, along), 1 / WIDE) ** 1.5
    planes = np.fft.irfft2(np.fft.rfft2(random.normal(size=(3, HIGH, WIDE))) * weight, s=(HIGH, WIDE))
    planes /= planes.std(axis=(1, 2), keepdims=True)
    grey, first, second = planes
    colours = np.stack([grey + 0.15 * first, grey, grey + 0.15 * second], -1)  # (h, w, 3)
    out = io.BytesIO()
    Image.fromarray(np.clip(118 + 52 * colours, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=85)
    return out.getvalue()


def _write(folder: str, number: int) -> int:
    data = photo(number)
    Path(folder, f"{number:06d}.jpg").write_bytes(data)
    return len(data)


def photos(folder: Path, count: int) -> list[Path]:
    folder.mkdir()
    with seconds() as taken, ProcessPoolExecutor() as pool:
        sizes = list(pool.map(_write, [str(folder)] * count, range(count), chunksize=16))
    row("photos made", f"{count} of {WIDE} x {HIGH}, {statistics.mean(sizes) / 1024:.1f} KB on average, in {taken[0]:.1f} s")
    return sorted(folder.iterdir())


# --- networks ---


def networks(names: tuple[str, ...], work: Path) -> list[Any]:
    """Return the backbones: timm's through penult's own conversion."""
    if names == LITE:
        from penult import backbones

        return [backbones.find_builtin(name) for name in names]
    with ProcessPoolExecutor(len(names)) as pool:  # conversions side by side
        jobs = [(name, pool.submit(_convert, name, str(work))) for name in names]
        done = [(name, attempt(f"conversion of {name}", job.result)) for name, job in jobs]
    found = []
    for name, taken in done:
        if taken is not None:
            from penult import zoo

            found.append(zoo.find_backbone(f"{name}@{work / name}.safetensors", cache=work / "cache"))
            row(f"conversion of {name}, weights made, proved on OpenVINO", f"{taken:.1f} s")
    return found


def _convert(name: str, work: str) -> float:
    import subprocess

    weights = Path(work, f"{name}.safetensors")
    os.environ["OMP_NUM_THREADS"] = "4"
    with seconds() as taken:
        subprocess.run([sys.executable, "-c", MAKE_WEIGHTS, name, weights], check=True)
        from penult import zoo

        zoo.find_backbone(f"{name}@{weights}", cache=Path(work, "cache"))
    return taken[0]


# --- stages ---


def decoding(paths: list[Path], recipes: list[Any], workers: int | None) -> None:
    from penult import pixels

    for some, label in ((recipes, "all networks' sizes"), (recipes[:1], "the first network's size")):
        with seconds() as taken:
            bad = sum(p.failure is not None for p in pixels.prepare_all(paths, some, None, workers))
        row(f"decode and resize alone, {label}", f"{len(paths) / taken[0]:,.0f} images/s ({bad} failed)")


def engine_alone(backbone: Any, device: str, precision: str, batch: int | None, least: float) -> tuple[float, float, float]:
    """Return images/s through `submit`, images/s by the device's own clock, and the seconds until the engine was ready."""
    from penult import engines

    began = time.perf_counter()
    engine: Any = engines.open_engine(backbone, device, precision, batch)
    side = backbone.recipe.size
    pixels = np.random.default_rng(0).integers(0, 256, (engine.batch, side, side, 3), dtype=np.uint8)
    engine(pixels)
    ready = time.perf_counter() - began
    images, spent = engine.throughput.images, engine.throughput.seconds
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < least:
        engine.submit(pixels)
        done += len(pixels)
        for _ in engine.results():
            pass
    for _ in engine.drain():
        pass
    rate = done / (time.perf_counter() - began)
    alone = (engine.throughput.images - images) / (engine.throughput.seconds - spent)
    engine.close()
    return rate, alone, ready


def batches(backbone: Any, device: str, least: float) -> None:
    for size in (64, 128, 256, 512):
        got = attempt(f"batch {size}", engine_alone, backbone, device, "f16", size, least)
        if got is not None:
            name = backbone.name.partition("@")[0]
            row(f"{name}: batch {size}", f"{got[0]:,.0f} images/s, {got[1]:,.0f} by its own clock")


class Instant:
    """An engine that computes nothing: what is left is the loop itself."""

    name, device, precision, batch = "onnxruntime", "cuda", "f16", 256

    def __init__(self, backbone: Any):
        from penult.engines import Throughput

        self.width, self.images, self.throughput, self._done = backbone.width, 0, Throughput(), []

    def submit(self, batch: Any, tag: Any = None) -> None:
        # random once a batch: rows of zeros would be one page of memory
        self._done.append((tag, np.random.default_rng(self.images).random((len(batch), self.width), np.float32)))
        self.images += len(batch)

    def results(self) -> Any:
        while self._done:
            yield self._done.pop(0)

    drain = results

    def close(self) -> None:
        self._done.clear()


class Opened:
    """Stands for the loop's engines."""

    def __init__(self, make: Callable[[Any], Any]):
        self.make, self.open = make, {}

    def get(self, backbone: Any) -> Any:
        if backbone.function is not None:
            from penult import engines

            return self.open.setdefault(backbone.digest, engines.open_engine(backbone))
        return self.open.setdefault(backbone.digest, self.make(backbone))

    def close(self) -> None:
        for engine in self.open.values():
            engine.close()


def whole_job(paths: list[Path], found: list[Any], settings: Any, opened: Any = None) -> tuple[float, float, Any]:
    """Return the seconds of one pass, the rate of its second half (images/s), and the embedding."""
    from penult.embed import embed

    marks: list[tuple[int, float]] = []

    def note(step: str, done: int, total: int) -> None:
        if done in {total // 2, total}:
            marks.append((done, time.perf_counter()))

    with seconds() as taken:
        done = embed([str(p) for p in paths], found, settings, note, pool=opened)
    marks[-1] = marks[-1][0], time.perf_counter()  # what was under way at the end counts, too
    (half, at_half), (last, at_last) = marks[0], marks[-1]
    return taken[0], (last - half) / max(at_last - at_half, 1e-9), done


def end_to_end(paths: list[Path], found: list[Any], device: str, work: Path, workers: int | None) -> None:
    from penult.embed import EmbedOptions

    def settings(name: str) -> Any:
        return EmbedOptions(device, "auto", str(work / name), workers)

    cpu = time.process_time()
    taken, rate, _ = whole_job(paths, found, settings("instant"), Opened(Instant))
    each = (time.process_time() - cpu) / len(paths) / len(found) * 1000
    row(
        "the loop with an engine that computes nothing",
        f"{len(paths) / taken:,.0f} images/s, {each:.3f} ms of this process an image and network",
    )
    for label in ("first run", "second run"):
        taken, rate, done = whole_job(paths, found, settings(label.replace(" ", "-")))
        total = taken + (JOB - len(paths)) / rate
        row(
            f"end to end, {label}: {len(found)} networks, one pass",
            f"{len(paths)} images in {taken:.1f} s = {len(paths) / taken:,.0f}/s with the start, "
            f"{rate:,.0f}/s in the second half; {JOB:,} images: {total:.0f} s "
            f"({done.engine}, {done.compute.device}, {done.compute.precision}, {done.embedded} embedded)",
        )
    from penult.embed import EnginePool
    from penult.engines import resolve

    for backbone in found:
        opened = EnginePool(resolve(device, "auto", [backbone]))
        taken, rate, _ = whole_job(paths, [backbone], settings(f"alone-{backbone.digest[:8]}"), opened)
        row(f"end to end, {backbone.name.partition('@')[0]} alone", f"{rate:,.0f} images/s in the second half")
        opened.close()


def agreement(paths: list[Path], found: list[Any], device: str) -> None:
    """Compare vectors of a few photos with those of the processor in f32."""
    from penult import engines, pixels

    for backbone in found:
        name = backbone.name.partition("@")[0]
        prepared = pixels.prepare_all(paths[:16], [backbone.recipe], None, 0)
        batch = np.stack([p.pixels[0] for p in prepared if p.pixels[0] is not None])
        reference = attempt(f"{name} on cpu", _vectors, backbone, "cpu", "f32", batch)
        if reference is None:
            continue
        for precision in engines.precisions(device):
            got = attempt(f"{name} on {device}, {precision}", _vectors, backbone, device, precision, batch)
            if got is None:
                continue
            cosine = (got * reference).sum(1) / np.linalg.norm(got, axis=1) / np.linalg.norm(reference, axis=1)
            scale = np.abs(reference).max()
            row(
                f"{name}: {precision} on {device} against f32 on the processor",
                f"cosine {cosine.min():.7f} at worst, off by {np.abs(got - reference).max() / scale:.2g} of the largest",
            )
            again = _vectors(backbone, device, precision, batch[::-1])[::-1]
            alone = _vectors(backbone, device, precision, batch[:1])
            row(f"{name}: {precision}, company", "touches no bit" if (alone == got[:1]).all() else "TOUCHES the vectors")
            off = np.abs(again - got).max() / scale
            row(f"{name}: {precision}, place in the batch", f"off by {off:.2g} of the largest" if off else "touches no bit")


def _vectors(backbone: Any, device: str, precision: str, batch: Any) -> Any:
    from penult import engines

    engine = engines.open_engine(backbone, device, precision)
    try:
        return engine(np.ascontiguousarray(batch))
    finally:
        engine.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=("cuda", "coreml", "dml", "onnxruntime-cpu"))
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--networks", default="seed", choices=("seed", "lite"))
    parser.add_argument("--batch", type=int, help="(default: the engine's own)")
    parser.add_argument("--workers", type=int, help="decoding processes (default: penult's own choice)")
    parser.add_argument("--quick", action="store_true", help="shorter measurements")
    parser.add_argument("--work", type=Path, help="keep photos and networks in this folder (default: a temporary one)")
    asked = parser.parse_args()
    least = 0.5 if asked.quick else 3.0
    with tempfile.TemporaryDirectory() as name:
        work = asked.work or Path(name)
        work.mkdir(parents=True, exist_ok=True)
        os.environ["PENULT_CACHE"] = str(work / "cache")
        print("| what | measured |\n|---|---|", flush=True)
        attempt("the machine", machine, asked.device)
        paths = sorted((work / "photos").iterdir()) if (work / "photos").is_dir() else photos(work / "photos", asked.images)
        found = attempt("networks", networks, SEED if asked.networks == "seed" else LITE, work) or []
        if not found:
            found = attempt("built-in networks", networks, LITE, work) or []
        if not found:
            sys.exit("no network can be had here.")
        attempt("agreement", agreement, paths, found, asked.device)
        from penult.engines import precisions

        for backbone, precision in ((b, p) for b in found for p in precisions(asked.device)):
            got = attempt(backbone.name, engine_alone, backbone, asked.device, precision, asked.batch, least)
            if got is not None:
                work_done = f"{got[1] * 2 * backbone.gmacs / 1000:.0f} TFLOP/s"
                row(
                    f"{backbone.name.partition('@')[0]} at {backbone.recipe.size}: engine alone, {precision}",
                    f"{got[0]:,.0f} images/s, {got[1]:,.0f} by its own clock ({work_done}), ready in {got[2]:.1f} s",
                )
        attempt("decoding", decoding, paths, [b.recipe for b in found], asked.workers)
        attempt("end to end", end_to_end, paths, found, asked.device, work / "rows", asked.workers)
        if not asked.quick and asked.device == "cuda":
            attempt("batches", batches, found[0], asked.device, least / 2)


if __name__ == "__main__":
    main()
