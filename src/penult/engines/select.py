"""Choose and open the engine for a backbone, by the device and precision that the user asked for, or say why not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from penult.backbones import Backbone
from penult.engines import devices
from penult.engines.devices import ACCELERATORS
from penult.engines.engine import CompiledCache, Compute, Engine, NumpyEngine
from penult.engines.onnxruntime_engine import OnnxRuntimeEngine
from penult.engines.openvino_engine import OpenVinoEngine, float_precisions, int_precisions
from penult.errors import InputError, unknown
from penult.i18n import _

BATCH = 16  # images handed over at once: enough that handing over costs nothing, few enough that little is lost
_DEVICES = ("auto", "cpu", "cuda", "coreml", "dml")
_OLD = {"mps": "coreml"}  # what penult called them before
_PRECISIONS = ("auto", "f32", "f16", "bf16", "int8")


def precisions(device: str = "cpu") -> tuple[str, ...]:
    """Return the precisions that a device computes in by itself, the fastest first."""
    device = _usable(_known(device, "auto"))
    return float_precisions() if device == "cpu" else ACCELERATORS[device].precisions


def resolve(device: str = "auto", precision: str = "auto", backbones: Sequence[Backbone] = ()) -> Compute:
    """Return the device and precision that will be used; compiles nothing.

    `auto` device is the NVIDIA GPU where ONNX Runtime has one that works, else the processor; `auto` precision is f16 on
    accelerators, bf16 on a processor that has it, else f32. With `backbones` that are all numpy functions the answer is
    ("cpu", "f32") and neither OpenVINO nor ONNX Runtime is asked; quantised ones are computed in int8, on the processor.
    Raises `InputError`, `UnknownName` or `MissingExtra`.
    """
    device = _known(device, precision)
    graphs = [b for b in backbones if b.function is None]
    if backbones and not graphs:
        return Compute("cpu", "f32")
    if precision == "int8" or any(b.quantized for b in graphs):
        return _in_8_bits(device, precision, graphs)
    device = _usable(device)
    if device != "cpu":
        return Compute(device, _accelerated(device, precision))
    if precision == "f32":
        return Compute("cpu", "f32")
    if precision == "auto":
        return Compute("cpu", float_precisions()[0])
    if precision not in float_precisions():
        raise InputError(
            _("this processor does not compute in {precision}; use --precision f32 (or auto).", precision=precision)
        )
    return Compute("cpu", precision)


def _in_8_bits(device: str, precision: str, graphs: Sequence[Backbone]) -> Compute:
    """Return ("cpu", "int8"); graphs that are not quantised yet are welcome where that was asked for by name."""
    if device not in {"auto", "cpu"}:
        raise InputError(
            _("penult does not compute in int8 on {device}; use --device cpu, or --precision auto.", device=device)
        )
    if other := [b.name for b in graphs if not b.quantized and precision == "auto"]:
        raise InputError(_("{other} is not quantised and others are; use --precision int8 for all.", other=", ".join(other)))
    if precision not in {"auto", "int8"}:
        names = ", ".join(b.name for b in graphs if b.quantized)
        raise InputError(
            _(
                "{names} was quantised for this model and computes in int8 only; leave --precision {precision} out, "
                "or train again with it.",
                names=names,
                precision=precision,
            )
        )
    if "int8" not in int_precisions():
        raise InputError(_("this processor does not compute in int8; use --precision auto."))
    return Compute("cpu", "int8")


def _usable(device: str) -> str:
    """Return the device that is meant; what is asked for by name must be there."""
    if device == "auto":
        return "cuda" if devices.gpu() else "cpu"
    if device != "cpu":
        devices.check(device)
    return device


def _accelerated(device: str, precision: str) -> str:
    """Return the precision that ONNX Runtime will use on a device."""
    has = ACCELERATORS[device].precisions
    if precision != "auto" and precision not in has:
        raise InputError(
            _(
                "penult does not compute in {precision} on {device}; use --precision auto ({has}), or --device cpu.",
                precision=precision,
                device=device,
                has=has[0],
            )
        )
    return has[0] if precision == "auto" else precision


def _known(device: str, precision: str) -> str:
    """Return the device by its present name. Raises `UnknownName` for a device or a precision that there is none of."""
    device = _OLD.get(device, device)
    if device not in {*_DEVICES, *ACCELERATORS}:
        raise unknown("device", device, _DEVICES)
    if precision not in _PRECISIONS:
        raise unknown("precision", precision, _PRECISIONS)
    return device


def engine_name(backbone: Backbone, device: str = "cpu") -> str:
    """Return the name of the engine that `open_engine` would open on a device as `resolve` gives it; opens nothing."""
    device = _known(device, "auto")
    if backbone.function is not None:
        return "numpy"
    return "onnxruntime" if device in ACCELERATORS else "openvino"


def engine_of(backbones: Sequence[Backbone], device: str = "cpu") -> str:
    """Return the engine of several backbones together: a function beside a network is no engine to speak of."""
    names = [engine_name(b, device) for b in backbones]
    return next((n for n in names if n != "numpy"), names[0])


def open_engine(
    backbone: Backbone,
    device: str = "auto",
    precision: str = "auto",
    batch: int | None = None,
    output: str = "features",
    cache: Path | None = None,
) -> Engine:
    """Open the engine for a backbone; returns at once, the graph is compiled in the background.

    `batch` is how many images are best handed over at once, as `Engine.batch`; None: what suits the device.
    `output` is "features" for (b, d) or "maps" for (b, d, h, w). `keep` is the cache folder in which compiled graphs wait
    for the next process. Raises `InputError`, `UnknownName` or `MissingExtra`; what goes wrong in compiling is raised by
    the first use.
    """
    compute = resolve(device, precision, [backbone])
    if compute.precision == "int8" and not backbone.quantized:
        raise InputError(_("{name} is not quantised; `embed` does it, or use --precision auto.", name=backbone.name))
    if batch is not None and batch < 1:
        raise InputError(_("a batch size of {batch} was asked for; it must be at least 1.", batch=batch))
    if output != "features" and not (output == "maps" and backbone.has_maps):
        raise InputError(_("{name} has no output {output!r}; ask for features.", name=backbone.name, output=output))
    name = engine_name(backbone, compute.device)
    if name == "numpy":
        return NumpyEngine(backbone, batch or BATCH)
    if name == "onnxruntime":
        return OnnxRuntimeEngine(backbone, compute, batch or ACCELERATORS[compute.device].batch, output, CompiledCache(cache))
    return OpenVinoEngine(backbone, compute, batch or BATCH, output, CompiledCache(cache))
