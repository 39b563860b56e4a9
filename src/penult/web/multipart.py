"""Files of a form (`multipart/form-data`, RFC 7578), from a body that is in memory: nothing is written to disk."""

from __future__ import annotations

import re
from dataclasses import dataclass

from penult.i18n import _
from penult.web.refusal import Refusal

_MOST_HEADER = 4096  # bytes of a part's headers
_BOUNDARY = re.compile(r"""boundary=(?:"([^"\r\n]{1,200})"|([^\s;,"]{1,200}))""", re.IGNORECASE)
_NAME = re.compile(rb"""[;\s]name=(?:"((?:[^"\\]|\\.)*)"|([^\s;]+))""", re.IGNORECASE)
_FILE = re.compile(rb"""[;\s]filename=(?:"((?:[^"\\]|\\.)*)"|([^\s;]+))""", re.IGNORECASE)
_LONGEST = 200  # letters of a name


@dataclass(frozen=True, slots=True)
class FormFile:
    """One file of a form: the name that the client gave it, and its bytes."""

    name: str
    data: bytes


def parse_form(body: bytes, content_type: str, most: int) -> list[FormFile]:
    """Return the files of a form in their order.

    Raises `Refusal`: 400 where it is no whole form, or a part is no file; 413 for more than `most` files.
    """
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise Refusal(400, _("the form has no boundary in its Content-Type."))
    mark = b"--" + (found[1] or found[2]).encode("latin-1", "replace")
    if not body.startswith(mark):
        raise Refusal(400, _("the form does not begin with its boundary."))
    files: list[FormFile] = []
    at = len(mark)
    while True:
        if body.startswith(b"--", at):
            return files
        end = body.find(b"\r\n" + mark, at)
        if end < 0 or not body.startswith(b"\r\n", at):
            raise Refusal(400, _("the form ends before its last boundary."))
        if len(files) == most:
            raise Refusal(413, _("the form has more than {most} files; send fewer at once.", most=most))
        files.append(_file(body, at + 2, end))
        at = end + 2 + len(mark)


def _file(body: bytes, begin: int, end: int) -> FormFile:
    """Return the file of the part between two places."""
    split = body.find(b"\r\n\r\n", begin, min(end, begin + _MOST_HEADER))
    if split < 0:
        raise Refusal(400, _("a part of the form has no headers, or too long ones."))
    head = body[begin:split]
    lines = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-disposition:")]
    named = _FILE.search(lines[0]) if len(lines) == 1 else None
    if named is None:
        field = _NAME.search(lines[0]) if lines else None
        name = _text(field[1] or field[2] or b"") if field else "?"
        raise Refusal(400, _("the part {name!r} of the form is no file; send photos as files.", name=name))
    return FormFile(_text(named[1] if named[1] is not None else named[2]), body[split + 4 : end])


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").replace('\\"', '"')[:_LONGEST]
