"""Say why an image could not be read, in words of a fixed list, and what to do about it.

In: the exception that a decoder raised, and the bytes that it was given. Out: a `Failure`, or words for several. What is whole
but not read here is named: formats of other programs, and odd kinds of formats that are read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from importlib.util import find_spec
from types import MappingProxyType

from penult.pixels import headers
from penult.pixels.recipe import Failure, Refused

REASONS = MappingProxyType(
    {
        "empty": "the file has no bytes",
        "not an image": "the bytes are of no picture format",
        "unsupported format": "a picture or document, but not of a format that is read here",
        "unsupported depth": "numbers without a known black and white (32-bit integers, floating point), or of an odd width",
        "truncated": "the file ends too early",
        "damaged": "the decoder refused the content",
        "too large": "more bytes, pixels or memory than the limits allow",
        "unreadable file": "gone, not permitted, or not a plain file",
        "decoder crashed": "the process that decoded it died",
        "decoder hung": "the process that decoded it gave no answer in time",
    }
)

# What to do about each, where the failure itself does not know better.
CURES = MappingProxyType(
    {
        "empty": "copy it again from where it came from, or remove it",
        "not an image": "remove it",
        "unsupported format": "save it as JPEG or PNG",
        "unsupported depth": "save it with 8 bits a channel, or as unsigned 16-bit PNG or TIFF",
        "truncated": "copy or download it again from where it came from, or remove it",
        "damaged": "copy it again from where it came from, or remove it",
        "too large": "save it smaller",
        "unreadable file": "check that it is there and may be read",
        "decoder crashed": "open it in an image viewer and save it anew as JPEG or PNG, or remove it",
        "decoder hung": "open it in an image viewer and save it anew as JPEG or PNG, or remove it",
    }
)

HEIF_CURE = "pip install 'penult[heif]', or save it as JPEG or PNG"
_TOLD = 4  # kinds of failures in one sentence

_READ_HERE = (
    b"\xff\xd8\xff",
    b"\x89PNG",
    b"GIF8",
    b"II*\0",
    b"MM\0*",
    b"\0\0\0\x0cjP",
    b"\xff\x4f\xff\x51",
)

_SAVE = "save it as JPEG or PNG"
RAW = "camera raw", "export it as JPEG or TIFF from the camera's own program or a raw converter"
_DOCUMENT = "save its pages or pictures as JPEG or PNG"
_VIDEO = "save its frames as JPEG or PNG, for instance with ffmpeg"
DICOM = "DICOM", "export it as PNG (16 bits are read), for instance with dcm2pnm or pydicom"

# What begins so, its name, and the cure.
_BY_SIGHT: tuple[tuple[bytes, str, str], ...] = (
    (b"%!PS", "EPS", _DOCUMENT),
    (b"\xc5\xd0\xd3\xc6", "EPS", _DOCUMENT),
    (b"%PDF", "PDF", _DOCUMENT),
    (b"8BPS", "Photoshop", _SAVE),
    (b"gimp xcf", "GIMP", _SAVE),
    (b"\0\0\1\0", "ICO", _SAVE),
    (b"\xff\x0a", "JPEG XL", _SAVE),
    (b"\0\0\0\x0cJXL", "JPEG XL", _SAVE),
    (b"II\xbc", "JPEG XR", _SAVE),
    (b"qoif", "QOI", _SAVE),
    (b"v/1\1", "OpenEXR", _SAVE),
    (b"#?RADIANCE", "Radiance HDR", _SAVE),
    (b"#?RGBE", "Radiance HDR", _SAVE),
    (b"SIMPLE  =", "FITS", "save it as 16-bit PNG or TIFF"),
    (b"AT&TFORM", "DjVu", _DOCUMENT),
    (b"FUJIFILMCCD-RAW", *RAW),
    (b"IIRO", *RAW),
    (b"IIRS", *RAW),
    (b"MMOR", *RAW),
    (b"IIU\0", *RAW),
    (b"FOVb", *RAW),
    (b"\0MRM", *RAW),
    (b"\x1aE\xdf\xa3", "video", _VIDEO),
    (b"\0\0\1\xba", "video", _VIDEO),
    (b"\0\0\1\xb3", "video", _VIDEO),
    (b"FLV\1", "video", _VIDEO),
    (b"DDS ", "DDS", _SAVE),
    (b"icns", "ICNS", _SAVE),
    (b"\x01\xda", "SGI", _SAVE),
    (b"P7\n", "PAM", _SAVE),
    (b"PF\n", "PFM", _SAVE),
    (b"Pf\n", "PFM", _SAVE),
    (b"\xd7\xcd\xc6\x9a", "WMF", _SAVE),
    (b"/* XPM */", "XPM", _SAVE),
    *((bytes((10, version, 1)), "PCX", _SAVE) for version in (0, 2, 3, 4, 5)),
)
_OTHER_VIDEO_BOXES = (b"wide", b"mdat", b"moov", b"skip", b"free")  # QuickTime begins with these, too
_DICOM_GROUPS = (b"\x02\0", b"\x08\0")  # what DICOM without its preamble begins with
_VALUE_KINDS = (b"UL", b"CS", b"UI", b"LO", b"DA", b"SH")

# What lies under the name of a photo and never was one: how it begins (in small letters), what it is, the cure.
_DOWNLOAD = "download the photo itself again, or remove it"
_UNPACK = "unpack it, or remove it"
_NO_PICTURES: tuple[tuple[bytes, str, str], ...] = (
    *((sign, "a web page", _DOWNLOAD) for sign in (b"<!doctype html", b"<html")),
    (b"<?xml", "XML", _DOWNLOAD),
    (b'{"', "JSON", _DOWNLOAD),
    (b"version https://git-lfs.github.com", "a pointer of Git LFS, not the photo", "fetch the photos with `git lfs pull`"),
    (b"/annex/objects/", "a pointer of git-annex, not the photo", "fetch the photos with `git annex get`"),
    (b"/9j/", "a JPEG in Base64", "decode it: base64 -d OLD > NEW"),
    (b"data:image/", "a picture as a data URL", "decode what follows the comma: base64 -d"),
    (b"\xef\xbf\xbd", "a file that was saved as text, which destroyed it", "copy it again as it is (in binary), or remove it"),
    (b"http/", "the answer of a web server with its header", _DOWNLOAD),
    (b"pk\3\4", "a zip archive", _UNPACK),
    (b"\x1f\x8b", "a gzip archive", _UNPACK),
    (b"\0\5\x16\7", "what macOS keeps beside a file", "remove it"),
)
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_PICTURE_BRANDS = (*_HEIF_BRANDS, b"avif", b"avis")
_JPEG_KINDS = {0xF7: "JPEG-LS", **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "hierarchical JPEG")}
_LOSSLESS = (0xC3, 0xCB)
_NUMBERS = {1: "unsigned", 2: "signed", 3: "floating-point", 4: "untyped", 5: "complex", 6: "complex"}
_COLORS = {0: "gray", 1: "gray", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr", 8: "Lab"}
_UNREAD_COMPRESSIONS = {
    6: "old JPEG", 32809: "ThunderScan", 32908: "PIXAR film", 34661: "JBIG", 34676: "SGI log", 34677: "SGI log",
    34712: "JPEG 2000", 33003: "JPEG 2000", 33005: "JPEG 2000", 34887: "LERC", 34892: "lossy JPEG", 34934: "JPEG XR",
    50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip
_READ_COMPRESSIONS = (1, 2, 3, 4, 5, 7, 8, 32771, 32773, 32946, 34925, 50000)


def advice(failure: Failure) -> str:
    """Return what to do about a failure."""
    return failure.cure or CURES.get(failure.reason, "remove it")


def summarize_failures(failures: Iterable[Failure]) -> str:
    """Return reasons with their numbers and cures, the most frequent first: `4 unsupported format (HEIC): pip install ...`."""
    found = Counter((reason_of(f), advice(f)) for f in failures)
    words = [f"{count} {one}: {cure}" for (one, cure), count in found.most_common(_TOLD)]
    rest = sum(found.values()) - sum(count for _, count in found.most_common(_TOLD))
    return "; ".join([*words, *([f"{rest} for other reasons"] if rest else [])])


def reason_of(failure: Failure) -> str:
    """Return the reason, with the format in brackets where that is what is wrong: other details are of one file alone."""
    of_all = failure.reason in ("unsupported format", "unsupported depth") and failure.detail
    of_all = of_all or (failure.reason == "not an image" and failure.cure and failure.detail)
    return f"{failure.reason} ({failure.detail})" if of_all else failure.reason


def classify(error: Exception, data: bytes) -> Failure:
    """Return the failure that `error`, raised while `data` was decoded, stands for."""
    words = f"{type(error).__name__}: {error}".strip(": ")
    if isinstance(error, Refused):
        return error.failure
    if isinstance(error, MemoryError) or type(error).__name__.startswith("DecompressionBomb"):
        return Failure("too large", words)
    if type(error).__name__ == "UnidentifiedImageError":
        return _unidentified(data)
    text = words.lower()
    if isinstance(error, ValueError) and ("data too large" in text or "too much memory" in text):  # PNG: texts, a profile
        return Failure("too large", words)
    if (unread := valid_but_unread(data, opened=True)) is not None:
        return Failure(*unread)
    early = isinstance(error, EOFError) or "truncat" in text or "end of file" in text or "unexpected eof" in text
    return Failure("truncated" if early or _cut_short(data) else "damaged", words)


def _unidentified(data: bytes) -> Failure:
    """Tell a format that is not read here, a damaged head and plain garbage apart, by the first bytes."""
    if is_heif(data):
        if find_spec("pi_heif"):
            return Failure("damaged", "the head of the file cannot be read")
        return Failure("unsupported format", "HEIC/HEIF", HEIF_CURE)
    if (unread := valid_but_unread(data, opened=False)) is not None:
        return Failure(*unread)
    if data.startswith(_READ_HERE) or data[4:12] == b"ftypavif" or (data[:4] == b"RIFF" and data[8:12] == b"WEBP"):
        return Failure("truncated" if _cut_short(data) else "damaged", "the head of the file cannot be read")
    if (other := no_picture(data)) is not None:
        return Failure("not an image", *other)
    return Failure("not an image", f"begins with {data[:16]!r}")


def _cut_short(data: bytes) -> bool:
    """Return whether a file that failed to decode lacks its end, as far as its format tells."""
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data[-4096:]
    if data.startswith(b"RIFF"):
        return len(data) < 8 + int.from_bytes(data[4:8], "little")
    return False


def is_heif(data: bytes) -> bool:
    """Tell HEIC and HEIF, which need an extra, by the first 12 bytes."""
    return data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS


def foreign_format(head: bytes) -> tuple[str, str] | None:
    """Return name and cure of a format that penult never reads, by its first 1,024 bytes (132 are enough for most)."""
    for magic, name, cure in _BY_SIGHT:
        if head.startswith(magic):
            return name, cure
    explicit = head[:2] in _DICOM_GROUPS and head[4:6] in _VALUE_KINDS
    brand = head[8:12] if head[4:8] == b"ftyp" else None
    return next(
        (
            named
            for applies, named in (
                (head[128:132] == b"DICM" or explicit, DICOM),
                (brand is not None and brand[:3] == b"crx", RAW),
                (brand is not None and brand not in _PICTURE_BRANDS, ("video", _VIDEO)),
                (head[:4] == b"RIFF" and head[8:12] == b"AVI ", ("video", _VIDEO)),
                (head[4:8] in _OTHER_VIDEO_BOXES, ("video", _VIDEO)),
                (head[:4] in (b"II*\0", b"MM\0*") and head[8:10] == b"CR", RAW),
                (b"<svg" in head[:1024], ("SVG", _SAVE)),
                (head[:4] == b"\1\0\0\0" and head[40:44] == b" EMF", ("EMF", _SAVE)),
                (head[344:347] in (b"n+1", b"ni1"), ("NIfTI", "save its slices as 16-bit PNG")),
            )
            if applies
        ),
        None,
    )


def no_picture(data: bytes) -> tuple[str, str] | None:
    """Return what bytes are that never were a picture, and what to do; None where nobody knows."""
    if data.endswith(b"TRUEVISION-XFILE.\0"):
        return "a TGA picture, which is not read", _SAVE
    if not any(data[:4096]):
        return "nothing but zeros", "copy it again from where it came from, or remove it"
    begins = data[:64].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return next(((name, cure) for magic, name, cure in _NO_PICTURES if begins.startswith(magic)), None)


def valid_but_unread(data: bytes, opened: bool) -> tuple[str, str, str] | None:
    """Return reason, name and cure for bytes that are no damage but of a kind that is not read; None for all others.

    `opened` says that Pillow knew the head: then only what it cannot unpack is named.
    """
    if not opened and (named := foreign_format(data)) is not None:
        return "unsupported format", *named
    if data.startswith(headers.JPEG_SIGNATURE):
        return _jpeg(data)
    return _tiff(data, opened) if headers.is_tiff(data) else None


def is_raw_with_preview(data: bytes) -> bool:
    """Tell a camera raw file (NEF, DNG, ...) whose first picture, all that readers of TIFF see, is a small preview."""
    tags = headers.first_directory(data) if headers.is_tiff(data) else {}
    return tags.get(headers.KIND) == (1,) and bool(tags.keys() & {headers.SUB_DIRECTORIES, headers.DNG_VERSION})


def _jpeg(data: bytes) -> tuple[str, str, str] | None:
    about = headers.jpeg_outline(data)
    if about.kind in _JPEG_KINDS:
        return "unsupported format", _JPEG_KINDS[about.kind], _SAVE
    if about.kind and about.bits not in (0, 8):
        kind = "lossless JPEG" if about.kind in _LOSSLESS else "JPEG"
        return "unsupported depth", f"{kind} of {about.bits} bits", "save it as 16-bit PNG, or as JPEG of 8 bits"
    if about.kind == 0xCB:
        return "unsupported format", "arithmetic-coded lossless JPEG", _SAVE
    return None


def _tiff(data: bytes, opened: bool) -> tuple[str, str, str] | None:
    tags = headers.first_directory(data)
    if not {headers.WIDTH, headers.HEIGHT} <= tags.keys() or not tags.keys() & {headers.STRIPS, headers.TILES}:
        return None
    compression = tags.get(headers.COMPRESSION, (1,))[0]
    if compression in _UNREAD_COMPRESSIONS or (not opened and compression not in _READ_COMPRESSIONS):
        name = _UNREAD_COMPRESSIONS.get(compression, f"compression {compression}")
        if headers.DNG_VERSION in tags or headers.SUB_DIRECTORIES in tags:
            return "unsupported format", *RAW
        return "unsupported format", f"TIFF packed with {name}", "save it as TIFF with LZW, or as PNG"
    if opened:
        return None
    samples, bits = tags.get(headers.SAMPLES, (1,))[0], tags.get(headers.BITS, (1,))
    if not 1 <= samples <= 16 or not all(1 <= b <= 128 for b in bits):
        return None
    numbers = _NUMBERS.get(tags.get(headers.SAMPLE_FORMAT, (1,))[0], "odd")
    colors = _COLORS.get(tags.get(headers.PHOTOMETRIC, (1,))[0], "odd colors")
    if numbers == "unsigned" and colors != "odd colors" and samples in (1, 3, 4) and set(bits) <= {1, 8}:
        return None  # nothing odd about it: it is damaged
    if headers.DNG_VERSION in tags:
        return "unsupported format", *RAW
    name = f"TIFF of {numbers} {bits[0]}-bit numbers, {samples} a pixel, {colors}"
    cure = "save it with 8 bits a channel, or as unsigned 16-bit gray or RGB, without alpha"
    return "unsupported depth" if bits[0] not in (1, 8) or numbers != "unsigned" else "unsupported format", name, cure
