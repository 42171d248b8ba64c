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
        self._found: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        """Counts one answered request."""
        requests, times = self._of(scope.get("operation_id", "none"), status)
        requests.inc()
        times.observe(seconds)

    def _of(self, operation: str, status: int) -> tuple[Counter, Histogram]:
        # Finding a labelled metric costs more than counting, so the found ones are kept.
        found = self._found.get((operation, status))
        if found is None:
            found = (
                self._requests.labels(operation, str(status)),
                self._seconds.labels(operation),
            )
            self._found[operation, status] = found
        return found

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self._registry)
