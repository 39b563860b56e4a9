"""Every network by name: built in, timm's, Keras's, or a file; converted once, then from the cache without torch.

In: a name. Out: a `Backbone`. It must not know images, labels or heads. timm, Keras and torch are loaded in a child process
only, while a network is converted. `sources.SOURCES` is the table of where networks come from.
"""

from __future__ import annotations

from penult.zoo.catalog import Listed, catalog_folder, fetch, find_backbone, list_backbones, listing
from penult.zoo.names import COMPARED, DEFAULT, PRESETS, WHY, expand, understand, with_views
from penult.zoo.recipe_file import parse as parse_recipe
from penult.zoo.recipe_file import recipe_text
from penult.zoo.sources import Unreachable

__all__ = [
    "COMPARED",
    "DEFAULT",
    "PRESETS",
    "WHY",
    "Listed",
    "Unreachable",
    "catalog_folder",
    "expand",
    "fetch",
    "find_backbone",
    "list_backbones",
    "listing",
    "parse_recipe",
    "recipe_text",
    "understand",
    "with_views",
]
