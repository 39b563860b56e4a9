"""Transfer learning from the penultimate layer: folders of photos in, a calibrated classifier out."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penult.bundle import Bundle as Bundle
    from penult.errors import DamagedFile as DamagedFile
    from penult.errors import InputError as InputError
    from penult.errors import InternalError as InternalError
    from penult.errors import MissingExtra as MissingExtra
    from penult.errors import OutputError as OutputError
    from penult.errors import PenultError as PenultError
    from penult.errors import TooManyBad as TooManyBad
    from penult.errors import UnknownName as UnknownName
    from penult.estimators import Embedder as Embedder
    from penult.estimators import TransferClassifier as TransferClassifier
    from penult.evaluate import Evaluation as Evaluation
    from penult.predict import Predictor as Predictor
    from penult.predict import load as load
    from penult.predict import load_model as load_model
    from penult.sources import FileContent as FileContent
    from penult.training import Run as Run
    from penult.training import train as train
    from penult.zoo import list_backbones as list_backbones

__version__ = "0.2.0"

_ERRORS = (
    "DamagedFile", "InputError", "InternalError", "MissingExtra", "OutputError", "PenultError", "TooManyBad", "UnknownName",
)  # fmt: skip
_HOMES = {
    "Bundle": "penult.bundle",
    "Embedder": "penult.estimators",
    "Evaluation": "penult.evaluate",
    "FileContent": "penult.sources",
    "Predictor": "penult.predict",
    "Run": "penult.training",
    "TransferClassifier": "penult.estimators",
    "list_backbones": "penult.zoo",
    "load": "penult.predict",  # the former name of load_model
    "load_model": "penult.predict",
    "train": "penult.training",
    **dict.fromkeys(_ERRORS, "penult.errors"),
}
_CALLED = ("audit", "compare", "embed", "evaluate", "explain", "predict")  # packages that are functions, too: see `penult.api`
__all__ = [  # noqa: PLE0604  the errors are names
    "Bundle", "Embedder", "Evaluation", "FileContent", "Predictor", "Run", "TransferClassifier", "list_backbones",
    "load_model", "train",
    *_CALLED,
    *_ERRORS,
]  # fmt: skip


class _CalledPackage(ModuleType):
    """A package of ours that is called as the command of its name: `penult.audit("photos")` is `penult.api.audit_source`."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self._function(*args, **options)

    @property
    def _function(self) -> Any:
        return import_module("penult.api").CALLED[self.__name__.rpartition(".")[2]]

    @property
    def __signature__(self) -> Any:
        from inspect import signature

        return signature(self._function)


class _Root(ModuleType):
    """`penult` itself: whichever way a package is imported first, it can be called from then on."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _CALLED and type(value) is ModuleType:
            value.__class__ = _CalledPackage
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Root


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import penult` loads nothing heavy."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _CALLED:
        return import_module(f"penult.{name}")
    raise AttributeError(f"module 'penult' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
