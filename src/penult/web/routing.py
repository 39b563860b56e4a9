"""From paths to functions: Starlette's router, whose refusals become those of `web`; and answers as JSON."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from penult.i18n import _
from penult.web.body import Receive
from penult.web.guard import App, Scope, Send
from penult.web.refusal import Refusal

Handler = Callable[[Any], Awaitable[Any]]


def route_app(get: Iterable[tuple[str, Handler]], post: Iterable[tuple[str, Handler]], where: str = "") -> App:
    """Return an application that gives each path's requests to its function, or raises `Refusal`.

    `where` ends the sentence that says that there is nothing at a path.
    """
    from starlette.exceptions import HTTPException
    from starlette.routing import Route, Router

    routes = [Route(path, act, methods=["POST"]) for path, act in post]  # first, since they are asked most
    routes += [Route(path, act, methods=["GET"]) for path, act in get]
    router = Router(routes, redirect_slashes=False)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = router  # so that Starlette raises for what it knows no path or method, instead of answering
        try:
            await router(scope, receive, send)
        except HTTPException as error:
            raise _refused(scope, error, where) from None

    return app


def _refused(scope: Scope, error: Any, where: str) -> Refusal:
    """Return what Starlette refuses as a refusal of ours."""
    if error.status_code == 405:
        allowed = dict(error.headers or {}).get("Allow", "")
        return Refusal(
            405,
            _("{method} is not for this path; use {allowed}.", method=scope["method"], allowed=allowed),
            headers=[(b"allow", allowed.encode())],
        )
    if error.status_code == 404:
        return Refusal(404, _("there is nothing at this path{where}.", where=_(where)))
    return Refusal(error.status_code, f"{error.detail}.")


def json_response(values: object) -> Any:
    """Return an answer of JSON values."""
    from starlette.responses import Response

    return Response(json.dumps(values, allow_nan=False), media_type="application/json")


def header_map(request: Any) -> dict[bytes, bytes]:
    """Return the headers of a request by name, in small letters."""
    return dict(request.scope["headers"])
