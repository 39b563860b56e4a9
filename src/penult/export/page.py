"""A model as one HTML page that classifies photos in the browser, opened from a folder, without any request.

In: the graph of the networks and the head, the recipes, the runtime. Out: the page. Decoding and geometry are JavaScript
(`assets/`), equal to `pixels` to the bit; everything else is the exported graph in WebAssembly.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from penult.bundle import Bundle, decision_facts
from penult.export import web_runtime
from penult.html import Html, json_block, tag
from penult.pixels.resizing import may_begin_with_y

SCRIPTS = ("geometry.mjs", "decode.mjs", "local.mjs", "app.mjs")
LIMITS = (
    "Probabilities are calibrated on photos like the training photos. Every photo gets one of the classes, also one that "
    "shows none of them."
)

LABEL_LIMITS = (
    "Probabilities are calibrated on photos like the training photos. Each label has a probability and a threshold of its "
    "own; a photo may get several labels, or none."
)


def page(model: Bundle, graph: bytes, runtime: tuple[bytes, bytes], version: str, metrics: Mapping[str, Any]) -> str:
    """Return the page of a model, whose `graph` takes pixels."""
    script, style = _script(), asset("page.css")
    about = {
        "classes": list(model.classes),
        "inputs": [view.to_dict() for backbone in model.backbones for view in backbone.recipe.views],
        "may_begin_with_y": may_begin_with_y(),
        "model_version": version,
        **decision_facts(model),
    }
    title = f"Which is it: {_listed(model.classes)}?"
    if model.thresholds is not None:
        about["thresholds"] = model.thresholds.tolist()
        title = f"Which of these: {_listed(model.classes, 'and')}?"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(script, style)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Html(style)),
    )
    blocks = [_packed(name, data) for name, data in zip(("glue", "wasm", "network"), (*runtime, graph), strict=True)]
    body = tag(
        "body",
        _header(title, metrics),
        main_part("Unpacking the model ..."),
        _footer(model, version),
        json_block("about", about),
        blocks,
    )
    code = tag("script", Html(script), type="module")
    return f"<!doctype html>\n{tag('html', head, Html(str(body).removesuffix('</body>')), code, Html('</body>'), lang='en')}\n"


def asset(name: str) -> str:
    """Return the text of one of the page's files."""
    return (files("penult.export") / "assets" / name).read_text(encoding="utf-8")


def _script() -> str:
    """Return the modules of the page as one: each name is theirs alone, so imports and exports can go."""
    parts = [re.sub(r"^export (?=async function|function|const)", "", asset(name), flags=re.MULTILINE) for name in SCRIPTS]
    return "\n".join(parts)


def _policy(script: str, style: str) -> str:
    """Return a policy that allows this page's own code and style, pictures of the user's, and no request at all."""
    ours, looks = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (script, style))
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'sha256-{ours}' blob: 'wasm-unsafe-eval'",
            f"style-src 'sha256-{looks}'",
            "img-src blob:",
            "media-src blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _packed(name: str, data: bytes) -> Html:
    """Return a block of bytes, gzip in base64: the same bytes give the same block."""
    text = base64.b64encode(gzip.compress(data, 9, mtime=0)).decode("ascii")
    return tag("script", Html(text), type="application/octet-stream", id=name, data_size=len(data))


def _listed(names: tuple[str, ...], last: str = "or") -> str:
    shown = names if len(names) <= 4 else (*names[:3], f"{len(names) - 3} more")
    return f" {last} ".join([", ".join(shown[:-1]), shown[-1]])


def _header(title: str, metrics: Mapping[str, Any]) -> Html:
    verdict = metrics.get("verdict")
    return tag(
        "header",
        tag("h1", title),
        tag("p", verdict) if isinstance(verdict, str) else None,
        tag("p", "Photos stay on this machine: the page works without internet access and sends nothing.", class_="soft"),
    )


def main_part(status_text: str) -> Html:
    """Return where photos go in and answers come out; `status_text` stands there until the model is ready."""
    needs = {"disabled": True, "data_needs_model": True}
    buttons = tag(
        "div",
        tag("input", type="file", id="files", multiple=True, accept="image/*", **needs),
        tag("label", "Choose photos", for_="files", class_="button main"),
        tag("input", type="file", id="folder", multiple=True, webkitdirectory=True, **needs),
        tag("label", "Choose a folder", for_="folder", class_="button"),
        tag("button", "Use the camera", id="camera", type="button", **needs),
        class_="controls",
    )
    loading = tag("div", tag("progress", id="bar", max="1", value="0", aria_label="progress"), id="loading")
    status = tag("p", status_text, id="status", role="status", class_="soft")
    drop = tag(
        "section", tag("p", "Drop photos or a folder here, or"), buttons, loading, status, id="drop", aria_label="photos"
    )
    camera = tag(
        "section",
        tag("video", id="video", muted=True, playsinline=True),
        tag("div", id="answer"),
        id="live",
        hidden=True,
        aria_label="camera",
    )
    orders = (
        ("order", "in the order given"),
        ("class", "by class"),
        ("doubt", "least sure first"),
        ("novelty", "most unlike first"),
    )
    tools = tag(
        "div",
        tag("label", "Sort ", tag("select", (tag("option", text, value=value) for value, text in orders), id="sort")),
        tag("button", "Copy the table", id="copy", type="button"),
        tag("button", "Save CSV", id="save", type="button"),
        tag("button", "Clear", id="clear", type="button"),
        class_="controls",
    )
    results = tag(
        "section",
        tag("h2", "Answers"),
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
    made = f"Model {version}, exported by penult {__version__}. Networks: {networks}."
    runs_on = f"Runs on {web_runtime.NAME} {web_runtime.VERSION} ({web_runtime.LICENSE})."
    return tag("footer", tag("p", LIMITS if model.thresholds is None else LABEL_LIMITS), tag("p", f"{made} {runs_on}"))
