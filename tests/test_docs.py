"""The docs cannot lie: what README shows runs, and what it names exists."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reference
from penult.cli import build

ROOT = Path(__file__).resolve().parents[1]
# tests/test_tutorials.py holds the tutorials to the parser: they have lines of other programs, and of several commands
BESIDE_TUTORIALS = [page for page in sorted((ROOT / "docs").rglob("*.md")) if page.parent.name != "tutorials"]
OF_BENCHMARKS = {
    "--concurrent", "--count", "--demo", "--each", "--full", "--help", "--images", "--kills", "--labels", "--many",
    "--networks", "--no-audit", "--only", "--photos", "--points", "--seeds", "--sets",
}  # fmt: skip


def words(text: str) -> list[list[str]]:
    """Return the words of every `penult ...` line in the shell blocks of a page, fenced or indented."""
    blocks = [*re.findall(r"```sh\n(.*?)```", text, re.DOTALL), *re.findall(r"^    (penult .*)$", text, re.MULTILINE)]
    lines = [shlex.split(re.split(r"#| >>?| \| ", line)[0]) for block in blocks for line in block.splitlines()]
    return [line[1:] for line in lines if line[:1] == ["penult"] and "..." not in line]


def test_every_command_of_the_pages_is_understood() -> None:
    for page, count in (
        ("README.md", 22),
        ("README.zh.md", 22),
        ("docs/backbones.md", 7),
        ("docs/decisions.md", 5),
        ("docs/deploy.md", 9),
        ("docs/studio.md", 3),
        ("docs/studio.zh.md", 3),
    ):
        found = words((ROOT / page).read_text(encoding="utf-8"))
        assert len(found) == count, page
    for path in [*ROOT.glob("README*.md"), *BESIDE_TUTORIALS]:
        for line in words(path.read_text(encoding="utf-8")):
            build().parse_args(line)


def test_the_python_lines_of_the_readme_run(photos: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    block = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    folder = photos("train", warm=6, cold=6).parent
    for name in ("test", "new_photos"):
        (folder / name).mkdir()
        shutil.copy(min((folder / "train" / "cold").iterdir()), folder / name / "1.jpg")
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    exec(block[1], names)
    assert np.asarray(names["model"].predict(["new_photos/1.jpg"])).tolist() == ["cold"]
    assert (folder / "run" / "predictions.csv").is_file()


def test_every_option_that_the_pages_name_exists() -> None:
    known: set[str] = set()
    for action in build()._subparsers._group_actions[0].choices.values():  # type: ignore[union-attr]
        known |= {option for one in action._actions for option in one.option_strings}
    for page in (ROOT / "README.md", ROOT / "README.zh.md", *BESIDE_TUTORIALS):
        lines = page.read_text(encoding="utf-8").splitlines()
        ours = "\n".join(line for line in lines if not re.match(r"pip |git |.*python -m ", line))
        assert set(re.findall(r"`[^`\n]*?(--[a-z][a-z0-9-]*)", ours)) <= known | OF_BENCHMARKS, page


def test_every_command_is_on_a_page_of_its_own_beside_the_reference() -> None:
    inside = {"commands", "design", "benchmarks", "reliability"}
    pages = [page for page in (ROOT / "docs").rglob("*.md") if page.stem not in inside]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    for name in set(build().commands()) - {"help"}:
        assert re.search(rf"(?m)^ *penult {name}\b", text), name


def test_the_reference_of_the_commands_is_that_of_the_parser() -> None:
    """`python tests/reference.py` writes it anew."""
    for language, page in reference.PAGES.items():
        assert page.read_text(encoding="utf-8").partition(reference.MARK)[2] == f"\n{reference.reference(language)}", page.name


def test_the_links_of_the_pages_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert "://" in target or (page.parent / target).exists(), f"{page.name}: {target}"
