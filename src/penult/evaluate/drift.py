"""Whether new photos are of the same kind as the training photos: two two-sample tests, and what they mean together.

In: what a model keeps of its training photos, and the features and probabilities of new ones. Out: `Drift`. The tests ask for
no labels: one whether the photos look different, one whether the model answers them differently (Rabanser et al., Failing
Loudly, NeurIPS 2019). Copies are taken out first: they are not independent photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors
from penult.evaluate.prior_shift import em_shares, rows_with_shares
from penult.evaluate.shift import told_apart
from penult.heads.reference import TrainingReference, from_logits, row_cosines, to_logits
from penult.i18n import N_, _, ngettext
from penult.texts import count, percent

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

ALARMS = 0.05  # share of photos of the same kind that are called different, at most, by both tests together
LEAST = 20  # new photos below which next to nothing would be seen
MOST = 500  # photos of either part whose features are told apart
DRAWS = 399  # permutations
SEED = 0
# Probabilities below it, and above 1 less it, count as equal: the floor of the model differs from those of the folds.
SURE = 0.1
# By which the answers of the model may differ from those of the folds, which learn from fewer photos: with 0.1, 0.03 no false
# alarms among 30 to 1,000 photos of five sets, with 0 up to 5%, and without SURE 100%.
LEARNING = 0.03
COLUMNS = 50  # classes whose probabilities are compared: the most probable ones
SHARE = 0.05  # by which the share of a class must differ to be named
FEW = 100  # photos below which only a large difference would show
_ALIKE = {  # by whether class shares were asked for, and whether the photos are few
    (False, False): N_("No drift: {photos} look like the training photos and are answered like them."),
    (False, True): N_(
        "No drift: {photos} look like the training photos and are answered like them; among so few, only a large difference "
        "would show."
    ),
    (True, False): N_(
        "No drift: {photos} look like the training photos and are answered like them, in the class shares of --prior."
    ),
    (True, True): N_(
        "No drift: {photos} look like the training photos and are answered like them, in the class shares of --prior; among "
        "so few, only a large difference would show."
    ),
}


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
        How many new and training photos were compared; copies count once.
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


@default_errors
def measure_drift(
    reference: TrainingReference,
    kept: NDArray[np.int8],  # (s, q) training photos, as the measure of novelty keeps them
    rows: NDArray[np.int8],  # (m, q)
    proba: Floats,  # (m, k)
    classes: Sequence[str],
    old: Floats | None = None,  # (k,)
    usual: Floats | None = None,  # (k,)
    asked: bool = False,
) -> Drift:
    """Return whether new photos, with rows and probabilities, are of the same kind as the training photos.

    `old` are the class shares that the probabilities hold for, `usual` those of the training photos, or of the place of use
    (`asked`): then the training photos that these are compared with are drawn to have them, too. Both None where a photo may
    have several labels.
    """
    order = np.random.default_rng(SEED).permutation(len(rows))  # which of some copies stays is chance, as in training
    alone = order[without_copies(rows[order], reference.facts["alike"])]
    rows, proba = rows[alone], proba[alone]
    if len(rows) < LEAST:
        return not_tested(
            ngettext(
                "Drift was not tested: {n:,} different photo where {least} are the least.",
                "Drift was not tested: {n:,} different photos where {least} are the least.",
                len(rows),
                least=LEAST,
            )
        )
    features, answers, compared = _two_tests(reference, kept, rows, proba, usual if asked else None)
    if features is None:
        return not_tested(_("Drift was not tested: too few training photos can be drawn with the class shares of --prior."))
    differ, named = False, ""
    if old is not None and usual is not None and (features.differs or (answers is not None and answers.differs)):
        new = em_shares(proba, old)
        named = _largest_change(classes, usual, new, asked)
        # nothing differs any more once the training photos have the class shares of these, as far as they last
        same = _two_tests(reference, kept, rows, proba, new) if named else (None, None, 0)
        differ = same[0] is not None and not same[0].differs and (same[1] is None or not same[1].differs)
    said = _meaning(len(rows), features, answers, named if differ else "", asked)
    return Drift(len(rows), compared, features, answers, differ, said)


def _two_tests(
    reference: TrainingReference,
    kept: NDArray[np.int8],
    rows: NDArray[np.int8],
    proba: Floats,
    shares: Floats | None,
) -> tuple[TwoSampleTest | None, TwoSampleTest | None, int]:
    """Return the tests of features and of probabilities, and how many training photos there were for it.

    Of the training photos as many as have these class shares, all with None; no test of features where that leaves too few.
    """
    arrays, rng = reference.arrays, np.random.default_rng(SEED)
    places = arrays["places"]
    if shares is not None:
        places = places[rows_with_shares(arrays["place_codes"], shares, rng)]
        if len(places) < LEAST:
            return None, None, 0
    features = _features(kept[places], rows)
    if "logits" not in arrays:
        return features, None, len(places)
    answered = reference.proba if shares is None else reference.proba[rows_with_shares(arrays["codes"], shares, rng)]
    if shares is not None and len(answered) < LEAST:
        return None, None, 0
    return features, _probabilities(answered, from_logits(to_logits(proba))), len(places)


def without_copies(rows: NDArray[np.int8], alike: float) -> Ints:
    """Return the numbers of the rows (m, q) that are no copies of an earlier one: whose cosine with it is below `alike`."""
    near = np.triu(row_cosines(rows) >= alike, 1)  # (m, m)
    keep = np.ones(len(rows), bool)
    for i in range(len(rows)):
        if keep[i]:
            keep &= ~near[i]
    return np.flatnonzero(keep)


def _features(old: NDArray[np.int8], new: NDArray[np.int8]) -> TwoSampleTest:
    """Return how well a classifier tells new (m, q) from training photos (s, q), and how often it would by chance.

    A classifier two-sample test (Lopez-Paz & Oquab, ICLR 2017), by permutations of which photo is new.
    """
    rng = np.random.default_rng(SEED)
    old, new = (part[rng.permutation(len(part))[:MOST]] for part in (old, new))
    F = np.concatenate([old, new]).astype(np.float64)
    F -= F.mean(axis=0)
    part = np.repeat([-1.0, 1.0], [len(old), len(new)])  # (m,)
    drawn = np.stack([part] + [rng.permutation(part) for _ in range(DRAWS)], axis=1)
    areas = told_apart(F @ F.T, drawn - part.mean())
    return _tested(areas, areas[0])


def _probabilities(old: Floats, new: Floats) -> TwoSampleTest:
    """Return the largest distance of the distributions of a class's probability in old (s, k) and new (m, k), and its p-value.

    What lies beyond SURE is one value, and LEARNING is taken off the distance before it is compared with permutations.
    """
    both = np.clip(np.concatenate([old, new]), SURE, 1 - SURE)
    columns = np.argsort(-both.mean(axis=0), kind="stable")[:COLUMNS]
    rng, n = np.random.default_rng(SEED), len(both)
    part = np.repeat([0.0, 1.0], [len(old), len(new)])  # (n,)
    drawn = np.stack([part] + [rng.permutation(part) for _ in range(DRAWS)], axis=1)  # (n, 1 + draws)
    far = np.zeros(1 + DRAWS)
    for c in columns:
        order = np.argsort(both[:, c], kind="stable")
        last = np.append(np.diff(both[order, c]) > 0, True)  # of equal values
        below = drawn[order].cumsum(axis=0)[last]
        rest = np.arange(1, n + 1)[last, None] - below
        far = np.maximum(far, np.abs(below / len(new) - rest / len(old)).max(axis=0))
    return _tested(far, far[0] - LEARNING, float(far[0]))


def _tested(drawn: Floats, found: float, shown: float | None = None) -> TwoSampleTest:
    """Return the test of a statistic beside that of permutations, drawn[1:]."""
    p = (1 + int((drawn[1:] >= found).sum())) / len(drawn)
    return TwoSampleTest(float(found if shown is None else shown), p, p <= ALARMS / 2)


def _largest_change(classes: Sequence[str], old: Floats, new: Floats, asked: bool) -> str:
    """Return the class whose share differs most, and how; nothing where no share does."""
    c = int(np.abs(new - old).argmax())
    if abs(new[c] - old[c]) < SHARE:
        return ""
    told = {"name": classes[c], "new": percent(float(new[c]), 0), "old": percent(float(old[c]), 0)}
    if asked:
        return _("{name}: about {new} here, {old} of --prior", **told)
    return _("{name}: about {new} here, {old} in training", **told)


def _meaning(photos: int, features: TwoSampleTest, answers: TwoSampleTest | None, shares: str, asked: bool) -> str:
    """Return what the tests mean for the answers."""
    answered = answers is not None and answers.differs
    if shares and asked:
        return _(
            "Drift: the classes are mixed differently than --prior says ({shares}), and the photos of each class look alike. "
            "Probabilities hold for the shares of --prior; --prior estimate answers for these.",
            shares=shares,
        )
    if shares:
        return _(
            "Drift: the classes are mixed differently than in training ({shares}), and the photos of each class look alike. "
            "Probabilities hold for the mix in training; --prior estimate answers for these.",
            shares=shares,
        )
    if features.differs and answered:
        return _(
            "Drift: these photos look different (a classifier tells them from the training photos, AUC {auc:.2f}; 0.5: it "
            "cannot), and the model answers them differently. The accuracy measured in training does not hold for them: label "
            "some, run `penult evaluate`, and train with them.",
            auc=features.statistic,
        )
    if features.differs:
        return _(
            "Drift: these photos look different (a classifier tells them from the training photos, AUC {auc:.2f}; 0.5: it "
            "cannot), though they are answered much like the training photos. The accuracy measured in training may not hold "
            "for them: label some and run `penult evaluate`.",
            auc=features.statistic,
        )
    if answered:
        return _(
            "Drift: the model answers these photos differently than the training photos, though they look alike: the classes "
            "may be mixed differently, or harder to tell. Label some and run `penult evaluate`."
        )
    return _(_ALIKE[asked, photos < FEW], photos=count(photos, "photo"))
