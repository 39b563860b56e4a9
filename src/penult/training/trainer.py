"""One training under way: measure, fit, predict the test part, write every result, and `metrics.json` last."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import audit, bundle, evaluate, heads, predict, report, runs, store
from penult.audit import Finding
from penult.backbones import Backbone
from penult.bundle import Bundle
from penult.embed import Embedding, depth_notes
from penult.embed.feature_file import facts
from penult.errors import DamagedFile, InternalError, ProgressCallback
from penult.evaluate import Evaluation, LearningCurve, TrialProcess
from penult.evaluate.evaluation import jsonable
from penult.fit import Fitted, learn, to_bundle
from penult.i18n import N_
from penult.images import ImageSet, label_texts
from penult.pixels import advice
from penult.plots import FigureWorker
from penult.predict import Predictions, Predictor
from penult.predict.sample_submission import SampleSubmission, plain_submission
from penult.runs import RunFolder, RunResults
from penult.stored_texts import retranslated
from penult.texts import printable
from penult.training import environment
from penult.training.data import TrainingData
from penult.training.findings import find_issues, summarize
from penult.training.label_check import LabelCheck, check_labels
from penult.training.measuring import PrecisionCheck, compare_with_f32, head_for, measure
from penult.training.options import TrainOptions
from penult.training.place import PlaceOfUse
from penult.training.run import Run
from penult.training.run_files import (
    answer_test_part,
    class_counts,
    count_images,
    engine_facts,
    feature_names,
    known_photos,
    serving_parts,
    unlabelled_note,
)
from penult.training.shift import explain_shift, groups_in_names, too_small
from penult.training.stored import StoredFeatures

MODEL, UNLABELLED = "model.penult", "unlabelled_predictions.csv"


class Trainer:
    """What every step of a training needs: where it writes, what was asked, how long it takes.

    `sample` is the sample submission, if one was given; `process` measures beside this one.
    """

    def __init__(
        self,
        folder: RunFolder,
        options: TrainOptions,
        sample: SampleSubmission | None,
        process: TrialProcess,
        progress: ProgressCallback,
    ) -> None:
        self.folder, self.options, self.sample = folder, options, sample
        self.process, self.progress, self.clock = process, progress, environment.Clock()
        self.metrics: dict[str, Any] = {"test": None, "audit": None, "precision": None}
        self.findings: tuple[Finding, ...] = ()
        self.skipped: tuple[Mapping[str, str], ...] = ()
        self.history: dict[str, list[float]] = {}
        self.fault: InternalError | None = None
        self.unlabelled: ImageSet | None = None  # photos of the training table without a label
        self.place: PlaceOfUse | None = None

    def account(self, labelled: ImageSet, test: ImageSet | None, done: Embedding) -> None:
        """Write `photos.csv` and `skipped.csv`. Raises `TooManyBad` where more photos could not be read than are tolerated."""
        every = [("train", image) for image in labelled.images] + [("test", image) for image in (test.images if test else ())]
        digests = (bytes(digest).hex() if any(digest) else "" for digest in done.digests)
        listed = zip(every, digests, strict=True)
        labels = label_texts(labelled, test)
        runs.write_photos(
            self.folder,
            ((image.id, part, label, digest) for ((part, image), digest), label in zip(listed, labels, strict=True)),
        )
        names = [(image.id, part) for part, image in every]
        failures = sorted(done.failures.items())
        rows = [(names[i][0], f.reason, f.detail, names[i][1], advice(f)) for i, f in failures]
        self.skipped = runs.write_skipped(self.folder, rows)
        files = [name for name, _part in names]
        done.settings.tolerance.check_failures(files, done.failures, self.folder / runs.SKIPPED)

    def _account_stored(self, stored: StoredFeatures | None) -> None:
        """Write `skipped.csv` of what has no stored features."""
        self.folder.drop(runs.SKIPPED, runs.PHOTOS)
        if stored is not None and stored.failures:
            rows = [(id, one.reason, one.detail, "train", advice(one)) for id, one in stored.failures.items()]
            self.skipped = runs.write_skipped(self.folder, rows)

    def run(
        self, data: TrainingData, done: Embedding | None, where: Mapping[str, Any], exact: tuple[Backbone, ...] = ()
    ) -> Run:
        """Do all that follows the features; `done` is None where they came from files.

        `where` the images are; `exact` are the networks as they were before they were quantized.
        """
        if done is None:
            self._account_stored(data.stored)
            evaluations, model, answers = self._learn(data, None)
        else:
            with self._feature_files(data, done):
                evaluations, model, answers = self._learn(data, done)
            self._drop_stale(done)
            self.clock.lap("feature files")
            check = self._precision(data, done, exact)
            self.metrics["precision"] = None if check is None else check.to_dict()
            self.clock.lap("precision")
        return self._finish(data, done, where, evaluations, model, answers)

    def _precision(self, data: TrainingData, done: Embedding, exact: tuple[Backbone, ...]) -> PrecisionCheck | None:
        """Return what the precision of the run does to its log loss."""
        return compare_with_f32(self.options, data, done, exact, self.progress)

    def _learn(
        self, data: TrainingData, done: Embedding | None
    ) -> tuple[tuple[Evaluation, tuple[Evaluation, ...], LearningCurve | None], Bundle, Predictions | None]:
        """Measure, fit, predict; write tables, figures and the model."""
        options, train = self.options, data.train
        with FigureWorker(self.folder / "figures") as artist:
            head = head_for(options, data)
            chosen, others, curve = evaluations = measure(self.process, head, options, data, self.progress)
            artist.draw(evaluation=chosen, others=others, curve=curve)
            runs.write_oof(self.folder, train.ok_files, data.classes, chosen.y, chosen.fold, chosen.proba, data.groups)
            self.clock.lap("evaluation")
            labels = None
            if done is not None or data.stored is not None:  # while the head has its search
                labels = check_labels(head, train.X, chosen, data.every is None, data.weights)
            self.clock.lap("labels")
            fitted = self._fit(head, data, chosen)
            history = dict(head.history_ or {})
            artist.draw(path=head.path_, chosen=head.choice_.get("C"), history=history)
            self.history = runs.write_history(self.folder, history)
            self.clock.lap("head")
            model = self._bundle(data, done, fitted, chosen)
            answers = self._save(data, model)
            self._answer_unlabelled(model)
            self.metrics["submitted"] = self._write_submission(data, answers)
            to_review = self._write_review(answers)
            self.clock.lap("model and tables")
            self.metrics["figures"] = sorted(path.name for path in artist.finish())
            self.metrics["font_note"] = artist.note
            self.clock.lap("figures")
        self._judge(data, done, chosen, labels, fitted.unlike, answers)
        self.metrics["novelty"] = fitted.novelty_facts(data.classes)
        self.metrics["review"]["written"] = to_review
        self.metrics |= {"choice": dict(model.facts["choice"]), "head_path": jsonable(dict(head.path_))}
        return evaluations, model, answers

    def _origin(self, data: TrainingData, done: Embedding | None) -> dict[str, Any]:
        """Return what the model file says of the photos that it was trained on: how many of each class, and their digests."""
        self.metrics["digests"], counts = environment.digests(data, done), class_counts(data)
        return {"trained_on": sum(counts.values()), "counts": counts, "digests": self.metrics["digests"]}

    def _bundle(self, data: TrainingData, done: Embedding | None, fitted: Fitted, chosen: Evaluation) -> Bundle:
        """Return the model, which answers and decides for the place of use."""
        about = {**self._origin(data, done), "scores": chosen.to_dict()["scores"]}
        self.place = PlaceOfUse.of(self.options.prior, self.options.class_weight, fitted.prior, data.classes)
        there = chosen if self.place is None else self.place.evaluation(chosen)
        decided = evaluate.decide(self.options.decision, there)
        self.metrics["decision"] = decided.to_dict(data.classes) | evaluate.operating_facts(there, decided.rule)
        about |= decided.to_facts(data.classes)
        state, answered, prior = fitted.head.to_arrays(), chosen.proba, fitted.prior
        if self.place is not None:
            state, answered, prior = self.place.head(state), self.place.proba(chosen), self.place.new
            self.metrics["prior"], more = self.place.measure(chosen, fitted.prior)
            about |= more
        computed = serving_parts(data, done, heads.scorer(state.kind, state.arrays, state.facts))
        computed |= {"head": state, "prior": prior, "reference": fitted.reference(chosen.y, answered, data.groups)}
        return to_bundle(fitted, data.classes, data.widths, self.options.class_weight, about, **computed)

    @staticmethod
    def _fit(head: Any, data: TrainingData, chosen: Evaluation) -> Fitted:
        """Fit the head on all rows that are to be learnt."""
        if data.every is None:
            rows = data.train.X, data.train.ok_y, data.groups
            return learn(head, *rows, data.blocks, chosen.fold, sample_weight=data.weights)
        every = data.every
        return learn(head, every.X, every.y, None, data.blocks, chosen.fold, rows=every.sample)

    def _judge(
        self,
        data: TrainingData,
        done: Embedding | None,
        chosen: Evaluation,
        labels: LabelCheck | None,
        unlike: NDArray[np.float64] | None,  # (n,)
        answers: Predictions | None,
    ) -> None:
        """Evaluate on the test part, look for problems of the data, and tell what reviewing doubtful photos would gain."""
        proba = None if answers is None else answers.proba
        if proba is not None and self.place is not None:  # measured as the folds are
            proba = self.place.at_training(proba)
        if data.test is not None and data.test.y is not None and proba is not None:
            self.metrics["test"] = evaluate.score(data.test.y, proba, data.classes, name=N_("test images"))
        if labels is None:
            self.folder.drop(runs.FINDINGS)
        else:
            found = find_issues(data, done, labels)
            self.findings = runs.write_findings(self.folder, found)
            self.metrics["audit"] = summarize(found, labels, data, proba)
            self.clock.lap("audit")
        odd = np.zeros(len(chosen.y), bool) if unlike is None else unlike > 1
        self.metrics["review"] = evaluate.review(chosen, self.options.review or evaluate.LEVEL, odd).to_dict()

    def _save(self, data: TrainingData, model: Bundle) -> Predictions | None:
        """Write the model and return its answers for the test part. What is wrong with it is `fault`: a bug of penult.

        All that was measured is still worth having, so the run goes on without a model.
        """
        try:
            bundle.save_bundle(self.folder / MODEL, model)
            return answer_test_part(data, model)
        except InternalError as error:
            self.fault = error
        except DamagedFile:  # not of the file: it was just read back
            self.fault = InternalError(
                "the model that was made gives answers that are not numbers. This is a bug of penult and not a fault of the "
                "data: report it, please."
            )
        self.folder.drop(MODEL)
        return None

    def _write_submission(self, data: TrainingData, answers: Predictions | None) -> str | None:
        """Write `predictions.csv` and `submission.csv` for the test part and say what is in the second."""
        if answers is None:  # an earlier run may have left some
            self.folder.drop("predictions.csv", "submission.csv")
            return None
        predict.write_predictions(self.folder / "predictions.csv", answers, [answers])
        form = self.sample or plain_submission(answers.ids, data.classes, self.options.submit, data.task == "labels")
        form.write(self.folder / "submission.csv", answers.ids, data.classes, answers.proba, answers.given)
        return form.describe(data.classes)

    def _answer_unlabelled(self, model: Bundle) -> None:
        """Write `unlabelled_predictions.csv`: what `predict` says of the photos of the training table that have no label."""
        self.metrics["unlabelled"] = None
        if self.unlabelled is None or self.fault is not None:
            self.folder.drop(UNLABELLED)
            return
        found = self.unlabelled
        answers = Predictor(model, self.options.settings).predict(found.sources, found.ids, self.progress)
        predict.write_predictions(self.folder / UNLABELLED, answers, [answers])
        self.metrics["unlabelled"] = {"photos": len(answers), "unreadable": len(answers.failures)}

    def _write_review(self, answers: Predictions | None) -> int | None:
        """Write `review.csv` where a level was asked for and return its rows; else remove that of an earlier run."""
        if answers is None or self.options.review is None:
            self.folder.drop("review.csv")
            return None
        return predict.write_review(self.folder / "review.csv", answers, self.options.review)

    def _feature_files(self, data: TrainingData, done: Embedding) -> store.H5Writer:
        """Begin writing `data_<backbone>.h5` per backbone in a process of its own, as a `with` block."""
        writer = store.H5Writer()
        for i, (backbone, name) in enumerate(zip(done.backbones, feature_names(done), strict=True)):
            columns, test = data.columns(i), data.test
            writer.write(
                self.folder / name,
                train=data.train.X[:, columns],
                label=None if data.task == "labels" else data.train.ok_y,
                train_files=data.train.ok_files,
                test=None if test is None else test.X[:, columns],
                test_files=None if test is None else test.ok_files,
                classes=data.classes,
                facts=facts(backbone, done),
            )
        return writer

    def _drop_stale(self, done: Embedding) -> None:
        """Remove features and figures that an earlier run left here and this one did not make."""
        folder, kept = self.folder.path, feature_names(done)
        old = [p for p in folder.glob("data_*.h5") if p.name not in kept]
        figures = [p for kind in ("png", "svg") for p in (folder / "figures").glob(f"*.{kind}")]
        old += [p for p in figures if p.name not in self.metrics["figures"]]
        self.folder.drop(*(p.relative_to(folder).as_posix() for p in old))

    def _finish(
        self,
        data: TrainingData,
        done: Embedding | None,
        where: Mapping[str, Any],
        evaluations: tuple[Evaluation, tuple[Evaluation, ...], LearningCurve | None],
        model: Bundle,
        answers: Predictions | None,
    ) -> Run:
        """Write the map, the page and `metrics.json`, the last file of a run."""
        chosen, others, curve = evaluations
        drawn = audit.photo_map(data.train.X, data.blocks, self.options.seed, near=data.most_alike)
        rows = runs.photo_rows(data.train.ok_files, chosen.y, chosen.fold, chosen.proba, drawn.places, drawn.near)
        runs.write_map(self.folder, data.classes, rows)
        self.clock.lap("map")
        test = self.metrics.pop("test")
        warned = self._warnings(data, done, chosen, test, answers, drawn.near)
        self.clock.lap("shift")
        metrics = self._facts(data, done, where) | warned
        metrics |= {
            "scores": chosen.to_dict(),
            "compared": evaluate.summary_rows([chosen, *others]),
            "learning_curve": curve.to_dict() if curve else None,
            "test": test.to_dict() if test else None,
            "verdict": evaluate.verdict_with_decision(chosen, test, self.metrics.get("decision")),
        }
        skipped = {row["file"] for row in self.skipped if row["part"] == "train"}
        results = RunResults(
            self.folder.path, metrics, data.classes, rows, self.findings, self.skipped, self.history,
            frozenset(rows.files) | skipped, frozenset(() if answers is None else answers.ids),
        )  # fmt: skip
        return self._written(results, (chosen, others, curve, test), model, data, done)

    def _written(
        self,
        results: RunResults,
        measured: tuple[Any, tuple[Any, ...], LearningCurve | None, Any],
        model: Bundle,
        data: TrainingData,
        done: Embedding | None,
    ) -> Run:
        """Write the page and the record of a run; `measured` is what its `Run` has of evaluations."""
        metrics, (chosen, others, curve, test) = results.metrics, measured
        report.write_report(results, self.progress, None if done is None else known_photos(data, done))
        self.clock.lap("report")
        whole = self.folder.finish(metrics, None if self.fault is None else str(self.fault))
        if self.fault is not None:
            raise InternalError(
                f"there is no model, but what was measured is in {printable(self.folder.path)}, and the features are in the "
                f"cache: {self.fault}"
            ) from self.fault
        return Run(self.folder.path, model, chosen, others, curve, test, self.findings, whole, done, self.folder.former)

    def _warnings(
        self,
        data: TrainingData,
        done: Embedding | None,
        chosen: Evaluation,
        test: Evaluation | None,
        answers: Predictions | None,
        near: NDArray[np.intp],  # (n, m)
    ) -> dict[str, Any]:
        """Return why the test photos are of another kind, if they are, and what else makes the score less than it seems."""
        small = too_small(done, len(data.train.files), chosen.to_dict())
        if evaluate.at_chance(chosen, test):  # then nothing else matters
            return {"shift": None, "cautions": [asdict(small)] if small else []}
        head = head_for(self.options, data)
        groups = groups_in_names(head, data, chosen, near, self.options.seed) if self.options.groups is None else None
        shift = explain_shift(data, done, chosen, test, answers, groups)
        return {"shift": shift, "cautions": [asdict(one) for one in (None if shift else groups, small) if one]}

    def _facts(self, data: TrainingData, done: Embedding | None, where: Mapping[str, Any]) -> dict[str, Any]:
        """Return what `metrics.json` says beside the scores."""
        submitted, made = self.metrics.pop("submitted"), done or data.stored
        font_note = self.metrics.pop("font_note", "")
        return {
            "penult": version("penult"),
            "command": sys.argv,
            **environment.environment(self.clock),
            **where,
            "options": self.options.to_dict(),
            "classes": class_counts(data),
            "images": count_images(data, done),
            **self.metrics,
            "notes": [
                *data.notes,
                *self.options.clip_notes(len(data.classes)),
                *([self.metrics["prior"]["note"]] if self.place else []),
                # of each ONNX file what its features are: it was found out, and the user should see it
                *(_told(b) for b in (made.backbones if made else ()) if ".onnx" in b.name),
                *depth_notes(made.backbones if made else ()),
                *([submitted] if submitted else []),
                *([font_note] if font_note else []),
                *([unlabelled_note(rest)] if (rest := self.metrics["unlabelled"]) else []),
            ],
            "backbones": [{**b.to_dict(), "sees": b.recipe.describe()} for b in (made.backbones if made else ())],
            "engine": engine_facts(made) if made and made.backbones else None,
            "features": None if data.stored is None else dict(data.stored.record),
            "seconds": self.clock.stages,
            "versions": environment.versions(done),
        }


def _told(backbone: Backbone) -> str:
    """Return the note on what the features of an ONNX file are, which its record has in English."""
    return f"{backbone.name}: {retranslated(backbone.source)}"
