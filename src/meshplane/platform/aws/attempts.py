"""Every attempt of every call, as botocore makes it: whether it may be made, and what came of it.

botocore tries a call several times by itself. Each attempt asks the service's circuit first and
tells it how it ended, so that the attempts that are left end as soon as the circuit opens. Where
AWS asked for fewer calls, the next attempt is made only if the service's budget has one left.
"""

import logging
from typing import Any

from botocore import xform_name
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ReadTimeoutError,
)
from botocore.exceptions import ConnectionError as NotConnected

from meshplane.platform.aws.budget import THROTTLES
from meshplane.platform.aws.circuit import Circuits, Silence
from meshplane.platform.aws.errors import AwsUnavailable
from meshplane.platform.aws.place import AwsPlace
from meshplane.platform.telemetry import log

_LOST = (ReadTimeoutError, ConnectionClosedError)
_TOO_MANY = 429
_NO_ANSWER = "its endpoint does not answer"
_REFUSAL, _SERVER_FAULT = 400, 500
# What is noted in botocore's context of a call, which all its attempts have in common.
_BEGAN, _PERHAPS = "meshplane_began", "meshplane_may_have_happened"
# Of an attempt that was admitted and not sent by now: when the probe after it is due.
_PROBE_AT = "meshplane_probe_at"


class Watch:
    """Lets a client of botocore ask a service's circuit, attempt by attempt.

    Args:
        service: botocore's name.
        place: where AWS is.
        circuits: those of the place.
    """

    def __init__(self, service: str, place: AwsPlace, circuits: Circuits) -> None:
        self._service, self._region, self._now = service, place.region, circuits.now
        self._most_attempts = place.most_attempts
        self._circuit, self._budget = circuits.of(service), circuits.budget(service)

    def over(self, client: Any) -> None:
        """From now on the client's calls raise AwsUnavailable where the circuit is open."""
        events, name = client.meta.events, client.meta.service_model.service_id.hyphenize()
        # Before the request is signed, which may take credentials of another service.
        events.register_first(f"request-created.{name}", self._ask)
        # After that: what is more general comes later.
        events.register_last("request-created", self._begin)
        events.register_first(f"needs-retry.{name}", self._ended)
        events.register_first(f"after-call-error.{name}", self._given_up)

    def demand_answers(self, operation: str) -> None:
        """Refuses a call that need not even be begun.

        Raises:
            AwsUnavailable: nothing has answered there for a while.
        """
        silence = self._circuit.silence()
        if silence is not None:
            raise self._refused(operation, silence, may_have_happened=False)

    def _ask(self, request: Any, operation_name: str, **_: Any) -> None:
        silence = self._circuit.admit()
        if silence is not None:
            lost = bool(request.context.get(_PERHAPS))
            raise self._refused(xform_name(operation_name), silence, may_have_happened=lost)
        request.context[_PROBE_AT] = self._circuit.probe_at

    def _begin(self, request: Any, **_: Any) -> None:
        request.context[_PROBE_AT] = None
        request.context[_BEGAN] = self._now()

    def _given_up(self, context: dict[str, Any], **_: Any) -> None:
        """The call ends with an error of this side, such as that it could not be signed."""
        self._circuit.unsent(context.get(_PROBE_AT))

    def _ended(
        self,
        response: Any,
        caught_exception: Exception | None,
        request_dict: dict[str, Any],
        attempts: int,
        **_: Any,
    ) -> bool | None:
        """What botocore does next: None leaves it to its own rules, False ends the call."""
        context = request_dict["context"]
        if attempts == 1:
            self._budget.earn()
        if response is None:
            self._failed(caught_exception, context)
            return None
        http, answer = response
        # An answer may have a member of this name: Redshift tells so why a statement failed.
        error = answer.get("Error") if http.status_code >= _REFUSAL else None
        code = error.get("Code") if isinstance(error, dict) else None
        throttled = code in THROTTLES or http.status_code == _TOO_MANY
        if http.status_code >= _SERVER_FAULT and not throttled:
            context[_PERHAPS] = True  # such an answer may come after the effect
        if context.get(_PERHAPS):
            answer.setdefault("ResponseMetadata", {})[_PERHAPS] = True
        if self._circuit.answered():
            self._log("aws_answers_again")
        # botocore makes no attempt after the last, whatever there is to spend.
        again = throttled and attempts < self._most_attempts
        return False if again and not self._budget.spend() else None

    def _failed(self, caught_exception: Exception | None, context: dict[str, Any]) -> None:
        sent = isinstance(caught_exception, _LOST)
        if sent:
            context[_PERHAPS] = True
        elif isinstance(caught_exception, BotoCoreError) and context.get(_PERHAPS):
            caught_exception.kwargs[_PERHAPS] = True
        if (sent or isinstance(caught_exception, NotConnected)) and self._circuit.failed(
            context.get(_BEGAN, self._now()), sent=sent
        ):
            self._log("aws_does_not_answer")

    def _refused(
        self, operation: str, silence: Silence, *, may_have_happened: bool
    ) -> AwsUnavailable:
        return AwsUnavailable(
            self._service,
            operation,
            _NO_ANSWER,
            may_have_happened=may_have_happened,
            advice=f"{self._service} in {self._region} has not answered for "
            f"{silence.for_seconds:.0f} s, and is tried again in "
            f"{max(1.0, silence.again_seconds):.0f} s; until then calls fail at once. "
            "If this goes on, see to the network.",
        )

    def _log(self, event: str) -> None:
        log(logging.WARNING, event, service=self._service, region=self._region)


def perhaps_happened(error: BotoCoreError | ClientError) -> bool:
    """Whether an attempt of a call may have had its effect, though the call ends with this error.

    It was sent and not answered, or answered with a fault of the server's.
    """
    if isinstance(error, ClientError):
        return bool(error.response.get("ResponseMetadata", {}).get(_PERHAPS))
    return isinstance(error, _LOST) or bool(error.kwargs.get(_PERHAPS))
