"""Pretrained networks as records: weights, recipe, license, and an ONNX graph.

In: a name. Out: a `Backbone`. It must not know which engine runs the graph, nor where pixels come from.
"""

from penult.backbones.backbone import Backbone, NumpyFunction, StoredGraph
from penult.backbones.builtin import LITES, builtin_names, builtin_table, find_builtin, large_thumbnail, quality, thumbnail

__all__ = [
    "LITES",
    "Backbone",
    "NumpyFunction",
    "StoredGraph",
    "builtin_names",
    "builtin_table",
    "find_builtin",
    "large_thumbnail",
    "quality",
    "thumbnail",
]
