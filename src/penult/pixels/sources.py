"""What a caller gives as images: one photo, several, or a column of a table; and reading one of them.

In: whatever stands where images belong. Out: a list of paths, contents of files, members, arrays and Pillow images, or one
sentence that says what it is instead; of one source its digest with bytes or picture, or a `Failure`.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from penult.errors import InputError, listed
from penult.i18n import N_, _
from penult.pixels.datasets import DatasetImage, dataset_images
from penult.pixels.decoding import MAX_PIXELS, finish
from penult.pixels.recipe import FULL_DEPTH, Failure
from penult.signatures import looks_like_image
from penult.sources import MAX_BYTES, FileContent, Member
from penult.texts import system_words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    File = str | bytes | os.PathLike[str] | FileContent | Member
    Source = File | NDArray[np.uint8] | Image | DatasetImage


PATH = (str, bytes, os.PathLike)  # a source of one of these types names a file
FILE = (*PATH, FileContent, Member)  # of these it is a file, to be decoded; any other is a picture
_SHOWN = 5
_WANTED = N_("a path, a uint8 array (h, w, 3) or (h, w), a Pillow image, or the content of a file as penult.FileContent")
_COLUMNS = ("path", "file", "filename", "filepath", "image", "image_path", "img", "photo")  # what people call the paths
_WRAP = N_("wrap it: penult.FileContent(data), or penult.FileContent(file.read()); bytes alone are a path")
_TENSOR = N_("make it a uint8 array first: (tensor.permute(1, 2, 0) * 255).byte().numpy() for channels first and 0..1")
# A named pipe that nobody writes to would hold the run for ever without O_NONBLOCK. No file object: it takes longer
# than a small file takes to read.
_HOW = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def read_file(path: File) -> tuple[bytes, bytes] | Failure:
    """Read a file once; returns the SHA-256 digest (32 bytes) and the bytes."""
    if isinstance(path, Member):
        if path.packing != "file":
            content = read_member(path)
            return content if isinstance(content, Failure) else read_file(content)
        path = path.path
    if isinstance(path, FileContent):
        size = len(path.data)
        return too_large(size) if size > MAX_BYTES else (hashlib.sha256(path.data).digest(), path.data)
    try:
        descriptor = os.open(path, _HOW)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                folder = stat.S_ISDIR(found.st_mode)
                return Failure("unreadable file", _(os.strerror(errno.EISDIR)) if folder else _("it is not a plain file"))
            if found.st_size > MAX_BYTES:
                return too_large(found.st_size)
            data = _read_all(descriptor, found.st_size)
        finally:
            os.close(descriptor)
    except OSError as error:
        return Failure("unreadable file", system_words(error))
    except (ValueError, MemoryError) as error:  # a name with a zero byte in it; no memory
        return Failure("unreadable file", str(error) or type(error).__name__)
    return hashlib.sha256(data).digest(), data


def read_member(member: Member) -> FileContent | Failure:
    """Read a member of an archive, or an object of a store."""
    try:
        return FileContent(member.read())
    except OSError as error:
        return failure_of(error)


def failure_of(error: OSError) -> Failure:
    """Return what an error of reading a member means for its image."""
    reason = {errno.EFBIG: "too large", errno.ESTALE: "changed archive"}.get(error.errno or 0, "unreadable file")
    return Failure(reason, system_words(error))


def too_large(size: int) -> Failure:
    """Return the failure of a file of so many bytes."""
    return Failure("too large", _("{size:,} bytes; at most {most:,} are read", size=size, most=MAX_BYTES))


def _read_all(descriptor: int, size: int) -> bytes:
    """Read to the end; a file that is being written may be longer or shorter than its `size` was."""
    data = os.read(descriptor, size + 1)
    if len(data) == size:
        return data
    pieces, total = [data], len(data)
    while pieces[-1] and total <= MAX_BYTES:  # more is refused by `decode`
        pieces.append(os.read(descriptor, 1 << 20))
        total += len(pieces[-1])
    return b"".join(pieces)


def content_digest(source: Source) -> bytes | None:
    """Return the SHA-256 digest by which a source is known, None for one that cannot be read; nothing is decoded."""
    if isinstance(source, DatasetImage) and isinstance(source := loaded(source), Failure):
        return None
    found = read_file(source) if isinstance(source, FILE) else read_picture(source)
    return None if isinstance(found, Failure) else found[0]


def loaded(source: Source | Failure) -> Any:
    """Return what an image of a data set is, now that it is looked at; every other source as it is."""
    if not isinstance(source, DatasetImage):
        return source
    found = source.load()
    if isinstance(found, (Failure, *FILE)) or not (what := describe_other(found)):
        return found
    return Failure("unreadable file", _("the data set gave {what} for an image", what=what))


def check_pictures(sources: Iterable[Source]) -> None:
    """Raise InputError for the first of them that `check_picture` refuses; files are not looked at."""
    for source in sources:
        if not isinstance(source, FILE):
            check_picture(source)


def check_picture(source: NDArray[np.uint8] | Image | DatasetImage) -> None:
    """Raise InputError unless `source` is a uint8 array (h, w, 3) or (h, w), or a Pillow image."""
    if what := describe_other(source):
        raise InputError(_("got {what} for an image; give {wanted}.", what=what, wanted=_(_WANTED)))


def describe_other(source: object) -> str:
    """Return what something is that is no picture, such as `an array float64 (9, 9)`; nothing for a picture."""
    if hasattr(source, "getexif") or isinstance(source, DatasetImage):
        return ""
    dtype, shape = str(getattr(source, "dtype", "")), getattr(source, "shape", ())
    if dtype == "uint8" and len(shape) in (2, 3) and (*shape, 3)[2] == 3 and 0 not in shape:
        return ""
    return _("an array {dtype} {shape}", dtype=dtype, shape=shape) if dtype and shape else _called(source)


def read_picture(
    source: NDArray[np.uint8] | Image, depth: int = FULL_DEPTH, max_pixels: int = MAX_PIXELS
) -> tuple[bytes, Image] | Failure:
    """Return digest and picture (`L` or `RGB`) of an array, uint8 (h, w, 3) or (h, w), or of a Pillow image.

    The digest is SHA-256 of the text `h,w,3:` and the RGB bytes, so the same pixels get the same digest
    either way.
    """
    from PIL import Image

    check_picture(source)
    picture = finish(lambda: source if isinstance(source, Image.Image) else Image.fromarray(source), depth, max_pixels)
    if isinstance(picture, Failure):
        return picture
    rgb = picture if picture.mode == "RGB" else picture.convert("RGB")
    digest = hashlib.sha256(f"{rgb.height},{rgb.width},3:".encode() + rgb.tobytes()).digest()
    return digest, picture


def image_list(X: Any) -> list[Any]:
    """Return images as a list of `str` and `bytes` paths, contents of files, members, uint8 arrays and Pillow images.

    One photo (a path, a `FileContent`, an array (h, w, 3) or (h, w), a Pillow image) is a list of one. Lists, tuples,
    generators, arrays (n, h, w, 3), arrays and pandas columns of paths are taken, a table of one column, and data sets (see
    `datasets`), whose images are read when they are needed. Raises
    `InputError` for everything else, with all items that are no image. An empty list is returned as it is.
    """
    found = _items(X)
    problem = found if isinstance(found, str) else _unfit(found)
    if problem:
        raise InputError(problem)
    return [str(x) if isinstance(x, str) or (isinstance(x, os.PathLike) and not isinstance(x, bytes)) else x for x in found]


def image_name(index: int, source: Any) -> str:
    """Return a path as text, the id of a member; pixels and contents have no name, and get their place."""
    if isinstance(source, Member):
        return source.id
    return os.fsdecode(source) if isinstance(source, PATH) else _("image number {n}", n=index)


def _items(X: Any) -> list[Any] | str:
    """Return the items of X, not looked at yet, or what is wrong with X as a whole."""
    if isinstance(X, PATH):
        return _problem_of_one(X) or [X]
    if isinstance(X, FileContent | Member) or hasattr(X, "getexif"):
        return [X]
    if problem := _no_list(X):
        return problem
    if hasattr(X, "columns") and hasattr(X, "__getitem__") and not hasattr(X, "features"):
        return _column(X)
    if (found := dataset_images(X)) is not None:
        return found
    if hasattr(X, "__array__") and len(getattr(X, "shape", ())) != 1:
        return _items_of_array(X)
    try:
        return list(iter(X))
    except TypeError:
        return _("got {what} for images; give a list of paths, uint8 arrays (h, w, 3) or Pillow images.", what=_called(X))


def _no_list(X: Any) -> str:
    """Return why X as a whole is no list of images, or nothing."""
    if X is None:
        return _("no images were given (None); give a list of paths, arrays or Pillow images.")
    if isinstance(X, set | frozenset):
        return _("the images are a set, which has no order, so no answer could be told from another; give a list.")
    if isinstance(X, Mapping):
        return _("the images are a dict; give a list, such as list(images.keys()) or list(images.values()).")
    return _("got {what} for images; {cure}.", what=_called(X), cure=_(cure)) if (cure := _cure(X)) else ""


def _problem_of_one(path: Any) -> str:
    """Return why one path alone is no photo: the bytes of a file, a folder, a pattern, an address; else nothing."""
    if _is_content(path):
        return _("got the content of an image file ({size:,} bytes) for images; {cure}.", size=len(path), cure=_(_WRAP))
    text = os.fsdecode(path)
    if "://" in text:
        return _("{text} is an address, not a file; download it and give its path.", text=text[:200])
    if "\0" in text:
        return _("{text!r} cannot be the name of a file; give the path of a photo.", text=text[:200])
    if os.path.isdir(text):  # noqa: PTH112 - names that no file can have are no reason to fail
        return _(
            "{text!r} is a folder; give a list of its photos, such as sorted(pathlib.Path({text!r}).rglob('*.jpg')), or run "
            "`penult predict MODEL FOLDER`.",
            text=text,
        )
    if any(sign in text for sign in "*?[") and not os.path.lexists(text):
        return _(
            "{text!r} is a pattern, not a file; give the list of its files: sorted(glob.glob({text!r})).", text=text[:200]
        )
    return ""


def _column(table: Any) -> list[Any] | str:
    """Return the one column of a table (pandas, polars), or a sentence that names the column to give."""
    names = list(table.columns)
    if len(names) == 1:
        return list(table.iloc[:, 0] if hasattr(table, "iloc") else table[table.columns[0]])
    if not names:
        return _("the images are a table without columns; give a list of paths.")
    likely = next((name for name in names if str(name).lower() in _COLUMNS), names[0])
    columns = listed(map(str, names), longest=40)
    told = N_("the images are a table of {n} columns ({names}); give the column of the paths alone: df[{likely!r}].")
    return _(told, n=len(names), names=columns, likely=likely)


def _items_of_array(X: Any) -> list[Any] | str:
    """Return the photos of an array of any library; an array (h, w) or (h, w, 3) is one photo."""
    import numpy as np

    try:
        array = np.asarray(X)
    except Exception:  # an array on a GPU, a lazy one: libraries differ in what they raise
        return _("got {what} for images; give a numpy array (n, h, w, 3) of uint8.", what=_called(X))
    if array.ndim == 0:
        if array.dtype.kind not in "biufc":
            return _items(array.item())
        return _("got {what} for images; give a list.", what=_called(array.item()))
    if array.dtype.kind in "OUS":
        if array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1):
            return list(array.reshape(-1))
        return _(
            "got an array {dtype} {shape} for images; give one column of paths (X[:, 0]), or pixels as uint8.",
            dtype=array.dtype,
            shape=array.shape,
        )
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] in {1, 3, 4}):
        return [array]
    if array.ndim == 3 and array.shape[0] == 3:
        warnings.warn(
            _(
                "an array of the shape {shape} is taken as three gray photos; if it is one photo with its channels first, "
                "give numpy.moveaxis(X, 0, -1).",
                shape=array.shape,
            ),
            stacklevel=2,
        )
    return list(array)


def _unfit(items: list[Any]) -> str:
    """Return a sentence about all items that are no image, or nothing."""
    bad = [(i, what) for i, item in enumerate(items) if (what := _what(item))]
    if not bad:
        return ""
    cures = (_(cure) for i, _told in bad if (cure := _cure(items[i])))
    cure = next(cures, _("give {wanted}", wanted=_(_WANTED)))
    if len(items) == 1:
        return _("got {what} for an image; {cure}.", what=bad[0][1], cure=cure)
    if len(bad) == len(items) and len({what for __, what in bad}) == 1:
        return _("each of the {n} images is {what}; {cure}.", n=len(items), what=bad[0][1], cure=cure)
    which = listed((_("number {i} is {what}", i=i, what=what) for i, what in bad), _SHOWN, longest=200)
    told = N_("{bad} of {n} items are not images: {which} (counted from 0); {cure}.")
    return _(told, bad=len(bad), n=len(items), which=which, cure=cure)


def _what(item: Any) -> str:
    """Return what an item is where it is no image, else nothing."""
    if _is_content(item):
        return _("the content of an image file ({size:,} bytes)", size=len(item))
    if isinstance(item, FILE):
        return ""
    return _called(item) if _cure(item) else describe_other(item)


def _called(thing: Any) -> str:
    """Return what something is, for a message: its kind, and its value where that is a number (nan: missing in a table)."""
    kind = type(thing).__name__
    named = _("an {kind}", kind=kind) if kind[:1].lower() in "aeio" else _("a {kind}", kind=kind)
    return _("{kind} ({value})", kind=named, value=thing) if isinstance(thing, int | float) else named


def _cure(thing: Any) -> str:
    """Return what to do with bytes, open files and tensors of torch; nothing for all else."""
    if _is_content(thing) or hasattr(thing, "read"):
        return _WRAP
    return _TENSOR if type(thing).__module__.partition(".")[0] in {"torch", "torchvision"} else ""


def _is_content(thing: Any) -> bool:
    """Whether these bytes are what stands in an image file, and not its path."""
    if isinstance(thing, bytearray | memoryview):
        return True
    return isinstance(thing, bytes) and (looks_like_image(thing[:32]) or b"\0" in thing or len(thing) > 4096)
