"""Photos whose files are no good: unreadable, cut off, or very small."""

from __future__ import annotations

from collections.abc import Iterator

from penult.audit.data import AuditData
from penult.audit.finding import Finding, FindingKind

TINY_SIDE = 64  # pixels of the shorter side

UNREADABLE = FindingKind(
    "unreadable", "unreadable file", "unreadable files", rank=50, suggestion="save it again, or remove it"
)
TRUNCATED = FindingKind(
    "truncated",
    "truncated photo",
    "truncated photos",
    rank=60,
    suggestion="used as it is; download it again if you can",
)
TINY = FindingKind("tiny", "tiny photo", "tiny photos", rank=110, suggestion="replace it by a larger one, or remove it")
KINDS = (UNREADABLE, TRUNCATED, TINY)


def find(data: AuditData) -> Iterator[Finding]:
    """Yield what could not be read, what ends too early (what is there of it is used), and training photos that are tiny."""
    for part in data.parts:
        for file, (reason, advice) in part.failures.items():
            yield UNREADABLE.finding(file, 1.0, f"{reason} ({part.name} photo)", advice)
        for file, share in part.missing_rows.items():
            what = f"the last {100 * share:.2g}% of its rows are missing" if share else "its finest detail is missing"
            yield TRUNCATED.finding(file, share or 0.1, f"the file ends too early, {what} ({part.name} photo)")
    sizes = zip(data.train.files, data.train.sizes, strict=bool(data.train.sizes))
    tiny = [(file, size) for file, size in sizes if size is not None and min(size) < TINY_SIDE]
    if 2 * len(tiny) < len(data.train.files):  # where most are, it is how these photos are
        for file, size in tiny:
            yield TINY.finding(file, 1 - min(size) / TINY_SIDE, f"only {size[0]} x {size[1]} pixels")
