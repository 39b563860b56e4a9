"""One run under way: where it writes, what was asked, how long it took."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from penult.errors import ProgressCallback
from penult.runs import RunFolder
from penult.training.options import TrainOptions
from penult.training.sample_submission import SampleSubmission


class Clock:
    """Seconds per stage, in the order in which the stages ended."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self.began = datetime.now(UTC)
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """End a stage."""
        now = time.perf_counter()
        self.stages[stage] = round(now - self._last, 3)
        self._last = now


@dataclass(frozen=True, slots=True)
class Job:
    """What every step of a run needs; `sheet` is the sample submission, if one was given."""

    run: RunFolder
    options: TrainOptions
    sheet: SampleSubmission | None
    progress: ProgressCallback
    clock: Clock = field(default_factory=Clock)
