"""Requests under a client token: the same one again is not carried out again."""

import json
from collections.abc import Callable
from typing import Any

from meshplane.sandbox.fake import Caller, Handler
from meshplane.sandbox.ram.shares import refused


class Tokens:
    """Remembers what was answered under which token.

    Args:
        number: the next number of a kind, from 1; for requests that bring no token.
    """

    def __init__(self, number: Callable[[str], int]) -> None:
        self._number = number
        self._answers: dict[tuple[str, str, str, str], tuple[str, dict[str, Any]]] = {}

    def once(self, operation: str, handler: Handler) -> Handler:
        """An operation that is carried out once for each token.

        Args:
            operation: its name.
            handler: carries it out.

        Raises:
            FakeError: IdempotentParameterMismatchException, the token came with other parameters.
        """

        def handle(caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
            token = given.get("clientToken") or f"token-{self._number('ram token')}"
            key = (caller.account, caller.region, operation, token)
            rest = {name: value for name, value in given.items() if name != "clientToken"}
            asked = json.dumps(rest, sort_keys=True, default=str)
            before = self._answers.get(key)
            if before is None:
                answer = {**handler(caller, given), "clientToken": token}
                self._answers[key] = (asked, answer)
                return answer
            if before[0] != asked:
                raise refused(
                    "IdempotentParameterMismatchException",
                    "The client token was used for a request with other parameters.",
                )
            return before[1]

        return handle
