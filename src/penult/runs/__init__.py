"""A run folder's files, each with its writer and its reader: who claims it, what stands in it, whether it is still the same.

In: what training measured, or a folder. Out: files, and the same results again, checked. It must not know how anything was
measured, nor how it is shown.
"""

from penult.runs.checksums import (
    ENDED,
    FORMAT,
    METRICS,
    FolderState,
    check_all,
    check_features,
    check_file,
    folder_state,
    read_finished,
    read_metrics,
)  # fmt: skip
from penult.runs.folder import RunFolder
from penult.runs.former import former_runs
from penult.runs.label_rows import LabelRows, write_label_oof
from penult.runs.results import (
    RunResults,
    label_results,
    photo_rows,
    read_answers,
    read_oof,
    read_run,
    sampled,
    write_findings,
    write_history,
    write_map,
    write_oof,
    write_photos,
    write_skipped,
)  # fmt: skip
from penult.runs.sampling import MOST, RowTotals, flagged_names
from penult.runs.tables import FINDINGS, HISTORY, MAP, PHOTOS, SKIPPED, WRONG, PhotoRows, read_table

__all__ = [
    "ENDED",
    "FINDINGS",
    "FORMAT",
    "HISTORY",
    "MAP",
    "METRICS",
    "MOST",
    "PHOTOS",
    "SKIPPED",
    "WRONG",
    "FolderState",
    "LabelRows",
    "PhotoRows",
    "RowTotals",
    "RunFolder",
    "RunResults",
    "check_all",
    "check_features",
    "check_file",
    "flagged_names",
    "folder_state",
    "former_runs",
    "label_results",
    "photo_rows",
    "read_answers",
    "read_finished",
    "read_metrics",
    "read_oof",
    "read_run",
    "read_table",
    "sampled",
    "write_findings",
    "write_history",
    "write_label_oof",
    "write_map",
    "write_oof",
    "write_photos",
    "write_skipped",
]  # fmt: skip
