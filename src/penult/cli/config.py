"""Options that a file or the environment gives: `penult.toml`, `[tool.penult]` of pyproject.toml, `PENULT_*` variables.

What they give is put behind the words of the command line, where that does not have the option, so that every value passes
the same checks, wherever it comes from: defaults < file < variables < command line.
"""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penult.cli.parser import Parser
from penult.errors import InputError, unknown
from penult.i18n import _
from penult.texts import system_words

FILE, PROJECT = "penult.toml", "pyproject.toml"
OWN = ("PENULT_CACHE", "PENULT_LANG", "PENULT_TOKEN")  # read where they are used: who calls penult from Python has them, too
OTHER = ("PENULT_CONFIG", "PENULT_DEBUG", "PENULT_BENCH_LOG", "PENULT_TEST_PHOTOS")
_NEVER = ("help", "version", "config", "no-config")
_MOST = 1 << 20  # bytes of a file
_YES, _NO = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


@dataclass(frozen=True)
class Configured:
    """What was given elsewhere: words to parse, and the origin (a path, the name of a variable) of each option."""

    words: tuple[str, ...]
    origins: Mapping[str, str]  # "--head=svm": "/home/me/penult.toml"


def find_file(folder: Path) -> Path | None:
    """Return the file that counts in a folder: its own, or that of the nearest folder above it in the same repository."""
    above = [folder, *folder.parents]
    root = next((i for i, one in enumerate(above) if (one / ".git").exists()), 0)
    for one in above[: root + 1]:
        if (one / FILE).is_file():
            return one / FILE
        if (one / PROJECT).is_file() and b"tool.penult" in _bytes(one / PROJECT):  # others' files are not looked into
            return one / PROJECT
    return None


def configure(every: Parser, name: str, words: Sequence[str], environment: Mapping[str, str] = os.environ) -> Configured:
    """Return what file and environment say of a command and its words do not. Raises `InputError`."""
    p = every.commands()[name]
    said = {action.dest for _, action in p.options_in(words) if action}
    if name in ("help", "completion") or said & {"help", "no_config"}:
        return Configured((), {})
    found: list[str] = []
    origins: dict[str, str] = {}
    for layer in _layers(every, name, words, environment):
        taken = said | {
            one.dest for group in p._mutually_exclusive_groups if _dests(group) & said for one in group._group_actions
        }
        for action, value, where in layer:
            if action.dest in taken:
                continue
            said = said | {action.dest}
            if some := _words(action, value, where):
                found += some
                origins[shlex.join(some)] = where
    return Configured(tuple(found), origins)


def origin_of(text: str, origins: Mapping[str, str]) -> str:
    """Return `; --head=svm was set in penult.toml` for each option that an error names, by its name or its value."""
    said = []
    for option, where in origins.items():
        name, _sign, value = option.replace(" ", "=", 1).partition("=")
        if name in text or (len(value) > 1 and value in text):
            said.append(_("{option} was set by {where}", option=option, where=where))
    return _(" ({parts})", parts="; ".join(said)) if said else ""


