"""Counts and times of requests, for Prometheus."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from starlette.types import Scope

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Histogram


@dataclass(frozen=True, slots=True)
class Timing:
    """A histogram of times to answer.

    Args:
        bounds: the upper bound of each bucket, in seconds; the last is infinite.
        counts: how many answers fell into each bucket, and into none before it.
        seconds: all their times together.
    """

    bounds: tuple[float, ...]
    counts: tuple[float, ...]
    seconds: float


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

    def totals(self) -> tuple[Mapping[tuple[str, int], float], Mapping[str, Timing]]:
        """All that was counted: answers by operation and status, and times by operation."""
        if not self._found:
            return {}, {}
        _, requests, times = self._made
        counts = {
            (sample.labels["operation"], int(sample.labels["status"])): sample.value
            for metric in requests.collect()
            for sample in metric.samples
            if sample.name.endswith("_total")
        }
        buckets: dict[str, list[tuple[float, float]]] = defaultdict(list)
        sums: dict[str, float] = {}
        for metric in times.collect():
            for sample in metric.samples:
                operation = sample.labels["operation"]
                if sample.name.endswith("_bucket"):
                    buckets[operation].append((float(sample.labels["le"]), sample.value))
                elif sample.name.endswith("_sum"):
                    sums[operation] = sample.value
        return counts, {name: _timing(sorted(found), sums[name]) for name, found in buckets.items()}

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


def _timing(cumulative: list[tuple[float, float]], seconds: float) -> Timing:
    """A histogram of one whose counts hold those of all buckets before them."""
    counts = [count for _, count in cumulative]
    own = (now - before for before, now in pairwise((0.0, *counts)))
    return Timing(tuple(bound for bound, _ in cumulative), tuple(own), seconds)
