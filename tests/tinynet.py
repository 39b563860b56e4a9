"""A network so small that its answer is known by hand, and pixels to show it."""

from __future__ import annotations

from typing import Any

import numpy as np

from penult.backbones import Backbone
from penult.backbones.backbone import StoredGraph
from penult.backbones.graph_builder import GraphBuilder
from penult.pixels.recipe import Recipe

SIDE = 32
MIX = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [-1, 0, 2]], np.float32)  # (5, 3)
BIAS = np.array([0, 0, 0, 0.5, 1], np.float32)


def tiny_graph(recipe: Recipe) -> bytes:
    """Return a network of one 1 x 1 convolution, cut to 0..6, and the mean over the picture."""
    graph = GraphBuilder("tiny")
    x = graph.conv(graph.preprocess("pixels", recipe), MIX[:, :, None, None], BIAS, kernel_shape=[1, 1])
    graph.add("ReduceMean", graph.relu6(x, out="maps"), axes=[2, 3], keepdims=0, out="features")
    return graph.model(SIDE, [("features", (5,)), ("maps", (5, SIDE, SIDE))])


def tiny(**changes: Any) -> Backbone:
    """Return the tiny network as a backbone; mean 0.5, std 0.25, so that pixels run from -2 to 2."""
    recipe = Recipe(SIDE, "squash", 1.0, mean=(0.5,) * 3, std=(0.25,) * 3, **changes)
    graph = StoredGraph(tiny_graph(recipe), recipe)
    return Backbone("tiny", (5,), "mean", recipe, "0" * 64, "none", "test", 20, 0.0, None, graph)


def by_numpy(pixels: np.ndarray) -> np.ndarray:
    """Return what the tiny network gives, in float64."""
    seen = (pixels / 255 - 0.5) / 0.25  # (n, s, s, 3)
    return np.clip(seen @ MIX.T + BIAS, 0, 6).mean(axis=(1, 2))  # (n, 5)


def noise(n: int, side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, side, side, 3), dtype=np.uint8)
