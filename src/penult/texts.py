"""How shares, counts and names are written and read, the same everywhere: terminal, page, notebook, findings, figures."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from unicodedata import combining, east_asian_width

from penult.i18n import N_, _, language, ngettext, pgettext

NONE = "–"
_SYSTEM = (  # what systems say most often, for the catalogue
    N_("No such file or directory"), N_("Permission denied"), N_("Operation not permitted"), N_("Is a directory"),
    N_("Not a directory"), N_("File exists"), N_("File name too long"), N_("Too many levels of symbolic links"),
    N_("No space left on device"), N_("Disk quota exceeded"), N_("Read-only file system"), N_("Input/output error"),
    N_("Too many open files"), N_("Cannot allocate memory"), N_("Invalid argument"), N_("Stale file handle"),
    N_("Address already in use"), N_("Cannot assign requested address"), N_("Connection refused"),
    N_("Connection reset by peer"), N_("Connection timed out"), N_("Network is unreachable"),
    N_("Name or service not known"), N_("Temporary failure in name resolution"),
)  # fmt: skip
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}


def percent(value: float | None, places: int = 1) -> str:
    """Return a share as `99.1%`, a dash for None.

    Only 1 is ever "100%" and only 0 is "0%": a share that would be rounded to either keeps one digit more, `99.96%`, and
    with that digit is never rounded up to all or down to none, `99.99%`. `hundredths` gives the same number to the page.
    """
    if value is None:
        return NONE
    if value >= 1 or value <= 0:
        return "100%" if value >= 1 else "0%"
    shown = f"{100 * value:.{places}f}"
    if 0 < float(shown) < 100:
        return f"{shown}%"
    least = 10.0 ** -(places + 1)
    return f"{min(max(100 * value, least), 100 - least):.{places + 1}f}%"


def hundredths(value: float) -> int:
    """Return the number that `percent` shows, in hundredths of a per cent: the page's script writes it as `percent` does."""
    return round(100 * float(percent(value).removesuffix("%")))


def percents(*shares: float) -> tuple[str, ...]:
    """Return shares as `percent` writes them, without the sign."""
    return tuple(percent(share).removesuffix("%") for share in shares)


def measured(value: float | None, low: float | None, high: float | None, share: bool = False) -> tuple[str, str, str]:
    """Return a number and the ends of its interval with as many digits as the interval is narrow, at least five steps wide.

    0.87, 0.80, 0.92 or 0.0231, 0.0212, 0.0250; shares as per cent without the sign, 87, 80, 92 or 99.2, 98.4, 99.6. A dash
    each where there is no number.
    """
    if value is None or low is None or high is None:
        return NONE, NONE, NONE
    width = (high - low) * (100 if share else 1)
    places = math.ceil(-math.log10(width / 5)) if width > 0 else 6
    if not share:
        shown = [f"{number:,.{min(max(places, 0), 6)}f}" for number in (value, low, high)]
    else:
        shown = [percent(number, min(max(places, 0), 2)).removesuffix("%") for number in (value, low, high)]
    return shown[0], shown[1], shown[2]


def count(number: int, one: str, many: str = "") -> str:
    """Return `1 photo` or `2,340 photos`, in the language of the process; a literal word is found by `make messages`."""
    singular, plural = f"{{n:,}} {one}", f"{{n:,}} {many or one + 's'}"
    return ngettext(singular, plural, number)


def sentence(text: str) -> str:
    """Return a text as a sentence: it begins with a capital and ends with a full stop; nothing for nothing."""
    return _("{text}.", text=f"{text[:1].upper()}{text[1:]}") if text else ""


def first_sentence(text: str) -> tuple[str, str]:
    """Return the first sentence of a text, and the rest."""
    first, *rest = re.split(r"(?<=\.) |(?<=。)", text, maxsplit=1)
    return first, rest[0] if rest else ""


def gap() -> str:
    """Return what stands between two sentences: a space, nothing where the full stop has room of its own."""
    return "" if language() == "zh" else " "


def enumeration(parts: Iterable[str]) -> str:
    """Return names or phrases one after the other, with commas between."""
    return pgettext("between the items of a list", ", ").join(parts)


def clauses(parts: Iterable[str]) -> str:
    """Return statements one after the other, with commas between: Chinese has another comma for them than for names."""
    return pgettext("between statements", ", ").join(parts)


def in_quotes(name: str | Path) -> str:
    """Return a name or path in quotation marks, on one printable line."""
    return _("'{name}'", name=printable(name))


def system_words(error: OSError) -> str:
    """Return what the system says of an error: why a file could not be opened, or a server not be reached."""
    number = error.errno
    return _(error.strerror or (os.strerror(number) if number else str(error)))


def display_width(text: str) -> int:
    """Return how many columns of a terminal a text takes: Chinese characters and full-width signs take two."""
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(char) in "WF" else 0 if combining(char) else 1 for char in text)


def padded(text: str, columns: int) -> str:
    """Return a text with spaces behind it, so that it takes so many columns of a terminal."""
    return text + " " * (columns - display_width(text))


def label_separator(labels: Sequence[str]) -> str:
    """Return the sign between several labels in one cell: a semicolon, or where a label has one, what no label has."""
    return next((sign for sign in ";|,/" if not any(sign in label for label in labels)), "\t")


def joined_labels(given: Sequence[str], labels: Sequence[str]) -> str:
    """Return some of the `labels` as one text: `cat;indoor`, nothing for none of them."""
    return label_separator(labels).join(given)


def printable(name: str | Path) -> str:
    r"""Return a name or path on one printable line: bytes that are not UTF-8 as `\xff`, controls as `\n`."""
    text = str(name)
    return text if text.isprintable() else "".join(char if char.isprintable() else _escaped(char) for char in text)


def valid_unicode(text: str) -> str:
    r"""Return a name as valid Unicode: bytes that are not UTF-8 as `\xff`."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _escaped(char: str) -> str:
    if "\udc80" <= char <= "\udcff":  # a byte that is not UTF-8 (PEP 383)
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")


def digits(value: float | None) -> str:
    """Return three digits that count, not more than four places: 0.992, 0.0249, 12.3, 1,480; a dash for None."""
    if value is None:
        return NONE
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4f}" if abs(value) < 0.001 else f"{value:#.3g}".rstrip(".")


def is_url(text: str) -> bool:
    """Tell whether a text is the address of something in an object store (`penult.objects`)."""
    return text.startswith(("s3://", "gs://", "az://"))


def parse_number(text: str) -> float | None:
    """Return the finite number that a text is; None for what is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def parse_share(text: str) -> float | None:
    """Return the share of `0.95` or `95%`, which may be any number; None for what is none."""
    value = parse_number(text.strip().removesuffix("%"))
    return value / 100 if value is not None and text.strip().endswith("%") else value


def parse_size(text: str) -> int | None:
    """Return the bytes of `5GB`, `500 MB`, `2.5GiB`; None for what is no size."""
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([KMGT]I?|)B?\s*", text.upper())
    return int(float(found[1]) * _UNITS[found[2]]) if found else None
