"""Every engine against one reference on one batch: a tiny network whose answer is known by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from networks import network
from penult import backbones, engines
from penult.backbones import Backbone
from penult.backbones.backbone import StoredGraph
from penult.engines import Engine
from penult.errors import DamagedFile, InputError
from tinynet import SIDE, by_numpy, noise, tiny, tiny_graph
from tolerance import assert_same_direction, assert_same_pixels


def test_the_reference_is_known_by_hand() -> None:
    """A picture of one colour: (255, 0, 51) is seen as (2, -2, -1.2), and negative sums are cut to 0."""
    picture = np.full((1, SIDE, SIDE, 3), (255, 0, 51), np.uint8)
    np.testing.assert_allclose(by_numpy(picture), [[2, 0, 0, 0, 0]], atol=1e-12)
    turned = by_numpy(picture[..., ::-1])
    np.testing.assert_allclose(turned, [[0, 0, 2, 0, 6]], atol=1e-12)


def test_openvino_gives_the_reference() -> None:
    engine = engines.open_engine(tiny(), "cpu", "f32")
    assert (engine.name, engine.device, engine.precision) == ("openvino", "cpu", "f32")
    assert_same_pixels(engine(noise(5)), by_numpy(noise(5)))


def test_openvino_turns_the_channels_where_the_recipe_says_so() -> None:
    engine = engines.open_engine(tiny(channels="bgr"), "cpu", "f32")
    assert_same_pixels(engine(noise(3)), by_numpy(noise(3)[..., ::-1]))


def test_the_numpy_engine_gives_its_function() -> None:
    backbone = backbones.find_builtin("colour_histogram")
    engine = engines.open_engine(backbone)
    assert (engine.name, engine.device, engine.precision) == ("numpy", "cpu", "f32")
    assert backbone.function is not None
    np.testing.assert_array_equal(engine(noise(3, 64)), backbone.function(noise(3, 64)))


@pytest.mark.skipif("bf16" not in engines.precisions(), reason="this processor does not compute in bf16")
def test_bf16_points_where_f32_points() -> None:
    backbone = backbones.find_builtin("efficientnet_lite0")
    y, x, channel = np.mgrid[:224, :224, :3]
    waves = [np.sin(x / (3 + 2 * i) + channel) * np.cos(y / (9 - i)) for i in range(4)]
    pixels = (127 + 120 * np.stack(waves)).astype(np.uint8)  # (4, 224, 224, 3)
    f32, bf16 = network()(pixels), network(precision="bf16")(pixels)
    assert_same_direction(bf16, f32, backbone.blocks, "bf16")
    assert np.abs(bf16 - f32).max() > 1e-4, "bf16 was asked for and f32 was computed"


def test_only_the_output_that_is_asked_for_is_compiled() -> None:
    """What is cut off is never computed."""
    for output, shape in (("features", (2, 5)), ("maps", (2, 5, SIDE, SIDE))):
        engine: Any = engines.open_engine(tiny(), "cpu", "f32", output=output)
        assert engine(noise(2)).shape == shape and engine.width == 5
        assert [o.get_any_name() for o in engine._queue.result()[0].model_outputs] == [output]


def test_an_output_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="tiny has no output 'logits'"):
        engines.open_engine(tiny(), output="logits")
    with pytest.raises(InputError, match="colour_histogram has no output 'maps'"):
        engines.open_engine(backbones.find_builtin("colour_histogram"), output="maps")


ENGINES = [tiny, lambda: backbones.find_builtin("colour_histogram")]


@pytest.mark.parametrize("backbone", ENGINES, ids=["openvino", "numpy"])
def test_pixels_of_another_shape_or_type_are_refused(backbone: Any) -> None:
    engine: Engine = engines.open_engine(backbone(), "cpu", "f32")
    for wrong in (noise(2, 30), noise(2)[0], noise(2).astype(np.float32), noise(2)[..., :1]):
        with pytest.raises(InputError, match="takes uint8 images of shape"):
            engine(wrong)
        with pytest.raises(InputError, match="prepare them by its recipe"):
            engine.submit(wrong)
    assert engine.images == 0 and list(engine.drain()) == []


def test_a_graph_that_is_none_is_refused_at_first_use() -> None:
    recipe = tiny().recipe
    for graph in (b"no graph", b"", tiny_graph(recipe)[:-40]):
        broken = Backbone("broken", (5,), "none", recipe, "0" * 64, "none", "test", 0, 0.0, None, StoredGraph(graph, recipe))
        engine = engines.open_engine(broken)
        with pytest.raises(DamagedFile, match="the graph of broken cannot be used"):
            engine(noise(1))
        engine.close()


def test_a_graph_of_another_width_is_refused_at_first_use() -> None:
    record = {**tiny().to_dict(), "width": 7, "parts": [3, 4]}
    engine = engines.open_engine(Backbone.from_dict(record, tiny().graph()))
    with pytest.raises(DamagedFile, match="gives 5 numbers for an image where its record says 7"):
        engine.submit(noise(1))
        list(engine.drain())
