"""Turn every colour mode that a decoder gives into honest 8-bit grey or RGB, and set it upright.

In: a loaded Pillow image. Out: one of mode `L` or `RGB`.

| mode                                  | what is done                                                    |
|---------------------------------------|-----------------------------------------------------------------|
| L, RGB                                | nothing                                                         |
| 1                                     | grey                                                            |
| alpha of any kind, transparent colour | laid on white                                                   |
| I;16 of any byte order, I from PGM    | 65535 (4095 in 12-bit TIFF) becomes 255; Pillow alone would clip |
| 16 bits of any kind, at a lower depth | 2 ** depth - 1 becomes 255, what is above is white              |
| RGBA of a BMP that is all transparent | the alpha is junk: dropped                                      |
| I, F                                  | refused, `unsupported depth`: nobody knows where white is       |
| LAB                                   | through LittleCMS to sRGB                                       |
| P, CMYK, YCbCr, HSV, RGBX             | Pillow's `convert("RGB")`; colour profiles are not applied      |

Grey stays one band: Pillow resizes each band by itself, so grey is resized at a third of the cost to the same
bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penult.pixels import depth as depths
from penult.pixels.recipe import FULL_DEPTH, Refused

if TYPE_CHECKING:
    from PIL.Image import Image

_BITS, _PHOTOMETRIC, _ORIENTATION = 258, 262, 274  # TIFF tags


def to_rgb(image: Image, depth: int = FULL_DEPTH, data: bytes = b"") -> Image:
    """Return the loaded `image` as 8-bit `L` or `RGB`; raise `Refused` for a depth without a known white.

    `depth` is how many bits photos use that store 16; `data` the file that `image` came from, empty for one in memory.
    """
    mode = image.mode
    if depth != FULL_DEPTH and (values := depths.samples(image, data)) is not None:
        return _at_depth(image, values, depth)
    if mode.startswith("I;16") or (mode == "I" and image.format in ("PNG", "PPM")):
        return _eight_bits(image)
    if mode in ("I", "F"):
        what = "signed 16-bit" if _tags(image).get(_BITS) == (16,) else "32-bit"
        raise Refused("unsupported depth", f"{what} numbers ({image.format}, mode {mode}): nobody knows where white is")
    if image.format == "BMP" and mode == "RGBA" and image.getchannel("A").getextrema() == (0, 0):
        return image.convert("RGB")
    if image.has_transparency_data:
        return _on_white(image.convert("RGBA"))
    if mode == "LAB":
        return _from_lab(image)
    if mode == "1":
        return image.convert("L")
    return image if mode in ("L", "RGB") else image.convert("RGB")


def upright(picture: Image, source: Image) -> Image:
    """Return `picture` turned as tag 274 of `source` says; a corrupt EXIF block says nothing.

    Only that tag is read: Pillow's `exif_transpose` also writes the block anew, where corrupt ones raise.
    """
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    try:
        turn = turns.get(int(source.getexif()[_ORIENTATION]))
    except Exception:  # no tag; or struct.error, SyntaxError, ...: whatever a corrupt block leads to
        return picture
    return picture if turn is None else picture.transpose(turn)


def _on_white(image: Image) -> Image:
    from PIL.Image import new

    canvas = new("RGB", image.size, "white")
    canvas.paste(image.convert("RGB"), mask=image.getchannel("A"))
    return canvas


def _eight_bits(image: Image) -> Image:
    """Scale 16 bits to 8 with rounding: 0 to 0, 65535 to 255."""
    import numpy as np
    from PIL.Image import fromarray

    tags = _tags(image)
    white = 4095 if tags.get(_BITS) == (12,) else 65535
    values = np.asarray(image).astype(np.uint32)  # (h, w)
    clear = image.info.get("transparency")
    hidden = values == clear if isinstance(clear, int) else None
    if tags.get(_PHOTOMETRIC) == 0:  # white is zero; Pillow inverts these at 8 bits only
        values = white - np.minimum(values, white)
    if hidden is not None:
        values[hidden] = white
    return fromarray(((np.minimum(values, white) * 255 + white // 2) // white).astype(np.uint8))


def _tags(image: Image) -> Any:
    return getattr(image, "tag_v2", {})


def _at_depth(image: Image, values: Any, depth: int) -> Image:
    """Scale 16-bit samples (h, w) or (h, w, channels), of which `depth` bits are used, to 8; transparency on white."""
    import numpy as np
    from PIL.Image import fromarray

    white = 2**depth - 1
    clear = image.info.get("transparency")
    hidden = None
    if isinstance(clear, int) and values.ndim == 2:
        hidden = values == clear
    elif isinstance(clear, tuple) and values.ndim == 3 and len(clear) == 3:
        hidden = (values[..., :3] == np.array(clear)).all(axis=-1)
    wide = np.minimum(values, white).astype(np.uint32)
    if _tags(image).get(_PHOTOMETRIC) == 0:
        wide = white - wide
    if hidden is not None:
        wide[hidden] = white
    eight = ((wide * 255 + white // 2) // white).astype(np.uint8)
    if eight.ndim == 2 or eight.shape[2] == 3:
        return fromarray(eight)
    opaque = 65535 if int(values[..., -1].max()) > white else white  # alpha may use all 16 bits where colors do not
    eight[..., -1] = values[..., -1].astype(np.uint32) * 255 // opaque
    if eight.shape[2] == 2:  # gray and alpha
        eight = eight[..., [0, 0, 0, 1]]
    return _on_white(fromarray(np.ascontiguousarray(eight)))


def _from_lab(image: Image) -> Image:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    picture = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    if picture is None:
        raise Refused("unsupported format", "LAB colours cannot be converted by this Pillow")
    return picture
