"""The commands as functions: the same names and defaults, and results that show themselves.

`penult.audit(...)`, `penult.compare(...)`, `penult.explain(...)`, `penult.predict(...)`, `penult.evaluate(...)` and
`penult.embed(...)` are these functions: the packages of the same names can be called (see `penult.__init__`).
`penult.train` is `penult.training.train`.
"""

from penult.api.evaluation import Evaluated, evaluate_model
from penult.api.features import ImageFeatures, embed_source
from penult.api.model import explain_images, predict_images
from penult.api.photos import audit_source, compare_backbones

CALLED = {
    "audit": audit_source,
    "compare": compare_backbones,
    "embed": embed_source,
    "evaluate": evaluate_model,
    "explain": explain_images,
    "predict": predict_images,
}

__all__ = [
    "CALLED",
    "Evaluated",
    "ImageFeatures",
    "audit_source",
    "compare_backbones",
    "embed_source",
    "evaluate_model",
    "explain_images",
    "predict_images",
]
