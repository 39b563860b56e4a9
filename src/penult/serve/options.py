"""What is served, to whom, and within which limits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from penult import evaluate
from penult.embed import EmbedOptions
from penult.errors import InputError
from penult.i18n import _
from penult.texts import printable
from penult.web import HttpLimits, is_loopback

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
TOKEN = "PENULT_TOKEN"  # noqa: S105 - the name of a variable
LEAST_TOKEN = 16  # letters


@dataclass(frozen=True, slots=True)
class Queue:
    """How photos wait for a decoder.

    Parameters
    ----------
    photos : int
        Photos that may wait for one model; 503 beyond.
    seconds : float
        How long a photo may wait; 503 beyond.
    most : int
        Photos in one request; 413 beyond.
    """

    photos: int = 64
    seconds: float = 10.0
    most: int = 32

    def __post_init__(self) -> None:
        for name in ("photos", "seconds", "most"):
            if not getattr(self, name) > 0:
                raise InputError(
                    _(
                        "a queue with {name} = {value} takes nothing; give a number above 0.",
                        name=name,
                        value=getattr(self, name),
                    )
                )


@dataclass(frozen=True, slots=True)
class ReviewOptions:
    """Which photos are put aside for a person, and how many: those less sure than `level`, and those unlike the training
    photos, as whole files in `folder`, until there are `photos` or `nbytes` of them."""

    folder: Path
    level: float = 0.9
    photos: int = 1000
    nbytes: int = 1_000_000_000

    def __post_init__(self) -> None:
        evaluate.check_level(self.level)
        if self.photos < 1 or self.nbytes < 1:
            raise InputError(_("a review folder of no photos or no bytes keeps nothing; give limits above 0."))


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """A server of models.

    Parameters
    ----------
    models : mapping of str to Path
        The models by name: model files, or run folders.
    host, port : str, int
        Where to listen; port 0 takes a free one.
    token : str, optional
        What clients must say; needed wherever another machine can reach the server.
    allow_hosts : tuple of str
        Names that the server answers to, beside localhost and addresses in numbers.
    limits, queue : HttpLimits, Queue
        What a request, and all together, may ask.
    grace : float
        Seconds for what is in work when the server is to end.
    reload_seconds : float
        How often model files are looked at; 0: only at SIGHUP.
    review : ReviewOptions, optional
        The folder for photos to review; none is kept without it.
    settings : EmbedOptions
        Where and how features are computed.

    Raises
    ------
    InputError
        For an address beyond this machine without a token, and for values out of range.
    """

    models: Mapping[str, Path]
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    allow_hosts: tuple[str, ...] = ()
    limits: HttpLimits = field(default_factory=HttpLimits)
    queue: Queue = field(default_factory=Queue)
    grace: float = 30.0
    reload_seconds: float = 3.0
    review: ReviewOptions | None = None
    settings: EmbedOptions = field(default_factory=EmbedOptions)

    def __post_init__(self) -> None:
        if not self.models:
            raise InputError(_("no model is named; give a model.penult or a run folder."))
        if not 0 <= self.port <= 65535:
            raise InputError(_("--port {port} is no port; give a number from 0 to 65535.", port=self.port))
        if self.grace < 0 or self.reload_seconds < 0:
            raise InputError(_("--grace and --reload-seconds cannot be below 0; give 0 or more seconds."))
        if self.token is None and not is_loopback(self.host):
            raise InputError(
                _(
                    "other machines can reach a server at {host}, and it has no token; set {variable} to a long random text "
                    "(python -c 'import secrets; print(secrets.token_urlsafe())'), or leave --host out.",
                    host=self.host,
                    variable=TOKEN,
                )
            )
        if self.token is not None and (len(self.token) < LEAST_TOKEN or not self.token.isascii() or " " in self.token):
            raise InputError(
                _(
                    "the token must be {n} or more ASCII letters without spaces; make a longer one.",
                    n=LEAST_TOKEN,
                )
            )


def parse_models(words: Sequence[str]) -> dict[str, Path]:
    """Return models by name, from `NAME=PATH` or `PATH`, whose name is that of its folder. Raises `InputError`."""
    found: dict[str, Path] = {}
    for word in words:
        name, sign, path = word.partition("=")
        if not sign or not _NAME.fullmatch(name) or Path(word).exists():
            path, name = word, _named(Path(word))
        if not path:
            raise InputError(_("{word} names no model; write NAME=PATH.", word=printable(word)))
        if name in found:
            raise InputError(_("two models are called {name}; write NAME=PATH, with a name of its own for each.", name=name))
        found[name] = Path(path)
    return found


def _named(path: Path) -> str:
    """Return the name of a model after its run folder, or after its file where that has a name of its own."""
    whole = path.absolute()
    own = whole.parent.name if whole.name == "model.penult" else whole.stem if whole.suffix == ".penult" else whole.name
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", own).strip("-._")[:64]
    return name or "model"
