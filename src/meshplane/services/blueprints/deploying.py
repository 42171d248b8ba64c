"""Carries deployments out: plan, execute, and follow the stack until it ends; undoes them, too.

Each step is a message of a queue, and what it found is in the commit that sends the next: a process
that dies leaves a message, and whoever takes it goes on. The calls of `Stacks` may be repeated. A
deployment has one message at a time, so that whoever wants it stopped says so in its row, and the
next step reads that.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from meshplane.events.queues import Message, QueueHandler, RetryAfter
from meshplane.kit.clock import Clock
from meshplane.kit.errors import FieldProblem, MeshplaneError, Unavailable
from meshplane.platform.store import UnitOfWork
from meshplane.platform.tables import Row
from meshplane.platform.templates.lint import Lint
from meshplane.platform.templates.stack_names import stack_name
from meshplane.services.blueprints.finding import last_touch
from meshplane.services.blueprints.following import Following, with_outputs
from meshplane.services.blueprints.ports import (
    Change,
    DriftedResource,
    Plan,
    Stacks,
    Wish,
)
from meshplane.services.blueprints.states import AT_WORK, end_of, is_reached
from meshplane.services.blueprints.store import DEPLOYMENT_HISTORY
from meshplane.services.blueprints.wish_checks import accepted, plan_name

QUEUE = "deployments"
_PATIENCE = 3
"""How many attempts at one step may fail, once a deployment is late."""
_BUSY_SECONDS = 15.0
_FIRST_LOOK_SECONDS = 1.0
_DRIFT_SECONDS = 55.0
_TOO_SLOW = "DEPLOYMENT_TOO_SLOW: it did not end within a day."

Item = dict[str, Any]


class StackDeployments:
    """Makes stacks of deployments.

    Args:
        stacks: where.
        clock: the present.
        prefix: what the names of stacks begin with.
        role_of: by project, the role as which its resources are made; None: as the mesh.
        lint: looks at templates before they are accepted; None: nobody does.
        first_look_seconds: how long after its begin a stack is looked at first.
        patience_seconds: how long whoever began something waits for its end before he is told that
            it goes on.
    """

    def __init__(
        self,
        stacks: Stacks,
        clock: Clock,
        *,
        prefix: str = "",
        role_of: Callable[[str], str] | None = None,
        lint: Lint | None = None,
        first_look_seconds: float = _FIRST_LOOK_SECONDS,
        patience_seconds: float = 0.0,
    ) -> None:
        self.patience_seconds = patience_seconds
        self._stacks = stacks
        self._prefix = prefix
        self._role_of = role_of
        self._lint = lint
        self._following = Following(stacks, clock, QUEUE, first_look_seconds)

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
        """Has a deployment planned, once `work` is committed, and carried out unless it waits.

        Args:
            work: the unit of work that puts the deployment, as `IN_PROGRESS`, or as `PLANNING` if
                it is to wait for `carry_out`.
            item: the deployment.
            wish: its stack.
        """
        kept = asdict(wish)
        kept["capabilities"] = sorted(wish.capabilities)
        self._following.send(work, item, "plan", {"wish": kept})

    def carry_out(self, work: UnitOfWork, item: Item) -> None:
        """Has a planned deployment carried out, once `work` is committed.

        Args:
            work: the unit of work that puts the deployment, as `IN_PROGRESS`.
            item: the deployment, with its plan.
        """
        self._following.send(work, item, "prepare", {"plan": item["plan"]})

    def undo(self, work: UnitOfWork, item: Item) -> None:
        """Has a deployment's stack rolled back or removed, once `work` is committed.

        Args:
            work: the unit of work that puts the deployment, as `ROLLING_BACK` or `REMOVING`, with
                what it was in `before`.
            item: the deployment.
        """
        self._following.send(work, item, "undo", {"stackId": item["cfnStackId"]})

    def drop(self, work: UnitOfWork, item: Item) -> None:
        """Has a plan taken away that nobody will carry out, once `work` is committed.

        A stack that was only planned goes with it.

        Args:
            work: the unit of work that puts the deployment, as `CANCELLED`.
            item: the deployment. One that is still being planned has a message that sees to it.
        """
        if "plan" in item:
            self._following.send(work, item, "drop", {"plan": item["plan"]})

    async def drift(self, item: Mapping[str, Any]) -> Sequence[DriftedResource]:
        """What others changed in a deployment's stack; see `Stacks.drift`."""
        return await self._stacks.drift(item["cfnStackId"], _DRIFT_SECONDS)

    async def _handle(self, work: UnitOfWork, message: Message) -> None:
        body = message.body
        row = await work.get(DEPLOYMENT_HISTORY, body["deploymentId"], body["timestamp"])
        if row is None:
            return
        if row.item["status"] not in AT_WORK:
            if row.item["status"] == "CANCELLED":
                await self._drop(body)
            return
        if message.attempts > _PATIENCE and self._following.is_late(row):
            # Whatever fails has failed before, be it that no attempt comes to an end.
            self._refused(work, row, _TOO_SLOW)
            return
        steps = {
            "plan": self._plan,
            "prepare": self._prepare,
            "execute": self._execute,
            "follow": self._following.follow,
            "undo": self._undo,
        }
        try:
            await steps[body["step"]](work, row, body)
        except MeshplaneError as error:
            if self._following.is_late(row):
                self._refused(work, row, _TOO_SLOW)
                return
            if isinstance(error, Unavailable) or body["step"] == "follow":
                # The stack goes on, whoever may look at it: how it ends, a later look tells.
                raise
            if error.code == "STACK_CHANGING":
                raise RetryAfter(error.code, error.message, _BUSY_SECONDS) from error
            if error.code == "STACK_NOT_READY":
                error = await self._clear(body["wish"]["stack"], error)
            left = await self._left(body)
            self._refused(work, row, f"{error.code}: {error.message}{left}")

    def _refused(self, work: UnitOfWork, row: Row, reason: str) -> None:
        """Ends what could not be done. What was to be undone is what it was before."""
        status = row.item["status"]
        undoing = status in {"ROLLING_BACK", "REMOVING"}
        after = row.item["before"] if undoing else "FAILED"
        self._following.end(work, row, dict(row.item), after, reason)

    async def _clear(self, stack: str, refusal: MeshplaneError) -> MeshplaneError:
        """Has removed what is left of a stack that never came to be.

        It holds nothing, and nobody can deploy past it. What failed otherwise holds something, and
        is left for a person to look at.

        Args:
            stack: its name.
            refusal: that says that it is in the way.

        Returns:
            Why it stays in the way.

        Raises:
            RetryAfter: it is being removed.
            Unavailable: it could not be asked for.
        """
        try:
            state = await self._stacks.state(stack)
            if state is not None and state.status != "ROLLBACK_COMPLETE":
                return refusal
            if state is not None:
                await self._stacks.roll_back(state.stack_id)
        except Unavailable:
            raise
        except MeshplaneError as error:
            # Such as STACK_PROTECTED: only a person can lift that.
            return error
        raise RetryAfter(refusal.code, refusal.message, _BUSY_SECONDS)

    async def _drop(self, body: Item) -> None:
        """Takes away what a step was to carry out, unless that was begun."""
        if wish := body.get("wish"):
            await self._stacks.drop(wish["stack"], plan_name(_wish_of(wish)))
        elif (plan := body.get("plan")) and plan["plan_id"]:
            await self._stacks.drop(plan["stack_id"], plan["plan_id"])

    async def _left(self, body: Item) -> str:
        """Takes away what a step was to carry out; what there is to say where it stays.

        Raises:
            RetryAfter: it can be taken away in a while.
            Unavailable: it could not be asked for.
        """
        try:
            await self._drop(body)
        except Unavailable:
            raise
        except MeshplaneError as error:
            if error.code == "STACK_CHANGING":
                raise RetryAfter(error.code, error.message, _BUSY_SECONDS) from error
            return f" Its plan could not be taken away ({error.code})."
        return ""

    async def _cancelled(self, work: UnitOfWork, row: Row, body: Item) -> None:
        """Ends what was stopped before it was begun."""
        left = (await self._left(body)).strip()
        self._following.end(work, row, dict(row.item), "CANCELLED", left)

    async def _plan(self, work: UnitOfWork, row: Row, body: Item) -> None:
        if row.item["status"] == "CANCELLING":
            await self._cancelled(work, row, body)
            return
        wish = _wish_of(body["wish"])
        where = row.item["projectId"], row.item["environment"]
        planned_on = await last_touch(work, *where, wish.deployment_id)
        plan = await self._stacks.plan(wish)
        item = {
            **row.item,
            "plannedOn": planned_on,
            "cfnStackId": plan.stack_id,
            "changes": [asdict(each) for each in plan.changes],
            # Its changes stand beside it already.
            "plan": {**asdict(plan), "changes": []},
        }
        if row.item["status"] == "PLANNING":
            if plan.refusal:
                reason = f"{plan.refusal}{await self._left(body)}"
                self._following.end(work, row, item, "FAILED", reason)
                return
            work.put(DEPLOYMENT_HISTORY, {**item, "status": "PLANNED"}, expected=row.version)
            return
        await self._ready(work, Row(item, row.version), plan)

    async def _prepare(self, work: UnitOfWork, row: Row, body: Item) -> None:
        if row.item["status"] == "CANCELLING":
            await self._cancelled(work, row, body)
            return
        await self._ready(work, row, _plan_of(body["plan"]))

    async def _ready(self, work: UnitOfWork, row: Row, plan: Plan) -> None:
        """Has a plan carried out, if there is anything in it."""
        if not plan.executable and not plan.refusal:
            state = await self._stacks.state(plan.stack_id)
            self._following.end(work, row, with_outputs(row.item, state), "SUCCESS", "")
            return
        # What came before is known before anything is begun: its end would be taken for ours.
        since = await self._following.last_event(plan.stack_id)
        work.put(DEPLOYMENT_HISTORY, row.item, expected=row.version)
        self._following.send(work, row.item, "execute", {"plan": asdict(plan), "since": since})

    async def _execute(self, work: UnitOfWork, row: Row, body: Item) -> None:
        plan = _plan_of(body["plan"])
        if plan.refusal:
            reason = f"{plan.refusal}{await self._left(body)}"
            self._following.end(work, row, dict(row.item), "FAILED", reason)
            return
        stopped = row.item["status"] == "CANCELLING"
        if stopped and not await self._stacks.has_begun(plan):
            await self._cancelled(work, row, body)
            return
        await self._stacks.execute(plan)
        self._following.begin(work, row.item, plan.stack_id, body["since"])

    async def _undo(self, work: UnitOfWork, row: Row, body: Item) -> None:
        stack_id, status = body["stackId"], row.item["status"]
        state = await self._stacks.state(stack_id)
        if is_reached(status, state):
            self._following.end(work, row, dict(row.item), end_of(status, state), "")
            return
        since = await self._following.last_event(stack_id)
        if status == "REMOVING":
            await self._stacks.remove(stack_id)
        else:
            await self._stacks.roll_back(stack_id)
        self._following.begin(work, row.item, stack_id, since)


def _wish_of(kept: Mapping[str, Any]) -> Wish:
    return Wish(**{**kept, "capabilities": frozenset(kept["capabilities"])})


def _plan_of(kept: Mapping[str, Any]) -> Plan:
    return Plan(**{**kept, "changes": tuple(Change(**each) for each in kept["changes"])})
