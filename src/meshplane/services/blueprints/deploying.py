"""Carries deployments out: plan, execute, and follow the stack until it ends.

Each step is a message of a queue, and what it found is in the commit that sends the next: a process
that dies leaves a message, and whoever takes it goes on. The calls of `Stacks` may be repeated.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from meshplane.events.blueprints import DeploymentCompleted
from meshplane.events.queues import Message, QueueHandler, RetryAfter, send
from meshplane.kit.clock import Clock, to_text
from meshplane.kit.errors import FieldProblem, MeshplaneError, Unavailable
from meshplane.platform.store import UnitOfWork
from meshplane.platform.tables import Row
from meshplane.services.blueprints.ports import (
    Change,
    Plan,
    StackEvent,
    Stacks,
    StackState,
    Wish,
    stack_name,
)
from meshplane.services.blueprints.store import DEPLOYMENT_HISTORY
from meshplane.services.blueprints.wish_checks import accepted

QUEUE = "deployments"
_LONGEST = timedelta(hours=24)
_LONGEST_MESSAGE_SECONDS = 2 * 86_400
_MOST_ATTEMPTS = 10_000
_BUSY_SECONDS = 15.0
_FIRST_SECONDS, _GROWTH, _SLOWEST_SECONDS = 1.0, 1.4, 15.0
_MOST_KEPT_EVENTS = 100
_LONGEST_REASON = 500

Item = dict[str, Any]
Lint = Callable[[str], Awaitable[tuple[FieldProblem, ...]]]
"""Gives the warnings of a template; refuses one with errors."""


class StackDeployments:
    """Makes stacks of deployments.

    Args:
        stacks: where.
        clock: the present.
        prefix: what the names of stacks begin with.
        role_of: by project, the role as which its resources are made; None: as the mesh.
        lint: looks at templates before they are accepted; None: nobody does.
    """

    def __init__(
        self,
        stacks: Stacks,
        clock: Clock,
        *,
        prefix: str = "",
        role_of: Callable[[str], str] | None = None,
        lint: Lint | None = None,
    ) -> None:
        self._stacks = stacks
        self._clock = clock
        self._prefix = prefix
        self._role_of = role_of
        self._lint = lint

    @property
    def queues(self) -> Sequence[QueueHandler]:
        """The queue that deployments wait in."""
        return (QueueHandler(QUEUE, self._handle, exclusive=True, concurrency=4),)

    async def accept(self, wish: Wish) -> tuple[FieldProblem, ...]:
        """The warnings about a template that may be deployed.

        Args:
            wish: as `wish` makes it.

        Raises:
            Invalid: as `Stacks.plan`; TEMPLATE_INVALID with the errors of cfn-lint.
            TooLarge, LimitReached: TEMPLATE_TOO_LARGE, TEMPLATE_TOO_SLOW.
        """
        await asyncio.to_thread(accepted, wish)
        return () if self._lint is None else await self._lint(wish.template)

    def wish(
        self,
        item: Mapping[str, Any],
        template: str,
        parameters: Mapping[str, str],
        capabilities: Sequence[str],
    ) -> Wish:
        """What a deployment's stack shall hold.

        Args:
            item: of the deployment.
            template: its template.
            parameters: of the template.
            capabilities: what it may do, by CloudFormation's names.
        """
        project = item["projectId"]
        return Wish(
            stack_name(project, item["environment"], self._prefix),
            template,
            item["deploymentId"],
            dict(parameters),
            frozenset(capabilities),  # type: ignore[arg-type]  # the request's schema has the names
            dict(item["tags"]),
            None if self._role_of is None else self._role_of(project),
        )

    def begin(self, work: UnitOfWork, item: Item, wish: Wish) -> None:
        """Has a deployment carried out, once `work` is committed.

        Args:
            work: the unit of work that puts the deployment, as `IN_PROGRESS`.
            item: the deployment.
            wish: its stack.
        """
        kept = asdict(wish)
        kept["capabilities"] = sorted(wish.capabilities)
        self._send(work, item, "plan", 0, {"wish": kept})

    async def _handle(self, work: UnitOfWork, message: Message) -> None:
        body = message.body
        row = await work.get(DEPLOYMENT_HISTORY, body["deploymentId"], body["timestamp"])
        if row is None or row.item["status"] != "IN_PROGRESS":
            return
        steps = {"plan": self._plan, "execute": self._execute, "follow": self._follow}
        try:
            await steps[body["step"]](work, row, body)
        except MeshplaneError as error:
            if self._is_late(row):
                why = "DEPLOYMENT_TOO_SLOW: it did not end within a day."
                self._end(work, row, dict(row.item), "FAILED", why)
                return
            if isinstance(error, Unavailable):
                raise
            if error.code == "STACK_CHANGING":
                raise RetryAfter(error.code, error.message, _BUSY_SECONDS) from error
            if error.code == "STACK_NOT_READY" and await self._cleared(body["wish"]["stack"]):
                raise RetryAfter(error.code, error.message, _BUSY_SECONDS) from error
            self._end(work, row, dict(row.item), "FAILED", f"{error.code}: {error.message}")

    async def _cleared(self, stack: str) -> bool:
        """Whether what is left of a stack that never came to be is being removed.

        It holds nothing, and nobody can deploy past it. What failed otherwise holds something, and
        is left for a person to look at.
        """
        state = await self._stacks.state(stack)
        if state is None or state.status != "ROLLBACK_COMPLETE":
            return False
        await self._stacks.roll_back(state.stack_id)
        return True

    async def _plan(self, work: UnitOfWork, row: Row, body: Item) -> None:
        kept = body["wish"]
        wish = Wish(**{**kept, "capabilities": frozenset(kept["capabilities"])})
        plan = await self._stacks.plan(wish)
        item = {
            **row.item,
            "cfnStackId": plan.stack_id,
            "changes": [asdict(each) for each in plan.changes],
        }
        if not plan.executable and not plan.refusal:
            state = await self._stacks.state(plan.stack_id)
            self._end(work, row, _with_outputs(item, state), "SUCCESS", "")
            return
        # What came before is known before anything is begun: its end would be taken for ours.
        before = await self._stacks.events(plan.stack_id)
        since = before[-1].event_id if before else None
        work.put(DEPLOYMENT_HISTORY, item, expected=row.version)
        self._send(work, item, "execute", 0, {"plan": asdict(plan), "since": since})

    async def _execute(self, work: UnitOfWork, row: Row, body: Item) -> None:
        kept = body["plan"]
        plan = Plan(**{**kept, "changes": tuple(Change(**each) for each in kept["changes"])})
        if plan.refusal:
            self._end(work, row, dict(row.item), "FAILED", plan.refusal)
            return
        await self._stacks.execute(plan)
        more = {"stackId": plan.stack_id, "since": body["since"], "begun": False, "looks": 0}
        self._send(work, row.item, "follow", 0, more)

    async def _follow(self, work: UnitOfWork, row: Row, body: Item) -> None:
        stack_id = body["stackId"]
        # Events first: a stack that has begun by them cannot look as it did before.
        events = await self._stacks.events(stack_id, body["since"])
        state = await self._stacks.state(stack_id)
        begun = body["begun"] or any(each.physical_id == stack_id for each in events)
        item = _with_events(dict(row.item), events)
        if state is None or (begun and state.ended):
            well = state is not None and state.well and not state.gone
            item = _with_outputs(item, state)
            self._end(work, row, item, "SUCCESS" if well else "FAILED", _reason(state, events))
            return
        if self._is_late(row):
            why = "DEPLOYMENT_TOO_SLOW: it did not end within a day."
            self._end(work, row, item, "FAILED", why)
            return
        if events:
            work.put(DEPLOYMENT_HISTORY, item, expected=row.version)
        since = events[-1].event_id if events else body["since"]
        looks = body["looks"] + 1
        more = {"stackId": stack_id, "since": since, "begun": begun, "looks": looks}
        self._send(work, item, "follow", looks, more)

    def _end(self, work: UnitOfWork, row: Row, item: Item, status: str, reason: str) -> None:
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

    def _is_late(self, row: Row) -> bool:
        began: int = row.item["startTime"]
        return self._clock.now().timestamp() - began / 1000 > _LONGEST.total_seconds()

    def _send(
        self, work: UnitOfWork, item: Mapping[str, Any], step: str, looks: int, more: Item
    ) -> None:
        delay = min(_FIRST_SECONDS * _GROWTH ** min(looks, 20), _SLOWEST_SECONDS)
        send(
            work,
            QUEUE,
            {
                "deploymentId": item["deploymentId"],
                "timestamp": item["timestamp"],
                "step": step,
                **more,
            },
            message_id=f"{item['deploymentId']}-{step}-{looks}",
            now=self._clock.now(),
            delay_seconds=delay if step == "follow" else 0.0,
            maximum_attempts=_MOST_ATTEMPTS,
            maximum_age_seconds=_LONGEST_MESSAGE_SECONDS,
        )


def _with_outputs(item: Item, state: StackState | None) -> Item:
    return {**item, "outputs": {} if state is None else dict(state.outputs)}


def _with_events(item: Item, events: Sequence[StackEvent]) -> Item:
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
    return {**item, "stackEvents": [*item.get("stackEvents", ()), *new][-_MOST_KEPT_EVENTS:]}


def _reason(state: StackState | None, events: Sequence[StackEvent]) -> str:
    """Why it ended as it did: the first failure says more than what it led to."""
    if state is None:
        return "The stack is gone."
    if state.well and not state.gone:
        return ""
    failed = [each for each in events if each.status.endswith("_FAILED") and each.reason]
    if failed:
        return f"{failed[0].logical_id}: {failed[0].reason}"
    return state.reason or state.status
