"""From a network's grid to the photo's pixels: nothing is lost, nothing lies outside, what is even stays even."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penult.explain.field_of_view import spread
from penult.pixels import Recipe, encode_png, load_rgb, prepare, shrink, visible_box
from tinynet import noise

sides = st.integers(1, 60)


@given(st.integers(1, 12), st.integers(1, 12), sides, sides, st.tuples(*[st.floats(0, 0.4)] * 4), st.integers(0, 2**32 - 1))
def test_the_sum_stays(r: int, c: int, h: int, w: int, air: tuple[float, float, float, float], seed: int) -> None:
    """Also on a photo with fewer pixels than the grid has cells."""
    grid = np.random.default_rng(seed).normal(size=(r, c))
    placed = spread(grid, (air[0], air[1], 1 - air[2], 1 - air[3]), (h, w))
    assert placed.shape == (h, w)
    assert placed.sum() == pytest.approx(float(grid.sum()), rel=1e-9, abs=1e-9)


def test_an_even_grid_is_even_and_stops_at_its_box() -> None:
    placed = spread(np.ones((7, 7)), (0.25, 0.1, 0.75, 0.9), (200, 400))
    inside = placed[20:180, 100:300]
    np.testing.assert_allclose(inside, 49 / (160 * 200), rtol=0.02)
    placed[20:180, 100:300] = 0
    assert not placed.any()


def test_one_cell_is_a_bump_around_its_middle() -> None:
    grid = np.zeros((7, 7))
    grid[2, 4] = 1
    placed = spread(grid, (0, 0, 1, 1), (210, 210))
    row, column = np.unravel_index(placed.argmax(), placed.shape)
    assert (row, column) == pytest.approx((75, 135), abs=1)
    assert placed[45:105, 105:165].sum() > 0.9


@pytest.mark.parametrize("recipe", [Recipe(32, "crop", 0.5), Recipe(48, "crop", 0.875), Recipe(40, "squash", 1.0)])
@pytest.mark.parametrize(("height", "width"), [(90, 120), (131, 77), (64, 64)])
def test_the_view_is_what_is_prepared(height: int, width: int, recipe: Recipe) -> None:
    """A photo whose colours are its coordinates: the corners of what is prepared say where they come from."""
    rows, columns = np.mgrid[0:height, 0:width]
    ramp = np.stack([255 * (rows + 0.5) / height, 255 * (columns + 0.5) / width, 0 * rows], -1)
    seen = prepare(ramp.round().astype(np.uint8), recipe) / 255
    left, top, right, bottom = visible_box(width, height, recipe)
    step_x, step_y = (right - left) / recipe.size, (bottom - top) / recipe.size
    middle = slice(4, -4)  # a resize bends a ramp at the photo's own edge
    wanted_y = top + (np.arange(recipe.size) + 0.5) * step_y
    wanted_x = left + (np.arange(recipe.size) + 0.5) * step_x
    np.testing.assert_allclose(seen[middle, recipe.size // 2, 0], wanted_y[middle], atol=0.008)
    np.testing.assert_allclose(seen[recipe.size // 2, middle, 1], wanted_x[middle], atol=0.008)


def test_a_photo_is_shrunk_never_enlarged_and_a_png_is_read_back() -> None:
    from io import BytesIO

    from PIL import Image

    rgb = noise(1, 60)[0][:40]
    assert shrink(rgb, 60) is rgb
    assert shrink(rgb, 30).shape == (20, 30, 3)
    assert shrink(rgb[:1], 30).shape == (1, 30, 3)
    np.testing.assert_array_equal(np.array(Image.open(BytesIO(encode_png(rgb)))), rgb)
    np.testing.assert_array_equal(load_rgb(rgb), rgb)
