"""Calls that are to fail, and how."""

import random
import threading
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from botocore import xform_name

from meshplane.kit.errors import Invalid
from meshplane.sandbox.models import is_service, service_model

Kind = Literal["throttle", "error", "timeout", "lost_answer"]
KINDS: tuple[Kind, ...] = ("throttle", "error", "timeout", "lost_answer")


@dataclass(frozen=True, slots=True)
class Fault:
    """A call that is to fail.

    Args:
        service: botocore's name.
        operation: its name in the model or boto3's method; None: any of the service.
        kind: `throttle`: refused with an error that asks to come later. `error`: refused with
            `code`, or an internal error of the service. Neither is carried out. `timeout`: not
            carried out, and no answer comes until the client hangs up. `lost_answer`: carried out,
            and the connection is closed without an answer.
        nth: which matching call from now on, from 1.
        times: how many calls in a row from that one.
        code: of the error, where it is not the usual one.
        account: of the caller; None: any.
        share: which part of those calls fails, chosen at random: 0.5 is every second on average.
        seed: of that choice, which is the same for the same seed.
    """

    service: str
    operation: str | None
    kind: Kind
    nth: int = 1
    times: int = 1
    code: str | None = None
    account: str | None = None
    share: float = 1.0
    seed: int = 0

    def matches(self, service: str, operation: str, account: str) -> bool:
        """Whether a call is one that this counts."""
        return (
            service == self.service
            and (self.operation is None or _same(self.operation, operation))
            and (self.account is None or account == self.account)
        )

    def is_for(self, number: int) -> bool:
        """Whether the matching call of that number, from 1, is one that fails."""
        if not self.nth <= number < self.nth + self.times:
            return False
        # Every call has its own throw, so that it does not matter what came before.
        throw = random.Random(f"{self.seed} {number}").random()  # noqa: S311 - not for secrets
        return throw < self.share


@dataclass(slots=True)
class Planned:
    """A fault and how many matching calls came since it was added."""

    number: int
    fault: Fault
    seen: int = 0

    def to_json(self) -> dict[str, Any]:
        """As `/_sandbox/faults` shows it."""
        return {"number": self.number, **asdict(self.fault), "seen": self.seen}


class Faults:
    """The faults that are planned. Thread-safe."""

    def __init__(self) -> None:
        self._planned: list[Planned] = []
        self._next = 1
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> int:
        """Plans a fault, and gives its number.

        Raises:
            Invalid: FAULT_INVALID, it names what does not exist.
        """
        check(fault)
        with self._lock:
            number, self._next = self._next, self._next + 1
            self._planned.append(Planned(number, fault))
            return number

    def remove(self, number: int) -> bool:
        """Takes one back; whether it was there."""
        with self._lock:
            before = len(self._planned)
            self._planned = [each for each in self._planned if each.number != number]
            return len(self._planned) < before

    def clear(self) -> None:
        """Takes all of them back."""
        with self._lock:
            self._planned.clear()

    def all(self) -> list[Planned]:
        """Those that are not used up."""
        with self._lock:
            return [replace(each) for each in self._planned]

    def meet(self, service: str, operation: str, account: str) -> Fault | None:
        """Counts a call, and gives the fault that it meets, if any.

        Every planned fault counts the call; the one that was added first decides.
        """
        met = None
        with self._lock:
            for each in self._planned:
                if not each.fault.matches(service, operation, account):
                    continue
                each.seen += 1
                if met is None and each.fault.is_for(each.seen):
                    met = each.fault
            self._planned = [
                each for each in self._planned if each.seen < each.fault.nth + each.fault.times - 1
            ]
        return met


def check(fault: Fault) -> None:
    """Refuses a fault that could never be met.

    Raises:
        Invalid: FAULT_INVALID, with the field.
    """
    if not is_service(fault.service):
        raise Invalid("FAULT_INVALID", "botocore knows no such service.", field="service")
    names = service_model(fault.service).operation_names
    if fault.operation is not None and not any(_same(fault.operation, name) for name in names):
        raise Invalid("FAULT_INVALID", "The service has no such operation.", field="operation")
    if fault.kind not in KINDS:
        raise Invalid("FAULT_INVALID", f"The kind is one of {', '.join(KINDS)}.", field="kind")
    if fault.nth < 1 or fault.times < 1:
        raise Invalid("FAULT_INVALID", "Calls are counted from 1.", field="nth")
    if not 0 < fault.share <= 1:
        raise Invalid("FAULT_INVALID", "The share is more than 0, and at most 1.", field="share")


def _same(one: str, other: str) -> bool:
    return one == other or xform_name(one) == xform_name(other)
