"""Prepared pixels are Pillow's and torchvision's to the bit, whatever shortcut is taken."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from penult.errors import InputError
from penult.pixels import Failure, Recipe, decode, prepare, resizing
from penult.pixels.resizing import resize_into

Pixels = NDArray[np.uint8]


@pytest.fixture(params=["compiled", "pillow"], scope="module", autouse=True)
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every test runs twice: by the compiled module, and by Pillow alone as where there is no compiler."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "pillow":
            patch.setattr(resizing, "compiled_resize", lambda: None)
        elif resizing.compiled_resize() is None:
            pytest.skip("penult.pixels._resample was not compiled, or this Pillow rounds otherwise")
        yield request.param


def noise(height: int, width: int) -> Pixels:
    return np.random.default_rng([height, width]).integers(0, 256, (height, width, 3), dtype=np.uint8)


def plain(rgb: Pixels, recipe: Recipe) -> Pixels:
    """What torchvision's Resize and CenterCrop do to a Pillow image, step by step."""
    resample = Image.Resampling[recipe.interpolation.upper()]
    height, width = rgb.shape[:2]
    target = math.floor(recipe.size / recipe.crop)
    short, long = (width, height) if width <= height else (height, width)
    longer = int(target * long / short)
    wide, high = (target, longer) if width <= height else (longer, target)
    top, left = round((high - recipe.size) / 2.0), round((wide - recipe.size) / 2.0)
    resized = Image.fromarray(rgb).resize((wide, high), resample)
    return np.asarray(resized.crop((left, top, left + recipe.size, top + recipe.size)))


shapes = st.tuples(st.integers(1, 200), st.integers(1, 200))
recipes = st.builds(
    Recipe,
    size=st.integers(1, 80),
    crop=st.sampled_from([0.5, 0.8, 0.875, 0.882, 0.89, 0.95, 1.0]),
    interpolation=st.sampled_from(["bicubic", "bilinear", "nearest"]),
)


@given(shapes, recipes)
@settings(max_examples=150, deadline=None)
def test_crop_is_resize_then_centre_crop_to_the_bit(shape: tuple[int, int], recipe: Recipe) -> None:
    rgb = noise(*shape)
    assert (prepare(rgb, recipe) == plain(rgb, recipe)).all()


@pytest.mark.parametrize("shape", [(375, 500), (500, 333), (499, 375), (1200, 300), (300, 1200), (620, 300), (224, 224)])
@pytest.mark.parametrize("recipe", [Recipe(224), Recipe(240, crop=0.882), Recipe(260, crop=0.890)])
def test_photos_of_usual_shapes_too(shape: tuple[int, int], recipe: Recipe) -> None:
    rgb = noise(*shape)
    assert (prepare(rgb, recipe) == plain(rgb, recipe)).all()


@given(shapes, recipes)
@settings(max_examples=60, deadline=None)
def test_grey_resized_as_one_band_is_grey_resized_as_three(shape: tuple[int, int], recipe: Recipe) -> None:
    grey = Image.fromarray(noise(*shape)[..., 0])
    by_one, by_three = bytearray(recipe.nbytes), bytearray(recipe.nbytes)
    resize_into(grey, recipe, by_one)
    resize_into(grey.convert("RGB"), recipe, by_three)
    assert by_one == by_three


@given(shapes)
@settings(max_examples=50, deadline=None)
def test_squash_is_one_resize_of_the_whole(shape: tuple[int, int]) -> None:
    rgb = noise(*shape)
    wanted = np.asarray(Image.fromarray(rgb).resize((32, 32), Image.Resampling.BILINEAR))
    assert (prepare(rgb, Recipe(32, crop_mode="squash", crop=1.0, interpolation="bilinear")) == wanted).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 65_000), (65_000, 1), (3, 65_000), (65_000, 3)])
@pytest.mark.parametrize("how", ["crop", "squash"])
def test_any_shape_fits_without_much_memory(shape: tuple[int, int], how: str) -> None:
    """torchvision would make 256 x 16,640,000 pixels of the slimmest."""
    rgb = np.full((*shape, 3), 77, np.uint8)
    assert (prepare(rgb, Recipe(224, crop_mode=how)) == 77).all()  # type: ignore[arg-type]


def test_the_result_is_the_callers_own() -> None:
    rgb = noise(32, 32)
    result = prepare(rgb, Recipe(32, crop=1.0))
    result[:] = 0
    assert (prepare(rgb, Recipe(32, crop=1.0)) == rgb).all()


@pytest.mark.parametrize(("size", "crop", "side"), [(32, 0.9, 35), (31, 0.95, 32), (32, 0.5, 64)])
def test_squash_with_a_crop_resizes_both_sides_and_keeps_the_centre(size: int, crop: float, side: int) -> None:
    rgb = noise(90, 50)
    edge = round((side - size) / 2)
    whole = Image.fromarray(rgb).resize((side, side), Image.Resampling.BICUBIC)
    wanted = np.asarray(whole.crop((edge, edge, edge + size, edge + size)))
    assert (prepare(rgb, Recipe(size, crop_mode="squash", crop=crop)) == wanted).all()


def test_a_decoded_picture_is_ready_for_prepare() -> None:
    from badimages import photo, save

    picture = decode(save(photo(), "PNG"))
    assert not isinstance(picture, Failure)
    assert prepare(picture, Recipe(16)).shape == (16, 16, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 3)),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
    ],
)
def test_other_arrays_are_refused_by_name(wrong: Pixels) -> None:
    with pytest.raises(InputError, match=r"uint8 array \(h, w, 3\)"):
        prepare(wrong, Recipe(8))


@pytest.mark.parametrize(("size", "crop"), [(0, 0.9), (224, 0.0), (224, 1.1)])
def test_an_impossible_recipe_is_refused(size: int, crop: float) -> None:
    with pytest.raises(InputError, match="a recipe needs"):
        Recipe(size, crop=crop)


def test_recipes_that_differ_in_mean_and_std_share_their_geometry() -> None:
    assert Recipe(224).geometry == Recipe(224, mean=(0.5, 0.5, 0.5), channels="bgr").geometry
    assert Recipe(224).geometry != Recipe(224, crop=0.9).geometry
    assert Recipe(224, crop_mode="squash").geometry != Recipe(224, crop_mode="squash", crop=1.0).geometry


def test_a_recipe_is_read_back_as_it_was_written() -> None:
    recipe = Recipe(260, "squash", 0.89, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bgr")
    assert Recipe.from_dict(recipe.to_dict()) == recipe
