"""The reference in docs/commands.md and commands.zh.md, every command with its options, out of the parser.

`python tests/reference.py` writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from penult import i18n
from penult.cli import COMMANDS, build
from penult.cli.parser import Parser

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = {"en": DOCS / "commands.md", "zh": DOCS / "commands.zh.md"}
MARK = "<!-- From here on the page is made by `python tests/reference.py`. -->\n"
SHARED = ("help", "config", "lang", "no_config", "verbose", "quiet")  # options of every command, which the first half has


def reference(language: str = "en") -> str:
    """Return the reference as Markdown in a language; the anchors are those of the English page."""
    before = i18n.language()
    i18n.set_language(language)
    try:
        return _reference()
    finally:
        i18n.set_language(before)


def _reference() -> str:
    known = build().commands()
    return "\n".join(
        line
        for title, modules in COMMANDS.items()
        for line in (
            *_anchor(title),
            f"## {i18n._(title)}",
            "",
            *(line for one in modules for line in _command(known[_name(one)])),
        )
    )


def _anchor(title: str) -> list[str]:
    """Return an anchor by the English name of a heading that has another one."""
    return [] if i18n._(title) == title else [f'<a id="{title.lower().replace(" ", "-")}"></a>', ""]


def _name(module: object) -> str:
    return str(getattr(module, "__name__", "")).rpartition(".")[2]


def _command(p: Parser) -> Iterator[str]:
    yield f"### {p.prog}"
    yield ""
    usage = p.format_usage().removeprefix(i18n._("usage: "))
    yield from ("```text", " ".join(usage.split()), "```", "")
    first, _, about = str(p.description).partition("\n\n")
    yield first
    yield ""
    if about:
        yield re.sub(r"(?m)^  (\S+) {2,}", r"- `\1`: ", about)
        yield ""
    yield from ("```sh", *re.sub(r" {2,}(?=\S)", "   # ", _flat(p.epilog)).splitlines(), "```", "")
    for group in p._action_groups:
        shown = [one for one in group._group_actions if one.dest not in SHARED]
        if not shown:
            continue
        yield from (f"| {group.title} | |", "|---|---|")
        for one in shown:
            words = p._get_formatter()._format_action_invocation(one)
            text = p._get_formatter()._expand_help(one)
            yield f"| {_code(words)} | {text.replace('|', chr(92) + '|')} |"
        yield ""


def _flat(examples: str | None) -> str:
    return re.sub(r"(?m)^  ", "", str(examples).partition("\n")[2])


def _code(words: str) -> str:
    return f"`{words.replace('|', chr(92) + '|')}`"


if __name__ == "__main__":
    for name, page in PAGES.items():
        kept, _, _ = page.read_text(encoding="utf-8").partition(MARK)
        page.write_text(kept + MARK + "\n" + reference(name), encoding="utf-8")
