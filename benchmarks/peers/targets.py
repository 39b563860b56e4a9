"""What penult has set out to show, and whether it does.

In: figures. Out: lines of (what, wanted, measured, met). The numbers hold for two cores that compute in bf16 by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

from peers.field import LITE, RESNET, THREE
from peers.figures import Figures, over

GFLOP = 8.2  # of ResNet50 for an image of 224 pixels
HEAD = "head 25000 x 6144"


@dataclass(frozen=True)
class Target:
    """A number that must reach `least`, or stay below `most`."""

    what: str
    value: float | None
    least: float | None = None
    most: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether it is reached; None where it was not measured."""
        if self.value is None:
            return None
        return self.value >= self.least if self.least is not None else self.value <= (self.most or 0.0)

    @property
    def wanted(self) -> str:
        """The bound in words."""
        return f"at least {self.least:g}" if self.least is not None else f"at most {self.most:g}"


def targets(f: Figures) -> list[Target]:
    """Return all targets with what was measured for them."""
    return [*extraction(f), *heads(f), *starts(f)]


def extraction(f: Figures) -> list[Target]:
    def rate(contest: str, name: str) -> float | None:
        return f.median(f"{contest}/{name}", "rate")

    ours, int8 = rate(RESNET, "penult bf16"), rate(RESNET, "penult int8")
    best = rate(RESNET, "timm, channels_last, bf16")
    three, roof = f.median(f"{THREE}/penult bf16", "rate"), f.share(f"{THREE}/penult bf16")
    return [
        Target("ResNet50 bf16, of its engine alone", f.share(f"{RESNET}/penult bf16"), 0.95),
        Target(
            f"ResNet50 bf16, photos/s x {GFLOP} GFLOP, of a bf16 matrix product", over(times(ours), f.gflops("bf16")), 0.90
        ),
        Target("ResNet50 bf16, x timm with channels_last and bf16", over(ours, best), 1.75),
        Target("ResNet50 bf16, x Keras on OpenVINO", over(ours, rate(RESNET, "Keras, OpenVINO")), 1.9),
        Target("ResNet50 bf16, x timm eager", over(ours, rate(RESNET, "timm, eager")), 4.6),
        Target("ResNet50 bf16, x Keras on TensorFlow", over(ours, rate(RESNET, "Keras, TensorFlow")), 2.7),
        Target("ResNet50 int8, x bf16", over(int8, ours), 1.85),
        Target("ResNet50 int8, x timm with channels_last and bf16", over(int8, best), 3.2),
        Target("Lite0 bf16, of its engine alone", f.share(f"{LITE}/penult bf16"), 0.80),
        Target("Lite0 int8, x bf16", over(rate(LITE, "penult int8"), rate(LITE, "penult bf16")), 1.4),
        Target("three networks in one pass, x the sum of their engines' times", over(1.0, roof) if three else None, most=1.03),
    ]


def times(rate: float | None) -> float | None:
    return None if rate is None else rate * GFLOP


def heads(f: Figures) -> list[Target]:
    theirs, ours = f"{HEAD}/sklearn", f"{HEAD}/penult"
    loss = over(f.median(ours, "log_loss"), f.median(theirs, "log_loss"))
    small, middle = (f.median(f"head {rows} x 6144/own", "seconds") for rows in (222, 2000))
    return [
        Target(
            "25,000 x 6,144, ten C: x LogisticRegressionCV", over(f.median(theirs, "seconds"), f.median(ours, "seconds")), 8.0
        ),
        Target("the same: held-out log loss, of LogisticRegressionCV's", loss, most=1.001),
        Target("the same: peak memory, of X", f.median(ours, "times_x"), most=2.0),
        Target("222 rows: s, with its own search and calibration", small, most=0.5),
        Target("2,000 rows: s, with its own search and calibration", middle, most=3.0),
    ]


def starts(f: Figures) -> list[Target]:
    return [
        Target("`penult predict`, one photo, Lite0, cache empty: s", f.median("start", "predict, cache empty"), most=0.9),
        Target("`penult --help`: s", f.median("start", "help"), most=0.15),
    ]
