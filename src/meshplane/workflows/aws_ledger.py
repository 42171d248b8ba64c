"""The ledger: in whose name each execution on Step Functions acts.

Step Functions does not know the mesh's people. Whoever has the mesh start an execution is noted
here in the same commit, under the execution's name; the worker that gets a task's message looks him
up by the execution's ARN. An execution that is not noted was started beside the mesh: those of the
product's own machines, which a rule of the product's may start directly, act as the mesh itself;
of any other, nothing is done.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from meshplane.platform.store import Store, UnitOfWork
from meshplane.workflows.arns import execution_id
from meshplane.workflows.aws_definitions import WorkflowPlaces
from meshplane.workflows.aws_tables import AWS_EXECUTIONS
from meshplane.workflows.run_as import WORKFLOWS_SERVICE, RunAs
from meshplane.workflows.tables import LISTING, PART_KEPT_SECONDS


@dataclass(frozen=True, slots=True)
class Started:
    """An execution that may act.

    Args:
        execution_id: `machine:name`.
        machine: the name of its state machine, without the mesh's prefix.
        name: its own.
        run_as: in whose name it acts.
        hops: how many rules and workflows led to it.
    """

    execution_id: str
    machine: str
    name: str
    run_as: RunAs
    hops: int


class ExecutionLedger:
    """Notes executions, and looks them up.

    Args:
        store: holds the notes.
        places: tells whose ARNs are the mesh's.
        built_in: the names of the product's own machines.
    """

    def __init__(self, store: Store, places: WorkflowPlaces, built_in: Collection[str]) -> None:
        self._store = store
        self._places = places
        self._built_in = frozenset(built_in)

    def note(
        self,
        work: UnitOfWork,
        started: Started,
        *,
        now_text: str,
        now_epoch_seconds: float,
        given: Any,
        expected: int | None = None,
    ) -> None:
        """Notes an execution that is about to be started, in the commit of `work`.

        Args:
            work: the unit of work.
            started: the execution.
            now_text: the present, RFC 3339.
            now_epoch_seconds: the same.
            given: a digest of its input.
            expected: as in `UnitOfWork.put`.
        """
        item = {
            "executionId": started.execution_id,
            "machine": started.machine,
            "name": started.name,
            "runAs": started.run_as.to_json(),
            "hops": started.hops,
            "input": given,
            "startedAt": now_text,
            "listing": LISTING,
            "expires": int(now_epoch_seconds) + PART_KEPT_SECONDS,
        }
        work.put(AWS_EXECUTIONS, item, expected=expected)

    async def of(self, work: UnitOfWork, machine: str, name: str) -> Started | None:
        """The execution of that machine and name, if it may act."""
        row = await work.get(AWS_EXECUTIONS, execution_id(machine, name))
        if row is not None:
            item = row.item
            run_as = RunAs.from_json(item["runAs"])
            return Started(item["executionId"], machine, name, run_as, item["hops"])
        if machine in self._built_in:
            return Started(execution_id(machine, name), machine, name, WORKFLOWS_SERVICE, 0)
        return None

    async def by_arn(self, arn: str) -> Started | None:
        """The execution with that ARN, if it is one of this mesh's and may act."""
        found = self._places.execution_of(arn)
        return None if found is None else await self.of(self._store.begin(), *found)
