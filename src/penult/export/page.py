"""A model as one HTML page that classifies photos in the browser, opened from a folder, without any request.

In: the graph of the networks and the head, the recipes, the runtime. Out: the page. Decoding and geometry are JavaScript
(`assets/`), equal to `pixels` to the bit; everything else is the exported graph in WebAssembly.
"""

from __future__ import annotations

import gzip
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.resources import files
from typing import Any

from penult.bundle import Bundle, decision_facts
from penult.evaluate import verdict_of
from penult.export import web_runtime
from penult.html import TRANSLATE, Html, json_block, language_tag, script_texts, tag
from penult.i18n import N_, _, for_everybody, in_language, language
from penult.pixels.resizing import may_begin_with_y
from penult.texts import enumeration

SCRIPTS = ("geometry.mjs", "decode.mjs", "local.mjs", "app.mjs")
LIMITS = N_(
    "Probabilities are calibrated on photos like the training photos. Every photo gets one of the classes, also one that "
    "shows none of them."
)
LABEL_LIMITS = N_(
    "Probabilities are calibrated on photos like the training photos. Each label has a probability and a threshold of its "
    "own; a photo may get several labels, or none."
)
# An English page is Chinese where the browser is: its parts in Chinese lie in it, too, and take the place of the others.
SWITCH = """\
const zh = document.getElementById('zh');
if (zh && (navigator.languages?.[0] ?? navigator.language ?? '').toLowerCase().startsWith('zh')) {
  document.documentElement.lang = zh.lang;
  document.title = zh.title;
  for (const part of ['header', 'main', 'footer']) document.querySelector(part).replaceWith(zh.content.querySelector(part));
  document.body.prepend(zh.content.querySelector('#texts'));
}
"""


def page(model: Bundle, graph: bytes, runtime: tuple[bytes, bytes], version: str, metrics: Mapping[str, Any]) -> str:
    """Return the page of a model, whose `graph` takes pixels."""
    script, style = TRANSLATE + _script(), asset("page.css")
    about = {
        "classes": list(model.classes),
        "inputs": [view.to_dict() for backbone in model.backbones for view in backbone.recipe.views],
        "may_begin_with_y": may_begin_with_y(),
        "model_version": version,
        **decision_facts(model),
    }
    if model.thresholds is not None:
        about["thresholds"] = model.thresholds.tolist()
    title, parts = _parts(model, script, version, metrics)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy((SWITCH, script), style)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Html(style)),
    )
    blocks = [_packed(name, data) for name, data in zip(("glue", "wasm", "network"), (*runtime, graph), strict=True)]
    switch = None
    if language() == "en" and not for_everybody():
        with in_language("zh"):
            named, chinese = _parts(model, script, version, metrics)
            switch = [tag("template", chinese, id="zh", lang=language_tag(), title=named), tag("script", Html(SWITCH))]
    body = tag("body", parts, switch, json_block("about", about), blocks)
    code = tag("script", Html(script), type="module")
    whole = tag("html", head, Html(str(body).removesuffix("</body>")), code, Html("</body>"), lang=language_tag())
    return f"<!doctype html>\n{whole}\n"


def _parts(model: Bundle, script: str, version: str, metrics: Mapping[str, Any]) -> tuple[str, list[Html]]:
    """Return the title of the page, and what has words on it, in the language of now."""
    title = question(model.classes, several=model.thresholds is not None)
    texts = script_texts(script)
    return title, [_header(title, metrics), main_part(_("Unpacking the model ...")), _footer(model, version), texts]


def asset(name: str) -> str:
    """Return the text of one of the page's files."""
    return (files("penult.export") / "assets" / name).read_text(encoding="utf-8")


def _script() -> str:
    """Return the modules of the page as one: each name is theirs alone, so imports and exports can go."""
    parts = [re.sub(r"^export (?=async function|function|const)", "", asset(name), flags=re.MULTILINE) for name in SCRIPTS]
    return "\n".join(parts)


