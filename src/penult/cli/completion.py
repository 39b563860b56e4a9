"""`penult completion`: the Tab key, for the shells that have one."""

from __future__ import annotations

import argparse
from typing import Any

from penult import heads
from penult.cli.parser import Commands, Parser, command
from penult.i18n import _

# Copies of what other packages say, so that --help imports none of them; `tests/test_completion.py` compares.
PRESETS = ("default", "lite+", "lite", "blog2017", "modern")
FITS = ("crop", "squash", "crop+squash", "crop+mirror", "squash+mirror", "crop+squash+mirror")
VIEWS = {"1": None, "2": "crop+squash", "4": "crop+squash+mirror"}
BUILT_IN = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "colour_histogram")
_WORDS = {
    "head": tuple(heads.head_names()),
    "backbone": (*BUILT_IN, *PRESETS),
    "fetch": (*BUILT_IN, *PRESETS),
    "pattern": BUILT_IN,
}
SHELLS = ("bash", "zsh", "fish", "powershell")


def add(commands: Commands) -> None:
    """Add the command and its options."""
    p = command(
        commands,
        "completion",
        run,
        _("let the Tab key complete commands, options and names in a shell"),
        _("Prints the code that a shell has to run when it starts; it calls penult for what could come next."),
        _("""
        echo 'eval "$(penult completion bash)"' >> ~/.bashrc
        echo 'eval "$(penult completion zsh)"' >> ~/.zshrc
        penult completion fish | source                  in ~/.config/fish/config.fish
        penult completion powershell >> $PROFILE
        """),
    )
    p.add_argument("shell", choices=SHELLS, metavar="SHELL", help=_("bash, zsh, fish or powershell"))


def run(args: argparse.Namespace) -> None:
    """Print the code for a shell."""
    import argcomplete

    print(argcomplete.shellcode(["penult"], shell=args.shell))


def complete(parser: Parser) -> None:
    """Answer the shell and end the process; called only when a shell asks (`_ARGCOMPLETE` is set)."""
    import argcomplete

    for action in _actions(parser):
        if action.dest in _WORDS:
            action.completer = _Words(_WORDS[action.dest])  # type: ignore[attr-defined]
    argcomplete.autocomplete(parser)


class _Words:
    """Offer some words, and files where a path could stand instead."""

    def __init__(self, words: tuple[str, ...]):
        self.words = words

    def __call__(self, prefix: str, action: argparse.Action, **_: Any) -> list[str]:
        from argcomplete.completers import FilesCompleter

        files = [str(path) for path in FilesCompleter()(prefix)] if action.dest == "backbone" else []
        return [word for word in self.words if word.startswith(prefix)] + files


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return the actions of a parser and of its commands."""
    found = list(parser._actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found += [inner for command in action.choices.values() for inner in _actions(command)]
    return found
