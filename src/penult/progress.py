"""How far something is, where somebody looks: a bar in a terminal and in a notebook; in a log a line a minute, if wanted.

In: `callback(step, done, total)` calls. A bar is never a reason to stop: what cannot be shown is not shown.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from typing import Any, Literal, TextIO

from penult.errors import ProgressCallback, quiet
from penult.html import tag
from penult.i18n import _
from penult.texts import display_width, padded, printable

_MINUTE = 60.0
_FAST = 2.0  # a second: below, the time left says it better
_SECONDS = 3.0  # between two states of a line that changes
_OFTEN = 0.2  # the same of a bar in a notebook
_NOTEBOOK = ("JPY_PARENT_PID", "JPY_SESSION_NAME")  # set by Jupyter for everything that a cell starts
_NOTEBOOKS = ("COLAB_", "KAGGLE_")  # beginnings of the variables of Colab and Kaggle
_LOG = ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "TF_BUILD", "BUILDKITE", "JENKINS_URL", "TEAMCITY_VERSION")


@contextmanager
def progress_bar(
    shown: bool | None, given: ProgressCallback | None = None, lines: Callable[[str], None] | None = None
) -> Iterator[ProgressCallback]:
    """Give a callback that shows progress where somebody looks: in a terminal, in the cell of a notebook.

    `shown` False shows nothing anywhere, not the bars of downloads either. `given` is called instead of all that. `lines`
    writes a line: one a minute goes to a log (a file, a pipe, a CI job); without it a log stays as it is.
    """
    if given is not None or shown is False:
        yield given or quiet
        return
    with ExitStack() as stack:
        yield _bar(stack, lines)


def _bar(stack: ExitStack, lines: Callable[[str], None] | None) -> ProgressCallback:
    if (display := _kernel_display()) is not None:
        cell = CellBar(display)
        stack.callback(cell.end)
        return cell
    where = place(sys.stderr)
    if where == "log":
        return quiet if lines is None else MinuteLines(lines=lines)
    if where == "notebook":
        line = ChangingLine()
        stack.callback(line.end)
        return line
    return _terminal_bars(stack)


def _terminal_bars(stack: ExitStack) -> ProgressCallback:
    """Return a bar for each step, with its speed and the time left, which are gone at the end."""
    from rich.console import Console
    from rich.errors import LiveError
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    # The speed is that of the last five minutes: shards come from a cluster one by one, a minute apart or more.
    try:
        bars = stack.enter_context(Progress(*columns, console=Console(stderr=True), transient=True, speed_estimate_period=300))
    except LiveError:  # the caller has a bar of its own
        return quiet
    tasks: dict[str, Any] = {}

    def progress(step: str, done: int, total: int) -> None:
        if step not in tasks:
            tasks[step] = bars.add_task(_(step), total=total, rate="")
        speed = next(t.speed for t in bars.tasks if t.id == tasks[step])
        bars.update(tasks[step], completed=done, total=total, rate=f"{speed:.0f}/s" if speed and speed >= _FAST else "")

    return progress


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether somebody looks at a stream in a terminal."""
    if stream is None:
        return False
    try:
        return bool(stream.isatty())
    except (AttributeError, OSError, ValueError):  # a stand-in without it, or closed
        return False


def place(stream: TextIO | None, environment: Mapping[str, str] = os.environ) -> Literal["terminal", "notebook", "log"]:
    """Return where progress is seen.

    In a notebook `!penult ...` has a terminal that cannot move its cursor up, so that a bar would be a new line each time;
    in a log (a file, a pipe, the page of a CI job, TERM=dumb) every character stays.
    """
    if not is_terminal(stream) or environment.get("TERM") == "dumb" or any(environment.get(name) for name in _LOG):
        return "log"
    if any(name in environment for name in _NOTEBOOK) or any(name.startswith(_NOTEBOOKS) for name in environment):
        return "notebook"
    return "terminal"


def _kernel_display() -> Callable[..., Any] | None:
    """Return what shows things in the cell of a notebook that is running this; None outside of one."""
    if "IPython" not in sys.modules:
        return None
    with suppress(Exception):
        shell = import_module("IPython").get_ipython()
        if getattr(shell, "kernel", None) is not None:
            return import_module("IPython.display").display  # type: ignore[no-any-return]
    return None


