"""Labelled photos: what is wrong with them, and which networks suit them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from penult import compare as bake_off
from penult import store
from penult.errors import ProgressCallback
from penult.progress import progress_bar
from penult.training import findings
from penult.training.keywords import Keywords
from penult.zoo import COMPARED


def audit_source(
    source: str | Path | Sequence[str | Path],
    test: str | Path | None = None,
    *,
    all: bool = False,
    csv: str | Path | None = None,
    verbose: bool | None = None,
    progress: ProgressCallback | None = None,
    **options: Any,
) -> findings.Audited:
    """Find data problems, as `penult audit` does: duplicates, leakage between train and test, label errors, outliers.

    Parameters
    ----------
    source : str or Path
        Labelled photos, as `penult.train` takes them.
    test : str or Path, optional
        Test photos, which must not be in `source`.
    all : bool, default=False
        Also list every photo that the model gets wrong, as kind ``model_error``.
    csv : str or Path, optional
        Where to write `findings.csv`.
    verbose : bool, optional
        Show progress: by default in a terminal and in a notebook; False nowhere.
    progress : callable, optional
        Called as `progress(step, done, total)`, instead of a bar.
    **options
        The other options of `penult audit`, with ``_`` for ``-``: `backbones`, `head`, `groups`, `near_duplicates` ...

    Returns
    -------
    Audited
        The findings, the gravest kinds first: a sequence of `Finding`, and a table in a notebook.

    Raises
    ------
    InputError, UnknownName
        As `penult.train` does.

    Examples
    --------
    >>> import penult
    >>> found = penult.audit("photos", backbones="colour_histogram")
    >>> [(one.kind, one.file) for one in found]
    [('small_class', 'cat'), ('small_class', 'dog')]
    """
    if csv is not None:
        store.check_output_file(csv, store.CSV, "csv")
    how = Keywords(options).training()
    other = None if test is None else os.fspath(test)
    with progress_bar(verbose, progress) as shown:
        found = findings.audit_photos(_source(source), other, how, shown, all)
    if csv is not None:
        findings.write_findings_csv(csv, found.findings)
    return found


def compare_backbones(
    source: str | Path,
    *,
    budget: str | float | None = None,
    verbose: bool | None = None,
    progress: ProgressCallback | None = None,
    **options: Any,
) -> bake_off.Comparison:
    """Benchmark networks on your photos, alone, in pairs and in trios, as `penult compare` does.

    Parameters
    ----------
    source : str or Path
        Labelled photos, as `penult.train` takes them.
    budget : str or float, optional
        How long it may take: ``"10m"``, or seconds; the cheapest networks come first.
    verbose : bool, optional
        Show progress: by default in a terminal and in a notebook; False nowhere.
    progress : callable, optional
        Called as `progress(step, done, total)`, instead of a bar.
    **options
        The other options of `penult compare`, with ``_`` for ``-``: `backbones`, `sample`, `head`, `out` ...

    Returns
    -------
    Comparison
        The entries by log loss, the best first: a sequence of `CombinationScore`, and a table in a notebook.

    Raises
    ------
    InputError, UnknownName, OutputError
        As `penult.train` does.

    Examples
    --------
    >>> import penult
    >>> compared = penult.compare("photos", backbones="colour_histogram", out="compared")
    >>> compared[0].members
    ('colour_histogram',)
    """
    named = Keywords(options)
    own = {one.name for one in fields(bake_off.CompareOptions)} - {"backbones", "crop_mode", "settings", "budget"}
    given = {"backbones": COMPARED, **named.networks(), **named.take(*own), "settings": named.settings()}
    named.end()
    if "out" in given:
        given["out"] = os.fspath(given["out"])
    how = bake_off.CompareOptions(**given, budget=bake_off.seconds(budget) if isinstance(budget, str) else budget)
    with progress_bar(verbose, progress) as shown:
        return bake_off.compare(os.fspath(source), how, shown)


def _source(source: Any) -> Any:
    return os.fspath(source) if isinstance(source, str | os.PathLike) else [os.fspath(one) for one in source]
