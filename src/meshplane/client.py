"""The one HTTP client: sends a person's token, pages through lists, reads problem documents.

An answer that is an error becomes an `ApiProblem`. A request that may be repeated (a read, or a
write with an idempotency key) is repeated while the server is busy, up to `patience_seconds`.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import httpx

from meshplane.kit.errors import FieldProblem, MeshplaneError, Unavailable

API_ROOT = "/api/v1"
ARROW_STREAM = "application/vnd.apache.arrow.stream"

TokenSource = Callable[[], str]

_BUSY = frozenset({429, 502, 503, 504})
_LONGEST_PAUSE_SECONDS = 5.0
_PAGE_LIMIT = 200
_STREAM_CONNECT_SECONDS = 10.0
_LONGEST_SILENCE_SECONDS = 60.0


class ApiProblem(MeshplaneError):
    """The server said no: its problem document (RFC 9457) and the HTTP status."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        super().__init__(
            str(document.get("code", f"HTTP_{status}")),
            str(document.get("detail") or document.get("title") or f"HTTP status {status}"),
            fields=[
                FieldProblem(str(e.get("field", "")), str(e.get("message", "")))
                for e in document.get("errors") or ()
                if isinstance(e, Mapping)
            ],
            details=document,
        )
        self.status = status
        self.document = dict(document)


def _problem(response: httpx.Response) -> ApiProblem:
    try:
        document = response.json()
    except ValueError:
        document = {}
    return ApiProblem(response.status_code, document if isinstance(document, dict) else {})


class Api:
    """The server, as one person sees it.

    Args:
        client: the connection pool; its base URL is the server's.
        token: gives a bearer token; called for every request, so that it may be renewed.
        patience_seconds: how long to repeat a repeatable request while the server is busy or
            away; 0 is once.
    """

    def __init__(
        self, client: httpx.Client, token: TokenSource, *, patience_seconds: float = 0.0
    ) -> None:
        self._client = client
        self._token = token
        self._patience_seconds = patience_seconds

    def get(self, path: str, **query: Any) -> Any:
        """The JSON document at `path`; parameters that are None are left out.

        Raises:
            ApiProblem: the server refused or did not find it.
            Unavailable: nothing answers (`SERVER_UNREACHABLE`), or something else does
                (`ANSWER_NOT_JSON`).
        """
        return _answer(self._send("GET", path, query=query))

    def get_text(self, path: str) -> str:
        """The text at `path`. Raises as `get` does."""
        return self._send("GET", path).text

    def get_lines(self, path: str) -> list[bytes]:
        """The lines of a newline-delimited document, byte for byte. Raises as `get` does."""
        return [line for line in self._send("GET", path).content.split(b"\n") if line]

    def stream(self, path: str, *, last_event_id: str | None = None, **query: Any) -> Iterator[str]:
        """The lines of a stream of events, as they come; it ends when the server ends it.

        Args:
            path: below /api/v1.
            last_event_id: where an earlier stream broke off; the server goes on after it.
            query: parameters; those that are None are left out.

        Raises:
            ApiProblem: the server refused.
            Unavailable: nothing answers, or the stream broke off (`SERVER_UNREACHABLE`).
        """
        headers = {
            "Authorization": f"Bearer {self._token()}",
            "Accept": "text/event-stream",
            **({"Last-Event-ID": last_event_id} if last_event_id else {}),
        }
        given = {name: value for name, value in query.items() if value is not None}
        timeout = httpx.Timeout(_STREAM_CONNECT_SECONDS, read=_LONGEST_SILENCE_SECONDS)
        try:
            with self._client.stream(
                "GET", API_ROOT + path, params=given, headers=headers, timeout=timeout
            ) as response:
                if not response.is_success:
                    response.read()
                    raise _problem(response)
                yield from _lines(response.iter_bytes())
        except httpx.TransportError as error:
            raise _unreachable(self._client.base_url) from error

    def items(
        self, path: str, *, cursor: str | None = None, **query: Any
    ) -> Iterator[dict[str, Any]]:
        """Every item of a list, page after page, from `cursor` on. Raises as `get` does."""
        while True:
            page = self.get(path, limit=_PAGE_LIMIT, cursor=cursor, **query)
            yield from page["items"]
            cursor = page.get("nextCursor")
            if not cursor:
                return

    def post(self, path: str, body: Any = None, *, key: str | None = None, **query: Any) -> Any:
        """Posts a JSON document and gives the answer, or None for an empty one.

        Args:
            path: below /api/v1, without a query.
            body: the JSON document.
            key: the Idempotency-Key; with it a repeated request takes effect once.
            query: parameters; those that are None are left out.

        Raises:
            ApiProblem: the server refused.
            Unavailable: nothing answers (`SERVER_UNREACHABLE`).
        """
        return _answer(self._send("POST", path, query=query, json=body, key=key))

    def post_arrow(self, path: str, stream: bytes, *, key: str | None = None) -> Any:
        """Posts an Arrow IPC stream. Raises as `post` does."""
        return _answer(self._send("POST", path, content=stream, key=key))

    def put(
        self, path: str, body: Any, *, version: int | None = None, key: str | None = None
    ) -> Any:
        """Puts a JSON document, in place of that version if one is given. Raises as `post` does."""
        tag = None if version is None else f'"{version}"'
        return _answer(self._send("PUT", path, json=body, key=key, if_match=tag))

    def patch(self, path: str, body: Any, *, version: int, key: str | None = None) -> Any:
        """Changes what is at `path` if it is still of that version. Raises as `post` does."""
        return _answer(self._send("PATCH", path, json=body, key=key, if_match=f'"{version}"'))

    def delete(self, path: str, *, key: str | None = None, **query: Any) -> Any:
        """Deletes what is at `path`. Raises as `post` does."""
        return _answer(self._send("DELETE", path, query=query, key=key))

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: Any = None,
        content: bytes | None = None,
        key: str | None = None,
        if_match: str | None = None,
    ) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        if if_match is not None:
            headers["If-Match"] = if_match
        if content is not None:
            headers["Content-Type"] = ARROW_STREAM
        repeatable = method == "GET" or key is not None
        give_up = time.monotonic() + (self._patience_seconds if repeatable else 0.0)
        pause_seconds = 0.1
        while True:
            headers["Authorization"] = f"Bearer {self._token()}"
            try:
                response = self._client.request(
                    method,
                    API_ROOT + path,
                    params={k: v for k, v in (query or {}).items() if v is not None},
                    json=json,
                    content=content,
                    headers=headers,
                )
            except httpx.TransportError as error:
                if time.monotonic() >= give_up:
                    raise _unreachable(self._client.base_url) from error
            else:
                if response.is_success:
                    return response
                if response.status_code not in _BUSY or time.monotonic() >= give_up:
                    raise _problem(response)
                pause_seconds = _asked_pause_seconds(response, pause_seconds)
            time.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)


