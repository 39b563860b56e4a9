"""From probabilities to an answer: which class is given, and which set of classes holds the right one.

In: probabilities (n, k). Out: class numbers (n,), or sets (n, k). Rules are chosen by `evaluate` on out-of-fold
probabilities and kept in the model file; here is what applies them, light enough for a prediction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from penult.i18n import _
from penult.texts import clauses, percent

Kind = Literal["argmax", "cost", "target"]
Measure = Literal["recall", "precision", "flagged"]
MEASURES = get_args(Measure)
SHOWN = 3  # costs that a sentence names


@dataclass(frozen=True, slots=True)
class Target:
    """What a threshold is to reach: the recall or precision of one class, or the share of photos that is called it.

    Examples
    --------
    >>> str(Target("recall", "defective", 0.95))
    'recall defective 0.95'
    """

    measure: Measure
    label: str
    value: float

    def __str__(self) -> str:
        return f"{self.measure} {self.label} {self.value:g}"


@dataclass(frozen=True, slots=True, eq=False)
class DecisionRule:
    """How a class is chosen from probabilities.

    Parameters
    ----------
    kind : {"argmax", "cost", "target"}
        The most probable class; that of the smallest expected cost (Elkan, IJCAI 2001); or one class wherever its probability
        reaches a threshold, and the most probable of the others elsewhere.
    costs : array (k, k), optional
        For "cost": what it costs to call a photo of the class of the row by the class of the column.
    target : Target, optional
        For "target": what the threshold was chosen for.
    chosen : int, optional
        For "target": the number of its class.
    threshold : float, optional
        For "target": the smallest probability with which the class is given.
    weights : array (k,), optional
        For "target": by what probabilities are multiplied before the threshold, where they hold for other class shares than
        those that it was chosen for; the recall of a class does not depend on these.

    Examples
    --------
    >>> import numpy as np
    >>> rule = DecisionRule("target", target=Target("recall", "dog", 0.95), chosen=1, threshold=0.2)
    >>> rule.labels(np.array([[0.9, 0.1], [0.7, 0.3]])).tolist()
    [0, 1]
    """

    kind: Kind = "argmax"
    costs: NDArray[np.float64] | None = None  # (k, k), true class by row
    target: Target | None = None
    chosen: int | None = None
    threshold: float | None = None
    weights: NDArray[np.float64] | None = None  # (k,)

    def labels(self, proba: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the class number (n,) for each row of probabilities (n, k)."""
        best: NDArray[np.intp] = proba.argmax(axis=1)  # (n,)
        if self.costs is not None:
            cheapest: NDArray[np.intp] = (proba @ self.costs).argmin(axis=1)
            return cheapest
        if self.chosen is None or self.threshold is None:
            return best
        others = proba.copy()  # (n, k)
        others[:, self.chosen] = -1
        reached = _weighed(proba, self.weights)[:, self.chosen] >= self.threshold  # (n,)
        found: NDArray[np.intp] = np.where(reached, self.chosen, others.argmax(axis=1))
        return found

    def to_facts(self, classes: Sequence[str]) -> dict[str, Any]:
        """Return plain JSON values, for the model file; costs are those that are not 1."""
        facts: dict[str, Any] = {"kind": self.kind}
        if self.costs is not None:
            facts["costs"] = [[classes[i], classes[j], cost] for i, j, cost in self._unusual()]
        if self.target is not None:
            facts |= {"measure": self.target.measure, "class": self.target.label, "value": self.target.value}
            facts["threshold"] = self.threshold
        return facts | _plain(self.weights)

    def _threshold_here(self) -> float:
        """Return the threshold of the probabilities that are given, which only of two classes has a value of its own."""
        t, c = self.threshold or 0.0, self.chosen or 0
        if self.weights is None or len(self.weights) != 2:
            return t
        ours, other = t / self.weights[c], (1 - t) / self.weights[1 - c]
        return float(ours / (ours + other))

    def _unusual(self) -> list[tuple[int, int, float]]:
        """Return the costs that are not 1: class, called which, cost."""
        if self.costs is None:
            return []
        away = self.costs != 1 - np.eye(len(self.costs))
        return [(int(i), int(j), float(self.costs[i, j])) for i, j in zip(*np.nonzero(away), strict=True)]

    @classmethod
    def of_costs(cls, costs: Iterable[tuple[str, str, float]], classes: Sequence[str]) -> DecisionRule:
        """Return the rule of the smallest expected cost: (class, called which, cost); every other mistake costs 1."""
        table, place = 1 - np.eye(len(classes)), {name: i for i, name in enumerate(classes)}
        for label, called, cost in costs:
            table[place[label], place[called]] = cost
        return cls("cost", table)

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any] | None, classes: Sequence[str]) -> DecisionRule:
        """Return the rule of a model file; the most probable class where it has none. Raises `ValueError` for no rule."""
        if facts is None:
            return cls()
        kind, known = facts["kind"], set(classes)
        if kind == "cost":
            told = [tuple(one) for one in facts["costs"]]
            if any(len(one) != 3 or not {one[0], one[1]} <= known or not is_cost(one[2]) for one in told):
                raise ValueError(_("its costs are not those of its classes"))
            return cls.of_costs(told, classes)
        if kind == "target":
            measure, label, value, threshold = (facts[name] for name in ("measure", "class", "value", "threshold"))
            if measure not in MEASURES or label not in known or not _is_share(value) or not _is_share(threshold):
                raise ValueError(_("its decision is no threshold of one of its classes"))
            target, weights = Target(measure, label, float(value)), _weights(facts, len(classes))
            return cls("target", None, target, list(classes).index(label), float(threshold), weights)
        if kind != "argmax":
            raise ValueError(_("its decision is of the kind {kind!r}, which this version does not know", kind=str(kind)[:40]))
        return cls()

    def describe(self, classes: Sequence[str]) -> str:
        """Return what is given to a photo, for the middle of a sentence."""
        if self.target is not None and self.threshold is not None:
            said = {"label": self.target.label, "least": percent(self._threshold_here())}
            if self.weights is not None and len(classes) > 2:  # no threshold of the probability of one class is the same
                return _(
                    "{label!r} where its probability is at least {least} at the class shares that this was chosen for", **said
                )
            return _("{label!r} where its probability is at least {least}", **said)
        if self.costs is not None:
            told = [
                _("{label!r} called {called!r} costs {cost:g}", label=classes[i], called=classes[j], cost=cost)
                for i, j, cost in self._unusual()
            ]
            costs = clauses([*told[:SHOWN], _("every other mistake 1")])
            if (n := len(told) - SHOWN) > 0:
                return _("the class of the smallest expected cost ({costs} and {n} more)", costs=costs, n=n)
            return _("the class of the smallest expected cost ({costs})", costs=costs)
        return _("the most probable class")


