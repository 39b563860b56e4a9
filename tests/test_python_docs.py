"""The page and the notebook about Python: every example runs, and each result shows itself as HTML."""

from __future__ import annotations

import ast
import doctest
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from conftest import draw
from penult import progress

DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Photos of cats and dogs as the examples have them."""
    paths = []
    for label, kind in {"cat": "warm", "dog": "cold"}.items():
        (tmp_path / "photos" / label).mkdir(parents=True)
        Image.fromarray(draw(kind, 99)).save(tmp_path / f"{label}.jpg", quality=95)
        for i in range(6):
            paths.append(str(tmp_path / "photos" / label / f"{i}.png"))
            Image.fromarray(draw(kind, i)).save(paths[-1])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PENULT_CACHE", str(tmp_path / "cache"))
    return {"paths": paths, "labels": [Path(p).parent.name for p in paths]}


def test_the_examples_of_the_page_run(here: dict[str, Any]) -> None:
    text = (DOCS / "python.md").read_text(encoding="utf-8")
    examples = doctest.DocTestParser().get_doctest(text.replace("```", ""), dict(here), "python.md", None, 0)
    assert len(examples.examples) > 30
    said: list[str] = []
    outcome = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(examples, out=said.append)
    assert outcome.failed == 0, "".join(said)


def test_the_notebook_runs_and_shows_its_results(here: dict[str, Any]) -> None:
    """Cell by cell, as a kernel does: the value of the last line is shown, as HTML where it has that."""
    notebook = json.loads((DOCS / "python.ipynb").read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    shown = []
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        assert not cell["outputs"]
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop()
        exec(compile(tree, "cell", "exec"), names)
        assert isinstance(last, ast.Expr)
        shown.append(eval(compile(ast.Expression(last.value), "cell", "eval"), names))
    pages = [one._repr_html_() for one in shown if hasattr(one, "_repr_html_")]
    assert len(pages) == 7 and all(page.startswith("<div") and "<script" not in page for page in pages)
    assert pages[0].count("<img") >= 1 and pages[5].count("<img") == 2
    assert shown[-1] == 1.0


def test_a_bar_in_a_notebook_is_one_display_that_is_gone_at_the_end() -> None:
    class Clock:
        now = 0.0

        def __call__(self) -> float:
            return self.now

    class Handle:
        def __init__(self) -> None:
            self.states: list[Any] = []

        def update(self, what: Any) -> None:
            self.states.append(what)

    clock, handle, made = Clock(), Handle(), []

    def display(what: Any, display_id: bool) -> Handle:
        made.append(what)
        return handle

    bar = progress.CellBar(display, clock)
    for done in range(101):
        bar("<features>", done, 100)
        clock.now += 0.05
    bar.end()
    assert len(made) == 1 and 20 <= len(handle.states) <= 30, "five times a second"
    assert made[0]._repr_html_().count("<progress") == 1 and "&lt;features&gt;" in made[0]._repr_html_()
    assert "of 100" in repr(handle.states[0]) and handle.states[-1]._repr_html_() == "<div></div>"


def test_a_front_end_that_went_away_stops_nothing() -> None:
    def display(what: Any, display_id: bool) -> Any:
        raise RuntimeError("no front end")

    now = iter(range(100))
    bar = progress.CellBar(display, lambda: float(next(now)))
    bar("features", 1, 2)
    bar.end()


def test_a_bar_in_a_bar_of_the_user_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich import errors
    from rich import progress as rich_progress

    def refuse(*_: Any, **__: Any) -> None:
        raise errors.LiveError("only one live display may be active at once")

    monkeypatch.setattr(rich_progress.Progress, "start", refuse)
    monkeypatch.setattr(progress, "place", lambda stream: "terminal")
    with progress.progress_bar(True) as shown:
        shown("features", 1, 2)
