"""Every bad or odd picture file that data sets are known to hold, made in code; nothing is read from disk.

`cases()` returns them. Each says what must become of it: `ok`, or the reason of a failure; `check` looks at
the pixels.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

Pixels = NDArray[np.uint8]
Check = Callable[[Pixels], None]


@dataclass(frozen=True)
class Case:
    """One file: `expect` is `ok` or a reason, `check` raises AssertionError for wrong pixels."""

    name: str
    filename: str
    data: bytes
    expect: str
    check: Check | None = None


# --- drawing ---


def photo(height: int = 60, width: int = 90, seed: int = 1) -> Pixels:
    """Return a smooth colourful picture (h, w, 3): coarse noise, enlarged, so that JPEG keeps it well."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def save(image: Image.Image | Pixels, format: str, **options: object) -> bytes:
    """Return the bytes of an image file."""
    out = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(out, format, **options)
    return out.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes, extra: bytes = b"") -> bytes:
    """Return a PNG put together by hand; `extra` are chunks before the pixels."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + extra + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@cache
def bomb(side: int) -> bytes:
    """Return a PNG of side x side black pixels (1 bit each) that is a few kilobytes long."""
    row = bytes(1 + (side + 7) // 8)
    squeeze = zlib.compressobj(9)
    return png(side, side, 1, 0, b"".join(squeeze.compress(row) for _ in range(side)) + squeeze.flush())


# --- what the pixels must be ---


def equals(wanted: Pixels, within: int = 0) -> Check:
    """Return a check that the pixels are `wanted`, give or take `within` levels."""

    def check(pixels: Pixels) -> None:
        assert pixels.shape == wanted.shape, (pixels.shape, wanted.shape)
        off = int(np.abs(pixels.astype(int) - wanted.astype(int)).max())
        assert off <= within, f"{off} levels off"

    return check


def is_colour(red: int, green: int, blue: int, within: int = 3) -> Check:
    """Return a check that every pixel has this colour."""

    def check(pixels: Pixels) -> None:
        off = np.abs(pixels.astype(int) - (red, green, blue)).max()
        assert off <= within, f"{pixels[0, 0]} is not {(red, green, blue)}"

    return check


def is_ramp(pixels: Pixels) -> None:
    """Check that all 256 greys of a 16-bit ramp are there, evenly."""
    assert len(np.unique(pixels[..., 0])) >= 250
    assert abs(float(pixels.mean()) - 127.5) < 1
    assert (np.diff(pixels[0, :, 0].astype(int)) >= 0).all()


def is_shape(height: int, width: int) -> Check:
    """Return a check of the size alone."""

    def check(pixels: Pixels) -> None:
        assert pixels.shape == (height, width, 3)

    return check


# --- the cases ---


def cases() -> list[Case]:
    """Return all cases; names are unique."""
    found = [*_no_images(), *_cut(), *_damaged(), *_disguised(), *_depths(), *_modes(), *_transparent()]
    found += [*_many_frames(), *_orientations(), *_corrupt_exif(), *_sizes(), *_formats(), *bombs(), *_heavy()]
    assert len({case.name for case in found}) == len(found)
    return found


def _no_images() -> list[Case]:
    noise = np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8).tobytes()
    double = b"\0\x05\x16\x07\0\x02\0\0Mac OS X        " + bytes(4000)
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    heic = struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic" + bytes(200)
    jxl = b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(100)
    return [
        Case("zero bytes", "empty.jpg", b"", "empty"),
        Case("one byte", "one.jpg", b"\xff", "not an image"),
        Case("random bytes", "garbage.jpg", noise, "not an image"),
        Case("only zeros", "zeros.png", bytes(3000), "not an image"),
        Case("text named jpg", "notes.jpg", b"Dear all,\nplease find attached\n" * 20, "not an image"),
        Case("web page named jpg", "404.jpg", b"<!doctype html><title>404</title>", "not an image"),
        Case("AppleDouble", "._photo.jpg", double, "not an image"),
        Case("EPS named jpg", "drawing.jpg", eps, "unsupported format"),
        Case("PDF named png", "scan.png", b"%PDF-1.7\n" + bytes(100), "unsupported format"),
        Case("SVG named png", "logo.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported format"),
        Case("HEIC from a phone", "IMG_0001.HEIC", heic, "unsupported format"),
        Case("JPEG XL", "new.jxl", jxl, "unsupported format"),
        Case("Photoshop", "layers.psd", b"8BPS\0\1" + bytes(60), "unsupported format"),
        Case("ICO", "favicon.ico", save(photo(16, 16), "ICO"), "unsupported format"),
    ]


def _cut() -> list[Case]:
    picture = photo(200, 300)
    jpeg, flat = save(picture, "JPEG", quality=95), save(picture, "PNG")
    shares = (1, 10, 50, 90, 99)
    found = [
        Case(f"JPEG cut at {share}%", f"cut{share}.jpg", jpeg[: len(jpeg) * share // 100], "truncated") for share in shares[:3]
    ]
    found += [
        Case(f"JPEG cut at {share}%", f"cut{share}.jpg", jpeg[: len(jpeg) * share // 100], "ok", is_shape(200, 300))
        for share in shares[3:]
    ]
    found += [
        Case(f"PNG cut at {share}%", f"cut{share}.png", flat[: len(flat) * share // 100], "truncated") for share in shares
    ]
    progressive = save(picture, "JPEG", quality=95, progressive=True)
    webp, gif, bmp = save(picture, "WEBP", quality=90), save(picture, "GIF"), save(picture, "BMP")
    return [
        *found,
        Case("progressive JPEG cut in half", "cut.jpg", progressive[: len(progressive) // 2], "ok", is_shape(200, 300)),
        Case("progressive JPEG cut at a tenth", "cut10.jpg", progressive[: len(progressive) // 10], "truncated"),
        Case("WebP cut in half", "cut.webp", webp[: len(webp) // 2], "truncated"),
        Case("GIF cut in half", "cut.gif", gif[: len(gif) // 2], "truncated"),
        Case("BMP cut in half", "cut.bmp", bmp[: len(bmp) // 2], "truncated"),
        Case("PGM cut in half", "cut.ppm", save(picture, "PPM")[:90_000], "truncated"),
    ]


def _damaged() -> list[Case]:
    flat = save(photo(), "PNG")
    middle = flat.index(b"IDAT") + 40
    flipped = bytearray(flat)
    flipped[middle : middle + 8] = bytes(value ^ 0x55 for value in flipped[middle : middle + 8])
    tiff = bytearray(save(photo(), "TIFF", compression="tiff_lzw"))
    tiff[8 : len(tiff) // 2] = bytes(len(tiff) // 2 - 8)
    no_head = save(photo(), "PNG").replace(b"IHDR", b"JHDR")
    soi_only = b"\xff\xd8\xff\xe0" + b"\0\x10JFIF\0\1\1\0\0\1\0\1\0\0" + b"\xff\xd9"
    return [
        Case("PNG with flipped data", "flipped.png", bytes(flipped), "damaged"),
        Case("PNG without a header chunk", "nohead.png", no_head, "damaged"),
        Case("JPEG of markers alone", "markers.jpg", soi_only, "damaged"),
        Case("TIFF with its strips zeroed", "zeroed.tif", bytes(tiff), "damaged"),
        Case("PNG of size 0 x 0", "nothing.png", png(0, 0, 8, 0, zlib.compress(b"")), "damaged"),
        Case("GIF of size 0 x 5", "nothing.gif", b"GIF89a\0\0\5\0\0\0\0;", "damaged"),
        Case("PPM of size 0 x 0", "nothing.ppm", b"P6 0 0 255\n", "not an image"),
    ]


def _disguised() -> list[Case]:
    picture = photo()
    same = equals(picture)
    jpeg = save(picture, "JPEG", quality=95)
    return [
        Case("PNG named jpg", "n02105855_2933.JPEG", save(picture, "PNG"), "ok", same),
        Case("JPEG named png", "photo.png", jpeg, "ok", equals(picture, 30)),
        Case("BMP named jpeg", "photo.jpeg", save(picture, "BMP"), "ok", same),
        Case("JPEG without extension", "photo", jpeg, "ok", equals(picture, 30)),
        Case("JPEG without its end marker", "endless.jpg", jpeg[:-2], "ok", equals(picture, 30)),
        Case("JPEG with bytes behind its end", "tail.jpg", jpeg + b"\0" * 999, "ok", equals(picture, 30)),
        Case("name with line break and emoji", "a\nb \N{CAT FACE}.png", save(picture, "PNG"), "ok", same),
        Case("name of 255 bytes", "x" * 251 + ".png", save(picture, "PNG"), "ok", same),
        Case("name that is markup", "<img onerror=alert(1)>.png", save(picture, "PNG"), "ok", same),
        Case("name that is not UTF-8", "caf\udce9.png", save(picture, "PNG"), "ok", same),
    ]


def _depths() -> list[Case]:
    ramp = np.tile(np.linspace(0, 65535, 600).round().astype(np.uint16), (20, 1))  # (20, 600)
    deep = Image.fromarray(ramp)
    big_endian = Image.frombytes("I;16B", deep.size, ramp.astype(">u2").tobytes())
    rgb16 = b"".join(b"\0" + np.repeat(row.astype(">u2"), 3).tobytes() for row in ramp)
    pgm = b"P5 600 20 65535\n" + ramp.astype(">u2").tobytes()
    pgm10 = b"P5 600 20 1023\n" + (ramp // 64).astype(">u2").tobytes()
    number = np.linspace(-1, 1, 400, dtype=np.float32).reshape(20, 20)
    bits = Image.fromarray(photo()).convert("1")
    levels = equals(np.asarray(bits.convert("RGB")))
    return [
        Case("16-bit grey PNG", "ramp.png", save(deep, "PNG"), "ok", is_ramp),
        Case("16-bit grey TIFF", "ramp.tif", save(deep, "TIFF"), "ok", is_ramp),
        Case("16-bit grey TIFF, big-endian", "rampB.tif", save(big_endian, "TIFF"), "ok", is_ramp),
        Case("16-bit grey PGM", "ramp.pgm", pgm, "ok", is_ramp),
        Case("10-bit grey PGM", "ramp10.pgm", pgm10, "ok", is_ramp),
        Case("16-bit RGB PNG", "deep.png", png(600, 20, 16, 2, zlib.compress(rgb16)), "ok", is_ramp),
        Case("32-bit float TIFF", "float.tif", save(Image.fromarray(number), "TIFF"), "unsupported depth"),
        Case(
            "32-bit integer TIFF",
            "int.tif",
            save(Image.fromarray((number * 1e6).astype(np.int32)), "TIFF"),
            "unsupported depth",
        ),
        Case("bilevel PNG", "bits.png", save(bits, "PNG"), "ok", levels),
        Case("bilevel TIFF, fax compression", "fax.tif", save(bits, "TIFF", compression="group4"), "ok", levels),
    ]


def _modes() -> list[Case]:
    red = Image.new("RGB", (40, 30), "red")
    grey = Image.fromarray(photo()).convert("L")
    palette = Image.fromarray(photo()).quantize(16)
    lab = Image.frombytes("LAB", (8, 8), bytes([138, 81, 70]) * 64)  # sRGB red: L* 54, a* 81, b* 70
    cmyk, is_grey = save(red.convert("CMYK"), "JPEG", quality=95), equals(np.asarray(grey.convert("RGB")))
    return [
        Case(
            "grey JPEG",
            "grey.jpg",
            save(grey, "JPEG", quality=100),
            "ok",
            equals(np.asarray(grey.convert("RGB")), 8),
        ),
        Case("grey PNG", "grey.png", save(grey, "PNG"), "ok", is_grey),
        Case(
            "palette PNG",
            "palette.png",
            save(palette, "PNG"),
            "ok",
            equals(np.asarray(palette.convert("RGB"))),
        ),
        Case("CMYK JPEG", "cmyk.jpg", cmyk, "ok", is_colour(255, 0, 0)),
        Case("CMYK TIFF", "cmyk.tif", save(red.convert("CMYK"), "TIFF"), "ok", is_colour(255, 0, 0)),
        Case("YCbCr TIFF", "ycc.tif", save(red.convert("YCbCr"), "TIFF"), "ok", is_colour(255, 0, 0)),
        Case("LAB TIFF", "lab.tif", save(lab, "TIFF"), "ok", is_colour(255, 0, 0, 12)),
    ]


def _transparent() -> list[Case]:
    """Hidden colours must not show: what is transparent is white, half a red is pink."""
    white, pink = is_colour(255, 255, 255, 0), is_colour(255, 127, 127, 1)
    hidden, half = Image.new("RGBA", (20, 20), (255, 0, 0, 0)), Image.new("RGBA", (20, 20), (255, 0, 0, 128))
    palette = Image.new("P", (20, 20), 1)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    keyed = Image.new("RGB", (20, 20), (9, 8, 7))
    deep = Image.fromarray(np.full((5, 5), 300, np.uint16))
    return [
        Case("RGBA PNG, transparent", "clear.png", save(hidden, "PNG"), "ok", white),
        Case("RGBA PNG, half transparent", "half.png", save(half, "PNG"), "ok", pink),
        Case("RGBA WebP, transparent", "clear.webp", save(hidden, "WEBP", lossless=True), "ok", white),
        Case("RGBA TIFF, half transparent", "half.tif", save(half, "TIFF"), "ok", pink),
        Case("LA PNG, transparent", "la.png", save(Image.new("LA", (9, 9), (10, 0)), "PNG"), "ok", white),
        Case(
            "palette PNG with a transparent colour",
            "trns.png",
            save(palette, "PNG", transparency=1),
            "ok",
            white,
        ),
        Case(
            "palette PNG with alpha values",
            "trnsb.png",
            save(palette, "PNG", transparency=b"\xff\x80"),
            "ok",
            pink,
        ),
        Case(
            "palette GIF with a transparent colour",
            "trns.gif",
            save(palette, "GIF", transparency=1),
            "ok",
            white,
        ),
        Case("RGB PNG with a colour key", "key.png", save(keyed, "PNG", transparency=(9, 8, 7)), "ok", white),
        Case("grey PNG with a key", "keyl.png", save(keyed.convert("L"), "PNG", transparency=8), "ok", white),
        Case("16-bit grey PNG with a key", "key16.png", save(deep, "PNG", transparency=300), "ok", white),
    ]


def _many_frames() -> list[Case]:
    first, second = (Image.new("RGB", (30, 20), colour) for colour in ("red", "blue"))
    film: dict[str, object] = {"save_all": True, "append_images": [second], "duration": 100}
    red = is_colour(255, 0, 0)
    return [
        Case("animated GIF", "film.gif", save(first, "GIF", **film), "ok", red),
        Case("animated WebP", "film.webp", save(first, "WEBP", lossless=True, **film), "ok", red),
        Case("animated PNG", "film.png", save(first, "PNG", **film), "ok", red),
        Case(
            "TIFF of two pages",
            "pages.tif",
            save(first, "TIFF", save_all=True, append_images=[second]),
            "ok",
            red,
        ),
        Case(
            "MPO, two JPEGs in one",
            "stereo.jpg",
            save(first, "MPO", save_all=True, append_images=[second]),
            "ok",
            red,
        ),
    ]


def _orientations() -> list[Case]:
    """One upright picture under all eight tags; `undo` is how a camera held that way would store it."""
    upright = photo(48, 64)
    turn = Image.Transpose
    undo = (None, turn.FLIP_LEFT_RIGHT, turn.ROTATE_180, turn.FLIP_TOP_BOTTOM, turn.TRANSPOSE)
    undo += (turn.ROTATE_90, turn.TRANSVERSE, turn.ROTATE_270)
    found = []
    formats = ("JPEG", {"quality": 100, "subsampling": 0}), ("PNG", {}), ("WEBP", {"lossless": True})
    for tag, how in enumerate(undo, start=1):
        image = Image.fromarray(upright)
        stored = image if how is None else image.transpose(how)
        exif = Image.Exif()
        exif[274] = tag
        for format, options in formats:
            data = save(stored, format, exif=exif.tobytes(), **options)
            check = equals(upright, 4 if format == "JPEG" else 0)
            found.append(Case(f"{format} held as {tag}", f"held{tag}.{format.lower()}", data, "ok", check))
        data = save(stored, "TIFF", tiffinfo={274: tag})
        found.append(Case(f"TIFF held as {tag}", f"held{tag}.tif", data, "ok", equals(upright)))
    return found


def _corrupt_exif() -> list[Case]:
    """A corrupt EXIF block says nothing: the pixels come as they are stored."""
    picture = photo(48, 64)
    good = Image.Exif()
    good[274] = 6
    block = good.tobytes()
    order = ">H" if block[6:8] == b"MM" else "<H"
    entry = block.index(struct.pack(order, 274))
    text = bytearray(block)
    text[entry + 2 : entry + 4] = struct.pack(order, 2)
    blocks = {
        "empty": b"Exif\0\0",
        "cut short": block[: entry + 5],
        "noise": b"Exif\0\0" + np.random.default_rng(3).integers(0, 256, 80, dtype=np.uint8).tobytes(),
        "offset beyond the end": b"Exif\0\0MM\0*\xff\xff\xff\xf0",
        "orientation as text": bytes(text),
        "orientation 77": block[: entry + 8] + bytes(77 if b == 6 else b for b in block[entry + 8 :]),
    }
    check = equals(picture, 4)
    return [
        Case(
            f"EXIF: {name}",
            f"exif {name}.jpg",
            save(picture, "JPEG", quality=100, subsampling=0, exif=data),
            "ok",
            check,
        )
        for name, data in blocks.items()
    ]


def _sizes() -> list[Case]:
    def flat(height: int, width: int) -> bytes:
        return save(np.full((height, width, 3), 77, np.uint8), "PNG")

    return [
        Case("one pixel", "pixel.png", flat(1, 1), "ok", equals(np.full((1, 1, 3), 77, np.uint8))),
        Case("1 x 5000", "wide.png", flat(1, 5000), "ok", is_shape(1, 5000)),
        Case("5000 x 1", "tall.png", flat(5000, 1), "ok", is_shape(5000, 1)),
        Case("2 x 65000", "widest.png", flat(2, 65000), "ok", is_shape(2, 65000)),
        Case("65000 x 2", "tallest.png", flat(65000, 2), "ok", is_shape(65000, 2)),
        Case("side of 70000", "long.png", flat(1, 70000), "too large"),
        Case("bomb of 100 MP", "bomb100.png", bomb(10_000), "too large"),
        Case("bomb of 400 MP", "bomb400.png", bomb(20_000), "too large"),
        Case(
            "header of 65535 x 65535",
            "claims.png",
            png(65535, 65535, 8, 2, zlib.compress(bytes(99))),
            "too large",
        ),
    ]


def _formats() -> list[Case]:
    """Formats that a Pillow may lack are left out where it does."""
    picture = photo()
    found = [
        Case("WebP", "photo.webp", save(picture, "WEBP", lossless=True), "ok", equals(picture)),
        Case("BMP", "photo.bmp", save(picture, "BMP"), "ok", equals(picture)),
        Case("PPM", "photo.ppm", save(picture, "PPM"), "ok", equals(picture)),
        Case("TIFF, LZW", "photo.tif", save(picture, "TIFF", compression="tiff_lzw"), "ok", equals(picture)),
        Case(
            "progressive JPEG",
            "prog.jpg",
            save(picture, "JPEG", quality=95, progressive=True),
            "ok",
            equals(picture, 30),
        ),
    ]
    if features.check("jpg_2000"):
        found.append(Case("JPEG 2000", "photo.jp2", save(picture, "JPEG2000"), "ok", equals(picture)))
    if "AVIF" in Image.SAVE:
        found.append(Case("AVIF", "photo.avif", save(picture, "AVIF", quality=95), "ok", equals(picture, 30)))
    return found


# --- files that are small and would be much: claims of size, things that unpack, endless lists ---


def bombs() -> list[Case]:
    """Return what must be refused, or read without what bloats it, before any memory is taken for that."""
    found = [
        Case("GIF of 65535 x 65535", "huge.gif", _gif(65535, 65535), "too large"),
        Case("GIF frame larger than its screen", "frame.gif", _gif(1, 65535), "too large"),
        Case("WebP of 16384 x 16384", "huge.webp", _webp_film(16384, 16384), "too large"),
        Case("WebP of 16777216 x 255", "wide.webp", _webp_film(1 << 24, 255), "too large"),
        Case("TIFF of 60000 x 60000", "huge.tif", tiff(_grey(60000)), "too large"),
        Case("PPM of 60000 x 60000", "huge.ppm", b"P6 60000 60000 255\n", "too large"),
        Case("BMP of 60000 x 60000", "huge.bmp", _bmp(60000, 0), "too large"),
        Case("JPEG of 65500 x 65500", "huge.jpg", _jpeg_of(65500), "too large"),
        Case("JPEG of 300 scans", "scans.jpg", _scans(300), "too large"),
        Case("TIFF of 2147483647 strips", "strips.tif", tiff(_strips(0x7FFFFFFF)), "damaged"),
        Case("TIFF of one huge tile", "tile.tif", tiff(_tile(1)), "truncated"),
        Case("TIFF of one huge packed tile", "tilelzw.tif", tiff(_tile(5)), "damaged"),
        Case("TIFF of 60000 samples a pixel", "samples.tif", tiff(_samples(60000), bytes(130_000)), "damaged"),
        Case("PPM of one endless number", "token.ppm", b"P3 9 9 255\n" + b"1" * 1_000_000, "damaged"),
        Case("PBM without its 81 million pixels", "few.pbm", b"P1 9000 9000\n" + b"1 " * 10, "damaged"),
        Case("BMP run lengths without an end", "rle.bmp", _bmp(9000, 1), "damaged"),
    ]
    same = equals(photo())
    for kind, head in ((b"zTXt", b"c\0\0"), (b"iTXt", b"c\0\1\0\0\0"), (b"iCCP", b"c\0\0")):
        packed = _with_chunk(kind, head + _zeros(300 << 20))
        found.append(Case(f"PNG whose {kind.decode()} unpacks to 300 MB", f"{kind.decode()}.png", packed, "ok", same))
    texts = _with_chunk(b"zTXt", b"c\0\0" + _zeros(1 << 19), times=200)
    found.append(Case("PNG of 200 texts of half a megabyte", "texts.png", texts, "ok", same))
    if features.check("jpg_2000"):
        found.append(Case("JPEG 2000 of 60000 x 60000", "huge.j2k", _jpeg2000(60000, 60000), "too large"))
        found.append(Case("JPEG 2000 of 81 million tiles", "tiles.j2k", _jpeg2000(9000, 1), "damaged"))
    if "AVIF" in Image.SAVE:
        found.append(Case("AVIF of 30000 x 30000", "huge.avif", _avif_of(30000), "damaged"))
    return found


def _heavy() -> list[Case]:
    """Return what is decoded all the same: of a long list the first, of a large block one tag."""
    one = 1 << 20
    overlapping = [(300 + i, 7, one, 0) for i in range(2000)]  # each says that the same megabyte is its own
    turned = _with_chunk(b"eXIf", tiff([(274, 3, 1, 6), *overlapping], bytes(one)))
    page = _grey(1)
    span = 2 + 12 * len(page) + 4
    pages = b"".join(_directory(page, 8 + (i + 1) * span) for i in range(10_000))
    counts = _with_chunk(b"acTL", struct.pack(">II", 0x7FFFFFFF, 0))
    return [
        Case("PNG with overlapping tags", "overlap.png", turned, "ok", is_shape(90, 60)),
        Case(
            "TIFF with overlapping tags", "overlap.tif", tiff([*_grey(64), *overlapping], bytes(one)), "ok", is_shape(64, 64)
        ),
        Case("TIFF whose pages go in a circle", "circle.tif", tiff(_grey(64), bytes(4200), 8), "ok", is_shape(64, 64)),
        Case("TIFF of 10,000 pages", "pages10k.tif", b"II*\0" + struct.pack("<I", 8) + pages, "ok", is_shape(1, 1)),
        Case("GIF of 20,000 frames", "film20k.gif", _gif_film(20_000), "ok", is_shape(1, 1)),
        Case("WebP of 20,000 frames", "film20k.webp", _webp_film(2, 2, 20_000), "ok", is_shape(2, 2)),
        Case("PNG that claims 2147483647 frames", "claims.apng", counts, "ok", is_shape(60, 90)),
    ]


Tag = tuple[int, int, int, int]  # number, type, count, value or place


def tiff(tags: list[Tag], rest: bytes = b"", following: int = 0) -> bytes:
    """Return a little-endian TIFF of one directory, and what follows it."""
    return b"II*\0" + struct.pack("<I", 8) + _directory(tags, following) + rest


def _directory(tags: list[Tag], following: int) -> bytes:
    return struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + struct.pack("<I", following)


def _grey(side: int) -> list[Tag]:
    """Return the tags of a grey picture, uncompressed, whose pixels are the file's own bytes from the eighth on."""
    size = [(256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    return [*size, (273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, side), (279, 4, 1, side * side % 2**32)]


def _strips(count: int) -> list[Tag]:
    return [*_grey(9000)[:5], (273, 4, count, 8), (277, 3, 1, 1), (278, 4, 1, 1), (279, 4, count, 8)]


def _tile(compression: int) -> list[Tag]:
    head = [*_grey(9000)[:3], (259, 3, 1, compression), (262, 3, 1, 1), (277, 3, 1, 1)]
    return [*head, (322, 4, 1, 0x7FFFFFF0), (323, 4, 1, 0x7FFFFFF0), (324, 4, 1, 8), (325, 4, 1, 100)]


def _samples(count: int) -> list[Tag]:
    size = [(256, 4, 1, 64), (257, 4, 1, 64), (258, 3, count, 0), (259, 3, 1, 1), (262, 3, 1, 2)]
    return [*size, (273, 4, 1, 8), (277, 3, 1, count), (278, 4, 1, 64), (279, 4, 1, 4096)]


def _gif(screen: int, frame: int) -> bytes:
    head = b"GIF89a" + struct.pack("<HH", screen, screen) + b"\xf0\0\0" + bytes(6)
    return head + b",\0\0\0\0" + struct.pack("<HH", frame, frame) + b"\0\x08\x02\x4c\x01\0;"


def _gif_film(frames: int) -> bytes:
    head = b"GIF89a\1\0\1\0\xf0\0\0" + bytes(6)
    return head + b"!\xf9\4\0\1\0\0\0,\0\0\0\0\1\0\1\0\0\2\2\x44\1\0" * frames + b";"


def _webp_film(width: int, height: int, frames: int = 1) -> bytes:
    """Return an animated WebP with a canvas of this size, whose frames are of 2 x 2 pixels (1 x 1 at their least)."""
    small = save(Image.new("RGB", (2, 2)), "WEBP", lossless=True)[12:]
    frame = b"ANMF" + struct.pack("<I", 16 + len(small)) + bytes(6) + b"\1\0\0\1\0\0" + b"\1\0\0\0" + small
    canvas = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\2\0\0\0" + canvas + b"ANIM" + struct.pack("<I", 6) + bytes(6)
    return b"RIFF" + struct.pack("<I", len(body) + len(frame) * frames) + body + frame * frames


def _bmp(side: int, compression: int) -> bytes:
    head = b"BM" + struct.pack("<IHHI", 100, 0, 0, 54 + 1024)
    about = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, compression, 0, 0, 0, 256, 0)
    return head + about + bytes(1024) + b"\xff\1" * 100


def _jpeg_of(side: int) -> bytes:
    data = bytearray(save(photo(64, 64), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", side, side)
    return bytes(data)


def _scans(count: int) -> bytes:
    """Return a progressive JPEG whose last scan comes again and again: each costs a pass over all pixels."""
    data = save(Image.new("L", (64, 64), 128), "JPEG", progressive=True)
    return data[:-2] + (b"\xff\xda" + data.split(b"\xff\xda")[-1][:-2]) * count + b"\xff\xd9"


def _with_chunk(kind: bytes, body: bytes, times: int = 1) -> bytes:
    """Return a good PNG of 90 x 60 with another chunk before its pixels."""
    data = save(photo(), "PNG")
    at = data.index(b"IDAT") - 4
    return data[:at] + _chunk(kind, body) * times + data[at:]


@cache
def _zeros(count: int) -> bytes:
    squeeze = zlib.compressobj(9)
    block = bytes(1 << 19)
    return b"".join(squeeze.compress(block) for _ in range(count >> 19)) + squeeze.flush()


def _jpeg2000(side: int, tile: int) -> bytes:
    data = save(photo(64, 64), "JPEG2000")
    stream = bytearray(data[data.index(b"\xff\x4f\xff\x51") :])
    stream[8:40] = struct.pack(">8I", side, side, 0, 0, tile, tile, 0, 0)
    return bytes(stream)


def _avif_of(side: int) -> bytes:
    data = save(photo(64, 64), "AVIF")
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", side, side) + data[at + 8 :]
