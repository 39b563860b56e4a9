"""One line of the doctor: what was looked at, how it is, and what to do.

In: words. Out: `Check`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from penult.errors import PenultError

OK, NOTE, WARN, FAIL = "ok", "note", "warn", "FAIL"


@dataclass(frozen=True, slots=True)
class Check:
    """What `name` is about is `state` (ok, note, warn, FAIL): `said`, and for all but ok the `cure`."""

    name: str
    state: str
    said: str
    cure: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return plain JSON values."""
        return asdict(self)


def guarded(name: str, look: Callable[[], Check | list[Check]]) -> Iterator[Check]:
    """Yield what a check found; one that raises is a line that fails, never the end of the others."""
    try:
        found = look()
    except PenultError as error:
        said, _, cure = str(error).partition("; ")
        yield Check(name, FAIL, said, cure)
    except Exception as error:  # whatever is broken here is what the user came to hear of
        words = " ".join(str(error).split())[:300]
        yield Check(
            name, FAIL, f"this check stopped with {type(error).__name__}: {words}", "install penult again, or report it"
        )
    else:
        yield from found if isinstance(found, list) else [found]
