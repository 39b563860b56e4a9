"""Where networks come from: the table of sources, what is asked of one and what it gives, and what is said of its hub.

To add a source, write a module with `load(spec) -> LoadedModel` and `list_networks(pattern) -> Iterator[Listed]`, and enter
it in `SOURCES`. Both functions run in a child process, the only one that imports torch; nothing else has to be changed.
"""

from __future__ import annotations

import logging
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from penult.backbones.backbone import Pooling
from penult.errors import DamagedFile, InputError, PenultError
from penult.i18n import _
from penult.pixels.recipe import Recipe


@dataclass(frozen=True, slots=True)
class NetworkSource:
    """A library of networks, or a kind of file with one in it.

    `prefix` is how the names of its networks begin; with a `suffix` they are the paths of files that end so. `requires`
    are the modules that must be installed, by `pip install 'penult[SOURCE]'`. `module` has the functions, see above.
    `poolings` are those that it can load a network with, each another conversion.
    """

    module: str
    requires: tuple[str, ...] = ()
    prefix: str = ""
    suffix: str = ""
    poolings: tuple[str, ...] = ()


TOKEN_POOLINGS = ("pooler", "cls", "mean")  # of networks with tokens: their own, the class token, the mean of the patches
SOURCES = {
    "timm": NetworkSource("penult.zoo.timm_source", ("torch", "torchvision", "timm", "onnxscript")),  # all other names
    "keras": NetworkSource("penult.zoo.keras_source", ("torch", "keras", "onnxscript"), prefix="keras:"),
    "hub": NetworkSource("penult.zoo.hub_source", ("huggingface_hub",), prefix="hf:", poolings=TOKEN_POOLINGS),
    "onnx": NetworkSource("penult.zoo.onnx_source", suffix=".onnx"),
}


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A network as it was asked for: its source ("built-in", or a key of `SOURCES`), and its name there or its path.

    `weights`: the path of a local checkpoint, None for the source's own. `size`, `crop_mode`, `pooling`: others than the
    network's own.
    `recipe` and `output` are for files that do not say them: every setting, and which tensor the features are. `label` is
    the name that results carry: as it was typed, but a file without its folder.
    """

    source: str
    name: str
    weights: str | None = None
    size: int | None = None
    crop_mode: str | None = None
    pooling: str | None = None
    recipe: tuple[tuple[str, Any], ...] | None = None
    output: str | None = None
    label: str = field(default="", compare=False)

    @property
    def converted(self) -> str:
        """Return what its conversion is called: the label, or all that is typed where the pooling makes another one."""
        return self.typed if SOURCES[self.source].poolings else self.label

    @property
    def typed(self) -> str:
        """What a user types for it, without a file of weights."""
        pooling = self.pooling if self.pooling in SOURCES[self.source].poolings else None
        settings = [str(one) for one in (self.size, pooling) if one is not None]
        return ":".join([SOURCES[self.source].prefix + self.name, *settings])


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A network with its weights, as its source evaluates it (no dropout, no batch statistics), without its last layer.

    `network` is a torch module that takes float32 (n, 3, s, s), which `recipe` has made of the pixels, and returns a tuple:
    the features (n, d) and, with the pooling "mean", the maps (n, d, h, w) whose means over the positions they are. Or it
    is the bytes of an ONNX graph with such outputs. `weights` is the sha256 (hex) of all tensors (`checkpoint.of_tensors`)
    or of the file, `params` the number of parameters without the last layer. `architecture` says what runs these weights
    (two networks can share all names and differ in their padding); where it is empty that is the name asked for.
    """

    network: Any
    recipe: Recipe
    pooling: Pooling
    weights: str
    license: str
    source: str
    params: int
    architecture: str = ""


_OFFLINE = {
    "LocalEntryNotFoundError", "OfflineModeIsEnabled", "ConnectionError", "ConnectError", "ConnectTimeout", "ReadTimeout",
    "URLError", "gaierror", "NewConnectionError", "MaxRetryError", "ProxyError", "TimeoutError", "TimeoutException",
}  # fmt: skip
_ASKED_OFFLINE = bool(os.environ.get("HF_HUB_OFFLINE"))  # by the user, before `prepare_hub` can have set it


