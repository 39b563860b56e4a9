"""The reliability diagram: when the head says 90%, is it right nine times in ten?

Comes in: an `Evaluation`. Goes out: a figure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penult.evaluate import Evaluation
from penult.plots import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


FEW = 10  # below this many images a bin's marker is hollow


def reliability(evaluation: Evaluation) -> Figure:
    """Draw accuracy against confidence with Wilson's 95% intervals; below it, the images in each bin.

    The axis begins at the lowest confidence that occurs (0.8 at the latest), as most heads are nearly always
    sure.
    """
    bins = evaluation.reliability
    seen = bins.count > 0  # (b,)
    start = min(float(bins.edges[:-1][seen].min()), 0.8)
    with style.drawing():
        figure = style.blank(6.4, 6.4)
        top, low = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        top.plot([0, 1], [0, 1], color=style.GREY, ls="--", lw=1.5, label="as sure as right")
        for some, label, fill in (
            (bins.count >= FEW, "share right, 95% interval", style.BLUE),
            ((bins.count < FEW) & seen, f"share right, fewer than {FEW} images", "white"),
        ):
            if not some.any():
                continue
            y = bins.accuracy[some]
            top.errorbar(
                bins.confidence[some], y, yerr=[y - bins.low[some], bins.high[some] - y], color=style.BLUE,
                marker="o", ls="none", mfc=fill, mew=1.8, capsize=5, elinewidth=1.5, label=label,
                clip_on=False, zorder=3,
            )  # fmt: skip
        top.set_ylim(min(float(bins.low[seen].min()), start) - 0.02, 1.02)
        top.set_xlim(start, 1.0)
        top.set_ylabel("share right")
        style.legend(top, loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderaxespad=0.2)
        title = f"Calibration error {style.interval_text(evaluation.scores['ece'])}"
        top.set_title(title, pad=8 + 20 * len(top.get_legend().get_texts()))
        middle = (bins.edges[:-1] + bins.edges[1:]) / 2
        bars = low.bar(middle[seen], bins.count[seen], width=0.9 / len(middle), color=style.BLUE)
        low.bar_label(bars, labels=[f"{n:,}" for n in bins.count[seen]], padding=2, fontsize=11)
        low.set_ylim(0, int(bins.count.max()) * 1.3)
        low.set_ylabel("images")
        low.set_xlabel("confidence (probability of the class given)")
        low.grid(visible=False, axis="x")
    return figure
