"""Which engine, device and precision is used, and what is refused with which sentence."""

from __future__ import annotations

import numpy as np
import pytest

from penult import backbones, engines
from penult.engines.engine import NumpyEngine
from penult.engines.openvino_engine import load
from penult.errors import InputError, UnknownName
from tinynet import tiny


def test_auto_is_what_the_processor_has() -> None:
    """bf16 where OpenVINO says that it is native, else f32."""
    capabilities = load().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert engines.resolve() == ("cpu", "bf16" if "BF16" in capabilities else "f32")
    assert engines.precisions()[-1] == "f32"


@pytest.mark.parametrize("native", [("bf16", "f32"), ("f32",)], ids=str)
def test_auto_follows_the_processor(native: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penult.engines.select.float_precisions", lambda: native)
    assert engines.resolve("auto", "auto") == ("cpu", native[0])
    assert engines.resolve("cpu", "f32") == ("cpu", "f32")


def test_bf16_is_refused_where_the_processor_lacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO itself would compute in f32 and say nothing."""
    monkeypatch.setattr("penult.engines.select.float_precisions", lambda: ("f32",))
    with pytest.raises(InputError, match=r"does not compute in bf16; use --precision f32"):
        engines.resolve("cpu", "bf16")


def test_f32_is_f32() -> None:
    """It has to be asked for: left alone, OpenVINO takes bf16 where it can."""
    engine = engines.open_engine(tiny(), precision="f32")
    engine(np.zeros((1, 32, 32, 3), np.uint8))
    compiled = engine._queue.result()[0].get_compiled_model()  # type: ignore[attr-defined]
    assert compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name() == "f32"


def test_numpy_backbones_do_not_ask_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked() -> None:
        raise AssertionError("OpenVINO was asked")

    monkeypatch.setattr("penult.engines.select.float_precisions", asked)
    colours = backbones.find_builtin("colour_histogram")
    assert engines.resolve("auto", "auto", [colours]) == ("cpu", "f32")
    assert engines.open_engine(colours).precision == "f32"


def test_the_engine_is_known_without_opening_it() -> None:
    assert engines.engine_name(backbones.find_builtin("colour_histogram"), "cpu") == "numpy"
    assert engines.engine_name(backbones.find_builtin("efficientnet_lite2")) == "openvino"


@pytest.mark.parametrize(
    ("device", "precision", "error", "message"),
    [
        ("gpu", "auto", UnknownName, "unknown device 'gpu'"),
        ("mps", "int8", InputError, "does not compute in int8 on coreml; use --device cpu"),
        ("cpu", "bf61", UnknownName, "unknown precision 'bf61'; did you mean bf16"),
    ],
)
def test_what_there_is_no_engine_for_is_refused(device: str, precision: str, error: type[Exception], message: str) -> None:
    """By `resolve` before any work is done, and by `open_engine` too."""
    with pytest.raises(error, match=message):
        engines.resolve(device, precision)
    with pytest.raises(error, match=message):
        engines.open_engine(tiny(), device, precision)


def test_a_batch_of_none_is_refused() -> None:
    with pytest.raises(InputError, match="batch size of 0"):
        engines.open_engine(tiny(), batch=0)


def test_a_graph_is_not_for_the_numpy_engine() -> None:
    with pytest.raises(InputError, match="tiny is a graph"):
        NumpyEngine(tiny(), 1)
