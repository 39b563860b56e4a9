"""Parts of a run that need no state of a training: its feature files, the self-test, the answers for the test part, counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import bundle, report, store
from penult.arrays import row_chunks
from penult.bundle import Bundle
from penult.bundle.model import MOST_PHOTOS
from penult.embed import Embedding, EmbedOptions, embed
from penult.errors import PenultError
from penult.i18n import _, ngettext
from penult.predict import Predictions, Predictor
from penult.training.data import TrainingData
from penult.training.stored import STEP, StoredFeatures


def feature_names(done: Embedding) -> list[str]:
    """Return the names of the run's feature files, one for each network."""
    return [f"data_{slug}.h5" for slug in store.slugs([(b.name, b.digest) for b in done.backbones])]


def selftest(done: Embedding, score: Callable[[NDArray[np.float32]], NDArray[np.float64]]) -> dict[str, Any]:
    """Return three drawn pictures (never the user's photos) and what this model says of them on this machine."""
    rows, columns = np.mgrid[0:96, 0:128]
    waves = [np.sin(rows / (4 + 3 * i) + columns / (5 + 7 * c)) for i in range(3) for c in range(3)]
    drawn = np.stack(waves).reshape(3, 3, 96, 128).transpose(0, 2, 3, 1)  # (3, h, w, 3)
    pictures = ((drawn + 1) * 127.5).astype(np.uint8)
    probe = embed(list(pictures), done.backbones, EmbedOptions(cache=done.settings.cache), compute=done.compute)
    return {"images": pictures, "proba": score(probe.features())}


def answer_test_part(data: TrainingData, model: Bundle) -> Predictions | None:
    """Return the answers for every test image, the class prior for the unreadable ones; None without a test part."""
    test = data.test
    if test is None:
        return None
    proba = np.tile(model.prior, (len(test.files), 1))  # (m, k)
    unlike = np.full(len(test.files), np.nan)  # (m,)
    if test.ok.any():
        at_work = Predictor(model, check=False)
        proba[test.ok], unlike[test.ok] = at_work.score(test.X), at_work.novelty(test.X)
    return Predictions.of(model, test.files, proba, test.failures, unlike)


def known_photos(data: TrainingData, done: Embedding) -> report.KnownPhotos:
    """Return the thumbnails that were made beside the features, and which is whose."""
    keys = [("train", file) for file in data.train.files] + [("test", file) for file in (data.test.files if data.test else ())]
    return report.KnownPhotos(done.photo_thumbnails(), {key: number for number, key in enumerate(keys)})


def engine_facts(made: Embedding | StoredFeatures) -> dict[str, Any]:
    """Return what computed the features; images/s are those of this run, None where all were computed before."""
    new, seconds = (made.embedded, made.seconds) if isinstance(made, Embedding) else (0, 0.0)
    rate = round(new / seconds, 1) if new and seconds else None
    return {"name": made.engine, "device": made.compute.device, "precision": made.compute.precision, "images_per_second": rate}


def class_counts(data: TrainingData) -> dict[str, int]:
    """Return how many images of each class, or with each label, are learnt."""
    if data.task == "labels":
        return dict(zip(data.classes, np.nansum(data.train.ok_Y, axis=0).astype(int).tolist(), strict=True))
    y = data.train.ok_y if data.every is None else data.every.y
    return dict(zip(data.classes, np.bincount(y, minlength=len(data.classes)).tolist(), strict=True))


def count_images(data: TrainingData, done: Embedding | None) -> dict[str, int]:
    """Return what `metrics.json` counts: how many images there were, and what became of them."""
    if (stored := data.stored) is not None:
        n, learnt = len(stored.X), sum(class_counts(data).values())
        return {
            "scanned": n + stored.failed, "embedded": 0, "reused": n, "failed": stored.failed, "train": n + stored.failed,
            "test": 0, "unlabelled": n - learnt, "sample": int(data.train.ok.sum()),
        }  # fmt: skip
    parts = [part for part in (data.train, data.test) if part is not None]
    sizes = {"train": len(parts[0].files), "test": sum(len(part.files) for part in parts[1:])}
    if done is None:
        return {"rows": sum(sizes.values()), **sizes}
    how = {"embedded": done.embedded, "reused": done.reused, "failed": sum(len(part.failures) for part in parts)}
    if sum(how.values()) != sum(sizes.values()):
        raise PenultError(
            _(
                "of {n} images {found} are accounted for ({how}): a bug; report it, please.",
                n=sum(sizes.values()),
                found=sum(how.values()),
                how=how,
            )
        )
    return {"scanned": sum(sizes.values()), **how, **sizes}


def unlabelled_note(rest: Mapping[str, int]) -> str:
    """Return what to tell of the photos of the training table that have no label."""
    if rest["unreadable"]:
        return ngettext(
            "{n:,} photo without a label: predicted, not learnt; see unlabelled_predictions.csv; {failed:,} could not be read",
            "{n:,} photos without a label: predicted, not learnt; see unlabelled_predictions.csv; {failed:,} could not be "
            "read",
            rest["photos"],
            failed=rest["unreadable"],
        )
    return ngettext(
        "{n:,} photo without a label: predicted, not learnt; see unlabelled_predictions.csv",
        "{n:,} photos without a label: predicted, not learnt; see unlabelled_predictions.csv",
        rest["photos"],
    )


def serving_parts(
    data: TrainingData, done: Embedding | None, score: Callable[[NDArray[np.float32]], NDArray[np.float64]]
) -> dict[str, Any]:
    """Return what the model file has beside the head: networks, self-test and training photos; nothing of other files' rows.

    `score` answers for rows. The self-test of stored features are the drawn pictures that were stored with them.
    """
    made = done or data.stored
    if made is None or not made.backbones:
        return {}
    computed = {"backbones": made.backbones, "engine": made.engine, "precision": made.compute.precision}
    if done is not None:
        seen = bundle.seen_digests(done.digests[: len(data.train.ok)][data.train.ok])
        return {**computed, "selftest": selftest(done, score), "seen": seen}
    assert data.stored is not None  # noqa: S101 - for the type checker: one of the two made the features
    drawn = data.stored.selftest
    kept = {"images": drawn["images"], "proba": score(drawn["rows"])} if drawn else {}
    return {**computed, "selftest": kept, "seen": _seen(data.stored)}


def _seen(stored: StoredFeatures) -> NDArray[np.uint64]:
    """Return what a model keeps of the digests of all stored rows, those without a label among them."""
    kept = np.zeros(0, np.uint64)
    for at in row_chunks(len(stored.X), STEP):
        kept = np.union1d(kept, bundle.seen_digests(stored.digests(at)))[:MOST_PHOTOS]
    return kept
