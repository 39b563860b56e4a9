"""`RunDifference`, what changed from one run to another, and how it is told: JSON, lines of text, a table in a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from penult import html
from penult.texts import count, percent, printable


@dataclass(frozen=True, slots=True)
class LabelChange:
    """A photo with another label than before."""

    file: str
    former: str
    present: str


@dataclass(frozen=True, slots=True)
class AnswerChange:
    """A photo that one run got right and the other wrong: its label now, and what each answered."""

    file: str
    label: str
    former: str
    present: str


@dataclass(frozen=True, slots=True)
class ScoreChange:
    """A score of both runs on the same photos, and the present less the former with its 95% interval."""

    metric: str
    former: float
    present: float
    difference: float
    low: float
    high: float
    photos: int

    @property
    def clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**asdict(self), "clear": self.clear}


@dataclass(frozen=True, slots=True)
class PartDifference:
    """What became of the photos that both runs measured, out of fold or as test photos; no scores where there are none."""

    scores: tuple[ScoreChange, ...] = ()
    right: tuple[AnswerChange, ...] = ()
    wrong: tuple[AnswerChange, ...] = ()


@dataclass(frozen=True, slots=True)
class RunDifference:
    """What changed from the `former` run to the `present` one.

    `oof` compares the training photos, each scored by a model not trained on it; `test` the test photos, where their labels
    are known. `settings` are options and networks that differ: name, former, present. `notes` say what limits the comparison.

    Examples
    --------
    >>> import penult
    >>> first = penult.train("photos", out="one", backbones="colour_histogram", head="centroid")
    >>> second = penult.train("photos", out="two", backbones="colour_histogram", head="knn")
    >>> from penult.training import compare_runs
    >>> compare_runs("one", "two").settings
    (('head', 'centroid', 'knn'),)
    """

    former: str
    present: str
    oof: PartDifference
    test: PartDifference | None
    relabelled: tuple[LabelChange, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    classes_added: tuple[str, ...]
    classes_removed: tuple[str, ...]
    settings: tuple[tuple[str, Any, Any], ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; `score` is the accuracy out of fold, null where no photo was measured by both."""
        return {
            "former": self.former,
            "present": self.present,
            "verdict": self.verdict(),
            **_part_dict(self.oof),
            "test": None if self.test is None else _part_dict(self.test),
            "labels_changed": [asdict(one) for one in self.relabelled],
            "photos_added": list(self.added),
            "photos_removed": list(self.removed),
            "classes_added": list(self.classes_added),
            "classes_removed": list(self.classes_removed),
            "settings": [{"name": name, "former": old, "present": new} for name, old, new in self.settings],
            "notes": list(self.notes),
        }

    def verdict(self) -> str:
        """Return in a sentence whether the present run is better, as far as the photos tell."""
        if not self.oof.scores:
            return "The runs have no measured photo in common, so their scores cannot be compared."
        score = self.oof.scores[0]
        if all(one.difference == one.low == one.high == 0 for one in self.oof.scores[1:]) and not (
            self.oof.right + self.oof.wrong
        ):
            return f"Both runs give the same answers to the {count(score.photos, 'photo')} that both measured."
        if not score.clear:
            return f"No clear difference of accuracy on the {count(score.photos, 'photo')} that both runs measured."
        better = "better" if score.difference > 0 else "worse"
        return f"The present run is {better}: {_moved(score)} on the {count(score.photos, 'photo')} that both runs measured."

    def lines(self, most: int = 10) -> Iterator[str]:
        """Yield what changed line by line, with at most so many files of each kind."""
        yield f"{printable(self.former)} -> {printable(self.present)}: {self.verdict()}"
        yield from _part_lines("out of fold", self.oof, most)
        if self.test is not None:
            yield from _part_lines("test photos", self.test, most)
        changed = [f"{printable(one.file)}: {printable(one.former)} -> {printable(one.present)}" for one in self.relabelled]
        yield from _listed("label changed", "labels changed", changed, most)
        for what, files in (("added", self.added), ("removed", self.removed)):
            yield from _listed(f"photo {what}", f"photos {what}", [printable(file) for file in files], most)
        for what, names in (("added", self.classes_added), ("removed", self.classes_removed)):
            yield from _listed(f"class {what}", f"classes {what}", [printable(name) for name in names], most)
        for name, old, new in self.settings:
            yield f"{name}: {printable(str(old))} -> {printable(str(new))}"
        yield from (f"note: {note}" for note in self.notes)

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        rows = [
            (f"{one.metric.replace('_', ' ')}, {where}", _shown(one, one.former), _shown(one, one.present), _moved(one))
            for where, part in (("out of fold", self.oof), ("test photos", self.test or PartDifference()))
            for one in part.scores
        ]
        counts = [
            ("became right", len(self.oof.right)), ("became wrong", len(self.oof.wrong)),
            ("labels changed", len(self.relabelled)), ("photos added", len(self.added)), ("photos removed", len(self.removed)),
        ]  # fmt: skip
        tables = html.table(("", "former", "present", "difference"), rows), html.table(("", "photos"), counts)
        return html.result(self.verdict(), *tables, *(html.tag("p", note) for note in self.notes))


def _part_dict(part: PartDifference) -> dict[str, Any]:
    return {
        "score": part.scores[0].to_dict() if part.scores else None,
        "scores": [one.to_dict() for one in part.scores],
        "right": [asdict(one) for one in part.right],
        "wrong": [asdict(one) for one in part.wrong],
    }


def _part_lines(where: str, part: PartDifference, most: int) -> Iterator[str]:
    for one in part.scores:
        name = one.metric.replace("_", " ")
        yield f"{name}, {where}: {_shown(one, one.former)} -> {_shown(one, one.present)}, {_moved(one)}"
    for what, changes in (("right", part.right), ("wrong", part.wrong)):
        told = [
            f"{printable(c.file)} ({printable(c.label)}): {printable(c.former)} -> {printable(c.present)}" for c in changes
        ]
        yield from _listed(f"photo became {what}, {where}", f"photos became {what}, {where}", told, most)


def _listed(one: str, many: str, lines: Sequence[str], most: int) -> Iterator[str]:
    if lines:
        yield f"{count(len(lines), one, many)}"
        yield from (f"  {line}" for line in lines[:most])
    if len(lines) > most:
        yield f"  {len(lines) - most:,} more (--json lists all)"


def _shown(score: ScoreChange, value: float) -> str:
    return percent(value) if score.metric == "accuracy" else f"{value:.4f}"


def _moved(score: ScoreChange) -> str:
    """Return `+2.3 points (95% interval +0.6 to +4.0)`."""
    if score.metric == "accuracy":
        change, low, high = (f"{100 * value:+.1f}" for value in (score.difference, score.low, score.high))
        return f"{change} points (95% interval {low} to {high})"
    return f"{score.difference:+.4f} (95% interval {score.low:+.4f} to {score.high:+.4f})"