class _Redrawn:
    """Progress that is drawn again, at most every so many seconds, by `draw(text, done, total)`."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds, self._clock, self._time_left = seconds, clock, TimeLeft(clock)
        self._last = clock()

    def __call__(self, step: str, done: int, total: int) -> None:
        """Take what is done of a step."""
        left = self._time_left.left(step, done, total)
        now = self._clock()
        if now - self._last >= self._seconds:
            self._last = now
            self.draw(_state(step, done, total, left), done, total)

    def draw(self, text: str, done: int, total: int) -> None:
        """Show a state."""
        raise NotImplementedError


class CellBar(_Redrawn):
    """Progress in the cell of a notebook: one bar that is drawn again, by HTML alone, and is gone at the end."""

    def __init__(self, display: Callable[..., Any], clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(_OFTEN, clock)
        self._display = display
        self._handle: Any = None

    def end(self) -> None:
        """Leave nothing of the bar."""
        if self._handle is not None:
            self.draw("", 0, 0)

    def draw(self, text: str, done: int, total: int) -> None:
        """Show a state in the place of the last."""
        what = _Shown(text, done, total)
        with suppress(Exception):  # a front end that went away
            if self._handle is None:
                self._handle = self._display(what, display_id=True)
            else:
                self._handle.update(what)


class _Shown:
    """A state of a bar: text, and HTML where that is shown."""

    def __init__(self, text: str, done: int, total: int) -> None:
        self.text, self.done, self.total = printable(text), done, total

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        if not self.text:
            return "<div></div>"
        bar = tag("progress", value=self.done, max=max(self.total, 1), style="width:220px;vertical-align:middle")
        return tag("div", bar, " ", self.text, style="font-size:13px")


class ChangingLine(_Redrawn):
    """Progress for what a notebook starts: one line, written again every three seconds (a carriage return)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(_SECONDS, clock)
        self._width = 0

    def end(self) -> None:
        """Leave the line empty, for what is printed next."""
        if self._width:
            self.draw("")
            _write_error("\r")

    def draw(self, text: str, done: int = 0, total: int = 0) -> None:
        """Write a state over the last."""
        text = printable(text)
        _write_error(f"\r{padded(text, self._width)}")
        self._width = display_width(text)


class TimeLeft:
    """How fast a step goes and how long it will still take, by how long it took so far; steps may alternate."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._steps: dict[str, tuple[float, int, int]] = {}  # when it began, what was done then, and at last

    def left(self, step: str, done: int, total: int) -> str:
        """Return `, 110/s, about 2 min left`, or nothing where that is not known yet."""
        now = self._clock()
        began, first, last = self._steps.get(step, (now, done, done))
        if done < last:  # the step begins anew
            began, first = now, done
        self._steps[step] = (began, first, done)
        rate = (done - first) / (now - began) if now > began else 0.0
        if rate <= 0:
            return ""
        span = _span((total - done) / rate)
        return (
            _(", {rate:,.0f}/s, about {span} left", rate=rate, span=span)
            if rate >= _FAST
            else _(", about {span} left", span=span)
        )


class MinuteLines:
    """Progress for a log: a line a minute, not in the first, as `features: 41,200 of 60,000, 150/s, about 2 min left`."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        lines: Callable[[str], None] = lambda text: _write_error(f"{text}\n"),
    ) -> None:
        self._clock, self._time_left, self._lines = clock, TimeLeft(clock), lines
        self._last = clock()

    def __call__(self, step: str, done: int, total: int) -> None:
        """Take what is done of a step."""
        left = self._time_left.left(step, done, total)
        now = self._clock()
        if now - self._last < _MINUTE or done == total:
            return
        self._last = now
        self._lines(_state(step, done, total, left))


def _state(step: str, done: int, total: int, left: str) -> str:
    return _("{step}: {done:,} of {total:,}{left}", step=_(step), done=done, total=total, left=left)


def _write_error(text: str) -> None:
    with suppress(OSError, ValueError, AttributeError):  # a full disk, a reader that went away, closed, not there
        sys.stderr.write(text)
        sys.stderr.flush()


def _span(seconds: float) -> str:
    """Return a time for people: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 2 * _MINUTE:
        return _("{n:.0f} s", n=seconds)
    return _("{n:.0f} min", n=seconds / _MINUTE) if seconds < 120 * _MINUTE else _("{n:.1f} h", n=seconds / 3600)
