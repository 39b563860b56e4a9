"""What the page's script needs, as plain JSON: names, labels, answers, places, neighbours and the small pictures.

In: `RunResults`, `Album`. Out: a dict.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from penult.report import choosing
from penult.report.album import PREFIX, Album
from penult.report.cards import TRAIN
from penult.runs import RunResults
from penult.texts import hundredths, printable

STEPS = 9999  # places are whole numbers from 0 to this: a screen has fewer pixels


def payload(results: RunResults, album: Album) -> dict[str, Any]:
    """Return the rows as columns, and the pictures by row number without what they all begin with."""
    rows = results.rows
    small = {i: album.small.get((TRAIN, file)) for i, file in enumerate(rows.files)}
    places = None if rows.places is None else np.rint(rows.places * STEPS).astype(int)
    return {
        "classes": [printable(name) for name in results.classes],
        "files": [printable(file) for file in rows.files],
        "label": rows.y.tolist(),
        "given": rows.given.tolist(),
        "sure": [-1 if np.isnan(share) else hundredths(share) for share in rows.sure.tolist()],
        "x": None if places is None else places[:, 0].tolist(),
        "y": None if places is None else places[:, 1].tolist(),
        "near": None if rows.near is None else rows.near.tolist(),
        "suspect": np.flatnonzero(choosing.suspects(results)).tolist(),
        "prefix": PREFIX,
        "small": {i: made.removeprefix(PREFIX) for i, made in small.items() if made},
        "photos": album.photos,
    }