class Unreachable(InputError):
    """Weights are not on this machine and cannot be downloaded: there is no network."""


def prepare_hub() -> None:
    """Tell the hub's library that it is offline where its host has no address: it would retry for a minute.

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


def offline_text(typed: str, own_weights: bool = True) -> str:
    """Return what to do where a hub cannot be reached and nothing is cached; `own_weights`: a file can take their place."""
    if _ASKED_OFFLINE and not own_weights:
        return _(
            "the weights of {typed} are not on this machine and their hub cannot be reached (HF_HUB_OFFLINE is set). On a "
            "machine with internet access, run `penult backbones --fetch {typed}` and copy the folder that it names to this "
            "machine's cache.",
            typed=typed,
        )
    if not own_weights:
        return _(
            "the weights of {typed} are not on this machine and their hub cannot be reached. On a machine with internet "
            "access, run `penult backbones --fetch {typed}` and copy the folder that it names to this machine's cache.",
            typed=typed,
        )
    if _ASKED_OFFLINE:
        return _(
            "the weights of {typed} are not on this machine and their hub cannot be reached (HF_HUB_OFFLINE is set). On a "
            "machine with internet access, run `penult backbones --fetch {typed}` and copy the folder that it names to this "
            "machine's cache; or use weights that you have: -b {typed}@FILE.",
            typed=typed,
        )
    return _(
        "the weights of {typed} are not on this machine and their hub cannot be reached. On a machine with internet access, "
        "run `penult backbones --fetch {typed}` and copy the folder that it names to this machine's cache; or use weights "
        "that you have: -b {typed}@FILE.",
        typed=typed,
    )


def loading_error(error: BaseException, spec: ModelSpec) -> PenultError:
    """Return the error to raise for what a library raised while it loaded a network and its weights."""
    kinds = error_kinds(error)
    text, typed = " ".join(str(error).split()), spec.typed
    if spec.weights is not None:
        return _file_error(error, spec, kinds)
    if "invalid hash" in text or ("hash" in text and "mismatch" in text):
        return DamagedFile(
            _(
                "{typed}: the downloaded weights are not those that were published ({text}); try again.",
                typed=typed,
                text=text[:300],
            )
        )
    if kinds & {"GatedRepoError"}:
        return InputError(
            _(
                "{typed}: its weights are given only to those who agreed to their terms; log in with `hf auth login`.",
                typed=typed,
            )
        )
    if kinds & {"RepositoryNotFoundError", "RevisionNotFoundError", "EntryNotFoundError", "RemoteEntryNotFoundError"}:
        return InputError(
            _(
                "{typed}: the hub has no such network ({text}); look at its page for the exact name.",
                typed=typed,
                text=text[:200],
            )
        )
    if kinds & _OFFLINE:
        return Unreachable(offline_text(typed))
    if "No pretrained weights exist" in text:
        return InputError(_("{typed} has no published weights; give a file of them: -b {typed}@FILE.", typed=typed))
    return InputError(
        _(
            "{typed} cannot be loaded: {type}: {text}; take another network.",
            typed=typed,
            type=type(error).__name__,
            text=text[:400],
        )
    )


def _file_error(error: BaseException, spec: ModelSpec, kinds: set[str]) -> PenultError:
    path, text = Path(str(spec.weights)), " ".join(str(error).split())
    if "Missing key" in text or "Unexpected key" in text or "size mismatch" in text:
        keys = (text.partition(":")[2].strip().rstrip(".") or text)[:600]
        return InputError(
            _("{path} does not fit {name}: {keys}. Give the file of this very network.", path=path, name=spec.name, keys=keys)
        )
    if "weights_only" in text or "UnpicklingError" in kinds:
        return InputError(
            _(
                "{path} holds more than weights (Python objects that would run code), and is not opened; save its "
                "state_dict, best as .safetensors.",
                path=path,
            )
        )
    what = f"{type(error).__name__}: {text[:300]}"
    return DamagedFile(
        _(
            "{path} is not a checkpoint that {source} can read ({what}); give another file, or get it again.",
            path=path,
            source=spec.source,
            what=what,
        )
    )


def error_kinds(error: BaseException) -> set[str]:
    """Return the names of the classes of an error, and of those that it came from."""
    return {type(one).__name__ for one in _chain(error)}


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
