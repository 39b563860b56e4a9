"""Options of the commands that take features which were computed before, and sizes as texts."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from penult.cli.parser import Parser
from penult.errors import InputError
from penult.i18n import _
from penult.texts import is_url, parse_size


def add_stored(p: Parser, what: str) -> None:
    """Add what may have to be said of features that were computed before; `what` is the help of --memory."""
    p.group("Large data").add_argument(
        "--memory",
        metavar="SIZE",
        help=what,
    )


def memory(args: argparse.Namespace) -> int | None:
    """Return the bytes of --memory, None where it was not given. Raises `InputError`."""
    text = getattr(args, "memory", None)
    found = None if text is None else size(text, "--memory")
    if found == 0:
        raise InputError(_("--memory is 0: nothing can be learnt or measured in that; give a size such as 2GB."))
    return found


def size(text: str, option: str) -> int:
    """Return the bytes of `5GB`, `500 MB`, `2.5GiB`. Raises `InputError`."""
    found = parse_size(text)
    if found is None:
        raise InputError(_("{option} {text!r} is no size; give one like 5GB, 500MB or 2.5GiB.", option=option, text=text))
    return found


def is_shards(paths: Sequence[str]) -> bool:
    """Tell whether paths are one folder or address of shards, complete or not."""
    if len(paths) != 1 or not (is_url(paths[0]) or Path(paths[0]).is_dir()):
        return False
    from penult import shards

    return shards.is_features(paths[0])
