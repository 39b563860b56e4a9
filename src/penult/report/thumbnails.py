"""Which photos the page shows, and their pictures: small ones for the cells and the map, large ones for the galleries.

It shows all of a few hundred photos, of many thousands those that tell something and a sample.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from penult import bundle, explain, pixels, plots
from penult.audit import KINDS, Finding
from penult.embed import EmbedOptions, PhotoThumbnails
from penult.html import Html, data_uri, tag
from penult.i18n import N_, _
from penult.pixels import Failure
from penult.runs import LabelRows, PhotoRows, RunResults, flagged_names
from penult.sources import Member, locate
from penult.texts import printable

SMALL, LARGE = 80, 384  # pixels a side
SHOWN = 12  # photos in a gallery
PICTURED = 2000  # small pictures in a page: more would make it heavier than anybody waits for
EACH = 6  # pictures beside a kind of finding
LISTED = 300  # lines of one kind of finding in its list, each with its pictures; `findings.csv` has them all
MODEL = "model.penult"
TRAIN, TEST = "train", "test"
WITH_HEAT = {"cam": SHOWN, "occlusion": 2}  # photos with a heat map: occlusion runs the networks a hundred times a photo
METHODS = {"cam": N_("class activation map"), "occlusion": N_("found by covering parts of the photo")}

Ints = NDArray[np.intp]
PhotoKey = tuple[str, str]  # part (TRAIN or TEST), file


@dataclass(slots=True)
class Thumbnails:
    """Data URIs by part and file; of the photos without one, why: `missing` are not where they were, `unreadable` are."""

    small: dict[PhotoKey, str] = field(default_factory=dict)
    large: dict[PhotoKey, str] = field(default_factory=dict)
    heat: dict[PhotoKey, str] = field(default_factory=dict)
    missing: dict[PhotoKey, str] = field(default_factory=dict)
    unreadable: dict[PhotoKey, str] = field(default_factory=dict)
    method: str = ""  # how the heat was found
    photos: bool = True  # False where the run began with feature files: then there is nothing to show

    def img(self, key: PhotoKey, caption: str = "") -> Html | None:
        """Return the photo as an element, or a placeholder that says why there is none."""
        if not self.photos:
            return None
        if source := self.large.get(key) or self.small.get(key):
            return tag("img", src=source, alt=caption or printable(key[1]), width=LARGE, height=LARGE)
        why = self.missing.get(key) or self.unreadable.get(key, _("not shown"))
        return tag("span", why, class_="gone", role="img", aria_label=_("{file}: no thumbnail", file=printable(key[1])))

    def small_img(self, key: PhotoKey) -> Html | None:
        """Return the small picture for a line of a list, None where there is none."""
        source = self.small.get(key)
        return tag("img", src=source, alt=printable(key[1]), width=SMALL, height=SMALL, class_="small") if source else None

    def heat_img(self, key: PhotoKey) -> Html | None:
        """Return the heat map of a photo as an element, None where there is none."""
        source = self.heat.get(key)
        return tag("img", src=source, alt=_("heat map: what drove the prediction"), class_="heat") if source else None


@dataclass(frozen=True, slots=True)
class KnownPhotos:
    """The thumbnails of a run's photos, which it has made already, and the number of each photo among them."""

    thumbnails: PhotoThumbnails
    numbers: Mapping[PhotoKey, int]


def load(
    roots: Mapping[str, str],
    small: Sequence[PhotoKey],
    large: Sequence[PhotoKey],
    limits: tuple[int, int] = (pixels.FULL_DEPTH, pixels.MAX_PIXELS),
    known: KnownPhotos | None = None,
) -> Thumbnails:
    """Return the pictures of photos. `roots` are the folders of the parts that are known.

    Small ones are made of the thumbnails that are kept in the cache, so a photo is only decoded where it has none; large ones
    of the photos. `limits` are the depth of the run's recipes and its limit of a picture.
    """
    thumbnails = Thumbnails(photos=bool(roots))
    depth, max_pixels = limits
    files = _files(roots, small)
    if known is None:
        settings = EmbedOptions(cache_optional=True, max_pixels=max_pixels)
        kept, numbers = PhotoThumbnails.of_files(list(files.values()), settings, depth), list(range(len(files)))
    else:
        kept, numbers = known.thumbnails, [known.numbers[key] for key in files]
    for key, number, found in zip(files, numbers, kept.read(numbers), strict=True):
        if found is not None and (square := pixels.square_webp(found, SMALL)) is not None:
            thumbnails.small[key] = data_uri(square, "webp")
        else:
            _gone(thumbnails, key, files[key], kept.failures.get(number))
    files = _files(roots, large)
    made = pixels.thumbnails(list(files.values()), LARGE, depth=depth, max_pixels=max_pixels)
    for (key, path), one in zip(files.items(), made, strict=False):
        if isinstance(one, Failure):
            _gone(thumbnails, key, path, one)
        else:
            thumbnails.large[key] = data_uri(one, "webp")
    return thumbnails


