"""Figures of results, as PNG and SVG.

Comes in: an `Evaluation`, a `LearningCurve`, a head's history or path.
Goes out: matplotlib figures, or files in a folder.
Must not know: images, features, heads. It computes nothing: every number shown was measured by `evaluate`.
matplotlib is imported inside the functions, and never its pyplot: no global figure list, no display.
"""

from penult.plots.confusion import confusion_matrix
from penult.plots.curves import comparison, learning_curve, regularization, reliability, training_curves
from penult.plots.figures import FigureWorker, png, save, save_all
from penult.plots.heat_map import Caption, explained, overlay
from penult.plots.tradeoff import TradeoffPoint, tradeoff

__all__ = [
    "Caption",
    "FigureWorker",
    "TradeoffPoint",
    "comparison",
    "confusion_matrix",
    "explained",
    "learning_curve",
    "overlay",
    "png",
    "regularization",
    "reliability",
    "save",
    "save_all",
    "tradeoff",
    "training_curves",
]
