"""`penult info`: what a model is: classes, networks, head, scores, decision, data, versions."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from penult.cli import options
from penult.cli.parser import Commands, command
from penult.i18n import N_, _
from penult.texts import count, padded, percent

if TYPE_CHECKING:
    from penult.bundle import Bundle

_LISTED = 20  # classes
_NAMES = {
    "accuracy": N_("accuracy"), "balanced_accuracy": N_("balanced accuracy"), "log_loss": N_("log loss"), "auc": "AUC",
    "brier": N_("brier"), "ece": N_("ece"), "micro_f1": N_("micro F1"), "macro_f1": N_("macro F1"),
    "mAP": "mAP", "exact_match": N_("exact match"),
}  # fmt: skip
_SHARES = ("accuracy", "balanced_accuracy", "micro_f1", "macro_f1", "mAP")


def add(commands: Commands) -> None:
    """Add the command and its options."""
    p = command(
        commands,
        "info",
        run,
        _("show what a model is: classes, networks, scores, data"),
        _(
            "Reads the model file, and metrics.json beside it where they are of the same run. Nothing is computed, no "
            "photo is\n"
            "opened. The digests are those of the training photos and their labels: the same photos, in any order and "
            "under any\n"
            "name, have the same digest."
        ),
        _("""
        penult info run
        penult info model.penult --json
        """),
    )
    options.add_model(p)
    options.add_output(p)


def run(args: argparse.Namespace) -> None:
    """Show the card of a model."""
    from penult.cli import output

    about = describe(args.model)
    if args.json:
        output.as_json(about)
        return
    for name, words in _lines(about):
        output.out(f"{padded(_(name) if name else '', 12)}{output.printable(words)}".rstrip())


def describe(path: str) -> dict[str, Any]:
    """Return what a model is, as plain JSON values; None: not known. Raises `InputError`, `DamagedFile`."""
    from penult import bundle, runs
    from penult.evaluate import verdict_of

    file = bundle.model_path(path)
    model = bundle.load_bundle(path)
    metrics = (runs.read_finished(file.parent) or {}) if file.name == "model.penult" else {}
    facts = model.facts
    counts = facts.get("counts") or metrics.get("classes") or {}
    status = file.stat()
    saved = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(status.st_mtime))
    return {
        "model": str(file),
        "bytes": status.st_size,
        "date": (metrics.get("when") or {}).get("ended"),
        "saved": saved,  # when this copy of the file was written
        "task": model.task,
        "classes": [{"name": name, "photos": counts.get(name)} for name in model.classes],
        "trained_on": facts.get("trained_on"),
        "networks": _networks(model),
        "features": sum(model.widths),
        "engine": {"name": model.engine, "precision": model.precision},
        "head": {"kind": model.head.kind, **(facts.get("choice") or {})},
        **_answers(model),
        "scores": (metrics.get("scores") or {}).get("scores") or facts.get("scores"),
        "test_scores": (metrics.get("test") or {}).get("scores"),
        "verdict": verdict_of(metrics) or None,
        "digests": facts.get("digests") or metrics.get("digests"),
        "versions": {"penult": facts.get("penult"), **(metrics.get("versions") or {})},
    }


def _networks(model: Bundle) -> list[dict[str, Any]]:
    return [
        {
            "name": one.name,
            "features": width,
            "sees": one.recipe.describe(),
            "license": one.license,
            "source": one.source,
            "weights": one.weights,
        }
        for one, width in zip(model.backbones, model.widths, strict=bool(model.backbones))
    ]


def _answers(model: Bundle) -> dict[str, Any]:
    """Return how an answer is made of probabilities."""
    from penult import bundle

    rule, sets = bundle.decision_of(model)
    limits = model.thresholds
    return {
        "decision": {**rule.to_facts(model.classes), "gives": rule.describe(model.classes)} if limits is None else None,
        "thresholds": None if limits is None else dict(zip(model.classes, limits.tolist(), strict=True)),
        "prediction_sets": None if sets is None else sets.to_facts(),
        "prior": dict(zip(model.classes, bundle.held_prior(model).tolist(), strict=True)),
        "novelty": model.novelty is not None,
        "knows_its_photos": model.seen is not None,
    }


def _lines(about: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is shown of it: a name, and words."""
    yield N_("model"), f"{about['model']} ({about['bytes'] / 1e6:.1f} MB)"
    yield N_("date"), about["date"] or _("not known (this file was written {when})", when=about["saved"])
    n = len(about["classes"])
    one_class = about["task"] != "labels"
    task = _("{n:,} classes, one for a photo", n=n) if one_class else _("{n:,} labels, any number for a photo", n=n)
    if about["trained_on"] is not None:
        task = _("{task}; trained on {photos}", task=task, photos=count(about["trained_on"], "photo"))
    yield N_("task"), task
    shown = [one["name"] + ("" if one["photos"] is None else f" {one['photos']:,}") for one in about["classes"][:_LISTED]]
    more = len(about["classes"]) - len(shown)
    named = ", ".join(shown)
    yield N_("classes"), _("{names} and {n:,} more (--json lists all)", names=named, n=more) if more else named
    for i, one in enumerate(about["networks"]):
        said = _(
            "{name}: {features}, {sees}; {license}",
            name=one["name"],
            features=count(one["features"], "feature"),
            sees=one["sees"],
            license=one["license"],
        )
        yield "" if i else N_("networks"), said
    if not about["networks"]:
        yield N_("networks"), _("none: it answers for rows of {n:,} features", n=about["features"])
    yield N_("engine"), f"{about['engine']['name']}, {about['engine']['precision']}"
    settings = {name: value for name, value in about["head"].items() if name not in ("kind", "head", "labels")}
    if told := about["head"].get("labels"):  # the settings of each label
        low, high = min(told["C"]), max(told["C"])
        settings["C"] = low if low == high else _("{low:.3g} to {high:.3g} by label (--json lists all)", low=low, high=high)
    named = ", ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}" for name, value in settings.items()
    )
    yield N_("head"), f"{about['head'].get('head', about['head']['kind'])}{f' ({named})' if named else ''}"
    yield from _scores(about)
    yield from _decision(about)
    for i, (part, digest) in enumerate((about["digests"] or {}).items()):
        said = _("{part} {digest} (sha256 of the photos and their labels)", part=part, digest=digest[:16])
        yield "" if i else N_("data"), said
    yield N_("versions"), ", ".join(f"{name} {value}" for name, value in about["versions"].items() if value)


def _scores(about: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    from penult.cli import output

    if about["verdict"]:
        yield N_("verdict"), about["verdict"]
    for key, name in (("scores", N_("out-of-fold")), ("test_scores", N_("test"))):
        for i, (score, value) in enumerate((about[key] or {}).items()):
            if isinstance(value, Mapping) and value.get("value") is not None:
                shown = output.score(value, percent=score in _SHARES)
                yield "" if i else name, f"{_(_NAMES.get(score, score))} {shown}"


def _decision(about: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if about["decision"]:
        yield N_("decision"), _("gives {what}", what=about["decision"]["gives"])
    if about["thresholds"]:
        shown = [f"{name} {percent(value)}" for name, value in list(about["thresholds"].items())[:_LISTED]]
        yield N_("thresholds"), ", ".join(shown) + (" ..." if len(about["thresholds"]) > _LISTED else "")
    if about["prediction_sets"]:
        level = percent(about["prediction_sets"]["level"])
        yield N_("sets"), _("prediction sets that hold the right class with probability {level}", level=level)
