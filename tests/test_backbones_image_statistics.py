"""The colour histogram: exact, deterministic, and known by hand."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from penult import backbones
from penult.backbones.image_statistics import WIDTH, color_histogram

IMAGES = st.tuples(st.integers(0, 4), st.integers(4, 9)).flatmap(lambda s: arrays(np.uint8, (s[0], s[1], s[1], 3)))


def test_a_picture_of_one_colour_is_known_by_hand() -> None:
    """All pixels fall into one of the 64 bins, and every cell has that colour."""
    picture = np.full((1, 64, 64, 3), (255, 0, 128), np.uint8)
    vector = color_histogram(picture)[0]
    assert np.flatnonzero(vector[:64]).tolist() == [3 * 16 + 0 * 4 + 2] and vector[:64].max() == 1
    np.testing.assert_allclose(vector[64:].reshape(16, 3), np.tile([1, 0, 128 / 255], (16, 1)), rtol=1e-6)


def test_the_thumbnail_knows_where_a_colour_is() -> None:
    picture = np.zeros((1, 64, 64, 3), np.uint8)
    picture[:, :16, 48:] = (0, 255, 0)
    cells = color_histogram(picture)[0, 64:].reshape(4, 4, 3)
    assert np.argwhere(cells == 1).tolist() == [[0, 3, 1]]


@settings(max_examples=40)
@given(IMAGES)
def test_the_frequencies_add_up_to_one(pictures: np.ndarray) -> None:
    vectors = color_histogram(pictures)
    assert vectors.shape == (len(pictures), WIDTH) and vectors.dtype == np.float32
    np.testing.assert_allclose((vectors[:, :64] ** 2).sum(axis=1), 1, rtol=1e-5)
    assert vectors.min(initial=0) >= 0 and vectors.max(initial=0) <= 1


@settings(max_examples=40)
@given(IMAGES, st.randoms(use_true_random=False))
def test_each_picture_gets_the_same_bits_in_any_company(pictures: np.ndarray, random: object) -> None:
    order = np.arange(len(pictures))
    random.shuffle(order)  # type: ignore[attr-defined]
    together = color_histogram(pictures)
    np.testing.assert_array_equal(color_histogram(pictures[order]), together[order])
    for picture, vector in zip(pictures, together, strict=True):
        np.testing.assert_array_equal(color_histogram(picture[None])[0], vector)


def test_it_is_a_backbone_like_any_other() -> None:
    backbone = backbones.find_builtin("colour_histogram")
    assert (backbone.width, backbone.blocks, backbone.graph()) == (WIDTH, (WIDTH,), b"")
    assert (backbone.pooling, backbone.has_maps, backbone.map_channels) == ("none", False, 0)
    assert backbone.recipe.size == 64 and backbone.recipe.crop_mode == "squash"
