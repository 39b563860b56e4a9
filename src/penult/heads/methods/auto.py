"""The head that compares the heads. It is a head itself, so an outer cross-validation measures the choice too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from penult.arrays import default_errors
from penult.errors import InputError
from penult.heads.choice import Chosen, Search, choose
from penult.heads.contexts import threads
from penult.heads.head import Head
from penult.heads.methods import CANDIDATES, find_head, make_head
from penult.heads.weights import check_weighs_rows
from penult.i18n import _


@dataclass(eq=False, repr=False)
class Auto(Head):
    """Try each of `candidates` (all but `blend3` and `dense` when None) and keep the best; `choice_["head"]` names it.

    The best has the smallest held-out loss, all judged on the same inner folds. `path_` has the held-out log loss of each.
    Without folds (see `Head.fit`) the first candidate is kept.
    """

    name = "auto"

    cross_fit: ClassVar[Any] = None  # each candidate would need its own choice among the folds: each outer fold is fitted anew

    candidates: tuple[str, ...] | None = None

    @default_errors
    def fit(self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None) -> Self:
        """Fit every candidate's inner folds, then the best candidate on all rows; see `Head.fit`.

        With sample weights, the heads that take none are no candidates, and cannot be named.
        """
        names = CANDIDATES if self.candidates is None else list(self.candidates)
        if sample_weight is not None and self.candidates is None:
            names = [name for name in names if find_head(name).weighs_rows]
        if not names or "auto" in names:
            raise InputError(_("auto cannot compare {names}; give the names of at least one other head", names=names))
        task = self.checked_task(X, y, groups, sample_weight=sample_weight)
        shared = {name: value for name, value in self.get_params(deep=False).items() if name != "candidates"}
        best: tuple[Head, Search, Chosen] | None = None
        losses, spreads = [], []
        for name in names:
            head: Head = make_head(name, **shared)
            if task.given_weight is not None:
                check_weighs_rows(head, task.X)
            with threads(task.X):
                search = head.search(task)
                chosen = choose(search, task, head)
            losses.append(chosen.cost)
            spreads.append(chosen.spread)
            if best is None or (chosen.cost is not None and best[2].cost is not None and chosen.cost < best[2].cost):
                best = head, search, chosen
            if task.folds is None:
                break
        assert best is not None  # noqa: S101 - for the type checker: there is a first candidate
        head, search, chosen = best
        with threads(task.X):
            head.keep(task, search, chosen)
        self._scorer, self.choice_ = head.scorer(), head.choice_
        self.cv_proba_, self.cv_log_loss_, self.history_ = chosen.proba, chosen.log_loss, head.history_
        self.path_ = {"head": list(names[: len(losses)]), "log_loss": losses, "log_loss_std": spreads}
        return self
