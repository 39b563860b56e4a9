"""penult as scikit-learn knows it: `Embedder` is a transformer, `TransferClassifier` a classifier; X is a list of images.

An image is a path, a uint8 array (h, w, 3), or a Pillow image; one image alone is a list of one. Both can be cloned, pickled
and put into pipelines; nothing is loaded before `fit` or `transform`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from penult import audit, bundle, evaluate, heads, pixels, quantize, zoo
from penult.backbones import DEFAULT, Backbone
from penult.bundle import Bundle
from penult.embed import Embedding, EmbedOptions, embed, find_depth
from penult.errors import InputError
from penult.floats import default_errors
from penult.heads import labels, novelty
from penult.heads.task import class_weights, plain_weights
from penult.pixels import FULL_DEPTH, MAX_PIXELS, summarize_failures

_SHOWN = 5


class Embedder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turn images into feature rows: `transform(images)` is (n, d) float32, d the sum of the backbones' widths.

    `backbone`: a name or several, each as `penult.zoo.find` takes it: built in, of timm or Keras, a file, a preset. `fit`
    learns nothing, except with the precision "int8", when it quantises the networks with some of the images, and how many bits
    photos in 16-bit files use (without `fit` each `transform` finds that out for itself). Pictures of more than `max_pixels`
    are not read. Images that cannot be read raise `InputError`, all of them named.
    """

    def __init__(
        self,
        backbone: str | Sequence[str] = "efficientnet_lite0",
        *,
        crop_mode: str | None = None,
        device: str = "auto",
        precision: str = "auto",
        cache: str | bool | None = None,
        max_pixels: int = MAX_PIXELS,
    ):
        self.backbone = backbone
        self.crop_mode = crop_mode
        self.device = device
        self.precision = precision
        self.cache = cache
        self.max_pixels = max_pixels

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the names of the backbones; there is nothing to learn, but for int8 and photos in 16-bit files."""
        images = _images(X)
        networks = _networks(self.backbone, self.crop_mode, self.cache)
        self.depth_ = find_depth(images, self._settings())
        if self.precision == "int8":
            self.networks_ = quantize.in_int8(_at(networks, self.depth_), images, self._settings().folder)
        return self

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> NDArray[np.float32]:
        """Do both with the same images, of which a generator can give each only once."""
        images = _images(X) if isinstance(X, Iterator) else X
        return np.asarray(super().fit_transform(images, y, **fit_params))

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Return one row per image, in order: (n, d)."""
        networks = _networks(self.backbone, self.crop_mode, self.cache)
        if self.precision == "int8":  # other images must not get other networks
            check_is_fitted(self, "networks_")
            networks = self.networks_
        images = _images(X)
        if self.precision != "int8":
            networks = _at(networks, self.depth_ if hasattr(self, "depth_") else find_depth(images, self._settings()))
        return _readable(embed(images, networks, self._settings()), images)

    def _settings(self) -> EmbedOptions:
        return EmbedOptions(self.device, self.precision, self.cache, max_pixels=self.max_pixels)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return `<backbone>_<number>` for each column."""
        networks = _networks(self.backbone, self.crop_mode, self.cache)
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
    latter works in memory, and `save` refuses it. `class_weight`: None, "balanced" (every class counts the same, however many
    images it has, and probabilities are those of equally frequent classes), or a dict of weights by class. Copies of one
    picture are kept together when the head chooses its regularisation. Images that cannot be read raise `InputError`, all of
    them named.
    """

    def __init__(  # noqa: PLR0913  each is one of scikit-learn's parameters
        self,
        backbones: str | Sequence[str] = DEFAULT,
        head: Any = "logistic",
        *,
        class_weight: Any = None,
        crop_mode: str | None = None,
        device: str = "auto",
        precision: str = "auto",
        cache: str | bool | None = None,
        random_state: int = 0,
        max_pixels: int = MAX_PIXELS,
    ):
        self.backbones = backbones
        self.head = head
        self.class_weight = class_weight
        self.crop_mode = crop_mode
        self.device = device
        self.precision = precision
        self.cache = cache
        self.max_pixels = max_pixels
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Embed the images (what the cache has is reused) and fit the head.

        `groups` (n,): images of one group (patient, scene) are kept together by the head's inner folds. The order of the
        images is of no account: the head gets them sorted by their content. Raises `InputError` for images or labels that
        cannot be used, before anything is computed.
        """
        images = _images(X)
        classes, codes = np.unique(labels.class_labels(y, len(images)), return_inverse=True)
        own = labels.group_codes(groups, len(images))
        if len(classes) < 2:
            raise InputError(
                f"there is only one class, {str(classes[0])!r}; add images of another: a classifier needs two or more."
            )
        self.classes_ = classes
        weights = self._class_weight()
        networks = _networks(self.backbones, self.crop_mode, self.cache)
        networks = _at(networks, find_depth(images, self._settings()))
        done = embed(images, networks, self._settings(), thumbnails=True)
        features = _readable(done, images)
        rows = np.lexsort((*([] if own is None else [own]), codes, *done.digests.T[::-1]))  # (n,)
        features, codes, own = features[rows], codes[rows], None if own is None else own[rows]
        looks = done.thumbnails()
        looks = None if looks is None else looks[rows]
        together = audit.group(done.digests[rows], features, done.widths, own, looks).groups
        self.head_ = self._head(done.blocks, weights).fit(features, codes, groups=together)
        self.novelty_ = _novelty(features, codes, together, done.blocks)
        self.backbones_ = done.backbones
        self.precision_, self.engine_ = done.precision, done.engine
        self.prior_ = np.bincount(codes) / len(codes)  # (k,)
        self.seen_ = bundle.seen_digests(done.digests)
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return calibrated probabilities (n, k), columns in the order of `classes_`."""
        check_is_fitted(self, "head_")
        images = _images(X)
        features = _readable(embed(images, self.backbones_, self._settings()), images)
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
            widths=tuple(b.width for b in self.backbones_),
            head=self.head_.to_arrays(),
            prior=self.prior_,
            engine=self.engine_,
            precision=self.precision_,
            facts={"penult": version("penult"), "choice": {**self.head_.choice_, **self._told_weights()}},
            novelty=self.novelty_,
            seen=self.seen_,
        )
        bundle.save(path, model)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of the images X that get their class y, each counted `sample_weight` times."""
        from penult.heads.base import many_classes

        with many_classes():
            return float(super().score(X, y, sample_weight))

    def _head(self, blocks: tuple[int, ...], weights: Any) -> Any:
        if isinstance(self.head, str):
            return heads.make(self.head, blocks=blocks, class_weight=weights, random_state=self.random_state)
        if weights is None:
            return heads.wrap(self.head)
        return heads.wrap(clone(self.head)).set_params(class_weight=weights)

    def _class_weight(self) -> Any:
        """Return the class weights by class number, as the head is fitted on those. Raises `InputError` if they do not fit."""
        given = class_weights(self.class_weight, self.classes_, np.arange(len(self.classes_)))
        return dict(enumerate(given.tolist())) if isinstance(self.class_weight, Mapping) else self.class_weight

    def _told_weights(self) -> dict[str, Any]:
        return {} if self.class_weight is None else {"class_weight": plain_weights(self.class_weight)}

    def _settings(self) -> EmbedOptions:
        return EmbedOptions(self.device, self.precision, self.cache, max_pixels=self.max_pixels)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.no_validation = True
        return tags


@default_errors
def _novelty(X: NDArray[np.float32], codes: NDArray[np.intp], groups: NDArray[np.intp], blocks: tuple[int, ...]) -> Any:
    """Return what tells how unlike these rows (n, d) others are, or None where they are too few for folds."""
    try:
        fold = evaluate.outer_folds(codes, [str(c) for c in range(int(codes.max()) + 1)], groups)
    except InputError:
        return None
    return novelty.fit(X, codes, fold, blocks)[0]


def _networks(names: str | Sequence[str], crop_mode: str | None, cache: str | bool | None) -> tuple[Backbone, ...]:
    changes: dict[str, Any] = {} if crop_mode is None else {"crop_mode": crop_mode}
    several = [names] if isinstance(names, str) else list(names) if isinstance(names, Iterable) else []
    if not several or not all(isinstance(name, str) for name in several):
        raise InputError(f"the backbones are {names!r}; give the name of one network, or a list of names, such as 'lite'.")
    return tuple(zoo.find(n, cache=cache, **changes) for n in zoo.expand(several))


def _at(networks: tuple[Backbone, ...], depth: int) -> tuple[Backbone, ...]:
    """Return the networks for photos that use so many bits of 16-bit files (see `penult.pixels.Recipe`)."""
    return networks if depth == FULL_DEPTH else tuple(b.at_depth(depth) for b in networks)


def _images(X: Any) -> list[Any]:
    """Return X as a list of one image or more, as `pixels.image_list` does."""
    images = pixels.image_list(X)
    if not images:
        raise InputError("there are no images: found array with 0 samples; give a list of one image or more.")
    return images


def _readable(done: Embedding, images: Sequence[Any]) -> NDArray[np.float32]:
    """Return the features; scikit-learn's contract has no place for a missing row, so an unreadable image raises."""
    if done.failures:
        bad = [f"{pixels.image_name(i, images[i])} ({f.reason})" for i, f in sorted(done.failures.items())]
        more = f" and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
        count, them = ("1 image", "it") if len(bad) == 1 else (f"{len(bad)} images", "them")
        why = summarize_failures(done.failures.values())
        raise InputError(f"{count} cannot be read: {', '.join(bad[:_SHOWN])}{more}; leave {them} out, or mend {them}: {why}.")
    return done.features()
