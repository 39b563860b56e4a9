"""Images in, feature rows out: `embed` is THE loop, `write_features` keeps the rows of one folder as HDF5."""

from __future__ import annotations

from penult.embed.feature_file import write_features
from penult.embed.loop import Embedding, Engines, Progress, Settings, embed, quiet

__all__ = ["Embedding", "Engines", "Progress", "Settings", "embed", "quiet", "write_features"]
