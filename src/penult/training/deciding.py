"""Another decision for a finished run: chosen by its out-of-fold probabilities, so nothing is trained.

In: a run folder, what is asked. Out: its model, predictions, record and page with the new decision; probabilities stay.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from penult import bundle, evaluate, report, runs, store
from penult.arrays import default_errors
from penult.bundle import Bundle
from penult.errors import DamagedFile, InputError, ProgressCallback, quiet
from penult.evaluate import DecisionRequest, Evaluation
from penult.evaluate.evaluation import build
from penult.i18n import _
from penult.predict.answers import SETS
from penult.runs.tables import OOF, PREDICTIONS, lines
from penult.texts import printable
from penult.training.place import PlaceOfUse

MODEL = "model.penult"


@default_errors
def decide_run(folder: str | Path, asked: DecisionRequest, progress: ProgressCallback = quiet) -> dict[str, Any]:
    """Give a finished run another decision, as if it had been asked for at training.

    The model file, `predictions.csv`, `metrics.json` and the report then have it; a submission of labels stays as it was.

    Parameters
    ----------
    folder : str or Path
        The folder of a run that is done.
    asked : DecisionRequest
        Costs, a target, a coverage; nothing is the most probable class without prediction sets.
    progress : callable, optional
        Called as `progress(step, done, total)`.

    Returns
    -------
    dict
        The decision as `metrics.json` has it under "decision".

    Raises
    ------
    InputError
        The folder holds no run that is done, or one whose photos have several labels.
    UnknownName
        A class is none of the run's.
    DamagedFile
        A file of the run was changed.

    Examples
    --------
    >>> from penult.training import decide_run
    >>> from penult.evaluate import DecisionRequest
    >>> found = decide_run("cats", DecisionRequest.parse(None, "recall cat 0.9", None))
    >>> found["kind"], round(found["point"]["recall"]["value"], 1)
    ('target', 1.0)
    """
    path = Path(folder)
    with store.FolderLock(path, _("a run of penult is writing to it"), _("wait until that has ended")):
        metrics, model = read_decidable(path)
        asked.check(model.classes)
        seen, place = out_of_fold(path, model), PlaceOfUse.of_run(metrics, model.classes)
        seen = seen if place is None else place.evaluation(seen)
        decided = evaluate.decide(asked, seen)
        found = decided.to_dict(model.classes) | evaluate.operating_facts(seen, decided.rule)
        kept = {name: value for name, value in model.facts.items() if name not in ("decision", "conformal")}
        changed = replace(model, facts=kept | decided.to_facts(model.classes))
        bundle.save_bundle(path / MODEL, changed)
        _rewrite_predictions(path / PREDICTIONS, changed)
        options = {**(metrics.get("options") or {}), "decision": asked.to_dict()}
        said = evaluate.verdict_with_decision(metrics["scores"], metrics.get("test"), found)
        files = dict(metrics["files"])
        for name in (MODEL, PREDICTIONS):
            if name in files:
                files[name] = hashlib.sha256((path / name).read_bytes()).hexdigest()
        whole = {**metrics, "decision": found, "options": options, "verdict": said, "files": files}
        store.write_json(path / runs.METRICS, whole)
    report.rebuild(path, None, progress)
    return found


def read_decidable(folder: Path) -> tuple[Mapping[str, Any], Bundle]:
    """Return the record and the model of a run that a decision can be chosen for. Raises `InputError`, `DamagedFile`."""
    metrics = runs.read_finished(folder)
    if metrics is None:
        raise InputError(
            _(
                "{folder} holds no finished run; give the folder that `penult train` wrote: a decision is chosen by "
                "its out-of-fold probabilities, which a model file alone does not have.",
                folder=printable(folder),
            )
        )
    with bundle.model_path(folder).open("rb") as file:  # by its own sums: a decision that was cut short can be made again
        model = bundle.read_bundle(file, str(folder / MODEL))
    if model.task == "labels":
        raise InputError(
            _(
                "the photos of {folder} have several labels, and each label has a threshold of its own already; leave "
                "the decision out.",
                folder=printable(folder),
            )
        )
    return metrics, model


def out_of_fold(folder: Path, model: Bundle) -> Evaluation:
    """Return the evaluation of a run by its `oof.csv`. Raises `DamagedFile` for one that is not as penult wrote it."""
    runs.check_all(folder, (OOF,))
    index, k = {name: i for i, name in enumerate(model.classes)}, len(model.classes)
    try:
        rows = list(islice(lines(folder / OOF), 1, None))
        y = np.array([index[row[1]] for row in rows], np.intp)
        fold = np.array([int(row[2]) for row in rows], np.intp)
        proba = np.array([row[3 : 3 + k] for row in rows], np.float64)
        groups = np.array([row[3 + k] for row in rows]) if rows and len(rows[0]) > 3 + k else None
        return build(_("out of fold"), model.classes, y, proba, fold, groups)
    except runs.WRONG as error:
        raise DamagedFile(
            _("{folder} was changed ({error}); run `penult train` again.", folder=printable(folder / OOF), error=error)
        ) from error


def _rewrite_predictions(path: Path, model: Bundle) -> None:
    """Write the answers for the test part anew, by the probabilities that are there; nothing where there are none."""
    rows = list(lines(path))
    if not rows:
        return
    rule, sets = bundle.decision_of(model)
    header, k = rows[0], len(model.classes)
    end = len(header) - (len(header) > 4 + k and header[-1] == SETS)  # without the sets of before
    known = [row for row in rows[1:] if row[1]]  # an unreadable photo has no class
    proba = np.array([row[3 : 3 + k] for row in known], np.float64).reshape(-1, k)
    given = rule.labels(proba).tolist() if known else []
    held = [[";".join(names)] for names in sets.names(proba, model.classes)] if sets else [[] for _ in known]
    answers = iter(zip(given, held, strict=True))
    with store.atomic_write_text(path) as file:
        table = csv.writer(file)
        table.writerow([*header[:end], *([SETS] if sets else [])])
        for row in rows[1:]:
            c, names = next(answers) if row[1] else (None, [""] if sets else [])
            said = row[:3] if c is None else [row[0], model.classes[c], row[3 + c]]
            table.writerow([*said, *row[3:end], *names])
