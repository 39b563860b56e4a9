"""What a comparison found: every network and combination, who is on the Pareto front, what each member adds, which to take.

In: evaluations on the same folds, speeds. Out: `Comparison`, and its files: `compare.json`, `compare.csv`,
`figures/compare.png` and `.svg`. A folder is ours when it holds a `compare.json` of ours, which is written first ("running")
and again last ("done").
"""

from __future__ import annotations

import csv
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from penult import html, plots, store, untrusted
from penult.compare.candidates import EmbeddedCandidate, LeftOut
from penult.compare.combinations import Members
from penult.compare.options import CompareOptions
from penult.errors import InputError, unknown
from penult.evaluate import Difference, Evaluation, LabelEvaluation, Score, paired_difference, paired_label_difference
from penult.frames import data_frame, short
from penult.i18n import N_, _
from penult.plots import TradeoffPoint
from penult.texts import measured, percent

RESULT = "compare.json"
FORMAT = 1
CURE = N_("wait until that has ended, or give another folder with --out")
SCORES = ("log_loss", "accuracy", "auc", "brier", "ece")
LABEL_SCORES = ("log_loss", "mAP", "micro_f1", "macro_f1", "auc")  # of several labels a photo


@dataclass(frozen=True, slots=True)
class CombinationScore:
    """One network, or several whose features stand side by side.

    Attributes
    ----------
    members : tuple of str
        The names of the networks.
    scores : dict of Score
        Log loss, accuracy, AUC, ... with their 95% intervals, out-of-fold.
    images_per_second : float
        Of the networks alone, one after the other.
    width : int
        The columns of their features.
    gmacs : float
        10^9 multiply-adds for one image.
    params : int
        The weights of the networks.
    license : str
        Their licenses.
    pareto : bool
        Whether nothing else is both as fast and as good.
    adds : dict of Difference
        For each member of a combination the log loss without it minus that with it, where both were measured.
    behind : Difference
        This log loss minus the best one's.

    Examples
    --------
    >>> best = compared[0]  # after compared = penult.compare("photos", backbones="colour_histogram")
    >>> best.members, best.width, best.pareto
    (('colour_histogram',), 112, True)
    """

    members: tuple[str, ...]
    scores: Mapping[str, Score]
    images_per_second: float
    width: int
    gmacs: float
    params: int
    license: str
    pareto: bool
    adds: Mapping[str, Difference]
    behind: Difference

    @property
    def log_loss(self) -> float:
        """The log loss on images that the head had not seen."""
        value = self.scores["log_loss"].value
        return float("inf") if value is None else value

    @property
    def share(self) -> Score:
        """The accuracy; of several labels a photo the mean average precision."""
        return self.scores["mAP" if "mAP" in self.scores else "accuracy"]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        plain = ("width", "gmacs", "params", "license", "pareto")
        return {
            "members": list(self.members),
            "scores": {name: score.to_dict() for name, score in self.scores.items()},
            "images_per_second": round(self.images_per_second, 2),
            **{name: getattr(self, name) for name in plain},
            "adds": {name: _plain(one) for name, one in self.adds.items()},
            "behind_best": _plain(self.behind),
        }


