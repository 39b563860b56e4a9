"""Images in, feature rows out: `embed` is THE loop, `write_features` keeps the rows of one folder as HDF5.

`speed` says how fast a network was on this machine, `measure_speed` finds it out.
"""

from __future__ import annotations

from penult.embed.feature_file import scan_images, write_features
from penult.embed.loop import Embedding, embed
from penult.embed.options import EmbedOptions, Tolerance
from penult.embed.photo_thumbnails import PhotoThumbnails
from penult.embed.remarks import at_depth, depth_notes, find_depth
from penult.embed.streams import EnginePool, RowStream, is_cached
from penult.embed.throughput import measure_speed, speed
from penult.embed.warm import EmbeddedRows, WarmEmbedder

__all__ = [
    "EmbedOptions",
    "EmbeddedRows",
    "Embedding",
    "EnginePool",
    "PhotoThumbnails",
    "RowStream",
    "Tolerance",
    "WarmEmbedder",
    "at_depth",
    "depth_notes",
    "embed",
    "find_depth",
    "is_cached",
    "measure_speed",
    "scan_images",
    "speed",
    "write_features",
]
