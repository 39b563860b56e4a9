"""What commands print: results on standard output, progress and notes on standard error."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from penult import texts
from penult.cli import process
from penult.errors import InputError, ProgressCallback
from penult.i18n import _
from penult.progress import MinuteLines, progress_bar
from penult.texts import count, display_width, padded, printable

if TYPE_CHECKING:
    from penult.embed import Embedding
    from penult.images import ImageSet, ImageStream
    from penult.pixels import Failure, FailureLog
    from penult.predict import Predictions, Predictor

__all__ = [
    "announce", "any_name", "as_json", "features_line", "note", "note_lines", "out", "predict", "printable", "progress",
    "score", "show_scores", "table", "tell_unreadable", "verbose", "verbosity",
]  # fmt: skip

_quiet = _verbose = False
_CLOCK = "%H:%M:%S"


def any_name() -> None:
    """Let standard output take signs that its encoding lacks (a cat's face in ASCII, a byte that is no UTF-8) as escapes."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells where it keeps its list of fonts
    if hasattr(sys.stdout, "reconfigure"):  # a stand-in may lack it
        sys.stdout.reconfigure(errors="backslashreplace")


@contextmanager
def verbosity(quiet: bool, verbose: bool) -> Iterator[None]:
    """Print nothing but errors (-q), or details and the log of penult and its libraries with times (-v), in this block."""
    global _quiet, _verbose
    before, root = (_quiet, _verbose), logging.getLogger()
    level, told = root.level, logging.StreamHandler()
    told.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s", _CLOCK))
    _quiet, _verbose = quiet, verbose
    if quiet:
        logging.disable(logging.WARNING)
    if verbose:
        root.addHandler(told)
        root.setLevel(logging.INFO)
    try:
        yield
    finally:
        _quiet, _verbose = before
        logging.disable(logging.NOTSET)
        root.removeHandler(told)
        root.setLevel(level)


def verbose() -> bool:
    """Tell whether details are shown (-v)."""
    return _verbose


def out(text: str = "") -> None:
    """Print a line of the result."""
    if not _quiet:
        print(text)


def announce(text: str) -> None:
    """Print a line for who waits for it: at once in a file or pipe, too. Nobody reads it? A server goes on all the same."""
    try:
        if not _quiet:
            print(text, flush=True)
    except (OSError, ValueError):
        process.silence(sys.stdout, 1)


def note(text: str) -> None:
    """Print a line about the run to standard error, with the time where details are shown."""
    if not _quiet:
        process.error_line(f"{time.strftime(_CLOCK)} {printable(text)}" if _verbose else printable(text))


def note_lines(text: str) -> None:
    """Print several lines to standard error."""
    for line in text.splitlines():
        note(line)


def as_json(value: Any) -> None:
    """Print one JSON value; non-ASCII is escaped, so that any name survives."""
    print(json.dumps(value, allow_nan=False))


@contextmanager
def progress(shown: bool) -> Iterator[ProgressCallback]:
    """Show progress as `penult.progress.progress_bar` does, in a log a line a minute; with -v the steps with their times."""
    if shown and _verbose:
        yield StepLines()
        return
    with progress_bar(bool(shown), lines=note) as callback:
        yield callback


class StepLines:
    """Progress as lines: when a step begins, one a minute in it, and when it is done."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}
        self._each_minute = MinuteLines(lines=note)

    def __call__(self, step: str, done: int, total: int) -> None:
        """Take what is done of a step."""
        if step not in self._began:
            self._began[step] = time.monotonic()
            note(_("{step}: {total:,} to do", step=_(step), total=total))
        if done < total:
            self._each_minute(step, done, total)
        else:
            note(_("{step}: done in {seconds:.1f} s", step=_(step), seconds=time.monotonic() - self._began.pop(step)))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a plain table: the first column to the left, the others to the right."""
    cells = [[printable(c) for c in row] for row in (header, *rows)]
    widths = [max(display_width(r[i]) for r in cells) for i in range(len(header))]
    lines = []
    for row in cells:
        rest = "  ".join(" " * (w - display_width(c)) + c for c, w in zip(row[1:], widths[1:], strict=True))
        lines.append(f"  {padded(row[0], widths[0])}  {rest}".rstrip())
    return "\n".join(lines)


def score(value: Mapping[str, float | None] | None, percent: bool = False) -> str:
    """Return `0.024 (0.012 to 0.041)`, or with percent `99.1% (97.8 to 99.6)`."""
    if not value or value.get("value") is None:
        return _("not defined")
    main, low, high = texts.measured(value["value"], value["low"], value["high"], share=percent)
    return _("{value} ({low} to {high})", value=f"{main}{'%' if percent else ''}", low=low, high=high)


def show_scores(found: Mapping[str, Any]) -> None:
    """Print the scores of an evaluation, as `metrics.json` has them."""
    from penult.evaluate import rarest_classes

    scores = found["scores"]
    if "per_label" in found:
        out(_("  mAP {mAP}   log loss {log_loss}", mAP=score(scores["mAP"], percent=True), log_loss=score(scores["log_loss"])))
        micro, macro = (score(scores[name], percent=True) for name in ("micro_f1", "macro_f1"))
        out(_("  micro F1 {micro}   macro F1 {macro}", micro=micro, macro=macro))
        out(
            _(
                "  AUC {auc}   exactly right {exact_match}",
                auc=score(scores["auc"]),
                exact_match=score(scores["exact_match"], percent=True),
            )
        )
        return
    out(
        _(
            "  accuracy {accuracy}   log loss {log_loss}",
            accuracy=score(scores["accuracy"], percent=True),
            log_loss=score(scores["log_loss"]),
        )
    )
    rare = rarest_classes(found)
    if rare is not None:
        n = len(rare.names)
        which = repr(rare.names[0]) if n == 1 else _("the {n} rarest classes", n=n)
        recall = score({"value": rare.recall, "low": rare.low, "high": rare.high}, percent=True)
        out(
            _(
                "  balanced accuracy {balanced_accuracy}   recall of {which} {recall}",
                balanced_accuracy=score(scores["balanced_accuracy"], percent=True),
                which=which,
                recall=recall,
            )
        )
    error = _("unknown (too few images)") if scores["ece"]["value"] is None else score(scores["ece"])
    out(_("  AUC {auc}   calibration error {error}", auc=score(scores["auc"]), error=error))


def features_line(done: Embedding) -> str:
    """Return device, precision, speed, and what became of every image."""
    how = f"{done.engine}, {done.compute.precision}"
    if done.embedded:
        how = _("{how}, {rate:.0f} images/s", how=how, rate=done.embedded / done.seconds)
    return _(
        "features of {images} on {device} ({how}): {embedded:,} computed, {reused:,} from cache, {failed:,} failed",
        images=count(len(done.ok), "image"),
        device=done.compute.device,
        how=how,
        embedded=done.embedded,
        reused=done.reused,
        failed=len(done.failures),
    )


def predict(predictor: Predictor, found: ImageSet, silent: bool) -> Predictions:
    """Classify the images of a scan, and note what could not be read. Raises `TooManyBad` where more are bad than allowed."""
    predictor.settings.tolerance.check_scan(found)
    for text in found.notes:
        note(_("note: {text}", text=text))
    with progress(not silent) as shown:
        answers = predictor.predict(found.sources, found.ids, shown)
    tell_unreadable(answers.ids, answers.failures)
    return answers


def predict_parts(
    predictor: Predictor, found: ImageSet | ImageStream, silent: bool
) -> Iterator[tuple[Predictions, Sequence[Any]]]:
    """Do what `predict` does part by part, with the sources of each: of any number of images few answers are in memory.

    What is raised for all of them together is raised after the last part.
    """
    from penult.pixels import FailureLog

    sources: deque[Any] = deque()

    def each() -> Iterator[tuple[str, Any]]:
        for one in found:
            sources.append(one.source)
            yield one.id, one.source

    predictor.settings.tolerance.check_scan(found)
    for text in found.notes:
        note(_("note: {text}", text=text))
    log = FailureLog()
    with progress(not silent) as shown:
        for part in predictor.predict_parts(each(), len(found), shown):
            log.add(part.ids, part.failures)
            yield part, [sources.popleft() for _row in range(len(part))]
    predictor.settings.tolerance.check_log(log)
    _tell(log)


def tell_unreadable(names: Sequence[str], failures: Mapping[int, Failure]) -> None:
    """Note which of the images of these names (n,) could not be read, and why. Raises `InputError` where none could."""
    if failures:
        from penult.pixels import FailureLog

        log = FailureLog()
        log.add(names, failures)
        _tell(log)


def _tell(log: FailureLog) -> None:
    if not log.failed:
        return
    named = [(name, failure.reason) for name, failure in log.named]
    note_failed(named, log.failed, log.images, log.summary(), _("Give others; nothing was written."))


def note_failed(named: Sequence[tuple[str, str]], failed: int, images: int, summary: str, cure: str) -> str:
    """Note how many of the images could not be read, the first by name and reason; return which and why.

    Raises `InputError` where none could be read; `cure` says what to do then.
    """
    some = [_("'{name}' ({reason})", name=printable(name), reason=_(reason)) for name, reason in named]
    said = {"names": ", ".join(some), "n": failed - len(some), "summary": summary}
    which = _("{names} and {n:,} more. {summary}", **said) if failed > len(some) else _("{names}. {summary}", **said)
    if failed == images:
        raise InputError(
            _("none of the {images:,} images can be read: {which}. {cure}", images=images, which=which, cure=cure)
        )
    note(_("note: {failed:,} of {images:,} images cannot be read: {which}.", failed=failed, images=images, which=which))
    return which