def unknown_variables(every: Parser, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the variables that look like options of penult and are none."""
    known = {*OWN, *OTHER}
    for name, p in every.commands().items():
        known |= {f"PENULT_{part}{_upper(option)}" for option in _options(p) for part in ("", f"{_upper(name)}_")}
    return sorted(one for one in environment if one.startswith("PENULT_") and one not in known)


def _layers(
    every: Parser, name: str, words: Sequence[str], environment: Mapping[str, str]
) -> Iterator[list[tuple[argparse.Action, Any, str]]]:
    """Yield what each place gives, the strongest first: (option, value, place) each."""
    options = _options(every.commands()[name])
    held = [(options[_lower(one)], None, one) for one in OWN if environment.get(one) and _lower(one) in options]
    for prefix in (f"PENULT_{_upper(name)}_", "PENULT_"):
        here = [(action, f"{prefix}{_upper(option)}") for option, action in options.items()]
        given = [(action, _split(action, environment[at]), at) for action, at in here if at in environment and at not in OWN]
        yield [*given, *(held if prefix == "PENULT_" else [])]
    path = _file(words, environment)
    if path is None:
        return
    table = _table(path)
    _check(every, table, path)
    for values in (table.get(name, {}), table):
        yield [(options[key], value, str(path)) for key, value in _plain(values) if key in options]


def language(words: Sequence[str], environment: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """Return the language that the file names for all commands, and the file; nothing where it names none."""
    path = _file(words, environment)
    return ("", "") if path is None else (str(_table(path).get("lang", "")), str(path))


def _table(path: Path) -> Mapping[str, Any]:
    """Return the options in a file. Raises `InputError`."""
    table = _read(path)
    for key in ("tool", "penult") if path.name == PROJECT else ():
        table = table.get(key, {})
        if not isinstance(table, Mapping):
            raise InputError(
                _("{path}: {key} is no table; write the options of penult below [tool.penult].", path=path, key=key)
            )
    return table


def _file(words: Sequence[str], environment: Mapping[str, str]) -> Path | None:
    for i, word in enumerate(words):
        if word == "--":
            break
        if (word == "--config" and i + 1 < len(words)) or word.startswith("--config="):
            return Path(word.partition("=")[2] or words[i + 1])
    if "PENULT_CONFIG" in environment:
        return Path(environment["PENULT_CONFIG"]) if environment["PENULT_CONFIG"] else None
    try:
        return find_file(Path.cwd())
    except OSError:  # the working folder is gone
        return None


def _read(path: Path) -> Mapping[str, Any]:
    import tomllib

    try:
        return tomllib.loads(_bytes(path).decode("utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            _("{path} is not valid TOML: {error}. Correct it, or give --no-config.", path=path, error=error)
        ) from error


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST + 1)
    except OSError as error:
        raise InputError(
            _(
                "{path} cannot be read ({strerror}); give another --config, or --no-config.",
                path=path,
                strerror=system_words(error),
            )
        ) from error
    if len(content) > _MOST:
        raise InputError(
            _("{path} has more than {most:,} bytes; give a file with options of penult to --config.", path=path, most=_MOST)
        )
    return content


def _check(every: Parser, table: Mapping[str, Any], path: Path) -> None:
    """Refuse names that no command and no option has, in the parts of other commands too."""
    known = every.commands()
    anywhere = set().union(*(_options(p) for p in known.values()))
    for key, value in table.items():
        if isinstance(value, Mapping):
            if key not in known:
                raise InputError(_("{path}: [{key}]: {error}", path=path, key=key, error=unknown("command", key, known)))
            for option, _value in _plain(value):
                if option not in _options(known[key]):
                    raise InputError(
                        _(
                            "{path}: [{key}]: {error}",
                            path=path,
                            key=key,
                            error=unknown("option", option, _options(known[key])),
                        )
                    )
    for option, _value in _plain(table):
        if option not in anywhere:
            raise InputError(_("{path}: {error}", path=path, error=unknown("option", option, anywhere)))


def _plain(table: Any) -> Iterator[tuple[str, Any]]:
    """Yield the options of a table (not the tables in it), written with hyphens or underscores."""
    for key, value in table.items():
        if not isinstance(value, Mapping):
            yield key.replace("_", "-"), value


def _options(p: Parser) -> dict[str, argparse.Action]:
    """Return the options of a command by their long names, without the hyphens."""
    longs = {name: action for name, action in p._option_string_actions.items() if name.startswith("--")}
    return {name[2:]: action for name, action in longs.items() if name[2:] not in _NEVER}


def _words(action: argparse.Action, value: Any, where: str) -> list[str]:
    """Return the words that give an option this value on a command line. Raises `InputError` for a value of a wrong type."""
    if value is None:  # the program reads it itself
        return []
    name = next(one for one in action.option_strings if one.startswith("--"))
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise InputError(_("{where}: {name} is {value!r}; use true or false.", where=where, name=name[2:], value=value))
        return [name] if value else []
    values = value if isinstance(value, list) else [value]
    if not values or any(isinstance(one, bool) or not isinstance(one, str | int | float) for one in values):
        raise InputError(
            _(
                "{where}: {name} is {value!r}; use a text, a number, or a list of them.",
                where=where,
                name=name[2:],
                value=value,
            )
        )
    texts = [str(one) for one in values]
    if isinstance(action, argparse._AppendAction):
        return [f"{name}={text}" for text in texts]
    if action.nargs in ("+", "*"):
        return [name, *texts]
    if len(texts) != 1:
        raise InputError(
            _(
                "{where}: {name} takes one value, and {number} are given; leave one.",
                where=where,
                name=name[2:],
                number=len(texts),
            )
        )
    return [f"{name}={texts[0]}"]


def _split(action: argparse.Action, text: str) -> Any:
    """Return the value that a variable holds: yes or no for a switch, words for an option that takes several."""
    if action.nargs == 0:
        return True if text.lower() in _YES else False if text.lower() in _NO else text
    return shlex.split(text) if action.nargs in ("+", "*") or isinstance(action, argparse._AppendAction) else text


def _dests(group: argparse._MutuallyExclusiveGroup) -> set[str]:
    return {one.dest for one in group._group_actions}


def _upper(name: str) -> str:
    return name.replace("-", "_").upper()


def _lower(variable: str) -> str:
    return variable.removeprefix("PENULT_").replace("_", "-").lower()
