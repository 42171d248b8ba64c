"""Stacks on this machine: what they would hold is recorded, and nothing is made of it.

Whatever is carried out has ended at once, and well.
"""

import asyncio
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict
from datetime import datetime
from typing import Any, TypeVar

from meshplane.kit.clock import Clock
from meshplane.kit.errors import Conflict, Invalid, Missing, Stale, Unavailable
from meshplane.platform.store import ABSENT, Store
from meshplane.services.blueprints.local_contents import (
    Contents,
    changes_between,
    contents_of,
    physical_id,
)
from meshplane.services.blueprints.ports import (
    Change,
    DriftedResource,
    Plan,
    StackEvent,
    StackState,
    Wish,
)
from meshplane.services.blueprints.store import LOCAL_STACKS
from meshplane.services.blueprints.wish_checks import accepted, plan_name

_ID = "local:stack/"
_MOST_PLANS = 20
_MOST_EVENTS = 1_000
_MOST_TRIES = 10
_STACK = "Meshplane::Local::Stack"

Item = dict[str, Any]
T = TypeVar("T")


class LocalStacks:
    """`Stacks` as rows of the store.

    Args:
        store: where they are kept.
        clock: dates events.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def plan(self, wish: Wish) -> Plan:
        """See `Stacks.plan`."""
        document = await asyncio.to_thread(accepted, wish)
        wanted = await asyncio.to_thread(contents_of, wish, document)
        name = plan_name(wish)

        def planned(found: Item | None, generation: int) -> tuple[Item | None, Plan]:
            if found is not None and name in found["plans"]:
                return None, _plan_of(found, name)
            held = _contents(found)
            if found is not None and held == wanted:
                return None, Plan("", wish.stack, found["stackId"], wish.deployment_id, (), False)
            item = found if found is not None else self._reviewed(wish.stack, generation)
            item["plans"][name] = {
                "deploymentId": wish.deployment_id,
                "contents": asdict(wanted),
                "changes": [asdict(each) for each in changes_between(wish.stack, held, wanted)],
                "started": False,
            }
            for old in list(item["plans"])[:-_MOST_PLANS]:
                del item["plans"][old]
            return item, _plan_of(item, name)

        return await self._change(wish.stack, planned)

    async def execute(self, plan: Plan) -> None:
        """See `Stacks.execute`."""
        if not plan.executable:
            return

        def executed(found: Item | None, _generation: int) -> tuple[Item | None, None]:
            if found is None or found["stackId"] != plan.stack_id:
                raise _outdated()
            kept = found["plans"].get(plan.plan_id)
            if kept is None:
                raise _outdated()
            if kept["started"]:
                return None, None
            act = "CREATE" if found["contents"] is None else "UPDATE"
            self._tell(found, f"{act}_IN_PROGRESS")
            for change in kept["changes"]:
                self._tell_change(found, change)
            self._tell(found, f"{act}_COMPLETE")
            found["contents"] = kept["contents"]
            # The others were made for what the stack no longer is.
            found["plans"] = {plan.plan_id: {**kept, "started": True}}
            return found, None

        await self._change(plan.stack, executed)

    async def has_begun(self, plan: Plan) -> bool:
        """See `Stacks.has_begun`."""
        found, _ = await self._read(plan.stack_id)
        kept = None if found is None else found["plans"].get(plan.plan_id)
        return bool(kept and kept["started"])

    async def drop(self, stack: str, plan: str) -> None:
        """See `Stacks.drop`."""
        name = _name_of(stack) if stack.startswith(_ID) else stack

        def dropped(found: Item | None, _generation: int) -> tuple[Item | None, None]:
            if found is None or found["plans"].get(plan, {"started": True})["started"]:
                return None, None
            if stack not in (name, found["stackId"]):
                return None, None
            del found["plans"][plan]
            if found["status"] == "REVIEW_IN_PROGRESS" and not found["plans"]:
                self._tell_removed(found)
            return found, None

        await self._change(name, dropped)

    async def state(self, stack: str) -> StackState | None:
        """See `Stacks.state`."""
        found, _ = await self._read(stack)
        if found is None or (found["status"] == "DELETE_COMPLETE" and not stack.startswith(_ID)):
            return None
        contents = _contents(found)
        outputs = {} if contents is None else contents.outputs
        return StackState(found["stackId"], found["stack"], found["status"], "", outputs)

    async def events(self, stack_id: str, after: str | None = None) -> Sequence[StackEvent]:
        """See `Stacks.events`."""
        found, _ = await self._read(stack_id)
        events = [] if found is None else [_event_of(each) for each in found["events"]]
        known = [place for place, each in enumerate(events) if each.event_id == after]
        return events[known[0] + 1 :] if known else events

    async def drift(
        self, stack_id: str, deadline_seconds: float = 300.0
    ) -> Sequence[DriftedResource]:
        """See `Stacks.drift`. What is only recorded cannot be changed past its stack."""
        await self._demand(stack_id)
        return ()

    async def cancel(self, stack_id: str) -> None:
        """See `Stacks.cancel`."""
        found = await self._demand(stack_id)
        if found["status"] != "REVIEW_IN_PROGRESS":
            raise Conflict("STACK_NOT_CHANGING", "Nothing goes on in the stack: it ended already.")
        await self.remove(found["stackId"])

    async def roll_back(self, stack_id: str) -> None:
        """See `Stacks.roll_back`. What is only recorded does not fail."""
        await self._demand(stack_id)
        raise Conflict("STACK_NOT_FAILED", "The stack did not fail: there is nothing to roll back.")

    async def remove(self, stack_id: str) -> None:
        """See `Stacks.remove`."""
        if not stack_id.startswith(_ID):
            raise Invalid(
                "STACK_ID_INVALID", "A stack is removed by its id, not its name.", field="stackId"
            )

        def removed(found: Item | None, _generation: int) -> tuple[Item | None, None]:
            if found is None or found["stackId"] != stack_id:
                return None, None
            self._tell_removed(found)
            return {**found, "contents": None, "plans": {}}, None

        await self._change(_name_of(stack_id), removed)

    async def _demand(self, stack_id: str) -> Item:
        found, _ = await self._read(stack_id)
        if found is None or found["status"] == "DELETE_COMPLETE":
            raise Missing("STACK_NOT_FOUND", "There is no such stack.", field="stackId")
        return found

    async def _read(self, stack: str) -> tuple[Item | None, int]:
        """A stack by its id, or the latest of a name, and the version of its row."""
        work = self._store.begin()
        if stack.startswith(_ID):
            row = await work.get(LOCAL_STACKS, _name_of(stack), stack.rpartition("/")[2])
        else:
            page = await work.query(LOCAL_STACKS, stack, limit=1, descending=True)
            row = page.rows[0] if page.rows else None
        return (None, ABSENT) if row is None else (deepcopy(row.item), row.version)

    async def _change(
        self, name: str, how: Callable[[Item | None, int], tuple[Item | None, T]]
    ) -> T:
        """Reads, decides, writes as one; `how` gets the stack and the generation of a new one."""
        for _ in range(_MOST_TRIES):
            found, version = await self._read(name)
            generation = 1 if found is None else int(found["generation"])
            if found is not None and found["status"] == "DELETE_COMPLETE":
                found, version, generation = None, ABSENT, generation + 1
            item, answer = how(found, generation)
            if item is None:
                return answer
            work = self._store.begin()
            work.put(LOCAL_STACKS, item, expected=version)
            try:
                await work.commit()
            except Stale:
                continue
            return answer
        raise Unavailable("STACK_BUSY", "Others change the stack at this moment: try again.")

    def _reviewed(self, name: str, generation: int) -> Item:
        number = f"{generation:08}"
        item: Item = {
            "stack": name,
            "generation": number,
            "stackId": f"{_ID}{name}/{number}",
            "contents": None,
            "plans": {},
            "events": [],
            "told": 0,
        }
        self._tell(item, "REVIEW_IN_PROGRESS")
        return item

    def _tell_removed(self, item: Item) -> None:
        self._tell(item, "DELETE_IN_PROGRESS")
        self._tell(item, "DELETE_COMPLETE")

    def _tell(self, item: Item, status: str) -> None:
        """Notes what the stack came to."""
        item["status"] = status
        self._note(item, item["stack"], item["stackId"], _STACK, status)

    def _tell_change(self, item: Item, change: dict[str, Any]) -> None:
        done = {"Add": "CREATE_COMPLETE", "Remove": "DELETE_COMPLETE"}
        status = done.get(change["action"], "UPDATE_COMPLETE")
        name = change["logical_id"]
        self._note(item, name, physical_id(item["stack"], name), change["resource_type"], status)

    def _note(self, item: Item, name: str, physical: str, kind: str, status: str) -> None:
        item["told"] += 1
        event = {
            "eventId": f"{item['stackId']}/{item['told']:08}",
            "at": self._clock.now().isoformat(),
            "logicalId": name,
            "physicalId": physical,
            "type": kind,
            "status": status,
        }
        item["events"] = [*item["events"], event][-_MOST_EVENTS:]


def _name_of(stack_id: str) -> str:
    return stack_id.removeprefix(_ID).rpartition("/")[0]


def _contents(item: Item | None) -> Contents | None:
    kept = None if item is None else item["contents"]
    if kept is None:
        return None
    resources = {name: (kind, digest) for name, (kind, digest) in kept["resources"].items()}
    return Contents(resources, kept["outputs"], kept["rest"])


def _plan_of(item: Item, name: str) -> Plan:
    kept = item["plans"][name]
    changes = tuple(Change(**each) for each in kept["changes"])
    return Plan(name, item["stack"], item["stackId"], kept["deploymentId"], changes, True)


def _event_of(kept: dict[str, Any]) -> StackEvent:
    return StackEvent(
        kept["eventId"],
        datetime.fromisoformat(kept["at"]),
        kept["logicalId"],
        kept["physicalId"],
        kept["type"],
        kept["status"],
        "",
    )


def _outdated() -> Stale:
    return Stale("PLAN_OUTDATED", "The stack was changed since it was planned: plan again.")
