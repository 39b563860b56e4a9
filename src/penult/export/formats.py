"""The formats of an export, and how each is written: whole or not at all, with its parity inside."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import bundle, engines, images, pixels, runs, store
from penult.bundle import Bundle, decision_facts
from penult.errors import ProgressCallback, quiet, unknown
from penult.export import litert, model_card, model_graph, page, web_runtime
from penult.export.model_graph import Input, Weights
from penult.export.nodes import DOUBLE, FLOAT
from penult.export.parity import Parity, ParityCheck
from penult.i18n import N_
from penult.sources import kind_of

WEIGHTS: tuple[Weights, ...] = ("f32", "f16", "int16")
PHOTOS = 50  # of the user's, that the parity is measured on


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes
    ----------
    paths : tuple of Path
        The files.
    parity : tuple of Parity
        How near the answers of each runtime that is installed came to those of `penult.predict`.

    Examples
    --------
    >>> done = penult.export.export_model("cats", "onnx", "cats.onnx")  # doctest: +SKIP
    >>> done.paths, done.nbytes  # doctest: +SKIP
    """

    paths: tuple[Path, ...]
    parity: tuple[Parity, ...]

    @property
    def nbytes(self) -> int:
        """The size of all files together."""
        return sum(path.stat().st_size for path in self.paths)


@dataclass(frozen=True, slots=True)
class Source:
    """A model to export: the bundle, a digest of its file, and the metrics of its run where it lies in one."""

    model: Bundle
    version: str
    metrics: Mapping[str, Any]

    @classmethod
    def of(cls, path: str | Path) -> Source:
        """Read a model file, or the one in a run folder. Raises `InputError` and `DamagedFile`."""
        model, path = bundle.load_bundle(path), Path(path)
        file = path / "model.penult" if path.is_dir() else path
        return cls(model, hashlib.sha256(file.read_bytes()).hexdigest()[:16], runs.read_metrics(file.parent) or {})


def export_model(
    run: str | Path,
    to: str,
    out: str | Path,
    *,
    weights: str | None = None,
    photos: str | Path | None = None,
    runtime: str | Path | None = None,
    progress: ProgressCallback = quiet,
) -> Exported:
    """Write a model in another format.

    Parameters
    ----------
    run : str or Path
        `model.penult`, or the run folder that it is in.
    to : {"onnx", "network", "openvino", "litert", "html", "card"}
        `onnx`: one file, from the pixels of a photo of any size to probabilities. `network`: the same from pixels that are
        resized already. `openvino`: a folder with OpenVINO's IR. `litert`: a folder with that network as a LiteRT file.
        `html`: a page that classifies photos in a browser. `card`: a folder with the ONNX file, a model card and samples.
    out : str or Path
        The file or folder to write.
    weights : {"f32", "f16", "int16"}, optional
        How the networks' weights are stored. Both 16-bit formats halve the file; f16 changes probabilities by about 0.002,
        int16 (a whole number and the scale of its channel) by about 0.0003. By default int16 for a page, f32 for all else.
    photos : str or Path, optional
        A folder of photos to compare on; by default the training photos, where they still are.
    runtime : str or Path, optional
        For a page: the archive of the npm package onnxruntime-web, where it cannot be downloaded.
    progress : callable, optional
        Called with the step, how much of it is done, and of how much.

    Returns
    -------
    Exported

    Raises
    ------
    InputError
        The model cannot be exported, or a name is not one of these.
    PenultError
        The exported graph does not answer as `penult predict` does; nothing is written.
    OutputError
        There is no place to write.

    Examples
    --------
    >>> import penult
    >>> done = penult.export.export_model("cats", "onnx", "cats.onnx")  # doctest: +SKIP
    """
    if to not in FORMATS:
        raise unknown("format", to, FORMATS)
    if weights is not None and weights not in WEIGHTS:
        raise unknown("weights", weights, WEIGHTS)
    kept = FORMATS[to].weights if weights is None else weights
    FORMATS[to].check(Path(out))
    if to == "litert":
        litert.check_converter()
    source, takes = Source.of(run), FORMATS[to].takes
    engine = web_runtime.runtime(runtime, progress) if to == "html" else (b"", b"")
    progress(N_("building the graph"), 0, 2)
    graph = model_graph.build(source.model, takes, kept, FORMATS[to].real)
    data = model_graph.to_bytes(graph)
    progress(N_("comparing with predict"), 1, 2)
    comparison = ParityCheck(source.model, _photos(source.metrics, photos), takes)
    checked = comparison.check(data, kept)
    _describe(graph, source, checked, takes)
    data = model_graph.to_bytes(graph)
    if to == "litert":
        done = litert.convert(data, comparison.inputs)
        data = done.data
        checked.append(comparison.judge("litert", done.version, done.answers, kept))
    progress(N_("comparing with predict"), 2, 2)
    export = Export(source, data, tuple(checked), engine)
    return Exported(FORMATS[to].write(export, Path(out)), export.parity)


def _photos(metrics: Mapping[str, Any], folder: str | Path | None) -> list[NDArray[np.uint8]]:
    """Return up to 50 photos that can be read, (h, w, 3) each: of a folder, or those that the model was trained on."""
    where = folder if folder is not None else metrics.get("sources", {}).get("train")
    if where is None or (folder is None and kind_of(str(where)) is None):
        return []
    found = images.scan_unlabelled([str(where)]).sources
    chosen = [found[i] for i in np.unique(np.linspace(0, len(found) - 1, min(PHOTOS, len(found))).astype(int))]
    sound = [one for one, why in zip(chosen, pixels.decode_failures(chosen), strict=True) if why is None]  # by a worker
    decoded = (one if isinstance(one, pixels.Failure) else pixels.load_rgb(one) for one in pixels.read_members(sound))
    return [picture for picture in decoded if not isinstance(picture, pixels.Failure)]


