"""What must hold after a simulation, whatever happened in it: see `complaints_of`."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import orjson

from meshplane.kit.clock import from_text
from tests.builders.simulated_machines import Expected, events_told, expected
from tests.builders.simulation import Story, items
from tests.builders.stores import NOON

_LAST = frozenset(
    {"ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted"}
)
_SETTLING_SECONDS = 30.0


def complaints_of(story: Story) -> list[str]:
    """Everything that is not as it must be: empty after a good simulation."""
    found = [*story.broken, *story.outside.complaints, *story.people.complaints]
    if not story.settled:
        found.append("it never came to rest: something is lost or turns in a circle")
    with closing(sqlite3.connect(story.path)) as database:
        look = _Look(story, database)
        for complaints in (
            look.executions(),
            look.children_and_rules(),
            look.leftovers(),
            look.effects_in_the_store(),
            look.firings(),
        ):
            found += complaints
    return found


class _Look:
    def __init__(self, story: Story, database: sqlite3.Connection) -> None:
        self._story = story
        self._items = {
            name: items(database, name)
            for name in (
                *("Executions", "ExecutionHistory", "ExecutionBranches", "TaskTokens"),
                *("Messages", "DeadLetters", "Seen", "ScheduleTimes"),
            )
        }
        self._events = [
            (event_id, kind, orjson.loads(detail))
            for event_id, kind, detail in database.execute(
                "SELECT event_id, type, detail FROM Outbox ORDER BY sequence"
            )
        ]
        self._executions = {each["executionId"]: each for each in self._items["Executions"]}

    def executions(self) -> Iterator[str]:
        """Each ended once, as the undisturbed one does."""
        for machine, name, _ in self._story.started:
            execution_id = f"{machine}:{name}"
            if execution_id not in self._executions:
                yield f"{execution_id}: it was started, and is not there"
        ends = Counter(detail["executionId"] for _, kind, detail in self._events if kind in _LAST)
        for execution_id, item in self._executions.items():
            if "endedAt" not in item:
                yield f"{execution_id}: it has not ended"
                continue
            if ends[execution_id] != 1:
                yield f"{execution_id}: its end was told {ends[execution_id]} times"
            yield from self._end(item)

    def _end(self, item: Any) -> Iterator[str]:
        execution_id, run_id = item["executionId"], item["runId"]
        streams = self._streams(run_id)
        given = orjson.loads(streams[""][0]["executionStartedEventDetails"]["input"])
        wanted, outcome = expected(item["machine"], given), item["run"]["outcome"]
        told = f"{execution_id} {orjson.dumps(given).decode()}"
        if (item["status"], outcome["error"]) != (wanted.status, wanted.error):
            yield f"{told}: {item['status']} {outcome['error']}, not {wanted.status} {wanted.error}"
        if _plain(outcome["output"]) != _plain(wanted.output):
            yield f"{told}: the output {outcome['output']} is not {wanted.output}"
        for stream, events in streams.items():
            numbers = [event["id"] for event in events]
            if numbers != list(range(1, len(events) + 1)):
                yield f"{told}: its history {stream} has gaps or repetitions: {numbers}"
        if sum(event["type"] in _LAST for event in streams[""]) != 1:
            yield f"{told}: its history has not exactly one end"
        yield from self._compared(told, item, wanted, streams)

    def _compared(
        self, told: str, item: Any, wanted: Expected, streams: dict[str, list[Any]]
    ) -> Iterator[str]:
        happened = events_told(streams[""])
        if wanted.happened is not None and happened != wanted.happened:
            difference = Counter(happened)
            difference.subtract(wanted.happened)
            yield f"{told}: what happened differs: { {k: v for k, v in difference.items() if v} }"
        in_children = events_told(
            event for stream, events in streams.items() if stream for event in events
        )
        if in_children != wanted.child_happened:
            yield f"{told}: what happened in the children differs"
        owner = f"{item['executionId']} "
        keys = [key for key in self._story.outside.asked if key.startswith(owner)]
        if wanted.worked is not None and len(keys) != wanted.worked:
            yield f"{told}: its tasks have {len(keys)} keys outside, not {wanted.worked}"

    def _streams(self, run_id: str) -> dict[str, list[Any]]:
        streams: dict[str, list[Any]] = defaultdict(list)
        rows = [row for row in self._items["ExecutionHistory"] if row["stream"].startswith(run_id)]
        for row in sorted(rows, key=lambda row: (row["stream"], row["firstEventId"])):
            streams[row["stream"].removeprefix(run_id).removeprefix("#")] += row["events"]
        return streams

    def children_and_rules(self) -> Iterator[str]:
        """As many executions as were asked for, by clients, parents and rules."""
        clients = {f"{machine}:{name}" for machine, name, _ in self._story.started}
        parents = sum(machine == "parent" for machine, _, _ in self._story.started)
        large = sum(kind == "Told" and d["n"] > 3 for _, kind, d in self._events)
        others = set(self._executions) - clients
        if len(others) != parents + large:
            yield f"{len(others)} executions by rules and parents, not {large} and {parents}"

    def leftovers(self) -> Iterator[str]:
        """Nothing that belongs to ended executions still waits."""
        for token in self._items["TaskTokens"]:
            if token["state"] not in ("USED", "GONE") or "signal" in token or "openOf" in token:
                yield f"{token['executionId']}: a token is left {token['state']}"
        for branch in self._items["ExecutionBranches"]:
            status = branch["branch"].get("status")
            if status not in ("failed", "aborted", "done", None):
                yield f"a branch is left {status}"
        for letter in self._items["DeadLetters"]:
            yield f"a message of {letter['queue']} was given up: {letter['errorCode']}"

    def effects_in_the_store(self) -> Iterator[str]:
        """Every event reached every rule's queue, and had its effect there once."""
        seen = {row["id"]: row["count"] for row in self._items["Seen"]}
        wanted = set()
        for event_id, kind, _ in self._events:
            if kind == "Told":
                wanted.add(f"jobs {event_id}:told:jobs")
                if f"{event_id}:told:calls" not in self._story.outside.called:
                    yield f"the event {event_id} did not reach the function"
            elif kind.startswith("Execution"):
                wanted.add(f"jobs {event_id}:ended:jobs")
        by_rules = {name for name in seen if name.startswith("jobs ") and ":" in name}
        yield from (f"{name}: its effect is not there" for name in wanted - by_rules)
        yield from (f"{name}: an effect of nothing" for name in by_rules - wanted)
        yield from (f"{name}: happened {count} times" for name, count in seen.items() if count != 1)
        dropped = sum(name.startswith("jobs ") for name in seen) - len(by_rules)
        sent = sum(self._dropped(item) for item in self._executions.values())
        if dropped != sent:
            yield f"{dropped} messages of workflows had an effect, and {sent} were sent"

    def _dropped(self, item: Any) -> int:
        """How many messages its history says that it sent to the queue of jobs."""
        return sum(
            event["type"] == "TaskSucceeded"
            and "MD5OfMessageBody" in event["taskSucceededEventDetails"]["output"]
            for events in self._streams(item["runId"]).values()
            for event in events
        )

    def firings(self) -> Iterator[str]:
        """Each minute of the schedule fired, once."""
        fired = sorted(
            from_text(row["id"].removeprefix("tick "))
            for row in self._items["Seen"]
            if row["id"].startswith("tick ")
        )
        minutes = [round((each - NOON).total_seconds()) for each in fired]
        last = int((self._story.seconds - _SETTLING_SECONDS) // 60) * 60
        missing = sorted(set(range(60, last + 1, 60)) - set(minutes))
        if missing:
            yield f"the schedule did not fire {missing} seconds after the start"
        if any(each % 60 for each in minutes):
            yield f"the schedule fired at odd times: {minutes}"
        if fired and fired[-1] > NOON + timedelta(seconds=self._story.seconds):
            yield "the schedule fired before its time"


def _plain(value: Any) -> Any:
    """A value without what differs from run to run: the names of map runs."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if k != "ExecutionArn"}
    return [_plain(each) for each in value] if isinstance(value, list) else value