def connect(base_url: str, *, timeout_seconds: float = 120.0) -> httpx.Client:
    """A connection pool to the server at `base_url`.

    The environment's proxies are ignored: the server is usually on loopback.

    Raises:
        Unavailable: the URL is not one (`SERVER_UNREACHABLE`).
    """
    # It follows no redirects: no certificates are read, which takes a while, where none is checked.
    checks = not base_url.startswith("http://")
    try:
        return httpx.Client(
            base_url=base_url, timeout=timeout_seconds, trust_env=False, verify=checks
        )
    except httpx.InvalidURL as error:
        raise _unreachable(base_url) from error


def _lines(parts: Iterable[bytes]) -> Iterator[str]:
    """Lines that end in LF or CRLF. Other ends of lines may stand inside of JSON text."""
    rest = b""
    for part in parts:
        *whole, rest = (rest + part).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r").decode("utf-8", "replace")


def _answer(response: httpx.Response) -> Any:
    try:
        return response.json() if response.content else None
    except ValueError as error:
        raise Unavailable(
            "ANSWER_NOT_JSON",
            f"What answers at {response.url} is not a Meshplane server: the answer is not JSON.",
        ) from error


def _asked_pause_seconds(response: httpx.Response, otherwise: float) -> float:
    asked = response.headers.get("Retry-After", "")
    return min(float(asked), _LONGEST_PAUSE_SECONDS) if asked.isdecimal() else otherwise


def _unreachable(base_url: object) -> Unavailable:
    return Unavailable(
        "SERVER_UNREACHABLE",
        f"Nothing answers at {base_url}. Start the server with `meshplane serve`, or name "
        "another with --url.",
    )
