"""Files of the Hugging Face hub: which ONNX file of a repository, at which commit, with which sha256; and what went wrong.

In: `OWNER/NAME[/FILE][@REVISION]`. Out: paths in the hub's own cache folder (`HF_HOME`), which `huggingface_hub` filled.
What a repository says of itself (names, sizes, digests) is checked here before anything is asked for by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penult import untrusted
from penult.backbones import onnx_guard
from penult.errors import DamagedFile, InputError, PenultError, listed
from penult.i18n import _
from penult.zoo import onnx_graph
from penult.zoo.hub_name import NO_COMMIT, PREFIX, HubName, hub_error, is_offline
from penult.zoo.sources import Unreachable, offline_text

FIRST = ("onnx/vision_model.onnx", "onnx/model.onnx", "vision_model.onnx", "model.onnx")  # the first that is there is taken
CONFIGS = ("config.json", "preprocessor_config.json", "processor_config.json")
_COMMIT, _SHA256 = re.compile("[0-9a-f]{40}"), re.compile("[0-9a-f]{64}")
# The same network in fewer bits, as Transformers.js and Optimum name the files: other features, so nobody gets them unasked.
_VARIANT = re.compile(r"_(?:fp16|bf16|float16|quantized|u?int8|q8|q4(?:f16)?|int4|bnb4|merged|optimized|O[1-4])$", re.I)
_MOST_CONFIG = 1 << 20  # bytes
_PAGE = "https://huggingface.co/models?library=onnx"


@dataclass(frozen=True, slots=True)
class HubFiles:
    """The files of a network on this machine: its ONNX file, and what `CONFIGS` say ({} for one that is not there).

    `folder` is the hub's cache folder: the weights that the ONNX file names may be links into it, and to nowhere else.
    `license` is the card's.
    """

    name: HubName
    commit: str
    model: Path
    file: str
    folder: Path
    sha256: str
    license: str
    configs: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        """Return where it comes from, to the byte: what gets the same network again."""
        return f"{PREFIX}{self.name.repo}/{self.file}@{self.commit}, sha256 {self.sha256}"


def get(name: HubName, asked: str) -> HubFiles:
    """Return the files of a network, downloaded where they are not on this machine; without a network from the hub's cache.

    `asked` is the whole name that a user types for it.
    Raises `InputError` (no such repository, a gated one, no ONNX file in it), `Unreachable`, and `DamagedFile` for bytes
    that are not those that the hub lists.
    """
    try:
        return _online(name)
    except PenultError:
        raise
    except Exception as error:
        if not is_offline(error):
            raise hub_error(error, name) from error
        try:
            return _cached(name)
        except PenultError:
            raise
        except Exception as missing:
            raise Unreachable(offline_text(asked, own_weights=False)) from missing


def _online(name: HubName) -> HubFiles:
    from huggingface_hub import HfApi, hf_hub_download

    info = HfApi().model_info(name.repo, revision=name.revision, files_metadata=True, timeout=30)
    if not isinstance(info.sha, str) or not _COMMIT.fullmatch(info.sha):
        raise InputError(_(NO_COMMIT, name=name.typed))
    there = {str(one.rfilename): one for one in info.siblings or ()}
    chosen = choose(there, name)

    def fetch(file: str, most: int = onnx_graph.MAX_BYTES, revision: str = info.sha) -> Path:
        size = there[file].size
        if isinstance(size, int) and size > most:  # before it is downloaded
            raise InputError(
                _(
                    "{name}: {file} has {size:,} bytes, and {most:,} are the most; take a smaller network of its kind.",
                    name=name.typed,
                    file=file,
                    size=size,
                    most=most,
                )
            )
        return Path(hf_hub_download(name.repo, file, revision=revision))

    if CONFIGS[0] in there:  # by the branch's name, so that the hub's cache knows the branch where there is no network
        fetch(CONFIGS[0], _MOST_CONFIG, name.revision or "main")
    configs = {file: _config(fetch(file, _MOST_CONFIG), name) for file in CONFIGS if file in there}
    path = fetch(chosen)
    _check_digest(path, there[chosen], name)
    for beside in _beside(path, chosen):
        if beside not in there:
            raise InputError(
                _(
                    "{name}: {file} keeps its weights in {other}, which the repository does not have; take another file of "
                    "it, or another network.",
                    name=name.typed,
                    file=chosen,
                    other=beside[:200],
                )
            )
        _check_digest(fetch(beside), there[beside], name)
    return _found(name, info.sha, path, chosen, _license(info), configs)


def _cached(name: HubName) -> HubFiles:
    """Return what the hub's cache folder has of a network. Raises what `huggingface_hub` raises where that is not all."""
    from huggingface_hub import hf_hub_download

    def fetch(file: str) -> Path:
        return Path(hf_hub_download(name.repo, file, revision=name.revision, local_files_only=True))

    configs = {}
    for file in CONFIGS:
        try:
            configs[file] = _config(fetch(file), name)
        except FileNotFoundError:  # the library's error is one
            continue
    for chosen in [name.file] if name.file else FIRST:
        try:
            path = fetch(chosen)
        except FileNotFoundError:
            continue
        for beside in _beside(path, chosen):
            fetch(beside)
        commit = path.parents[chosen.count("/")].name  # .../snapshots/COMMIT/onnx/model.onnx
        return _found(name, commit, path, chosen, "not known (read without a network connection)", configs)
    raise FileNotFoundError(name.repo)


