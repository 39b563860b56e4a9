"""Details of the run: what, when, with what, on what, how long, every setting, and the command to repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from penult.html import Html, join, tag
from penult.report.charts import interval
from penult.report.thumbnails import TRAIN, Thumbnails
from penult.runs import RunResults
from penult.texts import NONE, count, percent, printable

OWN = frozenset({"report"})  # a page cannot say how long it took to make itself


def section(results: RunResults, thumbnails: Thumbnails) -> Html:
    """Return the details, settings last."""
    metrics, several = results.metrics, results.label_rows is not None
    folders = {f"folder ({part})": folder for part, folder in (metrics.get("sources") or {}).items() if folder}
    parts = [
        _part("Photos", {**folders, **{name: f"{n:,}" for name, n in metrics["images"].items()}}),
        _part("Labels" if several else "Classes", {name: f"{n:,}" for name, n in metrics["classes"].items()}),
        _part("Backbones", {b["name"]: _backbone(b) for b in metrics.get("backbones") or ()}),
        _part("Head", metrics.get("choice") or {}),
        _part("Photos unlike the training photos", _novelty(metrics.get("novelty"), several)),
        _part("Machine", _machine(metrics)),
        _part("Precision check", _precision(metrics.get("precision"))),
        _part("Time", _times(metrics)),
        _part("Versions", {"penult": metrics["penult"], **metrics.get("versions", {})}),
        _part("Settings", metrics.get("options") or {}),
    ]
    again = tag("div", tag("h3", "Reproduce this run"), tag("pre", tag("code", command(metrics)), tabindex=0), class_="again")
    facts = tag("div", *parts, class_="facts")
    return tag("section", tag("h2", "Run details"), again, facts, _not_shown(thumbnails), id="details")


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
    input_size = backbone.get("sees") or (f"{recipe['size']} pixels, {recipe['fit']}" if "size" in recipe else "")
    weights = f"weights {str(backbone['weights'])[:12]}"
    parts = (count(backbone["width"], "feature"), input_size, backbone.get("licence"), weights)
    return ", ".join(str(p) for p in parts if p)


def _novelty(found: Mapping[str, Any] | None, several: bool = False) -> dict[str, str]:
    """Return what share is called unlike of photos that are not, and of a class that the model does not know."""
    if not found:
        return {}
    left, alarms = found["left_out"], {"training photos, held out": f"{percent(found['false_alarms'])} called unlike"}
    if left is None and several:
        return alarms
    if left is None:
        return alarms | {"an unknown class": "not measured, since that takes three classes"}
    shares = left["classes"]
    worst, best = min(shares, key=lambda c: float(shares[c])), max(shares, key=lambda c: float(shares[c]))
    said = f"{percent(left['mean'])} called unlike (each of {count(len(shares), 'class', 'classes')} left out in turn: "
    return alarms | {"an unknown class": f"{said}{percent(shares[worst])} of {worst} to {percent(shares[best])} of {best})"}


def _machine(metrics: Mapping[str, Any]) -> dict[str, Any]:
    engine = dict(metrics.get("engine") or {})
    rate = engine.pop("images_per_second", None)
    return {**(metrics.get("machine") or {}), **engine, **({"images/s": f"{rate:.0f}"} if rate else {})}


def _precision(check: Mapping[str, Any] | None) -> dict[str, str]:
    """Return what the precision of the run did to the log loss, beside f32 on the same photos and folds."""
    if not check:
        return {}
    change, between = interval(check["difference"])
    return {
        f"log loss in {check['precision']} less that in f32": f"{change} ({between})",
        "measured on": count(check["images"], "photo"),
    }


def _times(metrics: Mapping[str, Any]) -> dict[str, str]:
    stages = {name: value for name, value in metrics["seconds"].items() if name not in OWN}
    total = {"total": _seconds(sum(stages.values()))}
    return {**(metrics.get("when") or {}), **{name: _seconds(value) for name, value in stages.items()}, **total}


def _seconds(value: float) -> str:
    """Return a time as `0.42 s`, `14 s` or `3 min 5 s`."""
    if value < 9.95:
        return f"{value:.2g} s" if value >= 0.01 else "0 s"
    if value < 99.5:
        return f"{value:.0f} s"
    whole = round(value)
    return f"{whole // 60:,} min {whole % 60} s"


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
    have = "photo" if len(names) == 1 else "photos"
    said = f"{len(names):,} {have} could not be shown when this report was made:"
    listed = [tag("li", f"{file} ({without[part, file]})") for part, file in names[:20]]
    more = tag("li", f"and {len(names) - 20:,} more") if len(names) > 20 else None
    moved = any(part == TRAIN for part, _ in thumbnails.missing)
    help_ = join("If the training photos moved: ", tag("code", "penult report RUN --photos FOLDER"), " rebuilds the report.")
    return tag("div", tag("p", said), tag("ul", *listed, more), tag("p", help_) if moved else None, class_="note", id="gone")
