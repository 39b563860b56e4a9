"""A finished run as one HTML file, `report.html`, which needs no network and opens anywhere.

Comes in: a run folder, and the photos for their thumbnails. Goes out: one file.
Must not know: how anything was measured. It computes nothing but what is drawn.
"""

from penult.report.page import PAGE, rebuild, write_report
from penult.report.thumbnails import KnownPhotos

__all__ = ["PAGE", "KnownPhotos", "rebuild", "write_report"]
