"""Counts and times of requests, for Prometheus."""

from functools import cached_property
from typing import TYPE_CHECKING

from starlette.types import Scope

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Histogram


class RequestMetrics:
    """Metrics of one process's requests; labels are operations, never paths, to stay few.

    The client library is loaded after the first answer, not before it.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        """Counts one answered request."""
        requests, times = self._of(scope.get("operation_id", "none"), status)
        requests.inc()
        times.observe(seconds)

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        from prometheus_client import generate_latest

        return generate_latest(self._made[0])

    @cached_property
    def _made(self) -> "tuple[CollectorRegistry, Counter, Histogram]":
        from prometheus_client import CollectorRegistry, Counter, Histogram

        registry = CollectorRegistry()
        requests = Counter(
            "meshplane_requests_total",
            "Requests answered.",
            ("operation", "status"),
            registry=registry,
        )
        times = Histogram(
            "meshplane_request_seconds", "Time to answer.", ("operation",), registry=registry
        )
        return registry, requests, times

    def _of(self, operation: str, status: int) -> "tuple[Counter, Histogram]":
        # Finding a labelled metric costs more than counting, so the found ones are kept.
        found = self._found.get((operation, status))
        if found is None:
            _, requests, times = self._made
            found = (requests.labels(operation, str(status)), times.labels(operation))
            self._found[operation, status] = found
        return found
