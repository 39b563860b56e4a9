"""Is this file a picture? By its name where the name tells, by its first bytes where it does not.

In: a file name and a path. Out: yes or no. It must not decode: a damaged `.jpg` is a picture here, so that it
is recorded as unreadable later and not lost in silence.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Literal, NamedTuple

_IMAGE_EXTENSIONS = """
    jpg jpeg jpe jfif pjpeg pjp mpo png apng gif bmp dib webp tif tiff avif avifs heic heics heif heifs hif
    ppm pgm pbm pnm jp2 j2k jpf jpx jpm j2c jpc jxl
"""

# Never opened: what lies beside photos often enough, and is never one.
_OTHER_EXTENSIONS = """
    txt text csv tsv md rst log json jsonl ndjson yaml yml toml xml ini cfg conf html htm css js ts svg
    py pyc ipynb r m c h cpp java sh bat ps1 sql lua go rs
    zip tar gz tgz bz2 xz zst 7z rar db sqlite sqlite3 lmdb mdb
    h5 hdf5 npy npz mat pkl pickle pt pth onnx pb tfrecord parquet feather arrow safetensors ckpt
    pdf doc docx xls xlsx ppt pptx odt ods rtf
    mp4 m4v mov avi mkv webm mpg mpeg wmv flv 3gp mp3 m4a wav flac ogg aac wma
    exe dll so dylib lnk url torrent part crdownload tmp bak lock md5 sha1 sha256 xmp aae