def _describe(graph: Any, source: Source, checked: Sequence[Parity], takes: Input) -> None:
    """Write into the graph what it is: classes, recipes, what its outputs mean, how near it came to `predict`."""
    from onnx import helper

    from penult import __version__

    model = source.model
    about = {
        "classes": json.dumps(list(model.classes), ensure_ascii=False),
        "model_version": source.version,
        "penult": __version__,
        "networks": json.dumps([backbone.to_dict() for backbone in model.backbones]),
        "input": "RGB, upright, uint8, any size" if takes == "image" else "RGB, uint8, prepared as each network's recipe says",
        "novelty": "above 1 is more unlike the training photos than nearly all of them were: do not rely on the answer",
        "parity": json.dumps([one.to_dict() for one in checked]),
        "training": json.dumps(dict(model.facts), default=str),
        **{name: json.dumps(value, ensure_ascii=False) for name, value in decision_facts(model).items()},
    }
    if model.task == "labels":
        about |= {"task": "labels", "thresholds": json.dumps(model.named_thresholds)}
    helper.set_model_props(graph, about)


@dataclass(frozen=True, slots=True)
class Export:
    """All that a format is written from: the model, its graph (ONNX or LiteRT), the parity, and the runtime of a page."""

    source: Source
    graph: bytes
    parity: tuple[Parity, ...]
    runtime: tuple[bytes, bytes]

    @property
    def classes(self) -> list[str]:
        """Return the classes in the order of the probabilities."""
        return list(self.source.model.classes)

    @property
    def thresholds(self) -> dict[str, float]:
        """Return the threshold of each label of a model with several labels a photo; of another nothing."""
        return self.source.model.named_thresholds


def _write_onnx(made: Export, out: Path) -> tuple[Path, ...]:
    return (_write_bytes(out, made.graph),)


def _write_openvino(made: Export, out: Path) -> tuple[Path, ...]:
    store.make_folder(out)
    written = [_write_bytes(out / name, data) for name, data in engines.openvino_files(made.graph).items()]
    written.append(_write_text(out / "classes.json", json.dumps(made.classes, ensure_ascii=False)))
    if made.thresholds:
        written.append(_write_text(out / "thresholds.json", json.dumps(made.thresholds, ensure_ascii=False)))
    if facts := decision_facts(made.source.model):
        written.append(_write_text(out / "decision.json", json.dumps(facts, ensure_ascii=False, indent=1)))
    return tuple(written)


def _write_litert(made: Export, out: Path) -> tuple[Path, ...]:
    store.make_folder(out)
    about = {
        "classes": made.classes,
        "model_version": made.source.version,
        **decision_facts(made.source.model),
        "inputs": [view.to_dict() for backbone in made.source.model.backbones for view in backbone.recipe.views],
        "parity": [one.to_dict() for one in made.parity],
        **({"thresholds": made.thresholds} if made.thresholds else {}),
    }
    text = json.dumps(about, ensure_ascii=False, indent=1)
    return (_write_bytes(out / "model.tflite", made.graph), _write_text(out / "model.json", text))


def _write_page(made: Export, out: Path) -> tuple[Path, ...]:
    source = made.source
    return (_write_text(out, page.page(source.model, made.graph, made.runtime, source.version, source.metrics)),)


def _write_card(made: Export, out: Path) -> tuple[Path, ...]:
    store.make_folder(out)
    model, version = made.source.model, made.source.version
    written, expected = list(_write_onnx(made, out / "model.onnx")), []
    for i, picture in enumerate(model.selftest.get("images", ())):
        written.append(_write_bytes(out / f"sample_{i}.png", pixels.encode_png(picture)))
        expected.append({"file": written[-1].name, "probabilities": [round(float(p), 6) for p in model.selftest["proba"][i]]})
    about: dict[str, Any] = {"classes": made.classes, "model_version": version, "samples": expected, **decision_facts(model)}
    about |= {"thresholds": made.thresholds} if made.thresholds else {}
    written.append(_write_text(out / "classes.json", json.dumps(about, ensure_ascii=False, indent=1)))
    card = model_card.text(model, version, made.source.metrics, made.parity)
    return (*written, _write_text(out / "README.md", card))


def _write_bytes(path: Path, data: bytes) -> Path:
    with store.atomic_write(path) as file:
        file.write(data)
    return path


def _write_text(path: Path, text: str) -> Path:
    store.write_text(path, f"{text.rstrip()}\n")
    return path


def _file(endings: tuple[str, ...]) -> Callable[[Path], None]:
    return lambda out: store.check_output_file(out, endings, "--out")


def _folder(out: Path) -> None:
    store.check_output_folder(out, "--out")


@dataclass(frozen=True, slots=True)
class Format:
    """A format: what its graph takes, what refuses a place, what writes it, and how weights and head are stored in it."""

    takes: Input
    check: Callable[[Path], None]
    write: Callable[[Export, Path], tuple[Path, ...]]
    weights: Weights = "f32"
    real: int = DOUBLE


FORMATS = {
    "onnx": Format("image", _file(store.ONNX), _write_onnx),
    "html": Format("pixels", _file(store.HTML), _write_page, "int16"),
    "openvino": Format("image", _folder, _write_openvino),
    "network": Format("pixels", _file(store.ONNX), _write_onnx, real=FLOAT),
    "litert": Format("pixels", _folder, _write_litert, real=FLOAT),
    "card": Format("image", _folder, _write_card),
}
