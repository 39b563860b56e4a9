"""What `penult studio` is asked to open, and where it keeps what the user does."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from penult.embed import EmbedOptions
from penult.errors import InputError
from penult.i18n import _
from penult.images import TableOptions
from penult.zoo import DEFAULT

PORT = 8017  # where nothing else is there; a fixed port lets the browser keep its language and its history


@dataclass(frozen=True, slots=True)
class StudioOptions:
    """What is labelled, where, and with which networks.

    Parameters
    ----------
    source : Path, optional
        A folder of photos, a CSV, a finished run, or a project; may be left out where `review` is given.
    review : Path, optional
        The folder in which `penult serve --review` put photos aside.
    out : Path, optional
        The project folder; `NAME-studio` in the current folder by default.
    port : int, optional
        Port to listen at, 0 for any that is free; by default 8017, or any where that is taken.
    backbones : tuple of str
        Networks whose features the photos are told apart by.
    table : TableOptions
        How a CSV is to be read.
    unlabelled : bool
        Take no labels from the names of folders and files, nor from a CSV.
    seed : int
        Of everything that is drawn by lot.
    settings : EmbedOptions
        Where and how features are computed.

    Raises
    ------
    InputError
        Where neither a source nor a review folder is given, no features are to be kept, or there is no such port.
    """

    source: Path | None = None
    review: Path | None = None
    out: Path | None = None
    port: int | None = None
    backbones: tuple[str, ...] = DEFAULT
    table: TableOptions = field(default_factory=TableOptions)
    unlabelled: bool = False
    seed: int = 0
    settings: EmbedOptions = field(default_factory=EmbedOptions)

    def __post_init__(self) -> None:
        if self.source is None and self.review is None:
            raise InputError(_("there is nothing to label; give a folder of photos, a CSV, a run, or --review DIR."))
        if self.settings.cache is False:
            raise InputError(
                _("the studio needs features again and again; leave --no-cache out, or give a folder with --cache.")
            )
        if self.port is not None and not 0 <= self.port <= 65535:
            raise InputError(_("--port {port} is no port; give a number from 0 to 65535.", port=self.port))
