"""Results in, one HTML page out: `report.html`, which needs no network and opens anywhere.

Comes in: a run folder, and the photos for their thumbnails. Goes out: one file.
Must not know: how anything was measured. It computes nothing but what is drawn.
"""

from penult.report.writing import PAGE, again, write

__all__ = ["PAGE", "again", "write"]
