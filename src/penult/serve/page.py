"""The page at `/`: that of the HTML export, asking this server instead of computing in the browser.

In: nothing of the models, since the page is there before a token is given; it asks for their names, classes and scores itself.
"""

from __future__ import annotations

from importlib.resources import files as resources

from penult import __version__
from penult.export.page import LABEL_LIMITS, LIMITS, asset, main_part
from penult.html import TRANSLATE, language_tag, phrase, script_texts, tag
from penult.i18n import N_, _

KEPT_NOTHING = N_("Photos are sent to this server, which answers and keeps none of them.")
KEPT_DOUBTFUL = N_("Photos are sent to this server; those with a doubtful answer are kept there for review.")

ICON = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="6" fill="#1f6feb"/></svg>'


def files() -> dict[str, tuple[bytes, str]]:
    """Return path, content and type of all that the page loads."""
    return {
        "/assets/icon.svg": (ICON, "image/svg+xml"),
        "/assets/page.css": (asset("page.css").encode(), "text/css"),
        "/assets/page.js": (_script().encode(), "text/javascript"),
    }


def _script() -> str:
    remote = (resources("penult.serve") / "assets" / "remote.mjs").read_text(encoding="utf-8")
    return f"{TRANSLATE}{remote}\n{asset('app.mjs')}"


def document(review: bool = False) -> str:
    """Return the page in the language of now; `review` is whether the server keeps photos."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", "penult serve"),
        tag("link", rel="icon", href="/assets/icon.svg", type="image/svg+xml"),
        tag("link", rel="stylesheet", href="/assets/page.css"),
        tag("script", type="module", src="/assets/page.js"),
    )
    header = tag(
        "header",
        tag("h1", _("Which is it?"), id="title"),
        tag("p", id="verdict"),
        tag("p", _(KEPT_DOUBTFUL if review else KEPT_NOTHING), class_="soft"),
        tag("p", tag("label", _("Model"), " ", tag("select", id="model"), for_="model"), id="choice", hidden=True),
        tag(
            "form",
            tag("label", _("Token"), for_="token"),
            tag("input", type="password", id="token", autocomplete="current-password", required=True),
            tag("button", _("Continue"), type="submit"),
            id="access",
            hidden=True,
            class_="controls",
        ),
    )
    address = tag("a", "/openapi.json", href="/openapi.json")
    links = tag("p", phrase(_("penult {version}. For programs: {address}."), version=__version__, address=address))
    footer = tag(
        "footer", tag("p", _(LIMITS), id="limits-classes"), tag("p", _(LABEL_LIMITS), id="limits-labels", hidden=True),
        tag("p", id="version"), links,
    )  # fmt: skip
    body = tag("body", header, main_part(_("Asking the server ...")), footer, script_texts(_script()))
    return f"<!doctype html>\n{tag('html', head, body, lang=language_tag())}\n"
