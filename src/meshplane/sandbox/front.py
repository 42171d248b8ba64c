"""What happens to a call: who calls, whether he may, whether it is to fail, and who answers."""

import re
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from botocore.model import OperationModel

from meshplane.sandbox import iam, iam_context, iam_managed, protocol, strictness
from meshplane.sandbox.callers import Identity, identify
from meshplane.sandbox.calls import Call, Calls
from meshplane.sandbox.fake import FakeError, Handler, World
from meshplane.sandbox.fakes import OVERLAID
from meshplane.sandbox.faults import Faults
from meshplane.sandbox.moto_mount import MotoMount
from meshplane.sandbox.refusals import invalid, planned, refusal, unmodelled
from meshplane.sandbox.request import Answer, Request, read_signature
from meshplane.sandbox.routing import Found, find_operation, protocol_of
from meshplane.sandbox.stepfunctions import TO_EXECUTIONS, check_definition, once_begun

HungUp = Callable[[float], bool]
"""Waits that many seconds at most for the client to end the connection; whether it did."""

# A call that gets no answer waits for five minutes at most.
_LOOK_SECONDS, _MOST_LOOKS = 0.05, 6_000
_REQUEST_ID = "x-amzn-RequestId"
_CODE = re.compile(r'"__type":\s*"(?:[^"]*#)?([^"]+)"|<Code>([^<]+)</Code>')


class Dropped(Exception):
    """The connection ends here, without an answer."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A call whose service, operation and caller are known."""

    service: str
    spoken: str
    found: Found
    identity: Identity
    request: Request

    @property
    def operation(self) -> OperationModel:
        """Of the model."""
        return self.found.operation

    @property
    def title(self) -> str:
        """`glue GetTable`."""
        return f"{self.service} {self.operation.name}"


