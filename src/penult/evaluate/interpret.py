"""What an evaluation says, in sentences that a person can act on, and how it shows itself in a notebook.

The words follow from the numbers of an `Evaluation`, or of the dict that it writes into `metrics.json`: no better than one
answer for all, overconfident, underconfident, well calibrated, and how the rarest class fares where classes are imbalanced.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from penult import html
from penult.evaluate.intervals import Z95, Floats, wilson
from penult.evaluate.shift import accuracy_gap
from penult.i18n import N_, _, ngettext
from penult.stored_texts import retranslated
from penult.texts import count, enumeration, gap, measured, percent, percents, sentence

FEW = 50  # photos below which the sentence says on how many it was measured
SLIGHT = 0.01  # a mean confidence so near to the accuracy is right, however many photos prove a difference
UNEVEN = 0.02  # and so is an expected calibration error below this
WELL = 0.05  # the error of the confidence that must be excluded before it is called well calibrated
IMBALANCED = 3  # times that the largest class has more photos than the smallest, above which accuracy alone misleads
NAMED = 3  # classes that a sentence names
MOST_CLASSES = 12  # up to which the confusion matrix is small
SCORES = {
    "accuracy": N_("accuracy"),
    "balanced_accuracy": N_("balanced accuracy"),
    "log_loss": N_("log loss"),
    "brier": N_("Brier score"),
    "auc": "AUC",
    "ece": N_("calibration error"),
}
UNSEEN = N_("on held-out photos")


class HasNumbers(Protocol):
    """An `Evaluation`: its `to_dict` has the numbers."""

    def to_dict(self) -> dict[str, Any]: ...  # noqa: D102


Numbers = HasNumbers | Mapping[str, Any]  # an `Evaluation`, or its `to_dict()`


def verdict(evaluation: Numbers, on: str = UNSEEN, test: Numbers | None = None) -> str:
    """Return what was measured in a few sentences: accuracy, baseline, worst class, and whether the confidence is right.

    `evaluation` and `test` (the test photos, if labelled) are `Evaluation`s or their `to_dict()`, as `metrics.json` has them
    under "scores" and "test"; `on` is what the first was measured on, empty where that was said before. Where the test score
    lies outside what the folds allow, that comes first. At chance level nothing else is said.
    """
    found = as_dict(evaluation)
    if found["scores"]["accuracy"]["value"] is None:
        return _("nothing was measured.")
    other = None if test is None or as_dict(test)["scores"]["accuracy"]["value"] is None else as_dict(test)
    if at_chance(found, other):
        worst = [_worst(found)] if rarest_classes(found) else []  # else accuracy would hide it
        return gap().join(one for one in (_at_chance(found, _accuracies(found, on, other)), *worst) if one)
    apart = accuracy_gap(found, other)
    if other is not None and apart is not None and (apart.worse or apart.better):
        return gap().join((_contradiction(found, other, apart.worse), _details(other, there=True)))
    return gap().join((_beside(found, _accuracies(found, on, other)), _details(found)))


def _accuracies(found: Mapping[str, Any], on: str, test: Mapping[str, Any] | None) -> str:
    """Return `99.1% accuracy on held-out photos (95% CI 98.2-99.6)`, with the test photos where there are some."""
    number, (right, interval) = found["measured"], _accuracy(found)
    if number < FEW:
        interval = ngettext("{interval}, only {n:,} photo", "{interval}, only {n:,} photos", number, interval=interval)
    if on:
        said = _("{right}% accuracy {on} ({interval})", right=right, on=_(on), interval=interval)
    else:
        said = _("{right}% accuracy ({interval})", right=right, interval=interval)
    if test is None:
        return said
    right, interval = _accuracy(test)
    return ngettext(
        "{said} and {right}% on {n:,} test photo ({interval})", "{said} and {right}% on {n:,} test photos ({interval})",
        test["measured"], said=said, right=right, interval=interval,
    )  # fmt: skip


def _accuracy(found: Mapping[str, Any]) -> tuple[str, str]:
    """Return the accuracy in per cent and its interval."""
    score = found["scores"]["accuracy"]
    right, low, high = measured(score["value"], score["low"], score["high"], share=True)
    return right, _("95% CI {low}-{high}", low=low, high=high)


def _contradiction(found: Mapping[str, Any], test: Mapping[str, Any], worse: bool) -> str:
    """Return the sentence that leads where the test photos are not of the kind of the training photos."""
    (right, interval), (ours, inside) = _accuracy(test), _accuracy(found)
    numbers = {"right": right, "interval": interval, "ours": ours, "inside": inside}
    if worse:
        return _(
            "Your test photos are of another kind than your training photos: believe the {right}% accuracy on them "
            "({interval}), not the {ours}% on held-out training photos ({inside}).",
            **numbers,
        )
    return _(
        "Your test photos are easier than held-out training photos, or copies of some: {right}% accuracy on them "
        "({interval}), {ours}% on held-out training photos ({inside}); expect the {ours}% on new photos.",
        **numbers,
    )


def _details(found: Mapping[str, Any], there: bool = False) -> str:
    """Return the worst class and whether the confidence can be believed, as sentences; `there`: on the test photos."""
    common, share = _baseline(found)
    trust = _trust(found["reliability"])
    parts = [_worst(found), sentence(trust)]
    if there:
        always = _("Always answering {common!r} would give {share} there.", common=common, share=percent(share))
        parts = [always, _worst(found), sentence(_("on them {finding}", finding=trust))]
    return gap().join(part for part in parts if part)


def _worst(found: Mapping[str, Any]) -> str:
    """Return `Worst class: 'dog', recall 93.1% (54 of 58).`; nothing where every photo was given its class."""
    known = [one for one in found["per_class"] if one["support"] and one["recall"] is not None]
    if not known or min(one["recall"] for one in known) == 1:
        return ""
    worst = min(known, key=lambda one: (one["recall"], -one["support"]))
    right = round(worst["recall"] * worst["support"])
    return _(
        "Worst class: {name!r}, recall {recall} ({right:,} of {n:,}).",
        name=worst["name"],
        recall=percent(worst["recall"]),
        right=right,
        n=worst["support"],
    )


def _baseline(found: Mapping[str, Any]) -> tuple[str, float]:
    """Return the most frequent class and its share: what one answer for all photos would get right."""
    support = {str(one["name"]): one["support"] for one in found["per_class"]}
    common = max(support, key=lambda name: support[name])
    return common, support[common] / max(sum(support.values()), 1)


def _at_chance(found: Mapping[str, Any], accuracies: str) -> str:
    """Return that the accuracy is no better than that of the baseline."""
    common, share = _baseline(found)
    told = {"accuracies": accuracies, "common": common, "share": percent(share)}
    if found["scores"]["accuracy"]["value"] <= share:
        return _("{accuracies}: no better than always answering {common!r} ({share}).", **told)
    return _("{accuracies}: not significantly better than always answering {common!r} ({share}).", **told)


def _beside(found: Mapping[str, Any], accuracies: str) -> str:
    """Return the accuracy beside that of the baseline."""
    score, (common, share) = found["scores"]["accuracy"], _baseline(found)
    told = {"accuracies": accuracies, "common": common, "share": percent(share)}
    if score["low"] > share:
        return _("{accuracies}; always answering {common!r} would give {share}.", **told)
    if score["value"] <= share:
        return _("{accuracies}; no better than always answering {common!r} ({share}).", **told)
    return _("{accuracies}; not significantly better than always answering {common!r} ({share}).", **told)


def at_chance(evaluation: Numbers, test: Numbers | None = None) -> bool:
    """Tell whether nothing was learnt as far as can be seen: no better than one answer for all, nor in the mean over classes.

    Nor on the test photos, where they are labelled.
    """
    return all(_by_chance(as_dict(one)) for one in (evaluation, test) if one is not None)


def causes(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what `metrics.json` of a run has found to make its score less than it seems, the likeliest first."""
    return [*((metrics.get("shift") or {}).get("causes") or ()), *(metrics.get("cautions") or ())]