def _policy(scripts: Sequence[str], style: str) -> str:
    """Return a policy that allows this page's own code and style, pictures of the user's, and no request at all."""
    *ours, looks = (f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in (*scripts, style))
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(ours)} blob: 'wasm-unsafe-eval'",
            f"style-src {looks}",
            "img-src blob:",
            "media-src blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _packed(name: str, data: bytes) -> Html:
    """Return a block of bytes, gzip in base64: the same bytes give the same block."""
    text = b64encode(gzip.compress(data, 9, mtime=0)).decode("ascii")
    return tag("script", Html(text), type="application/octet-stream", id=name, data_size=len(data))


def question(classes: Sequence[str], several: bool = False) -> str:
    """Return what the page asks of a photo: `Which is it: cat or dog?`, with `several` labels `Which of these: ...`."""
    shown = classes if len(classes) <= 4 else (*classes[:3], _("{n} more", n=len(classes) - 3))
    first, last = enumeration(shown[:-1]), shown[-1]
    if several:
        return _("Which of these: {first} and {last}?", first=first, last=last)
    return _("Which is it: {first} or {last}?", first=first, last=last)


def _header(title: str, metrics: Mapping[str, Any]) -> Html:
    verdict = verdict_of(metrics)
    private = _("Photos stay on this machine: the page works without internet access and sends nothing.")
    return tag("header", tag("h1", title), tag("p", verdict) if verdict else None, tag("p", private, class_="soft"))


def main_part(status_text: str) -> Html:
    """Return where photos go in and answers come out; `status_text` stands there until the model is ready."""
    needs = {"disabled": True, "data_needs_model": True}
    buttons = tag(
        "div",
        tag("input", type="file", id="files", multiple=True, accept="image/*", **needs),
        tag("label", _("Choose photos"), for_="files", class_="button main"),
        tag("input", type="file", id="folder", multiple=True, webkitdirectory=True, **needs),
        tag("label", _("Choose a folder"), for_="folder", class_="button"),
        tag("button", _("Use the camera"), id="camera", type="button", **needs),
        class_="controls",
    )
    loading = tag("div", tag("progress", id="bar", max="1", value="0", aria_label=_("progress")), id="loading")
    status = tag("p", status_text, id="status", role="status", class_="soft")
    drop = tag(
        "section", tag("p", _("Drop photos or a folder here, or")), buttons, loading, status, id="drop", aria_label=_("photos")
    )
    camera = tag(
        "section",
        tag("video", id="video", muted=True, playsinline=True),
        tag("div", id="answer"),
        id="live",
        hidden=True,
        aria_label=_("camera"),
    )
    orders = (
        ("order", _("in the order given")),
        ("class", _("by class")),
        ("doubt", _("least sure first")),
        ("novelty", _("most unlike first")),
    )
    tools = tag(
        "div",
        tag("label", _("Sort"), " ", tag("select", (tag("option", text, value=value) for value, text in orders), id="sort")),
        tag("button", _("Copy the table"), id="copy", type="button"),
        tag("button", _("Save CSV"), id="save", type="button"),
        tag("button", _("Clear"), id="clear", type="button"),
        class_="controls",
    )
    results = tag(
        "section",
        tag("h2", _("Answers")),
        tag("p", id="counts", class_="soft"),
        tools,
        tag("div", id="cards"),
        id="results",
        hidden=True,
    )
    return tag("main", drop, camera, results)


def _footer(model: Bundle, version: str) -> Html:
    from penult import __version__

    networks = ", ".join(f"{b.name} ({b.license})" for b in model.backbones)
    made = _(
        "Model {version}, exported by penult {penult}. Networks: {networks}. Runs on {runtime} {of} ({license}).",
        version=version,
        penult=__version__,
        networks=networks,
        runtime=web_runtime.NAME,
        of=web_runtime.VERSION,
        license=web_runtime.LICENSE,
    )
    return tag("footer", tag("p", _(LIMITS if model.thresholds is None else LABEL_LIMITS)), tag("p", made))
