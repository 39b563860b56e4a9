"""What the browser loads: the page's own files, which come with the package, pictures, and those of the project's run.

In: a name, or a picture. Out: a response with the right policy. A name is looked up, never joined to a path before it is
known to be one.
"""

from __future__ import annotations

import re
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

from penult import runs
from penult.i18n import _
from penult.pixels import Failure
from penult.texts import printable
from penult.web import PAGE_HEADERS, Refusal

_NAME = re.compile(r"(messages/)?[a-z0-9][a-z0-9-]{0,60}\.(html|mjs|css|svg|json|webp|png)")
_KINDS = {
    "html": "text/html", "mjs": "text/javascript", "css": "text/css", "svg": "image/svg+xml", "json": "application/json",
    "webp": "image/webp", "png": "image/png",
}  # fmt: skip
# The report is one page with everything inside it; in a sandbox it is of no origin, so it reaches nothing here.
REPORT_HEADERS = {
    "content-security-policy": "sandbox allow-scripts allow-popups allow-downloads; default-src 'none'; "
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
_FOREVER = {"cache-control": "private, max-age=31536000, immutable"}  # the digest is in the address
_SHOWN = {"report.html": "text/html"}  # of a run in the browser; everything else is downloaded


def redirect(cookie: tuple[bytes, bytes] | None) -> Any:
    """Return the answer that sends a browser that was let in to the page."""
    from starlette.responses import Response

    response = Response(status_code=303, headers={"location": "/"})
    if cookie is not None:
        response.raw_headers.append(cookie)
    return response


def asset(name: str) -> Any:
    """Return a file of the page. Raises `Refusal`."""
    from starlette.responses import Response

    if not _NAME.fullmatch(name):
        raise Refusal(404, _("the page has no such file."))
    try:
        content = resources("penult.studio").joinpath("assets", *name.split("/")).read_bytes()
    except OSError:
        raise Refusal(404, _("the page has no such file.")) from None
    kind = _KINDS[name.rpartition(".")[2]]
    headers = PAGE_HEADERS if kind == "text/html" else {"cache-control": "no-cache"}
    return Response(content, media_type=kind, headers=headers)


def picture(made: bytes | Failure) -> Any:
    """Return a photo that was made for the page. Raises `Refusal`."""
    from starlette.responses import Response

    if isinstance(made, Failure):
        raise Refusal(410, _("the photo cannot be shown: {reason}.", reason=_(made.reason)))
    return Response(made, media_type="image/jpeg", headers=_FOREVER)


def run_file(run: Path, name: str) -> Any:
    """Return a file of a finished run: one that its `metrics.json` names, or that itself. Raises `Refusal`."""
    from starlette.responses import FileResponse

    listed = (runs.read_finished(run) or {}).get("files")
    known = {runs.METRICS, *(listed if isinstance(listed, dict) else ())}
    path = run / name if name in known else run
    if path == run or not path.is_file() or not path.resolve().is_relative_to(run.resolve()):
        raise Refusal(404, _("the run of this project has no such file; train first."))
    if name in _SHOWN:
        return FileResponse(path, media_type=_SHOWN[name], headers=REPORT_HEADERS)
    plain = printable(path.name)
    return FileResponse(path, media_type="application/octet-stream", filename=plain, content_disposition_type="attachment")
