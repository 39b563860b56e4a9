"""Which images there are, what they are called, and what they show.

In: a folder, a CSV or a list of paths. Out: an `ImageSet` of `Image` records in a fixed order, and a count of
all that was passed over. It decodes nothing (it reads the first bytes of files whose name does not tell) and
must not know pixels, recipes, networks or heads.
"""

from penult.images.class_folders import is_part
from penult.images.columns import TableOptions
from penult.images.correction import corrected_rows
from penult.images.given import expand_sources
from penult.images.label_table import read_label_table
from penult.images.labels import LabelNormalizer
from penult.images.name_groups import NameGroups, name_groups
from penult.images.records import Image, ImageSet, kaggle_label, label_matrix, label_texts, quoted
from penult.images.scan import labels_from, scan_labelled, scan_train_and_test
from penult.images.stream import ImageStream, stream_unlabelled
from penult.images.table import Table, is_table, read_as_table
from penult.images.to_label import scan_to_label
from penult.images.to_predict import scan_unlabelled
from penult.images.walk import REPEATED, ScanLog, skipped_notes
from penult.sources.names import natural_key

__all__ = [
    "REPEATED",
    "Image",
    "ImageSet",
    "ImageStream",
    "LabelNormalizer",
    "NameGroups",
    "ScanLog",
    "Table",
    "TableOptions",
    "corrected_rows",
    "expand_sources",
    "is_part",
    "is_table",
    "kaggle_label",
    "label_matrix",
    "label_texts",
    "labels_from",
    "name_groups",
    "natural_key",
    "quoted",
    "read_as_table",
    "read_label_table",
    "scan_labelled",
    "scan_to_label",
    "scan_train_and_test",
    "scan_unlabelled",
    "skipped_notes",
    "stream_unlabelled",
]  # fmt: skip