def _by_chance(found: Mapping[str, Any]) -> bool:
    score, balanced = found["scores"]["accuracy"], found["scores"].get("balanced_accuracy")
    if score["low"] is None or score["low"] > _baseline(found)[1]:
        return False
    seen = sum(one["support"] > 0 for one in found["per_class"])
    return not balanced or balanced["low"] is None or balanced["low"] <= 1 / max(seen, 1)


def as_dict(evaluation: Numbers) -> Mapping[str, Any]:
    """Return the numbers of an evaluation, or of the record of one."""
    return evaluation if isinstance(evaluation, Mapping) else evaluation.to_dict()


@dataclass(frozen=True, slots=True)
class Rarest:
    """The class with the fewest measured photos, or several that have equally few, where classes are imbalanced.

    `photos` and `right` are of all these classes together, `recall` with its interval `low` to `high` is their share;
    `common` is the class with most photos, `largest` how many, and `others` the recall of all that are not the rarest, from
    `others_low` on.
    """

    names: tuple[str, ...]
    photos: int
    right: int
    low: float
    high: float
    common: str
    largest: int
    others: float
    others_low: float

    @property
    def recall(self) -> float:
        """Return how many of their photos were given their class, as a share."""
        return self.right / self.photos

    @property
    def neglected(self) -> bool:
        """Return whether they are found less often than the others, beyond chance: the two 95% intervals are apart."""
        return self.high < self.others_low


