"""The studio: label photos in the browser, with a model after each label, and go on to a trained model.

In: photos, with some labels or none. Out: labels that are safe on the disk, a run folder, exports. `session` is the one
writer; `quick_model` and `questions` choose what is asked; `project` knows the photos; `app` answers the page. Needs the
extra `studio`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penult.studio.options import StudioOptions

if TYPE_CHECKING:
    from penult.studio.server import StudioServer

__all__ = ["StudioOptions", "StudioServer"]


def __getattr__(name: str) -> Any:
    """Import the server when it is asked for: the studio's child processes need none."""
    if name == "StudioServer":
        from penult.studio.server import StudioServer

        return StudioServer
    raise AttributeError(f"module 'penult.studio' has no attribute {name!r}")
