"""What a user asks of a decision (costs, a target, a coverage), and the rule that follows from out-of-fold probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from penult import untrusted
from penult.arrays import default_errors
from penult.decision import MEASURES, DecisionRule, Measure, PredictionSets, Target, is_cost
from penult.errors import InputError, unknown
from penult.evaluate.conformal import Coverage, check_coverage, conformal
from penult.evaluate.evaluation import Evaluation
from penult.evaluate.operating import OperatingPoint, by_folds, choose_threshold, measure_point
from penult.i18n import _
from penult.texts import parse_number, parse_share, printable

Cost = tuple[str, str, float]  # class, called which, cost


@dataclass(frozen=True, slots=True)
class DecisionRequest:
    """What was asked: costs (`--cost`), a target (`--target`), a coverage (`--coverage`); else the most probable class."""

    costs: tuple[Cost, ...] = ()
    target: Target | None = None
    coverage: float | None = None

    @classmethod
    def parse(cls, cost: Sequence[str] | str | None, target: str | None, coverage: float | None) -> DecisionRequest:
        """Return what the command line says. Raises `InputError`, such as for a right answer that costs something."""
        if cost and target:
            raise InputError(_("--cost and --target both choose the class of a photo; give one of them."))
        if coverage is not None:
            check_coverage(coverage)
        given = [cost] if isinstance(cost, str) else list(cost or ())
        costs = [one for text in given for one in (read_costs(text) if Path(text).is_file() else parse_cost(text))]
        right = next((label for label, called, cost in costs if label == called and cost), None)
        if right is not None:
            name = printable(right)
            raise InputError(
                _(
                    "the costs say that a photo of {name!r} called {name!r} costs something, and that is the right "
                    "answer; leave this cost out, or name the class that it is mistaken for.",
                    name=name,
                )
            )
        return cls(tuple(costs), None if target is None else parse_target(target), coverage)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any] | None) -> DecisionRequest:
        """Return what `to_dict` made, such as a run's options have; nothing asked where a run has none."""
        if not found:
            return cls()
        costs = tuple((str(a), str(b), float(cost)) for a, b, cost in found["costs"])
        return cls(costs, parse_target(found["target"]) if found["target"] else None, found["coverage"])

    def over(self, before: DecisionRequest) -> DecisionRequest:
        """Return this with what it does not say of the class, or of the sets, as `before` has it."""
        same = self.costs or self.target
        return DecisionRequest(
            self.costs if same else before.costs,
            self.target if same else before.target,
            before.coverage if self.coverage is None else self.coverage,
        )

    def check(self, classes: Sequence[str]) -> None:
        """Raise `UnknownName` where a class is none of these."""
        named = [name for cost in self.costs for name in cost[:2]] + ([] if self.target is None else [self.target.label])
        for name in named:
            if name not in classes:
                raise unknown("class", name, classes)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        target = None if self.target is None else str(self.target)
        return {"costs": [list(one) for one in self.costs], "target": target, "coverage": self.coverage}


def parse_target(text: str) -> Target:
    """Return the target that `recall defective 0.95` says. Raises `InputError`."""
    words = text.split()
    if len(words) >= 3 and words[0].lower() in MEASURES:
        value = parse_share(words[-1])
        if value is not None and 0 < value < 1:
            return Target(cast(Measure, words[0].lower()), " ".join(words[1:-1]), value)
    raise InputError(
        _(
            "the target {text!r} is not a measure, a class and a share; give recall, precision or flagged, such as "
            "--target 'recall defective 0.95'.",
            text=printable(text[:80]),
        )
    )


def parse_cost(text: str) -> list[Cost]:
    """Return the costs that `defective>functional=10` says, several with commas between. Raises `InputError`."""
    found = []
    for part in text.split(","):
        mistake, sign, number = part.rpartition("=")
        label, arrow, called = mistake.partition(">")
        cost = parse_number(number)
        if not sign or not arrow or not label.strip() or not called.strip() or not is_cost(cost):
            raise InputError(
                _(
                    "the cost {part!r} is no mistake with its cost, and no file; give --cost 'A>B=10' (a photo of A "
                    "called B costs 10), in quotes, or a CSV with the columns true,predicted,cost.",
                    part=printable(part[:80]),
                )
            )
        found.append((label.strip(), called.strip(), cast(float, cost)))
    return found


