"""Details of the run: what, when, with what, on what, how long, every setting, and the command to repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from penult.html import Html, phrase, tag
from penult.i18n import _, ngettext, pgettext
from penult.report.charts import interval
from penult.report.thumbnails import TEST, TRAIN, Thumbnails
from penult.runs import RunResults
from penult.stored_texts import retranslated
from penult.texts import NONE, clauses, count, percent, printable

OWN = frozenset({"report"})  # a page cannot say how long it took to make itself


def section(results: RunResults, thumbnails: Thumbnails) -> Html:
    """Return the details, settings last."""
    metrics, several = results.metrics, results.label_rows is not None
    sources = (metrics.get("sources") or {}).items()
    folders = {_("folder (test)") if part == TEST else _("folder (train)"): folder for part, folder in sources if folder}
    parts = [
        _part(_("Photos"), {**folders, **{_key(name): f"{n:,}" for name, n in metrics["images"].items()}}),
        _part(_("Labels") if several else _("Classes"), {name: f"{n:,}" for name, n in metrics["classes"].items()}),
        _part(_("Backbones"), {b["name"]: _backbone(b) for b in metrics.get("backbones") or ()}),
        _part(_("Head"), metrics.get("choice") or {}),
        _part(_("Photos unlike the training photos"), _novelty(metrics.get("novelty"), several)),
        _part(_("Machine"), _machine(metrics)),
        _part(_("Precision check"), _precision(metrics.get("precision"))),
        _part(_("Time"), _times(metrics)),
        _part(_("Versions"), {"penult": metrics["penult"], **metrics.get("versions", {})}),
        _part(_("Settings"), metrics.get("options") or {}),
    ]
    again = tag(
        "div", tag("h3", _("Reproduce this run")), tag("pre", tag("code", command(metrics)), tabindex=0), class_="again"
    )
    facts = tag("div", *parts, class_="facts")
    return tag("section", tag("h2", _("Run details")), again, facts, _not_shown(thumbnails), id="details")


def _key(name: str) -> str:
    """Return what a number of `metrics.json` is called: counts of photos, steps of the run, facts of the machine."""
    known = {
        "scanned": _("scanned"), "embedded": _("embedded"), "reused": _("reused"), "failed": _("failed"),
        "train": pgettext("photos", "train"), "test": pgettext("photos", "test"),
        "began": _("began"), "ended": _("ended"), "networks": _("networks"), "features": _("features"),
        "evaluation": _("evaluation"), "labels": _("labels"), "head": pgettext("step", "head"),
        "model and tables": _("model and tables"), "figures": _("figures"), "audit": pgettext("step", "audit"),
        "feature files": _("feature files"), "precision": pgettext("step", "precision"), "map": _("map"),
        "shift": pgettext("step", "shift"), "total": _("total"), "processor": _("processor"), "memory": _("memory"),
        "system": _("system"), "name": _("engine"), "device": _("device"),
    }  # fmt: skip
    return known.get(name, name)


def _part(title: str, values: Mapping[str, Any]) -> Html | None:
    lines = [tag("div", tag("dt", name), tag("dd", _setting(value))) for name, value in values.items()]
    return tag("div", tag("h3", title), tag("dl", *lines)) if lines else None


def _setting(value: Any) -> str:
    """Return a setting as it would be typed: lists by commas, nothing as a dash."""
    if value is None or value == []:
        return NONE
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_setting(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_setting(v) for v in value)
    return str(value)


def _backbone(backbone: Mapping[str, Any]) -> str:
    recipe = backbone.get("recipe") or {}
    seen = retranslated(backbone.get("sees") or "")
    if not seen and "size" in recipe:
        seen = _("{side} pixels, {fit}", side=recipe["size"], fit=recipe["fit"])
    weights = _("weights {digest}", digest=str(backbone["weights"])[:12])
    parts = (count(backbone["width"], "feature"), seen, backbone.get("licence"), weights)
    return clauses(str(part) for part in parts if part)


def _novelty(found: Mapping[str, Any] | None, several: bool = False) -> dict[str, str]:
    """Return what share is called unlike of photos that are not, and of a class that the model does not know."""
    if not found:
        return {}
    left = found["left_out"]
    alarms = {_("training photos, held out"): _("{share} called unlike", share=percent(found["false_alarms"]))}
    if left is None and several:
        return alarms
    if left is None:
        return alarms | {_("an unknown class"): _("not measured, since that takes three classes")}
    shares = left["classes"]
    worst, best = min(shares, key=lambda c: float(shares[c])), max(shares, key=lambda c: float(shares[c]))
    said = ngettext(
        "{share} called unlike (each of {n:,} class left out in turn: {least} of {worst} to {most} of {best})",
        "{share} called unlike (each of {n:,} classes left out in turn: {least} of {worst} to {most} of {best})",
        len(shares), share=percent(left["mean"]),
        least=percent(shares[worst]), worst=worst, most=percent(shares[best]), best=best,
    )  # fmt: skip
    return alarms | {_("an unknown class"): said}


def _machine(metrics: Mapping[str, Any]) -> dict[str, Any]:
    engine = dict(metrics.get("engine") or {})
    rate = engine.pop("images_per_second", None)
    if "precision" in engine:
        engine[pgettext("of numbers", "precision")] = engine.pop("precision")
    facts = {**(metrics.get("machine") or {}), **engine}
    return {_key(name): fact for name, fact in facts.items()} | ({_("images/s"): f"{rate:.0f}"} if rate else {})


def _precision(check: Mapping[str, Any] | None) -> dict[str, str]:
    """Return what the precision of the run did to the log loss, beside f32 on the same photos and folds."""
    if not check:
        return {}
    change, between = interval(check["difference"])
    return {
        _("log loss in {precision} less that in f32", precision=check["precision"]): _(
            "{value} ({interval})", value=change, interval=between
        ),
        _("measured on"): count(check["images"], "photo"),
    }


def _times(metrics: Mapping[str, Any]) -> dict[str, str]:
    steps = {name: value for name, value in metrics["seconds"].items() if name not in OWN}
    steps["total"] = sum(steps.values())
    times = {**(metrics.get("when") or {}), **{name: _seconds(value) for name, value in steps.items()}}
    return {_key(name): value for name, value in times.items()}


def _seconds(value: float) -> str:
    """Return a time as `0.42 s`, `14 s` or `3 min 5 s`."""
    if value < 9.95:
        return _("{n} s", n=f"{value:.2g}" if value >= 0.01 else "0")
    if value < 99.5:
        return _("{n} s", n=f"{value:.0f}")
    whole = round(value)
    return _("{minutes:,} min {seconds} s", minutes=whole // 60, seconds=whole % 60)


def command(metrics: Mapping[str, Any]) -> str:
    """Return the line that makes this run again, quoted for a shell; every name shows on one line."""
    words = [str(word) for word in metrics.get("command") or ()]
    if words and PurePath(words[0]).stem in ("penult", "__main__"):
        words[0] = "penult"
    configured = (metrics.get("options") or {}).get("configured") or ()  # from a file or variables, and quoted already
    line = printable(" ".join([shlex.join(words), *configured]))
    folder = metrics.get("folder")
    return f"cd {printable(shlex.quote(folder))} && {line}" if folder else line


def _not_shown(thumbnails: Thumbnails) -> Html | None:
    without = {**thumbnails.missing, **thumbnails.unreadable}
    if not without:
        return None
    names = sorted(without)
    said = ngettext(
        "{n:,} photo could not be shown when this report was made:",
        "{n:,} photos could not be shown when this report was made:", len(names),
    )  # fmt: skip
    listed = [tag("li", _("{file} ({reason})", file=file, reason=without[part, file])) for part, file in names[:20]]
    more = tag("li", _("and {n:,} more", n=len(names) - 20)) if len(names) > 20 else None
    moved = any(part == TRAIN for part, _file in thumbnails.missing)
    line = tag("code", "penult report RUN --photos FOLDER")
    help_ = phrase(_("If the training photos moved: {command} rebuilds the report."), command=line)
    return tag("div", tag("p", said), tag("ul", *listed, more), tag("p", help_) if moved else None, class_="note", id="gone")
