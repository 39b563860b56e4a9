"""Support vector machine: squared hinge loss, linear or Gaussian kernel, one class against the rest.

In: scaled rows of all folds. Out: a linear or a kernel scorer. Margins have no scale of their own: one temperature, fitted
on held-out margins, turns them into logits whose softmax are the probabilities (for two classes: Platt's sigmoid through 0).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from penult.arrays import Array
from penult.errors import unknown
from penult.heads import calibration
from penult.heads.base import Head
from penult.heads.choice import Search, own_temperature
from penult.heads.grid import Grid
from penult.heads.kernels import kernel_space, kernel_spaces
from penult.heads.linear import LinearSearch
from penult.heads.losses import Loss, SquaredHinge
from penult.heads.spaces import space, spaces
from penult.heads.state import HeadState
from penult.heads.task import Task

KERNELS = ("auto", "linear", "rbf")
WIDTHS = (0.25, 1.0, 4.0)  # gamma in units of 1 / median squared distance


class SVM(Head):
    """Fit a support vector machine; minimises C sum_i max(0, 1 - y_i f_i)^2 + |w|^2 / 2 per class.

    `kernel`: "linear", "rbf", or "auto", which tries both. `C`: None chooses it. The rbf kernel is exact up
    to 1,000 rows and uses 1,000 of them as landmarks above (see `kernels`). See `Head.fit` for the rest.
    """

    name = "svm"
    scale_free = True

    def __init__(  # noqa: PLR0913 - scikit-learn: every setting is a parameter of its own
        self,
        kernel: str = "auto",
        C: float | None = None,
        *,
        scaling: str = "unit",
        blocks: tuple[int, ...] | None = None,
        class_weight: Any = None,
        calibrate: bool = True,
        clip: float | str | None = "auto",
        folds: int = 5,
        random_state: int = 0,
    ) -> None:
        self.kernel = kernel
        self.C = C
        self.scaling = scaling
        self.blocks = blocks
        self.class_weight = class_weight
        self.calibrate = calibrate
        self.clip = clip
        self.folds = folds
        self.random_state = random_state

    def _search(self, task: Task) -> Search:
        if self.kernel not in KERNELS:
            raise unknown("kernel", self.kernel, KERNELS)
        candidates: list[dict[str, Any]] = []
        logits: list[Array] = []
        refits: list[Callable[[], HeadState]] = []
        heat: list[float] = []
        for about, found, fine in self._kernels(task):
            grid = Grid(1.0, self.C, (-2, -1, 0, 1), fine)
            if task.folds is None:
                return Search([{**about, "C": grid.default}], [], lambda _: found.refit(grid.default))  # noqa: B023
            while wanted := grid.next():
                held = found.logits(wanted)
                for C, z in held.items():
                    heat.append(own_temperature(z, task, self.calibrate))
                    costs = calibration.cautious_losses(z / heat[-1], task.codes)
                    grid.tell({C: float(np.average(costs, weights=task.weight))})
                    candidates.append({**about, "C": C})
                    logits.append(z)
                    refits.append(partial(found.refit, C))
        return Search(candidates, logits, lambda i: refits[i](), heat)

    def _kernels(self, task: Task) -> Any:
        if self.kernel != "rbf":
            yield (
                {"kernel": "linear", "width": None},
                LinearSearch(task, list(spaces(task, self.scaling)), lambda: space(task, self.scaling, None), _loss),
                (0.5,),
            )
        for width in WIDTHS if self.kernel != "linear" else ():
            if task.folds is None and width != 1:
                continue
            yield (
                {"kernel": "rbf", "width": width},
                LinearSearch(
                    task,
                    list(kernel_spaces(task, self.scaling, width)),
                    partial(kernel_space, task, self.scaling, width, None),
                    _loss,
                ),
                (),
            )


def _loss(task: Task, dtype: Any) -> Loss:
    return SquaredHinge(task.codes, task.k, dtype)
