"""The state machines of the store, as they are on Step Functions.

The store stays what counts. A machine is put on AWS before the first start of its newest revision,
and the product's own at every start of the mesh; a row notes which revision AWS has, so that a
start costs one read of it.
"""

import json

from meshplane.kit.errors import Invalid
from meshplane.platform.store import Store
from meshplane.workflows.aws import StepFunctionsMachines
from meshplane.workflows.aws_tables import AWS_MACHINES
from meshplane.workflows.built_in import definition_texts
from meshplane.workflows.machines import Machines

_PAGE = 200


class MachineProjection:
    """Puts the store's state machines on Step Functions.

    Args:
        store: holds them, and what AWS has of them.
        machines: reads them.
        on_aws: puts them.
    """

    def __init__(self, store: Store, machines: Machines, on_aws: StepFunctionsMachines) -> None:
        self._store = store
        self._machines = machines
        self._on_aws = on_aws

    async def ensure(self, name: str) -> None:
        """Makes Step Functions have the newest revision of a machine.

        Raises:
            Missing: STATE_MACHINE_UNKNOWN, the store has none of this name.
            Invalid: DEFINITION_NOT_FOR_AWS, DEFINITION_REFUSED.
        """
        work = self._store.begin()
        machine = await self._machines.get(work, name)
        row = await work.get(AWS_MACHINES, name)
        if row is not None and row.item["revision"] == machine.revision:
            return
        await self._put(name, machine.revision, machine.definition)

    async def ensure_all(self) -> dict[str, str]:
        """Puts every machine of the store, looked at on AWS itself; the errors' codes by name."""
        refused: dict[str, str] = {}
        for name in await self._names():
            machine = await self._machines.get(self._store.begin(), name)
            try:
                await self._put(name, machine.revision, machine.definition)
            except Invalid as error:
                # The others are put all the same; nobody can start this one on AWS.
                refused[name] = error.code
        return refused

    async def drift(self) -> dict[str, str]:
        """Which machines AWS has otherwise, and how; `excess` for one that the store lacks."""
        found: dict[str, str] = {}
        names = await self._names()
        for name in names:
            machine = await self._machines.get(self._store.begin(), name)
            definition = json.loads(machine.definition)
            built_in = name in definition_texts()
            found |= await self._on_aws.drift({name: definition}, built_in=built_in)
        there = await self._on_aws.listed()
        return found | dict.fromkeys(sorted(set(there) - set(names)), "excess")

    async def _put(self, name: str, revision: int, text: str) -> None:
        definition = json.loads(text)
        put = await self._on_aws.put(name, definition, built_in=name in definition_texts())
        work = self._store.begin()
        work.put(AWS_MACHINES, {"name": name, "revision": revision, "arn": put.arn})
        await work.commit()

    async def _names(self) -> list[str]:
        found: list[str] = []
        cursor = None
        while True:
            page = await self._machines.listed(self._store.begin(), _PAGE, cursor)
            found += [row.item["name"] for row in page.rows]
            cursor = page.cursor
            if cursor is None:
                return found
