"""penult as scikit-learn knows it: `Embedder` is a transformer, `TransferClassifier` a classifier; X is a list of images.

An image is a path, a uint8 array (h, w, 3), or a Pillow image; one image alone is a list of one; a data set of `torchvision`
or of Hugging Face is its images. Both can be cloned, pickled and put into pipelines; nothing is loaded before `fit` or
`transform`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from penult import bundle, evaluate, pixels, quantize, zoo
from penult.backbones import Backbone
from penult.embed import Embedding, EmbedOptions, embed, find_depth
from penult.errors import InputError
from penult.fit import build_head, group_copies, head_for_labels, label_columns, learn, learn_labels, to_bundle
from penult.heads.task import class_labels, group_codes
from penult.heads.weights import row_weights
from penult.pixels import FULL_DEPTH, MAX_PIXELS, summarize_failures, views_to_crop_mode
from penult.progress import progress_bar

_SHOWN = 5


def _also(**old: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Let a constructor take parameters by their former names, which neither its signature nor `get_params` shows."""

    def decorated(init: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(init)
        def accepting(self: Any, *args: Any, **given: Any) -> None:
            init(self, *args, **{old.get(name, name): value for name, value in given.items()})

        return accepting

    return decorated


class Embedder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Extract features: a transformer from images to rows of numbers.

    Parameters
    ----------
    backbones : str or list of str, default="default"
        Names of networks whose features are concatenated: built in, of timm (``timm:NAME``) or Keras (``keras:NAME``), an
        ONNX file, or a preset. See `penult.list_backbones`.
    crop_mode : {"crop", "squash", "crop+squash", ...}, default=None
        How a picture becomes square: cut from its middle, or squeezed; None is what each network was trained with.
    views : {1, 2, 4}, default=1
        How many pictures of each photo a network sees, whose features are averaged: 2 are "crop+squash", 4 those and their
        mirror images.
    pooling : {"mean", "mean+max", "stages"}, default=None
        How feature maps become features; None is each network's own.
    recipe : dict, default=None
        The preprocessing of ONNX files without a recipe beside them, such as ``{"size": 224, "crop": 0.875}``.
    device : {"auto", "cpu", "cuda", "coreml", "dml"}, default="auto"
        What computes the networks.
    precision : {"auto", "f32", "bf16", "f16", "int8"}, default="auto"
        In what precision. With "int8", `fit` quantizes the networks with some of the images.
    cache_dir : str, path or False, default=None
        The folder of the feature cache; None is the user's cache folder, False keeps features in memory only.
    max_pixels : int
        Larger pictures are not read.
    verbose : bool, default=False
        Show progress in a terminal or a notebook.

    Notes
    -----
    `fit` learns nothing, except with the precision "int8", and how many bits photos in 16-bit files use (without `fit` each
    `transform` finds that out for itself).

    Examples
    --------
    >>> from penult import Embedder
    >>> Embedder("colour_histogram").fit_transform(["cat.jpg", "dog.jpg"]).shape
    (2, 112)
    """

    @_also(backbone="backbones", cache="cache_dir")
    def __init__(  # noqa: PLR0913  each is one of scikit-learn's parameters
        self,
        backbones: str | Sequence[str] = zoo.DEFAULT,
        *,
        crop_mode: str | None = None,
        views: int = 1,
        device: str = "auto",
        precision: str = "auto",
        cache_dir: str | Path | bool | None = None,
        max_pixels: int = MAX_PIXELS,
        pooling: str | None = None,
        recipe: Mapping[str, Any] | None = None,
        verbose: bool = False,
    ):
        self.backbones = backbones
        self.crop_mode = crop_mode
        self.views = views
        self.device = device
        self.precision = precision
        self.cache_dir = cache_dir
        self.max_pixels = max_pixels
        self.pooling = pooling
        self.recipe = recipe
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the names of the backbones; see the notes of the class for what is learnt.

        Parameters
        ----------
        X : list of paths, contents of files (`penult.FileContent`), arrays (h, w, 3) or Pillow images
        y : ignored

        Raises
        ------
        InputError
            For images that cannot be read, all of them named, and for what is not an image.
        """
        images = _images(X)
        networks = _networks(self)
        self.depth_ = find_depth(images, _options(self))
        if self.precision == "int8":
            self.networks_ = quantize.in_int8(_at(networks, self.depth_), images, _options(self).folder)
        return self

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> NDArray[np.float32]:
        """Do both with the same images, of which a generator can give each only once."""
        images = _images(X) if isinstance(X, Iterator) else X
        return np.asarray(super().fit_transform(images, y, **fit_params))

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Return one row per image, in order: (n, d), d the sum of the backbones' widths. Raises as `fit` does."""
        networks = _networks(self)
        if self.precision == "int8":  # other images must not get other networks
            check_is_fitted(self, "networks_")
            networks = self.networks_
        images = _images(X)
        if self.precision != "int8":
            networks = _at(networks, self.depth_ if hasattr(self, "depth_") else find_depth(images, _options(self)))
        with progress_bar(self.verbose) as progress:
            return _readable(embed(images, networks, _options(self), progress), images)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return `<backbone>_<number>` for each column."""
        return np.array([f"{b.name}_{i}" for b in _networks(self) for i in range(b.width)], object)

    def __sklearn_is_fitted__(self) -> bool:
        return self.precision != "int8" or hasattr(self, "networks_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = self.precision == "int8"
        tags.no_validation = True
        return tags


class TransferClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classify images by a calibrated head on frozen backbones.

    Parameters
    ----------
    backbones, crop_mode, views, pooling, recipe, device, precision, cache_dir, max_pixels, verbose
        As for `Embedder`.
    head : str or scikit-learn classifier, default="blend"
        "blend" (the average of "logistic" and "lda"), "blend3" (of these and an rbf "svm"), "logistic", "svm", "knn",
        "centroid", "lda", "dense", or "auto" for the best of all but "blend3" and "dense"; any other classifier works in
        memory, and `save` refuses it.
    class_weight : {None, "balanced"} or dict, default=None
        "balanced" lets every class count the same, however many images it has: probabilities are then those of equally
        frequent classes. A dict has weights by class.
    random_state : int, default=0
        Seed of the folds by which the head chooses its settings.

    Attributes
    ----------
    classes_ : array (k,)
        The classes, or the labels.
    head_ : the fitted head
    thresholds_ : array (L,) or None
        From which probability on each label is given, where an image has any number of them.

    Notes
    -----
    Copies of one picture are kept in one fold. The order of the images does not matter: the head gets them sorted by content.

    Examples
    --------
    >>> from penult import TransferClassifier
    >>> model = TransferClassifier("colour_histogram").fit(paths, labels)
    >>> model.predict(["cat.jpg", "dog.jpg"]).tolist()
    ['cat', 'dog']
    >>> model.save("cats.penult")
    """

    @_also(cache="cache_dir")
    def __init__(  # noqa: PLR0913  each is one of scikit-learn's parameters
        self,
        backbones: str | Sequence[str] = zoo.DEFAULT,
        head: Any = "blend",
        *,
        class_weight: Any = None,
        crop_mode: str | None = None,
        views: int = 1,
        device: str = "auto",
        precision: str = "auto",
        cache_dir: str | Path | bool | None = None,
        random_state: int = 0,
        max_pixels: int = MAX_PIXELS,
        pooling: str | None = None,
        recipe: Mapping[str, Any] | None = None,
        verbose: bool = False,
    ):
        self.backbones = backbones
        self.head = head
        self.class_weight = class_weight
        self.crop_mode = crop_mode
        self.views = views
        self.device = device
        self.precision = precision
        self.cache_dir = cache_dir
        self.random_state = random_state
        self.max_pixels = max_pixels
        self.pooling = pooling
        self.recipe = recipe
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None, groups: Any = None, sample_weight: Any = None) -> Self:
        """Extract features (those in the cache are reused) and fit the head.

        Parameters
        ----------
        X : list of paths, contents of files (`penult.FileContent`), arrays (h, w, 3) or Pillow images
        y : labels (n,), or which of several labels each image has (n, L)
            A matrix or data frame of 0, 1, and NaN where it is not known, learns one calibrated logistic regression a label.
            None takes those of a data set of pairs (image, label) or of records, by name where it has names for them.
        groups : array (n,), default=None
            Images of one group (patient, scene) are kept in one fold.
        sample_weight : array (n,), default=None
            How many images each counts for: 2 is as good as a second copy of it, 0 leaves it out.

        Raises
        ------
        InputError
            For images or labels that cannot be used; for labels before anything is computed.
        """
        images = _images(X)
        y = pixels.dataset_labels(X) if y is None else y
        weight = row_weights(sample_weight, len(images))
        if (several := label_columns(y, len(images))) is not None:
            return self._fit_labels(images, *several, group_codes(groups, len(images)), weight)
        classes, codes = np.unique(class_labels(y, len(images)), return_inverse=True)
        own = group_codes(groups, len(images))
        if len(classes) < 2:
            raise InputError(
                f"there is only one class, {str(classes[0])!r}; add images of another: a classifier needs two or more."
            )
        self.classes_ = classes
        if weight is not None and not (of_classes := np.bincount(codes, weight, len(classes))).all():
            name = str(classes[of_classes.argmin()])
            raise InputError(f"every image of the class {name!r} has the weight 0; give some a weight, or leave them out.")
        networks = _networks(self)
        blocks = sum((b.blocks for b in networks), ())
        head = build_head(self.head, classes, blocks, self.class_weight, self.random_state)
        rows, X, together = self._embedded(images, networks, (codes,), own, weight)
        y, weight = codes[rows], None if weight is None else weight[rows]
        self.fitted_ = learn(head, X, y, together, blocks, seed=self.random_state, sample_weight=weight)
        self.reference_ = self.fitted_.reference(y, None, together)
        self.thresholds_: NDArray[np.float64] | None = None
        self.head_, self.prior_ = self.fitted_.head, self.fitted_.prior
        return self

    def _fit_labels(
        self,
        images: Sequence[Any],
        names: tuple[str, ...],
        Y: NDArray[np.float32],  # (n, L)
        own: NDArray[np.intp] | None,
        weight: NDArray[np.float64] | None,
    ) -> Self:
        """Fit photos with any number of labels, and choose the threshold of each by the folds of the head."""
        networks = _networks(self)
        blocks = sum((b.blocks for b in networks), ())
        head = head_for_labels(self.head, blocks, self.class_weight, self.random_state)
        rows, X, together = self._embedded(images, networks, tuple(np.nan_to_num(Y, nan=2).T), own, weight)
        Y, weight = Y[rows], None if weight is None else weight[rows]
        self.classes_ = np.array(names)
        self.fitted_ = learn_labels(head, X, Y, together, blocks, seed=self.random_state, sample_weight=weight)
        self.head_, self.prior_ = self.fitted_.head, self.fitted_.prior
        held = self.head_.cv_proba_
        self.reference_ = self.fitted_.reference(np.zeros(len(Y), np.intp), None, together)
        self.thresholds_ = np.full(len(names), 0.5)
        if held is not None:  # too few photos to hold any out
            measured = np.isfinite(held).all(axis=1)
            self.thresholds_ = evaluate.thresholds(Y[measured], held[measured])
        return self

    def _embedded(
        self,
        images: Sequence[Any],
        networks: tuple[Backbone, ...],
        labels: tuple[NDArray[Any], ...],  # (n,) each
        own: NDArray[np.intp] | None,
        weight: NDArray[np.float64] | None,
    ) -> tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.intp] | None]:
        """Return the order in which images are learnt (m,), their features in it, and what belongs together."""
        with progress_bar(self.verbose) as progress:
            depth = find_depth(images, _options(self), progress)
            done = embed(images, _at(networks, depth), _options(self), progress, thumbnails=True)
        features = _readable(done, images)
        rows = np.lexsort((*([] if own is None else [own]), *labels, *done.digests.T[::-1]))  # (n,)
        if weight is not None:  # what counts for nothing is not there
            rows = rows[weight[rows] > 0]
        X, own = features[rows], None if own is None else own[rows]
        thumbnails = done.thumbnails()
        thumbnails = None if thumbnails is None else thumbnails[rows]
        together, _ = group_copies(
            done.digests[rows], X, done.widths, own, thumbnails, pictures=lambda some: done.large_thumbnails(rows[some])
        )
        self.backbones_ = done.backbones
        self.precision_, self.engine_ = done.compute.precision, done.engine
        self.seen_ = bundle.seen_digests(done.digests)
        return rows, X, together

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return calibrated probabilities (n, k), columns in the order of `classes_`."""
        check_is_fitted(self, "head_")
        images = _images(X)
        with progress_bar(self.verbose) as progress:
            features = _readable(embed(images, self.backbones_, _options(self), progress), images)
        return np.asarray(self.head_.predict_proba(features))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each image: (n,); of several labels 1 where one is given, (n, L)."""
        check_is_fitted(self, "head_")
        if self.thresholds_ is not None:
            return (self.predict_proba(X) >= self.thresholds_).astype(np.intp)
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def save(self, path: str | Path) -> None:
        """Write a model file that `penult predict` and `penult.load_model` read.

        Raises
        ------
        InputError
            For a scikit-learn classifier that is not one of penult's heads.
        """
        check_is_fitted(self, "head_")
        names, widths = [str(c) for c in self.classes_], [b.width for b in self.backbones_]
        limits = self.thresholds_
        model = to_bundle(
            self.fitted_,
            names,
            widths,
            self.class_weight,
            None if limits is None else {"task": "labels", "thresholds": limits.tolist()},
            backbones=self.backbones_,
            seen=self.seen_,
            reference=self.reference_,
            engine=self.engine_,
            precision=self.precision_,
        )
        bundle.save_bundle(path, model)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of the images X that get their class y, each counted `sample_weight` times.

        Of several labels: the share that gets all its labels and no other, as scikit-learn counts it.
        """
        from penult.heads.contexts import many_classes

        y = np.asarray(y).astype(np.intp) if self.thresholds_ is not None else y
        with many_classes():
            return float(super().score(X, y, sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.no_validation = True
        return tags


def _options(estimator: Embedder | TransferClassifier) -> EmbedOptions:
    cache = None if estimator.cache_dir is True else estimator.cache_dir
    return EmbedOptions(estimator.device, estimator.precision, cache, max_pixels=estimator.max_pixels)


def _networks(estimator: Embedder | TransferClassifier) -> tuple[Backbone, ...]:
    names = estimator.backbones
    crop_mode = views_to_crop_mode(estimator.views, estimator.crop_mode)
    changes: dict[str, Any] = {} if crop_mode is None else {"crop_mode": crop_mode}
    several = [names] if isinstance(names, str) else list(names) if isinstance(names, Iterable) else []
    if not several or not all(isinstance(name, str) for name in several):
        raise InputError(f"the backbones are {names!r}; give the name of one network, or a list of names, such as 'lite'.")
    more = {"cache": estimator.cache_dir, "recipe": estimator.recipe, **changes}
    return tuple(zoo.find_backbone(n, estimator.pooling, **more) for n in zoo.expand(several))


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
        raise InputError(f"{count} cannot be read: {', '.join(bad[:_SHOWN])}{more}; leave {them} out, or fix {them}: {why}.")
    return done.features()
