"""Many regularised linear classifiers over the same rows, solved together: every C, fold and class in one pass over X.

    minimise  sum_i weight_i loss(x_i . w + b) + |w|^2 / 2        for each problem, a row of `weight`

In: a `DesignMatrix` (n, r), a `Loss`, weights (p, n). Out: coefficients (p, c, r + 1). It must not know folds, labels' names,
how a value of C is chosen, or files.

A fold is a row of weights that is 0 where rows are held out, and C a factor of the weights; so the (C, fold, class) problems
of a whole model selection differ in their weights only, and X is read once for all of them: matrix times matrix, which a
processor does many times faster than matrix times vector. Each iteration is L-BFGS (Nocedal & Wright 2006, algorithm 7.5;
`lbfgs`): two products with X, the line search works on margins alone. Four things keep the iterations few:

- the coordinates: with fewer rows than columns an optimum lies in the span of the rows, so `heads.spaces` hands over (n, n)
  instead of (n, d);
- a preconditioner (`preconditioner`): the Hessian, exact in the leading directions of X, found by a randomised range finder
  (Halko, Martinsson & Tropp 2011), and one number elsewhere; renewed as the Hessian changes;
- a warm start: the problems solved in these directions first, where X has a few hundred columns;
- working sets (`batch`): rows that are classified with confidence hardly bend the loss. Rounds of iterations run over the
  others, with the gradient of the rest as a linear term, and each round ends with a line search over all rows.

Large X is never copied: `ScaledMatrix` scales and centres inside the products, in memory, in a memory map or on disk. Where
not even the margins of all rows may be in memory, `minimize_streamed` needs sums over the rows alone, which a `Partition`
makes in one pass, here or in another process (`PartitionedRows`).
"""

from penult.solver.batch import solve
from penult.solver.lbfgs import Problems
from penult.solver.losses import LogisticLoss, Loss, SoftmaxLoss, SquaredHingeLoss
from penult.solver.matrices import DenseMatrix, DesignMatrix, ScaledMatrix, entry_chunks, on_disk
from penult.solver.preconditioner import (
    LARGE,
    Preconditioner,
    Spectrum,
    known_hessian,
    known_spectrum,
    preconditioner,
    spectrum,
)
from penult.solver.rows import (
    IGNORED,
    LEARNT,
    HessianLook,
    LossTerms,
    Partition,
    PartitionedRows,
    RowScaling,
    Sums,
    partition,
    placed_elsewhere,
    placed_rows,
    placement,
)
from penult.solver.streaming import VECTOR_BYTES, minimize_streamed

__all__ = [
    "IGNORED",
    "LARGE",
    "LEARNT",
    "VECTOR_BYTES",
    "DenseMatrix",
    "DesignMatrix",
    "HessianLook",
    "LogisticLoss",
    "Loss",
    "LossTerms",
    "Partition",
    "PartitionedRows",
    "Preconditioner",
    "Problems",
    "RowScaling",
    "ScaledMatrix",
    "SoftmaxLoss",
    "Spectrum",
    "SquaredHingeLoss",
    "Sums",
    "entry_chunks",
    "known_hessian",
    "known_spectrum",
    "minimize_streamed",
    "on_disk",
    "partition",
    "placed_elsewhere",
    "placed_rows",
    "placement",
    "preconditioner",
    "solve",
    "spectrum",
]
