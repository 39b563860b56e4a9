"""penult as scikit-learn knows it: `Embedder` is a transformer, `TransferClassifier` a classifier; X is a list of images.

An image is a path, a uint8 array (h, w, 3), or a Pillow image; one image alone is a list of one; a data set of `torchvision`
or of Hugging Face is its images. Both can be cloned, pickled and put into pipelines; nothing is loaded before `fit` or
`transform`.
"""

from penult.estimators.classifier import TransferClassifier
from penult.estimators.embedder import Embedder

__all__ = ["Embedder", "TransferClassifier"]
