"""The heads by name: each file here is one, and `--head` takes the file's name. To add a head, add a file.

A head is a class that derives from `penult.heads.head.Head`. It is a dataclass: its fields are its parameters, which
scikit-learn finds in the signature. It defines `name`, the name of its file, and `search`; all else is shared.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from penult.errors import unknown

CANDIDATES = ["blend", "logistic", "svm", "knn", "centroid", "lda"]  # what `auto` compares


@cache
def head_names() -> list[str]:
    """Return the names of the heads, which are those of the files here, the default first."""
    found = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))  # pkgutil would load much for `--help`
    return [*CANDIDATES, *(name for name in found if name not in CANDIDATES)]


def check_head(name: str) -> None:
    """Raise UnknownName, with the nearest names, when there is no head `name`."""
    if name not in head_names():
        raise unknown("head", name, head_names())


def find_head(name: str) -> Any:
    """Return the class of the head `name`; raises UnknownName. It loads scikit-learn."""
    check_head(name)
    return next(c for c in vars(import_module(f"{__name__}.{name}")).values() if getattr(c, "name", None) == name)


def make_head(name: str, **params: Any) -> Any:
    """Return the unfitted head `name`; raises UnknownName."""
    return find_head(name)(**params)
