"""The models that are served, by name: read, tested, put to work, and replaced by a newer file between two requests.

A new file is read and passes its own self-test before anything is swapped; one that is refused changes nothing. Each request
keeps the model that it began with, so every answer is of the version that it names.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from penult import bundle, pixels, runs
from penult.bundle import Bundle, decision_facts
from penult.embed import EmbedOptions
from penult.errors import DamagedFile, InputError, listed
from penult.evaluate import verdict_of
from penult.i18n import _
from penult.predict import Prediction
from penult.web import Refusal, event

log = logging.getLogger(__name__)

Signature = tuple[tuple[int, int, int], ...]  # of each file: when it was written, its size, its number
_TRIES = 3
_PATIENCE = 10.0  # seconds that a replaced model may take to let go of its processes


class PhotoPredictor(Protocol):
    """What answers photos: `penult.predict.online.OnlinePredictor`."""

    def check(self) -> None:
        """Compute the model's self-test. Raises `DamagedFile`."""

    def submit(self, data: bytes, id: str = "") -> Future[Prediction]:
        """Return what will be the answer for the bytes of a photo."""

    @property
    def waiting(self) -> int:
        """How many photos wait for a decoder."""

    @property
    def running(self) -> int:
        """How many photos are decoded or computed now."""

    @property
    def decoder_deaths(self) -> int:
        """How many decoding processes died and were replaced."""

    def close(self, patience: float | None = None) -> None:
        """End the decoders."""


MakePredictor = Callable[[Bundle, EmbedOptions], PhotoPredictor]


