"""JSON from anywhere: refused before it is parsed where its values would need far more memory than its text.

In: bytes. Out: plain values.
"""

from __future__ import annotations

import json
from typing import Any

MOST_BYTES = 64 << 20
MANY = 8_000_000  # numbers, where counts of every pair of a thousand classes are among them
# A value costs 30 to 230 bytes of memory and as little as 2 of text: so many of each kind are 100 MB at most.
_MOST = {b'"': 600_000, b"[": 200_000, b"{": 200_000, b",": 1_500_000}


def loads(data: bytes, numbers: int = _MOST[b","]) -> Any:
    """Return the values of a JSON text in UTF-8. Raises `ValueError` for one that is damaged, too large or too deep.

    `numbers` is how many values there may be in all: a table of counts of a thousand classes is a million.
    """
    most = {**_MOST, b",": numbers}
    if len(data) > MOST_BYTES or any(data.count(sign) > count for sign, count in most.items()):
        raise ValueError("it has more values than such a file ever needs")
    text = data.decode("utf-8-sig")
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None
