"""Which language the command line speaks: `--lang`, the settings, the locale, else English.

It is chosen before anything is parsed, since help and errors of the words are texts too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from penult import i18n, system
from penult.cli import config
from penult.errors import PenultError, UnknownName, unknown
from penult.i18n import _

OPTION = "--lang"


@contextmanager
def chosen(words: Sequence[str]) -> Iterator[list[str]]:
    """Have texts, also those of child processes, in the language that is asked for; give the words without `--lang`.

    Raises `UnknownName` where there is no such language: the texts are then in that of the locale.
    """
    before, variable = i18n.language(), os.environ.get(i18n.VARIABLE)
    rest, given = _split(words)
    wish, where = given or _configured(words)
    option = where == OPTION
    found = i18n.language_of(wish) if wish or option else of_locale()
    try:
        _speak(found or of_locale(), everybody=option)
        if found is None:
            error = unknown("language", wish, i18n.LANGUAGES)
            raise error if option else UnknownName(_("{where}: {error}", where=where, error=error))
        _show(found, asked=bool(wish))
        yield rest
    finally:
        i18n.set_language(before)
        if variable is None:
            os.environ.pop(i18n.VARIABLE, None)
        else:
            os.environ[i18n.VARIABLE] = variable


def of_locale(environment: Mapping[str, str] = os.environ) -> str:
    """Return the language of the user's locale, as gettext finds it; English where it is not one of ours."""
    locale = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    locale = locale or system.menu_language()
    plain = locale.partition(".")[0].upper() in ("C", "POSIX")  # beside these LANGUAGE means nothing
    wanted = [] if plain else environment.get("LANGUAGE", "").split(":")
    return next((found for one in (*wanted, locale) if (found := i18n.language_of(one))), "en")


def _split(words: Sequence[str]) -> tuple[list[str], tuple[str, str] | None]:
    """Return the words without the option, and its value; one that lacks its value stays, for the parser to refuse."""
    rest: list[str] = []
    value = None
    i = 0
    while i < len(words):
        if words[i] == "--":
            rest += words[i:]
            break
        if words[i].startswith(f"{OPTION}="):
            value = words[i].partition("=")[2]
        elif words[i] == OPTION and i + 1 < len(words):
            i += 1
            value = words[i]
        else:
            rest.append(words[i])
        i += 1
    return rest, None if value is None else (value, OPTION)


def _configured(words: Sequence[str]) -> tuple[str, str]:
    """Return the language that the environment or a file says, and which; a file that is wrong is refused later."""
    if value := os.environ.get(i18n.VARIABLE):
        return value, i18n.VARIABLE
    if "--no-config" in words:
        return "", ""
    with suppress(PenultError):
        return config.language(words)
    return "", ""


def _speak(name: str, everybody: bool = False) -> None:
    i18n.set_language(name, everybody)
    os.environ[i18n.VARIABLE] = name


def _show(name: str, asked: bool) -> None:
    """See that a stream can show the language: a pipe or console of another encoding gets UTF-8, or English if none asked."""
    if name == "en":
        return
    for stream in (sys.stdout, sys.stderr):
        try:
            "中".encode(getattr(stream, "encoding", None) or "utf-8")
        except (UnicodeEncodeError, LookupError):
            if not asked:
                _speak("en")
                return
            with suppress(AttributeError, OSError, ValueError):
                stream.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
