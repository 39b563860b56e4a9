"""What Prometheus reads at /metrics: requests by path and status, their seconds, photos, queues, models.

All labels are of few values: paths without the names in them, classes only of models that have no more than a hundred.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from penult.predict import Prediction
from penult.serve.models import ModelSet, ServedModel
from penult.web import BodyReader, Guard, Told

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
MOST_CLASSES = 100
_PATHS = ("/predict", "/models", "/metrics", "/openapi.json", "/")


class Metrics:
    """Counts of one server, in a registry of its own."""

    def __init__(self, models: ModelSet) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics

        disable_created_metrics()
        self._models = models
        self.guard: Guard | None = None
        self.bodies: BodyReader | None = None
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter("penult_requests", "Requests", ["path", "status"], registry=self._registry)
        self._seconds = Histogram(
            "penult_request_seconds", "Seconds from headers to answer", ["path"], buckets=SECONDS, registry=self._registry
        )
        self._photos = Counter("penult_photos", "Photos answered", ["model", "result"], registry=self._registry)
        self._labels = Counter("penult_predictions", "Answers by class", ["model", "label"], registry=self._registry)
        self._children: dict[tuple[object, ...], Any] = {}
        self._registry.register(self)

    def count_request(self, told: Told) -> None:
        """Count a request that was answered."""
        path = route(told.path)
        self._child(self._requests, path, str(told.status)).inc()
        self._child(self._seconds, path).observe(told.seconds)

    def count_photos(self, served: ServedModel, answers: Iterable[Prediction]) -> None:
        """Count the answers of a request."""
        few = len(served.classes) <= MOST_CLASSES
        for one in answers:
            result = "unreadable" if one.failure else "unlike" if one.unlike else "ok"
            self._child(self._photos, served.name, result).inc()
            if few and one.label is not None:
                for label in (one.label,) if one.labels is None else one.labels:
                    self._child(self._labels, served.name, label).inc()

    def _child(self, metric: Any, *labels: str) -> Any:
        """Return the count of these labels; prometheus_client takes a lock and makes texts each time that it is asked."""
        key = (id(metric), *labels)
        if key not in self._children:
            self._children[key] = metric.labels(*labels)
        return self._children[key]

    def collect(self) -> Iterator[Any]:
        """Yield what is read off at this moment: the registry asks."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        if self.guard is not None and self.bodies is not None:
            yield GaugeMetricFamily("penult_requests_in_work", "Requests in work", self.guard.in_work)
            yield GaugeMetricFamily("penult_body_bytes", "Bytes of bodies in memory", self.bodies.held)
        queued = GaugeMetricFamily("penult_photos_waiting", "Photos that wait for a decoder", labels=["model"])
        running = GaugeMetricFamily("penult_photos_in_work", "Photos decoded or computed now", labels=["model"])
        about = GaugeMetricFamily("penult_model", "Models that are served", labels=["model", "model_version"])
        deaths = CounterMetricFamily("penult_decoder_deaths", "Decoders that died and were replaced", labels=["model"])
        for name, served in sorted(self._models.served.items()):
            queued.add_metric([name], served.predictor.waiting)
            running.add_metric([name], served.predictor.running)
            about.add_metric([name, served.version], 1)
            deaths.add_metric([name], served.predictor.decoder_deaths)
        reloads = CounterMetricFamily("penult_model_reloads", "Model files that were read anew", labels=["model", "result"])
        for (name, taken), count in sorted(self._models.reloads.items()):
            reloads.add_metric([name, "taken" if taken else "refused"], count)
        yield from (queued, running, about, deaths, reloads)

    def text(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        from prometheus_client import generate_latest

        return bytes(generate_latest(self._registry))


def route(path: str) -> str:
    """Return the path without the names in it."""
    if path in _PATHS:
        return path
    parts = path.split("/")[1:]
    if len(parts) == 2 and parts[0] == "predict":
        return "/predict/{model}"
    if parts[:1] == ["v2"]:
        return "/v2/infer" if parts[-1] == "infer" else "/v2/health" if parts[1:2] == ["health"] else "/v2"
    return "other"
