"""What a caller of the Python API gives as images, as a list of sources: one photo, several, or a column of a table.

In: whatever stands where images belong. Out: a list of paths, arrays and Pillow images, or one sentence that says what it is
instead. Nothing is opened or decoded here.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any

from penult.errors import InputError
from penult.pixels.sources import PATH, what_else

_SHOWN = 5
_WANTED = "a path, a uint8 array (h, w, 3) or (h, w), or a Pillow image"
_COLUMNS = ("path", "file", "filename", "filepath", "image", "image_path", "img", "photo")  # what people call the paths
_BEGINNINGS = (b"\xff\xd8", b"\x89PNG", b"GIF8", b"RIFF", b"II*\0", b"MM\0*", b"BM")  # of image files; no path begins so
_OPEN = "open it first: PIL.Image.open(io.BytesIO(data)), or PIL.Image.open(file)"
_TENSOR = "make it a uint8 array first: (tensor.permute(1, 2, 0) * 255).byte().numpy() for channels first and 0..1"


def image_list(X: Any) -> list[Any]:
    """Return images as a list of `str` and `bytes` paths, uint8 arrays (h, w, 3) or (h, w), and Pillow images.

    One photo (a path, an array (h, w, 3) or (h, w), a Pillow image) is a list of one. Lists, tuples, generators, arrays
    (n, h, w, 3), arrays and pandas columns of paths are taken, and a table of one column. Raises `InputError` for everything
    else, with all items that are no image. An empty list is returned as it is.
    """
    found = _items(X)
    problem = found if isinstance(found, str) else _unfit(found)
    if problem:
        raise InputError(problem)
    return [str(x) if isinstance(x, str) or (isinstance(x, os.PathLike) and not isinstance(x, bytes)) else x for x in found]


def image_name(index: int, source: Any) -> str:
    """Return a path as text; pixels have no name, and get their place."""
    return os.fsdecode(source) if isinstance(source, PATH) else f"image number {index}"


def _items(X: Any) -> list[Any] | str:
    """Return the items of X, not looked at yet, or what is wrong with X as a whole."""
    if isinstance(X, PATH):
        return _problem_of_one(X) or [X]
    if hasattr(X, "getexif"):
        return [X]
    if problem := _no_list(X):
        return problem
    if hasattr(X, "columns") and hasattr(X, "__getitem__"):
        return _column(X)
    if hasattr(X, "__array__") and len(getattr(X, "shape", ())) != 1:
        return _items_of_array(X)
    try:
        return list(iter(X))
    except TypeError:
        return f"got {_called(X)} for images; give a list of paths, uint8 arrays (h, w, 3) or Pillow images."


def _no_list(X: Any) -> str:
    """Return why X as a whole is no list of images, or nothing."""
    if X is None:
        return "no images were given (None); give a list of paths, arrays or Pillow images."
    if isinstance(X, set | frozenset):
        return "the images are a set, which has no order, so no answer could be told from another; give a list."
    if isinstance(X, Mapping):
        return "the images are a dict; give a list, such as list(images.keys()) or list(images.values())."
    return f"got {_called(X)} for images; {cure}." if (cure := _cure(X)) else ""


def _problem_of_one(path: Any) -> str:
    """Return why one path alone is no photo: the bytes of a file, a folder, a pattern, an address; else nothing."""
    if _is_content(path):
        return f"got the content of an image file ({len(path):,} bytes) for images; {_OPEN}."
    text = os.fsdecode(path)
    if "://" in text:
        return f"{text[:200]} is an address, not a file; download it and give its path."
    if "\0" in text:
        return f"{text[:200]!r} cannot be the name of a file; give the path of a photo."
    if os.path.isdir(text):  # noqa: PTH112 - names that no file can have are no reason to fail
        return (
            f"{text!r} is a folder; give a list of its photos, such as sorted(pathlib.Path({text!r}).rglob('*.jpg')), or run "
            "`penult predict MODEL FOLDER`."
        )
    if any(sign in text for sign in "*?[") and not os.path.lexists(text):
        return f"{text[:200]!r} is a pattern, not a file; give the list of its files: sorted(glob.glob({text[:200]!r}))."
    return ""


def _column(table: Any) -> list[Any] | str:
    """Return the one column of a table (pandas, polars), or a sentence that names the column to give."""
    names = list(table.columns)
    if len(names) == 1:
        return list(table.iloc[:, 0] if hasattr(table, "iloc") else table[table.columns[0]])
    if not names:
        return "the images are a table without columns; give a list of paths."
    likely = next((name for name in names if str(name).lower() in _COLUMNS), names[0])
    listed = ", ".join(str(name)[:40] for name in names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
    return f"the images are a table of {len(names)} columns ({listed}); give the column of the paths alone: df[{likely!r}]."


def _items_of_array(X: Any) -> list[Any] | str:
    """Return the photos of an array of any library; an array (h, w) or (h, w, 3) is one photo."""
    import numpy as np

    try:
        array = np.asarray(X)
    except Exception:  # an array on a GPU, a lazy one: libraries differ in what they raise
        return f"got {_called(X)} for images; give a numpy array (n, h, w, 3) of uint8."
    if array.ndim == 0:
        return f"got {_called(array.item())} for images; give a list." if array.dtype.kind in "biufc" else _items(array.item())
    if array.dtype.kind in "OUS":
        if array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1):
            return list(array.reshape(-1))
        return f"got an array {array.dtype} {array.shape} for images; give one column of paths (X[:, 0]), or pixels as uint8."
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] in {1, 3, 4}):
        return [array]
    if array.ndim == 3 and array.shape[0] == 3:
        warnings.warn(
            f"an array of the shape {array.shape} is taken as three gray photos; if it is one photo with its channels first, "
            "give numpy.moveaxis(X, 0, -1).",
            stacklevel=2,
        )
    return list(array)


def _unfit(items: list[Any]) -> str:
    """Return a sentence about all items that are no image, or nothing."""
    bad = [(i, what) for i, item in enumerate(items) if (what := _what(item))]
    if not bad:
        return ""
    cure = next((cure for i, _ in bad if (cure := _cure(items[i]))), f"give {_WANTED}")
    if len(items) == 1:
        return f"got {bad[0][1]} for an image; {cure}."
    if len(bad) == len(items) and len({what for _, what in bad}) == 1:
        return f"each of the {len(items)} images is {bad[0][1]}; {cure}."
    told = ", ".join(f"number {i} is {what}" for i, what in bad[:_SHOWN])
    more = f" and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    return f"{len(bad)} of {len(items)} items are no images: {told}{more} (counted from 0); {cure}."


def _what(item: Any) -> str:
    """Return what an item is where it is no image, else nothing."""
    if _is_content(item):
        return f"the content of an image file ({len(item):,} bytes)"
    if isinstance(item, PATH):
        return ""
    return _called(item) if _cure(item) else what_else(item)


def _called(thing: Any) -> str:
    """Return what something is, for a message: its kind, and its value where that is a number."""
    kind = type(thing).__name__
    return f"{'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind}" + (f" ({thing})" if isinstance(thing, int | float) else "")


def _cure(thing: Any) -> str:
    """Return what to do with bytes, open files and tensors of torch; nothing for all else."""
    if _is_content(thing) or hasattr(thing, "read"):
        return _OPEN
    return _TENSOR if type(thing).__module__.partition(".")[0] in {"torch", "torchvision"} else ""


def _is_content(thing: Any) -> bool:
    """Whether these bytes are what stands in an image file, and not its path."""
    if isinstance(thing, bytearray | memoryview):
        return True
    return isinstance(thing, bytes) and (thing.startswith(_BEGINNINGS) or b"\0" in thing or len(thing) > 4096)