@dataclass
class ServedModel:
    """One version of one model at work."""

    name: str
    version: str  # the beginning of the sha256 of its file
    model: Bundle
    predictor: PhotoPredictor
    signature: Signature
    metrics: Mapping[str, Any] = field(default_factory=dict)  # of its run
    users: int = 0  # requests that use it

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of the probabilities."""
        return self.model.classes

    def to_dict(self) -> dict[str, Any]:
        """Return what a client may know of it, as plain JSON values."""
        networks = [backbone.name for backbone in self.model.backbones]
        known: dict[str, Any] = {"classes": list(self.classes), "networks": networks, "verdict": verdict_of(self.metrics)}
        if self.model.task == "labels":
            known["thresholds"] = self.model.named_thresholds
        known |= decision_facts(self.model)
        return {"name": self.name, "model_version": self.version, **known}


@dataclass
class ModelSet:
    """All models of a server; `sources` are their files or run folders."""

    sources: Mapping[str, Path]
    settings: EmbedOptions
    make: MakePredictor | None = None
    served: dict[str, ServedModel] = field(default_factory=dict)
    reloads: dict[tuple[str, bool], int] = field(default_factory=dict)  # by name, and whether the file was taken
    _refused: dict[str, Signature] = field(default_factory=dict)
    _retiring: set[asyncio.Task[None]] = field(default_factory=set)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def read_first(self) -> dict[str, tuple[Bundle, str, Signature]]:
        """Read every file, so that what is wrong with one is told before the server begins. Raises what reading raises."""
        return {name: _read(path) for name, path in self.sources.items()}

    def open(self, name: str, read: tuple[Bundle, str, Signature] | None = None) -> ServedModel:
        """Return a model at work that has passed its self-test; takes seconds. Raises `PenultError`."""
        model, version, signature = read or _read(self.sources[name])
        predictor = (self.make or _online)(model, self.settings)
        try:
            predictor.check()
            predictor.submit(pixels.encode_png(np.zeros((8, 8, 3), np.uint8))).result()  # decoders and engines are awake now
        except BaseException:
            predictor.close(0)
            raise
        metrics = runs.read_metrics(_file(self.sources[name]).parent) or {}
        return ServedModel(name, version, model, predictor, signature, metrics)

    async def open_all(self, read: dict[str, tuple[Bundle, str, Signature]]) -> None:
        """Open every model, one after the other; each is served as soon as it is ready."""
        for name in self.sources:
            self.served[name] = await asyncio.to_thread(self.open, name, read.get(name))
            event("model ready", model=name, model_version=self.served[name].version)

    @property
    def ready(self) -> bool:
        """Whether every model has passed its self-test."""
        return len(self.served) == len(self.sources)

    def find(self, name: str | None) -> ServedModel:
        """Return a model; the only one where none is named. Raises `Refusal`."""
        if name is None and len(self.sources) > 1:
            raise Refusal(
                400, _("this server has several models; name one of {names}: /predict/NAME.", names=listed(self.sources))
            )
        name = name if name is not None else next(iter(self.sources))
        if name not in self.sources:
            raise Refusal(404, _("there is no model {name!r}; known: {names}.", name=name[:100], names=listed(self.sources)))
        if name not in self.served:
            raise Refusal(503, _("the model {name} is not ready yet; try again soon.", name=name))
        return self.served[name]

    @contextmanager
    def use(self, name: str | None) -> Iterator[ServedModel]:
        """Hold a model for one request: it stays at work until that is answered. Raises `Refusal`."""
        served = self.find(name)
        served.users += 1
        try:
            yield served
        finally:
            served.users -= 1

    async def watch(self, seconds: float) -> None:
        """Look at the files from time to time, and take those that changed; for ever."""
        while True:
            await asyncio.sleep(seconds)
            await self.reload(changed_only=True)

    async def reload(self, changed_only: bool = False) -> None:
        """Read the files anew and swap what passes its self-test; what is refused is told, and changes nothing."""
        async with self._turn:
            for name in list(self.served):
                now = _signature(self.sources[name])
                if changed_only and (now in (self.served[name].signature, self._refused.get(name)) or not now):
                    continue
                await self._reload(name, now)

    async def _reload(self, name: str, now: Signature) -> None:
        try:
            new = await asyncio.to_thread(self.open, name)
        except Exception as error:  # whatever is wrong with the new file, or with reading it, the old model goes on
            self._refused[name] = now
            self._count(name, False)
            log.warning("model refused: %s", error, extra={"facts": {"model": name, "kept": self.served[name].version}})
            return
        old, self.served[name] = self.served[name], new
        self._refused.pop(name, None)
        self._count(name, True)
        event("model replaced", model=name, model_version=new.version, before=old.version)
        task = asyncio.ensure_future(_retire(old))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    def _count(self, name: str, taken: bool) -> None:
        self.reloads[name, taken] = self.reloads.get((name, taken), 0) + 1

    async def close(self, patience: float = _PATIENCE) -> None:
        """End all of them."""
        await asyncio.gather(*self._retiring)
        for served in self.served.values():
            await asyncio.to_thread(served.predictor.close, patience)


async def _retire(old: ServedModel) -> None:
    """Close a model that was replaced once no request uses it."""
    while old.users:
        await asyncio.sleep(0.05)
    await asyncio.to_thread(old.predictor.close, _PATIENCE)


def _online(model: Bundle, settings: EmbedOptions) -> PhotoPredictor:
    from penult.predict.online import OnlinePredictor

    return OnlinePredictor(model, settings)


def _file(path: Path) -> Path:
    return path / "model.penult" if path.is_dir() else path


def _signature(path: Path) -> Signature:
    """Return what tells that a model file, or the metrics beside it, was written anew; empty where there is no file."""
    found = []
    try:
        file = _file(path)
        for one in (file, file.parent / "metrics.json"):
            if one is file or one.exists():
                about = one.stat()
                found.append((about.st_mtime_ns, about.st_size, about.st_ino))
    except OSError:
        return ()
    return tuple(found)


def _read(path: Path) -> tuple[Bundle, str, Signature]:
    """Return a model, the version that its bytes have, and the signature of the files; all of one state of the disk."""
    for _try in range(_TRIES):
        before = _signature(path)
        model = bundle.load_bundle(path)
        if not model.backbones:
            raise InputError(
                _("the model {path} was trained from feature files and has no network, so it cannot take photos.", path=path)
            )
        with _file(path).open("rb") as file:
            version = hashlib.file_digest(file, "sha256").hexdigest()[:16]
        if before and before == _signature(path):
            return model, version, before
    raise DamagedFile(_("{path} is written again and again while it is read; wait until it is whole.", path=path))