@dataclass(frozen=True, slots=True, eq=False)
class PredictionSets:
    """Sets of classes that hold the right one with a probability of `level` (conformal prediction).

    A class is in the set where its probability reaches its threshold; the most probable class always is.

    Examples
    --------
    >>> import numpy as np
    >>> PredictionSets(0.95, (0.2, 0.3)).sets(np.array([[0.75, 0.25], [0.6, 0.4]])).tolist()
    [[True, False], [True, True]]
    """

    level: float
    thresholds: tuple[float, ...]  # (k,)
    weights: NDArray[np.float64] | None = None  # (k,), as of `DecisionRule`

    def sets(self, proba: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which classes are in the set of each row of probabilities (n, k)."""
        found: NDArray[np.bool_] = _weighed(proba, self.weights) >= np.array(self.thresholds)
        found[np.arange(len(proba)), proba.argmax(axis=1)] = True
        return found

    def names(self, proba: NDArray[np.float64], classes: Sequence[str]) -> list[tuple[str, ...]]:
        """Return the classes in the set of each row of probabilities (n, k), the most probable first."""
        order = np.argsort(-proba, axis=1, kind="stable")
        kept = np.take_along_axis(self.sets(proba), order, axis=1)
        return [tuple(classes[c] for c in row[held]) for row, held in zip(order, kept, strict=True)]

    def to_facts(self) -> dict[str, Any]:
        """Return plain JSON values, for the model file."""
        return {"level": self.level, "thresholds": list(self.thresholds)} | _plain(self.weights)

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any] | None, classes: Sequence[str]) -> PredictionSets | None:
        """Return the sets of a model file, None where it has none. Raises `ValueError` for what are no sets."""
        if facts is None:
            return None
        level, thresholds = facts["level"], facts["thresholds"]
        if not _is_share(level) or not isinstance(thresholds, list) or len(thresholds) != len(classes):
            raise ValueError(_("its prediction sets are not for its classes"))
        if not all(_is_share(one) for one in thresholds):
            raise ValueError(_("the thresholds of its prediction sets are no probabilities"))
        return cls(float(level), tuple(float(one) for one in thresholds), _weights(facts, len(classes)))


def facts_at_prior(facts: Mapping[str, Any], old: NDArray[np.float64], new: NDArray[np.float64]) -> dict[str, Any]:
    """Return the facts of a model whose probabilities hold for the class shares `new` (k,) from now on, instead of `old`.

    Thresholds were chosen for the old ones, and stay where they are: recalls and coverages of classes are then what they were.
    """
    weights = (old / new).tolist()
    return {
        name: {**value, "weights": weights} if name in ("decision", "conformal") else value for name, value in facts.items()
    }


def _weighed(proba: NDArray[np.float64], weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Return probabilities (n, k) times weights (k,), which add up to 1 again."""
    if weights is None:
        return proba
    weighed = proba * weights
    return np.asarray(weighed / weighed.sum(axis=1, keepdims=True))


def _plain(weights: NDArray[np.float64] | None) -> dict[str, list[float]]:
    return {} if weights is None else {"weights": weights.tolist()}


def _weights(facts: Mapping[str, Any], k: int) -> NDArray[np.float64] | None:
    if "weights" not in facts:
        return None
    weights = np.array(facts["weights"], np.float64)
    if weights.shape != (k,) or not np.isfinite(weights).all() or (weights <= 0).any():
        raise ValueError(_("the weights of its decision are not for its classes"))
    return weights


def is_cost(value: Any) -> bool:
    """Tell whether a mistake may cost this."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
