"""A training of photos with several labels: the same folder, model file and page, measured label by label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from penult import evaluate, heads, runs
from penult.backbones import Backbone
from penult.bundle import Bundle
from penult.embed import Embedding
from penult.evaluate import LabelEvaluation
from penult.evaluate.evaluation import jsonable
from penult.fit import Fitted, learn_labels, to_bundle
from penult.i18n import N_
from penult.predict import Predictions
from penult.runs import LabelRows
from penult.training.data import TrainingData
from penult.training.findings import find_issues, summarize
from penult.training.label_measuring import label_head, measure_labels
from penult.training.label_set_check import check_label_sets
from penult.training.measuring import PrecisionCheck
from penult.training.run import Run
from penult.training.run_files import serving_parts
from penult.training.trainer import Trainer


class LabelTrainer(Trainer):
    """Does what `Trainer` does where a photo has any number of labels."""

    def _precision(self, data: TrainingData, done: Embedding, exact: tuple[Backbone, ...]) -> PrecisionCheck | None:
        return None  # told in classes' log loss

    def _learn(self, data: TrainingData, done: Embedding | None) -> tuple[Any, Bundle, Predictions | None]:
        """Measure, fit, predict; write tables and the model."""
        options, train = self.options, data.train
        head = label_head(options, data)
        chosen, others = measure_labels(head, options, data, self.progress)
        measured = np.flatnonzero(chosen.measured)
        files = train.ok_files
        rows = LabelRows(
            tuple(files[i] for i in measured), train.ok_Y[measured], chosen.proba[measured], chosen.fold[measured],
            chosen.thresholds,
        )  # fmt: skip
        runs.write_label_oof(self.folder, data.classes, rows)
        self.clock.lap("evaluation")
        fitted = learn_labels(head, train.X, train.ok_Y, data.groups, data.blocks, chosen.fold, options.seed, data.weights)
        self.clock.lap("head")
        model = self._model(data, done, fitted, chosen)
        answers = self._save(data, model)
        self._answer_unlabelled(model)
        self.metrics["submitted"] = self._write_submission(data, answers)
        self.folder.drop("review.csv", runs.MAP, runs.HISTORY)
        self.clock.lap("model and tables")
        test = data.test
        if test is not None and test.Y is not None and answers is not None:
            limits = chosen.thresholds
            self.metrics["test"] = evaluate.score_labels(test.Y, answers.proba, data.classes, limits, name=N_("test images"))
        if done is not None or data.stored is not None:
            labels = check_label_sets(head, train.X, chosen, data.weights)
            found = find_issues(data, done, labels)
            self.findings = runs.write_findings(self.folder, found)
            self.metrics["audit"] = summarize(found, labels, data, None if answers is None else answers.proba)
        self.clock.lap("audit")
        facts = fitted.novelty_facts(data.classes)
        self.metrics |= {"novelty": facts, "choice": jsonable(dict(model.facts["choice"])), "figures": []}
        self._rows = rows
        return (chosen, others, None), model, answers

    def _model(self, data: TrainingData, done: Embedding | None, fitted: Fitted, chosen: LabelEvaluation) -> Bundle:
        about = {
            "task": "labels",
            "thresholds": [float(one) for one in chosen.thresholds],
            **self._origin(data, done),
            "trained_on": int(data.train.ok.sum()),
            "scores": chosen.to_dict()["scores"],
        }
        state = fitted.head.to_arrays()
        computed = serving_parts(data, done, heads.scorer(state.kind, state.arrays, state.facts))
        computed["reference"] = fitted.reference(np.zeros(len(chosen.Y), np.intp), chosen.proba, data.groups)
        return to_bundle(fitted, data.classes, data.widths, self.options.class_weight, about, **computed)

    def _finish(
        self,
        data: TrainingData,
        done: Embedding | None,
        where: Mapping[str, Any],
        evaluations: Any,
        model: Bundle,
        answers: Predictions | None,
    ) -> Run:
        """Write the page and `metrics.json`, the last file of a run."""
        chosen, others, _ = evaluations
        test = self.metrics.pop("test")
        metrics = self._facts(data, done, where) | {
            "task": "labels",
            "scores": chosen.to_dict(),
            "thresholds": dict(zip(data.classes, chosen.thresholds.tolist(), strict=True)),
            "compared": evaluate.label_summary_rows([chosen, *others]),
            "learning_curve": None,
            "review": None,
            "shift": None,
            "cautions": [],
            "head_path": {},
            "test": test.to_dict() if test else None,
            "verdict": evaluate.label_verdict(chosen.to_dict(), None if test is None else test.to_dict()),
        }
        results = runs.label_results(
            self.folder.path, metrics, self._rows, self.findings, self.skipped, () if answers is None else answers.ids
        )
        return self._written(results, (chosen, others, None, test), model, data, done)
