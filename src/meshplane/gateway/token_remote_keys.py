"""Keys of an external issuer, fetched from where the issuer publishes them.

The address comes from the configured issuer alone, never from a token. Fetching is rare (one
attempt in 30 seconds, however many unknown keys are named), bounded in size and time, and follows
no redirect. While the issuer does not answer, the last keys serve up to their age limit; after
that, and for names that they do not hold, tokens are refused.
"""

import asyncio
import ipaddress
import math
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

import structlog

from meshplane.gateway.token_keys import NO_KEYS, KeySet, read_key_set
from meshplane.gateway.token_parts import read_json_object
from meshplane.kit.clock import Clock
from meshplane.kit.errors import Invalid, MeshplaneError, Unauthenticated, Unavailable

if TYPE_CHECKING:
    import httpx

_DISCOVERY_PATH = "/.well-known/openid-configuration"
_MAX_DOCUMENT_BYTES = 256 * 1024
_HTTP_OK = 200


class RemoteKeys:
    """A key source that asks the issuer.

    Args:
        issuer: the issuer's URL; its discovery document must name the same issuer.
        client: makes the requests.
        clock: tells the present.
        min_interval_seconds: the least time between two attempts, failed ones included.
        age_limit_seconds: how long keys serve after they were last fetched.
        timeout_seconds: for one attempt altogether.
        keys_url: where the keys are, for an issuer without a discovery document.

    Raises:
        Invalid: ISSUER_URL when the issuer is neither https nor on this machine.
    """

    def __init__(
        self,
        issuer: str,
        client: "httpx.AsyncClient",
        clock: Clock,
        *,
        min_interval_seconds: float = 30.0,
        age_limit_seconds: float = 7200.0,
        timeout_seconds: float = 5.0,
        keys_url: str | None = None,
    ) -> None:
        self._on_this_machine = _is_loopback(_checked_url(keys_url or issuer, allow_loopback=True))
        self._keys_url = keys_url
        self._issuer = issuer
        self._client = client
        self._clock = clock
        self._min_interval_seconds = min_interval_seconds
        self._age_limit_seconds = age_limit_seconds
        self._timeout_seconds = timeout_seconds
        self._keys = NO_KEYS
        self._fetched_at = -math.inf
        self._attempted_at = -math.inf
        self._attempt: asyncio.Task[None] | None = None

    def current(self, now_epoch_seconds: float) -> KeySet:
        """The keys as last fetched; none once they are past their age limit."""
        if now_epoch_seconds - self._fetched_at > self._age_limit_seconds:
            return NO_KEYS
        return self._keys

    def is_refresh_due(self, now_epoch_seconds: float) -> bool:
        """Whether the last attempt is long enough ago, or still under way."""
        if self._attempt is not None and not self._attempt.done():
            return True
        # A negative age means that the clock was set back.
        return not 0 <= now_epoch_seconds - self._attempted_at < self._min_interval_seconds

    async def refresh(self) -> None:
        """Fetches the keys, if that is due; a failure is logged and leaves the keys as they are.

        Callers that come while one fetches wait for its answer and do not fetch again. A caller
        that goes away does not stop the attempt: others could then never complete one.
        """
        now = self._clock.now().timestamp()
        if not self.is_refresh_due(now):
            return
        if self._attempt is None or self._attempt.done():
            self._attempted_at = now
            self._attempt = asyncio.create_task(self._refresh(now))
        await asyncio.shield(self._attempt)

    async def _refresh(self, now_epoch_seconds: float) -> None:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                keys = await self._fetch()
        except (MeshplaneError, TimeoutError) as error:
            code = error.code if isinstance(error, MeshplaneError) else "ISSUER_TIMEOUT"
            structlog.get_logger().warning(
                "issuer_keys_not_refreshed", issuer=self._issuer, code=code
            )
            return
        # The same object stays while the keys are the same: verified tokens hang on it.
        if not keys.same_as(self._keys):
            self._keys = keys
        self._fetched_at = now_epoch_seconds

    async def _fetch(self) -> KeySet:
        keys = read_key_set(await self._get(self._keys_url or await self._discovered()))
        for key in keys.keys:
            key.load()
        return keys

    async def _discovered(self) -> str:
        """Where the issuer says that its keys are."""
        discovery = await self._get(self._issuer.removesuffix("/") + _DISCOVERY_PATH)
        if discovery.get("issuer") != self._issuer:  # OpenID Connect Discovery 1.0 section 4.3
            raise Invalid("ISSUER_MISMATCH", "The discovery document names another issuer.")
        jwks_uri = discovery.get("jwks_uri")
        if not isinstance(jwks_uri, str):
            raise Invalid("ISSUER_DOCUMENT", "The discovery document names no place of keys.")
        _checked_url(jwks_uri, allow_loopback=self._on_this_machine)
        return jwks_uri

    async def _get(self, url: str) -> dict[str, Any]:
        import httpx

        # Uncompressed, so that the size limit counts what is held in memory.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        body = bytearray()
        try:
            async with self._client.stream(
                "GET", url, headers=headers, follow_redirects=False
            ) as response:
                if response.status_code != _HTTP_OK or "content-encoding" in response.headers:
                    raise Unavailable("ISSUER_ANSWER", "The issuer did not answer with a document.")
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > _MAX_DOCUMENT_BYTES:
                        raise Invalid("ISSUER_DOCUMENT", "The issuer's document is too large.")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable("ISSUER_UNREACHABLE", "The issuer does not answer.") from error
        try:
            return read_json_object(bytes(body))
        except Unauthenticated:
            raise Invalid("ISSUER_DOCUMENT", "The issuer's document is not JSON.") from None


def _checked_url(url: str, *, allow_loopback: bool) -> SplitResult:
    """The parts of a URL that may be fetched: https, or http to this machine where allowed."""
    refused = Invalid(
        "ISSUER_URL",
        "The URL of an issuer or of its keys is https (http only on this machine) and has no "
        "user and no fragment.",
    )
    try:
        parts = urlsplit(url)
        port_is_sound = parts.port is None or parts.port > 0
    except ValueError:
        raise refused from None
    if not parts.hostname or not port_is_sound or parts.username is not None or parts.fragment:
        raise refused
    if _is_loopback(parts):
        if not allow_loopback or parts.scheme not in ("http", "https"):
            raise refused
    elif parts.scheme != "https":
        raise refused
    return parts


def _is_loopback(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
