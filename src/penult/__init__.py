"""Transfer learning from the penultimate layer: folders of photos in, a calibrated classifier out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penult.bundle import Bundle as Bundle
    from penult.errors import PenultError as PenultError
    from penult.estimators import Embedder as Embedder
    from penult.estimators import TransferClassifier as TransferClassifier
    from penult.evaluate import Evaluation as Evaluation
    from penult.predict import load as load

__version__ = "0.1.0"

_HOMES = {
    "Bundle": "penult.bundle",
    "Embedder": "penult.estimators",
    "Evaluation": "penult.evaluate",
    "PenultError": "penult.errors",
    "TransferClassifier": "penult.estimators",
    "load": "penult.predict",
}
__all__ = ["Bundle", "Embedder", "Evaluation", "PenultError", "TransferClassifier", "load"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import penult` loads nothing heavy."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'penult' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
