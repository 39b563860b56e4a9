"""The words on figures, and the fonts that have their signs.

Chinese needs a font that matplotlib does not bring. Where this machine has none, figures are in English, and names in Chinese
are boxes in the PNG files; `font_note` says so.
"""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from functools import cache
from pathlib import Path

from penult import i18n

DEFAULT = "DejaVu Sans"  # matplotlib's own
# Fonts with Chinese, Japanese, Korean signs that systems bring, those for simplified Chinese first
WIDE = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "PingFang SC", "Microsoft YaHei",
    "Hiragino Sans GB", "Heiti SC", "STHeiti", "SimHei", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Noto Sans CJK TC",
    "PingFang TC", "Heiti TC", "Microsoft JhengHei", "Noto Sans CJK JP", "Arial Unicode MS",
)  # fmt: skip
FILES = re.compile(r"notosans(cjk|sc)|sourcehan|pingfang|msyh|msjh|hiragino|heiti|simhei|wqy", re.IGNORECASE)
_missed: set[str] = set()  # "words" or "names" of figures for which there was no font


@cache
def fonts() -> tuple[str, ...]:
    """Return DejaVu Sans and those fonts of this machine that have the signs which it lacks."""
    from matplotlib import font_manager

    manager = font_manager.fontManager
    found = _known()
    if not found:  # matplotlib keeps a list of fonts, and does not see one that was installed since
        for path in font_manager.findSystemFonts():
            if FILES.search(Path(path).name):
                with suppress(OSError, RuntimeError):  # a file that FreeType cannot read
                    manager.addfont(path)
        found = _known()
    return (DEFAULT, *found)


def _known() -> list[str]:
    from matplotlib import font_manager

    here = {font.name for font in font_manager.fontManager.ttflist}
    return [name for name in WIDE if name in here]


def has_wide() -> bool:
    """Tell whether a font of this machine has Chinese signs."""
    return len(fonts()) > 1


def columns(text: str) -> int:
    """Return how wide a text is, in letters: a Chinese sign is as wide as two."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def note_name(text: str) -> str:
    """Return a name as it is; remember it where it has Chinese signs and no font does."""
    if columns(text) > len(text) and not has_wide():
        _missed.add("names")
    return text


def font_note() -> str:
    """Return what figures drawn in this process lacked for want of a font, and what helps; nothing where none did."""
    if "words" in _missed:
        return i18n._(
            "the figures are in English, since this machine has no font with Chinese signs; install one, such as Noto Sans "
            "CJK (the package fonts-noto-cjk)."
        )
    if "names" in _missed:
        return i18n._(
            "names are partly boxes in the PNG figures, since this machine has no font with Chinese signs; install one, such "
            "as Noto Sans CJK (the package fonts-noto-cjk), or use the SVG files."
        )
    return ""


def _(message: str, /, **values: object) -> str:
    """Return a text for a figure: in the active language where a font has its signs, else in English."""
    if _readable():
        return i18n._(message, **values)
    return message.format(**values) if values else message


def ngettext(singular: str, plural: str, n: int, /, **values: object) -> str:
    """Return a text for `n` things for a figure, as `_` does."""
    if _readable():
        return i18n.ngettext(singular, plural, n, **values)
    return (singular if n == 1 else plural).format(n=n, **values)


def _readable() -> bool:
    if i18n.language() != "zh" or has_wide():
        return True
    _missed.add("words")
    return False