class Front:
    """Answers requests.

    Args:
        world: of the fakes.
        moto: of the other services.
        fakes: by botocore's name of the service.
        accounts: of the sandbox.
        faults: calls that are to fail.
        calls: where calls are written down.
        enforce_iam: whether policies count.
    """

    def __init__(
        self,
        *,
        world: World,
        moto: MotoMount,
        fakes: Mapping[str, Any],
        accounts: tuple[str, ...],
        faults: Faults,
        calls: Calls,
        enforce_iam: bool,
    ) -> None:
        self._world, self._moto, self._fakes = world, moto, fakes
        self._accounts, self._faults, self._calls = accounts, faults, calls
        self._enforce_iam = enforce_iam
        self.stopping = threading.Event()
        self.defects: list[str] = []

    def answer(self, request: Request, hung_up: HungUp) -> Answer:
        """Answers one request.

        Args:
            request: what came.
            hung_up: tells when the client is gone.

        Raises:
            Dropped: no answer is to be sent.
        """
        signed = read_signature(request)
        service = signed.service
        spoken = protocol_of(service, request) if service is not None else "rest-xml"
        try:
            identity = identify(signed, self._accounts)
            if service is None:
                # Pages without a signature, such as the keys of a user pool.
                return self._moto.answer(None, identity.caller, request)
            found = find_operation(service, spoken, request)
            if found is None:
                message = f"The sandbox knows no operation of {service} that this could be."
                raise FakeError("UnknownOperationException", message, 404)
        except FakeError as error:
            return _numbered(refusal(spoken, None, error))
        return _numbered(self._noted(Asked(service, spoken, found, identity, request), hung_up))

    def _noted(self, asked: Asked, hung_up: HungUp) -> Answer:
        """Carries a call out, or fails it as a fault says, and writes down what became of it."""
        caller, name = asked.identity.caller, asked.operation.name
        call = self._calls.begin(self._world.clock.now(), asked.service, name, caller)
        try:
            return self._met(asked, call, hung_up)
        finally:
            call.ended = True

    def _met(self, asked: Asked, call: Call, hung_up: HungUp) -> Answer:
        """What becomes of a call, with the fault that it meets, if any."""
        account = asked.identity.caller.account
        fault = self._faults.meet(asked.service, asked.operation.name, account)
        if fault is not None and fault.kind == "timeout":
            call.outcome = fault.kind
            for _ in range(_MOST_LOOKS):
                if self.stopping.is_set() or hung_up(_LOOK_SECONDS):
                    break
            raise Dropped
        try:
            if fault is not None and fault.kind != "lost_answer":
                raise planned(fault, asked.spoken)
            answer = self._carried_out(asked, call)
        except FakeError as error:
            answer = refusal(asked.spoken, asked.operation, error)
            call.outcome = error.code
        if call.outcome == "running":
            call.outcome = "ok" if answer.status < 400 else _code_of(answer)
        call.status = answer.status
        if fault is not None and fault.kind == "lost_answer":
            call.outcome, call.status = fault.kind, 0
            raise Dropped
        return answer

    def _carried_out(self, asked: Asked, call: Call) -> Answer:
        try:
            parameters = protocol.decode(asked.found, asked.spoken, asked.request)
        except protocol.Unreadable as error:
            code = "MalformedXML" if asked.spoken == "rest-xml" else "SerializationException"
            raise FakeError(code, str(error)) from error
        call.remember(parameters)
        wrong = strictness.problems(asked.operation.input_shape, parameters)
        if wrong:
            raise invalid(asked.operation, asked.spoken, wrong)
        if self._enforce_iam:
            iam.authorize(asked.identity, asked.operation, parameters)
        self._check_before_moto(asked, parameters)
        fake = self._fakes.get(asked.service)
        handler = fake.handlers.get(asked.operation.name) if fake is not None else None
        if handler is not None:
            return self._by_fake(asked, handler, parameters)
        if fake is not None and asked.service not in OVERLAID:
            raise FakeError("NotImplemented", f"The sandbox does not do {asked.title}.", 501)
        try:
            return self._by_moto(asked)
        except NotImplementedError as error:
            raise FakeError("NotImplemented", f"moto does not do {asked.title}.", 501) from error
        except Exception as error:
            text = "".join(traceback.format_exception(error))
            raise self._defect(f"moto failed at {asked.title}: {text}") from error

    def _by_moto(self, asked: Asked) -> Answer:
        caller = asked.identity.caller

        def answer() -> Answer:
            return self._moto.answer(asked.service, caller, asked.request)

        is_to_machines = asked.service == "stepfunctions" and asked.operation.name in TO_EXECUTIONS
        return once_begun(caller, answer) if is_to_machines else answer()

    def _check_before_moto(self, asked: Asked, parameters: dict[str, Any]) -> None:
        """Refuses what moto would let through, and gives it what it lacks."""
        match asked.service, asked.operation.name:
            case "sts", "AssumeRole":
                iam.check_trust(asked.identity, parameters, enforced=self._enforce_iam)
            case "sts", "AssumeRoleWithWebIdentity":
                iam.check_web_identity(parameters, enforced=self._enforce_iam)
            case "stepfunctions", "CreateStateMachine" | "UpdateStateMachine":
                check_definition(parameters)
            case "iam", _:
                caller = asked.identity.caller
                iam_managed.load_named(caller.account, caller.region, parameters)
                iam_context.check_policies(caller.account, asked.operation.name, parameters)

    def _by_fake(self, asked: Asked, handler: Handler, parameters: dict[str, Any]) -> Answer:
        try:
            with self._world.lock:
                output = handler(asked.identity.caller, parameters)
        except FakeError as error:
            problem = unmodelled(asked.operation, error)
            if problem is not None:
                raise self._defect(f"The fake refused {asked.title}, but {problem}.") from error
            raise
        except Exception as error:
            text = "".join(traceback.format_exception(error))
            raise self._defect(f"The fake of {asked.title} failed: {text}") from error
        output = {name: value for name, value in output.items() if value is not None}
        wrong = strictness.problems(asked.operation.output_shape, output)
        if wrong:
            told = "; ".join(wrong)
            raise self._defect(f"The fake's answer to {asked.title} breaks the model: {told}")
        return protocol.encode(asked.operation, asked.spoken, output)

    def _defect(self, message: str) -> FakeError:
        """A fault of the sandbox itself: it is kept, as a client may try again and hide it."""
        self.defects.append(message)
        return FakeError("InternalFailure", message, 500)


def _numbered(answer: Answer) -> Answer:
    """With a request id, where moto gave none."""
    given = {name.lower() for name, _ in answer.listed_headers}
    if not given & {"x-amzn-requestid", "x-amz-request-id"}:
        answer.headers.setdefault(_REQUEST_ID, str(uuid4()))
    return answer


def _code_of(answer: Answer) -> str:
    """The error's code in an answer of moto's."""
    for name, value in answer.listed_headers:
        if name.lower() == "x-amzn-errortype":
            return value
    found = _CODE.search(answer.body[:4096].decode("utf-8", "replace"))
    return next((part for part in found.groups() if part), "error") if found else "error"
