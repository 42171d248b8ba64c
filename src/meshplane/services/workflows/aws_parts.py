"""Workflows on AWS as one part: what a process of the mesh runs in place of its engine.

The engine itself keeps the state machines, as the store has them on AWS too, and runs nothing here.
Executions, tasks and tokens are Step Functions'; approvals and decisions stay as they are.
"""

import asyncio
from collections.abc import Mapping, Sequence

from meshplane.boundary.platform_api import PlatformApi
from meshplane.events import notices
from meshplane.events.aws_queues import Queue, SqsReader, ensure_queue
from meshplane.events.queues import QueueHandler
from meshplane.kit.clock import Clock
from meshplane.platform.aws.calls import Aws
from meshplane.platform.store import Store
from meshplane.services.workflows.aws import StepFunctionsAnswers
from meshplane.services.workflows.aws_executions import StepFunctionsExecutionCases
from meshplane.services.workflows.starts import Starts
from meshplane.workflows.aws import StepFunctionsMachines
from meshplane.workflows.aws_commands import ExecutionCommands
from meshplane.workflows.aws_definitions import WorkflowPlaces
from meshplane.workflows.aws_executions import StepFunctionsExecutions
from meshplane.workflows.aws_inbox import TaskInbox
from meshplane.workflows.aws_ledger import ExecutionLedger
from meshplane.workflows.aws_projection import MachineProjection
from meshplane.workflows.aws_worker import TaskTokens, TaskTokenWorker
from meshplane.workflows.built_in import definition_texts
from meshplane.workflows.engine import Workflows
from meshplane.workflows.queue_names import APPROVALS, SUBSCRIPTIONS, TASKS

TOPICS = notices.TOPICS
DEAD_LETTER_QUEUE = "meshplane-task-dead-letters"


async def ensure_places(
    aws: Aws,
    *,
    role_arn: str,
    author_role_arn: str,
    free_queues: Sequence[str] = (),
    function_arns: Mapping[str, str] | None = None,
    bus_name: str = "datamesh-events",
) -> WorkflowPlaces:
    """Makes the queues and topics of workflows, and says where everything is.

    Args:
        aws: calls SQS and SNS.
        role_arn: what the product's own state machines run as.
        author_role_arn: what those of people run as.
        free_queues: names of further queues that people's definitions may send to.
        function_arns: Lambda functions by the names of the platform's functions.
        bus_name: of the bus on AWS.
    """
    prefix = aws.place.prefix
    dead = await ensure_queue(aws, f"{prefix}{DEAD_LETTER_QUEUE}")
    queues: dict[str, Queue] = {
        name: await ensure_queue(aws, f"{prefix}{name}", dead_letter=dead)
        for name in (TASKS, APPROVALS, SUBSCRIPTIONS, *free_queues)
    }
    topics = {}
    for name in TOPICS:
        made = await aws.call("sns", "create_topic", Name=f"{prefix}{name}")
        topics[name] = str(made["TopicArn"])
    return WorkflowPlaces(
        aws.place,
        role_arn,
        author_role_arn,
        {name: queue.url for name, queue in queues.items()},
        topics,
        dict(function_arns or {}),
        bus_name,
    )


class StepFunctionsParts:
    """What makes workflows run on Step Functions.

    Args:
        store: holds state machines, the ledger, tokens and messages.
        aws: calls Step Functions and SQS.
        places: of `ensure_places`.
        engine: holds the state machines; it is not opened.
        api: the operations that tasks ask for.
        clock: the present.
        poll_seconds: how long one look at a queue waits.
        heartbeat_seconds: see `TaskTokenWorker`.

    Attributes:
        answers: the `TaskAnswers` for approvals and decisions.
        cases: the use cases of executions, for `execution_routes`.
        projection: brings state machines to AWS, and tells of drift.
        machines, executions, ledger, commands, tokens, worker: the parts.
    """

    def __init__(
        self,
        store: Store,
        aws: Aws,
        places: WorkflowPlaces,
        *,
        engine: Workflows,
        api: PlatformApi,
        clock: Clock,
        poll_seconds: int = 20,
        heartbeat_seconds: float = 20.0,
    ) -> None:
        self.machines = StepFunctionsMachines(aws, places)
        self.executions = StepFunctionsExecutions(aws, places)
        self.ledger = ExecutionLedger(store, places, definition_texts())
        self.projection = MachineProjection(store, engine.machines, self.machines)
        self.commands = ExecutionCommands(
            self.executions, self.ledger, clock, self.projection.ensure
        )
        self.tokens = TaskTokens(aws)
        self.answers = StepFunctionsAnswers(self.tokens, clock)
        self.cases = StepFunctionsExecutionCases(engine, self.commands, self.executions)
        self.worker = TaskTokenWorker(
            api, self.tokens, self.ledger, heartbeat_seconds=heartbeat_seconds
        )
        handlers = {TASKS: self.worker.handle} | {
            name: TaskInbox(store, self.ledger, name, clock).handle
            for name in (APPROVALS, SUBSCRIPTIONS)
        }
        self.readers = {
            name: SqsReader(aws, places.queue_urls[name], handle, poll_seconds=poll_seconds)
            for name, handle in handlers.items()
        }

    @property
    def queues(self) -> tuple[QueueHandler, ...]:
        """The embedded queues that it works off: starts, commands, and answers to tokens."""
        starts = Starts(self.commands)
        return (*starts.queues, *self.commands.queues, *self.answers.queues)

    async def start(self) -> dict[str, str]:
        """Puts the store's state machines on AWS, and begins to read.

        Returns:
            Machines that AWS does not take, with the code of the reason.
        """
        refused = await self.projection.ensure_all()
        for reader in self.readers.values():
            reader.start()
        return refused

    async def stop(self) -> None:
        """Ends; what Step Functions sends waits in its queues."""
        await asyncio.gather(*(reader.stop() for reader in self.readers.values()))
