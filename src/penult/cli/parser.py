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
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeAlias

from penult.cli.wrapping import fill, wrap
from penult.errors import unknown
from penult.i18n import LANGUAGES, N_, _, language_of, ngettext
from penult.texts import printable

Group = Literal[
    "Actions", "Data", "Model", "Evaluation", "Decisions", "Output", "Server", "Limits", "Large data", "Machine", "General"
]  # fmt: skip
# In the order of `--help`; a group without options is not shown.
GROUPS: tuple[Group, ...] = (
    N_("Actions"), N_("Data"), N_("Model"), N_("Evaluation"), N_("Decisions"), N_("Output"), N_("Server"), N_("Limits"),
    N_("Large data"), N_("Machine"), N_("General"),
)  # fmt: skip
# argparse's own texts, of every version of Python, which it looks up when it shows them
ARGPARSE = (
    N_("usage: "), N_("%(heading)s:"), N_("argument %(argument_name)s: %(message)s"), N_("expected one argument"),
    N_("expected at most one argument"), N_("expected at least one argument"), N_("unrecognized arguments: %s"),
    N_("not allowed with argument %s"), N_("ignored explicit argument %r"), N_("unexpected option string: %s"),
    N_("the following arguments are required: %s"), N_("one of the arguments %s is required"),
    N_("ambiguous option: %(option)s could match %(matches)s"), N_("can't open '%(filename)s': %(error)s"),
    N_("invalid %(type)s value: %(value)r"), N_("invalid choice: %(value)r (choose from %(choices)s)"),
    N_("invalid choice: %(value)r, maybe you meant %(closest)r? (choose from %(choices)s)"),
)  # fmt: skip
argparse._ = _  # type: ignore[attr-defined]
argparse.ngettext = ngettext  # type: ignore[attr-defined]
WIDEST = 100  # columns of help in a wider terminal
_NUMBER = re.compile(r"-\d+$|-\d*\.\d+$")


class Formatter(argparse.HelpFormatter):
    """Help as wide as the terminal: paragraphs are filled, indented lines (examples, lists) stay lines."""

    def __init__(self, prog: str):
        width = min(shutil.get_terminal_size().columns - 2, WIDEST)
        super().__init__(prog, max_help_position=28, width=width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(fill(text, width, indent))

    def _split_lines(self, text: str, width: int) -> list[str]:
        return wrap(" ".join(text.split()), width, words=False)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {value}"


class Parser(argparse.ArgumentParser):
    """The parser of a command, or of all: options are never abbreviated, and stand in groups."""

    def __init__(self, **settings: Any):
        super().__init__(**{**settings, "formatter_class": Formatter, "allow_abbrev": False, "add_help": False})
        self._positionals.title = _("Arguments")
        self._named = {name: self.add_argument_group(_(name)) for name in GROUPS}
        self.remark: Callable[[str], str] = lambda message: ""  # what to add to a mistake in the words
        self.group("General").add_argument("-h", "--help", action="help", help=_("show this help"))
        self.group("General").add_argument(
            "--lang",
            choices=LANGUAGES,
            type=lambda name: language_of(name) or name,
            help=_("language of texts: en, zh (default: that of PENULT_LANG, penult.toml or the locale)"),
        )

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
        return re.sub(r"(?m)^(.*[^\x00-\x7f]):$", "\\1：", super().format_help())  # the colon of a Chinese heading

    def error(self, message: str) -> NoReturn:
        """End with the usage, what is wrong, and where help is: exit code 2."""
        self.print_usage(sys.stderr)
        what = _("{prog}: error: {message}", prog=self.prog, message=printable(message + self.remark(message)))
        self.exit(2, f"{what}\n{_('more: {prog} --help', prog=self.prog)}\n")

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
            self.error(_("not expected: {rest}", rest=" ".join(rest)))
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
            return _("unknown option {name}; if the file of that name is meant, write ./{name}", name=name)
        known = [one for one in self._option_string_actions if one.startswith("--") == name.startswith("--")]
        return str(unknown("option", name, known))

    def _usage(self) -> str:
        if self._subparsers is not None:
            return f"%(prog)s COMMAND {_('[options]')}"
        words = ["%(prog)s"]
        for one in self._actions:
            if one.option_strings:
                words += [f"{one.option_strings[-1]} {one.metavar}"] if one.required else []
                continue
            name = str(one.metavar or one.dest)
            many = f"{name} ..." if one.nargs in ("*", "+") else name
            words.append(many if one.required and one.nargs != "*" else f"[{many}]")  # before 3.14 "*" counts as required
        return " ".join([*words, _("[options]")])


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
        description=_("{what}.\n\n{about}", what=f"{what[0].upper()}{what[1:]}", about=about),
        epilog=f"{_('Examples:')}\n{shown}",
    )
    p.set_defaults(func=run, usage_error=p.error)
    general = p.group("General")
    general.add_argument("--config", metavar="FILE", help=_("file with options (default: penult.toml, or pyproject.toml)"))
    general.add_argument("--no-config", action="store_true", help=_("take no options from a file or from PENULT_ variables"))
    told = general.add_mutually_exclusive_group()
    told.add_argument("-v", "--verbose", action="store_true", help=_("details of the result, and a log with times"))
    told.add_argument("-q", "--quiet", action="store_true", help=_("print nothing but errors, and what --json asks for"))
    return p
