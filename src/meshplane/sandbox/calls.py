"""What was called, in order."""

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore import xform_name

from meshplane.kit.clock import to_text
from meshplane.sandbox.fake import Caller

# So that a sandbox that runs for days holds no more than that.
_MOST_CALLS = 100_000
_LARGEST_BYTES = 4_096


@dataclass(slots=True)
class Call:
    """One call.

    Args:
        number: from 1.
        at: when it came.
        service, operation: botocore's names, the operation's as the model has it.
        account, region: of the caller and of the request.
        principal: ARN of the caller.
        parameters: as boto3 has them, without long payloads; empty where they were not read.
        outcome: `ok`, the code of an error, `timeout`, or `lost_answer`; `running` until it ends.
        status: of HTTP; 0 where no answer went out.
        ended: whether it was answered, or its client hung up.
    """

    number: int
    at: datetime
    service: str
    operation: str
    account: str
    region: str
    principal: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    outcome: str = "running"
    status: int = 0
    ended: bool = False

    def remember(self, parameters: Mapping[str, Any]) -> None:
        """Keeps the parameters, but for payloads of more than 4 KiB."""
        self.parameters = {
            name: value
            for name, value in parameters.items()
            if not (isinstance(value, bytes) and len(value) > _LARGEST_BYTES)
        }

    def to_json(self) -> dict[str, Any]:
        """As `/_sandbox/calls` shows it: without the parameters, which may hold anything."""
        return {
            "number": self.number,
            "at": to_text(self.at),
            "service": self.service,
            "operation": self.operation,
            "account": self.account,
            "region": self.region,
            "principal": self.principal,
            "outcome": self.outcome,
            "status": self.status,
        }


class Calls:
    """The calls since the start or the last `clear`, the last 100,000 of them. Thread-safe."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=_MOST_CALLS)
        self._counted = 0
        self._lock = threading.Lock()

    def begin(self, at: datetime, service: str, operation: str, caller: Caller) -> Call:
        """Notes a call that came; whoever answers it writes down the outcome."""
        with self._lock:
            self._counted += 1
            call = Call(
                number=self._counted,
                at=at,
                service=service,
                operation=operation,
                account=caller.account,
                region=caller.region,
                principal=caller.session_arn,
            )
            self._calls.append(call)
            return call

    def all(self, service: str | None = None, operation: str | None = None) -> list[Call]:
        """The calls in order; of one service or one operation, by its model's or boto3's name."""
        wanted = xform_name(operation) if operation is not None else None
        with self._lock:
            return [
                call
                for call in self._calls
                if (service is None or call.service == service)
                and (wanted is None or xform_name(call.operation) == wanted)
            ]

    def count(
        self,
        service: str | None = None,
        operation: str | None = None,
        account: str | None = None,
    ) -> int:
        """How many calls there were, those that failed included."""
        return sum(
            account is None or call.account == account for call in self.all(service, operation)
        )

    def counts(self) -> Counter[tuple[str, str, str]]:
        """How many by service, operation and account."""
        return Counter((call.service, call.operation, call.account) for call in self.all())

    def clear(self) -> None:
        """Forgets them."""
        with self._lock:
            self._calls.clear()
            self._counted = 0
