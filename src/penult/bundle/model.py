"""What a model file holds, as one record, and whether it fits itself.

A checksum tells of damage; `check` tells of a file that was made to be wrong: classes, networks, head, prior and self-test are
each looked at by what they say and beside the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from penult import engines
from penult.backbones import Backbone
from penult.decision import DecisionRule, PredictionSets
from penult.errors import InputError
from penult.heads import HeadState, novelty, scorer
from penult.heads.novelty import NoveltyReference
from penult.heads.prior import held_shares
from penult.heads.reference import TrainingReference, check_reference
from penult.i18n import N_, _

FORMAT = 1
Task = Literal["classes", "labels"]  # one class a photo, or any number of labels
SUMS, ABOUT = "SHA256SUMS", "bundle.json"
MOST_PHOTOS = 1_000_000  # photos, 8 MB; of more the smallest digests are kept: a sample that chance has drawn
_DIGEST = np.dtype("<u8")
_SAMPLES, _SIDE = 16, 4096  # pictures of a self-test, and their sides
_PRECISIONS = {"none", "f32", "bf16", "f16", "tf32", "int8"}
_CLOSE = 1e-6  # what the numbers of a distribution may add up to beside 1


@dataclass(frozen=True, slots=True)
class Bundle:
    """A trained classifier, complete, as a model file holds it; `penult.Predictor` puts it to work.

    Parameters
    ----------
    classes : tuple of str (k)
        The classes, in the order of all probabilities.
    backbones : tuple of Backbone
        The networks; empty for a model trained from feature files, which then predicts from features of the `widths`.
    widths : tuple of int
        The number of feature columns of each network.
    head : HeadState
        The fitted head as arrays and facts.
    prior : array (k,)
        The class frequencies of the training set, or of the place of use: what an unreadable image gets.
    engine : str
        What computed the features at training.
    precision : str
        In what precision.
    selftest : mapping of arrays
        Drawn pictures and the probabilities that are expected for them.
    facts : mapping
        What else is known of the training, as plain JSON values. `task` "labels" with `thresholds` (k) is a model of several
        labels a photo, with a probability each; without it a photo has one of the classes.
    novelty : NoveltyReference, optional
        Tells how unlike the training photos an image is.
    seen : array of uint64 (m,), optional
        Beginnings of the digests of the training photos; None in a model that was saved without them, or trained from
        feature files.
    reference : TrainingReference, optional
        What new photos are compared with to tell whether they are of another kind (drift).

    Examples
    --------
    >>> import penult
    >>> model = penult.load_model("cats").bundle
    >>> model.classes, model.widths, model.task
    (('cat', 'dog'), (112,), 'classes')
    """

    classes: tuple[str, ...]
    backbones: tuple[Backbone, ...]
    widths: tuple[int, ...]
    head: HeadState
    prior: NDArray[np.float64]  # (k,)
    engine: str = "none"
    precision: str = "none"
    selftest: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    novelty: NoveltyReference | None = None
    seen: NDArray[np.uint64] | None = None  # (m,)
    reference: TrainingReference | None = None

    @property
    def task(self) -> Task:
        """Whether a photo has one of the classes, or any number of them as labels."""
        return "labels" if self.facts.get("task") == "labels" else "classes"

    @property
    def thresholds(self) -> NDArray[np.float64] | None:
        """From which probability on each label is given (k,); None where a photo has one class."""
        return np.asarray(self.facts["thresholds"], np.float64) if self.task == "labels" else None

    @property
    def named_thresholds(self) -> dict[str, float]:
        """The threshold of each label by its name; empty where a photo has one class."""
        limits = self.thresholds
        return {} if limits is None else dict(zip(self.classes, limits.tolist(), strict=True))


def held_prior(model: Bundle) -> NDArray[np.float64]:
    """Return the class shares (k,) that the model's probabilities hold for.

    Those that were asked for at training, or those of the training photos; with class weights these count by their weight.
    """
    if "prior" in model.facts:
        return np.asarray(model.facts["prior"], np.float64)
    choice = model.facts.get("choice", {})
    weights = choice.get("class_weight") if isinstance(choice, Mapping) else None
    return held_shares(model.prior, weights, model.classes)


def training_prior(model: Bundle) -> NDArray[np.float64]:
    """Return the class shares (k,) of the training photos, whatever the shares are that the model answers for."""
    return np.asarray(model.facts.get("training_prior", model.prior), np.float64)


def decision_of(model: Bundle) -> tuple[DecisionRule, PredictionSets | None]:
    """Return how a model chooses classes, and its prediction sets, if it has some. Raises `ValueError` for wrong facts."""
    facts = model.facts
    rule = DecisionRule.from_facts(facts.get("decision"), model.classes)
    return rule, PredictionSets.from_facts(facts.get("conformal"), model.classes)


def decision_facts(model: Bundle) -> dict[str, Any]:
    """Return the decision and the prediction sets of a model as it keeps them, for what answers without penult."""
    return {name: model.facts[name] for name in ("decision", "conformal") if name in model.facts}


def precision_here(model: Bundle, asked: str, device: str) -> str:
    """Return the precision to compute in: where `auto` is asked that of training, or f32 where this machine lacks it.

    Raises `InputError` where int8 is asked of a model without networks in int8.
    """
    if model.precision == "int8" or not model.backbones:
        return asked  # the networks say it
    if asked == "int8":
        raise InputError(
            _(
                "this model was trained in {precision} and has no networks in int8; leave --precision out, or train "
                "again with --precision int8.",
                precision=model.precision,
            )
        )
    if asked != "auto" or model.precision == "f32":
        return "f32" if asked == "auto" else asked
    return model.precision if model.precision in engines.precisions(device) else "f32"


def seen_digests(digests: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return what a model keeps of the digests (n, 32) of its training photos: different numbers, ascending (m,)."""
    return np.unique(_beginnings(digests))[:MOST_PHOTOS]


