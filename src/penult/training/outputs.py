"""Write what a run made: tables, features, figures and the model; nothing is computed here."""

from __future__ import annotations

from penult import pixels, predict, store
from penult.embed import Embedding
from penult.embed.feature_file import facts
from penult.images import ImageSet
from penult.predict import Predictions
from penult.runs import RunFolder
from penult.texts import printable
from penult.training.material import TrainingData
from penult.training.measuring import Measured
from penult.training.sample_submission import SampleSubmission, Submit, plain

SKIPPED = "skipped.csv"


def start_features(run: RunFolder, material: TrainingData, done: Embedding) -> store.H5Writer:
    """Begin writing `data_<backbone>.h5` per backbone in a process of its own; call `finish` on what this returns."""
    writer = store.H5Writer()
    slugs = store.slugs([(b.name, b.digest) for b in done.backbones])
    for i, (backbone, slug) in enumerate(zip(done.backbones, slugs, strict=True)):
        columns = material.columns(i)
        test = material.test
        writer.write(
            run / f"data_{slug}.h5",
            train=material.train.X[:, columns],
            label=material.train.ok_y,
            train_files=material.train.ok_files,
            test=None if test is None else test.X[:, columns],
            test_files=None if test is None else test.ok_files,
            classes=material.classes,
            facts=facts(backbone, done),
        )
    return writer


def drop_stale(run: RunFolder, done: Embedding, figures: list[str]) -> None:
    """Remove features and figures that an earlier run left here and this one did not make."""
    kept = {f"data_{slug}.h5" for slug in store.slugs([(b.name, b.digest) for b in done.backbones])}
    old = [p for p in run.path.glob("data_*.h5") if p.name not in kept]
    old += [p for kind in ("png", "svg") for p in (run / "figures").glob(f"*.{kind}") if p.name not in figures]
    run.drop(*(p.relative_to(run.path).as_posix() for p in old))


def write_skipped(run: RunFolder, labelled: ImageSet, test: ImageSet | None, done: Embedding) -> None:
    """Write `skipped.csv` (file, reason, detail, part, cure). Raises `TooManyBad` for more rows than are tolerated."""
    names = [(name, "train") for name in labelled.ids] + [(name, "test") for name in (test.ids if test else ())]
    rows = [(names[i][0], f.reason, f.detail, names[i][1], pixels.advice(f)) for i, f in sorted(done.failures.items())]
    run.write_table(SKIPPED, ["file", "reason", "detail", "part", "cure"], rows)
    more = f" (all of them: {printable(run / SKIPPED)})"
    done.settings.tolerance.check_failures([name for name, _ in names], done.failures, more)


def write_oof(run: RunFolder, material: TrainingData, measured: Measured) -> None:
    """Write `oof.csv`: for each measured training image the probabilities of a model that had not seen it."""
    found = measured.chosen
    rows = (
        [file, material.classes[label], fold, *(f"{p:.6g}" for p in row)]
        for file, label, fold, row in zip(material.train.ok_files, found.y, found.fold, found.proba, strict=True)
        if fold >= 0
    )
    run.write_table("oof.csv", ["file", "label", "fold", *material.classes], rows)


def write_history(run: RunFolder, history: dict[str, list[float]]) -> None:
    """Write `history.csv`: loss and accuracy per epoch of the dense head, training and validation."""
    run.write_table("history.csv", list(history), zip(*history.values(), strict=True))


def write_predictions(
    run: RunFolder, material: TrainingData, answers: Predictions | None, sheet: SampleSubmission | None, submit: Submit | None
) -> str | None:
    """Write `predictions.csv` and `submission.csv` for the test part and say what is in the second.

    Without a test part those of an earlier run are removed.
    """
    if answers is None:
        run.drop("predictions.csv", "submission.csv")
        return None
    answers.write_csv(run / "predictions.csv")
    form = sheet or plain(answers.ids, material.classes, submit)
    form.write(run / "submission.csv", answers.ids, material.classes, answers.proba)
    return form.told(material.classes)


def write_review(run: RunFolder, answers: Predictions | None, level: float | None) -> int | None:
    """Write `review.csv` where a level was asked for and return its rows; else remove that of an earlier run."""
    if answers is None or level is None:
        run.drop("review.csv")
        return None
    return predict.write_review(run / "review.csv", answers, level)