def imbalanced(counts: Iterable[int]) -> bool:
    """Tell whether the largest class has more than IMBALANCED times the photos of the smallest that has any."""
    known = [number for number in counts if number]
    return bool(known) and max(known) > IMBALANCED * min(known)


def rarest_classes(evaluation: Numbers) -> Rarest | None:
    """Return the rarest class where the largest has more than IMBALANCED times its photos; None where it has not.

    Classes without a photo do not count: nothing was measured of them.
    """
    found = as_dict(evaluation)
    known = [one for one in found["per_class"] if one["support"]]
    if not imbalanced(one["support"] for one in known):
        return None
    least, most = (pick(known, key=lambda one: one["support"]) for pick in (min, max))
    rare = [one for one in known if one["support"] == least["support"]]
    rest = [one for one in known if one["support"] != least["support"]]
    photos, right = _hits(rare)
    low, high = (float(end) for end in wilson(right, photos))
    if len(rare) == 1 and least.get("recall_low") is not None:  # this one knows of groups
        low, high = least["recall_low"], least["recall_high"]
    total, hits = _hits(rest)
    names = tuple(str(one["name"]) for one in rare)
    common, largest = str(most["name"]), int(most["support"])
    return Rarest(names, photos, right, low, high, common, largest, hits / total, float(wilson(hits, total)[0]))


