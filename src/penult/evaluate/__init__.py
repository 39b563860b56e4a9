"""How good the probabilities of a head are, measured on images that it has not seen.

In: a head (any scikit-learn classifier), features, class numbers and groups; or probabilities made elsewhere.
Out: `Evaluation` (numbers with 95% intervals, and the rows that they come from), `LearningCurve`, `Difference`, and `verdict`.
It must not know files, images, networks or pictures of the results.
"""

from penult.evaluate.conformal import Coverage, check_coverage, conformal, measure_sets
from penult.evaluate.cross_validation import cross_validate, outer_folds, unmeasured
from penult.evaluate.curve import (
    LEVEL,
    Forecast,
    LearningCurve,
    Review,
    carry,
    check_level,
    learning_curve,
    regularization_path,
    review,
)
from penult.evaluate.decision_texts import (
    advice_sentences,
    decision_sentences,
    focus,
    measured_sentences,
    operating_facts,
    verdict_of,
    verdict_with_decision,
)
from penult.evaluate.decisions import DecisionRequest, DecisionResult, decide
from penult.evaluate.evaluation import ClassScore, Difference, Evaluation, paired_difference, score, summary_rows
from penult.evaluate.interpret import FEW, Rarest, at_chance, causes, imbalance, imbalanced, rarest_classes, verdict
from penult.evaluate.intervals import Score, wilson
from penult.evaluate.label_curves import label_curves
from penult.evaluate.label_words import label_summary_rows, label_verdict, paired_label_difference
from penult.evaluate.labels import LabelEvaluation, LabelScore, cross_validate_labels, label_folds, score_labels, thresholds
from penult.evaluate.metrics import Reliability, per_image
from penult.evaluate.operating import OperatingPoint, measure_point, with_given
from penult.evaluate.paired import compare_answers
from penult.evaluate.power_law import Folds, PowerLaw
from penult.evaluate.shift import Cause, accuracy_gap
from penult.evaluate.trials import Trial, TrialData, TrialProcess, run_trials

__all__ = [
    "FEW",
    "LEVEL",
    "Cause",
    "ClassScore",
    "Coverage",
    "DecisionRequest",
    "DecisionResult",
    "Difference",
    "Evaluation",
    "Folds",
    "Forecast",
    "LabelEvaluation",
    "LabelScore",
    "LearningCurve",
    "OperatingPoint",
    "PowerLaw",
    "Rarest",
    "Reliability",
    "Review",
    "Score",
    "Trial",
    "TrialData",
    "TrialProcess",
    "accuracy_gap",
    "advice_sentences",
    "at_chance",
    "carry",
    "causes",
    "check_coverage",
    "check_level",
    "compare_answers",
    "conformal",
    "cross_validate",
    "cross_validate_labels",
    "decide",
    "decision_sentences",
    "focus",
    "imbalance",
    "imbalanced",
    "label_curves",
    "label_folds",
    "label_summary_rows",
    "label_verdict",
    "learning_curve",
    "measure_point",
    "measure_sets",
    "measured_sentences",
    "operating_facts",
    "outer_folds",
    "paired_difference",
    "paired_label_difference",
    "per_image",
    "rarest_classes",
    "regularization_path",
    "review",
    "run_trials",
    "score",
    "score_labels",
    "summary_rows",
    "thresholds",
    "unmeasured",
    "verdict",
    "verdict_of",
    "verdict_with_decision",
    "wilson",
    "with_given",
]
