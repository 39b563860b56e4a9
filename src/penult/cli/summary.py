"""The end of `penult train`: the verdict, what to look at first, where everything is; set for a terminal, plain elsewhere.

In: what a run measured, and its folder. Out: `summary` as data, `lines` as texts, `show_summary` on standard output.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penult.audit import Finding
from penult.cli import show, streams
from penult.evaluate import imbalance
from penult.runs import table
from penult.texts import count, percent

KINDS = 4  # of findings that are named
WIDEST = 96  # columns
Line = tuple[str, str]  # what it is, what it says


def summary(metrics: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return what the summary says as plain JSON values; files that the run did not make are None."""
    report = folder / "report.html"
    return {
        "verdict": metrics["verdict"],
        "imbalance": _imbalance(metrics),
        "findings": _findings(folder / "findings.csv"),
        "review": metrics["review"],
        "report": str(report) if report.is_file() else None,
        "model": str(folder / "model.penult"),
    }


def lines(about: Mapping[str, Any]) -> list[Line]:
    """Return what follows the verdict, most useful first."""
    first = [("balance", show.printable(about["imbalance"]))] if about["imbalance"] else []
    found = [("look at" if i == 0 else "", _finding(one)) for i, one in enumerate(about["findings"][:KINDS])]
    if (rest := len(about["findings"]) - KINDS) > 0:
        found.append(("", f"and {count(rest, 'other kind', 'other kinds')} of findings"))
    if words := _review(about["review"]):
        found.append(("review", words))
    if about["report"]:
        found.append(("report", show.printable(about["report"])))
    return [*first, *found, ("model", show.printable(about["model"]))]


def show_summary(about: Mapping[str, Any]) -> None:
    """Print it: in a frame of the terminal's width, or as plain lines where nobody sees a frame."""
    if not streams.is_terminal(sys.stdout) or os.environ.get("TERM") == "dumb":
        show.out(show.printable(about["verdict"]))
        for name, words in lines(about):
            show.out(f"  {name + ':' if name else '':<8} {words}")
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
    inside = Group(Text(show.printable(about["verdict"]), style="bold"), Text(""), grid)
    console.print(Panel(inside, box=ROUNDED, border_style="dim", width=min(console.width, WIDEST), padding=(0, 1)))


def _findings(path: Path) -> list[dict[str, Any]]:
    """Return the kinds of findings in the file's order, each with its count and its first; none without such a file."""
    kinds: dict[str, dict[str, Any]] = {}
    for row in table(path):
        first = {name: row[name] for name in ("file", "related", "reason", "suggestion")}
        about = Finding(row["kind"], row["file"], row["related"], 0.0, row["reason"], row["suggestion"]).about
        kinds.setdefault(row["kind"], {"kind": row["kind"], "count": 0, "about": about, **first})["count"] += 1
    return list(kinds.values())


def _finding(one: Mapping[str, Any]) -> str:
    """Return the kind, its first photo or class with the reason, which holds for that one, and how many more there are."""
    what = one["about"]
    more = count(one["count"] - 1, f"more {what}", "more classes" if what == "class" else f"more {what}s")
    more = f" (and {more})" if one["count"] > 1 else ""
    why = f": {one['reason']}" if one["reason"] else ""
    return show.printable(f"{one['kind'].replace('_', ' ')}: {one['file']}{why}{more}")


def _imbalance(metrics: Mapping[str, Any]) -> str | None:
    if not metrics.get("scores"):
        return None
    return imbalance(metrics["scores"], (metrics.get("options") or {}).get("class_weight") is not None)


def _review(found: Mapping[str, Any]) -> str:
    """Return what a person's look buys: `a look at 4.1% of the photos (less sure than 0.9, ...) leaves ...`.

    Where the rest is no more often right than all are, a look buys nothing that was measured, and nothing is said of it.
    """
    rows = found["written"]
    listed = "" if rows is None else f"{count(rows, 'test photo')} {'is' if rows == 1 else 'are'} in review.csv"
    written = f"; {listed}" if listed else ""
    which = f"less sure than {found['level']:g}, or unlike the others"
    if not found["share"]:
        return f"no training photo is {which}{written}"
    share, every = percent(found["share"]), percent(found["accuracy_all"])
    if found["accuracy_kept"] is None:
        return f"all photos are {which}: a person should look at each{written}"
    if found["accuracy_kept"] <= found["accuracy_all"]:
        return listed
    kept = percent(found["accuracy_kept"])
    return f"a look at {share} of the photos ({which}) leaves {kept} right among the rest; {every} without a look{written}"
