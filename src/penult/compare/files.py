"""Where a comparison is written: claim the folder, write each file whole or not at all.

In: a `Comparison`. Out: `compare.json`, `compare.csv`, `figures/compare.png` and `.svg`. A folder is ours when it holds a
`compare.json` of ours, which is written first ("running") and again last ("done").
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penult import plots, store, untrusted
from penult.compare.result import Comparison
from penult.errors import InputError
from penult.plots import Point

RESULT = "compare.json"
FORMAT = 1
CURE = "wait until that has ended, or give another folder with --out"
SCORES = ("log_loss", "accuracy", "auc", "brier", "ece")


@contextmanager
def claimed(out: str) -> Iterator[Path]:
    """Yield the folder, made and marked as ours, which nobody else gets meanwhile.

    Raises `InputError` for one that holds something else, `OutputError` for one that another comparison has.
    """
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; give another folder with --out.")
    store.make_folder(folder)
    with store.Claim(folder, "another comparison is writing to it", CURE):
        if not store.is_empty(folder) and not _is_ours(folder / RESULT):
            raise InputError(
                f"{folder} is not empty and is no comparison of penult's; nothing was touched. Give another folder with --out."
            )
        store.sweep(folder, below=1)
        store.write_json(folder / RESULT, {"penult_compare": FORMAT, "status": "running"})
        yield folder


def write(folder: Path, found: Comparison) -> None:
    """Write the table, the figure, and last the whole result. Raises `OutputError`."""
    with store.atomic_write_text(folder / "compare.csv") as file:
        table = csv.writer(file)
        table.writerows(_table(found))
    points = [
        Point(tuple(found.short[name] for name in e.members), e.images_per_second, e.scores["log_loss"], e.pareto)
        for e in found.entries
    ]
    plots.save(plots.tradeoff(points), folder / "figures", "compare")
    store.write_json(folder / RESULT, {"penult_compare": FORMAT, "status": "done", **found.to_dict()})


def _table(found: Comparison) -> list[list[str]]:
    """Return the lines of `compare.csv`: one an entry, the best first."""
    bounds = [f"{score}{part}" for score in SCORES for part in ("", "_low", "_high")]
    lines = [["name", "members", "images_per_second", *bounds, "pareto", "recommended", "width", "gmacs", "params", "license"]]
    for e in found.entries:
        numbers = ["" if v is None else f"{v:.6g}" for s in SCORES for v in e.scores[s].to_dict().values()]
        marks = ["yes" if e.pareto else "no", "yes" if e is found.recommended else "no"]
        lines.append([
            found.label(e), " ".join(e.members), f"{e.images_per_second:.2f}", *numbers,
            *marks, str(e.width), str(e.gmacs), str(e.params), e.license,
        ])  # fmt: skip
    return lines


def _is_ours(path: Path) -> bool:
    try:
        return "penult_compare" in untrusted.loads(untrusted.content(path, untrusted.MOST_JSON))
    except (OSError, ValueError, TypeError):
        return False
