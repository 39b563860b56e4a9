"""Say why an image could not be read, in words of a fixed list, and what to do about it.

In: the exception that a decoder raised, and the bytes that it was given. Out: a `Failure`, or words for several. What is whole
but not read here is named: formats of other programs, and odd kinds of formats that are read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from types import MappingProxyType

from penult.i18n import N_, _
from penult.pixels import headers
from penult.pixels.recipe import Failure, Refused
from penult.signatures import JPEG, RAW, SAVE, has_image_signature, is_heif, never_an_image, unread_by_head

_COPY = N_("copy it again from where it came from, or remove it")
_VIEWER = N_("open it in an image viewer and save it anew as JPEG or PNG, or remove it")
CURES = MappingProxyType(
    {  # every reason, with what to do about it where the failure itself does not know better
        N_("empty"): _COPY,  # the file has no bytes
        N_("not an image"): N_("remove it"),  # the bytes are of no picture format
        N_("unsupported format"): SAVE,  # a picture or document, but not of a format that is read here
        # Numbers without a known black and white (32-bit integers, floating point), or of an odd width.
        N_("unsupported depth"): N_("save it with 8 bits a channel, or as unsigned 16-bit PNG or TIFF"),
        N_("truncated"): N_("copy or download it again from where it came from, or remove it"),  # the file ends too early
        N_("damaged"): _COPY,  # the decoder refused the content
        N_("too large"): N_("save it smaller"),  # more bytes, pixels or memory than the limits allow
        N_("unreadable file"): N_("check that it is there and may be read"),  # gone, not permitted, or not a plain file
        N_("changed archive"): N_("run it again, a plan after `penult plan --add`"),  # after its photos were listed
        N_("decoder crashed"): _VIEWER,  # the process that decoded it died
        N_("decoder hung"): _VIEWER,  # the process that decoded it gave no answer in time
    }
)
REASONS = tuple(CURES)
HEIF_CURE = N_("pip install 'penult[heif]', or save it as JPEG or PNG")
_TOLD = 4  # kinds of failures in one sentence
_NAMED = 10  # images that a sentence names

_JPEG_KINDS = {0xF7: "JPEG-LS", **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), N_("hierarchical JPEG"))}
_LOSSLESS = (0xC3, 0xCB)
_NUMBERS = {1: N_("unsigned"), 2: N_("signed"), 3: N_("floating-point"), 4: N_("untyped"), 5: N_("complex"), 6: N_("complex")}
_COLORS = {0: N_("gray"), 1: N_("gray"), 2: "RGB", 3: N_("palette"), 5: "CMYK", 6: "YCbCr", 8: "Lab"}
_UNREAD_COMPRESSIONS = {
    6: N_("old JPEG"), 32809: "ThunderScan", 32908: "PIXAR film", 34661: "JBIG", 34676: "SGI log", 34677: "SGI log",
    34712: "JPEG 2000", 33003: "JPEG 2000", 33005: "JPEG 2000", 34887: "LERC", 34892: N_("lossy JPEG"), 34934: "JPEG XR",
    50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip
_READ_COMPRESSIONS = (1, 2, 3, 4, 5, 7, 8, 32771, 32773, 32946, 34925, 50000)


def advice(failure: Failure) -> str:
    """Return what to do about a failure."""
    return _(failure.cure or CURES.get(failure.reason, "remove it"))


def summarize_failures(failures: Iterable[Failure]) -> str:
    """Return reasons with their numbers and cures, the most frequent first: `4 unsupported format (HEIC): pip install ...`."""
    found = Counter((reason_of(f), advice(f)) for f in failures)
    words = [_("{n} {reason}: {cure}", n=count, reason=one, cure=cure) for (one, cure), count in found.most_common(_TOLD)]
    rest = sum(found.values()) - sum(found[one] for one, _n in found.most_common(_TOLD))
    return _("; ").join([*words, *([_("{n} for other reasons", n=rest)] if rest else [])])


class FailureLog:
    """The failures among any number of `images`, counted by kind; only the first of them by name."""

    def __init__(self) -> None:
        self.images = 0
        self.named: list[tuple[str, Failure]] = []
        self._kinds: Counter[Failure] = Counter()

    def add(self, names: Sequence[str], failures: Mapping[int, Failure]) -> None:
        """Count images of these names (n,), of which those with these numbers failed."""
        self.images += len(names)
        self.named += [(names[i], failures[i]) for i in sorted(failures)[: _NAMED - len(self.named)]]
        self._kinds.update(failure if _of_all(failure) else replace(failure, detail="") for failure in failures.values())

    @property
    def failed(self) -> int:
        """How many images failed."""
        return self._kinds.total()

    def summary(self) -> str:
        """Return reasons with their numbers and cures, see `summarize_failures`."""
        return summarize_failures(self._kinds.elements())


def reason_of(failure: Failure) -> str:
    """Return the reason, with the format in brackets where that is what is wrong: other details are of one file alone."""
    if not _of_all(failure):
        return _(failure.reason)
    return _("{reason} ({detail})", reason=_(failure.reason), detail=_(failure.detail))


def _of_all(failure: Failure) -> bool:
    """Tell whether the detail of a failure names a format, and not what is wrong with one file."""
    told = failure.reason in ("unsupported format", "unsupported depth") or (failure.reason == "not an image" and failure.cure)
    return bool(told and failure.detail)


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
    if (unread := unread_kind(data, opened=True)) is not None:
        return unread
    early = isinstance(error, EOFError) or "truncat" in text or "end of file" in text or "unexpected eof" in text
    return Failure("truncated" if early or _cut_short(data) else "damaged", words)


def _unidentified(data: bytes) -> Failure:
    """Tell a format that is not read here, a damaged head and plain garbage apart, by the first bytes."""
    if is_heif(data):
        if find_spec("pi_heif"):
            return Failure("damaged", _("the head of the file cannot be read"))
        return Failure("unsupported format", "HEIC/HEIF", HEIF_CURE)
    if (unread := unread_kind(data, opened=False)) is not None:
        return unread
    if has_image_signature(data[:32]):
        return Failure("truncated" if _cut_short(data) else "damaged", _("the head of the file cannot be read"))
    if (other := never_an_image(data)) is not None:
        return Failure("not an image", *other)
    return Failure("not an image", _("begins with {head!r}", head=data[:16]))


def _cut_short(data: bytes) -> bool:
    """Return whether a file that failed to decode lacks its end, as far as its format tells."""
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data[-4096:]
    if data.startswith(b"RIFF"):
        return len(data) < 8 + int.from_bytes(data[4:8], "little")
    return False


def unread_kind(data: bytes, opened: bool) -> Failure | None:
    """Return the failure for bytes that are no damage but of a kind that is not read; None for all others.

    `opened` says that Pillow knew the head: then only what it cannot unpack is named.
    """
    if not opened and (found := unread_by_head(data, weak=True)) is not None:
        return Failure("unsupported format", found.name, found.cure)
    if data.startswith(JPEG):
        return _unread_jpeg(data)
    return _unread_tiff(data, opened) if headers.is_tiff(data) else None


def is_raw_with_preview(data: bytes) -> bool:
    """Tell a camera raw file (NEF, DNG, ...) whose first picture, all that readers of TIFF see, is a small preview."""
    tags = headers.first_directory(data) if headers.is_tiff(data) else {}
    return tags.get(headers.KIND) == (1,) and bool(tags.keys() & {headers.SUB_DIRECTORIES, headers.DNG_VERSION})


def _unread_jpeg(data: bytes) -> Failure | None:
    about = headers.jpeg_outline(data)
    if about.kind in _JPEG_KINDS:
        return Failure("unsupported format", _JPEG_KINDS[about.kind], SAVE)
    if about.kind and about.bits not in (0, 8):
        told = _("JPEG of {n} bits", n=about.bits)
        if about.kind in _LOSSLESS:
            told = _("lossless JPEG of {n} bits", n=about.bits)
        return Failure("unsupported depth", told, N_("save it as 16-bit PNG, or as JPEG of 8 bits"))
    if about.kind == 0xCB:
        return Failure("unsupported format", N_("arithmetic-coded lossless JPEG"), SAVE)
    return None


def _unread_tiff(data: bytes, opened: bool) -> Failure | None:
    tags = headers.first_directory(data)
    if not {headers.WIDTH, headers.HEIGHT} <= tags.keys() or not tags.keys() & {headers.STRIPS, headers.TILES}:
        return None
    compression = tags.get(headers.COMPRESSION, (1,))[0]
    if compression in _UNREAD_COMPRESSIONS or (not opened and compression not in _READ_COMPRESSIONS):
        name = _UNREAD_COMPRESSIONS.get(compression, _("compression {number}", number=compression))
        if headers.DNG_VERSION in tags or headers.SUB_DIRECTORIES in tags:
            return Failure("unsupported format", RAW.name, RAW.cure)
        return Failure(
            "unsupported format", _("TIFF packed with {name}", name=_(name)), N_("save it as TIFF with LZW, or as PNG")
        )
    if opened:
        return None
    samples, bits = tags.get(headers.SAMPLES, (1,))[0], tags.get(headers.BITS, (1,))
    if not 1 <= samples <= 16 or not all(1 <= b <= 128 for b in bits):
        return None
    numbers = _NUMBERS.get(tags.get(headers.SAMPLE_FORMAT, (1,))[0], N_("odd"))
    colors = _COLORS.get(tags.get(headers.PHOTOMETRIC, (1,))[0], N_("odd colors"))
    if numbers == "unsigned" and colors != "odd colors" and samples in (1, 3, 4) and set(bits) <= {1, 8}:
        return None  # nothing odd about it: it is damaged
    if headers.DNG_VERSION in tags:
        return Failure("unsupported format", RAW.name, RAW.cure)
    name = _(
        "TIFF of {numbers} {bits}-bit numbers, {samples} a pixel, {colors}",
        numbers=_(numbers),
        bits=bits[0],
        samples=samples,
        colors=_(colors),
    )
    cure = N_("save it with 8 bits a channel, or as unsigned 16-bit gray or RGB, without alpha")
    reason = "unsupported depth" if bits[0] not in (1, 8) or numbers != "unsigned" else "unsupported format"
    return Failure(reason, name, cure)
