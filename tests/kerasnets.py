"""Networks of `keras.applications` with random weights that behave like trained ones, and files of them.

Random weights alone make every picture look alike, and a batch normalization that has seen nothing does nothing: here its
statistics are those of a batch of pictures, so a weight in the wrong place is a large error.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from penult.zoo.keras_network import application, build, family, import_keras
from penult.zoo.sources import LoadedModel


def pictures(count: int, size: int, seed: int = 0) -> np.ndarray:
    """Return pictures of coloured squares and noise: uint8 (n, s, s, 3)."""
    random = np.random.default_rng(seed)
    squares = random.integers(0, 256, (count, 5, 5, 3)).repeat(-(-size // 5), 1).repeat(-(-size // 5), 2)
    noise = random.normal(0, 20, (count, size, size, 3))
    return np.clip(squares[:, :size, :size] + noise, 0, 255).astype(np.uint8)


def healthy(name: str, size: int, model: Any = None) -> Any:
    """Return the network without its last layer, its weights random, its statistics those of pictures."""
    import torch

    keras, random = import_keras(), np.random.default_rng(1)
    keras.utils.set_random_seed(1)
    model = model or build(name, size)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.momentum = 0.0  # the statistics of the last batch
            if layer.gamma is not None:  # InceptionV3 has none
                layer.gamma.assign(random.uniform(0.5, 1.5, layer.gamma.shape))
            layer.beta.assign(random.normal(0, 0.2, layer.beta.shape))
        elif type(layer).__name__ == "LayerScale":
            layer.gamma.assign(random.uniform(0.5, 1.5, layer.gamma.shape))
        elif type(layer).__name__ == "Normalization" and layer.weights:
            layer.adapt_mean.assign([0.4, 0.5, 0.6])
            layer.adapt_variance.assign([0.05, 0.06, 0.07])
            layer.finalize_state()
    with torch.no_grad():
        model(seen(name, pictures(8, size)), training=True)
    return model


def with_top(name: str, size: int, model: Any, classes: int = 3) -> Any:
    """Return the whole network, its weights those of `model` and a random last layer."""
    whole = application(name)(weights=None, classes=classes, input_shape=(size, size, 3), classifier_activation=None)
    own = model.get_weights()
    whole.set_weights(own + whole.get_weights()[len(own) :])
    return whole


def seen(name: str, pixels: np.ndarray) -> np.ndarray:
    """Return what the family's own preprocessing makes of pixels (n, s, s, 3)."""
    return np.asarray(family(name).preprocess_input(pixels.astype(np.float32), data_format="channels_last"))


def keras_features(name: str, model: Any, pixels: np.ndarray) -> np.ndarray:
    """Return the features (n, d) as Keras's documentation says to make them."""
    return np.asarray(model.predict(seen(name, pixels), verbose=0))


def our_outputs(loaded: LoadedModel, pixels: np.ndarray) -> list[np.ndarray]:
    """Return features (n, d) and maybe maps (n, d, h, w) of pixels to which the recipe is done as the graph does it."""
    import torch

    recipe = loaded.recipe
    x = pixels[..., ::-1] if recipe.channels == "bgr" else pixels
    x = (x / 255 - np.array(recipe.mean)) / np.array(recipe.std)
    with torch.no_grad():
        outputs = loaded.network(torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2), np.float32)))
    return [np.asarray(o) for o in outputs]


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the relative L2 error (n, d) after what all pictures have in common is taken away."""
    ours, theirs = ours - theirs.mean(0), theirs - theirs.mean(0)
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def save(model: Any, path: Path) -> Path:
    """Save as the name says: `.keras`, `.weights.h5`, `.h5` (a whole model), `.old.h5` (weights in the old layout)."""
    import h5py

    if path.name.endswith(".weights.h5"):
        model.save_weights(path)
    elif path.name.endswith(".old.h5"):
        whole = path.with_name(f"{path.stem}.whole.h5")
        model.save(whole)
        with h5py.File(whole) as source, h5py.File(path, "w") as target:
            for name in source["model_weights"]:
                source.copy(f"model_weights/{name}", target)
            target.attrs.update(source["model_weights"].attrs)
        whole.unlink()
    else:
        model.save(path)
    return path


def copied(path: Path, name: str) -> Path:
    """Return a copy of a file beside it, to be damaged."""
    return Path(shutil.copy(path, path.with_name(name)))
