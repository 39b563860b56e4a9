"""The OpenAPI 3.1 description of the server: every path, what it takes, and every status that it may answer."""

from __future__ import annotations

from typing import Any

from penult import __version__

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_ANY: Schema = {"type": "object"}
_SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_OF_PHOTOS, _OF_MODELS, _PLAIN = "400 401 403 404 408 413 415 422 503 504", "401 403 404 503", "401 403"
_REFUSALS = {
    "400": "The request cannot be understood.",
    "401": "The token is missing or wrong.",
    "403": "The Host header, or the page that sent this, is not allowed.",
    "404": "There is no such path or model.",
    "408": "The body took too long to arrive.",
    "413": "Too many bytes, or too many photos.",
    "415": "The body is no photo and no form, or is packed.",
    "422": "No photo of the request can be read.",
    "503": "Busy, ending, or not ready; Retry-After says when to try again.",
    "504": "No answer within the deadline.",
}


def _object(required: list[str], **properties: Schema) -> Schema:
    return {"type": "object", "required": required, "properties": properties}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas() -> dict[str, Schema]:
    probabilities: Schema = {"type": "object", "additionalProperties": _SHARE, "description": "by class"}
    novelty: Schema = {
        "type": ["number", "null"],
        "description": "above 1: more unlike the training photos than nearly all of them were; do not rely on the answer",
    }
    prediction = _object(
        ["label", "confidence", "probabilities", "novelty"],
        file={**_TEXT, "description": "the name of the file, where it came in a form"},
        label={**_TEXT, "type": ["string", "null"], "description": "null where the photo cannot be read"},
        confidence={**_SHARE, "type": ["number", "null"]},
        probabilities=probabilities,
        novelty=novelty,
        labels={**_list(_TEXT), "description": "of a model with several labels a photo: those that it gives"},
        prediction_set={**_list(_TEXT), "description": "the classes that hold the right one with the coverage of the model"},
        unreadable={**_TEXT, "description": "why the photo cannot be read; it has no class then"},
    )
    about = {"model": _TEXT, "model_version": _TEXT}
    named = {"name": _TEXT, "parameters": _ANY}
    of_tensor = {**named, "datatype": _TEXT, "shape": _list({"type": "integer"})}
    given = {**of_tensor, "data": {"type": "array", "description": "of photos: texts in base64"}}
    return {
        "Error": _object(["error"], error=_TEXT),
        "Prediction": prediction,
        "Predictions": _object(["model", "model_version", "predictions"], **about, predictions=_list(_ref("Prediction"))),
        "Unreadable": _object(["error"], error=_TEXT, **about, predictions=_list(_ref("Prediction"))),
        "Model": _object(
            ["name", "model_version", "classes", "networks", "verdict"],
            name=_TEXT, model_version=_TEXT, classes=_list(_TEXT), networks=_list(_TEXT), verdict=_TEXT,
            thresholds={"type": "object", "additionalProperties": _SHARE, "description": "of several labels a photo"},
            decision={**_ANY, "description": "how a class is chosen, where it is not the most probable one"},
            conformal={**_ANY, "description": "the level and the thresholds of the prediction sets"},
        ),
        "TensorMetadata": _object(["name", "datatype", "shape"], **of_tensor),
        "ModelMetadata": _object(
            ["name", "platform"],
            name=_TEXT, versions=_list(_TEXT), platform=_TEXT,
            inputs=_list(_ref("TensorMetadata")), outputs=_list(_ref("TensorMetadata")),
        ),
        "InferenceRequest": _object(
            ["inputs"],
            id=_TEXT, parameters=_ANY, inputs=_list(_object(["name", "datatype", "shape"], **given)),
            outputs=_list(_object(["name"], **named)),
        ),
        "InferenceResponse": _object(
            ["model_name", "outputs"],
            model_name=_TEXT, model_version=_TEXT, id=_TEXT, outputs=_list(_object(["name", "datatype", "shape"], **given)),
        ),
    }  # fmt: skip


