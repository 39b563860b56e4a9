"""Data sets of other libraries as images: anything with a length and numbers that gives pictures, or records with one in it.

`torchvision` gives pairs of an image and a label, Hugging Face `datasets` gives records (dicts) with an image in them. Neither
package is needed: only the shape of what item 0 is counts. Nothing is copied: each image is asked for when it is looked at.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penult.errors import InputError, listed
from penult.i18n import _
from penult.pixels.recipe import Failure
from penult.sources import FileContent

_IMAGES = ("image", "img", "photo", "picture", "pixel_values")  # what people call the image of a record
_LABELS = ("label", "labels", "target", "class", "y", "fine_label")
_TENSORS = ("torch", "torchvision", "tensorflow", "jax")


@dataclass(frozen=True, slots=True, eq=False)
class DatasetImage:
    """Image number `index` of a data set, in field `key` of its items (None: the item itself); read when it is needed."""

    dataset: Any
    index: int
    key: Any

    def load(self) -> Any:
        """Return a path, a `FileContent`, an array or a Pillow image; a `Failure` where the data set gives none."""
        try:
            item = self.dataset[self.index]
            return _source(item if self.key is None else item[self.key])
        except Exception as error:  # what other code raises, for a file that is gone, or one that it cannot decode
            return Failure("unreadable file", _("the data set raised {kind}: {error}", kind=type(error).__name__, error=error))


def dataset_images(X: Any) -> list[DatasetImage] | str | None:
    """Return the images of a data set, not read yet; None where X is none, or a sentence on what its items lack."""
    if not _is_dataset(X):
        return None
    first = X[0]
    key = _key(first)
    if key is _NOTHING:
        return _no_image(first)
    raw = _undecoded(X, key)
    return [DatasetImage(raw, i, key) for i in range(len(X))]


def dataset_labels(X: Any) -> list[Any] | None:
    """Return the label of each item of a data set of pairs or records; None where there are none.

    They are names where the data set has names for its numbers.
    """
    if not _is_dataset(X):
        return None
    first = X[0]
    if isinstance(first, Mapping):
        name = next((name for name in _LABELS if name in first), None)
        if name is None:
            return None
        column = X[name] if hasattr(X, "features") else [X[i][name] for i in range(len(X))]
        names = getattr(getattr(X, "features", {}).get(name), "names", None)
    elif isinstance(first, tuple) and len(first) == 2:
        column = getattr(X, "targets", None)
        column = [X[i][1] for i in range(len(X))] if column is None else column
        names = getattr(X, "classes", None)
    else:
        return None
    labels = [one.item() if hasattr(one, "item") else one for one in column]
    return [names[one] for one in labels] if names and all(isinstance(one, int) for one in labels) else labels


_NOTHING = object()


def _is_dataset(X: Any) -> bool:
    """Whether X has a length and items by number, and these are pairs, records, or X is no plain list of pictures."""
    if isinstance(X, str | bytes | os.PathLike | Mapping | set | frozenset) or not hasattr(X, "__getitem__"):
        return False
    if hasattr(X, "__array__") or hasattr(X, "iloc") or hasattr(X, "dtype") or hasattr(X, "getexif"):
        return False
    try:
        if not len(X):
            return False
        first = X[0]
    except (TypeError, KeyError, IndexError, InputError):
        return False
    if isinstance(X, Sequence):  # a list of paths or pictures is what it is
        return isinstance(first, Mapping) or (isinstance(first, tuple) and bool(first) and hasattr(first[0], "getexif"))
    return not isinstance(first, str | os.PathLike)


def _key(first: Any) -> Any:
    """Return where in an item its image is: None for the item itself, `_NOTHING` where there is none."""
    if isinstance(first, Mapping):
        names = [name for name in first if _is_image(first[name])]
        return next((name for name in _IMAGES if name in names), names[0] if names else _NOTHING)
    if isinstance(first, tuple):
        return next((i for i, part in enumerate(first) if _is_image(part)), _NOTHING)
    return None


def _is_image(thing: Any) -> bool:
    if isinstance(thing, Mapping):  # Hugging Face, not decoded
        return "bytes" in thing or "path" in thing
    array = str(getattr(thing, "dtype", "")) == "uint8" and len(getattr(thing, "shape", ())) in {2, 3}
    return hasattr(thing, "getexif") or isinstance(thing, bytes | FileContent) or array


def _source(thing: Any) -> Any:
    """Return what a data set calls an image as one of ours."""
    if isinstance(thing, Mapping):
        return FileContent(thing["bytes"]) if thing.get("bytes") else thing["path"]
    if isinstance(thing, bytes | bytearray):
        return FileContent(bytes(thing))
    return thing


def _no_image(first: Any) -> str:
    parts = list(first.items()) if isinstance(first, Mapping) else list(enumerate(first))
    kinds = listed(f"{name}: {type(part).__name__}" for name, part in parts)
    if any(type(part).__module__.partition(".")[0] in _TENSORS for _, part in parts):
        return _(
            "the items of this data set are tensors ({kinds}), which its transform made; give the data set without a "
            "transform, so that it gives Pillow images.",
            kinds=kinds,
        )
    return _(
        "the items of this data set hold no image ({kinds}); give one whose items are images, or have one in them.",
        kinds=kinds,
    )


def _undecoded(X: Any, key: Any) -> Any:
    """Return a data set of Hugging Face that gives files as they are instead of decoded pictures; any other as it is."""
    feature = getattr(X, "features", None)
    feature = feature.get(key) if isinstance(feature, Mapping) else None
    if feature is None or not hasattr(X, "cast_column") or not getattr(feature, "decode", False):
        return X
    return X.cast_column(key, type(feature)(decode=False))
