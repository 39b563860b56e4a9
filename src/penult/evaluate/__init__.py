"""How good the probabilities are, measured on images that the head has not seen.

Comes in: a head (any scikit-learn classifier), features, class numbers and groups; or probabilities made
elsewhere.
Goes out: `Evaluation` (numbers with 95% intervals, and the rows that they come from), `LearningCurve`,
 `Difference`, and `verdict`: the sentence that says it.
Must not know: files, images, networks, pictures of the results. Needs numpy alone, and what the head itself
needs.
"""

from penult.evaluate.compare import Difference, paired_difference, summary_rows
from penult.evaluate.crossval import cross_validate
from penult.evaluate.curve import LearningCurve, learning_curve
from penult.evaluate.evaluation import ClassScore, Evaluation, score
from penult.evaluate.folds import outer_folds, unmeasured
from penult.evaluate.forecast import Forecast
from penult.evaluate.intervals import Score, wilson
from penult.evaluate.measures import Reliability
from penult.evaluate.review import LEVEL, Review, check_level, review
from penult.evaluate.wording import FEW, Rarest, imbalance, imbalanced, rarest_classes, verdict

__all__ = [
    "FEW",
    "LEVEL",
    "ClassScore",
    "Difference",
    "Evaluation",
    "Forecast",
    "LearningCurve",
    "Rarest",
    "Reliability",
    "Review",
    "Score",
    "check_level",
    "cross_validate",
    "imbalance",
    "imbalanced",
    "learning_curve",
    "outer_folds",
    "paired_difference",
    "rarest_classes",
    "review",
    "score",
    "summary_rows",
    "unmeasured",
    "verdict",
    "wilson",
]