def _operation(
    summary: str, identity: str, kinds: dict[str, Schema], statuses: str, parameters: list[Schema] | None = None
) -> Schema:
    """Return an operation that answers 200 with one of `kinds`, and these other statuses."""
    content = {kind: {"schema": schema} for kind, schema in kinds.items()}
    answers: dict[str, Schema] = {"200": {"description": "Done.", "content": content}}
    for status in statuses.split():
        schema = _ref("Unreadable" if status == "422" else "Error")
        answers[status] = {"description": _REFUSALS[status], "content": {"application/json": {"schema": schema}}}
        if status == "503":
            answers[status]["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    return {"summary": summary, "operationId": identity, "parameters": parameters or [], "responses": answers}


def _json(schema: Schema) -> dict[str, Schema]:
    return {"application/json": schema}


def _in_path(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": _TEXT}


def _predict(identity: str, parameters: list[Schema]) -> Schema:
    made = _operation("Classify photos", identity, _json(_ref("Predictions")), _OF_PHOTOS, parameters)
    file: Schema = {"type": "string", "format": "binary"}
    form = _object([], photo=_list(file))
    content = {"multipart/form-data": {"schema": form}, "image/jpeg": {"schema": file}, "image/png": {"schema": file}}
    content["application/octet-stream"] = {"schema": file}
    return {
        **made,
        "requestBody": {"required": True, "description": "one photo, or a form of several files", "content": content},
    }


def _of_models() -> dict[str, Schema]:
    """Return the paths of the Open Inference Protocol that name a model, with and without its version."""
    paths: dict[str, Schema] = {}
    length = {"name": "Inference-Header-Content-Length", "in": "header", "schema": {"type": "integer", "minimum": 0}}
    answers = {**_json(_ref("InferenceResponse")), "application/octet-stream": {"type": "string", "format": "binary"}}
    for end, name in (("", ""), ("/versions/{version}", "_version")):
        where = f"/v2/models/{{name}}{end}"
        parameters = [_in_path("name"), *([_in_path("version")] if end else [])]
        about, ready = _json(_ref("ModelMetadata")), _json(_object(["name", "ready"], name=_TEXT, ready={"type": "boolean"}))
        paths[where] = {"get": _operation("Model metadata", f"model{name}", about, _OF_MODELS, parameters)}
        paths[f"{where}/ready"] = {"get": _operation("Is it ready?", f"model_ready{name}", ready, _OF_MODELS, parameters)}
        infer = _operation("Classify photos as tensors", f"infer{name}", answers, _OF_PHOTOS, [*parameters, length])
        content: Schema = {"application/json": {"schema": _ref("InferenceRequest")}}
        paths[f"{where}/infer"] = {"post": {**infer, "requestBody": {"required": True, "content": content}}}
    return paths


def describe() -> dict[str, Any]:
    """Return the description of all paths, as plain JSON values."""
    model = {"name": "model", "in": "query", "schema": _TEXT, "description": "which model; needed where there are several"}
    plain: dict[str, Schema] = {"text/plain": _TEXT}
    live, ready = (_object([word], **{word: {"type": "boolean"}}) for word in ("live", "ready"))
    models = _json(_object(["models"], models=_list(_ref("Model"))))
    server = _object(["name", "version", "extensions"], name=_TEXT, version=_TEXT, extensions=_list(_TEXT))
    paths: dict[str, Schema] = {
        "/predict": {"post": _predict("predict", [model])},
        "/predict/{name}": {"post": _predict("predict_with", [_in_path("name")])},
        "/models": {"get": _operation("All models", "models", models, _PLAIN)},
        "/metrics": {"get": _operation("Metrics for Prometheus", "metrics", plain, _PLAIN)},
        "/v2": {"get": _operation("Server metadata", "server", _json(server), _PLAIN)},
        "/v2/health/live": {"get": _operation("Is the server alive?", "live", _json(live), "403")},
        "/v2/health/ready": {"get": _operation("Are all models ready?", "ready", _json(ready), "403 503")},
        **_of_models(),
    }
    info = {"title": "penult serve", "version": __version__, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}}
    components = {"schemas": _schemas(), "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}}
    return {"openapi": "3.1.0", "info": info, "security": [{}, {"token": []}], "paths": paths, "components": components}
