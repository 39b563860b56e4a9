"""Support vector machine: squared hinge loss, linear or Gaussian kernel, one class against the rest.

Margins have no scale of their own: one temperature, fitted on held-out margins, turns them into logits whose softmax are the
probabilities (for two classes: Platt's sigmoid through 0).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from penult.arrays import Array
from penult.errors import unknown
from penult.heads.choice import Search, candidate_temperature, smoothed_log_loss
from penult.heads.head import Head
from penult.heads.linear import Grid, LinearSearch
from penult.heads.scoring import HeadState
from penult.heads.spaces import kernel_space, linear_spaces, spaces_of_folds, whole_space
from penult.heads.task import Task
from penult.solver import Loss, SquaredHingeLoss

KERNELS = ("auto", "linear", "rbf")
WIDTHS = (0.25, 1.0, 4.0)  # gamma in units of 1 / median squared distance


@dataclass(eq=False, repr=False)
class SVM(Head):
    """Fit a support vector machine; minimises C sum_i max(0, 1 - y_i f_i)^2 + |w|^2 / 2 per class.

    `kernel`: "linear", "rbf", or "auto", which tries both. `C`: None chooses it. The rbf kernel is exact up to 1,000 rows and
    uses 1,000 of them as landmarks above (see `spaces.kernel_space`). See `Head.fit` for the rest.
    """

    name = "svm"
    scale_free = True

    kernel: str = "auto"
    C: float | None = None

    def search(self, task: Task) -> Search:
        """Return the kernels and values of C that were tried, each with its own temperature."""
        if self.kernel not in KERNELS:
            raise unknown("kernel", self.kernel, KERNELS)
        candidates: list[dict[str, Any]] = []
        logits: list[Array] = []
        refits: list[Callable[[], HeadState]] = []
        temperatures: list[float] = []
        for about, found, fine in self._kernels(task):
            grid = Grid(1.0, self.C, (-2, -1, 0, 1), fine)
            if task.folds is None:
                return Search([{**about, "C": grid.default}], [], lambda _: found.refit(grid.default))  # noqa: B023
            while wanted := grid.next():
                for C, z in found.logits(wanted).items():
                    temperatures.append(candidate_temperature(z, task, self.calibrate))
                    grid.tell({C: smoothed_log_loss(z, task, temperatures[-1])})
                    candidates.append({**about, "C": C})
                    logits.append(z)
                    refits.append(partial(found.refit, C))
        return Search(candidates, logits, lambda i: refits[i](), temperatures)

    def _kernels(self, task: Task) -> Iterator[tuple[dict[str, Any], LinearSearch, tuple[float, ...]]]:
        """Yield what each kernel is called, its search, and how finely C is searched."""
        if self.kernel != "rbf":
            spaces = linear_spaces(task, self.scaling)
            search = LinearSearch(task, spaces, partial(whole_space, task, self.scaling, spaces), _loss)
            yield {"kernel": "linear", "width": None}, search, (0.5,)
        for width in WIDTHS if self.kernel != "linear" else ():
            if task.folds is None and width != 1:
                continue
            make = partial(kernel_space, width=width)
            spaces = list(spaces_of_folds(task, self.scaling, make))
            yield (
                {"kernel": "rbf", "width": width},
                LinearSearch(task, spaces, partial(whole_space, task, self.scaling, spaces, make), _loss),
                (),
            )


def _loss(task: Task, dtype: Any) -> Loss:
    return SquaredHingeLoss(task.codes, task.k, dtype)
