"""Put the page together and write it: one file, and a policy that lets nothing run or load but what is in it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from penult import store
from penult.arrays import default_errors
from penult.errors import DamagedFile, PenultError, ProgressCallback, quiet
from penult.html import Html, json_block, tag
from penult.i18n import N_, _
from penult.pixels import DEPTHS, FULL_DEPTH, MAX_PIXELS
from penult.report import charts, confusion, details, gallery, issues, label_sections, operating, photo_map, summary
from penult.report.document import document
from penult.report.gallery import finding_keys
from penult.report.thumbnails import (
    EACH,
    LISTED,
    TRAIN,
    KnownPhotos,
    PhotoKey,
    Thumbnails,
    add_heat,
    by_kind,
    label_mistakes,
    least_confident,
    load,
    mistakes,
    with_thumbnail,
)
from penult.runs import METRICS, MOST, WRONG, RunResults, read_run, sampled

PAGE = "report.html"
SECTIONS = (  # in the order in which they are read; one that has nothing to say is None and left out
    summary.section,
    issues.next_steps,
    confusion.section,
    gallery.section,
    confusion.per_class,
    operating.section,
    charts.section,
    charts.comparison,
    photo_map.section,
    issues.every_issue,
    details.section,
)
LABEL_SECTIONS = (  # of photos with several labels
    label_sections.head,
    issues.next_steps,
    label_sections.per_label,
    label_sections.charts,
    label_sections.galleries,
    label_sections.comparison,
    issues.every_issue,
    details.section,
)
CONTENTS = {
    "next": N_("What to do next"),
    "confusion": N_("Confusion matrix"),
    "mistakes": N_("Mistakes"),
    "unsure": N_("Unsure"),
    "classes": N_("Classes"),
    "decision": N_("Decision"),
    "charts": N_("Calibration"),
    "missed": N_("Missed labels"),
    "extra": N_("Wrong labels"),
    "compared": N_("Comparison"),
    "map": N_("Map"),
    "issues": N_("Data issues"),
    "details": N_("Details"),
}
SCRIPTS = ("start.js", "cells.js", "draw.js", "map.js", "zoom.js")
LABEL_SCRIPTS = ("start.js", "zoom.js")


@default_errors
def write_report(results: RunResults, progress: ProgressCallback = quiet, known: KnownPhotos | None = None) -> Path:
    """Write the page of a run; return its path.

    `known` are the thumbnails that the run has made. Photos that are gone show a placeholder. Raises `OutputError` where it
    cannot be written.
    """
    results = sampled(results, MOST)
    return _save(results, _thumbnails(results, progress, known))


@default_errors
def rebuild(folder: Path, photos: str | None = None, progress: ProgressCallback = quiet) -> tuple[Path, Counter[str]]:
    """Write the page of a finished run anew; return its path and how many photos of each part are not where they were.

    `photos` is where the training photos are now, if they moved. Raises InputError for a folder that is no finished run,
    DamagedFile for one whose record is not penult's.
    """
    with store.FolderLock(folder, _("a run of penult is writing to it"), _("wait until that has ended")):
        return _rebuild(sampled(read_run(folder, MOST), MOST), photos, progress)


def _rebuild(results: RunResults, photos: str | None, progress: ProgressCallback) -> tuple[Path, Counter[str]]:
    folder = results.folder
    try:
        if photos is not None:
            moved = {**results.metrics, "sources": {**(results.metrics.get("sources") or {}), TRAIN: photos}}
            results = replace(results, metrics=moved)
        thumbnails = _thumbnails(results, progress)
        path = _save(results, thumbnails)
        kept = {**results.metrics, "files": {**results.metrics["files"], PAGE: hashlib.sha256(path.read_bytes()).hexdigest()}}
    except PenultError:
        raise
    except WRONG as error:
        why = " ".join(repr(error)[:200].split())
        said = _("{path} is damaged or was edited ({why}); run `penult train` again.", path=folder / METRICS, why=why)
        raise DamagedFile(said) from error
    store.write_json(folder / METRICS, kept)
    return path, Counter(part for part, _file in thumbnails.missing)


def _thumbnails(results: RunResults, progress: ProgressCallback, known: KnownPhotos | None = None) -> Thumbnails:
    """Choose the photos of the page and read them."""
    rows = results.rows
    roots = {part: root for part, root in (results.metrics.get("sources") or {}).items() if root}
    kinds = by_kind(results.findings).values()
    if results.label_rows is not None:
        galleries = [row for part in label_mistakes(results.label_rows) for row, _ in part]
    else:
        galleries = [*mistakes(rows), *least_confident(rows)]
    large: list[PhotoKey] = [(TRAIN, rows.files[i]) for i in galleries]
    large += [key for kind in kinds for finding in kind[:EACH] for key in finding_keys(finding, results)]
    small: list[PhotoKey] = [(TRAIN, rows.files[i]) for i in with_thumbnail(results)]
    small += [key for kind in kinds for finding in kind[:LISTED] for key in finding_keys(finding, results)]
    progress("report", 0, 3)
    thumbnails = load(roots, small, large, _limits(results.metrics), known)
    progress("report", 1, 3)
    add_heat(results, roots, thumbnails)
    progress("report", 2, 3)
    return thumbnails


def _limits(metrics: Mapping[str, Any]) -> tuple[int, int]:
    """Return the depth of the run's photos in 16-bit files and its limit of a picture, as far as they are told."""
    recipe = (metrics.get("backbones") or [{}])[0].get("recipe") or {}
    depth, most = recipe.get("depth"), (metrics.get("options") or {}).get("max_pixels")
    return depth if depth in DEPTHS else FULL_DEPTH, most if isinstance(most, int) and most > 0 else MAX_PIXELS


def _save(results: RunResults, thumbnails: Thumbnails) -> Path:
    path = results.folder / PAGE
    store.write_text(path, page(results, thumbnails))
    return path


def page(results: RunResults, thumbnails: Thumbnails) -> str:
    """Return the whole page as text: the same results give the same text."""
    several = results.label_rows is not None
    sections = LABEL_SECTIONS if several else SECTIONS
    parts = [made for section in sections if (made := section(results, thumbnails)) is not None]
    parts.insert(1, _contents(parts, CONTENTS | ({"classes": N_("Labels"), "charts": N_("Curves")} if several else {})))
    skip = tag("a", _("Skip to what to do next"), href="#next", class_="skip")
    told = json_block("photos", photo_map.script_data(results, thumbnails))
    title = _("penult report: {classes}", classes=", ".join(results.classes[:4]))
    return document(title, (skip, tag("main", *parts), gallery.dialog(), told), LABEL_SCRIPTS if several else SCRIPTS)


def _contents(parts: Sequence[Html], titles: Mapping[str, str]) -> Html:
    """Return links to the sections that this page has."""
    there = [(name, title) for name, title in titles.items() if any(f'id="{name}"' in part for part in parts)]
    links = [tag("li", tag("a", _(title), href=f"#{name}")) for name, title in there]
    return tag("nav", tag("ol", *links), aria_label=_("Contents"), class_="contents")
