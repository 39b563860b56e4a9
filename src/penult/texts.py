"""How shares, counts and names are written, the same everywhere: terminal, page, notebook, findings, figures."""

from __future__ import annotations

from pathlib import Path

NONE = "–"


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


def count(number: int, one: str, many: str = "") -> str:
    """Return `1 photo` or `2,340 photos`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def printable(name: str | Path) -> str:
    r"""Return a name or path on one printable line: bytes that are not UTF-8 as `\xff`, controls as `\n`."""
    return "".join(char if char.isprintable() else _escaped(char) for char in str(name))


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
