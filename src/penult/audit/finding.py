"""One thing that is wrong, or may be, with the data.

In: nothing. Out: `Finding`, the kinds there are, counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, astuple, dataclass, fields
from typing import Any, Literal

from penult import html
from penult.texts import count

KINDS = (
    "leak", "label", "copy", "near_copy", "unreadable", "truncated", "outlier", "blank", "dark", "blurred", "tiny",
    "small_class",
)  # fmt: skip
OF_CLASSES = frozenset({"small_class"})  # kinds whose findings name a class in `file`, no photo


@dataclass(frozen=True, slots=True)
class Finding:
    """A kind (one of KINDS), the photo or class, what it goes with, and what to do.

    `file` names what `about` says: a photo, or for a kind of OF_CLASSES a class. Ask `photos` for the files. `score` is from 0
    to 1, surer or worse the higher. For a leak `file` is the test photo, `related` the training one.
    """

    kind: str
    file: str
    related: str
    score: float
    reason: str
    suggestion: str

    @property
    def about(self) -> Literal["photo", "class"]:
        """What `file` names."""
        return "class" if self.kind in OF_CLASSES else "photo"

    @property
    def photos(self) -> tuple[str, ...]:
        """The photos that this is about: none where it is about a class, two where one goes with another."""
        if self.about == "class":
            return ()
        return (self.file, self.related) if self.related else (self.file,)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"about": self.about, **asdict(self)}

    def _repr_html_(self) -> str:
        rows = [(self.about, self.file), ("related", self.related), ("score", html.number(self.score, 3))]
        rows.append(("suggestion", self.suggestion))
        return html.result(f"{self.kind}: {self.reason}", html.table(("", ""), [row for row in rows if row[1]]))

    def row(self) -> tuple[str, ...]:
        """Return the cells of a line of `findings.csv`, see COLUMNS."""
        return tuple(f"{cell:.4f}" if isinstance(cell, float) else cell for cell in astuple(self))


def findings_html(findings: Iterable[Finding]) -> str:
    """Return findings as one table for a notebook."""
    rows = [(f.file, f.kind, f.related, html.number(f.score, 3), f.reason, f.suggestion) for f in findings]
    header = ("photo or class", "kind", "related", "score", "reason", "suggestion")
    return html.result(count(len(rows), "finding"), html.table(header, rows))


COLUMNS = tuple(field.name for field in fields(Finding))


def ranked(found: Iterable[Finding]) -> list[Finding]:
    """Return findings kind by kind in the order of KINDS, the surest of each first."""
    return sorted(found, key=lambda one: (KINDS.index(one.kind), -one.score, one.file))


def counts(found: Iterable[Finding]) -> dict[str, int]:
    """Return how many findings there are of each kind that was found, in the order of KINDS."""
    kinds = [one.kind for one in found]
    return {kind: kinds.count(kind) for kind in KINDS if kind in kinds}