def _found(
    name: HubName, commit: str, path: Path, chosen: str, license: str, configs: Mapping[str, dict[str, Any]]
) -> HubFiles:
    # the cache folder: what lies in it for a commit are links to the repository's `blobs`, and these to those of all
    folder = path.parents[chosen.count("/") + 3]
    return HubFiles(name, commit, path, chosen, folder, untrusted.sha256(path), license, configs)


def choose(files: Iterable[str], name: HubName) -> str:
    """Return which ONNX file of a repository to take: the one asked for, the usual one, or the only one in full precision.

    Raises `InputError` where there is none, or several.
    """
    every = sorted(file for file in files if file.endswith(".onnx") and _is_plain(file))
    if name.file:
        if name.file in every:
            return name.file
        if not every:
            raise InputError(_("{name}: the repository has no ONNX file at all; take another network.", name=name.typed))
        files = listed(every)
        raise InputError(
            _(
                "{name}: the repository has no such file; name one of {files}: {repository}/FILE.",
                name=name.typed,
                files=files,
                repository=f"{PREFIX}{name.repo}",
            )
        )
    for usual in FIRST:
        if usual in every:
            return usual
    full = [file for file in every if not _VARIANT.search(file.removesuffix(".onnx"))]
    if len(full) == 1:
        return full[0]
    if not every:
        raise InputError(
            _(
                "{name}: the repository has no ONNX file; take one that has (`penult backbones 'hf:*'` names some, {page} "
                "lists all), or timm's network of that name (penult[timm]).",
                name=name.typed,
                page=_PAGE,
            )
        )
    raise InputError(
        _(
            "{name}: which of its files the network is cannot be told; name one of {files}: {repository}/FILE.",
            name=name.typed,
            files=listed(every),
            repository=f"{PREFIX}{name.repo}",
        )
    )


def _is_plain(file: str) -> bool:
    parts = file.split("/")
    return len(file) < 500 and file.isprintable() and "\\" not in file and not any(part in {"", ".", ".."} for part in parts)


def _beside(path: Path, chosen: str) -> list[str]:
    """Return the files of weights that an ONNX file names, as the repository calls them. Raises `InputError`."""
    try:
        names = set(onnx_guard.locations(untrusted.read_bytes(path)))
    except ValueError:  # no ONNX file: who reads it says so
        return []
    if outside := sorted(one for one in names if not _is_plain(one)):
        raise InputError(
            _(
                "{file} keeps weights in files outside its own folder ({others}), which are not read; take another network.",
                file=chosen,
                others=listed(outside),
            )
        )
    return [f"{chosen.rpartition('/')[0]}/{one}".removeprefix("/") for one in sorted(names)]


def _check_digest(path: Path, listed_as: Any, name: HubName) -> None:
    """Raise `DamagedFile` unless a file is the one that the hub lists, by the sha256 that it has of large files."""
    wanted = getattr(listed_as.lfs, "sha256", None)
    if isinstance(wanted, str) and _SHA256.fullmatch(wanted) and untrusted.sha256(path) != wanted:
        raise DamagedFile(
            _(
                "{name}: {file} is not the file that the hub lists, its sha256 is not {digits}...; delete {blob} and run "
                "again.",
                name=name.typed,
                file=path,
                digits=wanted[:12],
                blob=path.resolve(),
            )
        )


def _config(path: Path, name: HubName) -> dict[str, Any]:
    try:
        found = untrusted.parse_json(untrusted.read_bytes(path, _MOST_CONFIG))
    except (OSError, ValueError) as error:
        raise InputError(
            _("{name}: its {file} cannot be read ({why}); take another network.", name=name.typed, file=path.name, why=error)
        ) from error
    if not isinstance(found, dict):
        raise InputError(
            _("{name}: its {file} holds no settings by name; take another network.", name=name.typed, file=path.name)
        )
    return found


def _license(info: Any) -> str:
    """Return the license that the card states, or whose card to look at."""
    card = info.card_data.to_dict() if info.card_data is not None else {}
    tags = dict(str(tag).split(":", 1) for tag in info.tags or () if ":" in str(tag))
    stated = card.get("license") or tags.get("license")
    if isinstance(stated, list) and all(isinstance(one, str) for one in stated):  # either, or each for a part
        stated = ", ".join(stated)
    if stated in (None, "other"):
        stated = card.get("license_name") or stated
    base = card.get("base_model") or tags.get("base_model")
    base = base[0] if isinstance(base, list) and base else base
    origin = f"; see {base}" if isinstance(base, str) else ""
    text = stated if isinstance(stated, str) else f"not stated on its card{origin}"
    return text[:200] if text.isprintable() else "not stated on its card"
