"""Put the page together and write it: one file, and a policy that lets nothing run or load but what is in it.

In: a run folder, its metrics. Out: `report.html`.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from penult import store
from penult.errors import DamagedFile, PenultError, ProgressCallback, quiet
from penult.floats import default_errors
from penult.html import Html, join, json_block, tag
from penult.pixels import DEPTHS, FULL_DEPTH, MAX_PIXELS
from penult.report import choosing
from penult.report.album import Album, Key, fill
from penult.report.cards import TRAIN, finding_keys
from penult.report.heat import add_heat
from penult.report.payload import payload
from penult.report.sections import ORDER
from penult.runs import METRICS, WRONG, RunResults, read

PAGE = "report.html"
SCRIPTS = ("start.js", "cells.js", "draw.js", "map.js")


@default_errors
def write(folder: Path, metrics: Mapping[str, Any], progress: ProgressCallback = quiet) -> Path:
    """Write the page of a run whose `metrics.json` is still to be written; return its path.

    Photos that are gone show a placeholder. Raises `OutputError` where it cannot be written.
    """
    return _write(read(folder, metrics), progress)


@default_errors
def again(folder: Path, photos: str | None = None, progress: ProgressCallback = quiet) -> tuple[Path, Counter[str]]:
    """Write the page of a finished run anew; return its path and how many photos of each part are not where they were.

    `photos` is where the training photos are now, if they moved. Raises InputError for a folder that is no finished run,
    DamagedFile for one whose record is not penult's.
    """
    with store.Claim(folder, "a run of penult is writing to it", "wait until that has ended"):
        return _again(read(folder), photos, progress)


def _again(results: RunResults, photos: str | None, progress: ProgressCallback) -> tuple[Path, Counter[str]]:
    folder = results.folder
    try:
        if photos is not None:
            moved = {**results.metrics, "sources": {**(results.metrics.get("sources") or {}), TRAIN: photos}}
            results = replace(results, metrics=moved)
        album = _album(results, progress)
        path = _save(results, album)
        kept = {**results.metrics, "files": {**results.metrics["files"], PAGE: hashlib.sha256(path.read_bytes()).hexdigest()}}
    except PenultError:
        raise
    except WRONG as error:
        raise DamagedFile(
            f"{folder / METRICS} is not as penult writes it ({' '.join(repr(error)[:200].split())}); run `penult train` again."
        ) from error
    store.write_json(folder / METRICS, kept)
    return path, Counter(part for part, _ in album.gone)


def _write(results: RunResults, progress: ProgressCallback) -> Path:
    return _save(results, _album(results, progress))


def _album(results: RunResults, progress: ProgressCallback) -> Album:
    """Choose the photos of the page and read them."""
    rows = results.rows
    roots = {part: root for part, root in (results.metrics.get("sources") or {}).items() if root}
    galleries = [*choosing.mistakes(rows), *choosing.least_sure(rows)]
    found = [f for kind in choosing.by_kind(results.findings).values() for f in kind[: choosing.EACH]]
    large: list[Key] = [(TRAIN, rows.files[i]) for i in galleries]
    large += [key for finding in found for key in finding_keys(finding, results)]
    progress("report", 0, 3)
    album = fill(roots, [(TRAIN, rows.files[i]) for i in choosing.small(results)], large, *_limits(results.metrics))
    progress("report", 1, 3)
    add_heat(results, roots, album)
    progress("report", 2, 3)
    return album


def _limits(metrics: Mapping[str, Any]) -> tuple[int, int]:
    """Return the depth of the run's photos in 16-bit files and its limit of a picture, as far as they are told."""
    recipe = (metrics.get("backbones") or [{}])[0].get("recipe") or {}
    depth, most = recipe.get("depth"), (metrics.get("options") or {}).get("max_pixels")
    return depth if depth in DEPTHS else FULL_DEPTH, most if isinstance(most, int) and most > 0 else MAX_PIXELS


def _save(results: RunResults, album: Album) -> Path:
    path = results.folder / PAGE
    store.write_text(path, page(results, album))
    return path


def page(results: RunResults, album: Album) -> str:
    """Return the whole page as text: the same results give the same text."""
    style, script = _asset("report.css"), _script()
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
        tag("title", f"penult report: {', '.join(results.classes[:4])}"),
        tag("style", Html(style)),
    )
    parts = [section(results, album) for section in ORDER]
    skip = tag("a", "Skip to what to do next", href="#next", class_="skip")
    body = tag("body", skip, tag("main", *parts), json_block("photos", payload(results, album)), tag("script", Html(script)))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


@cache
def _asset(name: str) -> str:
    return (files("penult.report") / "assets" / name).read_text(encoding="utf-8")


def _script() -> str:
    """Return the parts of the script as one function: they share names with each other, with nobody else."""
    return join(*(Html(part) for part in ("(() => {\n'use strict';\n", *map(_asset, SCRIPTS), "})();\n")))


def _hash(text: str) -> str:
    """Return the source expression that allows exactly this text inline (CSP level 2)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
