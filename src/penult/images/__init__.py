"""Which images there are, what they are called, and what they show.

In: a folder, a CSV or a list of paths. Out: an `ImageSet` of `Image` records in a fixed order, and a count of
all that was passed over. It decodes nothing (it reads the first bytes of files whose name does not tell) and
must not know pixels, recipes, networks or heads.
"""

from penult.images.columns import TableOptions
from penult.images.labels import Labels
from penult.images.records import Image, ImageSet, listing, natural_key
from penult.images.scan import scan_both, scan_labelled, scan_unlabelled
from penult.images.walk import passed_over

__all__ = [
    "Image", "ImageSet", "Labels", "TableOptions", "listing", "natural_key", "passed_over", "scan_both", "scan_labelled",
    "scan_unlabelled",
]  # fmt: skip
