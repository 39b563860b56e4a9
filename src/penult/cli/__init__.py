"""The command line: parse, call one function, print; every error becomes one line and an exit code.

One module a command, with `add(commands)` for its options and `run(args)`. The only package that prints.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

from penult.cli import (
    audit,
    backbones,
    cache,
    compare,
    completion,
    config,
    decide,
    demo,
    diff,
    doctor,
    embed,
    evaluate,
    explain,
    export,
    info,
    language,
    parser,
    plan,
    predict,
    process,
    report,
    serve,
    similar,
    studio,
    train,
)
from penult.errors import OutputError, PenultError, UnknownName, unknown
from penult.i18n import N_, _
from penult.texts import printable, system_words

# in the order in which `penult --help` lists them
COMMANDS = {
    N_("Train and predict"): (train, predict, evaluate, decide, explain, info),
    N_("Improve"): (studio, audit, compare, diff, report, similar),
    N_("Deploy"): (export, serve),
    N_("Large data"): (embed, plan),
    N_("This installation"): (demo, backbones, cache, doctor, completion),
}
EPILOG = N_("""Examples:
  penult demo                                          find defective solar cells, nothing to download
  penult train photos --test new -o run                photos/cat/*.jpg, photos/dog/*.jpg, new/*.jpg
  penult predict run new/ --csv answers.csv

Exit codes: 0 done; 1 refused (one line says why and what to do); 2 wrong usage; 3 more bad images than --max-bad or --strict
allows; 4 not written (disk full, no permission), try again once there is room; 5 a gate of `evaluate` was missed; 130 or 143
interrupted""")
INTERRUPTED, TERMINATED = 130, 143  # 128 and the number of the signal, as a shell has it


class _Terminated(KeyboardInterrupt):
    """The system, or a scheduler, wants this process to end: as with Ctrl-C, what is computed is kept first."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    if argv is None:  # started as a command, not called by a program
        process.in_utf8()
    process.complete()
    try:
        with language.chosen(sys.argv[1:] if argv is None else argv) as words:
            return _run(words)
    except UnknownName as error:
        return _say(str(error), 2)
    finally:
        process.settle()


def build() -> parser.Parser:
    """Return the parser of every command."""
    from penult import __version__

    every = parser.Parser(
        prog="penult",
        description=_("Point it at folders of photos, get a calibrated classifier, its evaluation and its predictions."),
    )
    every.group("General").add_argument(
        "--version", action="version", version=f"penult {__version__}", help=_("show the version")
    )
    commands = every.add_subparsers(dest="command", metavar="COMMAND", help=argparse.SUPPRESS)
    listed = []
    for title, modules in COMMANDS.items():
        listed.append(_("{title}:", title=_(title)))
        for module in modules:
            module.add(commands)
            pseudo = commands._choices_actions[-1]
            listed.append(f"  {pseudo.dest:<10}  {pseudo.help}")
        listed.append("")
    _add_help(commands, every)
    every.description = "\n".join([str(every.description), "", *listed, _("more of each: penult COMMAND --help")])
    every.epilog = _(EPILOG)
    every.set_defaults(func=lambda args: every.print_help(), quiet=False, verbose=False)
    return every


def _add_help(commands: parser.Commands, every: parser.Parser) -> None:
    """Add `penult help [COMMAND]`, which shows what `--help` does."""
    p = parser.command(
        commands, "help", run=lambda args: show(args.about), what=_("show this help, or that of a command"), about="",
        examples="penult help train",
    )  # fmt: skip
    p.add_argument("about", nargs="?", metavar="COMMAND", help=_("a command"))

    def show(about: str | None) -> None:
        if about is not None and about not in commands.choices:
            p.error(str(unknown("command", about, commands.choices)))
        (every if about is None else commands.choices[about]).print_help()


def _run(words: list[str]) -> int:
    every = build()
    if "_ARGCOMPLETE" in os.environ:  # a shell asks what could come next
        completion.complete(every)
    args = None
    origins: Mapping[str, str] = {}
    try:
        args, origins = _parsed(every, words)
        if told := process.too_little():
            return _say(told, 1)
        with _terminable(), _as_wanted(args):
            if args.verbose:
                _tell_configured(every, origins)
            code: int | None = args.func(args)
            sys.stdout.flush()
    except PenultError as error:
        text = " ".join(str(error).split())
        return _say(text + config.origin_of(text, origins), error.exit_code)
    except KeyboardInterrupt as error:
        how = _("ended from outside") if isinstance(error, _Terminated) else _("interrupted")
        kept = _("features computed so far are in the cache, run the same command again to go on")
        if getattr(args, "cache", None) is False:
            kept = _("no features are kept (--no-cache), the same command begins anew")
        code = TERMINATED if isinstance(error, _Terminated) else INTERRUPTED
        return _say(_("{how}; {kept}.", how=how, kept=kept), code)
    except BrokenPipeError:  # the reader of our output went away: `penult predict ... | head`
        process.silence(sys.stdout, 1)
        return 1
    except Exception as error:
        if process.is_debugging():
            raise
        return _unexpected(error)
    return code or 0


def _parsed(every: parser.Parser, words: list[str]) -> tuple[argparse.Namespace, Mapping[str, str]]:
    """Return what was asked for, and the origins of options that were configured.

    `--help` and `--version` are written before they end the command, as any other output is.
    """
    known = every.commands()
    if words and not words[0].startswith("-") and words[0] not in known:
        every.error(str(unknown("command", words[0], known)))
    try:
        given = config.configure(every, words[0], words[1:]) if words and words[0] in known else config.Configured((), {})
        for p in known.values():
            p.remark = partial(config.origin_of, origins=given.origins)
        end = words.index("--") if "--" in words else len(words)
        args = every.parse_args([*words[:end], *given.words, *words[end:]])
        args.origins = given.origins
        return args, given.origins
    except SystemExit:
        sys.stdout.flush()
        raise


def _as_wanted(args: argparse.Namespace) -> AbstractContextManager[None]:
    """Let less or more be printed; `doctor` does without whatever a broken library could break, and help without all."""
    if args.command in ("doctor", "help", None):
        return nullcontext()
    from penult.cli import output

    output.any_name()
    return output.verbosity(args.quiet, args.verbose)


def _tell_configured(every: parser.Parser, origins: Mapping[str, str]) -> None:
    """Say which options a file or the environment gave, and which of its variables mean nothing."""
    from penult.cli import output

    for option, where in origins.items():
        output.note(_("{option} (set by {where})", option=option, where=where))
    for variable in config.unknown_variables(every):
        output.note(_("{variable} is no option of penult, and does nothing", variable=variable))


def _unexpected(error: Exception) -> int:
    """Say in one line what nobody expected, and return the exit code."""
    if process.is_memory(error):
        return _say(_(process.NO_MEMORY), 1)
    if isinstance(error, OSError):  # the system refuses something, such as to print on a full disk
        return _refused(error)
    if isinstance(error, ImportError):
        return _say(process.broken_library(error), 1)
    return _say(process.bug(error), 1)


def _say(text: str, code: int) -> int:
    """Write a line to standard error, as any terminal shows it, and return the code; imports nothing that may be broken."""
    process.error_line(f"penult: {printable(text)}")
    return code


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the command as Ctrl-C does; in the main thread only, since no other may ask for signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: object) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _refused(error: OSError) -> int:
    place = _("standard output")
    if error.filename is None:
        process.silence(sys.stdout, 1)
    else:
        place = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(error.filename)
    what = system_words(error)
    text = _("{place}: {what}; make room, or choose another place, and run it again.", place=place, what=what)
    return _say(text, OutputError.exit_code)
