"""The head that compares the heads.

In: what every head takes. Out: the head with the smallest held-out loss, all judged on the same inner folds.
It is a head itself, so an outer cross-validation measures the choice too.
"""

from __future__ import annotations

from typing import Any, Self

from penult import heads
from penult.errors import InputError
from penult.floats import default_errors
from penult.heads.base import Head, threads
from penult.heads.choice import choose


class Auto(Head):
    """Try each of `candidates` (all but `dense` when None) and keep the best; `choice_["head"]` names it.

    `path_` has the held-out log loss of each. Without folds (see `Head.fit`) the first candidate is kept.
    """

    name = "auto"

    def __init__(
        self,
        candidates: tuple[str, ...] | None = None,
        *,
        scaling: str = "unit",
        blocks: tuple[int, ...] | None = None,
        class_weight: Any = None,
        calibrate: bool = True,
        clip: float | str | None = "auto",
        folds: int = 5,
        random_state: int = 0,
    ) -> None:
        self.candidates = candidates
        self.scaling = scaling
        self.blocks = blocks
        self.class_weight = class_weight
        self.calibrate = calibrate
        self.clip = clip
        self.folds = folds
        self.random_state = random_state

    @default_errors
    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Fit every candidate's inner folds, then the best candidate on all rows; see `Head.fit`."""
        names = heads.CANDIDATES if self.candidates is None else list(self.candidates)
        if not names or "auto" in names:
            raise InputError(f"auto cannot compare {names}; give the names of at least one other head")
        task = self._task(X, y, groups)
        shared = {name: value for name, value in self.get_params(deep=False).items() if name != "candidates"}
        best: Any = None
        losses, spreads = [], []
        for name in names:
            head = heads.make(name, **shared)
            with threads(task.X):
                search = head._search(task)
                chosen = choose(search, task, head)
            losses.append(chosen.log_loss)
            spreads.append(chosen.path.get("log_loss_std", [None])[chosen.index])
            if best is None or (chosen.cost is not None and chosen.cost < best[2].cost):
                best = head, search, chosen
            if task.folds is None:
                break
        head, search, chosen = best
        with threads(task.X):
            head._keep(task, search, chosen)
        self._scorer, self.choice_ = head._scorer, head.choice_
        self.cv_proba_, self.cv_log_loss_, self.history_ = chosen.proba, chosen.log_loss, head.history_
        self.path_ = {"head": list(names[: len(losses)]), "log_loss": losses, "log_loss_std": spreads}
        return self
