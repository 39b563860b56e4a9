"""A loaded model at work: images, their bytes or their features in, answers out.

Features are computed as in training (`embed`), so what is served is what was measured. An unreadable image gets
its reason and no class; it never gets another image's answer.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from penult import bundle, pixels, runs, store
from penult.arrays import default_errors
from penult.bundle import Bundle
from penult.decision import facts_at_prior
from penult.embed import Embedding, EmbedOptions, EnginePool, embed
from penult.errors import DamagedFile, InputError, ProgressCallback, quiet
from penult.heads import novelty, scorer
from penult.heads.prior import reweigh
from penult.i18n import _
from penult.pixels import Failure, FileContent
from penult.predict.answers import Predictions
from penult.predict.drift_sample import DriftSample

if TYPE_CHECKING:
    from penult.evaluate.drift import Drift
    from penult.evaluate.prior_shift import PriorEstimate

log = logging.getLogger(__name__)

SAME = 1e-3  # how far a self-test probability may be off at the precision of training
PART_NUMBERS = 1 << 24  # of feature rows in memory at a time: 64 MiB
LEAST_PART, LARGEST_PART = 500, 10_000  # photos: with fewer at a time decoders wait for each other, with more names add up
NEAR = 5e-2  # and at another precision than that of training


class Predictor:
    """A loaded model at work; `load_model` opens one.

    Parameters
    ----------
    model : Bundle
        What a model file holds.
    settings : EmbedOptions, optional
        Where and how features are computed; by default as at training, as far as this machine can.
    check : bool, default True
        Whether the model's self-test (drawn pictures and their probabilities) is computed before the first answer.

    Raises
    ------
    DamagedFile
        This machine does not reproduce the self-test (from the first `predict`).

    Examples
    --------
    >>> import penult
    >>> model = penult.load_model("cats")
    >>> answers = model.predict(["cat.jpg"])
    >>> answers.proba.shape
    (1, 2)
    >>> [answer.label for answer in answers]
    ['cat']
    """

    def __init__(self, model: Bundle, settings: EmbedOptions | None = None, check: bool = True):
        self.bundle = self._model = model
        asked = settings or EmbedOptions()
        precision = bundle.precision_here(model, asked.precision, asked.device)
        self.settings = replace(asked, precision=precision, cache_optional=True)  # a cache only saves time here
        self._score = scorer(model.head.kind, model.head.arrays, model.head.facts)
        self._novelty = None if model.novelty is None else novelty.reference(model.novelty.arrays, model.novelty.facts)
        self._checked = not check
        self._pool: EnginePool | None = None
        self._prior: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None  # (k,) of the model, and asked for
        self._sample: DriftSample | None = None

    def use_prior(self, prior: NDArray[np.float64]) -> None:
        """Answer from now on for other class shares than those of the model.

        Parameters
        ----------
        prior : array (k,)
            How frequent each class is where the model is used. An unreadable image gets these shares.

        Raises
        ------
        InputError
            For a model with several labels a photo.
        """
        if self._model.task == "labels":
            raise InputError(
                _("class shares are of one class a photo, and this model gives several labels; leave --prior out.")
            )
        old = bundle.held_prior(self._model)
        self._prior = old, prior
        facts = facts_at_prior(self._model.facts, old, prior)
        facts |= {"prior": prior.tolist(), "training_prior": bundle.training_prior(self._model).tolist()}
        self.bundle = replace(self._model, prior=prior, facts=facts)

    @default_errors
    def predict(self, sources: Any, ids: Sequence[str] | None = None, progress: ProgressCallback = quiet) -> Predictions:
        """Classify images.

        Parameters
        ----------
        sources : path, penult.FileContent, array, Pillow image, or a sequence of them (n)
            Arrays are uint8 (h, w, 3) or (h, w); one image alone is a list of one.
        ids : sequence of str (n), optional
            Names of the images; their paths by default.
        progress : callable, optional
            Called with the step, how much of it is done, and of how much.

        Returns
        -------
        Predictions
            One row an image, in order; an image that cannot be read has its reason there and no class, and its row of `proba`
            the class frequencies of the training set.

        Raises
        ------
        InputError
            Something is no image, or the model was trained from feature files.
        """
        self.check_networks()
        return self._predict(pixels.image_list(sources), ids, progress)

    @default_errors
    def predict_bytes(self, photos: bytes | Sequence[bytes], ids: Sequence[str] | None = None) -> Predictions:
        """Classify photos that are in memory: the content of image files, such as came over a network.

        Parameters
        ----------
        photos : bytes, or a sequence of them (n)
            What stands in the files: JPEG, PNG and the other formats that are read.
        ids : sequence of str (n), optional
            Names of the photos; their places by default.

        Returns
        -------
        Predictions
            As `predict` gives for the same files; it takes them too, as `penult.FileContent`. Each call starts a decoding
            process; a service that gets photos one by one takes `penult.predict.online.OnlinePredictor`, whose processes stay.

        Raises
        ------
        InputError
            Something is not bytes, or the model was trained from feature files.

        Examples
        --------
        >>> import penult
        >>> model = penult.load_model("cats")
        >>> with open("cat.jpg", "rb") as file:
        ...     answers = model.predict_bytes(file.read())
        >>> [answer.label for answer in answers]
        ['cat']
        """
        self.check_networks()
        one = isinstance(photos, bytes | bytearray | memoryview)
        contents: Sequence[Any] = [photos] if one else photos
        return self._predict([FileContent(content) for content in contents], ids, quiet)

    @default_errors
    def predict_parts(
        self, images: Iterable[tuple[str, Any]], total: int = 0, progress: ProgressCallback = quiet
    ) -> Iterator[Predictions]:
        """Classify any number of images, some hundreds or thousands at a time, so that few are in memory.

        Parameters
        ----------
        images : iterable of (str, source)
            Names, and what `predict` takes.
        total : int, optional
            How many there are, for the progress that is shown.
        progress : callable, optional
            As of `predict`.

        Yields
        ------
        Predictions
            The answers for the next images, in order. How many of all may be unreadable is the caller's to say.

        Raises
        ------
        InputError
            Something is no image, or the model was trained from feature files.

        Examples
        --------
        >>> import penult
        >>> model = penult.load_model("cats")
        >>> parts = model.predict_parts(("cat", "cat.jpg") for _ in range(3))
        >>> [answer.label for part in parts for answer in part]
        ['cat', 'cat', 'cat']
        """
        self.check_networks()
        step = max(LEAST_PART, min(LARGEST_PART, PART_NUMBERS // sum(self.bundle.widths)))
        rest, before = iter(images), 0
        while part := list(islice(rest, step)):
            sources = pixels.image_list([source for _, source in part])
            shown = _beyond(progress, before, max(total, before + len(part)))
            done = embed(sources, self.bundle.backbones, self.settings, shown, pool=self._engines())
            before += len(part)
            yield self.from_embedding(done, [name for name, _ in part])

    def check_networks(self) -> None:
        """Raise `InputError` where the model has no network to see photos with."""
        if not self.bundle.backbones:
            raise InputError(
                _(
                    "this model was trained from feature files and has no network in it; give it features of "
                    "the widths {widths} (penult predict MODEL --features FILE.h5), or train from images.",
                    widths=list(self.bundle.widths),
                )
            )

    def _predict(self, images: Sequence[Any], ids: Sequence[str] | None, progress: ProgressCallback) -> Predictions:
        names = [pixels.image_name(i, image) for i, image in enumerate(images)] if ids is None else list(ids)
        if len(names) != len(images):
            raise InputError(
                _("{images} images but {ids} ids; give one id for each image.", images=len(images), ids=len(names))
            )
        done = embed(images, self.bundle.backbones, self.settings, progress, pool=self._engines())
        self.settings.tolerance.check_failures(names, done.failures)
        return self.from_embedding(done, names)

    def predict_features(self, paths: Sequence[str]) -> Predictions:
        """Return the answers for the rows of feature files.

        Parameters
        ----------
        paths : sequence of str
            HDF5 files, one for each network of the model.

        Returns
        -------
        Predictions
            Of the data set `test` where there is one, else of `train`.

        Raises
        ------
        InputError
            A file cannot be used, or has features of another width.
        """
        runs.check_features(paths)
        read = store.read_features(paths)
        X, files = (read.X, read.files) if read.X_test is None else (read.X_test, read.test_files)
        ids = tuple(files) if files else tuple(str(i) for i in range(len(X)))
        return Predictions.of(self.bundle, ids, self.score(X), {}, self.novelty(X))

    def from_embedding(self, done: Embedding, ids: Sequence[str]) -> Predictions:
        """Return the answers for images that are embedded already, the class prior where there are no features."""
        self.check(done.engine, done.compute.precision)
        X = done.features() if done.ok.any() else np.zeros((0, sum(self.bundle.widths)), np.float32)  # (n_ok, d)
        if self.bundle.seen is None:
            return self.from_rows(X, ids, done.failures)
        known = bundle.were_seen(done.digests, self.bundle.seen) & done.ok
        return self.from_rows(X, ids, done.failures, known)

    def from_rows(
        self,
        X: NDArray[np.float32],
        ids: Sequence[str],
        failures: Mapping[int, Failure],
        known: NDArray[np.bool_] | None = None,
    ) -> Predictions:
        """Return the answers for photos (n) of which those without a failure have features, X (n_ok, d), in order.

        `known` (n,): which of them are training photos, None where that is not known.
        """
        ok = np.array([i not in failures for i in range(len(ids))], bool)  # (n,)
        proba = np.tile(self.bundle.prior, (len(ids), 1))  # (n, k)
        unlike = np.full(len(ids), np.nan)  # (n,)
        if ok.any():
            proba[ok], unlike[ok] = self.score(X, watched=known is None or ~known[ok]), self.novelty(X)
        return replace(Predictions.of(self.bundle, ids, proba, failures, unlike), in_training=known)

    def score(self, X: NDArray[np.float32], watched: bool | NDArray[np.bool_] = True) -> NDArray[np.float64]:
        """Return the probabilities (n, k) of feature rows (n, d), which are `watched` for drift, all or some (n,), where they
        are of new photos.

        Raises `InputError` for another width.
        """
        width = sum(self.bundle.widths)
        if X.ndim != 2 or X.shape[1] != width:
            raise InputError(
                _(
                    "these features have the shape {shape}, the model needs (n, {width}); give features of its networks.",
                    shape=X.shape,
                    width=width,
                )
            )
        with np.errstate(all="ignore"):  # told below
            proba = self._score(X)
        if not np.isfinite(proba).all():
            raise DamagedFile(_("the head of this model gives answers that are not numbers; train again."))
        if self._sample is not None and watched is not False:
            self._sample.add(X, proba, None if watched is True else watched)
        return proba if self._prior is None else reweigh(proba, *self._prior)

    @default_errors
    def novelty(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return how unlike the training photos rows (n, d) are, (n,): above 1 is very; NaN where the model cannot tell."""
        return np.full(len(X), np.nan) if self._novelty is None else self._novelty(X)

    def nothing(self) -> Predictions:
        """Return the answers for no image: they have the model's classes and what else it says of an image."""
        return Predictions.of(self.bundle, (), np.zeros((0, len(self.bundle.classes))), {})

    def _engines(self) -> EnginePool:
        """Return the engines, which stay open as long as this predictor does."""
        if self._pool is None:
            self._pool = EnginePool(self.settings.compute(self.bundle.backbones), self.settings.folder)
        return self._pool

    def watch_drift(self) -> None:
        """Keep a sample of the photos that are answered from now on, for `drift`."""
        self._sample = DriftSample(self._model)

    def drift(self) -> Drift:
        """Return whether the photos since `watch_drift` are of the same kind as the training photos.

        Returns
        -------
        Drift
            `found`, and its `meaning` in plain words; not `tested` where `watch_drift` was not called, the photos are too few,
            or the model keeps nothing to compare them with.

        Examples
        --------
        >>> import penult
        >>> model = penult.load_model("cats")
        >>> model.watch_drift()
        >>> answers = model.predict(["cat.jpg"])
        >>> model.drift().meaning
        'Drift was not tested: 1 different photo where 20 are the least.'
        """
        return (self._sample or DriftSample(self._model)).drift(None if self._prior is None else self._prior[1])

    def estimate_prior(self) -> PriorEstimate:
        """Return the class shares of the photos since `watch_drift`, estimated from their answers, for `use_prior`.

        Returns
        -------
        PriorEstimate
            The shares (k,) with their 95% intervals.

        Raises
        ------
        InputError
            They cannot be told: too few photos, classes that the model does not tell apart, photos of another kind.
        """
        return (self._sample or DriftSample(self._model)).estimate_prior()

    def close(self) -> None:
        """Give the engines back."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def check(self, engine: str, precision: str) -> None:
        """Run the samples that came with the model, once, and compare with what they gave where it was trained."""
        pictures = self.unchecked()
        if pictures:
            settings = EmbedOptions(self.settings.device, precision, cache=False, workers=0)
            done = embed(pictures, self.bundle.backbones, settings, pool=self._engines())
            self.compare(self.score(done.features(), watched=False), engine, precision)

    def unchecked(self) -> list[NDArray[np.uint8]]:
        """Return the samples that came with the model, uint8 (h, w, 3) each; none where they were compared already."""
        samples = self.bundle.selftest
        return [] if self._checked or not samples or not self.bundle.backbones else list(samples["images"])

    def compare(self, proba: NDArray[np.float64], engine: str, precision: str, rounding: float = SAME) -> None:
        """Hold the probabilities (m, k) that the samples have here against those at training. Raises `DamagedFile`.

        `rounding`: how far off they may be on the machine of training.
        """
        self._checked = True
        if self._prior is not None:  # the samples were answered for the shares of the model
            proba = reweigh(proba, self._prior[1], self._prior[0])
        off = float(np.abs(proba - self.bundle.selftest["proba"]).max())
        here, there = f"{engine}, {precision}", f"{self.bundle.engine}, {self.bundle.precision}"
        # In f32 all engines agree; below it two engines do not, and neither do two kinds of GPU.
        same = precision == self.bundle.precision == "f32" or (here == there and engine != "onnxruntime")
        progress = log.info if here == there else log.warning
        progress("self-test (%s; trained with %s): probabilities within %.2g of those at training", here, there, off)
        if self.bundle.engine == "torch":
            log.warning(
                "this model was trained on a GPU by torch, which penult no longer computes with; OpenVINO serves it on a "
                "processor (f32, or bf16 where it has that), ONNX Runtime on a GPU (f16, f32), here %s",
                here,
            )
        if not off <= (rounding if same else NEAR):  # a NaN is not
            if self.bundle.precision == "int8":
                raise DamagedFile(
                    _(
                        "the model's own samples give other answers on this machine than where it was trained (off by "
                        "{off:.2g} with {here}; it was trained with {there}); train again here.",
                        off=off, here=here, there=there,
                    )
                )  # fmt: skip
            raise DamagedFile(
                _(
                    "the model's own samples give other answers on this machine than where it was trained (off by {off:.2g} "
                    "with {here}; it was trained with {there}); run `penult predict` with `--precision f32`, or train again "
                    "here.",
                    off=off, here=here, there=there,
                )
            )  # fmt: skip


def _beyond(progress: ProgressCallback, before: int, total: int) -> ProgressCallback:
    """Return the progress of images of which so many went before."""
    return lambda step, done, _total: progress(step, before + done, total)
