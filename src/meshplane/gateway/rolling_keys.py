"""Signing keys that are renewed while the mesh runs: the newest signs, the others still verify."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from meshplane.gateway.issuer import IssuerKeys
from meshplane.gateway.token_keys import KeySet, KeySource, read_key_set
from meshplane.kit.clock import Clock
from meshplane.kit.errors import MeshplaneError

_LEAST_SECONDS = 30.0


class RollingKeys:
    """`SigningKeys` and `KeySource` over keys that are kept elsewhere.

    A process learns of a new key from a token that was signed with it, and every few minutes; so
    keys need not be announced before they are used.

    Args:
        pems: the keys in PEM, newest first.
        reload: reads them again.
        clock: tells the present.
        where: what holds them, for errors: `The secret …`.

    Raises:
        Invalid: ISSUER_KEY_DAMAGED, ISSUER_KEY_WEAK.
    """

    def __init__(
        self,
        pems: Sequence[str],
        reload: Callable[[], Awaitable[Sequence[str]]],
        clock: Clock,
        *,
        where: str,
    ) -> None:
        self._reload, self._clock, self._where = reload, clock, where
        self._turn = asyncio.Lock()
        self._loaded_at = clock.now().timestamp()
        self._pems: tuple[str, ...] = ()
        self._keys: tuple[IssuerKeys, ...] = ()
        self._public: KeySet | None = None
        self._take(pems)

    def sign(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        """See `SigningKeys.sign`."""
        return self._keys[0].sign(header, claims)

    def jwks(self) -> dict[str, Any]:
        """See `SigningKeys.jwks`."""
        return {"keys": [each for one in self._keys for each in one.jwks()["keys"]]}

    def source(self) -> KeySource:
        """See `SigningKeys.source`."""
        return self

    def current(self, now_epoch_seconds: float) -> KeySet:
        """See `KeySource.current`."""
        if self._public is None:
            self._public = read_key_set(self.jwks())
        return self._public

    def is_refresh_due(self, now_epoch_seconds: float) -> bool:
        """See `KeySource.is_refresh_due`."""
        # A negative age means that the clock was set back.
        return self._turn.locked() or not (
            0 <= now_epoch_seconds - self._loaded_at < _LEAST_SECONDS
        )

    async def refresh(self) -> None:
        """See `KeySource.refresh`."""
        async with self._turn:
            now = self._clock.now().timestamp()
            if 0 <= now - self._loaded_at < _LEAST_SECONDS:
                return  # another has just looked
            self._loaded_at = now
            try:
                self._take(await self._reload())
            except MeshplaneError as error:
                structlog.get_logger().warning("issuer_keys_not_refreshed", code=error.code)

    def _take(self, pems: Sequence[str]) -> None:
        if tuple(pems) == self._pems:
            return  # the same object stays: verified tokens hang on it
        self._keys = tuple(IssuerKeys.parse(pem, self._where) for pem in pems)
        self._pems, self._public = tuple(pems), None

    def __repr__(self) -> str:
        return f"RollingKeys(kids={[one.kid for one in self._keys]!r})"
