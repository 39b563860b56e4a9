"""How many images may be bad before a command refuses to go on.

In: what a scan passed over, which images failed. Out: nothing, or one `TooManyBad` that names them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from penult.errors import InputError, TooManyBad
from penult.images import ImageSet, listing, passed_over
from penult.pixels import Failure, summarize_failures

_LIMIT = re.compile(r"(\d+(?:\.\d+)?)\s*%|(\d+)")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The limit: at most `share` of the images (0 to 1) and at most `count` of them may be unreadable.

    With `strict` none may be, and a scan may not pass over anything that could be an image: links to folders above them or
    read already, links that lead nowhere, what could not be opened, images outside the class folders. Without any of these
    everything is tolerated, and told.
    """

    share: float = 1.0
    count: int | None = None
    strict: bool = False

    @classmethod
    def parse(cls, limit: str | None, strict: bool = False) -> Tolerance:
        """Return the limit of a text: `5%`, or a number of images. Raises `InputError` for anything else."""
        if limit is None:
            return cls(strict=strict)
        found = _LIMIT.fullmatch(limit.strip())
        if found is None or (found[1] and float(found[1]) > 100):
            raise InputError(f"--max-bad {limit!r} is no share or number of images; give one such as 5% or 20.")
        if found[1]:
            return cls(share=float(found[1]) / 100, strict=strict)
        return cls(count=int(found[2]), strict=strict)

    def scanned(self, *sets: ImageSet | None) -> None:
        """Raise `TooManyBad` where `strict`, if the scan of these sets passed over something that could be an image."""
        passed = [note for found in sets if found is not None for note in passed_over(found)]
        if self.strict and passed:
            raise TooManyBad(f"{'; '.join(passed)}. Put these right, or leave --strict out. Nothing was computed.")

    def seen(self, names: Sequence[str], failures: Mapping[int, Failure], more: str = "") -> None:
        """Raise `TooManyBad` if too many of the images of these names (n,) failed; `more` says where they are listed."""
        bad, n = len(failures), len(names)
        if bad <= self._most(n):
            return
        wanted = "--strict" if self.strict else f"--max-bad {self._words()}"
        raise TooManyBad(
            f"{bad} of {n} images ({100 * bad / n:.3g}%) cannot be read, which is more than {wanted} allows: "
            f"{listing([names[i] for i in sorted(failures)])}{more}. {summarize_failures(failures.values())}. "
            "Repair or remove them, or allow more; features computed so far are kept."
        )

    def _most(self, n: int) -> float:
        if self.strict:
            return 0
        return min(self.share * n + 1e-9, n if self.count is None else self.count)  # 5% of 20 is 1, whatever the rounding

    def _words(self) -> str:
        return f"{100 * self.share:g}%" if self.count is None else str(self.count)
