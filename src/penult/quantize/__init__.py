"""Networks in 8 bits: what is cut off in rounding is chosen by looking at some of the user's own images.

In: backbones, images. Out: the same backbones with quantised graphs, from the cache where these images were seen before.
It must not know features, labels or heads. NNCF is loaded in a child process only.
"""

from penult.quantize.int8 import IMAGES, in_int8

__all__ = ["IMAGES", "in_int8"]
