"""Drawn fruit: pictures that belong to nobody, as the tutorials have them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "docs" / "tutorials"))

from photos import lay_out

__all__ = ["lay_out"]
