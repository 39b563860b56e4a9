"""How commands and their options are declared, shown and parsed.

A command is added with `command`, an option to one of its groups: `p.group("Data").add_argument(...)`. Help takes the width of
the terminal, and a mistake in the words is answered with the usage of that command and what may have been meant. Nothing
heavy is imported.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeAlias

from penult.errors import unknown
from penult.texts import printable

# In the order of `--help`; a group without options is not shown.
Group = Literal[
    "Actions", "Data", "Model", "Evaluation", "Decisions", "Output", "Server", "Limits", "Large data", "Machine", "General"
]  # fmt: skip
GROUPS: tuple[Group, ...] = Group.__args__  # type: ignore[attr-defined]
WIDEST = 100  # columns of help in a wider terminal
_NUMBER = re.compile(r"-\d+$|-\d*\.\d+$")


class Formatter(argparse.HelpFormatter):
    """Help as wide as the terminal: paragraphs are filled, indented lines (examples, lists) stay lines."""

    def __init__(self, prog: str):
        width = min(shutil.get_terminal_size().columns - 2, WIDEST)
        super().__init__(prog, max_help_position=28, width=width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(fill(text, width, indent))

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {value}"


def fill(text: str, width: int, indent: str = "") -> Iterator[str]:
    """Yield the lines of a text: paragraphs filled, indented lines kept, with their second column under itself."""
    wrap = partial(textwrap.wrap, width=width, break_long_words=False, break_on_hyphens=False)
    for kept, lines in _pieces(text.strip("\n").split("\n")):
        if not kept:
            yield from wrap(" ".join(lines), initial_indent=indent, subsequent_indent=indent)
            continue
        first, gap, second = (re.match(r"( *\S.*?)( {2,}|$)(.*)", lines[0]) or re.match("()()()", "")).groups()  # type: ignore[union-attr]
        column = len(first) + len(gap)
        if second and column + len(second) > width and column > width // 3:  # an example: what it does stands below
            yield f"{indent}{first}"
            first, column = "", 8
        under = indent + " " * min(column, width // 3)
        yield from wrap(second, initial_indent=f"{indent}{first}".ljust(len(under)), subsequent_indent=under) or [
            indent + first
        ]


def _pieces(lines: Iterable[str]) -> Iterator[tuple[bool, list[str]]]:
    """Yield (whether its lines are kept as they are, lines) of each paragraph, empty line and run of indented lines."""
    some: list[str] = []
    for line in lines:
        if line.startswith("  ") or not line:
            if some:
                yield False, some
            some = []
            yield True, [line]
        else:
            some.append(line)
    if some:
        yield False, some


class Parser(argparse.ArgumentParser):
    """The parser of a command, or of all: options are never abbreviated, and stand in groups."""

    def __init__(self, **settings: Any):
        super().__init__(**{**settings, "formatter_class": Formatter, "allow_abbrev": False, "add_help": False})
        self._positionals.title = "Arguments"
        self._named = {name: self.add_argument_group(name) for name in GROUPS}
        self.remark: Callable[[str], str] = lambda message: ""  # what to add to a mistake in the words
        self.group("General").add_argument("-h", "--help", action="help", help="show this help")

    def group(self, name: Group) -> argparse._ArgumentGroup:
        """Return the group of options that is called so, such as "Data", to add options to."""
        return self._named[name]

    def format_usage(self) -> str:
        """Return the usage in one line: arguments, and options only where one must be given."""
        self.usage = self._usage()
        return super().format_usage()

    def format_help(self) -> str:
        """Return the help, with the short usage."""
        self.usage = self._usage()
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """End with the usage, what is wrong, and where help is: exit code 2."""
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: error: {printable(message + self.remark(message))}\nmore: {self.prog} --help\n")

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse the words of one command; options that it does not have end it here, with the usage of this command."""
        words = list(sys.argv[1:] if args is None else args)
        if self._subparsers is not None:
            return super().parse_known_args(words, namespace)
        unknown = [name for name, action in self.options_in(words) if action is None]
        if unknown:
            self.error(self._unknown(unknown[0]))
        found, rest = super().parse_known_args(words, namespace)
        if rest:
            self.error(f"not expected: {' '.join(rest)}")
        return found, rest

    def options_in(self, words: Iterable[str]) -> Iterator[tuple[str, argparse.Action | None]]:
        """Yield (name, option, or None where there is none) for each of the words that argparse takes for an option."""
        for word in words:
            if word == "--":
                return
            if not word.startswith("-") or len(word) == 1 or " " in word or _NUMBER.match(word):
                continue
            name = word.partition("=")[0]
            known = self._option_string_actions
            short = None if word.startswith("--") else known.get(word[:2])  # -bNAME
            yield name, known.get(word) or known.get(name) or short

    def commands(self) -> dict[str, Parser]:
        """Return the parser of each command by its name."""
        found = (one.choices for one in self._actions if isinstance(one, argparse._SubParsersAction))
        return {name: p for choices in found for name, p in choices.items()}

    def _unknown(self, name: str) -> str:
        if Path(name).exists():
            return f"unknown option {name}; if the file of that name is meant, write ./{name}"
        known = [one for one in self._option_string_actions if one.startswith("--") == name.startswith("--")]
        return str(unknown("option", name, known))

    def _usage(self) -> str:
        if self._subparsers is not None:
            return "%(prog)s COMMAND [options]"
        words = ["%(prog)s"]
        for one in self._actions:
            if one.option_strings:
                words += [f"{one.option_strings[-1]} {one.metavar}"] if one.required else []
                continue
            name = str(one.metavar or one.dest)
            many = f"{name} ..." if one.nargs in ("*", "+") else name
            words.append(many if one.required else f"[{many}]")
        return " ".join([*words, "[options]"])


Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


def command(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], int | None],
    what: str,
    about: str,
    examples: str,
) -> Parser:
    """Add a command, done by `run(args)`.

    `what` says in one line what it does, `about` more of it; lines that begin with two spaces are kept as lines. `examples`
    are lines as one types them, each with an explanation after two spaces or more, if any. `args.usage_error(text)` ends the
    command with its usage and exit code 2.
    """
    shown = "\n".join(f"  {line.strip()}" for line in examples.strip().splitlines())
    p = commands.add_parser(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}.\n\n{about}",
        epilog=f"Examples:\n{shown}",
    )
    p.set_defaults(func=run, usage_error=p.error)
    general = p.group("General")
    general.add_argument("--config", metavar="FILE", help="file with options (default: penult.toml, or pyproject.toml)")
    general.add_argument("--no-config", action="store_true", help="take no options from a file or from PENULT_ variables")
    told = general.add_mutually_exclusive_group()
    told.add_argument("-v", "--verbose", action="store_true", help="details of the result, and a log with times")
    told.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors, and what --json asks for")
    return p
