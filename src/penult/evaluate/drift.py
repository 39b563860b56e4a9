"""Whether new photos are of the same kind as the training photos: two two-sample tests, and what they mean together.

In: what a model keeps of its training photos, and the features and probabilities of new ones. Out: `Drift`. The tests ask for
no labels: one whether the photos look different, one whether the model answers them differently (Rabanser et al., Failing
Loudly, NeurIPS 2019).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

ALARMS = 0.05  # share of photos of the same kind that are called different, at most, by both tests together


@dataclass(frozen=True, slots=True)
class TwoSampleTest:
    """One test: its `statistic` (features: AUC of a classifier that tells new from training photos; probabilities: the largest
    Kolmogorov-Smirnov distance), its p-value, and whether that is small enough to say that the photos differ.
    """

    statistic: float
    p_value: float
    differs: bool


@dataclass(frozen=True, slots=True)
class Drift:
    """What two tests say of new photos beside the training photos.

    Parameters
    ----------
    photos, training : int
        How many new and training photos were compared; near copies count once.
    features, probabilities : TwoSampleTest or None
        Whether photos look different, and whether they are answered differently; None where it was not tested.
    shares : bool
        Whether other class shares are all that was found: the photos of each class look as they did.
    meaning : str
        What it means for the answers, in one or two sentences; why nothing was tested where nothing was.
    """

    photos: int
    training: int
    features: TwoSampleTest | None
    probabilities: TwoSampleTest | None
    shares: bool
    meaning: str

    @property
    def tested(self) -> bool:
        """Whether there were a model and photos that could be tested."""
        return self.features is not None or self.probabilities is not None

    @property
    def found(self) -> bool:
        """Whether the photos are of another kind than the training photos."""
        return any(one is not None and one.differs for one in (self.features, self.probabilities))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"found": self.found, **asdict(self)}


def not_tested(why: str) -> Drift:
    """Return that nothing was tested, and why."""
    return Drift(0, 0, None, None, False, why)
