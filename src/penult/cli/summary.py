"""What `penult train` prints at its end: a summary of what to check first; with -v details before it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penult import audit, evaluate
from penult.cli import output
from penult.i18n import N_, _, ngettext
from penult.progress import is_terminal
from penult.stored_texts import retranslated
from penult.texts import count, padded, percent

if TYPE_CHECKING:
    from penult.training import Run

KINDS = 4  # of findings that are named, and notes
WIDEST = 96  # columns
MADE = (
    "model.penult", "predictions.csv", "unlabelled_predictions.csv", "submission.csv", "review.csv", "findings.csv",
    "report.html", "figures", "skipped.csv",
)  # fmt: skip
Line = tuple[str, str]  # what it is, what it says


def show_run(run: Run, as_json: bool) -> None:
    """Print a summary of a run, where details are wanted after all that it measured."""
    kept = None if run.former is None else str(run.former)
    about = summary(run.metrics, run.folder, run.findings, kept)
    if as_json:
        output.as_json({**run.metrics, "run": str(run.folder), "former": kept, "summary": about})
        return
    if output.verbose():
        _show_details(run)
    show_summary(about)


def _show_details(run: Run) -> None:
    """Print what a run measured, and what it wrote."""
    m = run.metrics
    if run.embedding is not None:
        output.out(output.features_line(run.embedding))
    for text in m["notes"]:
        output.out(_("note: {text}", text=output.printable(text)))
    several = m.get("task") == "labels"
    counts = ", ".join(f"{output.printable(c)} {n}" for c, n in m["classes"].items())
    output.out(_("labels: {counts}", counts=counts) if several else _("classes: {counts}", counts=counts))
    many = count(m["scores"]["measured"], "training photo")
    output.out(_("out-of-fold on {many}, each scored by a model not trained on it (95% CI):", many=many))
    output.show_scores(m["scores"])
    if m["test"] is not None:
        leaked = ((m["audit"] or {}).get("leak") or {}).get("photos")
        photos = count(m["test"]["measured"], "test photo")
        output.out(
            ngettext(
                "on {photos}, {n:,} of them a copy or look-alike of training photos:",
                "on {photos}, {n:,} of them copies or look-alikes of training photos:",
                leaked,
                photos=photos,
            )
            if leaked
            else _("on {photos}:", photos=photos)
        )
        output.show_scores(m["test"])
    if len(m["compared"]) > 1:
        output.out(_("compared on the same folds:"))
        score = "mAP" if several else N_("accuracy")
        rows = [[retranslated(r["name"]), percent(r[score]), f"{r['log_loss']:.4f}"] for r in m["compared"]]
        output.out(output.table(["", _(score), _("log loss")], rows))
    output.out(_("head: {choice}", choice=_head(m["choice"])))
    if m["precision"] is not None:
        output.out(_precision(m["precision"]))
    made = [n for n in MADE if (run.folder / n).exists() and (n != "skipped.csv" or m["images"].get("failed"))]
    output.out(_("written to {folder}: {made}, metrics.json", folder=output.printable(str(run.folder)), made=", ".join(made)))


def _precision(p: Mapping[str, Any]) -> str:
    return _(
        "precision check ({photos}): {precision} instead of f32 changes the log loss by {difference}",
        photos=count(p["images"], "photo"),
        precision=p["precision"],
        difference=output.score(p["difference"]),
    )


def _head(choice: Mapping[str, Any]) -> str:
    """Return `logistic (C=3.16, scaling=unit)`."""
    own = {k: v for k, v in choice.items() if k not in ("head", "labels")}  # of each label there are as many
    settings = ", ".join(f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in own.items())
    return f"{choice['head']} ({settings})" if settings else str(choice["head"])


def summary(
    metrics: Mapping[str, Any], folder: Path, findings: Iterable[audit.Finding], former: str | None = None
) -> dict[str, Any]:
    """Return what the summary says as plain JSON values; files that the run did not make are None."""
    report = folder / "report.html"
    one_class = bool(metrics.get("scores")) and metrics.get("task") != "labels"
    chance = one_class and evaluate.at_chance(metrics["scores"], metrics.get("test"))
    return {
        "at_chance": chance,
        "verdict": metrics["verdict"],
        "causes": evaluate.causes(metrics),
        "imbalance": _imbalance(metrics),
        "findings": [] if chance else _findings(findings, (metrics.get("audit") or {}).get("expected") or {}),
        "decide": _decide(metrics, folder),
        "review": metrics["review"],
        "unreadable": _unreadable(metrics, folder),
        "notes": list(metrics.get("notes") or ()),
        "changed": None if former is None else f"penult diff {shlex.quote(former)} {shlex.quote(str(folder))}",
        "report": str(report) if report.is_file() else None,
        "model": str(folder / "model.penult"),
    }


def lines(about: Mapping[str, Any]) -> list[Line]:
    """Return what follows the verdict, most useful first."""
    first = [("" if i else N_("why"), output.printable(_cause(one))) for i, one in enumerate(about["causes"])]
    first += [(N_("balance"), output.printable(about["imbalance"]))] if about["imbalance"] else []
    found = [(N_("check") if i == 0 else "", _finding(one)) for i, one in enumerate(about["findings"][:KINDS])]
    if (rest := len(about["findings"]) - KINDS) > 0:
        words = ngettext("and {n:,} other kind of data issues", "and {n:,} other kinds of data issues", rest)
        found.append(("", words))
    if about["decide"]:
        found.append((N_("decide"), output.printable(about["decide"])))
    if not about["at_chance"] and (words := _review(about["review"])):
        found.append((N_("review"), words))
    if about["unreadable"]:
        found.append((N_("skipped"), output.printable(about["unreadable"])))
    if not output.verbose():  # else they stand above
        notes = [output.printable(text) for text in about["notes"]]
        found += [("" if i else N_("note"), text) for i, text in enumerate(notes[:KINDS])]
        more = ngettext(
            "and {n:,} other note: -v, or the report", "and {n:,} other notes: -v, or the report", len(notes) - KINDS
        )
        found += [("", more)] if len(notes) > KINDS else []
    if about["changed"]:
        found.append((N_("changed"), output.printable(about["changed"])))
    if about["report"]:
        found.append((N_("report"), output.printable(about["report"])))
    return [*first, *found, (N_("model"), output.printable(about["model"]))]


def show_summary(about: Mapping[str, Any]) -> None:
    """Print it: in a frame of the terminal's width, or as plain lines where nobody sees a frame."""
    if not is_terminal(sys.stdout) or os.environ.get("TERM") == "dumb":
        output.out(output.printable(about["verdict"]))
        for name, words in lines(about):
            output.out(f"  {padded(_('{title}:', title=_(name)) if name else '', 8)} {words}")
        return
    from rich.box import ROUNDED
    from rich.console import Console, Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    console = Console(file=sys.stdout, highlight=False)
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, words in lines(about):
        grid.add_row(Text(_(name) if name else ""), Text(words))
    inside = Group(Text(output.printable(about["verdict"]), style="bold"), Text(""), grid)
    with console.capture() as framed:
        console.print(Panel(inside, box=ROUNDED, border_style="dim", width=min(console.width, WIDEST), padding=(0, 1)))
    output.out(framed.get().rstrip("\n"))


