"""The language of every text that a person reads: English as it stands in the source, or its translation.

One language for the whole process, but for `in_language`: a server writes to each reader in theirs. It is what `set_language`
was given (the command line: by `--lang`, settings or locale), else what PENULT_LANG says, else English. The catalogue is read
when the first text is asked for in another language.

    _("{path} is not a folder", path=path)                 a text; values are put in by `str.format`
    ngettext("{n:,} photo", "{n:,} photos", n)             a text with a number
    pgettext("of a photo", "unlike")                       a text that means two things in English
    N_("Data")                                             a text in a table, shown later by `_(TEXT)`
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from gettext import NullTranslations

__all__ = [
    "LANGUAGES",
    "N_",
    "VARIABLE",
    "accepted",
    "for_everybody",
    "in_language",
    "language",
    "language_of",
    "ngettext",
    "pgettext",
    "set_language",
]

Text = TypeVar("Text", bound=str)  # also one of a few texts, a Literal
LANGUAGES = ("en", "zh")
VARIABLE = "PENULT_LANG"
_LOCALES = Path(__file__).parent / "locale"
_chosen: list[str] = []  # the language that was set, if one was
_fixed: list[str] = []  # the same, where it was set for everybody
_of_reader: ContextVar[str] = ContextVar("penult_language", default="")  # of one reader of a server


def set_language(name: str, everybody: bool = False) -> None:
    """Have all texts from now on in this language: `en`, `zh`, or a locale of either such as `zh_CN.UTF-8`.

    Parameters
    ----------
    name : str
        The language.
    everybody : bool
        Servers and exported pages stay in it whatever language a browser asks for; otherwise it is for those that ask for
        none of ours.

    Raises
    ------
    ValueError
        There is no such language.

    Examples
    --------
    >>> from penult import i18n
    >>> i18n.set_language("en_US.UTF-8")
    >>> i18n.language()
    'en'
    """
    found = language_of(name)
    if found is None:
        raise ValueError(_("there is no language {name!r}; take one of: {known}.", name=name, known=", ".join(LANGUAGES)))
    _chosen[:] = [found]
    _fixed[:] = [found] if everybody else []


def for_everybody() -> bool:
    """Return whether servers and exported pages are for everybody in the language that was set."""
    return bool(_fixed)


def language() -> str:
    """Return the language of texts, `en` or `zh`."""
    if name := _of_reader.get():
        return name
    if not _chosen:
        _chosen.append(language_of(os.environ.get(VARIABLE, "")) or "en")
    return _chosen[0]


@contextmanager
def in_language(name: str | None) -> Iterator[None]:
    """Have the texts of a block, in this thread or task alone, in one of `LANGUAGES`; with None as they are anyway."""
    before = _of_reader.set(name or _of_reader.get())
    try:
        yield
    finally:
        _of_reader.reset(before)


def accepted(header: str) -> str | None:
    """Return the language of ours that an Accept-Language header likes best; None where it names none.

    Examples
    --------
    >>> from penult import i18n
    >>> i18n.accepted("fr, zh-CN;q=0.9, en;q=0.8"), i18n.accepted("fr")
    ('zh', None)
    """
    liked = []
    for part in header.split(","):
        tag, _semicolon, rest = part.partition(";")
        weight = rest.partition("=")[2].strip()  # of q, the only parameter that there is
        name = language_of(tag.strip())
        share = float(weight) if weight.replace(".", "", 1).isdecimal() else 0.0 if weight else 1.0
        if name is not None and share > 0:
            liked.append((share, name))
    return max(liked, key=lambda one: one[0])[1] if liked else None


def language_of(locale: str) -> str | None:
    """Return the language of a locale or language tag (`zh_CN.UTF-8`, `zh-Hant`, `C`); None where it is not one of ours."""
    name = locale.replace("-", "_").partition("_")[0].partition(".")[0].partition("@")[0].lower()
    if name in ("c", "posix"):
        return "en"
    return name if name in LANGUAGES else None


def _(message: str, /, **values: object) -> str:
    """Return a text in the active language, with the `values` put in by `str.format`; without any, braces stay."""
    text = _catalogue(language()).gettext(message) if message and language() != "en" else message
    return text.format(**values) if values else text


def ngettext(singular: str, plural: str, n: int, /, **values: object) -> str:
    """Return the text for `n` things, with `n` and the `values` put in."""
    english = singular if n == 1 else plural
    text = english if language() == "en" else _catalogue(language()).ngettext(singular, plural, n)
    return text.format(n=n, **values)


def pgettext(context: str, message: str, /, **values: object) -> str:
    """Return a text that has another meaning elsewhere; `context` tells the translator which one is meant."""
    text = message if language() == "en" else _catalogue(language()).pgettext(context, message)
    return text.format(**values) if values else text


def N_(message: Text) -> Text:
    """Mark a text for translation where it is defined, and return it as it is."""
    return message


@lru_cache
def _catalogue(name: str) -> NullTranslations:
    import gettext  # 1 ms that English does without

    return gettext.translation("penult", _LOCALES, [name], fallback=True)
