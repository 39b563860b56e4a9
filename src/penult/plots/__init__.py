"""Figures of results, as PNG and SVG.

Comes in: an `Evaluation`, a `LearningCurve`, a head's history or path.
Goes out: matplotlib figures, or files in a folder.
Must not know: images, features, heads. It computes nothing: every number shown was measured by `evaluate`.
matplotlib is imported inside the functions, and never its pyplot: no global figure list, no display.
"""

from penult.plots.artist import Artist
from penult.plots.calibration import reliability
from penult.plots.compared import comparison
from penult.plots.curves import learning_curve, regularisation, training_curves
from penult.plots.explained import Caption, explained
from penult.plots.heat import overlay
from penult.plots.matrix import confusion
from penult.plots.save import save_all
from penult.plots.style import png, save
from penult.plots.tradeoff import Point, tradeoff

__all__ = [
    "Artist",
    "Caption",
    "Point",
    "comparison",
    "confusion",
    "explained",
    "learning_curve",
    "overlay",
    "png",
    "regularisation",
    "reliability",
    "save",
    "save_all",
    "tradeoff",
    "training_curves",
]
