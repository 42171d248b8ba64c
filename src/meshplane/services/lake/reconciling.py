"""Makes the lake what was granted: a plan, carried out in batches that may die anywhere.

Each batch decides anew: a grant that ended since the plan is taken away and not put, an entry that
somebody changed since is left for the next plan. A batch and the place behind it are one commit
with the message that asked for it, so a process that dies leaves the message, and whoever takes it
next goes on from there.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from meshplane.boundary.actor import Actor, service_actor
from meshplane.boundary.call import Call
from meshplane.events.lake import LakeExcessAdopted, LakeGrantFailed, LakeReconciled
from meshplane.events.queues import Message, QueueHandler, send
from meshplane.kit.clock import Clock, to_text
from meshplane.kit.errors import BaseMoved, MeshplaneError, Unavailable
from meshplane.platform.store import ABSENT, UnitOfWork
from meshplane.services.lake.adopting import Adopting
from meshplane.services.lake.entries import described
from meshplane.services.lake.keeping import Keeping, Outcome
from meshplane.services.lake.looking import Looking
from meshplane.services.lake.policies import Step
from meshplane.services.lake.ports import MOST_CHANGES, LakeChange, LakeGrants
from meshplane.services.lake.store import ALL, RECONCILIATION_BATCHES, RECONCILIATIONS

QUEUE = "lake-reconciliations"
RUNNING, COMPLETED = "RUNNING", "COMPLETED"
MOST_FAILURES_TOLD = 200

_PATIENCE = 5
"""How often a batch is tried while the lake does not answer, before it is given up as failed."""

_COUNTS = ("repaired", "removed", "adopted", "reported", "skipped", "failed")


class Reconciling:
    """Carries out what is to be done about drift.

    Args:
        lake: the lake.
        looking: tells what differs now.
        keeping: carries grants into the lake.
        adopting: makes grants of excess.
        clock: the present.
    """

    def __init__(
        self,
        lake: LakeGrants,
        looking: Looking,
        keeping: Keeping,
        adopting: Adopting,
        clock: Clock,
    ) -> None:
        self._lake = lake
        self._looking = looking
        self._keeping = keeping
        self._adopting = adopting
        self._clock = clock

    @property
    def queues(self) -> tuple[QueueHandler, ...]:
        """What works off the batches, one at a time for each reconciliation."""
        return (QueueHandler(QUEUE, self.run_batch, exclusive=True, concurrency=2),)

    def begin(
        self, call: Call, steps: Sequence[Step], domain_id: str | None, trigger: str
    ) -> dict[str, Any]:
        """Begins to carry out a plan, in the commit of the call; the row of the reconciliation."""
        item: dict[str, Any] = {
            "reconciliationId": call.new_id("reconcile"),
            "listing": ALL,
            "domainId": domain_id,
            "trigger": trigger,
            "status": RUNNING,
            "startedBy": call.actor.on_behalf_of or call.actor.name,
            "startedAt": call.now,
            "completedAt": None,
            "total": len(steps),
            "done": 0,
            "nextBatch": 0,
            "failures": [],
            **dict.fromkeys(_COUNTS, 0),
        }
        name = item["reconciliationId"]
        for number, begin in enumerate(range(0, len(steps), MOST_CHANGES)):
            batch = [step.to_json() for step in steps[begin : begin + MOST_CHANGES]]
            row = {"reconciliationId": name, "number": number, "steps": batch}
            call.work.put(RECONCILIATION_BATCHES, row, expected=ABSENT)
        call.work.put(RECONCILIATIONS, item, expected=ABSENT)
        _send(call.work, name, 0, self._clock.now())
        return item

    async def run_batch(self, work: UnitOfWork, message: Message) -> None:
        """Does one batch, and asks for the next; see `QueueHandler.handle`."""
        name, number = message.body["reconciliationId"], message.body["number"]
        row = await work.get(RECONCILIATIONS, name)
        if row is None or row.item["status"] != RUNNING or row.item["nextBatch"] != number:
            return  # it was done before
        item = {**row.item, "failures": list(row.item["failures"])}
        batch = await work.get(RECONCILIATION_BATCHES, name, number)
        if batch is not None:
            steps = [Step.from_json(step) for step in batch.item["steps"]]
            actor = service_actor("lake", item["startedBy"])
            try:
                await self._carry_out(work, actor, steps, item)
            except Unavailable as error:
                if message.attempts < _PATIENCE:
                    raise
                for step in steps:
                    _fail(item, step.key, error.code, error.message)
            item["done"] += len(steps)
            item["nextBatch"] = number + 1
        if item["done"] >= item["total"]:
            self._complete(work, item)
        else:
            _send(work, name, number + 1, self._clock.now())
        moved = BaseMoved("RECONCILIATION_MOVED", "Another process carries it out as well.")
        work.put(RECONCILIATIONS, item, expected=row.version, otherwise=moved)

    async def _carry_out(
        self, work: UnitOfWork, actor: Actor, steps: Sequence[Step], item: dict[str, Any]
    ) -> None:
        # Counted apart: what is tried again must not count what was counted before it failed.
        tally: dict[str, Any] = {"failures": [], **dict.fromkeys(_COUNTS, 0)}
        puts = [step for step in steps if step.action == "put" and step.grant_id is not None]
        await self._put(work, actor, puts, tally)
        await self._remove(actor, [step for step in steps if step.action == "remove"], tally)
        for step in steps:
            if step.action == "adopt":
                await self._adopt(work, actor, step, tally)
            elif step.action == "report":
                tally["reported"] += 1
        for name in _COUNTS:
            item[name] += tally[name]
        item["failures"] = (item["failures"] + tally["failures"])[:MOST_FAILURES_TOLD]

    async def _put(
        self, work: UnitOfWork, actor: Actor, steps: Sequence[Step], tally: dict[str, Any]
    ) -> None:
        keys = {step.grant_id: step.key for step in steps if step.grant_id is not None}
        for outcome in await self._keeping.ensure(actor, keys):
            if outcome.state == "applied":
                tally["repaired"] += 1
            elif outcome.state == "ended":
                tally["skipped"] += 1
            else:
                _fail(tally, keys[outcome.grant_id], outcome.code, outcome.reason or "")
                tell_failure(work, outcome, to_text(self._clock.now()))

    async def _remove(self, actor: Actor, steps: Sequence[Step], tally: dict[str, Any]) -> None:
        changes: list[LakeChange] = []
        for step in steps:
            found = await self._lake.find(step.key)
            if found is None:
                tally["removed"] += 1
                continue
            now = await self._looking.again(actor, step.key)
            if now is None or now.kind != "excess" or found.revision != step.revision:
                tally["skipped"] += 1  # somebody granted it, or changed it: it is another matter
            else:
                changes.append(LakeChange("remove", found, unchanged=True))
        failures = {one.key: one for one in await self._lake.apply(changes)} if changes else {}
        for one in failures.values():
            _fail(tally, one.key, one.code, one.reason)
        gone = [each.entry.key for each in changes if each.entry.key not in failures]
        tally["removed"] += len(gone)
        await self._put_back(actor, gone)

    async def _put_back(self, actor: Actor, keys: Sequence[str]) -> None:
        """Puts back what somebody granted while it was being removed."""
        nothing = []
        for key in keys:
            now = await self._looking.again(actor, key)
            if now is not None and now.wanted is not None:
                await self._keeping.ensure(actor, [now.wanted.grant_id])
            else:
                nothing.append(key)
        await self._keeping.forget(nothing)

    async def _adopt(
        self, work: UnitOfWork, actor: Actor, step: Step, tally: dict[str, Any]
    ) -> None:
        found = await self._lake.find(step.key)
        if found is None or found.revision != step.revision:
            tally["skipped"] += 1
            return
        if await self._looking.has_ended(found.principal, step.domain_id):
            tally["reported"] += 1  # a right of its principal was revoked since the plan
            return
        now = to_text(self._clock.now())
        try:
            grant = await self._adopting.adopt(actor, found, step.domain_id, now)
        except Unavailable:
            raise
        except MeshplaneError as error:
            _fail(tally, step.key, error.code, error.message)
            return
        await self._keeping.ensure(actor, [grant.grant_id])
        tally["adopted"] += 1
        work.emit(
            LakeExcessAdopted(
                grant_id=grant.grant_id,
                principal=grant.principal,
                resource=described(found.resource),
                made_by=found.made_by,
                adopted_at=now,
            ).event()
        )

    def _complete(self, work: UnitOfWork, item: dict[str, Any]) -> None:
        item["status"], item["completedAt"] = COMPLETED, to_text(self._clock.now())
        work.emit(
            LakeReconciled(
                reconciliation_id=item["reconciliationId"],
                domain_id=item["domainId"],
                repaired=item["repaired"],
                removed=item["removed"],
                adopted=item["adopted"],
                reported=item["reported"],
                failed=item["failed"],
                completed_at=item["completedAt"],
            ).event()
        )


def tell_failure(work: UnitOfWork, outcome: Outcome, now: str) -> None:
    """Tells that the lake does not hold a grant, in the commit of `work`."""
    work.emit(
        LakeGrantFailed(
            grant_id=outcome.grant_id,
            principal=outcome.principal,
            code=outcome.code,
            reason=outcome.reason or "",
            failed_at=now,
        ).event()
    )


def _fail(item: dict[str, Any], key: str, code: str, reason: str) -> None:
    item["failed"] += 1
    if len(item["failures"]) < MOST_FAILURES_TOLD:
        item["failures"].append({"key": key, "code": code, "reason": reason})


def _send(work: UnitOfWork, name: str, number: int, now: datetime) -> None:
    body = {"reconciliationId": name, "number": number}
    send(work, QUEUE, body, message_id=f"{name}-{number}", now=now)
