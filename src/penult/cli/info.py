"""`penult info`: what a model is: classes, networks, head, scores, decision, data, versions."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from penult.cli import options
from penult.cli.parser import Commands, command
from penult.texts import count, percent

if TYPE_CHECKING:
    from penult.bundle import Bundle

_LISTED = 20  # classes
_SHARES = ("accuracy", "balanced_accuracy", "micro_f1", "macro_f1", "mAP")


def add(commands: Commands) -> None:
    """Add the command and its options."""
    p = command(
        commands,
        "info",
        run,
        "show what a model is: classes, networks, scores, data",
        "Reads the model file, and metrics.json beside it where they are of the same run. Nothing is computed, no photo is\n"
        "opened. The digests are those of the training photos and their labels: the same photos, in any order and under any\n"
        "name, have the same digest.",
        """
        penult info run
        penult info model.penult --json
        """,
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
        output.out(f"{name:<12}{output.printable(words)}".rstrip())


def describe(path: str) -> dict[str, Any]:
    """Return what a model is, as plain JSON values; None: not known. Raises `InputError`, `DamagedFile`."""
    from penult import bundle, runs

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
        "verdict": metrics.get("verdict"),
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
    yield "model", f"{about['model']} ({about['bytes'] / 1e6:.1f} MB)"
    yield "date", about["date"] or f"not known (this file was written {about['saved']})"
    what = "labels, any number for a photo" if about["task"] == "labels" else "classes, one for a photo"
    trained = "" if about["trained_on"] is None else f"; trained on {count(about['trained_on'], 'photo')}"
    yield "task", f"{len(about['classes']):,} {what}{trained}"
    shown = [one["name"] + ("" if one["photos"] is None else f" {one['photos']:,}") for one in about["classes"][:_LISTED]]
    more = len(about["classes"]) - len(shown)
    yield "classes", ", ".join(shown) + (f" and {more:,} more (--json lists all)" if more else "")
    for i, one in enumerate(about["networks"]):
        said = f"{one['name']}: {count(one['features'], 'feature')}, {one['sees']}; {one['license']}"
        yield "" if i else "networks", said
    if not about["networks"]:
        yield "networks", f"none: it answers for rows of {about['features']:,} features"
    yield "engine", f"{about['engine']['name']}, {about['engine']['precision']}"
    settings = {name: value for name, value in about["head"].items() if name not in ("kind", "head", "labels")}
    if told := about["head"].get("labels"):  # the settings of each label
        low, high = min(told["C"]), max(told["C"])
        settings["C"] = low if low == high else f"{low:.3g} to {high:.3g} by label (--json lists all)"
    named = ", ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}" for name, value in settings.items()
    )
    yield "head", f"{about['head'].get('head', about['head']['kind'])}{f' ({named})' if named else ''}"
    yield from _scores(about)
    yield from _decision(about)
    for i, (part, digest) in enumerate((about["digests"] or {}).items()):
        yield "" if i else "data", f"{part} {digest[:16]} (sha256 of the photos and their labels)"
    yield "versions", ", ".join(f"{name} {value}" for name, value in about["versions"].items() if value)


def _scores(about: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    from penult.cli import output

    if about["verdict"]:
        yield "verdict", about["verdict"]
    for key, name in (("scores", "out-of-fold"), ("test_scores", "test")):
        for i, (score, value) in enumerate((about[key] or {}).items()):
            if isinstance(value, Mapping) and value.get("value") is not None:
                shown = output.score(value, percent=score in _SHARES)
                yield "" if i else name, f"{'AUC' if score == 'auc' else score.replace('_', ' ')} {shown}"


def _decision(about: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if about["decision"]:
        yield "decision", f"gives {about['decision']['gives']}"
    if about["thresholds"]:
        shown = [f"{name} {percent(value)}" for name, value in list(about["thresholds"].items())[:_LISTED]]
        yield "thresholds", ", ".join(shown) + (" ..." if len(about["thresholds"]) > _LISTED else "")
    if about["prediction_sets"]:
        yield (
            "sets",
            f"prediction sets that hold the right class with probability {percent(about['prediction_sets']['level'])}",
        )
