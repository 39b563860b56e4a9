"""From the bytes of any picture to what a network wants to see; the only package that knows Pillow.

`decode` and `prepare` are the two steps, `prepare_all` does both for many files in worker processes. A
picture that cannot be read is a `Failure` with a reason of `REASONS`, never an exception and never another
picture.
"""

from penult.pixels.datasets import dataset_labels
from penult.pixels.decoder_pool import DecoderPool
from penult.pixels.decoding import MAX_PIXELS, MAX_SIDE, decode, preprocessing_version
from penult.pixels.display import (
    SMALL_FILE,
    encode_jpeg,
    encode_png,
    encode_webp,
    image_size,
    load_rgb,
    shrink,
    small_image_size,
    square_webp,
    thumbnails,
)
from penult.pixels.failures import CURES, REASONS, FailureLog, advice, reason_of, summarize_failures
from penult.pixels.modes import choose_depth, describe_depth, stores_sixteen
from penult.pixels.pipeline import Prepared
from penult.pixels.preparing import content_digests, decode_failures, prepare_all, prepare_with_thumbnails, read_members
from penult.pixels.recipe import CROP_MODES, DEPTHS, FULL_DEPTH, VIEWS, CropMode, Failure, Recipe, Remark, views_to_crop_mode
from penult.pixels.resizing import prepare, visible_box
from penult.pixels.sources import content_digest, image_list, image_name
from penult.pixels.thumbnail import LONGEST as THUMBNAIL_SIDE
from penult.pixels.thumbnail import encode_thumbnail, thumbnail_format
from penult.sources import MAX_BYTES, FileContent

__all__ = [
    "CROP_MODES", "CURES", "DEPTHS", "FULL_DEPTH", "MAX_BYTES", "MAX_PIXELS", "MAX_SIDE", "REASONS", "SMALL_FILE",
    "THUMBNAIL_SIDE", "VIEWS", "CropMode", "DecoderPool", "Failure", "FailureLog", "FileContent", "Prepared", "Recipe",
    "Remark", "advice", "choose_depth", "content_digest", "content_digests",
    "dataset_labels", "decode", "decode_failures", "describe_depth",
    "encode_jpeg", "encode_png", "encode_thumbnail", "encode_webp", "image_list", "image_name", "image_size", "load_rgb",
    "prepare", "prepare_all", "prepare_with_thumbnails", "preprocessing_version", "read_members", "reason_of", "shrink",
    "small_image_size", "square_webp", "stores_sixteen", "summarize_failures", "thumbnail_format", "thumbnails",
    "views_to_crop_mode", "visible_box",
]  # fmt: skip
