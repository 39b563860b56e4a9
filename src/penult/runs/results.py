"""The tables of a run, each with its writer and its reader, and `RunResults`: what they and `metrics.json` say.

`oof.csv` has the out-of-fold answers, `map.csv` the embedding map, `findings.csv` what the audit found, `skipped.csv` what
could not be read, `photos.csv` every photo with its digest, `history.csv` the epochs of the dense head. The same results come
from memory while a run is made (`photo_rows`) and from its folder later (`read_run`), with the digits of the tables. A table
that is absent is empty; a folder that is not a run, or is damaged, is an `InputError` or a `DamagedFile`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from penult.errors import DamagedFile, InputError
from penult.i18n import _
from penult.runs.checksums import ENDED, METRICS, check_all, read_metrics
from penult.runs.folder import RunFolder
from penult.runs.label_rows import LabelRows, read_label_oof
from penult.runs.large_run import read_large
from penult.runs.sampling import MOST, RowColumns, RowTotals, doubted_names, flagged_names, within
from penult.runs.tables import (
    FINDINGS,
    HISTORY,
    MAP,
    OOF,
    PHOTOS,
    PREDICTIONS,
    SKIPPED,
    SUREST,
    WRONG,
    PhotoRows,
    answers,
    read_table,
    rows_of,
)  # fmt: skip
from penult.texts import count

if TYPE_CHECKING:  # else a prediction would load all of the audit
    from penult.audit import Finding


@dataclass(frozen=True, slots=True, eq=False)
class RunResults:
    """Everything that the page is made of.

    Where the rows are a sample, `totals` are of all, and the names are those that findings have.
    """

    folder: Path
    metrics: Mapping[str, Any]
    classes: tuple[str, ...]
    rows: PhotoRows
    findings: tuple[Finding, ...]
    skipped: tuple[Mapping[str, str], ...]
    history: Mapping[str, Sequence[float]]
    train_names: frozenset[str]
    test_names: frozenset[str]
    totals: RowTotals | None = None
    label_rows: LabelRows | None = None  # of photos with any number of labels, whose `rows` have files alone

    @property
    def counted(self) -> RowTotals:
        """What is counted of all training photos, of which `rows` may be a sample."""
        return self.totals or _columns_of(self.rows, self.findings).totals

    @property
    def sample(self) -> str:
        """Return `a sample of 25,000 of 1,000,000 photos`, or nothing where the rows are all."""
        shown, every = len(self.rows.files), self.counted.photos
        return _("a sample of {shown:,} of {every}", shown=shown, every=count(every, "photo")) if shown < every else ""


def photo_rows(
    files: Sequence[str],
    y: NDArray[np.intp],  # (n,)
    fold: NDArray[np.intp],  # (n,)
    proba: NDArray[np.float64],  # (n, k)
    places: NDArray[np.float64],  # (n, 2)
    near: NDArray[np.intp],  # (n, m)
) -> PhotoRows:
    """Return what `read_run` makes of `oof.csv` and `map.csv` when they hold these values."""
    given = np.where(fold >= 0, proba.argmax(axis=1), -1)  # (n,)
    every = np.arange(len(y))
    sure, own = (np.where(given >= 0, _digits(proba[every, c], ".6g"), np.nan) for c in (given, y))
    return PhotoRows(tuple(files), y, given, np.minimum(sure, SUREST), own, _digits(places, ".5f"), near)


def label_results(
    folder: Path,
    metrics: Mapping[str, Any],
    rows: LabelRows,
    findings: Iterable[Finding],
    skipped: Iterable[Mapping[str, str]],
    test_names: Iterable[str] = (),
) -> RunResults:
    """Return the results of a run whose photos have several labels."""
    n = len(rows.files)
    none = np.full(n, np.nan)
    plain = PhotoRows(rows.files, np.zeros(n, np.intp), np.full(n, -1, np.intp), none, none, None, None)
    skipped = tuple(skipped)
    names = frozenset(rows.files) | {row["file"] for row in skipped if row["part"] == "train"}
    return RunResults(
        folder, metrics, tuple(metrics["classes"]), plain, tuple(findings), skipped, {}, names, frozenset(test_names),
        label_rows=rows,
    )  # fmt: skip


def _digits(values: NDArray[np.float64], form: str) -> NDArray[np.float64]:
    """Return values with the digits of a table."""
    return np.fromiter((float(format(v, form)) for v in values.flat), float, values.size).reshape(values.shape)


def write_oof(
    run: RunFolder,
    files: Sequence[str],
    classes: Sequence[str],
    y: NDArray[np.intp],  # (n,)
    fold: NDArray[np.intp],  # (n,)
    proba: NDArray[np.float64],  # (n, k)
    groups: NDArray[Any] | None = None,  # (n,)
) -> None:
    """Write `oof.csv`: for each measured training image the probabilities of a model not trained on it, and its group."""
    together = [[]] * len(files) if groups is None else [[group] for group in groups.tolist()]
    rows = (
        [file, classes[label], part, *(f"{p:.6g}" for p in row), *group]
        for file, label, part, row, group in zip(files, y, fold, proba, together, strict=True)
        if part >= 0
    )
    run.write_table(OOF, ["file", "label", "fold", *classes, *([] if groups is None else ["group"])], rows)


def write_map(run: RunFolder, classes: Sequence[str], rows: PhotoRows) -> None:
    """Write `map.csv`: `file,label,x,y,near`, where `near` are the row numbers (from 0) of the most alike, nearest first."""
    if rows.places is not None and rows.near is not None:
        lines = (
            [file, classes[label], f"{x:.5f}", f"{y:.5f}", " ".join(map(str, near))]
            for file, label, (x, y), near in zip(rows.files, rows.y, rows.places, rows.near, strict=True)
        )
        run.write_table(MAP, ["file", "label", "x", "y", "near"], lines)


def write_findings(run: RunFolder, found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Write `findings.csv`; return the findings as `read_run` does."""
    from penult.audit import COLUMNS

    every = tuple(found)
    run.write_table(FINDINGS, COLUMNS, (one.row() for one in every))
    return tuple(replace(one, score=float(f"{one.score:.4f}")) for one in every)


