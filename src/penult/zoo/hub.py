"""What can go wrong between a hub of weights and this machine, in a user's words.

In: whatever a loader raised. Out: one of our errors, with what to type.
"""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

from penult.errors import DamagedFile, InputError, PenultError
from penult.zoo.wish import Wish

_OFFLINE = {
    "LocalEntryNotFoundError", "OfflineModeIsEnabled", "ConnectionError", "ConnectError", "ConnectTimeout", "ReadTimeout",
    "URLError", "gaierror", "NewConnectionError", "MaxRetryError", "ProxyError", "TimeoutError", "TimeoutException",
}  # fmt: skip


_ASKED = bool(os.environ.get("HF_HUB_OFFLINE"))  # by the user, before `settle` can have said it


class Unreachable(InputError):
    """Weights are neither on this machine nor to be had: there is no network."""


def settle() -> None:
    """Let the hub's library say at once that it is offline where its host has no address: it would retry for a minute.

    Where a proxy looks names up it is left alone. What libraries log for developers is kept from a user's terminal.
    """
    for name in ("timm", "huggingface_hub", "keras", "torch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HF_HUB_OFFLINE")):
        return
    host = urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co")).hostname
    try:
        socket.getaddrinfo(host, 443)
    except OSError:
        os.environ["HF_HUB_OFFLINE"] = "1"


def explain(error: BaseException, wish: Wish) -> PenultError:
    """Return the error to raise for what timm, Keras, or the hub's own library raised while loading `wish`."""
    chain = list(_chain(error))
    kinds = {type(e).__name__ for e in chain}
    text = " ".join(str(error).split())
    typed = typed_as(wish)
    if wish.weights is not None:
        return _of_file(error, wish, kinds)
    if "invalid hash" in text or ("hash" in text and "mismatch" in text):
        return DamagedFile(f"{typed}: the weights that came are not those that were published ({text[:300]}); try again.")
    if kinds & {"GatedRepoError"}:
        return InputError(
            f"{typed}: its weights are given only to those who agreed to their terms; log in with `hf auth login`."
        )
    if kinds & {"RepositoryNotFoundError", "RevisionNotFoundError", "EntryNotFoundError", "RemoteEntryNotFoundError"}:
        return InputError(f"{typed}: the hub has no such network ({text[:200]}); look at its page for the exact name.")
    if kinds & _OFFLINE:
        return Unreachable(offline(typed))
    if "No pretrained weights exist" in text:
        return InputError(f"{typed} has no published weights; give a file of them: -b {typed}@FILE.")
    return InputError(f"{typed} cannot be loaded: {type(error).__name__}: {text[:400]}")


def typed_as(wish: Wish) -> str:
    """Return what a user types for a network without its file."""
    size = dict(wish.changes).get("size")
    return f"{'keras:' if wish.kind == 'keras' else ''}{wish.name}{'' if size is None else f':{size}'}"


def offline(typed: str) -> str:
    """Return what to do where a hub cannot be reached and nothing is cached."""
    why = " (HF_HUB_OFFLINE is set)" if _ASKED else ""
    return (
        f"the weights of {typed} are not on this machine and their hub cannot be reached{why}. On a machine with network type "
        f"`penult backbones --fetch {typed}` and copy the folder that it names to this machine's cache, or give weights "
        f"that you have: -b {typed}@FILE."
    )


def _of_file(error: BaseException, wish: Wish, kinds: set[str]) -> PenultError:
    path, text = Path(str(wish.weights)), " ".join(str(error).split())
    if "Missing key" in text or "Unexpected key" in text or "size mismatch" in text:
        shown = (text.partition(":")[2].strip().rstrip(".") or text)[:600]
        return InputError(f"{path} does not fit {wish.name}: {shown}. Give the file of this very network.")
    if "weights_only" in text or "UnpicklingError" in kinds:
        return InputError(
            f"{path} holds more than weights (Python objects that would run code), and is not opened; save its state_dict, "
            "best as .safetensors."
        )
    said = f"{type(error).__name__}: {text[:300]}"
    return DamagedFile(f"{path} is not a checkpoint that {wish.kind} can read ({said}); give another file, or get it again.")


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
