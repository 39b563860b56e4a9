"""Texts of help in lines of a terminal's width, also in Chinese, where a line may end behind any character."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from functools import partial

from penult.texts import display_width, padded

_WIDE = "\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff00-\uffef"
_OPENING, _CLOSING = "（「《", "，。：；？！）」》、),.;:%"
# what stays together: a word or a character, with the signs that must not begin a line, or end one
_UNIT = re.compile(rf"[{_OPENING}]*(?:[^\s{_WIDE}]+|[{_WIDE}])?[{_CLOSING}]*\s*")


def wrap(text: str, width: int, indent: str = "", under: str = "", words: bool = True) -> list[str]:
    """Return the lines of a paragraph, `width` columns wide at most, the first behind `indent`, the others behind `under`.

    With `words` a word that is longer stays whole, and none is divided at a hyphen.
    """
    if display_width(text) == len(text):
        filled = partial(textwrap.wrap, initial_indent=indent, subsequent_indent=under)
        return filled(text, width, break_long_words=not words, break_on_hyphens=not words)
    lines, line, used = [], indent, display_width(indent)
    for unit in _units(text, 0 if words else width - display_width(under)):
        if used + display_width(unit.rstrip()) > width and line.strip():
            lines.append(line.rstrip())
            line, used = under, display_width(under)
        line += unit
        used += display_width(unit)
    return [*lines, line.rstrip()] if line.strip() else lines


def _units(text: str, most: int) -> Iterator[str]:
    """Yield what must stay together on a line, at most so many columns of it (0: any number)."""
    for unit in _UNIT.findall(text):
        while most and display_width(unit.rstrip()) > most:
            yield unit[:most]
            unit = unit[most:]  # noqa: PLW2901 - the rest of it
        yield unit


def fill(text: str, width: int, indent: str = "") -> Iterator[str]:
    """Yield the lines of a text: paragraphs filled, indented lines kept, with their second column under itself."""
    filled = partial(wrap, width=width)
    for kept, lines in _pieces(text.strip("\n").split("\n")):
        if not kept:
            yield from filled(_joined(lines), indent=indent, under=indent)
            continue
        first, gap, second = (re.match(r"( *\S.*?)( {2,}|$)(.*)", lines[0]) or re.match("()()()", "")).groups()  # type: ignore[union-attr]
        column = display_width(first) + len(gap)
        if second and column + display_width(second) > width and column > width // 3:  # an example: what it does stands below
            yield f"{indent}{first}"
            first, column = "", 8
        under = indent + " " * min(column, width // 3)
        yield from filled(second, indent=padded(f"{indent}{first}", len(indent) + column), under=under) or [indent + first]


def _joined(lines: list[str]) -> str:
    """Return the lines of a paragraph as one: between two Chinese characters there is no space."""
    return re.sub(rf"(?<=[{_WIDE}])\n(?=[{_WIDE}])", "", "\n".join(lines)).replace("\n", " ")


def _pieces(lines: Iterable[str]) -> Iterator[tuple[bool, list[str]]]:
    """Yield (whether its lines are kept as they are, lines) of each paragraph, empty line and run of indented lines."""
    some: list[str] = []
    for line in lines:
        if line.startswith("  ") or not line:
            if some:
                yield False, some
            some = []
            yield True, [line]
        else:
            some.append(line)
    if some:
        yield False, some