def _hits(classes: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    return sum(one["support"] for one in classes), sum(round(one["recall"] * one["support"]) for one in classes)


def imbalance(evaluation: Numbers, weighted: bool = False) -> str | None:
    """Return what to do where the rarest class is found less often than the others, beyond chance; else None.

    `weighted`: the head was trained with balanced class weights already, so that is not advised.
    """
    rare = rarest_classes(evaluation)
    if rare is None or not rare.neglected:
        return None
    told = {
        "photos": count(rare.photos // len(rare.names), "photo"), "common": rare.common, "largest": rare.largest,
        "recall": percent(rare.recall), "others": percent(rare.others),
    }  # fmt: skip
    if len(rare.names) == 1:
        problem = _(
            "{name!r} has {photos}, {common!r} has {largest:,}; recall is {recall} for it and {others} for the rest",
            name=rare.names[0], **told,
        )  # fmt: skip
    elif len(rare.names) <= NAMED:
        problem = _(
            "{names} have {photos}, {common!r} has {largest:,}; recall is {recall} for them and {others} for the rest",
            names=enumeration(repr(name) for name in rare.names), **told,
        )  # fmt: skip
    else:
        problem = _(
            "each of the {n} rarest classes has {photos}, {common!r} has {largest:,}; recall is {recall} for them and "
            "{others} for the rest",
            n=len(rare.names), **told,
        )  # fmt: skip
    return _("{problem}: {cure}", problem=problem, cure=_cure(rare, weighted))


def _cure(rare: Rarest, weighted: bool) -> str:
    if len(rare.names) > 1 and weighted:
        return _("add photos of these classes")
    if len(rare.names) > 1:
        return _("add photos of these classes, or train with --class-weight balanced")
    if weighted:
        return _("add photos of {name!r}", name=rare.names[0])
    return _("add photos of {name!r}, or train with --class-weight balanced", name=rare.names[0])


def _trust(bins: Mapping[str, Any]) -> str:
    """Return whether the confidence can be believed.

    Said to be wrong only where chance does not explain it: in a bin of m photos of mean confidence p the share of right ones
    scatters by sqrt(p (1 - p) / m) if p is true (the idea of consistency bars, Broecker & Smith, Weather and Forecasting 22
    (2007) 651). Said to be right only of FEW photos or more, and where it is off by WELL at most, beyond chance: chance
    explains nearly anything that a handful shows.
    """
    number = np.asarray(bins["count"], np.float64)  # (b,)
    seen = number > 0
    number, says, right = number[seen], _column(bins, "confidence")[seen], _column(bins, "accuracy")[seen]
    weight = number / number.sum()
    noise = weight * np.sqrt(says * (1 - says) / number)  # (b,)
    over = float(weight @ (says - right))
    if abs(over) > max(SLIGHT, Z95 * float(np.sqrt(noise @ noise))):
        mean, real = percents(float(weight @ says), float(weight @ right))
        if over > 0:
            return _("it is overconfident: average confidence {mean}%, accuracy {real}%", mean=mean, real=real)
        return _("it is underconfident: average confidence {mean}%, accuracy {real}%", mean=mean, real=real)
    error = float(weight @ np.abs(says - right))
    chance = np.sqrt(2 / np.pi) * noise.sum() + Z95 * np.sqrt((1 - 2 / np.pi) * float(noise @ noise))
    if error > max(UNEVEN, chance):
        return _("its confidence is off by {error} points on average (calibration error)", error=percents(error)[0])
    most = max(0.0, error - float(np.sqrt(2 / np.pi) * noise.sum())) + Z95 * float(np.sqrt(noise @ noise))
    if number.sum() < FEW or most > WELL:
        return _("too few photos to judge its calibration")
    return _("its confidence is well calibrated")


def _column(bins: Mapping[str, Any], name: str) -> Floats:
    """Return one column of the bins, NaN where `metrics.json` has null."""
    return np.array([np.nan if value is None else value for value in bins[name]], np.float64)


def evaluation_html(found: Mapping[str, Any]) -> html.Html:
    """Return the `to_dict` of an `Evaluation`: scores with intervals, classes, confusion matrix, reliability diagram."""
    scores = html.table(
        (_("score"), _("measured"), _("95% CI")),
        [(_(SCORES.get(name, name)), *_interval(one)) for name, one in found["scores"].items()],
        caption=retranslated(found["name"]),
    )
    classes = html.table(
        (_("class"), _("precision"), _("recall"), _("images")),
        [(c["name"], html.number(c["precision"], 3), html.number(c["recall"], 3), c["support"]) for c in found["per_class"]],
    )
    confusion = None
    if len(found["classes"]) <= MOST_CLASSES:
        rows = [(name, *line) for name, line in zip(found["classes"], found["confusion"], strict=True)]
        confusion = html.table((_("true, predicted"), *found["classes"]), rows)
    bins = zip(found["reliability"]["confidence"], found["reliability"]["accuracy"], strict=True)
    points = [(x, y) for x, y in bins if x is not None]
    drawn = html.line_chart(points, _("confidence (across) and accuracy (up)"), diagonal=True)
    return html.result(verdict(found), scores, classes, confusion, drawn)


def curve_html(found: Mapping[str, Any]) -> html.Html:
    """Return the `to_dict` of a `LearningCurve` as a table, and its log loss against the logarithm of the number of images."""
    columns = list(zip(found["sizes"], found["accuracy"], found["log_loss"], strict=True))
    rows = [(n, *_interval(a), *_interval(b)) for n, a, b in columns]
    shown = html.table((_("training images"), _("accuracy"), _("95% CI"), _("log loss"), _("95% CI")), rows)
    losses = [(math.log(n), b["value"]) for n, _, b in columns if b["value"] is not None and n > 0]
    drawn = html.line_chart(losses, _("log loss (up) against training images (across, logarithmic)"))
    return html.result(_("would more photos help?"), shown, drawn)


def _interval(one: Mapping[str, Any]) -> tuple[str, str]:
    value, low, high = measured(one["value"], one["low"], one["high"])
    return value, _("{low} to {high}", low=low, high=high)
