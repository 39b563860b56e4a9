"""Everything that `penult predict` makes of answers as they come: tables, submission, page, sorted photos, review, summary.

Each output takes answers part by part, and is finished when all of them are there and not too many photos were bad.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penult.cli import output
from penult.errors import InputError
from penult.i18n import _
from penult.texts import count, is_url, printable

if TYPE_CHECKING:
    from penult.predict import Prediction, Predictions, Predictor
    from penult.predict.sample_submission import SampleSubmission
    from penult.predict.summary import PredictionSummary

FROM = 10  # photos from which a summary says something that the lines above it do not


def table_files(args: argparse.Namespace) -> list[tuple[str, str]]:
    """Return the tables that were asked for, and by which option: --csv, and --out where its name is that of a table."""
    from penult.predict.tables import ENDINGS

    given = [(args.csv, "--csv")] if args.csv else []
    is_table = args.out is not None and not is_url(args.out) and Path(args.out).suffix.lower() in ENDINGS
    return [*given, (args.out, "--out")] if is_table else given


def is_asked(args: argparse.Namespace) -> bool:
    """Tell whether anything is to be written, besides review.csv."""
    return bool(table_files(args) or args.html or args.sort_into or args.submission)


def check(args: argparse.Namespace) -> None:
    """Raise what can be known to be wrong before anything runs: endings, levels, a folder inside the photos."""
    from penult import store
    from penult.predict.tables import check_table

    for path, option in table_files(args):
        check_table(path, option)
    if args.html:
        store.check_output_file(args.html, store.HTML, "--html")
    if args.review is not None:
        from penult.evaluate import check_level

        check_level(args.review)
    for name, needs in (("link", "sort_into"), ("submit", "submission"), ("heat", "html")):
        if getattr(args, name) and not getattr(args, needs):
            args.usage_error(_("--{name} goes with --{needs}", name=name, needs=needs.replace("_", "-")))
    for name in ("html", "sort_into", "submission"):
        if getattr(args, name) and args.features:
            args.usage_error(
                _(
                    "--{option} needs the photos themselves: give IMAGES in the place of --features",
                    option=name.replace("_", "-"),
                )
            )


class Outputs:
    """All that was asked for, to be given answers part by part, and finished."""

    def __init__(self, args: argparse.Namespace, predictor: Predictor, ids: Iterable[str], stack: ExitStack) -> None:
        from penult.predict.summary import PredictionSummary
        from penult.predict.tables import open_table

        self.args, self.predictor = args, predictor
        self.summary: PredictionSummary = PredictionSummary(predictor.bundle)
        self._doubtful: list[Prediction] = []
        self._json: list[dict[str, Any]] = []
        self._parts: list[Predictions] = []  # for the submission, which follows the sample's order
        self._sample = _sample(args, predictor, ids)
        self._sorter = _sorter(args, predictor)
        self._page = _page(args, predictor)
        nothing = predictor.nothing()
        self._tables = [stack.enter_context(open_table(path, nothing)) for path, _option in table_files(args)]

    def add(self, part: Predictions, sources: Sequence[Any]) -> None:
        """Take the answers for the next photos, which lie in these sources; none where there are only features."""
        self.summary.add(part)
        for add in self._tables:
            add(part)
        if self._sample is not None:
            self._parts.append(part)
        if self._sorter is not None:
            self._sorter.add(part, sources)
        if self._page is not None:
            self._page.add(part, sources)
        if self.args.review is not None:
            self._review(part)
        if self.args.json:
            self._json.extend(one.to_dict() for one in part)

    def _review(self, part: Predictions) -> None:
        from penult.predict.answers import review_reason

        self._doubtful.extend(replace(one, probabilities={}) for one in part if review_reason(one, self.args.review))

    def finish(self) -> None:
        """Write what needs all answers, and print what was written; the tables are there when the stack has closed."""
        self.summary.drift = self.predictor.drift()
        told = self._submission()
        with output.progress(not self.args.quiet) as progress:
            if self._sorter is not None:
                told.append(self._sorter.sort(progress).describe())
            if self._page is not None:
                page = self._page.write(self.args.html, self.summary, progress)
                told.append(_("page written: {path}", path=printable(page)))
        if self.args.review is not None:
            told.append(write_review(self.args, self._doubtful))
        if self.args.json:
            output.as_json(self._json)
            return
        show_summary(self.summary, output.out)
        for path, _option in table_files(self.args):
            output.out(
                _(
                    "{predictions} written to {path}; {images} unreadable",
                    predictions=count(self.summary.photos, "prediction"),
                    path=printable(path),
                    images=count(self.summary.unreadable, "image"),
                )
            )
        for line in told:
            output.out(line)

    def _submission(self) -> list[str]:
        """Write the submission; return what there is to say of it."""
        if self._sample is None:
            return []
        import numpy as np

        parts, model = self._parts, self.predictor.bundle
        names = [name for part in parts for name in part.ids]
        proba, given = (np.concatenate([getattr(part, name) for part in parts]) for name in ("proba", "given"))  # (n, k)
        path = beside(self.args, "submission.csv")
        self._sample.write(path, names, model.classes, proba, given)
        bad = self.summary.unreadable
        said = _("written: {path}", path=printable(path))
        if bad:
            said = _(
                "written: {path}; {images} with the class frequencies of the training set",
                path=printable(path),
                images=count(bad, "unreadable image"),
            )
        return [said, self._sample.describe(model.classes)]


def beside(args: argparse.Namespace, name: str) -> Path:
    """Return where a file of a fixed name goes: beside the first table, else here."""
    tables = table_files(args)
    return (Path(tables[0][0]).parent if tables else Path()) / name


def write_review(args: argparse.Namespace, answers: Iterable[Prediction]) -> str:
    """Write review.csv; return what there is to say of it."""
    from penult import predict

    path = beside(args, "review.csv")
    rows = predict.write_review(path, answers, args.review)
    return _("{rows} of them to review: {path}", rows=rows, path=printable(path))


def show_summary(summary: PredictionSummary, say: Any) -> None:
    """Print counts by class beside those of training, how sure, how many of another kind; `say` prints a line."""
    say(summary.describe())
    header, *rows = summary.table()
    say(output.table(header, rows))
    if summary.drift is not None and summary.drift.tested:
        say(printable(summary.drift.meaning))


def _sample(args: argparse.Namespace, predictor: Predictor, ids: Iterable[str]) -> SampleSubmission | None:
    """Return the sample submission, whose ids have all been found among those of the photos. Raises `InputError`."""
    if not args.submission:
        return None
    from penult.predict.sample_submission import SampleSubmission

    path = beside(args, "submission.csv")
    if path.exists() and Path(args.submission).exists() and path.samefile(args.submission):
        raise InputError(
            _(
                "the submission would be written over its sample, {path}; run this in another folder, or give the sample "
                "another name.",
                path=printable(path),
            )
        )
    sample = SampleSubmission.read(args.submission, predictor.bundle.classes, args.submit)
    sample.rows_of(list(ids))
    return sample


def _sorter(args: argparse.Namespace, predictor: Predictor) -> Any:
    if not args.sort_into:
        return None
    from penult.predict.sorting import PhotoSorter

    return PhotoSorter(args.sort_into, predictor.bundle.classes, args.link, args.images)


def _page(args: argparse.Namespace, predictor: Predictor) -> Any:
    if not args.html:
        return None
    from penult.report.predictions import PredictionPage

    return PredictionPage(predictor, args.heat)
