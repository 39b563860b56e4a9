"""What goes in comes out once, in order, and no vector depends on its company."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extras import ONNXRUNTIME
from networks import SMALL, network
from penult import backbones, engines
from penult.engines import Engine, devices
from penult.errors import InputError
from tinynet import noise, tiny

SIZES = st.lists(st.integers(0, 20), max_size=6)  # a batch of 20 is more than the engine has requests for
KINDS = {
    "openvino": ("cpu", tiny),
    "numpy": ("cpu", lambda: backbones.find_builtin("colour_histogram", size=32)),
    "onnxruntime": ("onnxruntime-cpu", tiny),
    "gpu": ("cuda", tiny),
}
NEEDS_GPU = pytest.mark.skipif(not devices.gpu(), reason="ONNX Runtime has no NVIDIA GPU here")
ORT, GPU = pytest.param("onnxruntime", marks=ONNXRUNTIME), pytest.param("gpu", marks=NEEDS_GPU)
ALL = ["openvino", "numpy", ORT, GPU]


def opened(kind: str, batch: int | None = None) -> Engine:
    device, make = KINDS[kind]
    return engines.open_engine(make(), device, "f32", batch)


@pytest.fixture(scope="module", params=ALL)
def engine(request: pytest.FixtureRequest) -> Engine:
    return opened(request.param, batch=4)


@given(sizes=SIZES)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_batch_comes_out_once_in_order(engine: Engine, sizes: list[int]) -> None:
    """With its own tag and its own vectors, however large it is; results and drain together give all."""
    before, got = engine.images, []
    for tag, size in enumerate(sizes):
        engine.submit(noise(size), tag)
        got += engine.results()
    got += engine.drain()
    assert [tag for tag, _ in got] == list(range(len(sizes)))
    for size, (_, vectors) in zip(sizes, got, strict=True):
        assert vectors.shape == (size, engine.width) and vectors.dtype == np.float32
        np.testing.assert_array_equal(vectors, engine(noise(size)))
    assert engine.images - before == 2 * sum(sizes)
    assert list(engine.drain()) == []


def test_a_call_leaves_submitted_batches_where_they_are(engine: Engine) -> None:
    engine.submit(noise(3), "first")
    alone = engine(noise(5))
    (tag, vectors), *rest = engine.drain()
    assert tag == "first" and len(vectors) == 3 and not rest
    np.testing.assert_array_equal(alone, engine(noise(5)))


def test_the_array_may_be_used_again_at_once(engine: Engine) -> None:
    """The caller fills one buffer again and again while earlier batches are under way."""
    buffer, wanted = np.empty((4, 32, 32, 3), np.uint8), []
    for i in range(20):
        buffer[:] = i * 12
        engine.submit(buffer, i)
        wanted.append(buffer.copy())
    for (_, vectors), pixels in zip(list(engine.drain()), wanted, strict=True):
        np.testing.assert_array_equal(vectors, engine(pixels))


def test_results_may_be_kept(engine: Engine) -> None:
    """What was handed out is not overwritten by what comes later."""
    engine.submit(noise(4), None)
    ((_, first),) = engine.drain()
    kept = first.copy()
    engine(255 - noise(4))
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize(
    ("device", "precision"),
    [
        *[("cpu", precision) for precision in engines.precisions("cpu")],
        pytest.param("onnxruntime-cpu", "f32", marks=ONNXRUNTIME),
        pytest.param("onnxruntime-cpu", "f16", marks=ONNXRUNTIME),
        pytest.param("cuda", "f32", marks=NEEDS_GPU),
        pytest.param("cuda", "f16", marks=NEEDS_GPU),
    ],
)
def test_batch_size_and_order_do_not_touch_a_bit(device: str, precision: str) -> None:
    """A real network, in every precision that this machine has: one by one, all at once, backwards."""
    backbone = backbones.find_builtin("efficientnet_lite0", size=SMALL)
    pixels = noise(9, SMALL)
    small: Any = engines.open_engine(backbone, device, precision, batch=2)
    together = network(precision=precision, size=SMALL)(pixels) if device == "cpu" else small(pixels)
    for start, stop in ((0, 9), (0, 1), (3, 8)):
        np.testing.assert_array_equal(small(pixels[start:stop]), together[start:stop])
    np.testing.assert_array_equal(small(pixels[::-1]), together[::-1])
    assert len(np.unique(together, axis=0)) == 9


@pytest.mark.parametrize("kind", ["openvino", ORT, GPU])
def test_batches_can_be_submitted_while_the_graph_is_compiled(kind: str) -> None:
    """Three engines are open and fed before the first of them is ready."""
    three = [opened(kind, batch=1) for _ in range(3)]
    for number, engine in enumerate(three):
        for tag in range(5):
            engine.submit(noise(1), (number, tag))
    for number, engine in enumerate(three):
        assert [tag for tag, _ in engine.drain()] == [(number, tag) for tag in range(5)]
        engine.close()


@pytest.mark.parametrize("kind", ALL)
def test_closing_waits_and_drops(kind: str) -> None:
    """Also with batches under way, also twice."""
    engine = opened(kind)
    engine.submit(noise(30), 1)
    engine.close()
    assert list(engine.results()) == []
    engine.close()


@pytest.mark.parametrize("kind", ["openvino", ORT, GPU])
def test_a_closed_engine_says_so(kind: str) -> None:
    engine = opened(kind)
    engine.close()
    with pytest.raises(InputError, match="the engine of tiny is closed"):
        engine(noise(1))
