"""A run as a notebook shows it: the verdict, where it is, and its figures.

In: the folder and the metrics of a run. Out: HTML. It must not draw: it shows the files that the run wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penult import html
from penult.texts import printable


def run_html(folder: Path, metrics: Mapping[str, Any]) -> str:
    """Return the verdict, the counts, and every figure that still stands in the run folder."""
    rows: list[tuple[str, object]] = [("run", printable(folder)), *metrics["classes"].items()]
    rows += [(name, count) for name, count in metrics["images"].items() if name in ("test", "failed")]
    names = [Path(name) for name in metrics["figures"] if name.endswith(".png")]
    drawn = [(folder / "figures" / name, name.stem.replace("_", " ")) for name in names]
    pictures = [html.image(path.read_bytes(), name) for path, name in drawn if path.is_file()]
    return html.result(metrics["verdict"], html.table(("", ""), rows), *pictures)
