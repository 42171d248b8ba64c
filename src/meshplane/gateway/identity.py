"""Who sent a request: verifies the access token in its `Authorization` header.

The rules are those of RFC 8725 (JSON Web Token practice). The configured issuers decide which keys
and algorithms count; a token decides nothing about how it is checked.
"""

from collections.abc import Sequence
from hashlib import sha256

from meshplane.gateway.token_cache import VerifiedToken, VerifiedTokens
from meshplane.gateway.token_claims import (
    Identity,
    TrustedIssuer,
    check_claims,
    check_times,
)
from meshplane.gateway.token_keys import KeySource, StaticKeys, load_cryptography
from meshplane.gateway.token_parts import (
    MAX_TOKEN_BYTES,
    malformed,
    read_compact,
    read_json_object,
)
from meshplane.gateway.token_signature import UnknownKey, check_signature
from meshplane.kit.clock import Clock
from meshplane.kit.errors import Invalid, Unauthenticated

__all__ = ["Identity", "KeySource", "StaticKeys", "TokenVerifier", "TrustedIssuer"]

MAX_LEEWAY_SECONDS = 60.0
_SCHEME = "bearer"  # RFC 6750 section 2.1; schemes have no case (RFC 9110 section 11.1)
_MAX_HEADER_CHARACTERS = MAX_TOKEN_BYTES + len("Bearer ")


class TokenVerifier:
    """Verifies access tokens of the trusted issuers.

    Args:
        issuers: whom to trust, each `iss` once.
        clock: tells the present.
        leeway_seconds: how far clocks may differ, 0 to 60.
        cache_capacity: how many verified tokens are remembered; 0 remembers none.

    Raises:
        Invalid: TOKEN_SETTINGS when the leeway or the issuers are not as said.
    """

    def __init__(
        self,
        issuers: Sequence[TrustedIssuer],
        clock: Clock,
        leeway_seconds: float = 30.0,
        cache_capacity: int = 10_000,
    ) -> None:
        if not 0 <= leeway_seconds <= MAX_LEEWAY_SECONDS:
            raise Invalid(
                "TOKEN_SETTINGS",
                "The leeway between clocks is 0 to 60 seconds.",
                field="leeway_seconds",
            )
        self._issuers = {trusted.issuer: trusted for trusted in issuers}
        if not issuers or len(self._issuers) != len(issuers):
            raise Invalid(
                "TOKEN_SETTINGS",
                "Name at least one trusted issuer, and each only once.",
                field="issuers",
            )
        self._clock = clock
        self._leeway_seconds = leeway_seconds
        self._verified = VerifiedTokens(cache_capacity)

    def warm(self) -> None:
        """Loads the cryptography and the keys at hand, so that no request waits for it."""
        load_cryptography()
        now = self._clock.now().timestamp()
        for trusted in self._issuers.values():
            for key in trusted.keys.current(now).keys:
                key.load()

    def verify(self, authorization_header: str | None) -> Identity:
        """Says who sent the token of an `Authorization: Bearer …` header. It does no I/O.

        Raises:
            Unauthenticated: TOKEN_MISSING, TOKEN_MALFORMED, TOKEN_ALGORITHM, TOKEN_SIGNATURE,
                TOKEN_EXPIRED, TOKEN_NOT_YET_VALID, TOKEN_ISSUER, TOKEN_AUDIENCE or TOKEN_CLAIMS.
        """
        token = _bearer_token(authorization_header)
        digest = sha256(token.encode("ascii")).digest()
        now = self._clock.now().timestamp()
        entry = self._verified.get(digest)
        if entry is not None:
            # Keys that were withdrawn, or grew too old, no longer vouch for what they signed.
            if entry.keys is entry.trusted.keys.current(now):
                checked = entry.checked
                check_times(
                    checked.not_before_epoch_seconds,
                    checked.expires_at_epoch_seconds,
                    now,
                    self._leeway_seconds,
                )
                return checked.identity
            self._verified.drop(digest)
        entry = self._verify_token(token, now)
        self._verified.put(digest, entry)
        return entry.checked.identity

    async def authenticate(self, authorization_header: str | None) -> Identity:
        """Like `verify`; when the key is unknown, asks the issuers for new keys, if that is due.

        However many unknown keys are named, an issuer is asked no more often than its key source
        allows.

        Raises:
            Unauthenticated: as `verify`.
        """
        try:
            return self.verify(authorization_header)
        except UnknownKey:
            if not await self.refresh_keys():
                raise
        return self.verify(authorization_header)

    async def refresh_keys(self) -> bool:
        """Refreshes the keys of every issuer where that is due; says whether any was.

        Call it at start and every few minutes, so that withdrawn keys are forgotten.
        """
        now = self._clock.now().timestamp()
        due = [
            trusted.keys for trusted in self._issuers.values() if trusted.keys.is_refresh_due(now)
        ]
        for source in due:
            await source.refresh()
        return bool(due)

    def _verify_token(self, token: str, now_epoch_seconds: float) -> VerifiedToken:
        parts = read_compact(token)
        claims = read_json_object(parts.payload)
        # The claimed issuer, still unproven, only selects among those that were configured.
        issuer = claims.get("iss")
        trusted = self._issuers.get(issuer) if isinstance(issuer, str) else None
        if trusted is None:
            raise Unauthenticated(
                "TOKEN_ISSUER", "The token was issued by somebody not trusted here."
            )
        keys = trusted.keys.current(now_epoch_seconds)
        check_signature(parts, keys)
        checked = check_claims(
            claims, parts.token_type, trusted, now_epoch_seconds, self._leeway_seconds
        )
        return VerifiedToken(checked, trusted, keys)


def _bearer_token(header: str | None) -> str:
    if not header:
        raise Unauthenticated(
            "TOKEN_MISSING", "Send an access token in the header 'Authorization: Bearer <token>'."
        )
    if len(header) > _MAX_HEADER_CHARACTERS or not header.isascii():
        raise malformed("The Authorization header is longer than 8 KiB, or is not ASCII.")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != _SCHEME or not token:
        raise malformed("The Authorization header does not read 'Bearer <token>'.")
    return token
