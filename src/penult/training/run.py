"""What a training made: the run folder, the model, everything that was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penult import html
from penult.audit import Finding
from penult.bundle import Bundle
from penult.embed import Embedding
from penult.evaluate import Evaluation, LearningCurve
from penult.frames import read_frame, short
from penult.i18n import _
from penult.texts import percent, printable


@dataclass(frozen=True, slots=True, repr=False)
class Run:
    """What a training made.

    Attributes
    ----------
    folder : Path
        The run folder.
    model : Bundle
        The model, as in `model.penult`.
    evaluation : Evaluation
        The out-of-fold scores of the model.
    others : tuple of Evaluation
        What it was compared with on the same folds: each backbone alone, other heads.
    curve : LearningCurve or None
        How the scores grow with the number of photos.
    test : Evaluation or None
        The scores on the test photos, where their labels are known.
    findings : tuple of Finding
        Problems of the data, the gravest kinds first.
    metrics : dict
        Everything that was measured, as in `metrics.json`.
    embedding : Embedding or None
        What became of each image; None where features came from files.
    former : Path or None
        Where the run is kept that was in this folder before; None where there was none, or `overwrite` was asked for.

    Examples
    --------
    >>> run.folder.name  # after run = penult.train("photos", out="cats")
    'cats'
    >>> run.evaluation.scores["accuracy"].value > 0.5
    True
    """

    folder: Path
    model: Bundle
    evaluation: Evaluation
    others: tuple[Evaluation, ...]
    curve: LearningCurve | None
    test: Evaluation | None
    findings: tuple[Finding, ...]
    metrics: Mapping[str, Any]
    embedding: Embedding | None
    former: Path | None = None

    def __repr__(self) -> str:
        accuracy = self.evaluation.scores.get("accuracy")
        value = None if accuracy is None else accuracy.value
        return short("Run", folder=repr(str(self.folder)), accuracy="not defined" if value is None else percent(value))

    def to_pandas(self) -> Any:
        """Return `oof.csv` as a `pandas.DataFrame`: each training photo, and the answer of a model that had not seen it.

        Raises
        ------
        MissingExtra
            pandas is not installed.
        """
        return read_frame(self.folder / "oof.csv")

    def _repr_html_(self) -> str:
        """Return the verdict, the counts, and every figure that still stands in the run folder."""
        rows: list[tuple[str, object]] = [(_("run"), printable(self.folder)), *self.metrics["classes"].items()]
        rows += [(name, count) for name, count in self.metrics["images"].items() if name in ("test", "failed")]
        names = [Path(name) for name in self.metrics["figures"] if name.endswith(".png")]
        drawn = [(self.folder / "figures" / name, name.stem.replace("_", " ")) for name in names]
        pictures = [html.image(path.read_bytes(), name) for path, name in drawn if path.is_file()]
        return html.result(self.metrics["verdict"], html.table(("", ""), rows), *pictures)
