"""State machines: put, read, listed, and compiled once for each revision."""

import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from meshplane.kit.clock import to_text
from meshplane.kit.errors import BaseMoved, Invalid, Missing, Stale, TooLarge
from meshplane.platform.store import ABSENT, UnitOfWork
from meshplane.platform.tables import Item, RowPage
from meshplane.workflows.asl import Machine
from meshplane.workflows.performers import Performers, unsupported
from meshplane.workflows.run_as import RunAs
from meshplane.workflows.tables import LISTING, STATE_MACHINE_REVISIONS, STATE_MACHINES

NAME = re.compile(r"[A-Za-z0-9_.-]{1,80}")
LONGEST_DEFINITION_BYTES = 1_048_576
_COMPILED_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class StateMachine:
    """A state machine at one revision.

    Args:
        name: as executions are started by it.
        revision: 1 for the first definition.
        definition: the document's text.
        created_by, created_at: who put the first revision, and when.
        updated_at: when this revision was put.
        run_as: in whose name its executions act; None: in the name of whoever starts them.
        version: of its row, for an update that must not miss another.
    """

    name: str
    revision: int
    definition: str
    created_by: str
    created_at: str
    updated_at: str
    run_as: RunAs | None
    version: int


class Machines:
    """The state machines of a mesh.

    Args:
        performers: definitions whose tasks nobody performs are refused.
    """

    def __init__(self, performers: Performers) -> None:
        self._performers = performers
        self._compiled: OrderedDict[tuple[str, int], Machine] = OrderedDict()

    async def put(
        self,
        work: UnitOfWork,
        name: str,
        definition: dict[str, Any] | str,
        *,
        created_by: str,
        now: datetime,
        run_as: RunAs | None = None,
        expected: int | None = None,
    ) -> StateMachine:
        """Puts a definition; the same again changes nothing.

        Executions under way keep the revision that they were started with.

        Args:
            work: the unit of work that it belongs to.
            name: 1 to 80 letters, digits, `_`, `-` or `.`.
            definition: an Amazon States Language document.
            created_by: who puts it, as it stands in rows: `user:ada`.
            now: the present.
            run_as: as in `StateMachine`.
            expected: the version that must be there now (`ABSENT`: none); None: any.

        Raises:
            Invalid: NAME_INVALID; or the definition has errors, each with its path;
                RESOURCE_UNSUPPORTED, nobody here performs one of its tasks.
            TooLarge: DEFINITION_TOO_LARGE, it is over 1 MiB.
            Stale: the machine has not the expected version.
        """
        check_name(name, "name")
        text = definition if isinstance(definition, str) else orjson.dumps(definition).decode()
        if len(text.encode()) > LONGEST_DEFINITION_BYTES:
            raise TooLarge(
                "DEFINITION_TOO_LARGE",
                "A definition has at most 1 MiB: move parts of it to a state machine of their own.",
                field="definition",
            )
        row = await work.get(STATE_MACHINES, name)
        old = row.item if row else {}
        same = run_as.to_json() if run_as else None
        before = await self.text(work, name, old["revision"]) if row else None
        if before != text:
            # What is there in the same words was checked when it came.
            self.check(text)
        if expected is not None and expected != (row.version if row else ABSENT):
            raise Stale(
                "STALE", "The state machine was changed meanwhile: read it again and retry."
            )
        if row and before == text and old["runAs"] == same:
            return _view(old, before, row.version)
        item = {
            "name": name,
            "revision": old.get("revision", 0) + 1,
            "createdBy": old.get("createdBy", created_by),
            "createdAt": old.get("createdAt", to_text(now)),
            "updatedAt": to_text(now),
            "runAs": same,
            "listing": LISTING,
        }
        found = row.version if row else ABSENT
        _write(work, item, text, created_by, found if expected is None else expected)
        return _view(item, text, found + 1)

    def check(self, text: str) -> Machine:
        """The compiled definition.

        Raises:
            Invalid: as in `put`.
        """
        machine = Machine(text)
        for path, resource in _resources(machine.definition, ""):
            if not self._performers.performs(resource):
                raise Invalid(
                    "RESOURCE_UNSUPPORTED", unsupported(resource), field=f"definition{path}"
                )
        return machine

    async def get(self, work: UnitOfWork, name: str) -> StateMachine:
        """The state machine at its newest revision.

        Raises:
            Missing: STATE_MACHINE_UNKNOWN.
        """
        row = await work.get(STATE_MACHINES, name)
        if row is None:
            raise _unknown()
        return _view(row.item, await self.text(work, name, row.item["revision"]), row.version)

    async def listed(self, work: UnitOfWork, limit: int, cursor: str | None = None) -> RowPage:
        """A page of the rows of `STATE_MACHINES` by name; they hold no definition."""
        return await work.query(
            STATE_MACHINES, LISTING, index="byListing", limit=limit, cursor=cursor
        )

    async def newest(self, work: UnitOfWork, name: str) -> tuple[Machine, Item]:
        """The compiled newest revision, and the row.

        Raises:
            Missing: STATE_MACHINE_UNKNOWN.
        """
        row = await work.get(STATE_MACHINES, name)
        if row is None:
            raise _unknown()
        return await self.compiled(work, name, row.item["revision"]), row.item

    async def compiled(self, work: UnitOfWork, name: str, revision: int) -> Machine:
        """The compiled definition of a revision that is there."""
        key = (name, revision)
        machine = self._compiled.get(key)
        if machine is None:
            machine = Machine(await self.text(work, name, revision))
            self._compiled[key] = machine
            if len(self._compiled) > _COMPILED_AT_ONCE:
                self._compiled.popitem(last=False)
        else:
            self._compiled.move_to_end(key)
        return machine

    async def text(self, work: UnitOfWork, name: str, revision: int) -> str:
        """The definition of a revision that is there."""
        row = await work.get(STATE_MACHINE_REVISIONS, name, revision)
        if row is None:
            raise _unknown()
        text: str = row.item["definition"]
        return text


