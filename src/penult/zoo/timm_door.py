"""The one door to timm.

In: nothing. Out: the module `timm`, imported in a way that works with every pair of torch and torchvision.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from penult.errors import MissingExtra

# torchvision's Python part describes these two operators at import; its C++ part, which declares them, cannot
# be loaded beside a torch of another build (PyPI's torchvision beside a CPU torch). timm calls neither.
_OPERATORS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def import_timm() -> ModuleType:
    """Import timm, mending a torchvision whose C++ part does not fit the torch beside it.

    Without the cure the import ends in `operator torchvision::nms does not exist`. Raises `MissingExtra`.
    """
    missing = [name for name in ("torch", "torchvision", "timm") if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtra(f"{', '.join(missing)}: not installed; pip install 'penult[timm]'")
    import torch

    _declare_operators(torch)
    import timm

    return timm  # type: ignore[no-any-return]


def _declare_operators(torch: Any) -> None:
    spec = importlib.util.find_spec("torchvision")
    folders = spec.submodule_search_locations if spec else None
    for library in sorted(Path(folders[0]).glob("_C*")) if folders else []:
        try:
            torch.ops.load_library(str(library))  # the whole torchvision where it fits; loading twice is harmless
        except OSError:
            continue
    for name, schema in _OPERATORS.items():
        if not hasattr(torch.ops.torchvision, name):
            torch.library.define(f"torchvision::{name}", schema)
