"""HTTP requests that leave the mesh: webhooks, and the HTTP tasks of workflows.

There is one way out. It goes to hosts that the operator allowed and to no other, follows no
redirect, and stops at a time and a size.
"""

import asyncio
import random
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from meshplane.kit.clock import Clock
from meshplane.kit.errors import Invalid, Refused, Unavailable

if TYPE_CHECKING:
    import httpx

LOOPBACK = ("127.0.0.1", "::1", "localhost")
SETTING = "MESHPLANE_OUTBOUND_HOSTS"

TIMEOUT_SECONDS = 10.0
LARGEST_ANSWER_BYTES = 256 * 1024
_LONGEST_URL = 2048
_LARGEST_HEADERS_BYTES = 16 * 1024
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}", re.ASCII)
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*", re.ASCII)
_KEPT_HEADERS = frozenset(
    {
        *("host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade"),
        *("te", "trailer", "expect", "accept-encoding", "proxy-connection", "proxy-authorization"),
    }
)
"""They say where a request goes, where it ends and how it is packed, which is not the sender's."""

_LONGEST_RETRY_AFTER_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side answered; the body ends where it is too large."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes
    cut: bool = field(default=False)


class Outbound:
    """Sends requests to allowed hosts.

    Args:
        hosts: names and addresses, as they stand in URLs; `*.example.org` allows what is below it.
    """

    def __init__(self, hosts: Sequence[str] = LOOPBACK) -> None:
        self._hosts = tuple(host.strip().strip("[]").lower() for host in hosts if host.strip())
        self._client: httpx.AsyncClient | None = None

    def check(self, url: str, *, field: str = "url") -> None:
        """Refuses an address that nothing may be sent to.

        Args:
            url: absolute, http or https.
            field: where it stands in the request.

        Raises:
            Invalid: URL_INVALID.
            Refused: HOST_NOT_ALLOWED; it names the setting.
        """
        host = _host_of(url, field)
        if not any(_fits(host, allowed) for allowed in self._hosts):
            raise Refused(
                "HOST_NOT_ALLOWED",
                f"This mesh sends nothing to that host. Its operator can allow it in {SETTING}.",
                field=field,
            )

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        parameters: Mapping[str, str] | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        largest_answer_bytes: int = LARGEST_ANSWER_BYTES,
    ) -> Answer:
        """Sends a request and reads the answer.

        Args:
            method: such as `POST`.
            url: where to.
            headers: of the request; those that frame it are not among them.
            body: of the request.
            parameters: added to the URL's query.
            timeout_seconds: for all of it, from the first look at the name to the last byte.
            largest_answer_bytes: what is beyond is not read.

        Raises:
            Invalid: URL_INVALID, HEADER_INVALID.
            Refused: HOST_NOT_ALLOWED.
            Unavailable: OUTBOUND_TIMEOUT, or OUTBOUND_UNREACHABLE: no connection, no valid
                certificate, or an answer that is not HTTP.
        """
        import httpx

        self.check(url)
        _check_headers(headers or {})
        try:
            async with (
                asyncio.timeout(timeout_seconds),
                self._opened().stream(
                    method,
                    url,
                    headers=dict(headers or {}),
                    content=body,
                    params=dict(parameters) if parameters else None,
                ) as response,
            ):
                received, cut = await _read(response, largest_answer_bytes)
                return Answer(
                    response.status_code,
                    response.reason_phrase,
                    {name.lower(): value for name, value in response.headers.items()},
                    received,
                    cut,
                )
        except (TimeoutError, httpx.TimeoutException):
            raise Unavailable(
                "OUTBOUND_TIMEOUT", f"There was no whole answer within {timeout_seconds:g} seconds."
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            raise Unavailable(
                "OUTBOUND_UNREACHABLE",
                f"The host could not be reached, or did not answer in HTTP "
                f"({type(error).__name__}).",
            ) from None

    async def close(self) -> None:
        """Closes what connections are open."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _opened(self) -> "httpx.AsyncClient":
        import httpx

        if self._client is None:
            # Proxies of the environment would be another way out.
            self._client = httpx.AsyncClient(
                follow_redirects=False,
                trust_env=False,
                timeout=httpx.Timeout(TIMEOUT_SECONDS),
                limits=httpx.Limits(max_connections=100, max_keepalive_connections=20),
                # A packed answer of some bytes could unpack to more than there is memory.
                headers={"User-Agent": "meshplane", "Accept-Encoding": "identity"},
            )
        return self._client


def retry_after_seconds(headers: Mapping[str, str], clock: Clock) -> float | None:
    """What a Retry-After header says (RFC 9110, section 10.2.3), at most an hour; None without one.

    Args:
        headers: with names in lower case.
        clock: for a header that names an instant.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit() and len(text) <= 9:
        seconds = float(text)
    else:
        try:
            moment = parsedate_to_datetime(text)
            seconds = (moment - clock.now()).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER_SECONDS) + random.random()  # noqa: S311 - not for secrets


def _host_of(url: str, field: str) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    plain = url.isascii() and url.isprintable() and " " not in url and "\\" not in url
    if (
        not plain
        or len(url) > _LONGEST_URL
        or parts.scheme not in {"http", "https"}
        or not host
        or port == 0
        or "@" in parts.netloc
    ):
        raise Invalid(
            "URL_INVALID",
            "Give an absolute http or https URL without a user name, such as "
            "https://hooks.example.org/datamesh.",
            field=field,
        )
    return host.lower().rstrip(".")


def _check_headers(headers: Mapping[str, str]) -> None:
    """Refuses headers that no request may have, or that would change where it goes or ends."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise Invalid(
                "HEADER_INVALID",
                "The name of a header is a word of ASCII letters, digits and dashes, and its value "
                "one line of printable ASCII (RFC 9110, 5.5).",
                field="headers",
            )
        if name.lower() in _KEPT_HEADERS:
            raise Invalid(
                "HEADER_INVALID",
                f"The header {name.lower()} is set by the mesh itself: leave it out.",
                field="headers",
            )
    if sum(len(name) + len(value) for name, value in headers.items()) > _LARGEST_HEADERS_BYTES:
        raise Invalid(
            "HEADER_INVALID",
            f"Headers have at most {_LARGEST_HEADERS_BYTES} bytes together.",
            field="headers",
        )


def _fits(host: str, allowed: str) -> bool:
    if allowed.startswith("*."):
        return host.endswith(allowed[1:]) and host != allowed[2:]
    return host == allowed


async def _read(response: "httpx.Response", most_bytes: int) -> tuple[bytes, bool]:
    parts, size = [], 0
    async for part in response.aiter_raw():
        parts.append(part)
        size += len(part)
        if size > most_bytes:
            return b"".join(parts)[:most_bytes], True
    return b"".join(parts), False
