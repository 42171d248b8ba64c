"""Counts and times of requests, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from starlette.types import Scope


class RequestMetrics:
    """Metrics of one process's requests; labels are routes, never paths, to stay few."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ("operation", "status")
        self._requests = Counter(
            "meshplane_requests_total", "Requests answered.", labels, registry=self._registry
        )
        self._seconds = Histogram(
            "meshplane_request_seconds", "Time to answer.", ("operation",), registry=self._registry
        )

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        """Counts one answered request."""
        operation = scope.get("operation_id", "none")
        self._requests.labels(operation, str(status)).inc()
        self._seconds.labels(operation).observe(seconds)

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self._registry)
