"""Markup that cannot be forgotten to escape: whatever is no `Html` already is text.

In: names, values, children. Out: `Html`.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from typing import Any

from penult.images import show

VOID = frozenset({"img", "meta", "input", "br", "col", "link", "wbr"})


class Html(str):
    """Text that is markup, and safe."""

    __slots__ = ()


Child = str | int | None | Iterable[Any]


def text(value: object) -> Html:
    """Return any text as markup that shows it: escaped, on one line, odd bytes and controls as `\\xff` and `\\n`."""
    return Html(html.escape(show(str(value)), quote=True))


def prose(sentence: str) -> Html:
    """Return a sentence of ours so set that numbers are not torn: no line ends inside 98.1-99.7."""
    return Html(re.sub(r"(?<=\d)-(?=\d)", "&#8288;–&#8288;", str(text(sentence))))


def named(file: str, before: str = "") -> Html:
    """Return the name of a file on a line of its own, which may be broken after a slash."""
    return tag("span", before, Html(str(text(file)).replace("/", "/<wbr>")), class_="file")


def join(*children: Child) -> Html:
    """Return children one after the other: markup as it is, other text escaped, None as nothing, lists flattened."""
    return Html("".join(_flat(children)))


def _flat(children: Iterable[Any]) -> Iterable[str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, Html):
            yield child
        elif isinstance(child, str | int | float):
            yield text(child)
        else:
            yield from _flat(child)


def tag(name: str, /, *children: Child, **attributes: Any) -> Html:
    """Return an element. `class_` and `for_` lose their underscore, `aria_label` becomes `aria-label`; None and False are left
    out, True is an attribute without a value."""
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        shown = key.rstrip("_").replace("_", "-")
        words.append(shown if value is True else f'{shown}="{text(value)}"')
    opened = f"<{' '.join(words)}>"
    return Html(opened if name in VOID else f"{opened}{join(*children)}</{name}>")


def data(identity: str, value: Any) -> Html:
    """Return a block of JSON for the page's own script: ASCII alone, and no `<` that could end the block."""
    packed = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        packed = packed.replace(sign, f"\\u{ord(sign):04x}")
    return Html(f'<script type="application/json" id="{text(identity)}">{packed}</script>')
