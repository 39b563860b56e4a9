"""One problem, or possible one, with the data; what the kinds of them are called, and what an audit looks at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from penult import html
from penult.audit.near_duplicates import Photos
from penult.audit.pairs import Pairs
from penult.i18n import _
from penult.texts import count


@dataclass(frozen=True, slots=True)
class FindingKind:
    """What one kind of finding is called, and what to do about it; a file in `penult.audit.kinds` declares it.

    `name` stands in findings.csv. `one` and `many` are its titles, which `make messages` finds as the second and third value;
    the other texts are marked by `N_`. `rank`: findings are listed by it, the gravest first.
    `suggestion` is for one finding, `advice` a sentence for several together, where that is another. `about` says what a
    finding's `file` names. `expected` says how many of several are true, where scores are the
    probability of it, as their sum is: `about {right} of these {number} labels are expected to be wrong`.
    """

    name: str
    one: str
    many: str
    rank: int
    suggestion: str
    advice: str = ""
    about: Literal["photo", "class"] = "photo"
    expected: str = ""

    def finding(self, file: str, score: float, reason: str, suggestion: str | None = None, related: str = "") -> Finding:
        """Return a finding of this kind; it suggests what the kind does unless another `suggestion` is given."""
        return Finding(
            self.name, file, related, float(score), reason, _(self.suggestion) if suggestion is None else suggestion
        )

    def title(self, number: int) -> str:
        """Return `12 possible label errors`."""
        return count(number, self.one, self.many)

    def expects(self, number: int, right: float | None) -> str:
        """Return `about 8 of these 12 labels are expected to be wrong`; nothing of one, or where `right` is not known."""
        if not self.expected or right is None or number < 2:
            return ""
        return _(self.expected, right=f"{right:,.0f}", number=f"{number:,}")


KINDS: dict[str, FindingKind] = {}  # by name, the gravest first; `penult.audit.kinds` fills it


@dataclass(frozen=True, slots=True)
class Finding:
    """One possible problem of the data.

    Attributes
    ----------
    kind : str
        What sort of problem: "leak", "label", "copy", "near_copy", "outlier", ...
    file : str
        The photo or the class that it is about, see `about`; of a leak the test photo.
    related : str
        What it goes with, such as the other photo of a pair, or the training photo of a leak; empty where there is none.
    score : float
        From 0 to 1, surer or worse the higher.
    reason : str
        Why it was found.
    suggestion : str
        What to do about it.

    Examples
    --------
    >>> import penult
    >>> one = penult.audit("photos", backbones="colour_histogram")[0]
    >>> one.kind, one.about, one.file
    ('small_class', 'class', 'cat')
    """

    kind: str
    file: str
    related: str
    score: float
    reason: str
    suggestion: str

    @property
    def about(self) -> Literal["photo", "class"]:
        """What `file` names."""
        return KINDS[self.kind].about if self.kind in KINDS else "photo"

    @property
    def photos(self) -> tuple[str, ...]:
        """The photos that this is about: none where it is about a class, two where one goes with another."""
        if self.about == "class":
            return ()
        return (self.file, self.related) if self.related else (self.file,)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"about": self.about, **asdict(self)}

    def _repr_html_(self) -> str:
        about = _("class") if self.about == "class" else _("photo")
        rows = [(about, self.file), (_("related"), self.related), (_("score"), html.number(self.score, 3))]
        rows.append((_("suggestion"), self.suggestion))
        return html.result(f"{self.kind}: {self.reason}", html.table(("", ""), [row for row in rows if row[1]]))

    def row(self) -> tuple[str, ...]:
        """Return the cells of a line of `findings.csv`, see COLUMNS."""
        return tuple(f"{cell:.4f}" if isinstance(cell, float) else cell for cell in astuple(self))


def findings_html(findings: Iterable[Finding]) -> str:
    """Return findings as one table for a notebook."""
    rows = [(f.file, f.kind, f.related, html.number(f.score, 3), f.reason, f.suggestion) for f in findings]
    header = (_("photo or class"), _("kind"), _("related"), _("score"), _("reason"), _("suggestion"))
    return html.result(count(len(rows), "finding"), html.table(header, rows))


COLUMNS = tuple(cell.name for cell in fields(Finding))


def ranked(found: Iterable[Finding]) -> list[Finding]:
    """Return findings kind by kind in the order of KINDS, the surest of each first."""
    return sorted(found, key=lambda one: (KINDS[one.kind].rank, -one.score, one.file))


def counts(found: Iterable[Finding]) -> dict[str, int]:
    """Return how many findings there are of each kind that was found, in the order of KINDS."""
    names = [one.kind for one in found]
    return {name: names.count(name) for name in KINDS if name in names}


def expected(found: Iterable[Finding]) -> dict[str, float]:
    """Return for each kind whose scores are probabilities how many of the findings are expected to be true."""
    several = [one for one in found if one.kind in KINDS and KINDS[one.kind].expected]
    names = dict.fromkeys(one.kind for one in several)
    return {name: round(sum(one.score for one in several if one.kind == name), 1) for name in names}


@dataclass(frozen=True, slots=True)
class AuditPart:
    """The photos of one folder: all their names, and arrays of those that could be read."""

    name: str  # "training" or "test"
    files: Sequence[str]  # of all n photos
    ok_files: Sequence[str]  # of the n_ok that could be read, in the order of the arrays
    photos: Photos  # digests, features and thumbnails, n_ok each
    y: NDArray[np.intp] | None = None  # (n_ok,) class numbers
    quality: NDArray[Any] | None = None  # (n_ok, 4) mean, spread, bright, blur
    sizes: Sequence[tuple[int, int] | None] = ()  # (n,) width and height in pixels, where they are small
    failures: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # file -> reason and advice
    missing_rows: Mapping[str, float] = field(default_factory=dict)  # file that ends too early -> share of rows that it lacks
    Y: NDArray[np.floating[Any]] | None = None  # (n_ok, L) in place of y, of several labels a photo: 1, 0, NaN unknown


@dataclass(frozen=True, slots=True)
class AuditData:
    """Training photos, test photos if any, and what is known of them.

    `widths` are the columns of each network, `blocks` those of the runs that count the same. `near` are the near-duplicates
    among the training photos. `checked` are rows of the training part whose labels may be judged, `proba` (m, k) what a model
    that was not trained on them predicted, `wrong` (m,) how probable it is that the label is wrong; none where no model has
    learned enough to be asked. `errors` asks for all photos that the model is wrong about. Of several labels a photo `classes`
    are the labels, `proba` (m, L) the probability of each by itself, and `wrong` (m, L) that what is said of it is wrong, NaN
    where that is not judged.
    """

    train: AuditPart
    test: AuditPart | None
    classes: Sequence[str]
    widths: Sequence[int]
    blocks: Sequence[int]
    near: Pairs
    checked: NDArray[np.intp]  # (m,)
    proba: NDArray[np.float64]  # (m, k)
    wrong: NDArray[np.float64]  # (m,), or (m, L)
    errors: bool = False

    @property
    def parts(self) -> tuple[AuditPart, ...]:
        """The training part, and the test part if there is one."""
        return (self.train,) if self.test is None else (self.train, self.test)
