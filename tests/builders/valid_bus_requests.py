"""Good requests for the operations of the bus."""

from collections.abc import Callable

from tests.builders.request import Request
from tests.builders.small_mesh import SmallMesh

PATTERN = {"source": ["harbour.gauges"], "detail": {"level": [{"numeric": [">", 3]}]}}


def bus_reads(mesh: SmallMesh) -> dict[str, str]:
    """Their paths, by operation."""
    return {
        "streamEvents": "/events/stream?type=GaugeRead",
        "listRules": "/events/rules",
        "getRule": "/events/rules/asset-publication",
        "listDeadLetters": "/events/dead-letters",
        "getDeadLetter": f"/events/dead-letters/{mesh.dead_letter}",
        "listArchives": "/events/archives",
        "listReplays": "/events/replays",
        "getReplay": f"/events/replays/{mesh.replay}",
    }


def bus_writes(mesh: SmallMesh, tag: str) -> dict[str, Callable[[], Request]]:
    """The writes; each call makes ready what its request needs."""
    rule = f"/events/rules/rule-{tag}"[:70]
    archive = f"/events/archives/archive-{tag}"[:70]
    queue = f"/events/queues/{mesh.queue_of(tag)}"

    def with_rule(method: str, after: str = "") -> Callable[[], Request]:
        def made() -> Request:
            mesh.ask("administrator", "PUT", rule, _rule("unused"))
            return Request(method, f"{rule}{after}")

        return made

    def leaving_archive() -> Request:
        mesh.ask("administrator", "PUT", archive, {"eventPattern": PATTERN})
        return Request("DELETE", archive)

    return {
        "putEvents": lambda: Request("POST", "/events", {"entries": [_entry(tag)]}),
        "testEventPattern": lambda: Request(
            "POST", "/events/test-pattern", {"eventPattern": PATTERN, "event": _event()}
        ),
        "putRule": lambda: Request("PUT", rule, _rule("unused")),
        "deleteRule": with_rule("DELETE"),
        "enableRule": with_rule("POST", "/enable"),
        "disableRule": with_rule("POST", "/disable"),
        "receiveMessages": lambda: Request(
            "POST", f"{queue}/receive", {"maxMessages": 1, "visibilitySeconds": 30}
        ),
        "acknowledgeMessage": lambda: Request(
            "POST", f"{queue}/acknowledge", {"receiptHandles": [mesh.new_job(tag)[0]]}
        ),
        "redriveDeadLetters": lambda: Request(
            "POST", "/events/dead-letters/redrive", {"deadLetterIds": [mesh.new_dead_letter()]}
        ),
        "deleteDeadLetter": lambda: Request(
            "DELETE", f"/events/dead-letters/{mesh.new_dead_letter()}"
        ),
        "putArchive": lambda: Request(
            "PUT",
            archive,
            {"description": "High water.", "eventPattern": PATTERN, "retentionDays": 30},
        ),
        "deleteArchive": leaving_archive,
        "startReplay": lambda: Request(
            "POST",
            "/events/replays",
            {
                "name": f"replay-{tag}"[:64],
                "archive": "kept",
                "from": "2001-01-01T00:00:00Z",
                "to": "2001-01-02T00:00:00Z",
                "rules": ["asset-publication"],
            },
        ),
        "cancelReplay": lambda: Request("POST", f"/events/replays/{mesh.replay}/cancel"),
    }


def _rule(queue: str) -> dict[str, object]:
    return {
        "description": "High water.",
        "eventPattern": PATTERN,
        "state": "ENABLED",
        "targets": [
            {
                "id": "first",
                "type": "queue",
                "name": queue,
                "retryPolicy": {"maximumRetryAttempts": 5, "maximumEventAgeSeconds": 600},
            }
        ],
    }


def _entry(tag: str) -> dict[str, object]:
    return {
        "source": "harbour.gauges",
        "detailType": "GaugeRead",
        "detail": {"level": 2},
        "resources": [f"gauge-{tag}"],
    }


def _event() -> dict[str, object]:
    return {
        "id": "7bf73129-1428-4cd3-a780-95db273d1602",
        "detail-type": "GaugeRead",
        "source": "harbour.gauges",
        "account": "000000000000",
        "time": "2026-01-31T12:00:00Z",
        "region": "local",
        "resources": [],
        "detail": {"level": 5},
    }
