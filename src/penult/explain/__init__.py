"""What drove a prediction: heat maps over photos, exact where the mathematics allows it.

In: a model and photos. Out: one `Explanation` a photo, and pictures of it. Where every network gives maps and the head is
linear, the heat is a class activation map whose sum is the logit; else it is found by covering the photo bit by bit. It loads
neither scikit-learn nor torch, and must not know runs or reports.
"""

from penult.explain.explanation import Explanation, Explanations, Unreadable, each, explain, heat_png, write_picture
from penult.explain.model import METHODS, best_method

__all__ = [
    "METHODS",
    "Explanation",
    "Explanations",
    "Unreadable",
    "best_method",
    "each",
    "explain",
    "heat_png",
    "write_picture",
]