@dataclass(frozen=True, slots=True, repr=False)
class Comparison:
    """What `penult.compare` found: a sequence of `CombinationScore`, the smallest log loss first.

    A number gives one of them, and so does its short name: ``found["lite0 + lite2"]``.

    Attributes
    ----------
    entries : tuple of CombinationScore
        Every network and combination.
    recommended : CombinationScore
        The one to take: the fastest that is not significantly worse than the best.
    reason : str
        Why, in a sentence.
    next_line : str
        The command that trains with it.
    left_out : tuple of LeftOut
        What did not fit into the budget, or cannot be used here.
    short : dict
        A short name for each network.
    classes : dict
        How many images of each class there were.
    counts : dict
        What became of the images, for all networks together.
    engine : tuple of str
        What computed the networks: its name, device and precision.
    machine : str
        Where.
    notes : tuple of str
        What else is to be said.
    options : CompareOptions
        What was asked for.
    seconds : float
        How long it took.

    Examples
    --------
    >>> compared  # after compared = penult.compare("photos", backbones="colour_histogram")
    Comparison(entries=1, recommended='colour_histogram')
    >>> compared.next_line  # doctest: +ELLIPSIS
    'penult train ...photos -b colour_histogram...'
    """

    entries: tuple[CombinationScore, ...]
    recommended: CombinationScore
    reason: str
    next_line: str
    left_out: tuple[LeftOut, ...]
    short: Mapping[str, str]
    classes: Mapping[str, int]
    counts: Mapping[str, int]
    engine: tuple[str, str, str]
    machine: str
    notes: tuple[str, ...]
    options: CompareOptions
    seconds: float

    def label(self, entry: CombinationScore) -> str:
        """Return the short name of an entry: `lite0 + lite2`.

        Parameters
        ----------
        entry : CombinationScore
            One of `entries`.
        """
        return " + ".join(self.short[name] for name in entry.members)

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[CombinationScore]:
        return iter(self.entries)

    def __getitem__(self, index: Any) -> Any:
        """Return an entry by its number, several by a slice, or one by its short name, such as `lite0 + lite2`."""
        if not isinstance(index, str):
            return self.entries[index]
        named = {self.label(entry): entry for entry in self.entries}
        if index not in named:
            raise unknown("combination", index, named)
        return named[index]

    @property
    def share_name(self) -> str:
        """What the share beside the log loss is called: accuracy, or of several labels a photo mAP."""
        return "mAP" if "mAP" in self.entries[0].scores else "accuracy"

    @property
    def score_names(self) -> tuple[str, ...]:
        """The scores of each entry that tables have."""
        return LABEL_SCORES if self.share_name == "mAP" else SCORES

    def __repr__(self) -> str:
        return short("Comparison", entries=len(self), recommended=repr(self.label(self.recommended)))

    def _repr_html_(self) -> str:
        rows = [
            (self.label(one), *_measured(one.scores["log_loss"]), percent(one.share.value),
             f"{one.images_per_second:.3g}", _("yes") if one.pareto else "")
            for one in self.entries
        ]  # fmt: skip
        share = _("accuracy") if self.share_name == "accuracy" else self.share_name
        header = (_("networks"), _("log loss"), _("95% CI"), share, _("images/s"), _("Pareto front"))
        return html.result(self.reason, html.table(header, rows))

    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame` with a row for each entry. Raises `MissingExtra`."""
        plain = ("images_per_second", "width", "gmacs", "params", "license", "pareto")
        columns: dict[str, Any] = {"networks": [self.label(one) for one in self.entries]}
        columns |= {name: [one.scores[name].value for one in self.entries] for name in self.score_names}
        columns |= {name: [getattr(one, name) for one in self.entries] for name in plain}
        return data_frame(columns)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "entries": [{"name": self.label(entry), **entry.to_dict()} for entry in self.entries],
            "recommended": list(self.recommended.members),
            "reason": self.reason,
            "next": self.next_line,
            "left_out": [asdict(one) for one in self.left_out],
            "classes": dict(self.classes),
            "images": dict(self.counts),
            "engine": dict(zip(("name", "device", "precision"), self.engine, strict=True)),
            "machine": self.machine,
            "notes": list(self.notes),
            "options": self.options.to_dict(),
            "seconds": round(self.seconds, 2),
        }


def _measured(score: Score) -> tuple[str, str]:
    value, low, high = (None if one is None else float(one) for one in (score.value, score.low, score.high))
    return html.number(value), "" if low is None or high is None else _("{low:.4f} to {high:.4f}", low=low, high=high)


def combination_scores(
    embedded: Sequence[EmbeddedCandidate], found: Mapping[Members, Evaluation | LabelEvaluation]
) -> tuple[CombinationScore, ...]:
    """Return an entry for each evaluation, the smallest log loss first."""
    best = found[min(found, key=lambda members: (found[members].scores["log_loss"].value, len(members), members))]
    every = [_entry([embedded[i] for i in members], members, found, best) for members in found]
    every = [replace(one, pareto=not any(_beats(other, one) for other in every)) for one in every]
    return tuple(sorted(every, key=lambda one: (one.log_loss, -one.images_per_second)))


def _entry(
    embedded: Sequence[EmbeddedCandidate],
    members: Members,
    found: Mapping[Members, Evaluation | LabelEvaluation],
    best: Evaluation | LabelEvaluation,
) -> CombinationScore:
    whole = found[members]
    adds = {}
    for place, member in enumerate(embedded):
        rest = members[:place] + members[place + 1 :]
        if rest in found:
            adds[member.candidate.name] = _difference(found[rest], whole)
    backbones = [member.candidate.backbone for member in embedded]
    return CombinationScore(
        tuple(member.candidate.name for member in embedded),
        whole.scores,
        1 / sum(1 / member.images_per_second for member in embedded),
        sum(b.width for b in backbones),
        round(sum(b.gmacs for b in backbones), 3),
        sum(b.params for b in backbones),
        ", ".join(dict.fromkeys(b.license for b in backbones)),
        False,
        adds,
        _difference(whole, best),
    )


def _difference(first: Evaluation | LabelEvaluation, second: Evaluation | LabelEvaluation) -> Difference:
    if isinstance(first, LabelEvaluation) and isinstance(second, LabelEvaluation):
        return paired_label_difference(first, second)
    assert isinstance(first, Evaluation) and isinstance(second, Evaluation)  # noqa: S101 - for the type checker
    return paired_difference(first, second)


def _beats(one: CombinationScore, other: CombinationScore) -> bool:
    """Tell whether one is at least as fast and as good, and not the same in both."""
    mine, its = (one.images_per_second, -one.log_loss), (other.images_per_second, -other.log_loss)
    return mine != its and mine[0] >= its[0] and mine[1] >= its[1]


def recommend(ranked: Sequence[CombinationScore], name: Mapping[str, str]) -> tuple[CombinationScore, str]:
    """Return the fastest entry whose log loss is not measurably above the best one's, and the reason in one sentence."""
    best = ranked[0]
    chosen = max((e for e in ranked if e is best or not e.behind.clear), key=lambda e: e.images_per_second)

    def called(entry: CombinationScore) -> str:
        return " + ".join(name[one] for one in entry.members)

    if chosen is not best:
        return chosen, (
            _(
                "{network} is the fastest ({speed}) whose log loss is not significantly worse than the "
                "best, {best} ({best_speed}): the difference is {difference}.",
                network=called(chosen),
                speed=rate(chosen),
                best=called(best),
                best_speed=rate(best),
                difference=format_difference(chosen.behind),
            )
        )
    faster = [e for e in ranked if e.images_per_second > best.images_per_second]
    if faster:
        next_best = min(faster, key=lambda e: e.behind.value)
        return best, (
            _(
                "{best} has the smallest log loss, and everything faster is significantly worse: "
                "{other} ({speed}) is worse by {difference}.",
                best=called(best),
                other=called(next_best),
                speed=rate(next_best),
                difference=format_difference(next_best.behind),
            )
        )
    return best, _("{best} has the smallest log loss and is the fastest.", best=called(best))


def format_difference(gap: Difference) -> str:
    """Return a difference with its interval as people read it."""
    value, low, high = measured(gap.value, gap.low, gap.high)
    return _("{value} ({low} to {high})", value=value, low=low, high=high)


def rate(entry: CombinationScore) -> str:
    """Return an entry's speed as people read it."""
    speed = entry.images_per_second
    return _("{n} images/s", n=f"{speed:.0f}" if speed >= 10 else f"{speed:.2g}")


def next_line(source: str, typed: Sequence[str], options: CompareOptions) -> str:
    """Return the command that trains with these networks, as a shell takes it."""
    words = ["penult", "train", source]
    for name in typed:
        words += ["-b", name]
    if options.head != "blend":
        words += ["--head", options.head]
    if options.class_weight is not None:
        words += ["--class-weight", options.class_weight]
    settings = options.settings
    given = {"--cache": settings.cache, "--device": settings.device, "--precision": settings.precision}
    for option, value in given.items():
        if isinstance(value, str | Path) and value != "auto":
            words += [option, str(value)]
    if settings.cache is False:
        words.append("--no-cache")
    others = {
        "--groups": options.groups,
        "--image-column": options.image_column,
        "--label-column": options.label_column,
        "--image-dir": options.image_dir,
        "--encoding": options.encoding,
        "--fit": options.crop_mode,
        "--pooling": options.pooling,
    }
    for option, word in others.items():
        if word is not None:
            words += [option, word]
    if options.recipe:
        told = {k: ",".join(map(str, v)) if isinstance(v, list | tuple) else v for k, v in options.recipe.items()}
        words += ["--recipe", *(f"{name}={value}" for name, value in told.items())]
    return shlex.join(words)


def _plain(gap: Difference) -> dict[str, float]:
    return {"value": gap.value, "low": gap.low, "high": gap.high}


@contextmanager
def claimed(out: str) -> Iterator[Path]:
    """Yield the folder, made and marked as ours, which nobody else gets meanwhile.

    Raises `InputError` for one that holds something else, `OutputError` for one that another comparison has.
    """
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise InputError(_("{folder} is a file; give another folder with --out.", folder=folder))
    store.make_folder(folder)
    with store.FolderLock(folder, _("another comparison is writing to it"), _(CURE)):
        if not store.is_empty(folder) and not _is_ours(folder / RESULT):
            raise InputError(
                _(
                    "{folder} is not empty and is not a comparison of penult's; nothing was touched. Give "
                    "another folder with --out.",
                    folder=folder,
                )
            )
        store.sweep(folder, below=1)
        store.write_json(folder / RESULT, {"penult_compare": FORMAT, "status": "running"})
        yield folder


def write(folder: Path, found: Comparison) -> Comparison:
    """Write the table, the figure, and last the whole result; return that, with what there is to note of the figure.

    Raises `OutputError`.
    """
    with store.atomic_write_text(folder / "compare.csv") as file:
        table = csv.writer(file)
        table.writerows(_table(found))
    points = [
        TradeoffPoint(tuple(found.short[name] for name in e.members), e.images_per_second, e.scores["log_loss"], e.pareto)
        for e in found.entries
    ]
    plots.save_figure(plots.plot_tradeoff(points), folder / "figures", "compare")
    if note := plots.font_note():
        found = replace(found, notes=(*found.notes, note))
    store.write_json(folder / RESULT, {"penult_compare": FORMAT, "status": "done", **found.to_dict()})
    return found


def _table(found: Comparison) -> list[list[str]]:
    """Return the lines of `compare.csv`: one an entry, the best first."""
    scores = found.score_names
    bounds = [f"{score}{part}" for score in scores for part in ("", "_low", "_high")]
    lines = [["name", "members", "images_per_second", *bounds, "pareto", "recommended", "width", "gmacs", "params", "license"]]
    for e in found.entries:
        numbers = ["" if v is None else f"{v:.6g}" for s in scores for v in e.scores[s].to_dict().values()]
        marks = ["yes" if e.pareto else "no", "yes" if e is found.recommended else "no"]
        lines.append([
            found.label(e), " ".join(e.members), f"{e.images_per_second:.2f}", *numbers,
            *marks, str(e.width), str(e.gmacs), str(e.params), e.license,
        ])  # fmt: skip
    return lines


def _is_ours(path: Path) -> bool:
    try:
        return "penult_compare" in untrusted.parse_json(untrusted.read_bytes(path, untrusted.MOST_JSON))
    except (OSError, ValueError, TypeError):
        return False
