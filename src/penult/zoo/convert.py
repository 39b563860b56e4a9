"""Convert one network to a finished ONNX graph, and prove it: the work of the child process that may load torch.

A process of its own keeps torch and its gigabytes out of the caller's, and survives a converter that dies.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import engines
from penult.backbones import Backbone, StoredGraph
from penult.errors import DamagedFile, InputError, PenultError
from penult.i18n import _
from penult.store import CacheEntry
from penult.zoo import checkpoint, model_cache, onnx_graph, sources
from penult.zoo.onnx_shapes import count
from penult.zoo.preprocessing import add_preprocessing, has_preprocessing
from penult.zoo.sources import LoadedModel, ModelSpec

RTOL, ATOL = 1e-3, 1e-4  # of one number; ATOL in units of the features' own size where that is above 1
OVERALL = 1e-3  # of the whole, as a relative L2 error: small features could hide behind ATOL
_OPSET = 18


def convert_child(sent: Iterator[tuple[ModelSpec, CacheEntry]]) -> Iterator[Path]:
    """Convert each network that is sent and put it into the cache: the other side of `penult.zoo.find_backbone`."""
    for spec, entry in sent:
        if not sources.SOURCES[spec.source].suffix:  # a file of the user's needs no hub, and asks for no address
            sources.prepare_hub()
        try:
            backbone, graph = convert(spec)
        except sources.Unreachable as error:
            raise sources.Unreachable(_("{error} Its place here: {folder}", error=error, folder=entry.folder)) from error
        except PenultError:
            raise
        except MemoryError as error:
            raise InputError(
                _("{label} does not fit into this machine's memory; take a smaller sibling.", label=spec.label)
            ) from error
        except Exception as error:  # a library's own failure: name the network, never show a traceback
            text = " ".join(str(error).split())[:400]
            raise InputError(
                _(
                    "{label} cannot be converted: {type}: {text}; take another network.",
                    label=spec.label,
                    type=type(error).__name__,
                    text=text,
                )
            ) from error
        model_cache.put(entry, graph, backbone.to_dict())
        yield entry.folder


def convert(spec: ModelSpec) -> tuple[Backbone, bytes]:
    """Return the network and its graph, proved; writes nothing."""
    loaded: LoadedModel = importlib.import_module(sources.SOURCES[spec.source].module).load(spec)
    if isinstance(loaded.network, bytes):
        graph = loaded.network
        # the graph, not the file alone: another output of it gives other features
        weights = checkpoint.of_texts(spec.source, loaded.weights, hashlib.sha256(graph).hexdigest())
        graph = graph if has_preprocessing(graph) else add_preprocessing(graph, loaded.recipe)
    else:
        graph = export(loaded, spec.label)
        weights = checkpoint.of_texts(spec.source, loaded.architecture or spec.name, loaded.weights)
    width = _width(graph, spec.label)
    record = {
        "name": spec.converted, "width": width, "parts": [width], "pooling": loaded.pooling, "recipe": loaded.recipe.to_dict(),
        "gmacs": round(count(graph).gmacs, 3), "weights": weights, "license": loaded.license, "source": loaded.source,
        "params": loaded.params, "top1": None,
    }  # fmt: skip
    backbone = Backbone.of_network(record, StoredGraph(graph, loaded.recipe))
    if isinstance(loaded.network, bytes):
        _check_runs(backbone)
    else:
        _check_against_torch(loaded, backbone)
    return backbone, graph


def _width(graph: bytes, label: str) -> int:
    """Return d of the output `features` (n, d)."""
    import onnx

    outputs = {o.name: o.type.tensor_type.shape.dim for o in onnx.load_model_from_string(graph).graph.output}
    dims = [d.dim_value for d in outputs["features"]]
    if len(dims) != 2 or dims[1] < 1:
        raise InputError(
            _(
                "{label} gives features of the shape {dims}, and not one vector for an image; take another network.",
                label=label,
                dims=dims,
            )
        )
    return int(dims[1])


def export(loaded: LoadedModel, name: str) -> bytes:
    """Return the graph: uint8 `pixels` (n, s, s, 3) to `features` (n, d) and, where there are some, `maps` (n, d, h, w).

    Raises `InputError` where torch cannot write the network as ONNX.
    """
    import torch

    size = loaded.recipe.size
    example = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))  # (2, 3, s, s)
    try:
        with torch.no_grad(), _quietly():
            program = torch.onnx.export(
                loaded.network,
                (example,),
                input_names=["x"],
                output_names=["features", "maps"] if loaded.pooling == "mean" else ["features"],
                dynamic_shapes=({0: torch.export.Dim("n")},),
                opset_version=_OPSET,
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # whatever torch and onnxscript raise: the user has one question, which network
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            _("{name}: torch cannot write this network as ONNX ({first}); take another network.", name=name, first=first[:300])
        ) from error
    return add_preprocessing(onnx_graph.to_bytes(program.model_proto), loaded.recipe)


@contextlib.contextmanager
def _quietly() -> Any:
    """Keep what the exporter says for developers away from a user's terminal."""
    loggers = [logging.getLogger(n) for n in ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")]
    before = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.setLevel(level)


def _random_pixels(size: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (2, size, size, 3), dtype=np.uint8)  # (2, s, s, 3)


def _check_against_torch(loaded: LoadedModel, backbone: Backbone) -> None:
    """Raise `InputError` unless the engine, given the graph, and torch say the same of random images.

    Features and maps are both held against torch, which sees the recipe done in numpy: so the recipe's nodes are proved too.
    """
    import torch

    recipe = loaded.recipe
    pixels = _random_pixels(recipe.size)
    x = pixels[..., ::-1] if recipe.channels == "bgr" else pixels
    x = (x.astype(np.float64) / 255 - np.array(recipe.mean)) / np.array(recipe.std)  # (n, s, s, 3)
    with torch.no_grad():
        wanted = loaded.network(torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2), np.float32)))
    for output, values in zip(("features", "maps"), wanted, strict=False):
        engine = engines.open_engine(backbone, "cpu", "f32", output=output)
        got = engine(pixels)
        engine.close()
        check_close(backbone.name, output, got, np.asarray(values.detach(), np.float32))


