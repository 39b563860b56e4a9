"""What to do next: the data problems found, the ones that matter most first, then what the numbers suggest.

In: `RunResults`, `Album`. Out: markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penult.audit import Finding
from penult.evaluate import FEW, imbalance
from penult.html import Html, join, prose, tag
from penult.report import choosing
from penult.report.album import Album
from penult.report.cards import finding_card
from penult.report.numbers import count, percent
from penult.runs import RunResults

SLIGHT = 5  # per cent of the log loss; an interval that holds no larger gain says that there is none to speak of

# What a kind of finding is called, as (one, many); another kind is called by its own name.
CALLED = {
    "leak": ("test photo is also among the training photos", "test photos are also among the training photos"),
    "label": ("label looks wrong", "labels look wrong"),
    "copy": ("photo is a copy of another", "photos are copies of others"),
    "near_copy": ("photo shows the same as another", "photos show the same as others"),
    "unreadable": ("file cannot be read", "files cannot be read"),
    "truncated": ("photo lacks its last part", "photos lack their last part"),
    "outlier": ("photo is unlike all others", "photos are unlike all others"),
    "small_class": ("class has few photos", "classes have few photos"),
    "blank": ("photo is blank", "photos are blank"),
    "dark": ("photo is very dark", "photos are very dark"),
    "blurred": ("photo is blurred", "photos are blurred"),
    "tiny": ("photo is tiny", "photos are tiny"),
}


def called(kind: str, number: int) -> str:
    """Return `12 labels look wrong`."""
    one, many = CALLED.get(kind, (f"finding: {kind.replace('_', ' ')}", f"findings: {kind.replace('_', ' ')}"))
    return f"{number:,} {one if number == 1 else many}"


def section(results: RunResults, album: Album) -> Html | None:
    """Return the list of steps, or one sentence where an audit found nothing."""
    steps = [_step(kind, found, results, album) for kind, found in choosing.by_kind(results.findings).items()]
    steps += [step for step in (_balance(results), _more_photos(results), _look(results)) if step is not None]
    if not steps and results.metrics.get("audit") is None:
        return None
    what = tag("ol", *steps, class_="steps") if steps else tag("p", "Nothing: no problem was found in these photos.")
    return tag("section", tag("h2", "What to do next"), what, id="next")


def _step(kind: str, found: Sequence[Finding], results: RunResults, album: Album) -> Html:
    cards = [finding_card(one, results, album) for one in found[: choosing.EACH]]
    more = len(found) - len(cards)
    return tag(
        "li",
        tag("h3", called(kind, len(found))),
        tag("p", found[0].suggestion) if len({f.suggestion for f in found}) == 1 else tag("p", found[0].suggestion, " …"),
        tag("div", *cards, class_="gallery") if any(cards) else None,
        tag("p", tag("a", f"{more:,} more below", href="#audit")) if more > 0 else None,
    )


def _balance(results: RunResults) -> Html | None:
    """Return what to do where the rarest class is found less often than the others."""
    weighted = (results.metrics.get("options") or {}).get("class_weight") is not None
    said = imbalance(results.metrics["scores"], weighted)
    if not said:
        return None
    words = f"{said[:1].upper()}{said[1:]}."
    return tag("li", tag("h3", "Classes are imbalanced"), tag("p", prose(words), " ", tag("a", "Classes", href="#classes")))


def _more_photos(results: RunResults) -> Html | None:
    """Return what the learning curve says about twice the photos."""
    twice = (results.metrics.get("learning_curve") or {}).get("twice")
    if not twice:
        return None
    title, said = gain(twice)
    return tag("li", tag("h3", title), tag("p", prose(said), " ", tag("a", "Learning curve", href="#learning")))


def gain(twice: Mapping[str, Any]) -> tuple[str, str]:
    """Return what doubling the training set would do: a title, and the sentence with its interval.

    Gains are shares of the log loss: the curve is measured on part of the photos, so its numbers are not those of the run. One
    is promised where the whole interval is a gain, and none expected where even its better end is less than SLIGHT.
    """
    now = twice["log_loss_now"]
    won, least, most = (round(100 * (1 - twice["log_loss"][end] / now)) for end in ("value", "high", "low"))
    if twice["clear"] and won >= 1 and most >= SLIGHT:
        text = f"Doubling the training set should lower the log loss by about {won}% (95% interval {least} to {most}%)"
        right, right_now = twice["accuracy"]["value"], twice["accuracy_now"]
        if right is not None and right_now is not None and 100 * (right - right_now) >= 0.1:
            text += f" and raise the accuracy by about {100 * (right - right_now):.1f} points"
        return "More photos would help", f"{text}."
    change = f"{-won:+d}% (95% interval {-most:+d} to {-least:+d}%)" if won or most or least else "less than 1%"
    text = f"With twice the training photos the log loss is extrapolated to change by {change}"
    if most < SLIGHT:
        return "More photos are not expected to help", f"{text}."
    return "Unclear whether more photos would help", f"{text}; the interval includes no improvement."


def _look(results: RunResults) -> Html | None:
    """Return what looking at the least sure photos would buy."""
    found = results.metrics.get("review")
    if not found or found["accuracy_kept"] is None or found["accuracy_kept"] <= found["accuracy_all"]:
        return None
    level = f"{found['level']:g}"
    handed, kept, every = (percent(found[key]) for key in ("share", "accuracy_kept", "accuracy_all"))
    doubtful = f"those that it is less than {100 * found['level']:g}% sure of, or that are unlike all others"
    said = f"A person looks at {handed} of the photos: {doubtful}. Of the rest {kept} are right, of all {every}."
    if found.get("images", FEW) < FEW:
        said += f" This was measured on only {count(found['images'], 'photo')}."
    more = join("For new photos: ", tag("code", f"penult predict MODEL PHOTOS --review {level}"), ".")
    return tag("li", tag("h3", "Let a person look at the doubtful ones"), tag("p", prose(said), " ", more))