def _write(work: UnitOfWork, item: Item, text: str, put_by: str, expected: int) -> None:
    moved = BaseMoved("STATE_MACHINE_MOVED", "Another put this state machine meanwhile: try again.")
    work.put(STATE_MACHINES, item, expected=expected, otherwise=moved)
    revision = {
        "name": item["name"],
        "revision": item["revision"],
        "definition": text,
        "putBy": put_by,
        "putAt": item["updatedAt"],
    }
    work.put(STATE_MACHINE_REVISIONS, revision, expected=ABSENT, otherwise=moved)


def check_name(name: str, field: str) -> None:
    """Refuses what is no name of a state machine or an execution.

    Raises:
        Invalid: NAME_INVALID.
    """
    if not NAME.fullmatch(name):
        raise Invalid(
            "NAME_INVALID",
            "A name has 1 to 80 characters: letters, digits, underscore, hyphen or dot.",
            field=field,
        )


def _resources(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every task's resource in a definition that was validated, with its JSON pointer."""
    states = value.get("States", {}) if isinstance(value, dict) else {}
    for name, state in states.items():
        here = f"{path}/States/{name}"
        if state["Type"] == "Task":
            yield f"{here}/Resource", state["Resource"]
        for number, branch in enumerate(state.get("Branches", ())):
            yield from _resources(branch, f"{here}/Branches/{number}")
        for processor in ("ItemProcessor", "Iterator"):
            if processor in state:
                yield from _resources(state[processor], f"{here}/{processor}")


def _unknown() -> Missing:
    return Missing(
        "STATE_MACHINE_UNKNOWN",
        "There is no state machine of this name: list them, or put it first.",
        field="stateMachine",
    )


def _view(item: Item, definition: str, version: int) -> StateMachine:
    return StateMachine(
        item["name"],
        item["revision"],
        definition,
        item["createdBy"],
        item["createdAt"],
        item["updatedAt"],
        RunAs.from_json(item["runAs"]) if item["runAs"] else None,
        version,
    )
