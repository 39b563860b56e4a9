"""Where the model looked, for the mistakes of the page.

In: `Results`, the folders of the photos. Out: pictures in the album. It must not know how heat is found.
"""

from __future__ import annotations

from collections.abc import Mapping

from penult.report.album import Album
from penult.report.reading import Results


def add_heat(results: Results, roots: Mapping[str, str], album: Album) -> None:
    """Do nothing."""
