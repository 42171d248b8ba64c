"""The one tree of errors that a user can cause or meet.

A use case raises one of these kinds; only the gateway turns a kind into an HTTP status (see
`gateway/problems.py`). A message says what was wrong, where, and what to do. It never carries a
value from data, a secret, or the text of an engine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One offending field: `field` is its path in the request (`members.0.role`)."""

    field: str
    message: str


class MeshplaneError(Exception):
    """Any error with a stable code.

    Args:
        code: stable, upper snake case; clients branch on it (`NAME_TAKEN`).
        message: what was wrong and what to do, for a person.
        fields: the offending fields, when the request has some.
        details: further members of the problem document, JSON values only.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        fields: Sequence[FieldProblem] = (),
        field: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fields = (FieldProblem(field, message),) if field is not None else tuple(fields)
        self.details = dict(details or {})


class Invalid(MeshplaneError):
    """The request cannot be carried out as it is written."""


class Unauthenticated(MeshplaneError):
    """Nobody we know sent this."""


class Refused(MeshplaneError):
    """The caller is known and may not do this."""


class Missing(MeshplaneError):
    """There is no such thing, or the caller may not know that there is."""


class Conflict(MeshplaneError):
    """It clashes with what is there: a taken name, a state that does not allow it."""


class Stale(MeshplaneError):
    """It was changed by someone else since the caller read it."""


class BaseMoved(Stale):
    """What a long piece of work was built upon moved meanwhile; the boundary runs it again."""


class ConditionRequired(MeshplaneError):
    """An update came without saying which version it changes."""


class TooLarge(MeshplaneError):
    """The request is over a size limit."""


class UrlTooLong(TooLarge):
    """The address that was asked for is over a size limit."""


class HeadersTooLarge(TooLarge):
    """The headers are too many, or one of them is over a size limit."""


class KeyReused(MeshplaneError):
    """An idempotency key came again with another request."""


class LimitReached(MeshplaneError):
    """A statement used up its time, memory or size."""


class Unavailable(MeshplaneError):
    """A part that this needs does not answer now; try again."""
