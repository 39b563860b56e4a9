"""Answers for features that were computed before, some thousand rows at a time, whatever their number."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from penult.arrays import row_chunks
from penult.bundle import Bundle
from penult.errors import InputError, listed
from penult.i18n import _
from penult.pixels import Failure
from penult.predict.answers import Predictions
from penult.predict.predictor import Predictor
from penult.shards import ShardedFeatures
from penult.texts import printable

SCORED_ENTRIES = 1 << 22  # numbers of rows that are in memory at a time: 16 MiB of float32
FAILURES = 1000  # answers at a time for images without features


def chunks(shape: tuple[int, int]) -> list[slice]:
    """Return slices of the rows of X (n, d), each of about `SCORED_ENTRIES` numbers."""
    return row_chunks(shape[0], max(1, SCORED_ENTRIES // max(shape[1], 1)))


def check_same_networks(model: Bundle, features: ShardedFeatures) -> None:
    """Raise `InputError` where features are of other networks than the model's; of a model without networks widths count."""
    known = tuple(backbone.digest for backbone in model.backbones)
    if known == tuple(network.digest for network in features.facts.networks):
        return
    if not known and model.widths == features.widths:
        return
    own = [f"{backbone.name} ({backbone.width})" for backbone in model.backbones] or [
        _("{n} columns", n=w) for w in model.widths
    ]
    theirs = [f"{network.name} ({network.width})" for network in features.facts.networks]
    raise InputError(
        _(
            "{address} has features of {theirs}, and the model needs those of {own}; embed the "
            "images again with the networks of the model, or give the images themselves.",
            address=printable(features.address),
            theirs=listed(theirs),
            own=listed(own),
        )
    )


def predict_stored(predictor: Predictor, features: ShardedFeatures) -> Iterator[Predictions]:
    """Yield the answers for all images of shards, part by part: in their order, and last those that have no features.

    The latter get the class frequencies of the training set, as in `Predictor.predict`. Raises `InputError` for features of
    other networks, `DamagedFile`.
    """
    model = predictor.bundle
    check_same_networks(model, features)
    for at in chunks(features.shape):
        X = features[at]
        yield Predictions.of(model, features.ids(at), predictor.score(X), {}, predictor.novelty(X))
    part: list[tuple[str, str, str]] = []
    for one in features.failures():
        part.append(one)
        if len(part) == FAILURES:
            yield _failed(model, part)
            part = []
    if part:
        yield _failed(model, part)


def _failed(model: Bundle, lost: list[tuple[str, str, str]]) -> Predictions:
    failures = {i: Failure(reason, detail) for i, (_, reason, detail) in enumerate(lost)}
    proba = np.tile(model.prior, (len(lost), 1))  # (m, k)
    return Predictions.of(model, [id for id, _, _ in lost], proba, failures, np.full(len(lost), np.nan))
