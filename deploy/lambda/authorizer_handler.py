"""The Lambda authorizer of an HTTP API: verifies the access token of a request.

API Gateway, payload 2.0 → the token of `identitySource` → the same verifier as the server's →
`{"isAuthorized": …, "context": …}` (simple responses enabled). The server verifies the token again:
this one keeps strangers off it. The configured issuer alone decides which keys and algorithms
count, never the token: keys are RSA, for RS256, from the issuer's own document.

HTTP API's built-in JWT authorizer does most of this without a function; this one adds Cognito's
access tokens without `aud`, strict reading, and groups in the context.

Settings: `MESHPLANE_OIDC_ISSUER`; `MESHPLANE_OIDC_AUDIENCE`, `MESHPLANE_OIDC_CLIENT_IDS`,
`MESHPLANE_OIDC_GROUPS_CLAIM` (`cognito:groups`), lists with commas between.

Sources: API Gateway Developer Guide, "Control access to HTTP APIs with AWS Lambda authorizers";
OpenID Connect Discovery 1.0; RFC 8725.
"""

import math
import os
import time
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from meshplane.gateway.identity import Identity, TokenVerifier, TrustedIssuer
from meshplane.gateway.token_keys import NO_KEYS, KeySet, read_key_set
from meshplane.gateway.token_parts import read_json_object
from meshplane.gateway.token_signature import UnknownKey
from meshplane.kit.clock import Clock, SystemClock
from meshplane.kit.errors import MeshplaneError, Unauthenticated

_ALGORITHM = "RS256"
_DISCOVERY_PATH = "/.well-known/openid-configuration"
_LARGEST_DOCUMENT_BYTES = 262_144
_TIMEOUT_SECONDS = 3.0
_LEAST_SECONDS_BETWEEN = 30.0
_KEPT_SECONDS = 7200.0
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class IssuerKeys:
    """The issuer's keys, fetched when they are needed, at most every 30 seconds; see `KeySource`.

    Args:
        issuer: its URL, exactly as in `iss`.
        clock: tells the present.
    """

    def __init__(self, issuer: str, clock: Clock) -> None:
        self._issuer = issuer
        self._clock = clock
        self._keys = NO_KEYS
        self._fetched_at = self._tried_at = -math.inf

    def current(self, now_epoch_seconds: float) -> KeySet:
        """The keys as they were fetched; none once they are too old."""
        if now_epoch_seconds - self._fetched_at > _KEPT_SECONDS:
            return NO_KEYS
        return self._keys

    def is_refresh_due(self, now_epoch_seconds: float) -> bool:
        """Whether the last try is long enough ago."""
        return not 0 <= now_epoch_seconds - self._tried_at < _LEAST_SECONDS_BETWEEN

    async def refresh(self) -> None:
        """Fetches the keys, if that is due; on a failure they stay as they are."""
        self.fetch()

    def fetch(self) -> bool:
        """As `refresh`; whether there is something new."""
        now = self._clock.now().timestamp()
        if not self.is_refresh_due(now):
            return False
        self._tried_at = now
        try:
            found = _document(self._issuer.removesuffix("/") + _DISCOVERY_PATH)
            if found.get("issuer") != self._issuer:
                return False
            published = _document(str(found.get("jwks_uri")))
            self._keys = read_key_set({"keys": _for_signatures(published)})
        except (OSError, ValueError, MeshplaneError):
            return False
        self._fetched_at = now
        return True


class Authorizer:
    """Decides on requests.

    Args:
        settings: the environment.
        clock: tells the present.
    """

    def __init__(self, settings: Mapping[str, str], clock: Clock) -> None:
        issuer = settings["MESHPLANE_OIDC_ISSUER"]
        self._keys = IssuerKeys(issuer, clock)
        self._verifier = TokenVerifier(
            [
                TrustedIssuer(
                    issuer,
                    self._keys,
                    audiences=_listed(settings, "MESHPLANE_OIDC_AUDIENCE"),
                    client_ids=_listed(settings, "MESHPLANE_OIDC_CLIENT_IDS"),
                    groups_claim=settings.get("MESHPLANE_OIDC_GROUPS_CLAIM", "cognito:groups"),
                    requires_access_token_type=False,
                )
            ],
            clock,
        )

    def decide(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to API Gateway."""
        try:
            identity = self._verified(_header(event))
        except Unauthenticated as refused:
            return {"isAuthorized": False, "context": {"code": refused.code}}
        groups = ",".join(sorted(identity.groups))
        return {
            "isAuthorized": True,
            "context": {
                "subject": identity.subject,
                "issuer": identity.issuer,
                "groups": groups,
                "expiresAt": str(int(identity.expires_at_epoch_seconds)),
            },
        }

    def _verified(self, header: str | None) -> Identity:
        try:
            return self._verifier.verify(header)
        except UnknownKey:
            if not self._keys.fetch():
                raise
        return self._verifier.verify(header)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answers API Gateway; whatever goes wrong is a no.

    Args:
        event: payload 2.0 of a REQUEST authorizer.
        context: Lambda's.
    """
    return _AUTHORIZER.decide(event)


def _header(event: Mapping[str, Any]) -> str | None:
    source = event.get("identitySource")
    if isinstance(source, list) and len(source) == 1 and isinstance(source[0], str):
        return source[0]
    return None


def _for_signatures(published: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The keys for RS256; a key of another kind is none of ours, whatever a token says."""
    keys = published.get("keys")
    return [
        {**key, "alg": _ALGORITHM, "use": "sig"}
        for key in (keys if isinstance(keys, list) else ())
        if isinstance(key, dict)
        and key.get("kty") == "RSA"
        and key.get("alg", _ALGORITHM) == _ALGORITHM
        and key.get("use", "sig") == "sig"
    ]


def _document(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    on_this_machine = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if parts.scheme != "https" and not on_this_machine:
        raise ValueError("keys come over HTTPS")
    opener = urllib.request.build_opener(_NoRedirect)
    give_up = time.monotonic() + _TIMEOUT_SECONDS
    with opener.open(url, timeout=_TIMEOUT_SECONDS) as answer:
        text = answer.read(_LARGEST_DOCUMENT_BYTES + 1)
    if len(text) > _LARGEST_DOCUMENT_BYTES or time.monotonic() > give_up + _TIMEOUT_SECONDS:
        raise ValueError("the issuer's document is too large, or too slow")
    return read_json_object(text)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Keys come from where the issuer says, and from nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """None is followed: the answer is an error."""


def _listed(settings: Mapping[str, str], name: str) -> frozenset[str]:
    return frozenset(part for part in settings.get(name, "").split(",") if part)


_AUTHORIZER = Authorizer(os.environ, SystemClock())
