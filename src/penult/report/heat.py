"""Where the model looked, for the mistakes of the page.

In: `RunResults`, the folders of the photos. Out: pictures in the album.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from penult import bundle, explain, pixels, plots
from penult.explain.subject import subject
from penult.report import choosing
from penult.report.album import LARGE, Album, uri
from penult.report.cards import TRAIN
from penult.runs import RunResults

MODEL = "model.penult"
MOST = {"cam": choosing.SHOWN, "occlusion": 2}  # photos: covering one bit by bit asks the networks a hundred times

CALLED = {"cam": "exact: a class activation map", "occlusion": "found by covering the photo bit by bit"}


def add_heat(results: RunResults, roots: Mapping[str, str], album: Album) -> None:
    """Add to the album, for the surest mistakes, what in the photo spoke for the class that was given.

    It is the run's final model that is asked, which has seen these photos since; why another model gave the answer out of
    fold is not known any more. A model without networks adds nothing.
    """
    shown = [int(i) for i in choosing.mistakes(results.rows) if (TRAIN, results.rows.files[i]) in album.large]
    if not shown or not (results.folder / MODEL).is_file():
        return
    model = bundle.load(results.folder / MODEL)
    if model.backbones:
        _ask(model, shown, results, roots[TRAIN], album)


def _ask(model: bundle.Bundle, shown: list[int], results: RunResults, root: str, album: Album) -> None:
    method = subject(model).method("auto")
    some = shown[: MOST[method]]
    files = [results.rows.files[i] for i in some]
    labels = [results.classes[results.rows.given[i]] for i in some]
    paths = [os.path.join(root, file) for file in files]  # noqa: PTH118 - odd bytes, and `//`, survive
    for one in explain.explain(model, paths, labels, method, ids=files, side=LARGE + LARGE // 2):
        over = plots.overlay(one.photo, one.shown)
        album.heat[TRAIN, one.file] = uri(pixels.encode_webp(over))
    album.method = CALLED[method]
