"""What to do next, the data problems that matter most first; and further down the list of every one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

import numpy as np

from penult.audit import KINDS, Finding
from penult.evaluate import FEW, advice_sentences, at_chance, imbalance
from penult.html import Html, join, phrase, prose, tag
from penult.i18n import N_, _, ngettext
from penult.report.gallery import finding_card, finding_keys
from penult.report.thumbnails import EACH, LISTED, Thumbnails, by_kind
from penult.runs import RunResults
from penult.stored_texts import retranslated
from penult.texts import digits, gap, percent, sentence

NO_GAIN = N_("More photos are not expected to help")
WORTH_A_LOOK = 0.01  # of accuracy that a review must gain before it is called something left to do
SLIGHT = 5  # per cent of the log loss; an interval that holds no larger gain says that there is none to speak of


def called(kind: str, number: int) -> str:
    """Return `12 possible label errors`; another kind than ours is called by its own name."""
    if kind in KINDS:
        return KINDS[kind].title(number)
    return ngettext("{n:,} finding: {kind}", "{n:,} findings: {kind}", number, kind=kind.replace("_", " "))


def next_steps(results: RunResults, thumbnails: Thumbnails) -> Html | None:
    """Return the list of steps, or one sentence where an audit found nothing."""
    metrics = results.metrics
    steps: list[Html | None] = [_other_kind(metrics), *(_caution(one) for one in metrics.get("cautions") or ())]
    if results.label_rows is not None:
        found = {kind: some for kind, some in by_kind(results.findings).items() if kind != "group"}
        steps = [_step(kind, some, results, thumbnails) for kind, some in found.items()]
    elif at_chance(metrics["scores"], metrics.get("test")):  # what such a model says of the photos is worth nothing
        steps = [*steps, _balance(results)]
        if not any(steps):
            return None
    else:
        kinds = by_kind(results.findings)
        kinds.pop("group", None)  # look-alikes ask for nothing to be done
        steps += [_step(kind, found, results, thumbnails) for kind, found in kinds.items()]
        if not kinds and not any(steps) and (said := nothing_to_gain(metrics)):
            return _done(said)
        steps += [_decision(metrics), _balance(results), _more_photos(results), _review(results)]
    steps = [step for step in steps if step is not None]
    if not steps and results.metrics.get("audit") is None:
        return None
    line = tag("code", "penult predict RUN NEW_PHOTOS")
    nothing = tag("p", phrase(_("No problems found. Next: {command}."), command=line))
    what = tag("ol", *steps, class_="steps") if steps else nothing
    return tag("section", tag("h2", _("What to do next")), what, id="next")


def nothing_to_gain(metrics: Mapping[str, Any]) -> str:
    """Return why neither more photos nor another decision nor a review would gain anything; an empty text where one may."""
    decision, scores = metrics.get("decision") or {}, metrics["scores"]
    twice, review = (metrics.get("learning_curve") or {}).get("twice"), metrics.get("review") or {}
    if metrics.get("audit") is None or decision.get("advice") or imbalance(scores) or scores["measured"] < FEW:
        return ""
    if review.get("accuracy_kept") is not None and review["accuracy_kept"] - review["accuracy_all"] > WORTH_A_LOOK:
        return ""
    if scores["scores"]["accuracy"]["value"] == 1:
        return ngettext(
            "No mistake on {n:,} held-out photo, and no problem of the data was found.",
            "No mistake on {n:,} held-out photos, and no problem of the data was found.",
            scores["measured"],
        )
    title, said = gain(twice) if twice else ("", "")
    return said if title == _(NO_GAIN) else ""


def _done(said: str) -> Html:
    """Return the section for a model that needs nothing more."""
    commands = (tag("code", f"penult {name}") for name in ("predict RUN NEW_PHOTOS", "serve RUN", "export RUN --to html"))
    lines = Html(" · ".join(commands))
    text = tag("p", prose(said), gap(), phrase(_("To use it: {commands}"), commands=lines))
    return tag("section", tag("h2", _("What to do next")), tag("h3", _("Done: use it as it is")), text, id="next")


def _decision(metrics: Mapping[str, Any]) -> Html | None:
    """Return the advice to choose a decision, where one class is missed and nobody chose one."""
    said, option = advice_sentences((metrics.get("decision") or {}).get("advice"))
    if not said:
        return None
    line = tag("code", f"penult decide RUN {option}")
    how = phrase(_("Without training again: {command}, or give what mistakes cost (--cost)."), command=line)
    link = tag("a", _("Thresholds"), href="#decision")
    return tag("li", tag("h3", _("Choose a threshold")), tag("p", prose(sentence(said)), gap(), how, gap(), link))


CAUTIONS = {"groups": N_("Keep patients or scenes in one fold"), "size": N_("The networks see the photos too small")}


def _other_kind(metrics: Mapping[str, Any]) -> Html | None:
    """Return what makes the test photos another kind, where their score lies outside what the folds allow."""
    shift = metrics.get("shift")
    if not shift:
        return None
    found = [tag("li", _found(one)) for one in shift["causes"]]
    worse, better = _("Find out why the test photos are another kind"), _("Find out why the test photos are easier")
    title = worse if shift["worse"] else better
    none = _("None of the causes that were tested shows: groups in file names, class shares, novelty, size, features.")
    return tag("li", tag("h3", title), tag("ul", *found, class_="causes") if found else tag("p", none))


def _caution(one: Mapping[str, Any]) -> Html:
    return tag("li", tag("h3", _(CAUTIONS.get(one["kind"], one["kind"]))), tag("p", _found(one)))


def _found(one: Mapping[str, Any]) -> Html:
    """Return what was found, and the advice."""
    return join(prose(sentence(retranslated(one["found"]))), gap(), prose(sentence(retranslated(one["advice"]))))


def _step(kind: str, found: Sequence[Finding], results: RunResults, thumbnails: Thumbnails) -> Html:
    cards = [finding_card(one, results, thumbnails) for one in found[:EACH]]
    more = len(found) - len(cards)
    return tag(
        "li",
        tag("h3", called(kind, len(found))),
        tag("p", _advice(kind, found, ((results.metrics.get("audit") or {}).get("expected") or {}).get(kind))),
        tag("div", *cards, class_="gallery"),
        tag("p", tag("a", _("{n:,} more below", n=more), href="#issues")) if more > 0 else None,
    )


def _advice(kind: str, found: Sequence[Finding], right: float | None) -> str:
    if len(found) > 1 and kind in KINDS and KINDS[kind].advice:
        said, advice = KINDS[kind].expects(len(found), right), _(KINDS[kind].advice)
        return f"{sentence(said)}{gap()}{advice}" if said else advice
    said = retranslated(found[0].suggestion.rstrip("."))
    if len({f.suggestion for f in found}) == 1:
        return sentence(said)
    return f"{said[:1].upper()}{said[1:]} …"


def _balance(results: RunResults) -> Html | None:
    """Return what to do where the rarest class is found less often than the others."""
    weighted = (results.metrics.get("options") or {}).get("class_weight") is not None
    said = imbalance(results.metrics["scores"], weighted)
    if not said:
        return None
    link = tag("a", _("Per-class results"), href="#classes")
    return tag("li", tag("h3", _("Classes are imbalanced")), tag("p", prose(sentence(said)), gap(), link))


def _more_photos(results: RunResults) -> Html | None:
    """Return what the learning curve says about twice the photos."""
    twice = (results.metrics.get("learning_curve") or {}).get("twice")
    if not twice:
        return None
    title, said = gain(twice)
    return tag("li", tag("h3", title), tag("p", prose(said), gap(), tag("a", _("Learning curve"), href="#learning")))


def gain(twice: Mapping[str, Any]) -> tuple[str, str]:
    """Return what doubling the training set would do: a title, and the sentence with its interval.

    Gains are shares of the log loss: today's noise is in both losses and not in their ratio. One is promised where the whole
    interval is a gain, and none expected where even its better end is less than SLIGHT.
    """
    now, change = twice["log_loss_now"], twice.get("change")  # runs of version 0.1 have none, and only the slope's error
    change = change or {end: loss / now for end, loss in twice["log_loss"].items()}
    won, least, most = (round(100 * (1 - change[end])) for end in ("value", "high", "low"))
    if twice["clear"] and won >= 1 and most >= SLIGHT:
        text = _(
            "Doubling the training set should lower the log loss by about {won}% (95% interval {least} to {most}%).",
            won=won, least=least, most=most,
        )  # fmt: skip
        right, right_now = twice["accuracy"]["value"], twice["accuracy_now"]
        if right is not None and right_now is not None and 100 * (right - right_now) >= 0.1:
            text = _(
                "Doubling the training set should lower the log loss by about {won}% (95% interval {least} to {most}%) and "
                "raise the accuracy by about {points:.1f} points.",
                won=won, least=least, most=most, points=100 * (right - right_now),
            )  # fmt: skip
        return _("More photos would help"), text
    moved = _("less than 1%")
    if won or most or least:
        moved = _("{won:+d}% (95% interval {least:+d} to {most:+d}%)", won=-won, least=-most, most=-least)
    if most < SLIGHT:
        return _(NO_GAIN), _(
            "With twice the training photos the log loss is extrapolated to change by {change}.", change=moved
        )
    return _("Unclear whether more photos would help"), _(
        "With twice the training photos the log loss is extrapolated to change by {change}: the interval includes no "
        "improvement, so this is inconclusive.",
        change=moved,
    )


def _review(results: RunResults) -> Html | None:
    """Return what a manual review of the least confident photos would gain."""
    found = results.metrics.get("review")
    if not found or found["accuracy_kept"] is None or found["accuracy_kept"] <= found["accuracy_all"]:
        return None
    share, kept, every = (percent(found[key]) for key in ("share", "accuracy_kept", "accuracy_all"))
    said = _(
        "If someone reviews the {share} of photos with confidence below {level:g}% or unlike all others, accuracy on the "
        "remaining photos rises from {every} to {kept}.",
        share=share, level=100 * found["level"], every=every, kept=kept,
    )  # fmt: skip
    if found.get("images", FEW) < FEW:
        said += gap() + ngettext("Measured on only {n:,} photo.", "Measured on only {n:,} photos.", found["images"])
    line = tag("code", f"penult predict MODEL PHOTOS --review {found['level']:g}")
    more = phrase(_("For new photos: {command}."), command=line)
    return tag("li", tag("h3", _("Review uncertain photos by hand")), tag("p", prose(said), gap(), more))


def every_issue(results: RunResults, thumbnails: Thumbnails) -> Html | None:
    """Return the lists, closed at first; None where nothing was found or looked for."""
    parts = [_kind(kind, found, results, thumbnails) for kind, found in by_kind(results.findings).items()]
    if results.skipped and not any(f.kind == "unreadable" for f in results.findings):
        rows = [
            (one["file"], one["part"], *(retranslated(one.get(name) or "") for name in ("reason", "detail", "cure")))
            for one in results.skipped
        ]
        names = (_("file"), _("part"), _("reason"), _("detail"), _("suggestion"))
        parts.append(_list(called("unreadable", len(rows)), names, rows, "skipped.csv"))
    if errors := _model_errors(results):
        parts.append(errors)
    unchecked = (results.metrics.get("audit") or {}).get("labels_unchecked")
    told = (*(results.metrics.get("notes") or ()), *((unchecked,) if unchecked else ()))
    if notes := [tag("li", retranslated(note)) for note in told]:
        parts.append(tag("details", tag("summary", _("Notes")), tag("ul", *notes)))
    return tag("section", tag("h2", _("Data issues")), *parts, id="issues") if parts else None


def _model_errors(results: RunResults) -> Html | None:
    """Return the list of the other photos that an out-of-fold model got wrong, the least probable label first."""
    rows, doubted = results.rows, {one.file for one in results.findings if one.kind == "label"}
    missed = [i for i in np.argsort(rows.own, kind="stable").tolist() if rows.wrong[i] and rows.files[i] not in doubted]
    if not missed:
        return None
    lines = [
        (
            rows.files[i],
            percent(rows.own[i]),
            _(
                "labelled {label}, predicted {given} ({share})",
                label=results.classes[rows.y[i]],
                given=results.classes[rows.given[i]],
                share=percent(rows.sure[i]),
            ),
        )
        for i in missed[:LISTED]
    ]
    kind, total = KINDS["model_error"], results.counted.errors
    names = (_("photo"), _("probability of its label"), _("reason"))
    return _list(kind.title(total), names, lines, "oof.csv", _(kind.advice), total)


def _kind(kind: str, found: Sequence[Finding], results: RunResults, thumbnails: Thumbnails) -> Html:
    rows = [
        (
            join(
                *(thumbnails.small_img(key) for key in finding_keys(one, results)),
                tag("span", one.file, class_="name"),
                tag("small", one.related) if one.related else None,
            ),
            "" if isnan(one.score) else digits(one.score),
            retranslated(one.reason),
            retranslated(one.suggestion),
        )
        for one in found[:LISTED]
    ]
    about = _("class") if found[0].about == "class" else _("photo")
    names = (about, _("score"), _("reason"), _("suggestion"))
    return _list(called(kind, len(found)), names, rows, "findings.csv", total=len(found))


def _list(title: str, names: Sequence[str], rows: Sequence[Sequence[str]], where: str, said: str = "", total: int = 0) -> Html:
    """Return the first of the rows, of which there are `total` (by default, those that are given)."""
    total = total or len(rows)
    head = tag("tr", *(tag("th", name, scope="col") for name in names))
    lines = [tag("tr", tag("td", first, class_="file"), *(tag("td", cell) for cell in rest)) for first, *rest in rows[:LISTED]]
    table = tag("div", tag("table", tag("thead", head), tag("tbody", *lines), class_="plain"), class_="scroll", tabindex=0)
    more = (
        tag("p", phrase(_("{n} more in {file}"), n=f"{total - LISTED:,}", file=tag("code", where))) if total > LISTED else None
    )
    return tag("details", tag("summary", title), tag("p", said) if said else None, table, more)
