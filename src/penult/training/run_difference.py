"""`RunDifference`, what changed from one run to another, and how it is told: JSON, lines of text, a table in a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from penult import html
from penult.i18n import _, ngettext
from penult.texts import percent, printable


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
            return _("The runs have no measured photo in common, so their scores cannot be compared.")
        score = self.oof.scores[0]
        if all(one.difference == one.low == one.high == 0 for one in self.oof.scores[1:]) and not (
            self.oof.right + self.oof.wrong
        ):
            return ngettext(
                "Both runs give the same answers to the {n:,} photo that both measured.",
                "Both runs give the same answers to the {n:,} photos that both measured.",
                score.photos,
            )
        if not score.clear:
            return ngettext(
                "No clear difference of accuracy on the {n:,} photo that both runs measured.",
                "No clear difference of accuracy on the {n:,} photos that both runs measured.",
                score.photos,
            )
        if score.difference > 0:
            return ngettext(
                "The present run is better: {change} on the {n:,} photo that both runs measured.",
                "The present run is better: {change} on the {n:,} photos that both runs measured.",
                score.photos,
                change=_moved(score),
            )
        return ngettext(
            "The present run is worse: {change} on the {n:,} photo that both runs measured.",
            "The present run is worse: {change} on the {n:,} photos that both runs measured.",
            score.photos,
            change=_moved(score),
        )

    def lines(self, most: int = 10) -> Iterator[str]:
        """Yield what changed line by line, with at most so many files of each kind."""
        former, present = printable(self.former), printable(self.present)
        yield _("{former} -> {present}: {verdict}", former=former, present=present, verdict=self.verdict())
        yield from _part_lines(False, self.oof, most)
        if self.test is not None:
            yield from _part_lines(True, self.test, most)
        changed = [
            _("{name}: {old} -> {new}", name=one.file, old=printable(one.former), new=printable(one.present))
            for one in self.relabelled
        ]
        n, added, removed = len(changed), len(self.added), len(self.removed)
        yield from _listed(ngettext("{n:,} label changed", "{n:,} labels changed", n), changed, most)
        yield from _listed(ngettext("{n:,} photo added", "{n:,} photos added", added), self.added, most)
        yield from _listed(ngettext("{n:,} photo removed", "{n:,} photos removed", removed), self.removed, most)
        added, removed = len(self.classes_added), len(self.classes_removed)
        yield from _listed(ngettext("{n:,} class added", "{n:,} classes added", added), self.classes_added, most)
        yield from _listed(ngettext("{n:,} class removed", "{n:,} classes removed", removed), self.classes_removed, most)
        for name, old, new in self.settings:
            yield _("{name}: {old} -> {new}", name=name, old=printable(str(old)), new=printable(str(new)))
        yield from (_("note: {note}", note=note) for note in self.notes)

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        rows = [
            (_scored(one, test), _shown(one, one.former), _shown(one, one.present), _moved(one))
            for test, part in ((False, self.oof), (True, self.test or PartDifference()))
            for one in part.scores
        ]
        counts = [
            (_("became right"), len(self.oof.right)), (_("became wrong"), len(self.oof.wrong)),
            (_("labels changed"), len(self.relabelled)), (_("photos added"), len(self.added)),
            (_("photos removed"), len(self.removed)),
        ]  # fmt: skip
        scores = html.table(("", _("former"), _("present"), _("difference")), rows)
        tables = scores, html.table(("", _("photos")), counts)
        return html.result(self.verdict(), *tables, *(html.tag("p", note) for note in self.notes))


def _part_dict(part: PartDifference) -> dict[str, Any]:
    return {
        "score": part.scores[0].to_dict() if part.scores else None,
        "scores": [one.to_dict() for one in part.scores],
        "right": [asdict(one) for one in part.right],
        "wrong": [asdict(one) for one in part.wrong],
    }


def _part_lines(test: bool, part: PartDifference, most: int) -> Iterator[str]:
    for one in part.scores:
        values = {"old": _shown(one, one.former), "new": _shown(one, one.present), "change": _moved(one)}
        yield _("{score}: {old} -> {new}, {change}", score=_scored(one, test), **values)
    right, wrong = len(part.right), len(part.wrong)
    if test:
        heads = (
            ngettext("{n:,} photo became right, test photos", "{n:,} photos became right, test photos", right),
            ngettext("{n:,} photo became wrong, test photos", "{n:,} photos became wrong, test photos", wrong),
        )
    else:
        heads = (
            ngettext("{n:,} photo became right, out of fold", "{n:,} photos became right, out of fold", right),
            ngettext("{n:,} photo became wrong, out of fold", "{n:,} photos became wrong, out of fold", wrong),
        )
    for head, changes in zip(heads, (part.right, part.wrong), strict=True):
        told = [
            _(
                "{file} ({label}): {old} -> {new}",
                file=c.file, label=printable(c.label), old=printable(c.former), new=printable(c.present),
            )
            for c in changes
        ]  # fmt: skip
        yield from _listed(head, told, most)


def _scored(score: ScoreChange, test: bool) -> str:
    """Return what a score is of: `log loss, out of fold`."""
    names = {"accuracy": _("accuracy"), "log_loss": _("log loss")}
    name = names.get(score.metric, score.metric)
    return _("{score}, test photos", score=name) if test else _("{score}, out of fold", score=name)


def _listed(head: str, lines: Sequence[str], most: int) -> Iterator[str]:
    if lines:
        yield head
        yield from (f"  {printable(line)}" for line in lines[:most])
    if len(lines) > most:
        yield _("  {n:,} more (--json lists all)", n=len(lines) - most)


def _shown(score: ScoreChange, value: float) -> str:
    return percent(value) if score.metric == "accuracy" else f"{value:.4f}"


def _moved(score: ScoreChange) -> str:
    """Return `+2.3 points (95% interval +0.6 to +4.0)`."""
    if score.metric == "accuracy":
        change, low, high = (f"{100 * value:+.1f}" for value in (score.difference, score.low, score.high))
        return _("{change} points (95% interval {low} to {high})", change=change, low=low, high=high)
    change, low, high = (f"{value:+.4f}" for value in (score.difference, score.low, score.high))
    return _("{change} (95% interval {low} to {high})", change=change, low=low, high=high)
