"""Tests that need an extra: run by `make test-extras`, skipped with the cure where it is not installed."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from typing import Any

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


class InProcess:
    """A stand-in for `penult.worker.Worker` that works in this process, which has imported torch already."""

    def __init__(self, work: str, **_: Any) -> None:
        module, name = work.split(":")
        self._work, self._sent = getattr(importlib.import_module(module), name), list[Any]()

    def __enter__(self) -> InProcess:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def send(self, task: Any) -> None:
        self._sent.append(task)

    def answers(self) -> Iterator[Any]:
        return iter(self._work(iter(self._sent)))


def convert_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `zoo.find_backbone` convert, and `zoo.listing` ask, in this process: torch is imported already."""
    from penult.zoo import catalog

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(catalog, "Worker", InProcess)
