"""What an expression of a state can see."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

NOTHING: Any = object()


def _system_uuid() -> str:
    return str(uuid.uuid4())


@dataclass(slots=True)
class Scope:
    """The data in reach of a state's expressions. JSON values are never changed in place.

    Args:
        input: what `$` means in a JSONPath, and `$states.input` in JSONata.
        context: the context object: `$$`, and `$states.context`.
        variables: workflow variables by name, without the dollar sign.
        result: what the task answered (`$states.result`); `NOTHING` where there is none.
        error_output: the caught error (`$states.errorOutput`); `NOTHING` where there is none.
        random: gives the numbers of `States.MathRandom` and `$random()`.
        new_uuid: gives the identifiers of `States.UUID` and `$uuid()`.
        now_milliseconds: the time of `$now()` and `$millis()`, milliseconds since 1970.
    """

    input: Any
    context: Any = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    result: Any = NOTHING
    error_output: Any = NOTHING
    random: Random = field(default_factory=Random)
    new_uuid: Callable[[], str] = _system_uuid
    now_milliseconds: int | None = None
