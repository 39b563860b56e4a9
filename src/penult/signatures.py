"""What a file is, by the ending of its name and by its first bytes: an image, a format that is not read, or no image at all.

In: a name, or the head of a file. Out: yes or no, or the name of a format and what to do about it. One table serves the scan
of a folder and the failure of a decoder. Nothing is opened or decoded, and nothing raises.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from penult.i18n import N_, _

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

JPEG = b"\xff\xd8\xff"
_IMAGES = (
    JPEG,
    b"\x89PNG",
    b"GIF8",
    b"II*\0",  # TIFF, little and big endian, then BigTIFF
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    b"\0\0\0\x0cjP",  # JPEG 2000: file, then bare code stream
    b"\xff\x4f\xff\x51",
    b"\0\0\0\x0cJXL",
)
_BMP_HEADER_SIZES = (12, 16, 40, 52, 56, 64, 108, 124)
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_IMAGE_BRANDS = (*_HEIF_BRANDS, b"avif", b"avis")
_NETPBM = re.compile(rb"P[1-6]\s[0-9#]")


@dataclass(frozen=True, slots=True)
class UnreadFormat:
    """A format that penult does not read, and what to do with such a file.

    `photo`: photos come in it, so one that is passed over may be missed. `signatures` are sure enough to go by where the
    name of a file says nothing; `weak` ones only where it was taken for an image and cannot be decoded.
    """

    name: str
    cure: str
    photo: bool = True
    extensions: str = ""
    signatures: tuple[bytes, ...] = ()
    weak: tuple[bytes, ...] = ()

    @property
    def files(self) -> str:
        """Return what several such files are called, in English: by it they are counted in `metrics.json`."""
        return "videos" if self.name == "video" else f"{self.name} files"

    @property
    def files_said(self) -> str:
        """Return what several such files are called, in the language of now."""
        return _("videos") if self.name == "video" else _("{format} files", format=_(self.name))

    @property
    def cure_for_many(self) -> str:
        """Return what to do with several of them."""
        return _(self.cure).replace(" it ", " them ").replace(" its ", " their ")  # which is English


SAVE = N_("save it as JPEG or PNG")
_PAGES = N_("save its pages or pictures as JPEG or PNG")
RAW = UnreadFormat(
    N_("camera raw"),
    N_("export it as JPEG or TIFF from the camera's own program or a raw converter"),
    extensions="cr2 cr3 nef nrw arw sr2 srf dng raf orf rw2 pef srw x3f 3fr iiq mrw erf kdc dcr mos rwl raw",
    signatures=(b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0"),
    weak=(b"FOVb", b"\0MRM"),
)
_DICOM = UnreadFormat(
    "DICOM", N_("export it as PNG (16 bits are read), for instance with dcm2pnm or pydicom"), extensions="dcm dicom dic"
)
_VIDEO = UnreadFormat(
    N_("video"),
    N_("save its frames as JPEG or PNG, for instance with ffmpeg"),
    photo=False,
    extensions="mp4 m4v mov avi mkv webm mpg mpeg wmv flv 3gp",
    signatures=(b"\x1aE\xdf\xa3",),
    weak=(b"\0\0\1\xba", b"\0\0\1\xb3", b"FLV\1"),
)
_SVG = UnreadFormat("SVG", SAVE, photo=False, extensions="svg")
_UNREAD = (
    RAW,
    _DICOM,
    _VIDEO,
    _SVG,
    UnreadFormat("Photoshop", SAVE, extensions="psd psb", signatures=(b"8BPS",)),
    UnreadFormat("JPEG XR", SAVE, extensions="jxr wdp hdp", signatures=(b"II\xbc",)),
    UnreadFormat("QOI", SAVE, extensions="qoi", signatures=(b"qoif",)),
    UnreadFormat("OpenEXR", SAVE, extensions="exr", signatures=(b"v/1\1",)),
    UnreadFormat("FITS", N_("save it as 16-bit PNG or TIFF"), extensions="fits fit fts", signatures=(b"SIMPLE  =",)),
    UnreadFormat("GIMP", SAVE, extensions="xcf", signatures=(b"gimp xcf",)),
    UnreadFormat("PDF", _PAGES, photo=False, extensions="pdf", signatures=(b"%PDF",)),
    UnreadFormat("EPS", _PAGES, photo=False, extensions="eps ps ai", weak=(b"%!PS", b"\xc5\xd0\xd3\xc6")),
    UnreadFormat("DjVu", _PAGES, weak=(b"AT&TFORM",)),
    UnreadFormat("ICO", SAVE, weak=(b"\0\0\1\0",)),
    UnreadFormat("JPEG XL", SAVE, weak=(b"\xff\x0a", b"\0\0\0\x0cJXL")),
    UnreadFormat("Radiance HDR", SAVE, weak=(b"#?RADIANCE", b"#?RGBE")),
    UnreadFormat("DDS", SAVE, weak=(b"DDS ",)),
    UnreadFormat("ICNS", SAVE, weak=(b"icns",)),
    UnreadFormat("SGI", SAVE, weak=(b"\x01\xda",)),
    UnreadFormat("PAM", SAVE, weak=(b"P7\n",)),
    UnreadFormat("PFM", SAVE, weak=(b"PF\n", b"Pf\n")),
    UnreadFormat("WMF", SAVE, weak=(b"\xd7\xcd\xc6\x9a",)),
    UnreadFormat("XPM", SAVE, weak=(b"/* XPM */",)),
    UnreadFormat("PCX", SAVE, weak=tuple(bytes((10, version, 1)) for version in (0, 2, 3, 4, 5))),
)
_BY_EXTENSION = {extension: one for one in _UNREAD for extension in one.extensions.split()}
HEAD = 132  # bytes that tell a format, where any do; DICOM says so behind a preamble of 128

_OTHER_VIDEO_BOXES = (b"wide", b"mdat", b"moov", b"skip", b"free")  # QuickTime begins with these, too
_DICOM_GROUPS = (b"\x02\0", b"\x08\0")  # what DICOM without its preamble begins with
_VALUE_KINDS = (b"UL", b"CS", b"UI", b"LO", b"DA", b"SH")

# What lies under the name of a photo and never was one: how it begins (in small letters), what it is, the cure.
_DOWNLOAD = N_("download the photo itself again, or remove it")
_UNPACK = N_("unpack it, or remove it")
_NO_PICTURES: tuple[tuple[bytes, str, str], ...] = (
    *((sign, N_("a web page"), _DOWNLOAD) for sign in (b"<!doctype html", b"<html")),
    (b"<?xml", "XML", _DOWNLOAD),
    (b'{"', "JSON", _DOWNLOAD),
    (
        b"version https://git-lfs.github.com",
        N_("a pointer of Git LFS, not the photo"),
        N_("fetch the photos with `git lfs pull`"),
    ),
    (b"/annex/objects/", N_("a pointer of git-annex, not the photo"), N_("fetch the photos with `git annex get`")),
    (b"/9j/", N_("a JPEG in Base64"), N_("decode it: base64 -d OLD > NEW")),
    (b"data:image/", N_("a picture as a data URL"), N_("decode what follows the comma: base64 -d")),
    (
        b"\xef\xbf\xbd",
        N_("a file that was saved as text, which destroyed it"),
        N_("copy it again as it is (in binary), or remove it"),
    ),
    (b"http/", N_("the answer of a web server with its header"), _DOWNLOAD),
    (b"pk\3\4", N_("a zip archive"), _UNPACK),
    (b"\x1f\x8b", N_("a gzip archive"), _UNPACK),
    (b"\0\5\x16\7", N_("what macOS keeps beside a file"), N_("remove it")),
)


def _extension(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    return extension.lower() if stem and dot else ""


def named_like_image(name: str) -> bool | None:
    """Tell by its ending whether a file is an image; None where the ending says nothing."""
    return _NAME_TELLS.get(_extension(name))


def image_ending(name: str) -> str:
    """Return the ending of a name where it is that of a picture format, as it is written (`.JPG`), else nothing."""
    extension = _extension(name)
    return name[-len(extension) - 1 :] if _NAME_TELLS.get(extension) else ""


def has_image_signature(head: bytes) -> bool:
    """Tell from the first 32 bytes of a file whether they are a sure sign of a picture format, whole or damaged."""
    if head.startswith(_IMAGES):
        return True
    if head[:4] == b"RIFF":
        return head[8:12] == b"WEBP"
    if head[4:8] == b"ftyp":  # a box of brands: the major one, a version, compatible ones (ISO 14496-12, 4.3)
        return head[8:12] in _IMAGE_BRANDS or any(head[at : at + 4] in _IMAGE_BRANDS for at in range(16, 32, 4))
    return False


def looks_like_image(head: bytes) -> bool:
    """Tell from the first 32 bytes of a file whether they are those of a picture format."""
    if head[:2] == b"BM":  # begins many a text, so the size of the header that follows must be a known one
        return int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES
    return has_image_signature(head) or _NETPBM.match(head) is not None


def is_heif(data: bytes) -> bool:
    """Tell HEIC and HEIF, which need an extra, by the first 12 bytes."""
    return data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS


def unread_by_name(name: str) -> UnreadFormat | None:
    """Return the format that is not read to which the ending of a name belongs, if any."""
    return _BY_EXTENSION.get(_extension(name))


def unread_by_head(head: bytes, weak: bool = False) -> UnreadFormat | None:
    """Return the unread format of a file that begins so: by sure signs, or also by `weak` ones, which want 1,024 bytes."""
    for one in _UNREAD:
        if head.startswith(one.signatures) or (weak and head.startswith(one.weak)):
            return one
    brand = head[8:12] if head[4:8] == b"ftyp" else b""
    explicit = head[:2] in _DICOM_GROUPS and head[4:6] in _VALUE_KINDS
    for applies, format in (
        (head[128:132] == b"DICM" or (weak and explicit), _DICOM),
        (brand[:3] == b"crx", RAW),
        (brand and brand not in _IMAGE_BRANDS, _VIDEO),
        (weak and head[:4] == b"RIFF" and head[8:12] == b"AVI ", _VIDEO),
        (weak and head[4:8] in _OTHER_VIDEO_BOXES, _VIDEO),
        (weak and head[:4] in (b"II*\0", b"MM\0*") and head[8:10] == b"CR", RAW),
        (weak and b"<svg" in head[:1024], _SVG),
        (weak and head[:4] == b"\1\0\0\0" and head[40:44] == b" EMF", UnreadFormat("EMF", SAVE)),
        (weak and head[344:347] in (b"n+1", b"ni1"), UnreadFormat("NIfTI", N_("save its slices as 16-bit PNG"))),
    ):
        if applies:
            return format
    return None


def never_an_image(data: bytes) -> tuple[str, str] | None:
    """Return what bytes are that never were a picture, and what to do; None where nobody knows."""
    if data.endswith(b"TRUEVISION-XFILE.\0"):
        return N_("a TGA picture, which is not read"), SAVE
    if not any(data[:4096]):
        return N_("nothing but zeros"), N_("copy it again from where it came from, or remove it")
    begins = data[:64].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return next(((name, cure) for magic, name, cure in _NO_PICTURES if begins.startswith(magic)), None)
