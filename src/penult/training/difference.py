"""Compare two run folders: score, photos that became right or wrong, labels, photos, classes, settings.

Photos are the same where their bytes are (`photos.csv`), whatever their names; runs of earlier versions have no digests, there
the name decides. Both runs are judged by the labels of the second.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import evaluate
from penult.arrays import default_errors
from penult.audit.pairs import UnionFind
from penult.errors import DamagedFile, InputError, PenultError
from penult.evaluate import Difference
from penult.i18n import _
from penult.runs import PHOTOS, WRONG, RunResults, read_answers, read_oof, read_run, read_table
from penult.texts import count, printable
from penult.training.run_difference import AnswerChange, LabelChange, PartDifference, RunDifference, ScoreChange

TRAIN, TEST = "train", "test"
FEW = 0.5  # share of a run's measured photos below which what both runs measured says little of the run
FAMILY = ("copy", "near_copy", "group")  # findings whose two photos err together
SETTINGS = (
    "head", "fit", "pooling", "clip", "class_weight", "groups", "near_duplicates", "seed", "device", "precision", "protocol",
)  # fmt: skip


@default_errors
def compare_runs(former: str | Path, present: str | Path) -> RunDifference:
    """Compare two finished runs photo by photo.

    Raises `InputError` for a folder that is no finished run, `DamagedFile` for one that is not as penult wrote it.
    """
    old, new = _read(Path(former)), _read(Path(present))
    pairs = _paired(old, new)
    oof = _compared(old, new, pairs, TRAIN)
    labelled = new.results.metrics.get("test") is not None and any(b.part == TEST for _, b in pairs)
    classes = [one.results.classes for one in (old, new)]
    paired = {id(photo) for pair in pairs for photo in pair}
    removed, added = (tuple(one.file for one in side.photos if id(one) not in paired) for side in (old, new))
    return RunDifference(
        str(former),
        str(present),
        oof,
        _compared(old, new, pairs, TEST) if labelled else None,
        tuple(LabelChange(b.file, a.label, b.label) for a, b in pairs if a.label and b.label and a.label != b.label),
        added,
        removed,
        tuple(name for name in classes[1] if name not in classes[0]),
        tuple(name for name in classes[0] if name not in classes[1]),
        tuple(_settings(old.results.metrics, new.results.metrics)),
        tuple(_notes(old, new, pairs, oof)),
    )


# --- what a run says of its photos, and which are the same ---


@dataclass(frozen=True, slots=True)
class _Photo:
    file: str
    part: str  # TRAIN or TEST
    label: str  # empty where it is not known
    digest: str  # empty where it could not be read, or the run is of an earlier version


@dataclass(frozen=True, slots=True)
class _Side:
    results: RunResults
    photos: Sequence[_Photo]
    answers: Mapping[str, Mapping[str, NDArray[np.float64]]]  # by part and file, probabilities (k,)
    by_digest: bool


Pairs = Sequence[tuple[_Photo, _Photo]]


def _read(folder: Path) -> _Side:
    results = read_run(folder)
    if results.label_rows is not None:
        raise InputError(
            _(
                "{folder} is a run of several labels a photo, and runs are compared by the class of each photo; "
                "compare the scores in their reports, or in metrics.json.",
                folder=printable(folder),
            )
        )
    try:
        oof = read_oof(folder, results.classes)
        answers = {TRAIN: {file: row for file, (_, row) in oof.items()}, TEST: read_answers(folder, results.classes)}
        listed = [_Photo(row["file"], row["part"], row["label"], row["sha256"]) for row in read_table(folder / PHOTOS)]
        return _Side(results, listed or _without_table(results, answers[TEST]), answers, bool(listed))
    except PenultError:
        raise
    except WRONG as error:
        raise DamagedFile(
            _("a table in {folder} is damaged or was edited ({error}); run `penult train` again.", folder=folder, error=error)
        ) from error


def _without_table(results: RunResults, test: Mapping[str, Any]) -> list[_Photo]:
    """Return the photos of a run of an earlier version, or of one from feature files; test photos are labelled by folders."""
    train = [_Photo(f, TRAIN, results.classes[y], "") for f, y in zip(results.rows.files, results.rows.y, strict=True)]
    known = set(results.classes) if results.metrics.get("test") is not None else set()
    folders = {file: file.partition("/")[0] for file in test}
    return train + [_Photo(file, TEST, name if name in known else "", "") for file, name in folders.items()]


def _paired(old: _Side, new: _Side) -> list[tuple[_Photo, _Photo]]:
    """Return the photos that both have; of several copies those of one name belong together first."""
    digests = old.by_digest and new.by_digest

    def key(photo: _Photo) -> str:
        return (photo.digest if digests else "") or f"{photo.part}/{photo.file}"

    def name(photo: _Photo) -> tuple[str, str, str]:
        return key(photo), photo.part, photo.file

    named = {name(photo): photo for photo in old.photos}
    taken = {name(photo) for photo in new.photos}
    others: dict[str, list[_Photo]] = {}
    for photo in old.photos:
        if name(photo) not in taken:
            others.setdefault(key(photo), []).append(photo)
    pairs = []
    for photo in new.photos:
        same = named.get(name(photo))
        if same is None and (rest := others.get(key(photo))):
            same = rest.pop(0)
        pairs += [(same, photo)] if same is not None else []
    return pairs


# --- how the answers differ ---


def _compared(old: _Side, new: _Side, pairs: Pairs, part: str) -> PartDifference:
    """Compare the answers to the photos of a part that both runs measured, by the labels of the present one."""
    former, present = old.answers[part], new.answers[part]
    names = list(dict.fromkeys([*new.results.classes, *old.results.classes]))
    of_part = [(a.file, b) for a, b in pairs if a.part == b.part == part and b.label in names]
    both = [(file, b) for file, b in of_part if file in former and b.file in present]
    if not both:
        return PartDifference()
    y = np.array([names.index(b.label) for _, b in both], np.intp)  # (n,)
    now = _spread([present[b.file] for _, b in both], new.results.classes, names)  # (n, k)
    before = _spread([former[file] for file, _ in both], old.results.classes, names)  # (n, k)
    groups = _families([b.file for _, b in both], new.results)
    metrics = ("accuracy", "log_loss") if set(old.results.classes) == set(new.results.classes) else ("accuracy",)
    scores = tuple(_score(evaluate.compare_answers(y, now, before, groups, one), y, now, before) for one in metrics)
    said, said_before = now.argmax(axis=1), before.argmax(axis=1)  # (n,)
    rows = zip(both, y.tolist(), said_before.tolist(), said.tolist(), strict=True)
    changes = [(AnswerChange(b.file, names[c], names[i], names[j]), i == c, j == c) for (_, b), c, i, j in rows]
    right = tuple(change for change, was, is_now in changes if is_now and not was)
    return PartDifference(scores, right, tuple(change for change, was, is_now in changes if was and not is_now))


def _spread(rows: Sequence[NDArray[np.float64]], classes: Sequence[str], names: Sequence[str]) -> NDArray[np.float64]:
    """Return probabilities (n, k) with a column for each of `names`; a class that the run does not know has 0."""
    out = np.zeros((len(rows), len(names)))
    out[:, [names.index(name) for name in classes]] = np.array(rows)
    return out


def _score(found: Difference, y: NDArray[np.intp], first: NDArray[np.float64], second: NDArray[np.float64]) -> ScoreChange:
    values = [float(evaluate.per_image(y, proba)[found.metric].mean()) for proba in (second, first)]
    return ScoreChange(found.metric, values[0], values[1], found.value, found.low, found.high, found.images)


def _families(files: Sequence[str], results: RunResults) -> NDArray[np.intp]:
    """Return a number for each photo (n,), the same for near-duplicates, which err together."""
    number, families = {file: i for i, file in enumerate(files)}, UnionFind(len(files))
    for one in results.findings:
        if one.kind in FAMILY and one.file in number and one.related in number:
            families.join(number[one.file], number[one.related])
    return np.array([families.root(i) for i in range(len(files))], np.intp)


def _settings(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield what was asked for, and computed with, in another way."""
    networks = [[b["name"] for b in run.get("backbones") or []] for run in (old, new)]
    if networks[0] != networks[1]:
        yield "networks", networks[0], networks[1]
    for name in SETTINGS:
        values = [(run.get("options") or {}).get(name) for run in (old, new)]
        if values[0] != values[1]:
            yield name, values[0], values[1]
    if old.get("penult") != new.get("penult"):
        yield "penult", old.get("penult"), new.get("penult")


def _notes(old: _Side, new: _Side, pairs: Pairs, oof: PartDifference) -> Iterator[str]:
    """Yield what limits the comparison."""
    if set(old.results.classes) != set(new.results.classes):
        yield (
            _(
                "the runs know different classes: a photo of a class that a run does not know counts as its mistake, "
                "and the log loss is not compared."
            )
        )
    if not (old.by_digest and new.by_digest):
        yield _("a run without photos.csv (an earlier version, or feature files): photos are the same where their names are.")
    if oof.scores and any(a.label != b.label for a, b in pairs):
        yield _("labels changed: both runs are judged by the labels of the present one.")
    many = len(new.answers[TRAIN])
    if oof.scores and oof.scores[0].photos < FEW * many:
        yield (
            _(
                "only {photos:,} of the {many:,} photos that the present run measured were measured by the former: "
                "the comparison says little of the others.",
                photos=oof.scores[0].photos,
                many=many,
            )
        )
    if moved := sum((a.part, b.part) == (TEST, TRAIN) for a, b in pairs):
        yield _("{count} for testing then, for training now.", count=count(moved, "photo"))
