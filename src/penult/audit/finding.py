"""One problem, or possible one, with the data, and what the kinds of them are called."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, astuple, dataclass, fields
from typing import Any, Literal

from penult import html
from penult.texts import count


@dataclass(frozen=True, slots=True)
class FindingKind:
    """What one kind of finding is called, and what to do about it; a file in `penult.audit.kinds` declares it.

    `name` stands in findings.csv. `one` and `many` are its titles. `rank`: findings are listed by it, the gravest first.
    `suggestion` is for one finding, `advice` a sentence for several together, where that is another. `about` says what a
    finding's `file` names.
    """

    name: str
    one: str
    many: str
    rank: int
    suggestion: str
    advice: str = ""
    about: Literal["photo", "class"] = "photo"

    def finding(self, file: str, score: float, reason: str, suggestion: str | None = None, related: str = "") -> Finding:
        """Return a finding of this kind; it suggests what the kind does unless another `suggestion` is given."""
        return Finding(self.name, file, related, float(score), reason, self.suggestion if suggestion is None else suggestion)

    def title(self, number: int) -> str:
        """Return `12 possible label errors`."""
        return count(number, self.one, self.many)


KINDS: dict[str, FindingKind] = {}  # by name, the gravest first; `penult.audit.kinds` fills it


@dataclass(frozen=True, slots=True)
class Finding:
    """A kind (one of KINDS), the photo or class, what it goes with, and what to do.

    `file` names what `about` says: a photo or a class. Ask `photos` for the files. `score` is from 0 to 1, surer or worse the
    higher. For a leak `file` is the test photo, `related` the training one.
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
        return KINDS[self.kind].about if self.kind in KINDS else "photo"

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
    return sorted(found, key=lambda one: (KINDS[one.kind].rank, -one.score, one.file))


def counts(found: Iterable[Finding]) -> dict[str, int]:
    """Return how many findings there are of each kind that was found, in the order of KINDS."""
    names = [one.kind for one in found]
    return {name: names.count(name) for name in KINDS if name in names}
