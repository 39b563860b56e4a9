"""The tutorials, what is cheap of them: the runner fails where it must, languages agree. `make tutorials` runs their code."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import tutorials
from penult.cli import build

KINDS = {"yaml", "sh", "python", "text", "console", "check", "background", "needs", "py"}
PAGES = sorted(tutorials.PAGES.glob("*.md"))


def commands(block: tutorials.Block) -> list[list[str]]:
    """Return the words of each `penult` line of a shell block."""
    lines = block.code.replace("\\\n", " ").splitlines()
    found = [re.match(r"\s*(?:\$ )?(?:\w+=\S+ )*penult (.*)", line) for line in lines]
    return [shlex.split(re.split(r" #| > | \| | \|\| | && | & ?$|; ", one[1])[0]) for one in found if one]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_names_its_time_and_only_commands_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert 5 <= tutorials.stated_seconds(text) <= 120
    found = tutorials.blocks(text)
    assert {one.kind for one in found} <= KINDS and text.count("```") == 2 * sum(
        one.kind in ("sh", "python", "text", "console", "py", "yaml") for one in found
    )
    for block in found:
        for line in commands(block) if block.kind in ("sh", "console") else ():
            build().parse_args(line)


@pytest.mark.parametrize("name", tutorials.ORDER)
def test_the_chinese_page_has_the_same_code(name: str) -> None:
    english, chinese = (tutorials.PAGES / f"{name}{ending}" for ending in (".md", ".zh.md"))
    pages = [tutorials.blocks(one.read_text(encoding="utf-8")) for one in (english, chinese)]
    assert [(b.kind, b.code) for b in pages[0]] == [(b.kind, b.code) for b in pages[1]] and len(pages[0]) > 8


def test_the_runner_fails_where_a_page_is_wrong(tmp_path: Path) -> None:
    """An exit code, an exception, other words, a number too far off, a check; and not where all of it is right."""

    def outcome(text: str) -> str:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        (folder / "page.md").write_text(text, encoding="utf-8")
        try:
            return str(tutorials.run(folder / "page.md", folder, tmp_path / "cache"))
        except tutorials.Wrong as wrong:
            return str(wrong).splitlines()[0]

    right = (
        "```sh\necho 'score 0.95 of 200 photos'\necho more\n```\n\n```text\nscore 0.94 of 199 ...\n...\n```\n"
        "```python\nx = 2\n```\n<!-- check: assert x == 2 and 'more' not in said -->\n"
        "<!-- needs: no_such_module -->\n```python\nimport no_such_module\n```\n```text\nnever\n```\n"
        "```console\n$ no_such_command\n```\n"
    )
    assert outcome(right) == "['line 15, which needs no_such_module']"
    for wrong in (
        "```sh\nfalse\necho\n```\n",
        "```python\nraise ValueError\n```\n",
        "```python\nprint('one', 0.5)\n```\n\n```text\nanother 0.5\n```\n",
        "```python\nprint('one', 0.5)\n```\n\n```text\none 0.7\n```\n",
        "```python\nprint('a', 'b', sep='\\n')\n```\n\n```text\nb\na\n```\n",
        "```python\nx = 2\n```\n<!-- check: assert x == 3 -->\n",
    ):
        assert outcome(wrong).startswith("page.md, line "), wrong


def test_stated_numbers() -> None:
    for stated, seen, right in (
        ("96%", "98.5%", True), ("96%", "91%", False), ("0.16", "0.19", True), ("0.16", "0.3", False),
        ("200", "190", True), ("200", "20", False), ("96%", "96", False), ("1,000", "1,100", True),
    ):  # fmt: skip
        assert tutorials.near(stated, seen) is right, (stated, seen)