def write_skipped(run: RunFolder, rows: Sequence[tuple[str, str, str, str, str]]) -> tuple[Mapping[str, str], ...]:
    """Write `skipped.csv` (file, reason, detail, part, cure); return its rows as `read_run` does."""
    header = ("file", "reason", "detail", "part", "cure")
    run.write_table(SKIPPED, header, rows)
    return tuple(dict(zip(header, row, strict=True)) for row in rows)


def write_photos(run: RunFolder, rows: Iterable[tuple[str, str, str, str]]) -> None:
    """Write `photos.csv` (file, part, label, sha256): by the digest another run knows a photo again, whatever its name."""
    run.write_table(PHOTOS, ("file", "part", "label", "sha256"), rows)


def write_history(run: RunFolder, history: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """Write `history.csv`: loss and accuracy per epoch of the dense head, training and validation; another head has none."""
    if not history:
        run.drop(HISTORY)
        return {}
    run.write_table(HISTORY, list(history), zip(*history.values(), strict=True))
    return {name: [float(str(value)) for value in values] for name, values in history.items()}


def sampled(results: RunResults, most: int = MOST) -> RunResults:
    """Return the results with at most so many rows, those that tell most among them; what is counted is of all."""
    rows = results.rows
    n = len(rows.files)
    if n <= most:
        return results
    columns = _columns_of(rows, results.findings)
    chosen = columns.choose(most)
    files = tuple(rows.files[i] for i in chosen.tolist())
    places = None if rows.places is None else rows.places[chosen]
    near = None if rows.near is None else within(rows.near[chosen], chosen, n)
    kept = PhotoRows(files, rows.y[chosen], rows.given[chosen], rows.sure[chosen], rows.own[chosen], places, near)
    return replace(results, rows=kept, totals=columns.totals)


def _columns_of(rows: PhotoRows, findings: Iterable[Finding]) -> RowColumns:
    flagged, doubted = (
        np.array([file in names for file in rows.files], bool) for names in (flagged_names(findings), doubted_names(findings))
    )
    return RowColumns(rows.given >= 0, rows.wrong, rows.sure, rows.own, flagged, doubted)


def read_run(folder: Path, most: int | None = None) -> RunResults:
    """Read a finished run; of a larger one `most` rows, see `sampled`. Raises InputError, DamagedFile."""
    metrics = read_metrics(folder)
    if metrics is None:
        raise InputError(
            _(
                "{folder} holds no {metrics} of penult's; give the folder that `penult train --out` made.",
                folder=folder,
                metrics=METRICS,
            )
        )
    if metrics.get("status") not in ENDED:
        raise InputError(
            _(
                "the run in {folder} was not finished; run the same `penult train` again, it goes on where it was.",
                folder=folder,
            )
        )
    check_all(folder, (MAP, OOF, SKIPPED, FINDINGS, HISTORY, PREDICTIONS, PHOTOS))
    try:
        classes = _classes(metrics["classes"])
        findings = tuple(_finding(row) for row in rows_of(folder / FINDINGS))
        skipped = tuple(read_table(folder / SKIPPED))
        if metrics.get("task") == "labels":
            limits = np.array([float(metrics["thresholds"][name]) for name in classes])
            answered = (row["file"] for row in rows_of(folder / PREDICTIONS))
            return label_results(folder, metrics, read_label_oof(folder, classes, limits), findings, skipped, answered)
        large = most is not None and sum(metrics["classes"].values()) > most
        read = read_large(folder, classes, findings, most) if large and most is not None else None
        rows, totals, train_names = read or (_rows(folder, classes), None, None)
        named = None if read is None else {name for one in findings for name in one.photos}
        return RunResults(
            folder=folder,
            metrics=metrics,
            classes=classes,
            rows=rows,
            findings=findings,
            skipped=skipped,
            history=_columns(read_table(folder / HISTORY)),
            train_names=(train_names or frozenset(rows.files)) | {row["file"] for row in skipped if row["part"] == "train"},
            test_names=frozenset(
                row["file"] for row in rows_of(folder / PREDICTIONS) if named is None or row["file"] in named
            ),
            totals=totals,
        )
    except DamagedFile:
        raise
    except WRONG as error:
        raise DamagedFile(
            _("a table in {folder} is damaged or was edited ({error}); run `penult train` again.", folder=folder, error=error)
        ) from error


def _classes(counts: Any) -> tuple[str, ...]:
    if not isinstance(counts, dict) or not all(type(count) is int for count in counts.values()):
        raise ValueError(_("the classes are not counts by name"))
    return tuple(counts)


def _rows(folder: Path, classes: Sequence[str]) -> PhotoRows:
    """Join the map and the out-of-fold answers by file; where there is no map, the answers alone are the rows."""
    index = {name: i for i, name in enumerate(classes)}
    judged = read_oof(folder, classes)
    drawn = read_table(folder / MAP)
    files = tuple(row["file"] for row in drawn) or tuple(judged)
    labels = [row["label"] for row in drawn] or [classes[y] for y, _ in judged.values()]
    n = len(files)
    given, sure, own = np.full(n, -1, np.intp), np.full(n, np.nan), np.full(n, np.nan)
    y = np.array([index[label] for label in labels], np.intp)
    for i, file in enumerate(files):
        if file in judged:
            proba = judged[file][1]  # (k,)
            given[i] = proba.argmax()
            sure[i], own[i] = min(proba[given[i]], SUREST), proba[y[i]]
    places = np.array([[float(r["x"]), float(r["y"])] for r in drawn]) if drawn else None
    near = np.array([[int(j) for j in r["near"].split()] for r in drawn], np.intp) if drawn else None
    if places is not None and not (np.abs(places - 0.5) <= 1).all():
        raise ValueError(_("the map has places beyond its edges"))
    if near is not None and not ((near >= 0) & (near < n)).all():
        raise ValueError(_("the map names neighbours that are not there"))
    return PhotoRows(files, y, given, sure, own, places, near)


def read_oof(folder: Path, classes: Sequence[str]) -> dict[str, tuple[int, NDArray[np.float64]]]:
    """Return for each file of `oof.csv` its class number and its probabilities (k,). Raises as `read_answers` does."""
    index = {name: i for i, name in enumerate(classes)}
    return {file: (index[label], row) for file, label, row in answers(folder / OOF, classes)}


def read_answers(folder: Path, classes: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Return for each file of `predictions.csv` that could be read its probabilities (k,).

    Raises `DamagedFile`, or one of `WRONG` for a table that is not as penult writes it.
    """
    return {file: row for file, _, row in answers(folder / PREDICTIONS, classes)}


def _finding(row: Mapping[str, str]) -> Finding:
    """Return one line of `findings.csv`; a score that is left empty, as another's list may have it, is NaN."""
    from penult.audit import COLUMNS, Finding

    texts = {name: row[name] for name in COLUMNS if name != "score"}
    return Finding(**texts, score=float(row["score"] or "nan"))


def _columns(rows: Sequence[Mapping[str, str]]) -> dict[str, list[float]]:
    return {name: [float(row[name]) for row in rows] for name in rows[0]} if rows else {}
