"""What an audit looks at: photos as arrays and names, without files or networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.audit.near_duplicates import Photos
from penult.audit.pairs import Pairs


@dataclass(frozen=True, slots=True)
class AuditPart:
    """The photos of one folder: all their names, and arrays of those that could be read."""

    name: str  # "training" or "test"
    files: Sequence[str]  # of all n photos
    ok_files: Sequence[str]  # of the n_ok that could be read, in the order of the arrays
    photos: Photos  # digests, features and thumbnails, n_ok each
    y: NDArray[np.intp] | None = None  # (n_ok,) class numbers
    quality: NDArray[Any] | None = None  # (n_ok, 4) mean, spread, bright, blur
    sizes: Sequence[tuple[int, int] | None] = ()  # (n,) width and height in pixels, where they are small
    failures: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # file -> reason and advice
    missing_rows: Mapping[str, float] = field(default_factory=dict)  # file that ends too early -> share of rows that it lacks


@dataclass(frozen=True, slots=True)
class AuditData:
    """Training photos, test photos if any, and what is known of them.

    `widths` are the columns of each network, `blocks` those of the runs that count the same. `near` are the near-duplicates
    among the training photos. `checked` are rows of the training part whose labels may be judged, `proba` (m, k) what a model
    that was not trained on them predicted; none where no model has learned enough to be asked.
    """

    train: AuditPart
    test: AuditPart | None
    classes: Sequence[str]
    widths: Sequence[int]
    blocks: Sequence[int]
    near: Pairs
    checked: NDArray[np.intp]  # (m,)
    proba: NDArray[np.float64]  # (m, k)

    @property
    def parts(self) -> tuple[AuditPart, ...]:
        """The training part, and the test part if there is one."""
        return (self.train,) if self.test is None else (self.train, self.test)
