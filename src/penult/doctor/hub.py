"""Can the hub of weights be reached? Asked once, briefly, and never of importance: the built-in networks need no network.

In: something that opens an address. Out: a `Check`.
"""

from __future__ import annotations

import os
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from penult.doctor.check import NOTE, OK, Check

SECONDS = 3.0
HUB = "https://huggingface.co"
Opener = Callable[..., Any]
_WITHOUT = "built-in networks need none; others: on a machine with network penult backbones --fetch NAME, then copy the folder"


def reachable(
    offline: bool,
    environment: Mapping[str, str] = os.environ,
    opener: Opener = urllib.request.urlopen,
    seconds: float = SECONDS,
) -> Check:
    """Return whether the hub answers within some seconds; it is not asked where the user wants to be offline."""
    if environment.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        return Check("hub", NOTE, "not asked: HF_HUB_OFFLINE is set", f"to load weights unset it; {_WITHOUT}")
    if offline:
        return Check("hub", OK, "not asked (--offline)")
    address = environment.get("HF_ENDPOINT") or HUB
    if not address.startswith(("https://", "http://")):
        return Check("hub", NOTE, f"HF_ENDPOINT is no address: {address}", "unset it, or give https://...")
    answers: queue.Queue[str] = queue.Queue()
    # In a thread of its own: looking up a name has no time limit, and may take a minute where a resolver is silent.
    threading.Thread(target=lambda: answers.put(_ask(address, opener, seconds)), daemon=True).start()
    try:
        wrong = answers.get(timeout=seconds + 1)
    except queue.Empty:
        wrong = f"no answer in {seconds:g} s"
    if wrong:
        return Check("hub", NOTE, f"{address} cannot be reached ({wrong})", _WITHOUT)
    return Check("hub", OK, f"{address} can be reached")


def _ask(address: str, opener: Opener, seconds: float) -> str:
    """Return what went wrong, or nothing."""
    request = urllib.request.Request(address, method="HEAD")  # noqa: S310 - the scheme was looked at
    try:
        opener(request, timeout=seconds).close()
    except urllib.error.HTTPError as error:
        return "" if error.code < 500 else f"it answers {error.code}"
    except Exception as error:  # every library on the way has its own
        return " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return ""
