"""Photos as bytes, one by one and from many threads at once; answers as soon as they are ready. For servers.

In: a model, then contents of image files. Out: a `Future` for each. The way of a photo is that of `predict`: decoding in
worker processes with limits, the same engines, each view a request of its own, the same head; so its answer depends neither
on what else is asked at the time nor on the order.

One thread does all that needs Python: it hands photos to decoders, their pixels to the engines, and rows to the head. What
takes long happens elsewhere (decoding in processes, networks in the threads of OpenVINO, which tell this one by a pipe), so it
mostly waits, and nothing but the queue is shared with the threads that ask. Only as many photos are under way as keep
decoders and engines busy; the others wait as bytes, and can be cancelled.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Self

import numpy as np
from numpy.typing import NDArray

from penult import engines, pixels, store
from penult.bundle import Bundle
from penult.embed import EmbedOptions, EnginePool, RowStream
from penult.errors import DamagedFile, InputError, OutputError
from penult.i18n import _
from penult.pixels import Failure, FileContent, Prepared
from penult.pixels.live_decoders import LiveDecoders, Wake
from penult.pixels.preparing import core_count
from penult.pixels.worker_pool import NoWorkers
from penult.predict.answers import Prediction
from penult.predict.predictor import Predictor

log = logging.getLogger(__name__)

_TICK = 1.0  # seconds between looks for decoders that give no answer
_STALL = 60.0  # seconds without any row, while photos are in the engines, until these are asked what is wrong
_GRACE = 10.0  # seconds that the thread may take to end once everything under way is given up


@dataclass(eq=False)
class _Photo:
    id: str
    content: FileContent | None  # None once a decoder has it
    answer: Future[Prediction] = field(default_factory=Future)


class OnlinePredictor:
    """A model that answers photo after photo, without batches; a context manager.

    Call `check` before the first photo: it holds the model's samples against what they gave at training. Decoding processes
    are started by the first photo and stay. Nothing is written to disk but compiled networks in the cache folder, where there
    is one.

    Parameters
    ----------
    model : Bundle
        What a model file holds.
    settings : EmbedOptions, optional
        Device, precision, limit of pixels, cache folder (of compiled networks; features are not kept).
    workers : int, optional
        Decoding processes; by default those of `settings`, or one for each core. 0 decodes in the predictor's own thread.

    Raises
    ------
    InputError
        The model was trained from feature files, or cannot be computed as asked.

    Examples
    --------
    >>> from penult import bundle
    >>> from penult.predict.online import OnlinePredictor
    >>> with OnlinePredictor(bundle.load_bundle("cats")) as model, open("cat.jpg", "rb") as file:
    ...     model.check()
    ...     print(model.submit(file.read(), "cat.jpg").result().label)
    cat
    """

    def __init__(self, model: Bundle, settings: EmbedOptions | None = None, *, workers: int | None = None):
        self._predictor = Predictor(model, settings)
        self._predictor.check_networks()
        options = self._predictor.settings
        self._compute = options.compute(model.backbones)
        self._wake = Wake()
        self._rows = RowStream(model.backbones, EnginePool(self._compute, options.folder), self._wake)
        workers = options.workers if workers is None else workers
        self._decoders = LiveDecoders(self._rows.recipes, self._wake, workers, max_pixels=options.max_pixels)
        self._most = 2 * max(self._decoders.count, core_count()) + 2  # under way: enough that no engine waits for pixels
        self._numbers = count()
        self._lock = threading.Lock()  # guards the next two
        self._waiting: OrderedDict[int, _Photo] = OrderedDict()
        self._closed = False
        self._running: dict[int, _Photo] = {}  # changed by the thread alone, as all below
        self._in_engines = 0
        self._moved = time.monotonic()  # when a row came last, or the engines got something after a rest
        self._given_up = False
        self._thread = threading.Thread(target=self._run, name="penult-online", daemon=True)
        self._thread.start()
        atexit.register(self.close, 0.0)

    @property
    def bundle(self) -> Bundle:
        """The model."""
        return self._predictor.bundle

    @property
    def waiting(self) -> int:
        """How many photos were submitted and not begun."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """How many photos are being decoded or computed."""
        return len(self._running)

    @property
    def decoder_deaths(self) -> int:
        """How many decoding processes died and were replaced."""
        return self._decoders.deaths

    def submit(self, data: bytes, id: str = "") -> Future[Prediction]:
        """Take a photo; any thread may.

        Parameters
        ----------
        data : bytes
            The content of an image file.
        id : str, optional
            Its name in the answer.

        Returns
        -------
        Future of Prediction
            It can be cancelled as long as the photo waits. A photo that cannot be read has an answer whose `failure` says
            why; exceptions tell of a model, an engine or a machine that does not work. Callbacks must be short: they run in
            the predictor's thread.

        Raises
        ------
        InputError
            `data` is not bytes, or the predictor is closed.
        """
        photo, number = _Photo(id, FileContent(data)), next(self._numbers)
        with self._lock:
            if self._closed:
                raise InputError(_("this predictor is closed; open another."))
            self._waiting[number] = photo
        photo.answer.add_done_callback(lambda future: self._forget(number) if future.cancelled() else None)
        self._wake()
        return photo.answer

    def check(self) -> None:
        """Have the model's own samples answered, as photos are, and compare with what they gave at training.

        Raises
        ------
        DamagedFile
            This machine gives other answers, or cannot read the samples.
        """
        samples = self._predictor.unchecked()
        futures = [self.submit(pixels.encode_png(sample)) for sample in samples]
        answers = [future.result() for future in futures]
        if failed := [answer.failure for answer in answers if answer.failure is not None]:
            raise DamagedFile(
                _(
                    "the model's own samples cannot be read on this machine ({reason}: {detail}); run `penult doctor`.",
                    reason=_(failed[0].reason),
                    detail=failed[0].detail,
                )
            )
        if answers:
            proba = np.array([[answer.probabilities[name] for name in self.bundle.classes] for answer in answers])  # (m, k)
            engine = engines.engine_of(self.bundle.backbones, self._compute.device)
            self._predictor.compare(proba, engine, self._compute.precision)

    def close(self, patience: float | None = None) -> None:
        """Finish what is under way, cancel what waits, end the processes.

        Parameters
        ----------
        patience : float, optional
            Seconds after which what is under way is given up, with an `OutputError`; None waits for it.
        """
        with self._lock:
            self._closed = True
            waiting = list(self._waiting.values())
        for photo in waiting:
            photo.answer.cancel()
        self._wake()
        self._thread.join(patience)
        self._given_up = True
        self._wake()
        self._thread.join(_GRACE)
        atexit.unregister(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _forget(self, number: int) -> None:
        with self._lock:
            self._waiting.pop(number, None)

    def _run(self) -> None:
        """Be the thread that does it all, until everything is done after `close`."""
        while not (self._closed and not self._running) and not self._given_up:
            try:
                self._step()
            except NoWorkers as error:
                self._fail(
                    OutputError(
                        _(
                            "photos cannot be decoded, because no process can be started: {error}; free some memory.",
                            error=error,
                        )
                    )
                )
            except Exception as error:  # an engine that broke; the next photos may fare better
                self._fail(error)
        self._give_up(OutputError(_("the predictor was closed before this photo was done; ask again.")))
        self._rows.close()
        self._wake.close()

    def _step(self) -> None:
        """Hand out what there is room for, wait for something to happen, and pass on what is ready."""
        while self._decoders.room > 0 and len(self._running) < self._most and (next_one := self._next()):
            self._decoders.put(*next_one)
        for prepared in self._decoders.collect(_TICK if self._running else None):
            self._decoded(prepared)
        stalled = self._in_engines > 0 and time.monotonic() - self._moved > _STALL
        for number, row in self._rows.rows(wait=stalled):
            self._in_engines -= 1
            self._moved = time.monotonic()
            self._answer(number, row)

    def _next(self) -> tuple[int, FileContent] | None:
        """Return the photo that has waited longest, which is under way from now on."""
        while True:
            with self._lock:
                if not self._waiting:
                    return None
                number, photo = self._waiting.popitem(last=False)
            content, photo.content = photo.content, None
            if content is not None and photo.answer.set_running_or_notify_cancel():
                self._running[number] = photo
                return number, content

    def _decoded(self, prepared: Prepared) -> None:
        if prepared.failure is not None:
            self._answer(prepared.index, None, prepared.failure)
            return
        if self._in_engines == 0:
            self._moved = time.monotonic()
        self._in_engines += 1
        self._rows.put(prepared.index, prepared.pixels)

    def _answer(self, number: int, row: NDArray[np.float32] | None, failure: Failure | None = None) -> None:
        """Give a photo its answer, from its features (1, d) or without."""
        photo = self._running.pop(number)
        try:
            if row is None:
                row = np.zeros((0, sum(self.bundle.widths)), np.float32)
            store.check_finite(row, "the networks")
            answers = self._predictor.from_rows(row, [photo.id], {} if failure is None else {0: failure})
            answer = next(iter(answers))
        except Exception as error:  # a head whose answers are no numbers
            photo.answer.set_exception(error)
        else:
            photo.answer.set_result(answer)

    def _fail(self, error: Exception) -> None:
        """Give up all that is under way, and begin anew with fresh processes and engines."""
        log.error("%d photos could not be answered: %s", len(self._running), error)
        self._give_up(error)
        with suppress(Exception):  # it may be what is broken
            self._rows.reset()

    def _give_up(self, error: Exception) -> None:
        self._decoders.close()
        self._in_engines = 0
        while self._running:
            self._running.popitem()[1].answer.set_exception(error)
