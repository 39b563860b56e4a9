"""Paths that users give: what the system says when it refuses one, as a sentence; whether a name fits what is written under
it; and names of files for backbones, `data_<slug>.h5`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from penult.errors import InputError, OutputError
from penult.i18n import N_, _
from penult.texts import printable, system_words

ELSEWHERE = N_("choose another place for the results with --out DIR")

# What happened, by error number; every other number is said in the system's own words.
_WHAT = {
    errno.ENOSPC: N_("the disk is full"),
    errno.EDQUOT: N_("your disk quota is used up"),
    errno.EFBIG: N_("the file would be larger than this system allows"),
    errno.EROFS: N_("the file system is read-only"),
    errno.EACCES: N_("there is no permission to write there"),
    errno.EPERM: N_("there is no permission to write there"),
    errno.ENOTDIR: N_("a part of that path is a file, not a folder"),
    errno.EISDIR: N_("that is a folder"),
    errno.ENAMETOOLONG: N_("the name is too long"),
    errno.EIO: N_("the disk reports an error"),
}
_SENTENCES = {
    "write": N_("could not write {path}: {what}; {cure}. Nothing half-written was left."),
    "remove": N_("could not remove {path}: {what}; {cure}."),
    "look into": N_("could not look into {path}: {what}; {cure}."),
}
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}

# A write through an open file fails with one of these and has no file name; a failed `open` has one.
WRITE_FAILURES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})


def output_error(error: OSError, path: Path, cure: str = ELSEWHERE, action: str = "write") -> OutputError:
    """Return the error to raise where a path could not be written (or another `action`); `cure` says where else to write."""
    number = error.errno or 0
    what = _(_WHAT[number]) if number in _WHAT else system_words(error)
    cure = _("free some space or {otherwise}", otherwise=_(cure)) if number in _NO_SPACE else _(cure)
    return OutputError(_(_SENTENCES[action], path=printable(path), what=what, cure=cure))


def is_folder(path: Path) -> bool:
    """Return whether there is a folder; False, too, where a folder above it is closed to this user (`is_dir` raises then)."""
    with contextlib.suppress(OSError):
        return path.is_dir()
    return False


def is_file(path: Path) -> bool:
    """Return whether there is a file, False where that cannot be seen; see `is_folder`."""
    with contextlib.suppress(OSError):
        return path.is_file()
    return False


def is_taken(path: Path) -> bool:
    """Return whether a name is one of something, a link that leads nowhere among it, or cannot be one at all."""
    try:
        return os.path.lexists(path)
    except (OSError, ValueError):
        return True


def reason(error: OutputError) -> str:
    """Return why something could not be written, without place and cure; the whole error where the system said nothing."""
    cause = error.__cause__
    if not isinstance(cause, OSError):
        return str(error)
    return _(_WHAT[cause.errno]) if cause.errno in _WHAT else system_words(cause)


CSV = (".csv", ".txt")
HDF5 = (".h5", ".hdf5")
ONNX = (".onnx",)
HTML = (".html", ".htm")
_KINDS: dict[tuple[str, ...], str] = {
    CSV: N_(
        "{option} {text} would be written as a CSV table, whatever its ending; give a name "
        "that ends in {endings}, such as {cure}."
    ),
    HDF5: N_(
        "{option} {text} would be written as an HDF5 file, whatever its ending; give a name "
        "that ends in {endings}, such as {cure}."
    ),
    ONNX: N_(
        "{option} {text} would be written as an ONNX file, whatever its ending; give a name "
        "that ends in {endings}, such as {cure}."
    ),
    HTML: N_(
        "{option} {text} would be written as a web page, whatever its ending; give a name "
        "that ends in {endings}, such as {cure}."
    ),
}
_OF_FILES = set(  # no folder is called so by somebody who wants a folder
    """
    .csv .tsv .txt .json .html .png .jpg .jpeg .svg .pdf .h5 .hdf5 .npy .npz .parquet .xlsx .zip .penult .onnx .pkl .pt .pth
    .keras .joblib .gz .tar
    """.split()  # noqa: SIM905 - a list of 25 lines says no more
)


def check_output_file(path: Path | str, endings: tuple[str, ...], option: str) -> None:
    """Raise `InputError` where a name ends otherwise than in one of `endings`, or in none, or is an address."""
    path_of, text = Path(path), str(path)
    if "://" in text:
        raise InputError(
            _(
                "{option} {text} is an address; write a file on this machine, and copy it there.",
                option=option,
                text=printable(text),
            )
        )
    if path_of.suffix.lower() not in {"", *endings}:
        cure = printable(path_of.with_suffix(endings[0]))
        raise InputError(_(_KINDS[endings], option=option, text=printable(text), endings=_(" or ").join(endings), cure=cure))


def check_output_folder(path: Path | str, option: str) -> None:
    """Raise `InputError` where a folder is to be made under the name of a file."""
    path_of = Path(path)
    if path_of.suffix.lower() in _OF_FILES and not path_of.is_dir():
        raise InputError(
            _(
                "{option} {path} is to be a folder, and its name is that of a file; name a folder, such as {cure}.",
                option=option,
                path=printable(path_of),
                cure=printable(path_of.with_suffix("")),
            )
        )


_LONGEST = 100


def slug(name: str) -> str:
    """Return a name with letters, digits, `_`, `-`, `.` only; `keras:ResNet50@my.h5` is the seed's `ResNet50`."""
    bare = name.removeprefix("keras:").partition("@")[0] or name
    return re.sub(r"[^A-Za-z0-9_.-]", "_", bare)[:_LONGEST]


def slugs(backbones: Sequence[tuple[str, str]]) -> list[str]:
    """Return a slug for each (name, digest); those that clash, case apart, get six digits of their digest."""
    plain = [slug(name) for name, _ in backbones]
    count = Counter(text.casefold() for text in plain)
    return [
        f"{text}-{digest[:6]}" if count[text.casefold()] > 1 else text
        for text, (_, digest) in zip(plain, backbones, strict=True)
    ]
