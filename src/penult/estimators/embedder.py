"""`Embedder`: features of images, as a transformer of scikit-learn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from penult import quantize, zoo
from penult.backbones import Backbone
from penult.embed import embed, find_depth
from penult.estimators import inputs
from penult.pixels import FULL_DEPTH, MAX_PIXELS
from penult.progress import progress_bar


class Embedder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Extract features: a transformer from images to rows of numbers.

    Parameters
    ----------
    backbones : str or list of str, default="default"
        Names of networks whose features are concatenated: built in, of timm, of Keras (``keras:NAME``), of the
        Hugging Face hub (``hf:OWNER/NAME``), an ONNX file, or a preset. See `penult.list_backbones`.
    crop_mode : {"crop", "squash", "crop+squash", ...}, default=None
        How a picture becomes square: cut from its middle, or squeezed; None is what each network was trained with.
    views : {1, 2, 4}, default=1
        How many pictures of each photo a network sees, whose features are averaged: 2 are "crop+squash", 4 those and their
        mirror images.
    pooling : {"mean", "mean+max", "stages", "cls", "pooler"}, default=None
        How feature maps become features; None is each network's own. "cls" and "pooler" are for ``hf:`` networks.
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

    @inputs.former_names(backbone="backbones", cache="cache_dir")
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
            The images (n); also a generator, or a data set of torchvision or Hugging Face.
        y : None
            Ignored.

        Returns
        -------
        Embedder
            The transformer itself.

        Raises
        ------
        InputError
            For images that cannot be read, all of them named, and for what is not an image.
        """
        images = inputs.images(X)
        networks = inputs.networks(self)
        self.depth_ = find_depth(images, inputs.options(self))
        if self.precision == "int8":
            self.networks_ = quantize.in_int8(_with_depth(networks, self.depth_), images, inputs.options(self).folder)
        return self

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> NDArray[np.float32]:
        """Do both with the same images, of which a generator can give each only once.

        Parameters
        ----------
        X : list of paths, arrays, ...
            Images, as for `fit`.
        y : None
            Ignored.
        **fit_params
            Ignored.

        Returns
        -------
        array (n, d) float32
            One row an image, as `transform` gives them.
        """
        images = inputs.images(X) if isinstance(X, Iterator) else X
        return np.asarray(super().fit_transform(images, y, **fit_params))

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Return the features of images.

        Parameters
        ----------
        X : list of paths, arrays, ...
            Images, as for `fit`.

        Returns
        -------
        array (n, d) float32
            One row an image, in order; d is the sum of the backbones' widths.

        Raises
        ------
        InputError
            For images that cannot be read, all of them named, and for what is not an image.
        """
        networks = inputs.networks(self)
        if self.precision == "int8":  # other images must not get other networks
            check_is_fitted(self, "networks_")
            networks = self.networks_
        images = inputs.images(X)
        if self.precision != "int8":
            networks = _with_depth(
                networks, self.depth_ if hasattr(self, "depth_") else find_depth(images, inputs.options(self))
            )
        with progress_bar(self.verbose) as progress:
            return inputs.readable(embed(images, networks, inputs.options(self), progress), images)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the columns.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        array (d,) of str
            `<backbone>_<number>` for each.
        """
        return np.array([f"{b.name}_{i}" for b in inputs.networks(self) for i in range(b.width)], object)

    def __sklearn_is_fitted__(self) -> bool:
        return self.precision != "int8" or hasattr(self, "networks_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = self.precision == "int8"
        tags.no_validation = True
        return tags


def _with_depth(networks: tuple[Backbone, ...], depth: int) -> tuple[Backbone, ...]:
    """Return the networks for photos that use so many bits of 16-bit files (see `penult.pixels.Recipe`)."""
    return networks if depth == FULL_DEPTH else tuple(b.at_depth(depth) for b in networks)
