"""Classes with too few photos."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from penult.audit.data import AuditData
from penult.audit.finding import Finding, FindingKind
from penult.texts import count

FEW = 20  # photos
MUCH_LARGER = 10  # times that the largest class has more photos, above which another is small beside it

SMALL_CLASS = FindingKind(
    "small_class", "class with too few photos", "classes with too few photos", rank=120, suggestion="add photos", about="class"
)
KINDS = (SMALL_CLASS,)


def find(data: AuditData) -> Iterator[Finding]:
    """Yield the classes that have few photos by themselves, or beside the largest class, with what of it is true."""
    counts = np.bincount(np.asarray(data.train.y, np.intp), minlength=len(data.classes))
    largest = int(counts.max())
    for name, n in zip(data.classes, counts.tolist(), strict=True):
        few, rare = n < FEW, MUCH_LARGER * n < largest
        if few or rare:
            reason = count(n, "photo")
            reason += f", fewer than {FEW}" if few else ""
            reason += f"; the largest class, {data.classes[int(counts.argmax())]}, has {largest:,}" if rare else ""
            yield SMALL_CLASS.finding(name, 1 - n / (max(largest, FEW) + 1), reason)
