"""Logs as JSON lines: one object a line, with time, level and event; what a photo shows is never in them."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TextIO

log = logging.getLogger("penult.web")
_LONGEST = 2000  # letters of a value


class JsonLines(logging.Formatter):
    """Write a record as one line of JSON; `extra={"facts": {...}}` adds values to it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": when.replace("+00:00", "Z"), "level": record.levelname.lower(), "event": record.getMessage()}
        if record.name.partition(".")[0] != "penult":
            line["logger"] = record.name
        line |= getattr(record, "facts", {})
        if record.exc_info and record.exc_info[1] is not None:
            line["traceback"] = "".join(traceback.format_exception(record.exc_info[1]))[-_LONGEST:]
        return json.dumps({name: _short(value) for name, value in line.items()})


def _short(value: object) -> object:
    return value[:_LONGEST] if isinstance(value, str) else value


@contextmanager
def json_logs(level: str = "INFO", stream: TextIO | None = None) -> Iterator[None]:
    """Let everything that penult and the HTTP server log go to a stream, standard error by default, until the block ends."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    ours, theirs = logging.getLogger("penult"), logging.getLogger("uvicorn")
    before = [(logger, logger.handlers, logger.propagate, logger.level) for logger in (ours, theirs)]
    for logger in (ours, theirs):
        logger.handlers, logger.propagate = [handler], False
    ours.setLevel(level)
    theirs.setLevel(logging.ERROR)  # its warnings are events of ours already
    try:
        yield
    finally:
        for logger, handlers, propagate, was in before:
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(was)


def event(what: str, **facts: object) -> None:
    """Log one event with its facts."""
    if log.isEnabledFor(logging.INFO):
        log.info(what, extra={"facts": facts})
