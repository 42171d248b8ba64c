"""Remembers tokens that were verified, so that the same token is not verified a thousand times."""

import threading
from collections import OrderedDict
from dataclasses import dataclass

from meshplane.gateway.token_claims import CheckedClaims, TrustedIssuer
from meshplane.gateway.token_keys import KeySet


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What a token was found to say, and the keys that it was checked against."""

    checked: CheckedClaims
    trusted: TrustedIssuer
    keys: KeySet


class VerifiedTokens:
    """A bounded memory of verified tokens, the least recently used leaving first.

    The key is a digest of the whole token: what is kept cannot be sent again, and a token with
    the same claims and another signature is another token.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[bytes, VerifiedToken] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, digest: bytes) -> VerifiedToken | None:
        """The entry of that digest, which becomes the most recently used."""
        with self._lock:
            entry = self._entries.get(digest)
            if entry is not None:
                self._entries.move_to_end(digest)
            return entry

    def put(self, digest: bytes, entry: VerifiedToken) -> None:
        """Remembers an entry and forgets the oldest beyond the capacity."""
        with self._lock:
            self._entries[digest] = entry
            self._entries.move_to_end(digest)
            while len(self._entries) > self._capacity:
                self._entries.popitem(last=False)

    def drop(self, digest: bytes) -> None:
        """Forgets the entry of that digest, if there is one."""
        with self._lock:
            self._entries.pop(digest, None)