"""

_NAME_TELLS = dict.fromkeys(_IMAGE_EXTENSIONS.split(), True) | dict.fromkeys(_OTHER_EXTENSIONS.split(), False)

_SYSTEM_NAMES = frozenset(
    {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}  # Windows, macOS
    | {"__macosx", "@eadir", "$recycle.bin", "system volume information"}  # folders: zip, Synology, Windows
)

_SIGNATURES = (
    b"\xff\xd8\xff",  # JPEG
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"II*\x00",  # TIFF, little and big endian, then BigTIFF
    b"MM\x00*",
    b"II+\x00",
    b"MM\x00+",
    b"\x00\x00\x00\x0cjP  \r\n\x87\n",  # JPEG 2000: file, then bare code stream
    b"\xff\x4f\xff\x51",
    b"\x00\x00\x00\x0cJXL \r\n\x87\n",
)
_BMP_HEADER_SIZES = (12, 16, 40, 52, 56, 64, 108, 124)
_HEIF_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_NETPBM = re.compile(rb"P[1-6]\s[0-9#]")
_SNIFFED = 32  # bytes


class Unread(NamedTuple):
    """A format that is not read: what such files are called, and what to do. `photo`: a photo may be lost with one."""

    files: str
    cure: str
    photo: bool


_RAW = Unread("camera raw files", "export them as JPEG or TIFF from the camera's own program or a raw converter", True)
_DICOM = Unread("DICOM files", "export them as PNG (16 bits are read), for instance with dcm2pnm or pydicom", True)
_VIDEO = Unread("videos", "save their frames as JPEG or PNG, for instance with ffmpeg", False)
_PDF = Unread("PDF files", "save their pages or pictures as JPEG or PNG", False)
_SVG = Unread("SVG drawings", "save them as PNG", False)


def _others(name: str) -> Unread:
    return Unread(f"{name} files", "save them as JPEG or PNG", True)


_UNREAD_EXTENSIONS = {
    extension: unread
    for extensions, unread in (
        ("dcm dicom dic", _DICOM),
        ("cr2 cr3 nef nrw arw sr2 srf dng raf orf rw2 pef srw x3f 3fr iiq mrw erf kdc dcr mos rwl raw", _RAW),
        ("psd psb", _others("Photoshop")),
        ("jxr wdp hdp", _others("JPEG XR")),
        ("qoi", _others("QOI")),
        ("exr", _others("OpenEXR")),
        ("fits fit fts", _others("FITS")),
        ("xcf", _others("GIMP")),
        ("mp4 m4v mov avi mkv webm mpg mpeg wmv flv 3gp", _VIDEO),
        ("pdf", _PDF),
        ("svg", _SVG),
        ("eps ps ai", Unread("EPS drawings", "save them as PNG", False)),
    )
    for extension in extensions.split()
}
_UNREAD_SIGNATURES = (
    (b"8BPS", _others("Photoshop")),
    (b"II\xbc", _others("JPEG XR")),
    (b"qoif", _others("QOI")),
    (b"v/1\1", _others("OpenEXR")),
    (b"SIMPLE  =", _others("FITS")),
    (b"gimp xcf", _others("GIMP")),
    (b"FUJIFILMCCD-RAW", _RAW),
    (b"IIRO", _RAW),
    (b"IIRS", _RAW),
    (b"MMOR", _RAW),
    (b"IIU\0", _RAW),
    (b"%PDF", _PDF),
    (b"\x1aE\xdf\xa3", _VIDEO),
)
UNREAD_PHOTOS = tuple(sorted({one.files for one in _UNREAD_EXTENSIONS.values() if one.photo}))
_DICOM_AT = 128  # where a DICOM file says so; before that it may say anything


def unread_format(name: str, path: str) -> Unread | None:
    """Return the format of a file that is no image to penult, where it is a known one; by its name, else by its first bytes.

    Raises OSError as `is_image` does.
    """
    stem, dot, extension = name.rpartition(".")
    extension = extension.lower() if stem and dot else ""
    if extension in _UNREAD_EXTENSIONS or extension in _NAME_TELLS:
        return _UNREAD_EXTENSIONS.get(extension)
    with Path(path).open("rb", buffering=0) as file:
        return unread_by_head(file.read(_DICOM_AT + 4))


def unread_by_head(head: bytes) -> Unread | None:
    """Return the format that the first 132 bytes of a file are those of, where it is known and not read."""
    if head[_DICOM_AT : _DICOM_AT + 4] == b"DICM":
        return _DICOM
    if head[4:8] == b"ftyp":
        return _RAW if head[8:11] == b"crx" else _VIDEO
    return next((unread for magic, unread in _UNREAD_SIGNATURES if head.startswith(magic)), None)


def is_dropping(name: str) -> bool:
    """Tell whether a system leaves such things about: hidden ones, `Thumbs.db`, `__MACOSX`, `@eaDir`."""
    return name.startswith(".") or name.lower() in _SYSTEM_NAMES


def is_image(name: str, path: str) -> bool:
    """Tell whether a regular file counts as an image; raises OSError if it has to be opened and cannot be."""
    stem, dot, extension = name.rpartition(".")
    extension = extension.lower() if stem and dot else ""
    if extension in _NAME_TELLS:
        return _NAME_TELLS[extension]
    with Path(path).open("rb", buffering=0) as file:
        return looks_like_image(file.read(_SNIFFED))


def looks_like_image(head: bytes) -> bool:
    """Tell from the first 32 bytes of a file whether they are those of a picture format."""
    if head.startswith(_SIGNATURES):
        return True
    if head[:4] == b"RIFF":
        return head[8:12] == b"WEBP"
    if head[:2] == b"BM":  # begins many a text, so the size of the header that follows must be a known one
        return int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES
    if head[4:8] == b"ftyp":  # a box of brands: the major one, a version, compatible ones (ISO 14496-12, 4.3)
        return head[8:12] in _HEIF_BRANDS or any(head[at : at + 4] in _HEIF_BRANDS for at in range(16, 32, 4))
    return _NETPBM.match(head) is not None


def lies_at(path: str) -> Literal["file", "folder", "something else", "nothing"]:
    """Say what a path leads to, links followed; nothing also if it cannot be reached or cannot be a path."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - asked for every row of a CSV, and Path is slow
    except (OSError, ValueError):
        return "nothing"
    if stat.S_ISREG(mode):
        return "file"
    return "folder" if stat.S_ISDIR(mode) else "something else"


def image_ending(name: str) -> str:
    """Return the ending of a name where it is that of a picture format, as it is written (`.JPG`), else nothing."""
    stem, dot, extension = name.rpartition(".")
    return dot + extension if stem and _NAME_TELLS.get(extension.lower()) else ""
