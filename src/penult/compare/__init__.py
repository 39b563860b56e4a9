"""The bake-off: which network, or which two or three together, for these photos on this machine.

In: labelled images, names of networks, a time limit. Out: a `Comparison`, and its files in a folder. It knows the order of
the steps; each is another module's.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from penult import heads, images
from penult.arrays import default_errors, stratified_rows
from penult.compare import candidates, result
from penult.compare.candidates import CandidateEmbedder, ComparisonData, LeftOut
from penult.compare.combinations import CombinationTrials, Members
from penult.compare.options import SAMPLE, Budget, CompareOptions, seconds
from penult.compare.result import CombinationScore, Comparison
from penult.engines import cpu_name
from penult.errors import InputError, ProgressCallback, quiet
from penult.fit import head_for_labels
from penult.i18n import _
from penult.images import ImageSet
from penult.training.shift import photo_sides

FEW = 10  # images of a class that are kept in a sample in any case, or all if it has fewer

__all__ = ["SAMPLE", "CombinationScore", "CompareOptions", "Comparison", "LeftOut", "compare", "seconds"]


@default_errors
def compare(source: str, options: CompareOptions | None = None, progress: ProgressCallback = quiet) -> Comparison:
    """Measure every network, and pairs and trios of the best, on a sample of the images; write the comparison's folder.

    What cannot be had or does not fit into the budget is left out and named; the cheapest network is always measured.
    Raises `InputError` for images or networks that cannot be used, `UnknownName`, `OutputError`.
    """
    options = options or CompareOptions()
    budget = Budget(options.budget)
    heads.check_head(options.head)
    found = images.scan_labelled(source, groups=options.groups, table=options.table).in_order()
    if found.task == "labels":
        head_for_labels(options.head, (1,), options.class_weight)  # raises for one that gives a photo one class
    options.settings.tolerance.check_scan(found)
    sample = draw(found, options.sample, options.seed)
    with result.claimed(options.out) as folder:
        named, left_out = candidates.gather(options, budget, progress)
        named = candidates.with_larger(named, photo_sides(sample.sources), options, progress)
        with CombinationTrials(options, len(sample), budget, progress) as trials:
            gathering = CandidateEmbedder(sample, options.settings, budget, progress, options.near_duplicates == "group")
            data = gathering.run(named, trials.first)
            untried = trials.every(data)
        left_out += gathering.left_out
        comparison = _result(source, options, data, trials, left_out, untried, budget)
        return result.write(folder, comparison)


def _result(
    source: str,
    options: CompareOptions,
    data: ComparisonData,
    trials: CombinationTrials,
    left_out: list[LeftOut],
    untried: list[Members],
    budget: Budget,
) -> Comparison:
    names = [member.candidate.name for member in data.embedded]
    typed = {member.candidate.name: member.candidate.typed for member in data.embedded}
    short = candidates.short(names)
    left_out += [LeftOut(" + ".join(short[names[i]] for i in members), _("no time was left for it")) for members in untried]
    ranked = result.combination_scores(data.embedded, trials.found)
    chosen, reason = result.recommend(ranked, short)
    counts = np.bincount(data.y, minlength=len(data.classes))
    counts = counts if data.Y is None else np.nansum(data.Y, axis=0).astype(np.intp)
    return Comparison(
        entries=ranked,
        recommended=chosen,
        reason=reason,
        next_line=result.next_line(source, [typed[name] for name in chosen.members], options),
        left_out=tuple(left_out),
        short=short,
        classes=dict(zip(data.classes, (int(c) for c in counts), strict=True)),
        counts=data.counts,
        engine=data.engine,
        machine=cpu_name(),
        notes=data.notes,
        options=options,
        seconds=budget.spent,
    )


def draw(found: ImageSet, size: int, seed: int) -> ImageSet:
    """Return about `size` images in their order, each class by its share but `FEW` at least; the whole set if smaller.

    The same seed draws the same images. Raises `InputError` for a size below 1.
    """
    if size < 1:
        raise InputError(_("a sample of {size} images is not possible; give 1 or more.", size=size))
    if len(found) <= size:
        return found
    if found.task == "labels":
        rows = np.sort(np.random.default_rng(seed).permutation(len(found))[:size])
        note = _("a random sample of {n} of the {all} images was used.", n=len(rows), all=len(found))
        return replace(found, images=tuple(found.images[i] for i in rows), notes=(*found.notes, note))
    y = found.y  # (n,)
    counts = np.bincount(y, minlength=len(found.classes))  # (k,)
    rows = stratified_rows(y, _shares(counts, size), seed)
    note = _("a stratified sample of {n} of the {all} images was used.", n=len(rows), all=len(found))
    return replace(found, images=tuple(found.images[i] for i in rows), notes=(*found.notes, note))


def _shares(counts: NDArray[np.intp], size: int) -> list[int]:
    """Return how many images of each class are kept (k,): largest remainders, but `FEW` of each or all that there are."""
    exact = size * counts / counts.sum()  # (k,)
    kept = np.maximum(exact.astype(int), np.minimum(counts, FEW))  # (k,)
    for _place in range(size - int(kept.sum())):
        kept[np.argmax(np.where(kept < counts, exact - kept, -np.inf))] += 1
    return [int(m) for m in kept]
