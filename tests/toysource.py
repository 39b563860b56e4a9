"""A source of networks as one would add it to `penult.zoo.sources.SOURCES`: names `toy:...`, no library needed."""

from __future__ import annotations

from collections.abc import Iterator

from onnxnets import RECIPE, WIDTH, ending
from penult.errors import unknown
from penult.zoo.catalog import Listed, fits
from penult.zoo.sources import LoadedModel, ModelSpec

NAMES = ("plain", "double")


def load(spec: ModelSpec) -> LoadedModel:
    """Return a network as ONNX bytes; a torch module would do as well."""
    if spec.name not in NAMES:
        raise unknown("toy backbone", spec.name, NAMES)
    twice = spec.name == "double"
    body = ending(
        lambda net, x: net.add("Flatten", net.add("ReduceSum" if twice else "GlobalAveragePool", x, out="pool", **(
            {"axes": [2, 3]} if twice else {}
        )), out="features"), ("n", WIDTH), opset=12,
    )  # fmt: skip
    return LoadedModel(body.SerializeToString(), RECIPE, "none", "0" * 64, "MIT", "toys", params=294)


def list_networks(pattern: str) -> Iterator[Listed]:
    """Yield the networks whose name fits."""
    for name in NAMES:
        if fits(f"toy:{name}", pattern):
            yield Listed(f"toy:{name}", "toy", "", WIDTH, RECIPE.size)