def _unreadable(metrics: Mapping[str, Any], folder: Path) -> str | None:
    """Return how many images could not be read, and where they are listed."""
    failed = (metrics.get("images") or {}).get("failed") or 0
    if not failed:
        return None
    return ngettext(
        "{n:,} image cannot be read: {path}", "{n:,} images cannot be read: {path}", failed, path=folder / "skipped.csv"
    )


def _findings(found: Iterable[audit.Finding], expected: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return the kinds of findings in their order, each with its count, how many are expected to be true, and its first."""
    kinds: dict[str, dict[str, Any]] = {}
    for one in found:
        first = {name: getattr(one, name) for name in ("about", "file", "related", "reason", "suggestion")}
        kinds.setdefault(one.kind, {"kind": one.kind, "count": 0, "expected": expected.get(one.kind), **first})["count"] += 1
    return list(kinds.values())


def _finding(one: Mapping[str, Any]) -> str:
    """Return `2 possible label errors (about 1 of these 2 labels ...), e.g. a.png: labelled cat, predicted dog (98.0%)`."""
    kind = audit.KINDS.get(one["kind"])
    what = kind.title(one["count"]) if kind else f"{one['count']:,} {one['kind']}"
    right = kind.expects(one["count"], one["expected"]) if kind else ""
    what = _("{what} ({right})", what=what, right=right) if right else what
    example = _("{file}: {why}", file=one["file"], why=one["reason"]) if one["reason"] else one["file"]
    if one["count"] == 1:
        return output.printable(_("{what}: {example}", what=what, example=example))
    return output.printable(_("{what}, e.g. {example}", what=what, example=example))


def _cause(one: Mapping[str, Any]) -> str:
    return _("{found}; {advice}", **one) if one["advice"] else str(one["found"])


def _imbalance(metrics: Mapping[str, Any]) -> str | None:
    if not metrics.get("scores") or metrics.get("task") == "labels":
        return None
    return evaluate.imbalance(metrics["scores"], (metrics.get("options") or {}).get("class_weight") is not None)


def _decide(metrics: Mapping[str, Any], folder: Path) -> str | None:
    """Return the command that keeps a class from being missed, where that is advised."""
    option = evaluate.advice_sentences((metrics.get("decision") or {}).get("advice"))[1]
    return f"penult decide {shlex.quote(str(folder))} {option}" if option else None


def _review(found: Mapping[str, Any] | None) -> str:
    """Return what manual review gains; nothing is said of a gain where accuracy on the rest is no higher than on all."""
    if found is None:
        return ""
    rows = found["written"]
    listed = (
        ngettext("{n:,} test photo is in review.csv", "{n:,} test photos are in review.csv", rows) if rows is not None else ""
    )
    which = _("confidence below {level:g}, or unlike the other photos", level=found["level"])
    if not found["share"]:
        said = _("no training photo is uncertain ({which})", which=which)
    elif found["accuracy_kept"] is None:
        said = _("all photos are uncertain ({which}): review each by hand", which=which)
    elif found["accuracy_kept"] <= found["accuracy_all"]:
        return listed
    else:
        said = _(
            "reviewing {share} of the photos by hand ({which}) raises accuracy on the rest from {every} to {kept}",
            share=percent(found["share"]),
            which=which,
            every=percent(found["accuracy_all"]),
            kept=percent(found["accuracy_kept"]),
        )
    return _("{said}; {listed}", said=said, listed=listed) if listed else said
