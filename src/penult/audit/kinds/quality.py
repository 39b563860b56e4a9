"""Photos that are no good: unreadable, cut off, tiny, blank, dark or blurred."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors
from penult.audit.finding import AuditData, Finding, FindingKind
from penult.audit.kinds.outliers import FEW, stands_out
from penult.i18n import N_, _

TINY_SIDE = 64  # pixels of the shorter side
BLANK = 4.0  # standard deviation of the luma, 0 to 255
DARK = 45.0  # 95th percentile of the luma
BLURRED = 0.8  # see backbones.quality

UNREADABLE = FindingKind(
    "unreadable", "unreadable file", "unreadable files", rank=50, suggestion=N_("save it again, or remove it")
)
TRUNCATED = FindingKind(
    "truncated",
    "truncated photo",
    "truncated photos",
    rank=60,
    suggestion=N_("used as it is; download it again if you can"),
)
TINY = FindingKind("tiny", "tiny photo", "tiny photos", rank=110, suggestion=N_("replace it by a larger one, or remove it"))
BLANK_PHOTO = FindingKind(
    "blank", "blank photo", "blank photos", rank=80, suggestion=N_("remove it if there is nothing to see")
)
DARK_PHOTO = FindingKind(
    "dark", "very dark photo", "very dark photos", rank=90, suggestion=N_("remove it if there is nothing to see")
)
BLURRED_PHOTO = FindingKind(
    "blurred", "blurred photo", "blurred photos", rank=100, suggestion=N_("remove it if you cannot tell what it shows")
)
KINDS = (UNREADABLE, TRUNCATED, TINY, BLANK_PHOTO, DARK_PHOTO, BLURRED_PHOTO)
REASONS = {
    "blank": N_("it has hardly any contrast"), "dark": N_("it is very dark"),
    "blurred": N_("it is far less sharp than the others"),
}  # fmt: skip
PARTS = {"training": N_("{reason} (training photo)"), "test": N_("{reason} (test photo)")}

Odd = list[tuple[int, float]]  # row, score


def find(data: AuditData) -> Iterator[Finding]:
    """Yield photos that could not be read, that end too early (what is there is used), or that show little."""
    for part in data.parts:
        for file, (reason, advice) in part.failures.items():
            yield UNREADABLE.finding(file, 1.0, _(PARTS[part.name], reason=reason), advice)
        for file, share in part.missing_rows.items():
            what = _("the file ends too early, its finest detail is missing")
            if share:
                what = _("the file ends too early, the last {share:.2g}% of its rows are missing", share=100 * share)
            yield TRUNCATED.finding(file, share or 0.1, _(PARTS[part.name], reason=what))
    sizes = zip(data.train.files, data.train.sizes, strict=bool(data.train.sizes))
    tiny = [(file, size) for file, size in sizes if size is not None and min(size) < TINY_SIDE]
    if 2 * len(tiny) < len(data.train.files):  # where most are, it is how these photos are
        for file, size in tiny:
            yield TINY.finding(
                file, 1 - min(size) / TINY_SIDE, _("only {width} x {height} pixels", width=size[0], height=size[1])
            )
    for name, rows in ({} if data.train.quality is None else conditions(data.train.quality)).items():
        kind = next(kind for kind in KINDS if kind.name == name)
        for row, score in rows:
            yield kind.finding(data.train.ok_files[row], score, _(REASONS[name]))


@default_errors
def conditions(quality: NDArray[Any]) -> dict[str, Odd]:
    """Return the rows of quality (n, 4: mean, spread, bright, blur) that are blank, dark or blurred; each row once."""
    _, spread, bright, blur = np.asarray(quality, np.float64).T
    blank = spread < BLANK
    dark = (bright < DARK) & ~blank
    soft = (blur > BLURRED) & ~blank & ~dark
    if len(blur) >= FEW:  # where all are soft (a microscope), only those count that are softer than the others
        soft &= stands_out(blur, 3.0)
    return {
        "blank": [(int(i), float(1 - spread[i] / BLANK)) for i in np.flatnonzero(blank)],
        "dark": [(int(i), float(1 - bright[i] / DARK)) for i in np.flatnonzero(dark)],
        "blurred": [(int(i), float(blur[i])) for i in np.flatnonzero(soft)],
    }
