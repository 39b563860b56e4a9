"""One HTML file of a page: style sheet, script, data, and a policy that lets nothing run or load but what is in it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from penult.html import TRANSLATE, Html, join, language_tag, script_texts, tag


def document(title: str, body: Sequence[Html | None], scripts: Sequence[str], styles: Sequence[str] = ("report.css",)) -> str:
    """Return the page as text. `scripts` and `styles` are names of assets; the scripts share names with each other alone."""
    style = "\n".join(map(asset, styles))
    sources = [asset(name) for name in scripts]
    script = join(*(Html(part) for part in ("(() => {\n'use strict';\n", TRANSLATE, *sources, "})();\n")))
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", Html(style)),
    )
    page = tag("html", head, tag("body", *body, script_texts(*sources), tag("script", script)), lang=language_tag())
    return f"<!doctype html>\n{page}\n"


@cache
def asset(name: str) -> str:
    """Return the text of a file that pages are made of."""
    return (files("penult.report") / "assets" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return the source expression that allows exactly this text inline (CSP level 2)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
