"""Turn every colour mode that a decoder gives into honest 8-bit grey or RGB, and set it upright.

In: a loaded Pillow image. Out: one of mode `L` or `RGB`. Must not know: files, recipes, networks.

| mode                                  | what is done                                                    |
|---------------------------------------|-----------------------------------------------------------------|
| L, RGB                                | nothing                                                         |
| 1                                     | grey                                                            |
| alpha of any kind, transparent colour | laid on white                                                   |
| I;16 of any byte order, I from PGM    | 65535 (4095 in 12-bit TIFF) becomes 255; Pillow alone would clip |
| I, F                                  | refused, `unsupported depth`: nobody knows where white is       |
| LAB                                   | through LittleCMS to sRGB                                       |
| P, CMYK, YCbCr, HSV, RGBX             | Pillow's `convert("RGB")`; colour profiles are not applied      |

Grey stays one band: Pillow resizes each band by itself, so grey is resized at a third of the cost to the same
bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penult.pixels.failures import Refused

if TYPE_CHECKING:
    from PIL.Image import Image

_BITS, _PHOTOMETRIC, _ORIENTATION = 258, 262, 274  # TIFF tags


def to_rgb(image: Image) -> Image:
    """Return the loaded `image` as 8-bit `L` or `RGB`; raise `Refused` for a depth without a known white."""
    mode = image.mode
    if mode.startswith("I;16") or (mode == "I" and image.format in ("PNG", "PPM")):
        return _eight_bits(image)
    if mode in ("I", "F"):
        raise Refused("unsupported depth", f"mode {mode} of {image.format}: 32 bits a pixel")
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

    tags: Any = getattr(image, "tag_v2", {})
    white = 4095 if tags.get(_BITS) == (12,) else 65535
    values = np.asarray(image).astype(np.uint32)  # (h, w)
    clear = image.info.get("transparency")
    hidden = values == clear if isinstance(clear, int) else None
    if tags.get(_PHOTOMETRIC) == 0:  # white is zero; Pillow inverts these at 8 bits only
        values = white - np.minimum(values, white)
    if hidden is not None:
        values[hidden] = white
    return fromarray(((np.minimum(values, white) * 255 + white // 2) // white).astype(np.uint8))


def _from_lab(image: Image) -> Image:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    picture = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    if picture is None:
        raise Refused("unsupported format", "LAB colours cannot be converted by this Pillow")
    return picture
