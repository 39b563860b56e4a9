"""Texts that were stored in the language of a run, said in the language of the process: notes and findings of `metrics.json`.

A stored text was made of a message of the catalogue, with values in it. So it is looked up backwards: the message is the one
whose template it fits, in English or in a translation; the values are what stands in the places of the template.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib.resources import files
from string import Formatter

from penult.i18n import LANGUAGES, language

# Places of templates that take a text of ours. What stands in any other may be a name of the user's, and stays as it is.
TEXTS = frozenset({
    "advice", "change", "colors", "costs", "cure", "cures", "detail", "doubt", "error", "finding", "fix", "format", "groups",
    "hint", "how", "images", "kind", "kinds", "more", "note", "numbers", "on", "otherwise", "photos", "problem", "problems",
    "reason", "remark", "said", "suggestion", "task", "title", "views", "what", "why",
})  # fmt: skip
LEAST = {"en": 6, "zh": 1}  # letters beside its places that a template must have, to be told from any other text
_NUMBER = r"[-+]?[\d.,]+(?:e[-+]?\d+)?%?"


@lru_cache(4096)
def _said(text: str, wanted: str) -> str:
    found = next(_fitting(text), None)
    if found is None:
        return text
    template, values = found
    said = {name: _said(value, wanted) if name in template.texts else value for name, value in values.items()}
    return template.message.filled(wanted, said) or text


def retranslated(text: str) -> str:
    """Return a stored text in the language of the process; a text that no message was made of as it is.

    Examples
    --------
    >>> from penult.stored_texts import retranslated
    >>> retranslated("what a user wrote stays")
    'what a user wrote stays'
    """
    wanted = language()
    return text if not text or (wanted == "en" and text.isascii()) else _said(text, wanted)


def _fitting(text: str) -> Iterator[tuple[_Template, Mapping[str, str]]]:
    """Yield the templates that a text may be made of, with its values: the one with the most letters of its own first."""
    whole, templates = _messages()
    if text in whole:
        yield _Template(whole[text], text), {}
    for one in templates:
        if one.longest in text and (found := one.pattern.fullmatch(text)):
            yield one, found.groupdict()


@dataclass(frozen=True, slots=True)
class _Message:
    """One text of the catalogue in each language: one form, or one for 1 and one for other numbers."""

    forms: Mapping[str, tuple[str, ...]]

    def filled(self, wanted: str, values: Mapping[str, str]) -> str | None:
        """Return the text in a language with its values; None where a value is missing."""
        forms = self.forms[wanted]
        template = forms[-1] if values.get("n") != "1" else forms[0]
        parts = [(literal, name) for literal, name, _spec, _conversion in Formatter().parse(template)]
        if any(name is not None and name not in values for _literal, name in parts):
            return None
        return "".join(literal + ("" if name is None else values[name]) for literal, name in parts)


@dataclass(frozen=True)
class _Template:
    """One form of a message that has places for values."""

    message: _Message
    form: str

    @cached_property
    def literals(self) -> list[str]:
        """What stands around the places."""
        return [literal for literal, *_rest in Formatter().parse(self.form)]

    @cached_property
    def texts(self) -> frozenset[str]:
        """The places that take a text of ours: one that is quoted (`{said!r}`) is somebody's word."""
        return TEXTS & {name for _literal, name, _spec, conversion in Formatter().parse(self.form) if name and not conversion}

    @cached_property
    def longest(self) -> str:
        """What a text must contain to be worth a closer look."""
        return max(self.literals, key=len)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What fits the form: a number where one is formatted, else any text; the same value wherever a name stands again."""
        parts, seen = [], set()
        for literal, name, spec, _conversion in Formatter().parse(self.form):
            parts.append(re.escape(literal))
            if name is not None:
                parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>{_NUMBER if spec else '.+?'})")
                seen.add(name)
        return re.compile("".join(parts), re.DOTALL)


@cache
def _messages() -> tuple[dict[str, _Message], list[_Template]]:
    """Return the messages without places by their text in any language, and the templates of the others."""
    whole: dict[str, _Message] = {}
    templates = []
    for name in LANGUAGES[1:]:
        for english, translated in _catalogue(name):
            message = _Message({"en": english, name: translated})
            for key, forms in message.forms.items():
                for form in dict.fromkeys(forms):
                    one = _Template(message, form)
                    if one.literals == [form]:
                        whole.setdefault(form, message)
                    elif sum(map(str.isalpha, "".join(one.literals))) >= LEAST[key]:
                        templates.append(one)
    templates.sort(key=lambda one: -sum(map(len, one.literals)))
    return whole, templates


def _catalogue(name: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield the texts of a compiled catalogue (GNU gettext's format of .mo files) and their translations, in all forms."""
    try:
        data = (files("penult") / "locale" / name / "LC_MESSAGES" / "penult.mo").read_bytes()
    except FileNotFoundError:  # a source tree in which nothing was compiled
        return
    order = "<" if data[:4] == b"\xde\x12\x04\x95" else ">"
    count, texts, translations = struct.unpack(f"{order}3I", data[8:20])
    for i in range(count):
        english, translated = (_string(data, order, table + 8 * i) for table in (texts, translations))
        if english:
            yield tuple(english.rpartition("\x04")[2].split("\0")), tuple(translated.split("\0"))


def _string(data: bytes, order: str, at: int) -> str:
    length, start = struct.unpack(f"{order}2I", data[at : at + 8])
    return data[start : start + length].decode()