def read_costs(path: str | Path) -> list[Cost]:
    """Return the costs of a CSV: columns true, predicted, cost; or a table with the true class by row. Raises `InputError`."""
    try:
        return list(_costs(untrusted.read_csv(path, ",;\t"), path))
    except InputError:
        raise
    except untrusted.CSV_ERRORS as error:
        raise InputError(
            _("the cost table {path} cannot be read ({error}); check the file.", path=printable(path), error=error)
        ) from error


def _costs(rows: Iterator[tuple[int, list[str]]], path: str | Path) -> Iterator[Cost]:
    _other, header = next(rows, (0, [""]))
    listed = [name.strip().lower() for name in header] == ["true", "predicted", "cost"]
    for line, cells in rows:
        names = cells[:1] * (len(header) - 1)
        table = zip(names, header[1:], cells[1:], strict=False)
        for label, called, number in [(cells[0], cells[1], cells[2])] if listed and len(cells) == 3 else table:
            cost = parse_number(number)
            if not is_cost(cost):
                raise InputError(
                    _(
                        "{path}: line {line} has the cost {number!r}, which is no number from 0 on; write columns "
                        "true,predicted,cost, or a row for each true class and a column for each predicted one.",
                        path=printable(path),
                        line=line,
                        number=printable(number[:40]),
                    )
                )
            yield label.strip(), called.strip(), cast(float, cost)


@dataclass(frozen=True, slots=True)
class DecisionResult:
    """What was decided: the rule, what it gives by folds, the sets and their coverage, and whether the target is kept.

    `point` is of the target's class; with costs, of the class whose mistakes cost most.
    """

    rule: DecisionRule
    point: OperatingPoint | None
    kept: bool = True
    sets: PredictionSets | None = None
    coverage: Coverage | None = None

    def to_dict(self, classes: Sequence[str]) -> dict[str, Any]:
        """Return plain JSON values, for `metrics.json`."""
        return {
            **self.rule.to_facts(classes),
            "point": None if self.point is None else self.point.to_dict(),
            "kept": self.kept,
            "coverage": None if self.coverage is None else self.coverage.to_dict(),
        }

    def to_facts(self, classes: Sequence[str]) -> dict[str, Any]:
        """Return what the model file keeps: nothing for the most probable class without sets."""
        facts: dict[str, Any] = {}
        if self.rule.kind != "argmax":
            accuracy = None if self.point is None else self.point.accuracy.to_dict()
            facts["decision"] = {**self.rule.to_facts(classes), "accuracy": accuracy}
        return facts if self.sets is None else {**facts, "conformal": self.sets.to_facts()}


@default_errors
def decide(asked: DecisionRequest, evaluation: Evaluation) -> DecisionResult:
    """Return the rule that was asked for, chosen by the out-of-fold probabilities of an evaluation, and what it gives."""
    asked.check(evaluation.classes)
    sets, coverage = (None, None) if asked.coverage is None else conformal(evaluation, asked.coverage)
    rule, chosen, kept = _rule(asked, evaluation, evaluation.measured)
    if chosen is None:
        return DecisionResult(rule, None, True, sets, coverage)
    given = by_folds(evaluation, lambda rows: _rule(asked, evaluation, rows)[0])
    return DecisionResult(rule, measure_point(evaluation, given, chosen, rule.costs), kept, sets, coverage)


def _rule(asked: DecisionRequest, evaluation: Evaluation, rows: NDArray[np.bool_]) -> tuple[DecisionRule, int | None, bool]:
    """Return the rule by some of the photos (n,), the class that it is about, and whether its target is kept."""
    classes = evaluation.classes
    if asked.costs:
        rule = DecisionRule.of_costs(asked.costs, classes)
        return rule, classes.index(max(asked.costs, key=lambda one: one[2])[0]), True
    if asked.target is None:
        return DecisionRule(), None, True
    chosen = classes.index(asked.target.label)
    found = choose_threshold(evaluation, rows, chosen, asked.target)
    return DecisionRule("target", None, asked.target, chosen, found.value), chosen, found.kept
