"""Photos of one request to answers: a place in the queue, a limit for the time in it, and no work for clients that left."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from penult.errors import PenultError
from penult.i18n import _
from penult.pixels.failures import advice, reason_of
from penult.predict import Prediction
from penult.serve.models import ServedModel
from penult.serve.options import Queue
from penult.web import FormFile, Refusal
from penult.web.body import Receive

LEFT = 499  # the status of a request whose client went away, as nginx logs it; nobody receives it


def check_room(served: ServedModel, queue: Queue, photos: int = 1) -> None:
    """Raise `Refusal` where so many photos find no place in the queue."""
    if photos > queue.most:
        raise Refusal(
            413,
            _(
                "{photos} photos are more than the {most} that one request may have; send fewer at once.",
                photos=photos,
                most=queue.most,
            ),
        )
    if served.predictor.waiting + photos > queue.photos:
        raise Refusal(503, _("{photos} photos wait already; try again soon.", photos=queue.photos))


async def answer(served: ServedModel, photos: Sequence[FormFile], queue: Queue, receive: Receive) -> list[Prediction]:
    """Return the answers for photos, in their order.

    Raises `Refusal`: 413 for too many, 503 where there is no place or they waited too long. Photos that wait are given up when
    the client goes away, and when the deadline of the request passes.
    """
    check_room(served, queue, len(photos))
    asked: list[Future[Prediction]] = []
    gone = asyncio.ensure_future(receive())  # nothing more comes but the end of the connection

    def give_up(_: object = None) -> None:
        for one in asked:
            one.cancel()  # does nothing to what is in work already

    gone.add_done_callback(give_up)
    try:
        asked += (served.predictor.submit(photo.data, photo.name) for photo in photos)
        waiting = [asyncio.wrap_future(one) for one in asked]
        _done, late = await asyncio.wait(waiting, timeout=queue.seconds)
        if late and [one for one in asked if not one.done() and one.cancel()]:
            raise Refusal(503, _("the photos waited longer than {seconds:g} s; try again later.", seconds=queue.seconds))
        if late:  # in work, so as long as the request's deadline allows
            await asyncio.wait(late)
        if any(one.cancelled() for one in asked):
            raise Refusal(LEFT, _("the client went away."))
        return [one.result() for one in asked]
    except PenultError as error:  # no process could be started, or the model was closed at this moment
        raise Refusal(503, str(error)) from error
    finally:
        gone.cancel()
        give_up()


def to_json(prediction: Prediction, name: str = "") -> dict[str, Any]:
    """Return an answer as `penult predict --json` has it, with the file's name where the client gave one."""
    values = prediction.to_dict()
    del values["file"]
    if prediction.novelty is not None and not math.isfinite(prediction.novelty):
        values["novelty"] = None
    if prediction.failure is not None:
        values["unreadable"] = why(prediction)
    return {"file": name, **values} if name else values


def why(prediction: Prediction) -> str:
    """Return why a photo could not be read, and what to do."""
    return (
        ""
        if prediction.failure is None
        else _("{reason}: {cure}", reason=reason_of(prediction.failure), cure=advice(prediction.failure))
    )