def _files(roots: Mapping[str, str], keys: Sequence[PhotoKey]) -> dict[PhotoKey, str | Member]:
    """Return where each photo lies, once, whose folder or archive is known."""
    found: dict[PhotoKey, str | Member] = {}
    for part, root in roots.items():
        files = list(dict.fromkeys(file for one, file in keys if one == part))
        found |= {(part, file): where for file, where in zip(files, locate(root, files), strict=True)}
    return {key: found[key] for key in dict.fromkeys(keys) if key in found}


def _gone(thumbnails: Thumbnails, key: PhotoKey, path: str | Member, failure: Failure | None) -> None:
    """Say why a photo has no picture."""
    if isinstance(path, str) and _is_missing(path):
        thumbnails.missing[key] = _("photo not found")
    else:
        thumbnails.unreadable[key] = _("not shown") if failure is None else _(failure.reason)


def _is_missing(path: str) -> bool:
    """Tell whether there is no such file; one that may not be opened, or is damaged, is still where it was."""
    try:
        os.stat(path)  # noqa: PTH116 - odd bytes, and `//`, survive
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def add_heat(results: RunResults, roots: Mapping[str, str], thumbnails: Thumbnails) -> None:
    """Add, for the most confident mistakes, what in the photo argued for the class that was predicted.

    It is the run's final model that is asked, which was trained on these photos too; the models of the folds are not kept. A
    model without networks adds nothing.
    """
    rows = results.rows
    if results.label_rows is not None:
        found = [one for part in label_mistakes(results.label_rows) for one in part]
    else:
        found = [(i, int(rows.given[i])) for i in mistakes(rows).tolist()]
    shown = [(i, c) for i, c in found if (TRAIN, rows.files[i]) in thumbnails.large]
    if not shown or not (results.folder / MODEL).is_file():
        return
    model = bundle.load_bundle(results.folder / MODEL)
    if not model.backbones:
        return
    method = explain.best_method(model)
    shown = shown[: WITH_HEAT[method] * (1 if results.label_rows is None else 2)]
    files = [rows.files[i] for i, _class in shown]
    labels = [results.classes[c] for _row, c in shown]
    paths = locate(roots[TRAIN], files)
    for one in explain.explain(model, paths, labels, method, ids=files, side=LARGE):
        key = one.file if results.label_rows is None else f"{one.file}\0{one.label}"
        thumbnails.heat[TRAIN, key] = data_uri(pixels.encode_webp(plots.overlay(one.photo, one.shown)), "webp")
    thumbnails.method = _(METHODS[method])


def mistakes(rows: PhotoRows, most: int = SHOWN) -> Ints:
    """Return the misclassified rows, the most confident first."""
    wrong = np.flatnonzero(rows.wrong)
    return wrong[np.argsort(-rows.sure[wrong], kind="stable")][:most]


def label_mistakes(rows: LabelRows, most: int = SHOWN) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return row and label of the labels that were missed, and of those that were given wrongly: the surest, one a photo."""
    parts = []
    for odd, sure in ((rows.missed, -rows.proba), (rows.wrong, rows.proba)):
        score = np.where(odd, sure, -np.inf)  # (n, L)
        best = score.argmax(axis=1) if len(score) else np.zeros(0, np.intp)
        value = score[np.arange(len(score)), best]
        order = [int(i) for i in np.argsort(-value, kind="stable")[:most] if np.isfinite(value[i])]
        parts.append([(i, int(best[i])) for i in order])
    return parts[0], parts[1]


def least_confident(rows: PhotoRows, most: int = SHOWN) -> Ints:
    """Return the rows with the lowest confidence, right or wrong: at most half of all, for the rest are more confident."""
    measured = np.flatnonzero(rows.given >= 0)
    most = min(most, (len(measured) + 1) // 2)
    return measured[np.argsort(rows.sure[measured], kind="stable")][:most]


def by_kind(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """Return the findings of each kind in the order of the file, the kinds that matter most first, unknown ones last."""
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        kinds.setdefault(finding.kind, []).append(finding)
    place = {kind: i for i, kind in enumerate(KINDS)}
    return dict(sorted(kinds.items(), key=lambda pair: place.get(pair[0], len(KINDS))))


def with_thumbnail(results: RunResults) -> Ints:
    """Return the rows that get a small picture, at most `PICTURED`: what tells something, then others in equal steps."""
    rows = results.rows
    n = len(rows.files)
    if results.label_rows is not None:  # there is no map, and no cell of a matrix, to show them in
        return np.zeros(0, np.intp)
    if n <= PICTURED:
        return np.arange(n)
    number = {file: i for i, file in enumerate(rows.files)}
    told = [number[name] for f in results.findings for name in f.photos if name in number]
    first = [*mistakes(rows, PICTURED // 3), *least_confident(rows, PICTURED // 8), *told[: PICTURED // 4]]
    kept = dict.fromkeys(int(i) for i in first)
    rest = np.setdiff1d(np.arange(n), np.fromiter(kept, np.intp, len(kept)))
    sample = rest[np.linspace(0, len(rest) - 1, PICTURED - len(kept)).astype(np.intp)]
    return np.sort(np.concatenate([np.fromiter(kept, np.intp, len(kept)), sample]))


def flagged(results: RunResults) -> NDArray[np.bool_]:
    """Return which rows have a finding, (n,)."""
    named = flagged_names(results.findings)
    return np.array([file in named for file in results.rows.files], bool)
