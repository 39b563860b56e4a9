"""Photos that a person should look at, put aside as whole files beside their answers, within a number and a size.

In: the bytes of a photo and its answer. Out: `DIGEST.jpg` and `DIGEST.json` in the review folder, so that one photo is there
once. Writing happens in a thread of its own; when the folder is full, or the disk too slow, photos are left out.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from penult import store
from penult.predict import Prediction
from penult.predict.answers import review_reason
from penult.serve.models import ServedModel
from penult.serve.options import ReviewOptions
from penult.web import FormFile

log = logging.getLogger(__name__)

WAITING = 32  # photos that wait to be written
_ENDINGS = (
    (b"\xff\xd8\xff", ".jpg"), (b"\x89PNG", ".png"), (b"GIF8", ".gif"), (b"BM", ".bmp"), (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
)  # fmt: skip


class ReviewFolder:
    """The folder where doubtful photos of a server go."""

    def __init__(self, options: ReviewOptions) -> None:
        self.options = options
        store.make_folder(options.folder)
        there = [path for path in options.folder.iterdir() if path.suffix != ".json" and not store.is_temporary(path.name)]
        self.kept = len(there)
        self.nbytes = sum(path.stat().st_size for path in there)
        self._writer = ThreadPoolExecutor(1, "penult-review")
        self._places = threading.BoundedSemaphore(WAITING)
        self._full = False

    def offer(self, served: ServedModel, photos: Sequence[FormFile], answers: Sequence[Prediction]) -> None:
        """Put aside those of the photos that are doubtful; returns at once."""
        for photo, answer in zip(photos, answers, strict=True):
            reason = "" if answer.failure else review_reason(answer, self.options.level)
            if reason and not self._full and self._places.acquire(blocking=False):
                self._writer.submit(self._write, served, photo.data, answer, reason)

    def close(self) -> None:
        """Write what waits, and end."""
        self._writer.shutdown()

    def _write(self, served: ServedModel, data: bytes, answer: Prediction, reason: str) -> None:
        try:
            self._keep(served, data, answer, reason)
        except (OSError, ValueError) as error:  # the answer has been given; the folder is extra
            log.warning("a photo to review cannot be written: %s", error)
        finally:
            self._places.release()

    def _keep(self, served: ServedModel, data: bytes, answer: Prediction, reason: str) -> None:
        digest = hashlib.sha256(data).hexdigest()
        path = self.options.folder / f"{digest[:32]}{_ending(data)}"
        if path.exists():
            return
        if self.kept >= self.options.photos or self.nbytes + len(data) > self.options.nbytes:
            self._full = True
            log.warning("the review folder is full: %d photos, %d bytes", self.kept, self.nbytes)
            return
        with store.atomic_write(path) as file:
            file.write(data)
        known = {
            "file": path.name,
            "sha256": digest,
            "model": served.name,
            "model_version": served.version,
            "reason": reason,
            "label": answer.label,
            "confidence": answer.confidence,
            "probabilities": answer.probabilities,
            "novelty": answer.novelty,
            "received": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        store.write_json(path.with_suffix(".json"), known)
        self.kept += 1
        self.nbytes += len(data)


def _ending(data: bytes) -> str:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    return next((ending for head, ending in _ENDINGS if data.startswith(head)), ".image")
