"""Models whose explanations are known: heads made by hand or fitted on drawn pictures, photos with a square in them."""

from __future__ import annotations

from typing import Any

import numpy as np

from penult import engines, heads, pixels
from penult.backbones import Backbone
from penult.bundle import Bundle
from penult.embed import EmbedOptions
from penult.heads import HeadState
from penult.predict import Predictor

F32 = EmbedOptions(device="cpu", precision="f32", cache=False)


def linear(weights: Any, intercepts: Any = 0.0, classes: int = 2, blocks: tuple[int, ...] | None = None) -> HeadState:
    """Return an unscaled linear head of weights (c, d)."""
    weights = np.asarray(weights, np.float32)  # (c, d)
    facts = {
        "head": "logistic", "scaling": "none", "blocks": list(blocks or (weights.shape[1],)), "classes": classes,
        "temperature": 1.0, "clip": 0.0,
    }  # fmt: skip
    return HeadState("linear", {"weights": weights, "intercepts": np.full(len(weights), intercepts, np.float64)}, facts)


def model(backbones: tuple[Backbone, ...], head: HeadState, settings: EmbedOptions = F32, **more: Any) -> Predictor:
    """Return a model of networks and a head; its classes are called a, b, c, ..."""
    k = head.facts["classes"]
    widths = tuple(b.width for b in backbones)
    return Predictor(Bundle(tuple("abcdefgh"[:k]), backbones, widths, head, np.full(k, 1 / k), **more), settings)


def fitted(kind: str, X: np.ndarray, k: int = 2, **params: Any) -> HeadState:
    """Return a head fitted on rows (n, d) whose classes take turns."""
    head = heads.make_head(kind, folds=3, **params).fit(X, np.arange(len(X)) % k)
    state: HeadState = head.to_arrays()
    return state


def features(photos: list[np.ndarray], backbone: Backbone) -> np.ndarray:
    """Return the features of photos (n, d) as `predict` computes them: the graph's own output, by the engine, in f32."""
    engine = engines.open_engine(backbone, "cpu", "f32")
    rows = engine(np.stack([pixels.prepare(photo, backbone.recipe) for photo in photos]))
    engine.close()
    return rows


def square(height: int, width: int, top: int, left: int, side: int, colour: tuple[int, int, int] = (255, 0, 0)) -> np.ndarray:
    """Return a black photo (h, w, 3) with one square of a colour in it."""
    photo = np.zeros((height, width, 3), np.uint8)
    photo[top : top + side, left : left + side] = colour
    return photo


def middle(heat: np.ndarray) -> tuple[float, float]:
    """Return row and column of the centre of gravity of a heat (h, w) that is nowhere below 0."""
    rows, columns = np.indices(heat.shape)
    return float((rows * heat).sum() / heat.sum()), float((columns * heat).sum() / heat.sum())


def some(n: int, height: int = 90, width: int = 120) -> list[np.ndarray]:
    """Return drawn photos (h, w, 3): smooth waves, and noise."""
    rng = np.random.default_rng(n)
    rows, columns = np.mgrid[0:height, 0:width]
    photos = []
    for i in range(n):
        waves = [np.sin(rows / rng.uniform(2, 20) + columns / rng.uniform(2, 20) + c) for c in range(3)]
        grain = rng.normal(0, 20 * (i % 3), (height, width, 3))
        photos.append(np.clip(127 + 110 * np.stack(waves, -1) + grain, 0, 255).astype(np.uint8))
    return photos
