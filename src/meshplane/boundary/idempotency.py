"""Idempotency keys: the answer to a key is kept with its effect, in the same commit.

Follows the IETF draft "The Idempotency-Key HTTP Header Field": the same key with the same request
gives the stored answer, with another request 422.
"""

import hashlib
import re
from dataclasses import dataclass

from meshplane.boundary.actor import Actor
from meshplane.kit.errors import Invalid, KeyReused
from meshplane.platform.sealing import Seal
from meshplane.platform.store import ABSENT, UnitOfWork
from meshplane.platform.tables import Table

KEPT_SECONDS = 7 * 24 * 3600
_ALLOWED = re.compile(r"[\x21-\x7e]{1,200}")

IDEMPOTENCY_KEYS = Table("IdempotencyKeys", "actor", "key", expires="expiresAt")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it was sent."""

    status: int
    body: str
    version: int | None


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A key that came with a request, and the fingerprint of that request."""

    actor: str
    key: str
    fingerprint: str

    @staticmethod
    def of(actor: Actor, key: str, operation: str, path: str, body_digest: str) -> "IdempotencyKey":
        """The key of a request.

        Raises:
            Invalid: IDEMPOTENCY_KEY_INVALID.
        """
        if not _ALLOWED.fullmatch(key):
            raise Invalid(
                "IDEMPOTENCY_KEY_INVALID",
                "An Idempotency-Key has 1 to 200 visible ASCII characters.",
                field="Idempotency-Key",
            )
        request = f"{operation}\n{path}\n{body_digest}"
        return IdempotencyKey(actor.name, key, hashlib.sha256(request.encode()).hexdigest())

    @property
    def once(self) -> str:
        """Names the request, for effects that another service must not repeat."""
        return hashlib.sha256(f"{self.actor}\n{self.key}".encode()).hexdigest()

    async def find(self, work: UnitOfWork, seal: Seal) -> Answer | None:
        """The stored answer, if this request was carried out before.

        Args:
            work: reads it.
            seal: opens it.

        Raises:
            KeyReused: the key came with another request.
        """
        row = await work.get(IDEMPOTENCY_KEYS, self.actor, self.key)
        if row is None:
            return None
        if row.item["fingerprint"] != self.fingerprint:
            raise KeyReused(
                "IDEMPOTENCY_KEY_REUSED",
                "This Idempotency-Key was used with another request: take a new key.",
                field="Idempotency-Key",
            )
        body = await seal.open(row.item["body"], self._about)
        return Answer(row.item["status"], body, row.item["answerVersion"])

    def keep(self, work: UnitOfWork, answer: Answer, now_epoch_seconds: int, seal: Seal) -> None:
        """Stores the answer in the unit of work that brings about the effect.

        Answers may hold what is shown once, such as the key of a webhook: so they are sealed.
        """
        item = {
            "actor": self.actor,
            "key": self.key,
            "fingerprint": self.fingerprint,
            "status": answer.status,
            "body": seal.close(answer.body, self._about),
            "answerVersion": answer.version,
            "expiresAt": now_epoch_seconds + KEPT_SECONDS,
        }
        work.put(IDEMPOTENCY_KEYS, item, expected=ABSENT)

    @property
    def _about(self) -> str:
        return f"answer\n{self.actor}\n{self.key}"
