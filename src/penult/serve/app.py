"""The paths of the server and what stands behind each: a Starlette application, to be put behind a `Guard`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penult import __version__
from penult.i18n import N_, _
from penult.predict import Prediction
from penult.serve import inference_protocol as protocol
from penult.serve import openapi, page
from penult.serve.answering import answer, check_room, to_json, why
from penult.serve.metrics import Metrics
from penult.serve.models import ModelSet, ServedModel
from penult.serve.options import Queue
from penult.serve.review import ReviewFolder
from penult.web import PAGE_HEADERS, BodyReader, FormFile, Guard, Refusal, header_map, json_response, parse_form, route_app
from penult.web.guard import App
from penult.web.routing import Handler

OPEN_PATHS = ("/", "/assets/", "/openapi.json", "/v2/health/")  # for which no token is asked: nothing of a model is there
HEALTH = "/v2/health/"
_RAW = ("", "application/octet-stream", "application/x-www-form-urlencoded")  # the last is what curl --data-binary says


class Endpoints:
    """What is behind each path; every method takes a request and returns a response, or raises `Refusal`."""

    def __init__(
        self, models: ModelSet, queue: Queue, bodies: BodyReader, metrics: Metrics, review: ReviewFolder | None = None
    ) -> None:
        self.models = models
        self.queue = queue
        self.bodies = bodies
        self.metrics = metrics
        self.review = review
        self.guard: Guard | None = None
        self._review = review is not None
        self._files = page.files()

    # --- predictions ---

    async def predict(self, request: Any) -> Any:
        """Answer photos: one as the body, or several in a form."""
        name = request.path_params.get("name") or request.query_params.get("model")
        with self.models.use(name) as served:
            check_room(served, self.queue)
            kind = _content_type(request)
            body = await self.bodies.read(request.receive, header_map(request), request.scope["penult"])
            size = len(body)
            try:
                photos, named = _photos(body, kind, request.headers.get("content-type", ""), self.queue.most)
                del body
                answers = await self._answer(request, served, photos)
            finally:
                self.bodies.give_back(size)
        said = [to_json(one, photo.name if named else "") for one, photo in zip(answers, photos, strict=True)]
        about = {"model": served.name, "model_version": served.version, "predictions": said}
        if all(one.failure for one in answers):
            told = (
                N_("the photo cannot be read: {why}.")
                if len(answers) == 1
                else N_("none of the {n} photos can be read: {why}.")
            )
            raise Refusal(422, _(told, n=len(answers), why=why(answers[0])), about)
        return json_response(about)

    async def _answer(self, request: Any, served: ServedModel, photos: Sequence[FormFile]) -> list[Prediction]:
        told = request.scope["penult"]
        told.facts |= {"model": served.name, "model_version": served.version, "photos": len(photos)}
        answers = await answer(served, photos, self.queue, request.receive)
        bad = sum(one.failure is not None for one in answers)
        if bad:
            told.facts["unreadable"] = bad
        self.metrics.count_photos(served, answers)
        if self.review is not None:
            self.review.offer(served, photos, answers)
        return answers

    # --- the Open Inference Protocol ---

    async def server(self, request: Any) -> Any:
        """Return the metadata of the server."""
        return json_response({"name": "penult", "version": __version__, "extensions": list(protocol.EXTENSIONS)})

    async def live(self, request: Any) -> Any:
        """Say that the process answers."""
        return json_response({"live": True})

    async def ready(self, request: Any) -> Any:
        """Say whether every model has passed its self-test, and the server is not ending."""
        if self.guard is not None and self.guard.ending:
            raise Refusal(503, _("the server is ending."), {"ready": False})
        if not self.models.ready:
            raise Refusal(503, _("the self-test of the models is not done yet."), {"ready": False})
        return json_response({"ready": True})

    async def model(self, request: Any) -> Any:
        """Return the metadata of a model."""
        return json_response(protocol.metadata(self._asked(request)))

    async def model_ready(self, request: Any) -> Any:
        """Say that a model has passed its self-test."""
        return json_response({"name": self._asked(request).name, "ready": True})

    async def infer(self, request: Any) -> Any:
        """Answer photos as tensors."""
        from starlette.responses import Response

        with self.models.use(request.path_params["name"]) as served:
            _check_version(request, served)
            check_room(served, self.queue)
            headers = header_map(request)
            body = await self.bodies.read(request.receive, headers, request.scope["penult"])
            size = len(body)
            try:
                asked = protocol.parse(body, headers, served, self.queue.most)
                del body
                answers = await self._answer(request, served, asked.photos)
            finally:
                self.bodies.give_back(size)
        bad = [i for i, one in enumerate(answers) if one.failure]
        if bad:
            more = {"id": asked.id} if asked.id else {}
            raise Refusal(
                422,
                _(
                    "photo {i} of {n} cannot be read: {why}.",
                    i=bad[0] + 1,
                    n=len(answers),
                    why=why(answers[bad[0]]),
                ),
                more,
            )
        content, kinds = protocol.respond(asked, served, answers)
        return Response(content, headers=kinds)

    def _asked(self, request: Any) -> ServedModel:
        served = self.models.find(request.path_params["name"])
        _check_version(request, served)
        return served

    # --- everything else ---

    async def list_models(self, request: Any) -> Any:
        """Return what is known of every model."""
        return json_response({"models": [served.to_dict() for served in self.models.served.values()]})

    async def file(self, request: Any) -> Any:
        """Return the page or one of its files."""
        from starlette.responses import Response

        if request.url.path == "/":
            headers = {**PAGE_HEADERS, "Vary": "Accept-Language"}
            return Response(page.document(self._review), media_type="text/html", headers=headers)
        content, kind = self._files[request.url.path]
        return Response(content, media_type=kind, headers=PAGE_HEADERS)

    async def prometheus(self, request: Any) -> Any:
        """Return the metrics."""
        from starlette.responses import Response

        return Response(self.metrics.text(), media_type="text/plain; version=0.0.4")

    async def description(self, request: Any) -> Any:
        """Return the OpenAPI description."""
        return json_response(openapi.describe())

    def app(self) -> App:
        """Return the application."""
        one, versioned = "/v2/models/{name}", "/v2/models/{name}/versions/{version}"
        get: list[tuple[str, Handler]] = [
            *((path, self.file) for path in ("/", *self._files)),
            ("/models", self.list_models), ("/metrics", self.prometheus), ("/openapi.json", self.description),
            ("/v2", self.server), ("/v2/", self.server), (HEALTH + "live", self.live), (HEALTH + "ready", self.ready),
            *((path, self.model) for path in (one, versioned)),
            *((path + "/ready", self.model_ready) for path in (one, versioned)),
        ]  # fmt: skip
        post: list[tuple[str, Handler]] = [("/predict", self.predict), ("/predict/{name}", self.predict)]
        post += [(path + "/infer", self.infer) for path in (one, versioned)]
        return route_app(get, post, N_("; /openapi.json has those that there are"))


def _check_version(request: Any, served: ServedModel) -> None:
    version = request.path_params.get("version")
    if version not in (None, served.version):
        raise Refusal(
            404,
            _(
                "version {version!r} of {name} is not served; {present} is.",
                version=version[:40],
                name=served.name,
                present=served.version,
            ),
        )


def _content_type(request: Any) -> str:
    """Return the kind of the body. Raises `Refusal` where it is no photo and no form."""
    kind = str(request.headers.get("content-type", "")).partition(";")[0].strip().lower()
    if kind not in _RAW and kind != "multipart/form-data" and not kind.startswith("image/"):
        raise Refusal(415, _("{kind} is no photo; send image/jpeg or another image, or multipart/form-data.", kind=kind[:60]))
    return kind


def _photos(body: bytes, kind: str, content_type: str, most: int) -> tuple[list[FormFile], bool]:
    """Return the photos of a body, and whether they have names."""
    form = kind == "multipart/form-data"
    photos = parse_form(body, content_type, most) if form else [FormFile("photo", body)] if body else []
    if not photos:
        raise Refusal(400, _("there is no photo in the body; send one, or a form of several."))
    return photos, form
