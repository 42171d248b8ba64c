"""Use cases of state machines."""

import asyncio
from typing import Any

import orjson

from meshplane.boundary.call import Call
from meshplane.boundary.schemas import Page, PageQuery
from meshplane.kit.errors import Conflict
from meshplane.policy.model import MESH
from meshplane.services.workflows.schemas import (
    NewDefinition,
    ProblemView,
    StateMachineView,
    ValidationView,
)
from meshplane.workflows.asl import validate
from meshplane.workflows.built_in import definition_texts
from meshplane.workflows.engine import Workflows
from meshplane.workflows.machines import StateMachine


class StateMachines:
    """Puts, checks and shows state machines.

    Args:
        engine: holds them.
    """

    def __init__(self, engine: Workflows) -> None:
        self._engine = engine

    async def put(self, call: Call, name: str, body: NewDefinition) -> StateMachineView:
        """Puts a definition; executions under way keep the one that they were started with.

        Raises:
            Invalid: DEFINITION_INVALID with each error's place; NAME_INVALID;
                RESOURCE_UNSUPPORTED.
            Conflict: BUILT_IN, the name is one of the platform's own.
        """
        await call.allow(MESH)
        call.resource = f"StateMachine:{name}"
        if name in definition_texts():
            raise Conflict(
                "BUILT_IN",
                "This state machine comes with the platform: put yours under another name.",
                field="name",
            )
        machine = await self._engine.put_machine(
            call.work, name, body.definition, created_by=call.actor.name
        )
        call.note(revision=machine.revision)
        return await asyncio.to_thread(_view, machine)

    async def get(self, call: Call, name: str) -> StateMachineView:
        """The state machine of that name."""
        await call.allow(MESH)
        machine = await self._engine.machines.get(call.work, name)
        return await asyncio.to_thread(_view, machine)

    async def list(self, call: Call, query: PageQuery) -> Page[StateMachineView]:
        """State machines by name, without their definitions."""
        await call.allow(MESH)
        page = await self._engine.machines.listed(call.work, query.limit, query.cursor)
        items = [
            StateMachineView(
                name=row.item["name"],
                revision=row.item["revision"],
                definition=None,
                built_in=row.item["name"] in definition_texts(),
                created_by=row.item["createdBy"],
                created_at=row.item["createdAt"],
                updated_at=row.item["updatedAt"],
                problems=[],
                version=row.version,
            )
            for row in page.rows
        ]
        return Page[StateMachineView](items=items, next_cursor=page.cursor)

    async def validate(self, call: Call, body: NewDefinition) -> ValidationView:
        """What is wrong with a definition, and what is a trap in it."""
        await call.allow(MESH)
        # Beside the event loop: a definition of a megabyte takes seconds.
        problems = await asyncio.to_thread(_problems, body.definition)
        return ValidationView(
            valid=not any(problem.severity == "ERROR" for problem in problems), problems=problems
        )


def _view(machine: StateMachine) -> StateMachineView:
    definition = orjson.loads(machine.definition)
    return StateMachineView(
        name=machine.name,
        revision=machine.revision,
        definition=definition,
        built_in=machine.name in definition_texts(),
        created_by=machine.created_by,
        created_at=machine.created_at,
        updated_at=machine.updated_at,
        problems=_problems(definition),
        version=machine.version,
    )


def _problems(definition: dict[str, Any]) -> list[ProblemView]:
    return [
        ProblemView(
            severity="ERROR" if problem.severity == "ERROR" else "WARNING",
            code=problem.code,
            path=problem.path,
            message=problem.message,
        )
        for problem in validate(definition)
    ]
