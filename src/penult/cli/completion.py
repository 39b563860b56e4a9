"""What the Tab key offers: commands and options by the parser, names of heads, networks and presets; files for the rest.

In: the parser. Out: words, in the way in which argcomplete hands them to bash, zsh, fish and PowerShell. Imports nothing
heavy: a shell waits for it at every Tab.
"""

from __future__ import annotations

import argparse
from typing import Any

from penult import heads

PRESETS = ("lite", "blog2017", "modern")
BUILT_IN = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "colour_histogram")
_WORDS = {
    "head": tuple(heads.head_names()),
    "backbone": (*BUILT_IN, *PRESETS),
    "fetch": (*BUILT_IN, *PRESETS),
    "pattern": BUILT_IN,
}


def complete(parser: argparse.ArgumentParser) -> None:
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
