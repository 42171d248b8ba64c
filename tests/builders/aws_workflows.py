"""Workflows on Step Functions in the sandbox: queues, machines, worker, ledger, approvals."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from meshplane.boundary.idempotency import IDEMPOTENCY_KEYS
from meshplane.events.aws_queues import SqsReader
from meshplane.events.queue_worker import QueueWorker
from meshplane.events.queues import DEAD_LETTERS, MESSAGES
from meshplane.kit.clock import SystemClock
from meshplane.kit.ids import id_maker, random_hex
from meshplane.platform.aws.calls import Aws
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.services.workflows.approval_requests import ApprovalRequests
from meshplane.services.workflows.approval_store import APPROVAL_STEPS
from meshplane.services.workflows.aws_parts import (
    DEAD_LETTER_QUEUE,
    StepFunctionsParts,
    ensure_places,
)
from meshplane.services.workflows.decisions import DECISIONS, Decisions
from meshplane.workflows.aws_commands import ExecutionCommands
from meshplane.workflows.aws_definitions import WorkflowPlaces
from meshplane.workflows.aws_executions import AwsExecution
from meshplane.workflows.aws_tables import AWS_EXECUTIONS, AWS_MACHINES, AWS_TASK_TOKENS
from meshplane.workflows.engine import Workflows
from meshplane.workflows.operation_tasks import OperationTasks
from meshplane.workflows.queue_names import TASKS
from meshplane.workflows.run_as import RunAs
from meshplane.workflows.tables import WORKFLOW_TABLES
from tests.builders.aws_sandbox import aws_of, sandbox_in
from tests.builders.workflow_service import ScriptedPlatform

TABLES = (
    *WORKFLOW_TABLES,
    IDEMPOTENCY_KEYS,
    MESSAGES,
    DEAD_LETTERS,
    AWS_MACHINES,
    AWS_EXECUTIONS,
    AWS_TASK_TOKENS,
    APPROVAL_STEPS,
    DECISIONS,
)
TOPICS = ("project", "asset", "subscription", "promotion", "share")
ADA = RunAs("ada@aviation", ("aviation-stewards",))
_LONGEST_WAIT_SECONDS = 15.0


class AwsWorld:
    """All that runs workflows on AWS, in one process.

    Attributes:
        aws, places, store: what it stands on.
        platform: the operations that a test answers itself.
        machines, executions, ledger, commands, answers, approvals: the parts.
    """

    def __init__(
        self, aws: Aws, folder: Path, places: WorkflowPlaces, *, from_store: bool = False
    ) -> None:
        clock = SystemClock()
        self.aws, self.places = aws, places
        self.store = SqliteStore(folder / "meshplane.db", TABLES, clock, id_maker(clock))
        self.platform = ScriptedPlatform()
        self.engine = Workflows(
            self.store, {"meshplane": OperationTasks(self.platform)}, id_maker(clock)
        )
        self.parts = StepFunctionsParts(
            self.store,
            aws,
            places,
            engine=self.engine,
            api=self.platform,
            clock=clock,
            poll_seconds=1,
            heartbeat_seconds=0.3,
        )
        self.machines, self.executions = self.parts.machines, self.parts.executions
        self.ledger, self.tokens = self.parts.ledger, self.parts.tokens
        self.task_worker, self.answers = self.parts.worker, self.parts.answers
        self._readers = self.parts.readers
        # Machines that a test puts on AWS itself are in no store.
        self.commands = ExecutionCommands(self.executions, self.ledger, clock)
        self.approvals = ApprovalRequests(clock, self.answers)
        self.decisions = Decisions(self.answers, clock)
        self.last_name = ""
        handlers = (
            *(self.parts.commands if from_store else self.commands).queues,
            *self.answers.queues,
            *self.approvals.queues,
            *self.decisions.queues,
        )
        self._worker = QueueWorker(self.store, handlers, clock, poll_seconds=0.05)

    def reader(self, queue: str, handle: Any, **more: Any) -> SqsReader:
        """A reader of one of the queues."""
        return SqsReader(self.aws, self.places.queue_urls[queue], handle, poll_seconds=1, **more)

    def open(self) -> None:
        """Begins to work."""
        self._worker.start()
        for reader in self._readers.values():
            reader.start()

    async def close(self) -> None:
        """Ends."""
        await self.close_readers()
        await self._worker.stop()
        await self.store.close()

    async def close_readers(self, *queues: str) -> None:
        """Nobody reads these queues of SQS any more; without names, none."""
        names = queues or tuple(self._readers)
        await asyncio.gather(*(self._readers.pop(name).stop() for name in names))

    def new_name(self) -> str:
        """A name for an execution that no other has."""
        self.last_name = f"run-{random_hex(12)}"
        return self.last_name

    @property
    def dead_letter_url(self) -> str:
        """The URL of the dead-letter queue."""
        return self.places.queue_urls[TASKS].removesuffix(TASKS) + DEAD_LETTER_QUEUE

    async def start(
        self, machine: str, given: Any = None, *, name: str, run_as: RunAs = ADA
    ) -> None:
        """Has an execution started."""
        work = self.store.begin()
        await self.commands.start(
            work, machine, {} if given is None else given, run_as=run_as, name=name
        )
        await work.commit()

    async def end_of(self, machine: str, name: str) -> AwsExecution:
        """An execution when it has ended."""
        async with asyncio.timeout(_LONGEST_WAIT_SECONDS):
            while True:
                found = await self.look(machine, name)
                if found is not None and found.status != "RUNNING":
                    return found
                await asyncio.sleep(0.05)

    async def look(self, machine: str, name: str) -> AwsExecution | None:
        """An execution as it is; None before Step Functions knows it."""
        from meshplane.kit.errors import Missing

        try:
            return await self.executions.describe(machine, name)
        except Missing:
            return None

    async def received(self, queue_url: str) -> list[str]:
        """The bodies of what a queue shows now."""
        answer = await self.aws.call(
            "sqs", "receive_message", QueueUrl=queue_url, MaxNumberOfMessages=10
        )
        return [message["Body"] for message in answer.get("Messages", ())]


@asynccontextmanager
async def aws_world(aws: Aws, folder: Path, *, from_store: bool = False) -> AsyncIterator[AwsWorld]:
    """A world that runs; `from_store`: state machines come from the store, as in a mesh."""
    role = f"arn:aws:iam::{aws.place.account}:role/workflows"
    places = await ensure_places(aws, role_arn=role, author_role_arn=f"{role}-of-people")
    world = AwsWorld(aws, folder, places, from_store=from_store)
    world.open()
    try:
        yield world
    finally:
        await world.close()


@contextmanager
def aws_in_sandbox(**place: Any) -> Iterator[Aws]:
    """AWS on a sandbox of its own; `place`: of `AwsPlace`."""
    with sandbox_in() as sandbox:
        aws = aws_of(sandbox, **place)
        try:
            yield aws
        finally:
            aws.close()
