"""penult as scikit-learn knows it: `Embedder` is a transformer, `TransferClassifier` a classifier; X is a list of images.

An image is a path, a uint8 array (h, w, 3), or a Pillow image. Both can be cloned, pickled and put into pipelines;
nothing is loaded before `fit` or `transform`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from penult import audit, bundle, evaluate, heads, quantise, zoo
from penult.backbones import DEFAULT, Backbone
from penult.bundle import Bundle
from penult.embed import Embedding, Settings, embed
from penult.errors import InputError
from penult.heads import novelty

_SHOWN = 5


class Embedder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turn images into feature rows: `transform(images)` is (n, d) float32, d the sum of the backbones' widths.

    `backbone`: a name or several, each as `penult.zoo.find` takes it: built in, of timm or Keras, a file, a preset. `fit`
    learns nothing, except with the precision "int8": it quantises the networks with some of the images. Images that cannot
    be read raise `InputError`, all of them named.
    """

    def __init__(
        self,
        backbone: str | Sequence[str] = "efficientnet_lite0",
        *,
        fit_to: str | None = None,
        device: str = "auto",
        precision: str = "auto",
        cache: str | bool | None = None,
    ):
        self.backbone = backbone
        self.fit_to = fit_to
        self.device = device
        self.precision = precision
        self.cache = cache

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the names of the backbones; there is nothing to learn, but for int8."""
        networks = _networks(self.backbone, self.fit_to, self.cache)
        if self.precision == "int8":
            self.networks_ = quantise.in_int8(networks, _images(X), self._settings().folder)
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Return one row per image, in order: (n, d)."""
        networks = _networks(self.backbone, self.fit_to, self.cache)
        if self.precision == "int8":  # other images must not get other networks
            check_is_fitted(self, "networks_")
            networks = self.networks_
        return _readable(embed(_images(X), networks, self._settings()), X)

    def _settings(self) -> Settings:
        return Settings(self.device, self.precision, self.cache)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return `<backbone>_<number>` for each column."""
        networks = _networks(self.backbone, self.fit_to, self.cache)
        return np.array([f"{b.name}_{i}" for b in networks for i in range(b.width)], object)

    def __sklearn_is_fitted__(self) -> bool:
        return self.precision != "int8" or hasattr(self, "networks_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = self.precision == "int8"
        tags.no_validation = True
        return tags


class TransferClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A calibrated image classifier on frozen backbones: `fit(images, labels)`, `predict_proba(images)`.

    `head`: a name (`logistic`, `svm`, `knn`, `centroid`, `lda`, `dense`, `auto`) or any scikit-learn classifier; the
    latter works in memory, and `save` refuses it. Copies of one picture are kept together when the head chooses its
    regularisation. Images that cannot be read raise `InputError`, all of them named.
    """

    def __init__(
        self,
        backbones: str | Sequence[str] = DEFAULT,
        head: Any = "logistic",
        *,
        fit_to: str | None = None,
        device: str = "auto",
        precision: str = "auto",
        cache: str | bool | None = None,
        random_state: int = 0,
    ):
        self.backbones = backbones
        self.head = head
        self.fit_to = fit_to
        self.device = device
        self.precision = precision
        self.cache = cache
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Embed the images (what the cache has is reused) and fit the head.

        `groups` (n,): images of one group (patient, scene) are kept together by the head's inner folds. The order of the
        images is of no account: the head gets them sorted by their content.
        """
        labels = np.asarray(y)  # (n,)
        if labels.ndim != 1 or len(labels) != len(X):
            raise InputError(f"{len(X)} images but labels of the shape {labels.shape}; give one label an image.")
        networks = _networks(self.backbones, self.fit_to, self.cache)
        done = embed(_images(X), networks, self._settings(), looks=True)
        features = _readable(done, X)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(
                f"there is only one class, {self.classes_[0]!r}; add images of another: a classifier needs two or more."
            )
        own = None if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
        rows = np.lexsort((*([] if own is None else [own]), codes, *done.digests.T[::-1]))  # (n,)
        features, codes, own = features[rows], codes[rows], None if own is None else own[rows]
        looks = done.thumbnails()
        looks = None if looks is None else looks[rows]
        together = audit.group(done.digests[rows], features, done.widths, own, looks).groups
        self.head_ = self._head(sum(done.parts, ())).fit(features, codes, groups=together)
        self.novelty_ = _novelty(features, codes, together, sum(done.parts, ()))
        self.backbones_ = done.backbones
        self.precision_, self.engine_ = done.precision, done.engine
        self.prior_ = np.bincount(codes) / len(codes)  # (k,)
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return calibrated probabilities (n, k), columns in the order of `classes_`."""
        check_is_fitted(self, "head_")
        features = _readable(embed(_images(X), self.backbones_, self._settings()), X)
        return np.asarray(self.head_.predict_proba(features))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each image: (n,)."""
        check_is_fitted(self, "head_")
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def save(self, path: str | Path) -> None:
        """Write a model file that `penult predict` and `load` read. Raises `InputError` for a foreign estimator."""
        check_is_fitted(self, "head_")
        model = Bundle(
            classes=tuple(str(c) for c in self.classes_),
            backbones=self.backbones_,
            blocks=tuple(b.width for b in self.backbones_),
            head=self.head_.to_arrays(),
            prior=self.prior_,
            engine=self.engine_,
            precision=self.precision_,
            facts={"penult": version("penult"), "choice": self.head_.choice_},
            novelty=self.novelty_,
        )
        bundle.save(path, model)

    def _head(self, blocks: tuple[int, ...]) -> Any:
        if isinstance(self.head, str):
            return heads.make(self.head, blocks=blocks, random_state=self.random_state)
        return heads.wrap(self.head)

    def _settings(self) -> Settings:
        return Settings(self.device, self.precision, self.cache)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.no_validation = True
        return tags


@np.errstate(all="ignore")
def _novelty(X: NDArray[np.float32], codes: NDArray[np.intp], groups: NDArray[np.intp], parts: tuple[int, ...]) -> Any:
    """Return what tells how unlike these rows (n, d) others are, or None where they are too few for folds."""
    try:
        fold = evaluate.outer_folds(codes, [str(c) for c in range(int(codes.max()) + 1)], groups)
    except InputError:
        return None
    return novelty.fit(X, codes, fold, parts)[0]


def _networks(names: str | Sequence[str], fit: str | None, cache: str | bool | None) -> tuple[Backbone, ...]:
    changes: dict[str, Any] = {} if fit is None else {"fit": fit}
    return tuple(zoo.find(n, cache=cache, **changes) for n in zoo.expand([names] if isinstance(names, str) else names))


def _images(X: Any) -> list[Any]:
    """Return X as a list of images; a pandas column, an array of paths and an array (n, h, w, 3) all do."""
    return [str(x) if isinstance(x, np.str_ | Path) else x for x in X]


def _readable(done: Embedding, X: Any) -> NDArray[np.float32]:
    """Return the features; scikit-learn's contract has no place for a missing row, so an unreadable image raises."""
    if done.failures:
        bad = [f"{_name(X, i)} ({f.reason})" for i, f in sorted(done.failures.items())]
        more = f" and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
        raise InputError(f"{len(bad)} images cannot be read: {', '.join(bad[:_SHOWN])}{more}; leave them out.")
    return done.features()


def _name(X: Any, index: int) -> str:
    item = list(X)[index]
    return str(item) if isinstance(item, str | Path) else f"image number {index}"
