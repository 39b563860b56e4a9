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
from penult.progress import is_terminal
from penult.texts import count, percent

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
        output.out(f"note: {output.printable(text)}")
    several = m.get("task") == "labels"
    counts = ", ".join(f"{output.printable(c)} {n}" for c, n in m["classes"].items())
    output.out(f"{'labels' if several else 'classes'}: {counts}")
    many = count(m["scores"]["measured"], "training photo")
    output.out(f"out-of-fold on {many}, each scored by a model not trained on it (95% CI):")
    output.show_scores(m["scores"])
    if m["test"] is not None:
        leaked = ((m["audit"] or {}).get("leak") or {}).get("photos")
        are = "a copy or look-alike" if leaked == 1 else "copies or look-alikes"
        duplicated = f", {leaked:,} of them {are} of training photos" if leaked else ""
        output.out(f"on {count(m['test']['measured'], 'test photo')}{duplicated}:")
        output.show_scores(m["test"])
    if len(m["compared"]) > 1:
        output.out("compared on the same folds:")
        score = "mAP" if several else "accuracy"
        rows = [[r["name"], percent(r[score]), f"{r['log_loss']:.4f}"] for r in m["compared"]]
        output.out(output.table(["", score, "log loss"], rows))
    output.out(f"head: {_head(m['choice'])}")
    if m["precision"] is not None:
        output.out(_precision(m["precision"]))
    made = [n for n in MADE if (run.folder / n).exists() and (n != "skipped.csv" or m["images"].get("failed"))]
    output.out(f"written to {output.printable(str(run.folder))}: {', '.join(made)}, metrics.json")


def _precision(p: Mapping[str, Any]) -> str:
    return (
        f"precision check ({count(p['images'], 'photo')}): {p['precision']} instead of f32 changes the log loss by "
        f"{output.score(p['difference'])}"
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
    first = [("" if i else "why", output.printable(_cause(one))) for i, one in enumerate(about["causes"])]
    first += [("balance", output.printable(about["imbalance"]))] if about["imbalance"] else []
    found = [("check" if i == 0 else "", _finding(one)) for i, one in enumerate(about["findings"][:KINDS])]
    if (rest := len(about["findings"]) - KINDS) > 0:
        found.append(("", f"and {count(rest, 'other kind', 'other kinds')} of data issues"))
    if about["decide"]:
        found.append(("decide", output.printable(about["decide"])))
    if not about["at_chance"] and (words := _review(about["review"])):
        found.append(("review", words))
    if about["unreadable"]:
        found.append(("skipped", output.printable(about["unreadable"])))
    if not output.verbose():  # else they stand above
        notes = [output.printable(text) for text in about["notes"]]
        found += [("" if i else "note", text) for i, text in enumerate(notes[:KINDS])]
        found += [("", f"and {count(len(notes) - KINDS, 'other note')}: -v, or the report")] if len(notes) > KINDS else []
    if about["changed"]:
        found.append(("changed", output.printable(about["changed"])))
    if about["report"]:
        found.append(("report", output.printable(about["report"])))
    return [*first, *found, ("model", output.printable(about["model"]))]


def show_summary(about: Mapping[str, Any]) -> None:
    """Print it: in a frame of the terminal's width, or as plain lines where nobody sees a frame."""
    if not is_terminal(sys.stdout) or os.environ.get("TERM") == "dumb":
        output.out(output.printable(about["verdict"]))
        for name, words in lines(about):
            output.out(f"  {name + ':' if name else '':<8} {words}")
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
        grid.add_row(Text(name), Text(words))
    inside = Group(Text(output.printable(about["verdict"]), style="bold"), Text(""), grid)
    with console.capture() as framed:
        console.print(Panel(inside, box=ROUNDED, border_style="dim", width=min(console.width, WIDEST), padding=(0, 1)))
    output.out(framed.get().rstrip("\n"))


def _unreadable(metrics: Mapping[str, Any], folder: Path) -> str | None:
    """Return how many images could not be read, and where they are listed."""
    failed = (metrics.get("images") or {}).get("failed") or 0
    return f"{count(failed, 'image')} cannot be read: {folder / 'skipped.csv'}" if failed else None


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
    what += f" ({right})" if right else ""
    example = ": " if one["count"] == 1 else ", e.g. "
    why = f": {one['reason']}" if one["reason"] else ""
    return output.printable(f"{what}{example}{one['file']}{why}")


def _cause(one: Mapping[str, Any]) -> str:
    return f"{one['found']}{'; ' if one['advice'] else ''}{one['advice']}"


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
    listed = "" if rows is None else f"{count(rows, 'test photo')} {'is' if rows == 1 else 'are'} in review.csv"
    written = f"; {listed}" if listed else ""
    which = f"confidence below {found['level']:g}, or unlike the other photos"
    if not found["share"]:
        return f"no training photo is uncertain ({which}){written}"
    if found["accuracy_kept"] is None:
        return f"all photos are uncertain ({which}): review each by hand{written}"
    if found["accuracy_kept"] <= found["accuracy_all"]:
        return listed
    share, every, kept = (percent(found[name]) for name in ("share", "accuracy_all", "accuracy_kept"))
    return f"reviewing {share} of the photos by hand ({which}) raises accuracy on the rest from {every} to {kept}{written}"
