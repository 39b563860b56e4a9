"""Marks of tests that need an extra: run by `make test-extras`, skipped with the cure where it is not installed."""

from __future__ import annotations

import importlib.util

import pytest


def needs(extra: str, *modules: str) -> list[pytest.MarkDecorator]:
    """Return the marks for a file whose tests need these modules of an extra."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    why = f"the extra `{extra}` is not installed: pip install 'penult[{extra}]'"
    return [pytest.mark.timm, pytest.mark.filterwarnings("default"), pytest.mark.skipif(bool(missing), reason=why)]


ONNXRUNTIME = pytest.mark.skipif(
    importlib.util.find_spec("onnxruntime") is None, reason="onnxruntime is not installed: pip install 'penult[dev]'"
)
TIMM = needs("timm", "torch", "torchvision", "timm", "onnxscript")
