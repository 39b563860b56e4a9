"""Pretrained networks as records: weights, recipe, license, and an ONNX graph.

In: a name. Out: a `Backbone`. It must not know which engine runs the graph, nor where pixels come from.
"""

from penult.backbones.backbone import Backbone, Function, Stored
from penult.backbones.catalogue import DEFAULT, find, names, table
from penult.backbones.quality import quality
from penult.backbones.thumbnail import thumbnail

__all__ = ["DEFAULT", "Backbone", "Function", "Stored", "find", "names", "quality", "table", "thumbnail"]
