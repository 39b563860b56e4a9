"""A map of the photos: points lie close together where the features are alike.

Comes in: features (n, d), the widths of their parts. Goes out: `Atlas`, a place and the nearest rows for each row.
Must not know: files, labels, heads. Needs numpy and scikit-learn's t-SNE.
"""

from penult.atlas.charting import LANDMARKS, Atlas, chart

__all__ = ["LANDMARKS", "Atlas", "chart"]
