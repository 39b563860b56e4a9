"""What a Keras network wants to see, found out by asking its family's own `preprocess_input`.

In: the name of a network, and what the user wants otherwise. Out: a `Recipe`.

Keras publishes no geometry with its networks, only input sizes. So the recipe has ImageNet's usual centre crop: 0.875 of the
shorter side, and 0.8975 for Xception, where timm's `legacy_xception.tf_in1k` (the same weights) has it. `crop_mode="squash"`
is the way of most Keras code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.errors import InputError, unknown
from penult.pixels.recipe import Recipe
from penult.zoo.keras_door import build_whole, family, find

_CROP = {"Xception": 0.8975}
_USUAL_CROP = 0.875
_OPEN = 224  # of networks that take any size even with their last layer: MobileNetV3, whose files are called ..._224_...
_DIGITS = 14  # of the 16 that a double has: what probing rounds off
Array = NDArray[np.float64]


def recipe_of(name: str, changes: Mapping[str, Any]) -> Recipe:
    """Return the recipe of the network `name` with the user's `changes`.

    Raises `InputError` where the family's preprocessing is not one that a recipe can say, `UnknownName` for a setting
    that recipes do not have.
    """
    scale, offset, channels = _probed(name)
    std = 1 / (255 * scale)  # (3,)
    settings = Recipe(
        size=changes["size"] if "size" in changes else build_whole(name).input_shape[1] or _OPEN,
        crop=_CROP.get(name, _USUAL_CROP),
        mean=_triple(-offset * std),
        std=_triple(std),
        channels="bgr" if channels == "bgr" else "rgb",
    ).to_dict()
    for setting in changes:
        if setting not in settings:
            raise unknown("recipe setting", setting, settings)
    return Recipe.from_dict({**settings, **changes})


def _probed(name: str) -> tuple[Array, Array, str]:
    """Return scale (3,), offset (3,) and channel order of y = scale * x + offset; x are the pixels 0..255 in that order.

    So `scale` and `offset` stand in the order of what the network sees, as `Recipe.mean` and `Recipe.std` do.
    """
    black = _preprocessed(name, np.zeros((1, 3)))[0]  # (3,)
    pure = _preprocessed(name, 255 * np.eye(3))  # row i is what pure red, green or blue becomes
    mixing = ((pure - black) / 255).T  # (3 seen, 3 of RGB)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 3)).astype(np.float64)
    affine = np.allclose(_preprocessed(name, pixels), pixels @ mixing.T + black, rtol=1e-9, atol=1e-9)
    for channels, own in (("rgb", mixing), ("bgr", mixing[:, ::-1])):
        scale = np.diag(own)
        if affine and np.allclose(own, np.diag(scale), atol=1e-12) and (scale > 0).all():
            return scale, black, channels
    raise InputError(
        f"{find(name).__module__}.preprocess_input does more than scale and shift each channel, so no recipe can say "
        f"it; keras:{name} cannot be used with this version of Keras."
    )


def _preprocessed(name: str, colours: Array) -> Array:
    """Return what the family makes of `colours` (n, 3), RGB 0..255: (n, 3)."""
    image = colours.reshape(1, 1, -1, 3).copy()  # it works in place
    seen = family(find(name)).preprocess_input(image, data_format="channels_last")
    return np.asarray(seen, np.float64).reshape(-1, 3)


def _triple(values: Array) -> tuple[float, float, float]:
    first, second, third = (float(f"{v:.{_DIGITS}g}") + 0.0 for v in values)  # + 0.0 makes -0.0 a plain zero
    return first, second, third
