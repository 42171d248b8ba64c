"""Calls operations of the mesh over HTTP, with the standard library alone.

`operations.json` lies beside this file: method, path and query of each operation that the function
calls, taken from the API's own document when the zip was made. A request that may be repeated is
repeated while the mesh is busy, as long as the function's time allows.
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from meshplane.kit.errors import MeshplaneError, Unavailable

_BUSY = frozenset({429, 502, 503, 504})
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 5.0
_LONGEST_ANSWER_SECONDS = 60.0
_LEAST_SECONDS = 1.0


def operations() -> dict[str, dict[str, Any]]:
    """The operations of this zip, by operationId."""
    text = (Path(__file__).parent / "operations.json").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = json.loads(text)
    return found


class OperationClient:
    """Carries out operations in the function's own name; see `OperationCaller`.

    Args:
        base_url: of the API, without a path.
        token: gives a bearer token; called for every request, so that it may be renewed.
        seconds_left: how long the function may still run.
        known: the operations; those of this zip by default.
    """

    def __init__(
        self,
        base_url: str,
        token: Callable[[], str],
        seconds_left: Callable[[], float],
        known: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._token = token
        self._seconds_left = seconds_left
        self._known = operations() if known is None else known

    async def call(
        self, operation_id: str, arguments: Mapping[str, Any], *, idempotency_key: str
    ) -> Any:
        """The answer's JSON.

        Args:
            operation_id: as in the API.
            arguments: by their names in the API; None is left out.
            idempotency_key: the same key with the same arguments has one effect.

        Raises:
            MeshplaneError: what the operation answers, with its code.
            Unavailable: SERVER_UNREACHABLE, nothing answers in time.
        """
        request = self._request(operation_id, dict(arguments), idempotency_key)
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            request.add_header("Authorization", f"Bearer {self._token()}")
            try:
                return self._sent(request)
            except _Busy as busy:
                left = self._seconds_left()
                pause_seconds = min(max(pause_seconds * 2, busy.seconds), _LONGEST_PAUSE_SECONDS)
                if left - pause_seconds < _LEAST_SECONDS:
                    raise busy.error from None
            # Nothing else runs in this process meanwhile.
            time.sleep(pause_seconds)  # noqa: ASYNC251

    def _request(
        self, operation_id: str, arguments: dict[str, Any], key: str
    ) -> urllib.request.Request:
        operation = self._known[operation_id]
        path = "/".join(
            quote(str(arguments.pop(part[1:-1])), safe="") if part.startswith("{") else part
            for part in operation["path"].split("/")
        )
        given = {name: value for name, value in arguments.items() if value is not None}
        query = {name: given.pop(name) for name in operation["query"] if name in given}
        url = self._base_url + path + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json"}
        body = None
        if operation["method"] != "GET":
            headers["Idempotency-Key"] = key
            body = json.dumps(given).encode()
            headers["Content-Type"] = "application/json"
        # The URL is the operator's own, from the function's settings.
        return urllib.request.Request(url, body, headers, method=operation["method"])  # noqa: S310

    def _sent(self, request: urllib.request.Request) -> Any:
        patience = max(_LEAST_SECONDS, min(_LONGEST_ANSWER_SECONDS, self._seconds_left()))
        try:
            with urllib.request.urlopen(request, timeout=patience) as answer:  # noqa: S310
                text = answer.read()
        except urllib.error.HTTPError as answered:
            problem = _problem(answered)
            if answered.code in _BUSY:
                raise _Busy(problem, answered.headers.get("Retry-After")) from None
            raise problem from None
        except OSError:
            raise _Busy(
                Unavailable("SERVER_UNREACHABLE", "Nothing answers at the mesh's address."), None
            ) from None
        return json.loads(text) if text else None


class _Busy(Exception):
    """The same request may do better later."""

    def __init__(self, error: MeshplaneError, retry_after: str | None) -> None:
        super().__init__(error.code)
        self.error = error
        self.seconds = float(retry_after) if (retry_after or "").isdecimal() else 0.0


def _problem(answered: urllib.error.HTTPError) -> MeshplaneError:
    try:
        document = json.loads(answered.read())
        return MeshplaneError(str(document["code"]), str(document.get("detail", "")))
    except (ValueError, KeyError, TypeError):
        return MeshplaneError(f"HTTP_{answered.code}", f"The mesh answered {answered.code}.")
