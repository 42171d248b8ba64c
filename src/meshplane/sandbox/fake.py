"""What a fake of an AWS service is: handlers by operation over a shared world."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from meshplane.kit.clock import Clock


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls.

    Args:
        account: 12 digits.
        region: that the request was signed for.
        arn: `arn:aws:iam::ACCOUNT:role/NAME` of a role that was assumed, of its session
            `arn:aws:sts::…:assumed-role/…` only in `session_arn`; of a user, the user's; of the
            account itself, `arn:aws:iam::ACCOUNT:root`.
        session_arn: as `sts get_caller_identity` gives it.
        access_key: that signed.
    """

    account: str
    region: str
    arn: str
    session_arn: str
    access_key: str


class FakeError(Exception):
    """An error of AWS's own, as its client would see it.

    Args:
        code: `EntityNotFoundException`.
        message: for people.
        status: of HTTP.
        members: further members of the modelled error shape.
    """

    def __init__(self, code: str, message: str, status: int = 400, **members: Any) -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.members = code, message, status, members


Handler = Callable[[Caller, dict[str, Any]], dict[str, Any]]
"""Answers one operation: who calls and the parameters as boto3 has them, the answer likewise.

It is called with the world's lock held, one call at a time, so it needs no locks of its own.
"""


class Fake(Protocol):
    """A fake of one service."""

    service: str
    """botocore's name."""

    handlers: Mapping[str, Handler]
    """By the operation's name in the model: `GrantPermissions`."""


@dataclass
class World:
    """What all fakes share.

    Args:
        clock: the time that they go by.
        visibility_seconds: how long a change stays unseen by reads of lists (eventual consistency);
            a fake that has such reads honours it.
        services: other fakes by their service, for what one does in another: Lake Formation makes
            shares in RAM, and Athena asks Lake Formation.
        lock: held around every handler.
    """

    clock: Clock
    visibility_seconds: float = 0.0
    services: dict[str, Any] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _numbers: dict[str, int] = field(default_factory=dict)

    def number(self, kind: str) -> int:
        """The next number of a kind, from 1: fakes make their ids of it, so runs repeat."""
        self._numbers[kind] = self._numbers.get(kind, 0) + 1
        return self._numbers[kind]
