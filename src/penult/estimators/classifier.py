"""`TransferClassifier`: classes or labels of images, as a classifier of scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from penult import bundle, evaluate, pixels, zoo
from penult.backbones import Backbone
from penult.embed import at_depth, embed
from penult.errors import InputError
from penult.estimators import inputs
from penult.fit import build_head, group_copies, head_for_labels, label_columns, learn, learn_labels, to_bundle
from penult.heads.given_labels import class_labels, group_codes
from penult.heads.weights import row_weights
from penult.i18n import _
from penult.pixels import MAX_PIXELS
from penult.progress import progress_bar


class TransferClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classify images by a calibrated head on frozen backbones.

    Parameters
    ----------
    backbones : str or list of str, default="default"
        Names of networks whose features are concatenated: built in, of timm (``timm:NAME``) or Keras (``keras:NAME``), an
        ONNX file, or a preset. See `penult.list_backbones`.
    head : str or scikit-learn classifier, default="blend"
        "blend" (the average of "logistic" and "lda"), "blend3" (of these and an rbf "svm"), "logistic", "svm", "knn",
        "centroid", "lda", "dense", or "auto" for the best of all but "blend3" and "dense"; any other classifier works in
        memory, and `save` refuses it.
    class_weight : {None, "balanced"} or dict, default=None
        "balanced" lets every class count the same, however many images it has: probabilities are then those of equally
        frequent classes. A dict has weights by class.
    random_state : int, default=0
        Seed of the folds by which the head chooses its settings.
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

    Attributes
    ----------
    classes_ : array (k,)
        The classes, or the labels.
    head_ : Head
        The fitted head.
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

    @inputs.former_names(cache="cache_dir")
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
            The images (n); also a generator, or a data set of torchvision or Hugging Face.
        y : labels (n,), or which of several labels each image has (n, L)
            A matrix or data frame of 0, 1, and NaN where it is not known, learns one calibrated logistic regression a label.
            None takes those of a data set of pairs (image, label) or of records, by name where it has names for them.
        groups : array (n,), default=None
            Images of one group (patient, scene) are kept in one fold.
        sample_weight : array (n,), default=None
            How many images each counts for: 2 is as good as a second copy of it, 0 leaves it out.

        Returns
        -------
        TransferClassifier
            The classifier itself, fitted.

        Raises
        ------
        InputError
            For images or labels that cannot be used; for labels before anything is computed.
        """
        images = inputs.images(X)
        y = pixels.dataset_labels(X) if y is None else y
        weight = row_weights(sample_weight, len(images))
        if (several := label_columns(y, len(images))) is not None:
            return self._fit_labels(images, *several, group_codes(groups, len(images)), weight)
        classes, codes = np.unique(class_labels(y, len(images)), return_inverse=True)
        own = group_codes(groups, len(images))
        if len(classes) < 2:
            raise InputError(
                _(
                    "there is only one class, {classes!r}; add images of another: a classifier needs two or more.",
                    classes=str(classes[0]),
                )
            )
        self.classes_ = classes
        if weight is not None and not (of_classes := np.bincount(codes, weight, len(classes))).all():
            name = str(classes[of_classes.argmin()])
            raise InputError(
                _("every image of the class {name!r} has the weight 0; give some a weight, or leave them out.", name=name)
            )
        networks = inputs.networks(self)
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
        networks = inputs.networks(self)
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
            networks = at_depth(networks, images, inputs.options(self), progress)
            done = embed(images, networks, inputs.options(self), progress, thumbnails=True)
        features = inputs.readable(done, images)
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
        """Return calibrated probabilities.

        Parameters
        ----------
        X : list of paths, arrays, ...
            Images, as for `fit`.

        Returns
        -------
        array (n, k)
            Columns in the order of `classes_`.

        Raises
        ------
        InputError
            An image cannot be read: it has no answer.
        """
        check_is_fitted(self, "head_")
        images = inputs.images(X)
        with progress_bar(self.verbose) as progress:
            features = inputs.readable(embed(images, self.backbones_, inputs.options(self), progress), images)
        return np.asarray(self.head_.predict_proba(features))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each image.

        Parameters
        ----------
        X : list of paths, arrays, ...
            Images, as for `fit`.

        Returns
        -------
        array (n,)
            The classes; of several labels an image 1 where one is given, (n, L).

        Raises
        ------
        InputError
            An image cannot be read: it has no answer.
        """
        check_is_fitted(self, "head_")
        if self.thresholds_ is not None:
            return (self.predict_proba(X) >= self.thresholds_).astype(np.intp)
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def save(self, path: str | Path) -> None:
        """Write a model file that `penult predict` and `penult.load_model` read.

        Parameters
        ----------
        path : str or Path
            Where, usually ``NAME.penult``.

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
        """Return the share of the images that get their class.

        Parameters
        ----------
        X : list of paths, arrays, ...
            Images, as for `fit`.
        y : array (n,) or (n, L)
            Their classes, or which labels they have.
        sample_weight : array (n,), default=None
            How often each counts.

        Returns
        -------
        float
            Of several labels the share that gets all its labels and no other, as scikit-learn counts it.
        """
        from penult.heads.contexts import many_classes

        y = np.asarray(y).astype(np.intp) if self.thresholds_ is not None else y
        with many_classes():
            return float(super().score(X, y, sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.no_validation = True
        return tags
