"""The images to learn from and those to test on, scanned together: what is said of one table helps to read the other.

In: two sources. Out: an `ImageSet` each.
"""

from __future__ import annotations

from dataclasses import replace

from penult.images.columns import NO_OPTIONS, TableOptions
from penult.images.labelled import scan_labelled
from penult.images.records import ImageSet
from penult.images.table import is_table
from penult.images.unlabelled import scan_unlabelled


def scan_both(
    source: str, test: str | None, groups: str | None = None, table: TableOptions = NO_OPTIONS
) -> tuple[ImageSet, ImageSet | None]:
    """Return the labelled images, and those of the test part, whose labels count where all are classes of the first.

    `table` is about `source`; a test part that is a table uses of it what fits. Raises InputError.
    """
    other = test is not None and is_table(test)
    own = replace(table, hints=True) if other and not is_table(source) else table
    labelled = scan_labelled(source, groups=groups, table=own)
    if test is None:
        return labelled, None
    hints = table if other and not is_table(source) else replace(table, hints=True)
    return labelled, scan_unlabelled(test, classes=labelled.classes, table=hints)
