"""How a network of the Hugging Face hub is named, and what is said where the hub does not give it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from penult.errors import InputError, PenultError
from penult.i18n import N_, _
from penult.zoo.sources import error_kinds

PREFIX = "hf:"
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"
_NAME = re.compile(
    rf"(?P<repo>{_PART}/{_PART})(?P<file>(?:/[A-Za-z0-9._+-]+)*)(?:@(?P<revision>[A-Za-z0-9][A-Za-z0-9._/+-]*))?"
)
_OFFLINE = {
    "LocalEntryNotFoundError", "OfflineModeIsEnabled", "ConnectError", "ConnectTimeout", "ConnectionError", "ReadTimeout",
    "ReadError", "ProxyError", "gaierror", "RemoteProtocolError",
}  # fmt: skip
NO_COMMIT = N_("{name}: the hub does not say of which commit its files are; set HF_ENDPOINT to a hub that does.")
_BY_KIND = {  # by the class of the library's error
    "FileMetadataError": NO_COMMIT,
    "GatedRepoError": N_(
        "{name}: its files are given only to those who agreed to its terms; agree on its page, then log in with "
        "`hf auth login` or set HF_TOKEN."
    ),
    "RevisionNotFoundError": N_("{name}: the repository has no such revision; give a branch, a tag or a commit of it."),
    "RepositoryNotFoundError": N_(
        "{name}: the hub has no such repository, or a private one; look at its page for the exact name, or log in with "
        "`hf auth login` or HF_TOKEN where it is private."
    ),
}


@dataclass(frozen=True, slots=True)
class HubName:
    """A repository of the hub, a file in it ("" for the usual one), and a branch, tag or commit (None for the main branch)."""

    repo: str
    file: str = ""
    revision: str | None = None

    @property
    def typed(self) -> str:
        """Return what a user types for it, without settings."""
        file, revision = f"/{self.file}" if self.file else "", f"@{self.revision}" if self.revision else ""
        return f"{PREFIX}{self.repo}{file}{revision}"


def parse(text: str) -> HubName:
    """Return the parts of what stands behind `hf:`. Raises `InputError` for what no repository can be called."""
    found = _NAME.fullmatch(text)
    file = found["file"].removeprefix("/") if found else ""
    if found is None or ".." in text or "--" in found["repo"] or (file and not file.endswith(".onnx")):
        raise InputError(
            _(
                "{name} is no network of the Hugging Face hub; give hf:OWNER/NAME, with @REVISION behind it for a branch, tag "
                "or commit, or hf:OWNER/NAME/FOLDER/FILE.onnx for one of several files.",
                name=f"{PREFIX}{text[:200]}",
            )
        )
    return HubName(found["repo"], file, found["revision"])


def is_offline(error: BaseException) -> bool:
    """Tell whether what `huggingface_hub` raised means that the hub cannot be reached."""
    kinds = error_kinds(error)
    return bool(kinds & _OFFLINE) and "FileMetadataError" not in kinds


def hub_error(error: BaseException, name: HubName) -> PenultError:
    """Return the error to raise for what `huggingface_hub` raised."""
    kinds = error_kinds(error)
    for kind, text in _BY_KIND.items():
        if kind in kinds:
            return InputError(_(text, name=name.typed))
    return InputError(
        _(
            "{name} cannot be downloaded: {kind}: {why}; try again, or take another network.",
            name=name.typed,
            kind=type(error).__name__,
            why=" ".join(str(error).split())[:300],
        )
    )
