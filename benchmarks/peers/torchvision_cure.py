"""Import timm beside any build of torch.

In: nothing. Out: torch and timm. PyPI's torchvision beside a CPU build of torch fails to import (`operator torchvision::nms
does not exist`): its Python part describes two operators that its C++ part, which does not load there, would declare. timm
calls neither.
"""

from __future__ import annotations

from typing import Any


def torch_and_timm() -> tuple[Any, Any]:
    """Return the modules torch and timm."""
    import torch

    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import timm

    return torch, timm
