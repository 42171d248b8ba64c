"""Follows the stack of a deployment until it has come to rest, and keeps what happened in it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from meshplane.events.blueprints import DeploymentCompleted
from meshplane.events.queues import send
from meshplane.kit.clock import Clock, to_text
from meshplane.kit.errors import Conflict, Missing
from meshplane.platform.store import UnitOfWork
from meshplane.platform.tables import Row
from meshplane.services.blueprints.ports import StackEvent, Stacks, StackState
from meshplane.services.blueprints.states import end_of, is_reached
from meshplane.services.blueprints.store import DEPLOYMENT_EVENTS, DEPLOYMENT_HISTORY

_LONGEST = timedelta(hours=24)
_LONGEST_MESSAGE_SECONDS = 2 * 86_400
_MOST_ATTEMPTS = 10_000
_GROWTH, _SLOWEST_SECONDS = 1.4, 15.0
_MOST_AT_ONCE = 500
_MOST_SHOWN = 100
_LONGEST_REASON = 500

Item = dict[str, Any]


class Following:
    """Looks at stacks from time to time.

    Args:
        stacks: where they are.
        clock: the present.
        queue: whose messages say what is to be done next.
        first_look_seconds: how long after its begin a stack is looked at first.
    """

    def __init__(self, stacks: Stacks, clock: Clock, queue: str, first_look_seconds: float) -> None:
        self._stacks = stacks
        self._clock = clock
        self._queue = queue
        self._first_look_seconds = first_look_seconds

    def send(
        self,
        work: UnitOfWork,
        item: Mapping[str, Any],
        step: str,
        more: Item,
        *,
        looks: int = 0,
        delay_seconds: float = 0.0,
    ) -> None:
        """Has a step of a deployment done, once `work` is committed.

        Args:
            work: the unit of work that it belongs to.
            item: the deployment.
            step: which.
            more: what it needs besides.
            looks: how often the stack was looked at before.
            delay_seconds: how long to wait.
        """
        send(
            work,
            self._queue,
            {
                "deploymentId": item["deploymentId"],
                "timestamp": item["timestamp"],
                "step": step,
                **more,
            },
            # What is undone is followed a second time.
            message_id=f"{item['deploymentId']}-{item.get('undoTime', 0)}-{step}-{looks}",
            now=self._clock.now(),
            delay_seconds=delay_seconds,
            maximum_attempts=_MOST_ATTEMPTS,
            maximum_age_seconds=_LONGEST_MESSAGE_SECONDS,
        )

    def begin(self, work: UnitOfWork, item: Item, stack_id: str, since: str | None) -> None:
        """Begins to follow a stack in which something was begun.

        Args:
            work: the unit of work that it belongs to.
            item: the deployment.
            stack_id: of the stack.
            since: its last event before that.
        """
        more = {"stackId": stack_id, "since": since, "begun": False, "looks": 0}
        self.send(work, item, "follow", more, delay_seconds=self._first_look_seconds)

    async def last_event(self, stack_id: str) -> str | None:
        """The id of the last event of a stack; None where there is none."""
        events = await self._stacks.events(stack_id)
        return events[-1].event_id if events else None

    async def follow(self, work: UnitOfWork, row: Row, body: Item) -> None:
        """Looks once, and ends the deployment or comes again.

        Args:
            work: the unit of work.
            row: the deployment.
            body: as `begin` and earlier looks made it.
        """
        stack_id, status = body["stackId"], row.item["status"]
        # Events first: a stack that has begun by them cannot look as it did before.
        told = await self._stacks.events(stack_id, body["since"])
        events, more_to_tell = told[:_MOST_AT_ONCE], len(told) > _MOST_AT_ONCE
        state = await self._stacks.state(stack_id)
        begun = body["begun"] or any(each.physical_id == stack_id for each in told)
        item = _with_events(work, dict(row.item), events)
        undone = status in {"ROLLING_BACK", "REMOVING"} and is_reached(status, state)
        if not more_to_tell and (undone or state is None or (begun and state.ended)):
            end = end_of(status, state)
            self.end(work, row, with_outputs(item, state), end, _reason(end, item, state))
            return
        if self.is_late(row):
            self.end(work, row, item, "FAILED", "DEPLOYMENT_TOO_SLOW: it did not end within a day.")
            return
        if status == "CANCELLING" and begun and state is not None and not state.ended:
            await self._cancel(stack_id)
        if events:
            work.put(DEPLOYMENT_HISTORY, item, expected=row.version)
        looks = body["looks"] + 1
        more = {
            "stackId": stack_id,
            "since": events[-1].event_id if events else body["since"],
            "begun": begun,
            "looks": looks,
        }
        first = max(self._first_look_seconds, 0.1)
        wait = 0.0 if more_to_tell else min(first * _GROWTH ** min(looks, 20), _SLOWEST_SECONDS)
        self.send(work, item, "follow", more, looks=looks, delay_seconds=wait)

    def end(self, work: UnitOfWork, row: Row, item: Item, status: str, reason: str) -> None:
        """Ends what is done with a deployment.

        Args:
            work: the unit of work.
            row: the deployment as it was read.
            item: as it is now, but for its end.
            status: how it ended.
            reason: why, if not well.
        """
        now = self._clock.now()
        milliseconds = int(now.timestamp() * 1000)
        item = {
            **item,
            "status": status,
            "statusReason": reason[:_LONGEST_REASON],
            "endTime": milliseconds,
            "duration": (milliseconds - item["startTime"]) / 1000,
        }
        work.put(DEPLOYMENT_HISTORY, item, expected=row.version)
        work.emit(
            DeploymentCompleted(
                deployment_id=item["deploymentId"],
                project_id=item["projectId"],
                environment=item["environment"],
                status=status,
                deployed_by=item["deployedBy"],
                completed_at=to_text(now),
            ).event()
        )

    def is_late(self, row: Row) -> bool:
        """Whether what is done with a deployment takes longer than anything may."""
        began: int = row.item.get("undoTime") or row.item["startTime"]
        return self._clock.now().timestamp() - began / 1000 > _LONGEST.total_seconds()

    async def _cancel(self, stack_id: str) -> None:
        try:
            await self._stacks.cancel(stack_id)
        except (Conflict, Missing):
            # It ended between the look and this: the next look tells how.
            return


def with_outputs(item: Item, state: StackState | None) -> Item:
    """A deployment with the outputs of its stack."""
    return {**item, "outputs": {} if state is None else dict(state.outputs)}


def _with_events(work: UnitOfWork, item: Item, events: Sequence[StackEvent]) -> Item:
    """The deployment with its last events; all of them are kept as rows of their own."""
    new = [
        {
            "eventId": each.event_id,
            "at": to_text(each.at),
            "logicalId": each.logical_id,
            "resourceType": each.resource_type,
            "status": each.status,
            "reason": each.reason[:_LONGEST_REASON],
        }
        for each in events
    ]
    told: int = item.get("eventsTold", 0)
    for number, event in enumerate(new, told + 1):
        key = {"deploymentId": item["deploymentId"], "number": number}
        expires = {"expirationTime": item["expirationTime"]}
        work.put(DEPLOYMENT_EVENTS, {**key, **event, **expires})
    failed = [each for each in new if each["status"].endswith("_FAILED") and each["reason"]]
    first = item.get("firstFailure") or (
        f"{failed[0]['logicalId']}: {failed[0]['reason']}" if failed else None
    )
    return {
        **item,
        "eventsTold": told + len(new),
        "firstFailure": first,
        "stackEvents": [*item.get("stackEvents", ()), *new][-_MOST_SHOWN:],
    }


def _reason(end: str, item: Item, state: StackState | None) -> str:
    """Why it ended as it did: the first failure says more than what it led to."""
    if end != "FAILED":
        return ""
    if item["firstFailure"]:
        return str(item["firstFailure"])
    return "The stack is gone." if state is None else state.reason or state.status
