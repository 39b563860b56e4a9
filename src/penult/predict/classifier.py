"""A loaded model as scikit-learn knows it: a classifier that is fitted for good, and takes images as X.

scikit-learn itself is loaded only when it asks (`__sklearn_tags__`), so that prediction stays light.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from penult import pixels
from penult.embed import EmbedOptions
from penult.errors import InputError, ProgressCallback, quiet, unknown
from penult.i18n import _
from penult.predict.answers import Predictions
from penult.predict.predictor import Predictor
from penult.texts import count


class ModelClassifier(Predictor):
    """What `penult.load_model` returns: a `Predictor`, and a fitted scikit-learn classifier.

    It is frozen, as `sklearn.frozen.FrozenEstimator` is: `fit` learns nothing, and `clone` gives the model itself, so that
    `cross_val_score` measures this model on each fold, and `StackingClassifier` takes it with ``cv="prefit"``. It can be
    pickled, without its open engines.

    Parameters
    ----------
    model : Bundle
        What a model file holds.
    settings : EmbedOptions, optional
        Where and how features are computed; by default as at training, as far as this machine can.
    check : bool, default True
        Whether the model's self-test (drawn pictures and their probabilities) is computed before the first answer.

    Attributes
    ----------
    classes_ : array (k,)
        The classes, text, in the order of the columns of `predict_proba`.

    Examples
    --------
    >>> import penult
    >>> model = penult.load_model("cats")
    >>> model.predict(["cat.jpg"]).texts, model.predict_proba(["cat.jpg"]).shape
    (['cat'], (1, 2))
    >>> model.score(["cat.jpg", "dog.jpg"], ["cat", "dog"])
    1.0
    """

    _estimator_type = "classifier"

    @property
    def classes_(self) -> NDArray[Any]:
        """The classes, in the order of the columns of `predict_proba`."""
        return np.array(self.bundle.classes)

    def fit(self, X: Any = None, y: Any = None, **others: Any) -> Self:
        """Learn nothing: the model is fitted. `penult.train` or `TransferClassifier` make another.

        Parameters
        ----------
        X, y, **others
            Ignored.

        Returns
        -------
        ModelClassifier
            The model itself.
        """
        return self

    def predict(self, sources: Any, ids: Sequence[str] | None = None, progress: ProgressCallback = quiet) -> Predictions:
        """Classify images, as `Predictor.predict` does.

        Parameters
        ----------
        sources : path, penult.FileContent, array, Pillow image, or a sequence of them (n)
            A model that was trained from feature files takes rows of these features (n, d).
        ids : sequence of str (n), optional
            Names of the images; their paths by default.
        progress : callable, optional
            Called with the step, how much of it is done, and of how much.

        Returns
        -------
        Predictions
            numpy and scikit-learn take them as an array of labels (n,).

        Raises
        ------
        InputError
            Something is no image.
        """
        if self.bundle.backbones or getattr(sources, "ndim", 0) != 2:
            return super().predict(sources, ids, progress)
        X = np.asarray(sources, np.float32)
        names = tuple(str(i) for i in range(len(X))) if ids is None else tuple(ids)
        return Predictions.of(self.bundle, names, self.score(X), {}, self.novelty(X))

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return calibrated probabilities.

        Parameters
        ----------
        X : sequence (n)
            Images, as for `predict`.

        Returns
        -------
        array (n, k)
            Columns in the order of `classes_`.

        Raises
        ------
        InputError
            An image cannot be read: it has no answer.
        """
        answers = self.predict(X)
        if answers.failures:
            why = pixels.summarize_failures(answers.failures.values())
            first = answers.ids[min(answers.failures)]
            raise InputError(
                _(
                    "{images} of {n} cannot be read, such as {first!r}; leave them out, or fix them: {why}.",
                    images=count(len(answers.failures), "image"),
                    n=len(answers),
                    first=first,
                    why=why,
                )
            )
        return answers.proba

    def score(  # type: ignore[override]  # scikit-learn's place for the labels is the second
        self, X: Any, y: Any = None, sample_weight: Any = None, watched: Any = True
    ) -> Any:
        """Return the share of images that get their class.

        Parameters
        ----------
        X : sequence (n)
            Images, as for `predict`; without `y` rows of features.
        y : array (n,) or (n, L)
            Their classes; of several labels a photo which of them it has.
        sample_weight : array (n,), optional
            How often each counts.
        watched : bool or array (n,)
            As for `Predictor.score`, without `y`.

        Returns
        -------
        float
            Of several labels a photo the share of photos all of whose labels are right. Without `y` the probabilities (n, k),
            as of `Predictor.score`.
        """
        if y is None:
            return super().score(X, watched)
        answers = self.predict(X)
        given, truth = np.asarray(answers), np.asarray(y)
        if given.ndim == 2:
            right = (given == truth).all(axis=1)
        else:
            strange = sorted({str(one) for one in truth.tolist()} - set(self.bundle.classes))
            if strange:
                raise unknown("class", strange[0], self.bundle.classes)
            right = given == truth.astype(str)
        return float(np.average(right, weights=sample_weight))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return nothing: a fitted model has no settings to choose."""
        return {}

    def set_params(self, **params: Any) -> Self:
        """Refuse: a fitted model has no settings to choose. Raises `InputError`."""
        if params:
            raise InputError(
                _(
                    "a fitted model has no parameters to set, not {params} either; train another, with "
                    "penult.train or penult.TransferClassifier.",
                    params=", ".join(params),
                )
            )
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_clone__(self) -> Self:
        return self

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        several = self.bundle.task == "labels"
        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=False, multi_output=several),
            transformer_tags=None,
            regressor_tags=None,
            classifier_tags=ClassifierTags(multi_label=several),
            input_tags=InputTags(),
            requires_fit=False,
            no_validation=True,
        )

    def __getstate__(self) -> dict[str, Any]:
        return {"model": self._model, "settings": self.settings, "prior": None if self._prior is None else self._prior[1]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        settings: EmbedOptions = state["settings"]
        self.__init__(state["model"], settings)  # type: ignore[misc]
        if state["prior"] is not None:
            self.use_prior(state["prior"])

    def __repr__(self) -> str:
        names = ", ".join(b.name for b in self.bundle.backbones) or "features"
        return f"ModelClassifier({names}: {count(len(self.bundle.classes), 'class', 'classes')})"