def check_close(name: str, output: str, got: NDArray[np.float32], wanted: NDArray[np.float32]) -> None:
    """Raise `InputError` unless what the engine got is what torch wanted, every number and the whole."""
    if not np.isfinite(wanted).all():
        raise InputError(_("{name}: this network gives numbers that are not finite; get its weights again.", name=name))
    if got.shape != wanted.shape:
        raise InputError(
            _(
                "{name}: its {output} as ONNX are {shape} where torch's are {wanted}; take another network.",
                name=name,
                output=output,
                shape=got.shape,
                wanted=wanted.shape,
            )
        )
    size = float(np.sqrt(np.mean(np.square(wanted, dtype=np.float64))))
    error = np.abs(got.astype(np.float64) - wanted)
    near = bool((error <= RTOL * np.abs(wanted) + ATOL * max(1.0, size)).all())
    if not near or np.linalg.norm(error) > OVERALL * np.linalg.norm(wanted):
        raise InputError(
            _(
                "{name}: its {output} as ONNX differ from torch's by {error:.2g} (their size is {size:.2g}); penult "
                "does not use a conversion that it cannot prove. Take another network.",
                name=name,
                output=output,
                error=error.max(),
                size=size,
            )
        )


def _check_runs(backbone: Backbone) -> None:
    """Raise `InputError` unless the engine gives finite features that depend on the image."""
    engine = engines.open_engine(backbone, "cpu", "f32")
    try:
        features = engine(_random_pixels(backbone.recipe.size))  # (2, d)
    except DamagedFile as error:
        first = str(error).splitlines()[0][:300]
        raise InputError(
            _("{first} The engine lacks an operator of it; export it again, with opset 17 and plain operators.", first=first)
        ) from error
    finally:
        engine.close()
    if not np.isfinite(features).all():
        raise InputError(_("{name} gives numbers that are not finite; check its recipe and its weights.", name=backbone.name))
    if (features[0] == features[1]).all():
        raise InputError(
            _("{name} gives the same features for two different images; name another output.", name=backbone.name)
        )
