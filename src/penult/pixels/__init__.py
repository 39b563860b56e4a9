"""From the bytes of any picture to what a network wants to see; the only room that knows Pillow.

`decode` and `prepare` are the two steps, `prepare_all` does both for many files in worker processes. A
picture that cannot be seen is a `Failure` with a reason of `REASONS`, never an exception and never another
picture.
"""

from penult.pixels.decoding import MAX_BYTES, MAX_PIXELS, MAX_SIDE, decode, road_version
from penult.pixels.depth import chosen, stores_sixteen
from penult.pixels.depth import told as depth_told
from penult.pixels.failures import CURES, REASONS, advice, told, what
from penult.pixels.inputs import image_list, image_name
from penult.pixels.preparing import prepare_all, trial
from penult.pixels.recipe import DEPTHS, FULL_DEPTH, Failure, Recipe, Remark
from penult.pixels.resizing import prepare
from penult.pixels.road import Prepared
from penult.pixels.showing import photo, png, shrink, view
from penult.pixels.sizing import size_of_small
from penult.pixels.sources import digest
from penult.pixels.stamps import stamps, webp

__all__ = [
    "CURES",
    "DEPTHS",
    "FULL_DEPTH",
    "MAX_BYTES",
    "MAX_PIXELS",
    "MAX_SIDE",
    "REASONS",
    "Failure",
    "Prepared",
    "Recipe",
    "Remark",
    "advice",
    "chosen",
    "decode",
    "depth_told",
    "digest",
    "image_list",
    "image_name",
    "photo",
    "png",
    "prepare",
    "prepare_all",
    "road_version",
    "shrink",
    "size_of_small",
    "stamps",
    "stores_sixteen",
    "told",
    "trial",
    "view",
    "webp",
    "what",
]
