"""What an execution is given from outside: who it is, and where chance and secrets come from."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random, SystemRandom
from typing import Any


def _system_uuid() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class ExecutionContext:
    """The part of the context object that stays the same all the way.

    Args:
        execution_id: `$$.Execution.Id`; idempotency keys of tasks begin with it.
        execution_name: `$$.Execution.Name`.
        start_time: `$$.Execution.StartTime`, RFC 3339 text.
        role_arn: `$$.Execution.RoleArn`.
        state_machine_id: `$$.StateMachine.Id`.
        state_machine_name: `$$.StateMachine.Name`.
        input: `$$.Execution.Input`. `Run.start` sets it; for `Run.restore` it has to be the input
            that the execution was started with.
    """

    execution_id: str
    execution_name: str
    start_time: str
    role_arn: str
    state_machine_id: str
    state_machine_name: str
    input: Any = None


@dataclass(frozen=True, slots=True)
class Source:
    """Where an execution's random numbers, ids and tokens come from.

    Args:
        random: for `States.MathRandom`, `$random()` and the jitter of retries.
        new_uuid: for `States.UUID()`, `$uuid()` and the ids of map runs.
        new_token: makes callback tokens, which nobody may guess.
    """

    random: Random = field(default_factory=SystemRandom)
    new_uuid: Callable[[], str] = _system_uuid
    new_token: Callable[[], str] = _system_uuid
