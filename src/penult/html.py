"""HTML that cannot be forgotten to escape: elements for the report, and small tables and charts for results in a notebook.

What is no `Html` already is text: names of files and classes may hold anything; they are shown, never run. What a notebook
gets holds no script, no link and no colour of its own but grey: it takes the page's, light and dark alike.
"""

from __future__ import annotations

import html
import json
import math
import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from typing import Any

from penult.i18n import _, language
from penult.texts import printable

VOID = frozenset({"img", "meta", "input", "br", "col", "link", "wbr"})
GRAY = "rgba(128,128,128,.35)"
CELL = f"padding:2px 10px;border-bottom:1px solid {GRAY};text-align:"
TAGS = {"zh": "zh-CN"}  # of languages, where the tag is more than the name
CALLS = re.compile(r"""\bt\(\s*(['"])((?:\\.|(?!\1).)*)\1""")  # t("a text", ...)
TRANSLATE = """\
// A text in the language of the page, its values put in: the block "texts" has those of this page's scripts, none in English.
const texts = JSON.parse(document.getElementById('texts')?.textContent ?? '{}');
const t = (text, values = {}) => (texts[text] ?? text).replace(/\\{(\\w+)\\}/g, (all, name) => values[name] ?? all);
"""
SHOWN = 20  # rows of a table in a notebook
WIDE, HIGH = 260, 150  # a chart in a notebook, in pixels


class Html(str):
    """Text that is markup, and safe."""

    __slots__ = ()


Child = str | int | None | Iterable[Any]


def text(value: object) -> Html:
    """Return any text as markup that shows it: escaped, on one line, odd bytes and controls as `\\xff` and `\\n`."""
    return Html(html.escape(printable(str(value)), quote=True))


def prose(sentence: str) -> Html:
    """Return a sentence of ours so set that numbers are not torn: no line ends inside 98.1-99.7."""
    return Html(re.sub(r"(?<=\d)-(?=\d)", "&#8288;–&#8288;", str(text(sentence))))


def phrase(sentence: str, /, **values: object) -> Html:
    """Return a sentence whose `{names}` stand for markup or text: `phrase(_("Next: {line}."), line=tag("code", "ls"))`."""
    parts = re.split(r"\{(\w+)\}", sentence)
    told = (values[part] if i % 2 else part for i, part in enumerate(parts))
    return join(part if isinstance(part, Html) else prose(str(part)) for part in told)


def file_name(file: str, before: str = "") -> Html:
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


def json_block(identity: str, value: Any) -> Html:
    """Return a block of JSON for the page's own script: ASCII alone, and no `<` that could end the block."""
    packed = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        packed = packed.replace(sign, f"\\u{ord(sign):04x}")
    return Html(f'<script type="application/json" id="{text(identity)}">{packed}</script>')


def language_tag() -> str:
    """Return the language of a page for its `html` element: `en`, `zh-CN`."""
    return TAGS.get(language(), language())


def script_texts(*scripts: str) -> Html:
    """Return the texts of a page's scripts in the page's language, as the block that `TRANSLATE` in front of them reads.

    They are the literals of their calls `t("a text {n}", {n: 3})`, which `make messages` collects.
    """
    found = (re.sub(r"\\(.)", r"\1", call[1]) for script in scripts for call in CALLS.findall(script))
    return json_block("texts", {one: said for one in found if (said := _(one)) != one})


def data_uri(content: bytes, kind: str) -> str:
    """Return a picture as a data URI; `kind` is `png` or `webp`."""
    return f"data:image/{kind};base64,{b64encode(content).decode('ascii')}"


# Results in a notebook


def number(value: float | None, digits: int = 4) -> str:
    """Return a number, or a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def result(lead: str, *parts: Html | None) -> Html:
    """Return one result: a sentence, then what belongs to it side by side where there is room."""
    inside = [tag("div", part, style="margin:4px 24px 4px 0") for part in parts if part]
    row = tag("div", inside, style="display:flex;flex-wrap:wrap;align-items:flex-start")
    return tag("div", tag("p", tag("b", lead), style="margin:4px 0"), row, style="font-size:13px;max-width:980px")


def table(header: Sequence[str], rows: Iterable[Sequence[object]], caption: str = "") -> Html:
    """Return a table, the first column to the left, the others to the right; long ones end with how many rows are left out."""
    body = list(rows)
    lines = [_row("th", header, scope="col"), *(_row("td", row) for row in body[:SHOWN])]
    if len(body) > SHOWN:
        lines.append(tag("tr", tag("td", _("and {n:,} more", n=len(body) - SHOWN), colspan=len(header), style=f"{CELL}left")))
    head = tag("caption", caption, style="text-align:left") if caption else None
    return tag("table", head, lines, style="border-collapse:collapse;background:none")


def _row(name: str, cells: Sequence[object], **more: str) -> Html:
    return tag("tr", (tag(name, str(c), **more, style=f"{CELL}{'right' if i else 'left'}") for i, c in enumerate(cells)))


def line_chart(points: Sequence[tuple[float, float]], caption: str, diagonal: bool = False) -> Html | None:
    """Return a line through points as inline SVG; with `diagonal` both axes run from 0 to 1 and x = y is drawn."""
    if len(points) < 2 and not diagonal:
        return None
    (left, right), (low, high) = ((0.0, 1.0),) * 2 if diagonal else (_span([p[i] for p in points]) for i in (0, 1))
    at = [
        (f"{10 + (WIDE - 20) * (x - left) / (right - left):.1f}", f"{HIGH - 10 - (HIGH - 20) * (y - low) / (high - low):.1f}")
        for x, y in points
    ]
    ideal = tag("line", x1=10, y1=HIGH - 10, x2=WIDE - 10, y2=10, stroke=GRAY, stroke_dasharray="4 3") if diagonal else None
    drawn = tag(
        "svg",
        tag("rect", x=10, y=10, width=WIDE - 20, height=HIGH - 20, fill="none", stroke=GRAY),
        ideal,
        tag("polyline", points=" ".join(map(",".join, at)), fill="none", stroke="currentColor", stroke_width=1.5),
        (tag("circle", cx=x, cy=y, r=2.5, fill="currentColor") for x, y in at),
        role="img", aria_label=caption, width=WIDE, height=HIGH, viewBox=f"0 0 {WIDE} {HIGH}",
    )  # fmt: skip
    return join(drawn, tag("div", caption, style="opacity:.75"))


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def image(png: bytes, caption: str) -> Html:
    """Return a PNG as part of the page itself, as wide as there is room up to its own width."""
    return tag("img", alt=caption, style="max-width:460px;width:100%", src=data_uri(png, "png"))
