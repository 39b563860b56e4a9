"""A run folder's files, each with its writer and its reader: who claims it, what stands in it, whether it is still the same.

In: what training measured, or a folder. Out: files, and the same results again, checked. It must not know how anything was
measured, nor how it is shown.
"""

from penult.runs.checksums import METRICS, FolderState, check, check_all, check_features, compare
from penult.runs.folder import FORMAT, RunFolder
from penult.runs.results import WRONG, PhotoRows, RunResults, read, table

__all__ = [
    "FORMAT",
    "METRICS",
    "WRONG",
    "FolderState",
    "PhotoRows",
    "RunFolder",
    "RunResults",
    "check",
    "check_all",
    "check_features",
    "compare",
    "read",
    "table",
]
