"""Texts that are secret where they lie: sealed with a key that is kept elsewhere.

A sealed text says which key it was sealed with, so that keys can be renewed and what was sealed
before can still be opened. It is bound to what it is about: put into another row, it does not open.
AES-256-GCM with a nonce of 96 random bits (NIST SP 800-38D, 8.2.2), so a key serves 2^32 texts.
"""

import base64
import secrets
from collections.abc import Awaitable, Callable, Mapping
from logging import WARNING
from typing import Protocol

from meshplane.kit.errors import Unavailable
from meshplane.platform.telemetry import log

KEY_BYTES = 32
_MARK = "sealed:1:"
_NONCE_BYTES = 12


class Seal(Protocol):
    """Closes and opens texts."""

    def close(self, text: str, about: str) -> str:
        """The text, so that it may be stored; `about` names what it belongs to."""
        ...

    async def open(self, stored: str, about: str) -> str:
        """The text that was stored.

        Raises:
            Unavailable: SEAL_UNKNOWN, its key is not to be had, or it belongs to something else.
        """
        ...

    def is_open(self, stored: str) -> bool:
        """Whether a stored text is yet to be sealed."""
        ...


class NoSeal:
    """Leaves texts as they are: where the key would lie beside them, sealing hides nothing."""

    def close(self, text: str, about: str) -> str:
        """See `Seal.close`."""
        return text

    async def open(self, stored: str, about: str) -> str:
        """See `Seal.open`."""
        if stored.startswith(_MARK):
            raise _unknown()
        return stored

    def is_open(self, stored: str) -> bool:
        """Never: there is nothing to seal it with."""
        return False


class KeySeal:
    """Seals with keys that another keeps.

    A text that was stored before there was a seal is taken as it is.

    Args:
        keys: 32 secret bytes by the name of the key; the first seals.
        reload: reads the keys again: another process may have sealed with a newer one.
    """

    def __init__(
        self, keys: Mapping[str, bytes], reload: Callable[[], Awaitable[Mapping[str, bytes]]]
    ) -> None:
        self._keys = dict(keys)
        self._reload = reload

    def close(self, text: str, about: str) -> str:
        """See `Seal.close`."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        name, key = next(iter(self._keys.items()))
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + AESGCM(key).encrypt(nonce, text.encode(), about.encode())
        return f"{_MARK}{name}:{base64.b64encode(sealed).decode()}"

    async def open(self, stored: str, about: str) -> str:
        """See `Seal.open`."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if not stored.startswith(_MARK):
            return stored
        name, _, text = stored.removeprefix(_MARK).partition(":")
        if name not in self._keys:
            self._keys = dict(await self._reload())
        if name not in self._keys:
            raise _unknown()
        sealed = base64.b64decode(text)
        try:
            opened = AESGCM(self._keys[name]).decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about.encode()
            )
        except InvalidTag:
            log(WARNING, "seal_broken", key=name)
            raise _unknown() from None
        return opened.decode()

    def is_open(self, stored: str) -> bool:
        """See `Seal.is_open`."""
        return not stored.startswith(_MARK)


def _unknown() -> Unavailable:
    return Unavailable(
        "SEAL_UNKNOWN",
        "A stored secret cannot be opened: its sealing key is not in Secrets Manager. Start with "
        "the part `secrets`, and restore the key `meshplane/sealing-keys` if it was removed.",
    )
