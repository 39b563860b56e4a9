"""Scores that an evaluation has to reach, for scripts and CI: `--min-accuracy 0.95`, `--min-recall dog=0.9`.

In: what was asked, and an evaluation as plain values. Out: which gates were missed, each with a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penult.errors import InputError, unknown
from penult.i18n import N_, _
from penult.texts import digits, parse_number, parse_share, percent, printable

NAMES = {"accuracy": N_("accuracy"), "log_loss": N_("log loss"), "recall": N_("recall")}


@dataclass(frozen=True, slots=True)
class Gate:
    """One bound of one score.

    Parameters
    ----------
    option : str
        What asked for it, such as `--min-accuracy`.
    score : {"accuracy", "log_loss", "recall"}
        The log loss must be at most `bound`, the others at least.
    bound : float
        A share from 0 to 1, or a log loss.
    label : str, optional
        The class of a recall.
    """

    option: str
    score: str
    bound: float
    label: str | None = None

    def found(self, result: Mapping[str, Any]) -> float | None:
        """Return the score in an evaluation as `Evaluation.to_dict` has it; None where it is not defined."""
        if self.score != "recall":
            value = (result["scores"].get(self.score) or {}).get("value")
        else:
            value = next(
                (one["recall"] for one in result.get("per_class") or result["per_label"] if one["name"] == self.label), None
            )
        return None if value is None else float(value)

    def is_met(self, result: Mapping[str, Any]) -> bool:
        """Whether the score reaches the bound; a score that is not defined reaches none."""
        value = self.found(result)
        if value is None:
            return False
        return value <= self.bound if self.score == "log_loss" else value >= self.bound

    def describe(self, result: Mapping[str, Any]) -> str:
        """Return in a sentence whether the gate was met."""
        shown = digits if self.score == "log_loss" else percent
        what = _(NAMES[self.score])
        if self.label:
            what = _("{score} of {label!r}", score=what, label=self.label)
        asked, value = f"{self.option} {printable(self.label + '=') if self.label else ''}{self.bound:g}", self.found(result)
        if value is None:
            if self.label:
                return _(
                    "gate missed: {score} is not known, since there is no image of {label!r} ({asked})",
                    score=what, label=self.label, asked=asked,
                )  # fmt: skip
            return _(
                "gate missed: {score} is not known, since it is not defined for these images ({asked})",
                score=what,
                asked=asked,
            )
        told = {"score": what, "value": shown(value), "bound": shown(self.bound), "asked": asked}
        if self.is_met(result):
            return _("gate met: {score} {value} ({asked})", **told)
        if self.score == "log_loss":
            return _("gate missed: {score} {value} is above {bound} ({asked})", **told)
        return _("gate missed: {score} {value} is below {bound} ({asked})", **told)

    def to_dict(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Return plain JSON values."""
        about = {"gate": self.option.removeprefix("--"), "bound": self.bound, "found": self.found(result)}
        return {**about, **({"class": self.label} if self.label else {}), "met": self.is_met(result)}


def parse_gates(
    accuracy: str | None = None, log_loss: str | None = None, recalls: Sequence[str] = (), classes: Sequence[str] = ()
) -> tuple[Gate, ...]:
    """Return the gates that were asked for. Raises `InputError` for what is no share or log loss, `UnknownName` for a class.

    Examples
    --------
    >>> from penult.evaluate.gates import parse_gates
    >>> [(gate.score, gate.bound) for gate in parse_gates("95%", "0.2", ["dog=0.9"], ["cat", "dog"])]
    [('accuracy', 0.95), ('log_loss', 0.2), ('recall', 0.9)]
    """
    gates = [] if accuracy is None else [Gate("--min-accuracy", "accuracy", _share("--min-accuracy", accuracy))]
    if log_loss is not None:
        value = parse_number(log_loss)
        if value is None or value < 0:
            raise InputError(
                _(
                    "--max-log-loss {log_loss!r} is not a number from 0 up; give one, such as 0.2.",
                    log_loss=printable(log_loss),
                )
            )
        gates.append(Gate("--max-log-loss", "log_loss", value))
    for text in recalls:
        label, equals, share = text.rpartition("=")
        if not equals:
            raise InputError(
                _(
                    "--min-recall {text!r} names no class; give CLASS=P, such as {classes}=0.9.",
                    text=printable(text),
                    classes=classes[0],
                )
            )
        if label not in classes:
            raise unknown("class", label, classes)
        gates.append(Gate("--min-recall", "recall", _share("--min-recall", share), label))
    return tuple(gates)


def _share(option: str, text: str) -> float:
    """Return a share that is written as 0.95 or 95%."""
    value = parse_share(text)
    if value is None or not 0 <= value <= 1:
        raise InputError(
            _(
                "{option} {text!r} is not a share from 0 to 1; give one, such as 0.95 or 95%.",
                option=option,
                text=printable(text),
            )
        )
    return value
