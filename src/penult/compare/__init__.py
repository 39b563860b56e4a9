"""The bake-off: which network, or which two or three together, for these photos on this machine.

In: labelled images, names of networks, a time limit. Out: a `Comparison`, and its files in a folder. It knows the order of
the steps; each is another room's.
"""

from __future__ import annotations

import numpy as np

from penult import heads, images
from penult.compare import candidates, files, result
from penult.compare.candidates import LeftOut
from penult.compare.field import CandidateEmbedder, ComparisonData
from penult.compare.options import SAMPLE, Budget, CompareOptions, seconds
from penult.compare.result import CombinationScore, Comparison
from penult.compare.sample import draw
from penult.compare.trials import Bench, Members
from penult.engines import cpu_name
from penult.errors import ProgressCallback, quiet
from penult.floats import default_errors

__all__ = ["SAMPLE", "CombinationScore", "CompareOptions", "Comparison", "LeftOut", "compare", "seconds"]


@default_errors
def compare(source: str, options: CompareOptions | None = None, progress: ProgressCallback = quiet) -> Comparison:
    """Measure every network, and pairs and trios of the best, on a sample of the images; write the comparison's folder.

    What cannot be had or does not fit into the budget is left out and named; the cheapest network is always measured.
    Raises `InputError` for images or networks that cannot be used, `UnknownName`, `OutputError`.
    """
    options = options or CompareOptions()
    budget = Budget(options.budget)
    heads.check(options.head)
    found = images.scan_labelled(source, groups=options.groups, table=options.table).in_order()
    options.settings.tolerance.scanned(found)
    sample = draw(found, options.sample, options.seed)
    with files.claimed(options.out) as folder:
        named, left_out = candidates.gather(options, budget, progress)
        with Bench(options, len(sample), budget, progress) as bench:
            gathering = CandidateEmbedder(sample, options.settings, budget, progress, options.near_duplicates == "group")
            field = gathering.run(named, bench.one)
            untried = bench.every(field)
        left_out += gathering.left_out
        comparison = _result(source, options, field, bench, left_out, untried, budget)
        files.write(folder, comparison)
    return comparison


def _result(
    source: str,
    options: CompareOptions,
    field: ComparisonData,
    bench: Bench,
    left_out: list[LeftOut],
    untried: list[Members],
    budget: Budget,
) -> Comparison:
    names = [player.candidate.name for player in field.players]
    typed = {player.candidate.name: player.candidate.typed for player in field.players}
    short = candidates.short(names)
    left_out += [LeftOut(" + ".join(short[names[i]] for i in members), "no time was left for it") for members in untried]
    ranked = result.entries(field.players, bench.found)
    chosen, reason = result.recommend(ranked, short)
    counts = np.bincount(field.y, minlength=len(field.classes))
    return Comparison(
        entries=ranked,
        recommended=chosen,
        reason=reason,
        next_line=result.next_line(source, [typed[name] for name in chosen.members], options),
        left_out=tuple(left_out),
        short=short,
        classes=dict(zip(field.classes, (int(c) for c in counts), strict=True)),
        counts=field.counts,
        engine=field.engine,
        machine=cpu_name(),
        notes=field.notes,
        options=options,
        seconds=budget.spent,
    )