def were_seen(digests: NDArray[np.uint8], kept: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which digests (n, 32) are those of training photos, (n,); two others are taken for one with p = 2^-64 each."""
    known = set(kept.tolist())  # np.isin would load numpy.ma
    return np.array([one in known for one in _beginnings(digests).tolist()], bool)


def _beginnings(digests: NDArray[np.uint8]) -> NDArray[np.uint64]:
    first = np.ascontiguousarray(digests[:, :8])  # (n, 8)
    return first.view(">u8").reshape(-1).astype(_DIGEST)


def check(model: Bundle) -> None:
    """Raise `ValueError` or `DamagedFile` for a model of which a part cannot be or does not fit another."""
    _names(model)
    widths = tuple(backbone.width for backbone in model.backbones)
    if any(type(width) is not int or width < 1 for width in model.widths) or (widths and widths != model.widths):
        raise ValueError(
            _("its blocks {blocks} are not the widths of its networks {widths}", blocks=model.widths[:10], widths=widths[:10])
        )
    facts = model.head.facts
    if not _fits(facts["blocks"], model.widths) or facts["classes"] != len(model.classes):
        raise ValueError(_("its head was made for other networks or classes"))
    scorer(model.head.kind, model.head.arrays, facts)
    _task(model)
    decision_of(model)
    _probabilities(N_("prior"), model.prior[None], model)
    if "prior" in model.facts:
        _probabilities(N_("prior of the place of use"), held_prior(model)[None], model)
    _probabilities(N_("class shares of training"), training_prior(model)[None], model)
    if model.selftest:
        _selftest(model.selftest, model)
    if model.novelty is not None:
        if not _fits(model.novelty.facts["blocks"], model.widths):
            raise ValueError(_("its measure of novelty was made for other networks"))
        novelty.reference(model.novelty.arrays, model.novelty.facts)
    if model.seen is not None:
        _seen(model.seen)
    if model.reference is not None:
        check_reference(model.reference, len(model.classes), model.novelty)


def _fits(blocks: Any, widths: tuple[int, ...]) -> bool:
    """Whether blocks, of which a network may have several, make up all the columns."""
    return isinstance(blocks, list) and all(type(w) is int and w > 0 for w in blocks) and sum(blocks) == sum(widths)


def _names(model: Bundle) -> None:
    classes = model.classes
    if len(classes) < 2 or not all(isinstance(name, str) and name for name in classes) or len(set(classes)) != len(classes):
        raise ValueError(_("its classes are not two or more different names"))
    if not isinstance(model.engine, str) or model.precision not in _PRECISIONS or not isinstance(model.facts, Mapping):
        raise ValueError(_("its engine, precision or facts are invalid"))


def _task(model: Bundle) -> None:
    """Raise `ValueError` where head and facts are of two tasks, or the thresholds are none."""
    if (model.head.kind == "labels") != (model.task == "labels"):
        raise ValueError(_("its head was made for another task than its answers"))
    given = model.facts.get("thresholds") if model.task == "labels" else [0.5] * len(model.classes)
    if not isinstance(given, list) or len(given) != len(model.classes) or not all(_is_share(one) for one in given):
        raise ValueError(_("its thresholds are not {n} probabilities", n=len(model.classes)))


def _is_share(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1


def _probabilities(name: str, proba: NDArray[Any], model: Bundle) -> None:
    """Raise `ValueError` unless proba (m, k) are probabilities: of the classes together, or of each label."""
    k = len(model.classes)
    fine = proba.ndim == 2 and proba.shape[1] == k and proba.dtype.kind == "f" and np.isfinite(proba).all()
    if not fine or (proba < 0).any() or (proba > 1 + _CLOSE).any():
        raise ValueError(_("its {name} is no distribution over its {k} classes", name=_(name), k=k))
    if model.task == "classes" and (np.abs(proba.sum(axis=1) - 1) > _CLOSE).any():
        raise ValueError(_("its {name} is no distribution over its {k} classes", name=_(name), k=k))


def _selftest(samples: Mapping[str, NDArray[Any]], model: Bundle) -> None:
    if set(samples) != {"images", "proba"}:
        raise ValueError(_("its self-test is not pictures and their answers"))
    images, proba = samples["images"], samples["proba"]
    sides = images.shape[1:3]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or not all(1 <= s <= _SIDE for s in sides):
        raise ValueError(
            _(
                "the pictures of its self-test are {dtype} {shape}, which are not pictures",
                dtype=images.dtype,
                shape=images.shape,
            )
        )
    if not 1 <= len(images) <= _SAMPLES or len(proba) != len(images):
        raise ValueError(_("its self-test has {n} pictures and {m} answers", n=len(images), m=len(proba)))
    _probabilities(N_("self-test"), proba, model)


def _seen(kept: NDArray[np.uint64]) -> None:
    """Raise `ValueError` for digests that `seen_digests` would not return."""
    if kept.dtype != _DIGEST or kept.ndim != 1 or not 1 <= len(kept) <= MOST_PHOTOS or (kept[1:] <= kept[:-1]).any():
        raise ValueError(_("its list of training photos is not sorted digests"))
