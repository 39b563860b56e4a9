"""What makes a score less than it seems: groups in file names, test photos of another kind, photos seen too small."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import evaluate, images, pixels
from penult.audit.pairs import UnionFind
from penult.embed import Embedding
from penult.errors import InputError
from penult.evaluate import Cause, Evaluation, shift
from penult.i18n import _, ngettext
from penult.predict import Predictions
from penult.training.data import TrainingData

SIZES = 60  # photos of a part whose size is looked up
LARGE = 2.0  # times the side that the networks see, from which photos count as large
WEAK = 0.5  # of the way from the baseline to all right: where less was learnt, detail may be what is missing
TRIED = 5000  # photos up to which the folds are dealt again by the groups that names show
DRAWS = 199  # permutations of the names


def explain_shift(
    data: TrainingData,
    done: Embedding | None,
    scores: Evaluation,
    test: Evaluation | None,
    answers: Predictions | None,
    groups: Cause | None,
) -> dict[str, Any] | None:
    """Return what `metrics.json` says of a test score outside what the folds allow, None where it lies inside."""
    ours, theirs = scores.to_dict(), None if test is None else test.to_dict()
    gap = evaluate.accuracy_gap(ours, theirs)
    if gap is None or theirs is None or answers is None or data.test is None or not (gap.worse or gap.better):
        return None
    found = [groups, shift.class_shares(ours, theirs, answers.proba.mean(axis=0)), shift.unlike_share(answers.novelty)]
    if done is not None:
        n = len(data.train.files)
        found.append(shift.other_sizes(photo_sides(done.sources[:n]), photo_sides(done.sources[n:])))
    if data.test.y is not None and data.test.ok.any():
        found.append(
            shift.other_features(
                *shift.features_apart(data.train.X, data.train.ok_y, data.test.X, data.test.ok_y, data.blocks)
            )
        )
    causes = [asdict(one) for one in found if one is not None]
    return {"worse": gap.worse, "accuracy_difference": {**asdict(gap), "level": 0.99}, "causes": causes}


def groups_in_names(head: Any, data: TrainingData, scores: Evaluation, near: NDArray[np.intp], seed: int) -> Cause | None:
    """Return that names show groups of photos that look alike, and the accuracy with each group in one fold.

    `near` (n, m) are the most similar photos of each, nearest first. Nothing is said where the groups are those of the run, or
    where names tell nothing about the photos.
    """
    y, files = data.train.ok_y, data.train.ok_files
    named = images.name_groups(files, y)
    if named is None or not _more_alike(named.groups, y, near, data.groups, seed):
        return None
    accuracy, together = scores.scores["accuracy"].value or 0.0, None
    if len(y) <= TRIED:
        joined = named.groups if data.groups is None else _joined(named.groups, data.groups)
        try:
            again = evaluate.cross_validate(head, data.train.X, y, data.classes, groups=joined, seed=seed)
            together = again.scores["accuracy"].value
        except InputError:  # too few groups for folds
            together = None
    return shift.grouped_names(named.pattern, named.example, accuracy, together)


def _more_alike(
    groups: NDArray[np.intp], y: NDArray[np.intp], near: NDArray[np.intp], kept: NDArray[np.intp] | None, seed: int
) -> bool:
    """Tell whether photos lie nearer to those of their group than by chance, names being dealt anew within each class.

    Photos that the run keeps together anyway (`kept`) do not count.
    """
    own = np.arange(len(y)) if kept is None else kept
    apart = own[near] != own[:, None]  # (n, m)
    nearest = near[np.arange(len(y)), apart.argmax(axis=1)]  # (n,)
    seen = apart.any(axis=1)
    rng, order = np.random.default_rng(seed), np.argsort(y, kind="stable")

    def together(names: NDArray[np.intp]) -> int:
        return int((seen & (names == names[nearest])).sum())

    drawn = []
    for _i in range(DRAWS):
        dealt = np.empty_like(groups)
        dealt[order] = groups[np.lexsort((rng.random(len(y)), y))]
        drawn.append(together(dealt))
    return together(groups) > max(*drawn, 2 * float(np.mean(drawn)))


def _joined(first: NDArray[np.intp], second: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return groups (n,) in which rows stand together that either does."""
    ties = UnionFind(len(first))
    ties.tie(first)
    ties.tie(second)
    return ties.numbers()


def too_small(done: Embedding | None, photos: int, scores: Mapping[str, Any]) -> Cause | None:
    """Return that networks see the training photos (the first `photos`) far smaller than they are, where little was learnt."""
    if done is None or not _weak(scores) or not done.backbones[0].has_maps:  # a histogram sees every pixel
        return None
    sides = photo_sides(done.sources[:photos])
    seen = max(backbone.recipe.size for backbone in done.backbones)
    side = float(np.median(sides)) if sides else 0.0
    if side < LARGE * seen:
        return None
    name = done.backbones[0].name.partition(":")[0]
    found = ngettext(
        "the photos are about {side:,.0f} pixels a side and the networks see {seen}: what is smaller than {n:,} pixel may be "
        "lost",
        "the photos are about {side:,.0f} pixels a side and the networks see {seen}: what is smaller than {n:,} pixels may be "
        "lost",
        round(2 * side / seen),
        side=side,
        seen=seen,
    )
    larger = min(512, 32 * round(min(side, 2 * seen) / 32))
    cure = _("try -b {network}, or cut the photos into tiles, or crop them to what matters", network=f"{name}:{larger}")
    return Cause("size", found, cure)


def _weak(scores: Mapping[str, Any]) -> bool:
    support = [one["support"] for one in scores["per_class"]]
    share, right = max(support) / max(sum(support), 1), scores["scores"]["accuracy"]["value"]
    return evaluate.at_chance(scores) or (right is not None and right - share < WEAK * (1 - share))


def photo_sides(sources: Sequence[Any]) -> list[float]:
    """Return the sides in pixels (the root of the area) of some of the photos, in equal steps."""
    some = [sources[i] for i in np.unique(np.linspace(0, len(sources) - 1, SIZES).astype(int))] if len(sources) else []
    return [sqrt(size[0] * size[1]) for source in pixels.read_members(some) if (size := pixels.image_size(source)) is not None]
