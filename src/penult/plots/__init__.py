"""Figures of results, as PNG and SVG.

Comes in: an `Evaluation`, a `LearningCurve`, a head's history or path.
Goes out: matplotlib figures, or files in a folder.
Must not know: images, features, heads. It computes nothing: every number shown was measured by `evaluate`.
matplotlib is imported inside the functions, and never its pyplot: no global figure list, no display.
"""

from penult.plots.confusion import plot_confusion_matrix
from penult.plots.curves import (
    plot_comparison,
    plot_learning_curve,
    plot_regularization,
    plot_reliability,
    plot_training_curves,
)
from penult.plots.figures import FigureWorker, png, save_all, save_figure
from penult.plots.heat_map import Caption, overlay, plot_heat_map
from penult.plots.tradeoff import TradeoffPoint, plot_tradeoff
from penult.plots.words import font_note

__all__ = [
    "Caption",
    "FigureWorker",
    "TradeoffPoint",
    "font_note",
    "overlay",
    "plot_comparison",
    "plot_confusion_matrix",
    "plot_heat_map",
    "plot_learning_curve",
    "plot_regularization",
    "plot_reliability",
    "plot_tradeoff",
    "plot_training_curves",
    "png",
    "save_all",
    "save_figure",
]
