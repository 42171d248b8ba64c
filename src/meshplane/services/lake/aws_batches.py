"""Grants and revokes many permissions by few calls, and tells what became of each."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected, AwsUnavailable
from meshplane.services.lake.aws_entries import asked, filter_name

MOST_AT_ONCE = 20
"""Entries of one batch call."""

MOST_FILTERS = 10
"""Data cells filters of one table that one principal is granted in one call."""

BUSY = "ConcurrentModificationException"
"""The code of what met another change each time."""

_TRIES = 6
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 2.0
_LATER = frozenset(
    {
        BUSY,
        "ThrottlingException",
        "Throttling",
        "TooManyRequestsException",
        "InternalServiceException",
        "OperationTimeoutException",
    }
)


@dataclass(frozen=True, slots=True)
class Piece:
    """Permissions of one entry that are to be granted or revoked.

    Args:
        key: of the entry.
        principal, resource: of the entry, in its own words.
        permissions, grantable: sorted; of a grant, `permissions` holds all of `grantable`.
    """

    key: str
    principal: str
    resource: Mapping[str, Any]
    permissions: tuple[str, ...]
    grantable: tuple[str, ...] = ()


async def carry_out(
    aws: Aws, action: Literal["grant", "revoke"], pieces: Sequence[Piece]
) -> dict[str, str]:
    """Grants or revokes; what Lake Formation refuses, as its code by key.

    What was asked for twice is done once: both are idempotent, but for revoking what is not held,
    which is refused; the caller looks what is there then. What meets another change is tried again.

    Raises:
        AwsUnavailable: perhaps after some of it.
    """
    refused: dict[str, str] = {}
    for batch in batches(pieces):
        left = batch
        for turn in range(_TRIES):
            told = await _once(aws, action, left)
            refused |= told
            left = [one for one in left if told.get(one.key) in _LATER]
            if not left:
                break
            for one in left:
                del refused[one.key]
            await asyncio.sleep(pause_seconds(turn))
        refused |= {one.key: BUSY for one in left}
    return refused


def batches(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """The pieces in as few calls as Lake Formation's limits allow, in about their order."""
    left = list(pieces)
    while left:
        batch: list[Piece] = []
        later: list[Piece] = []
        on_filters: Counter[tuple[str, str, str]] = Counter()
        for one in left:
            name = filter_name(one.resource)
            group = (one.principal, *name[:2]) if name is not None else None
            if len(batch) == MOST_AT_ONCE or (group and on_filters[group] == MOST_FILTERS):
                later.append(one)
                continue
            if group:
                on_filters[group] += 1
            batch.append(one)
        yield batch
        left = later


async def _once(
    aws: Aws, action: Literal["grant", "revoke"], pieces: Sequence[Piece]
) -> dict[str, str]:
    entries = [_request(number, one, aws.place.account) for number, one in enumerate(pieces)]
    try:
        if action == "grant":
            told = await aws.call("lakeformation", "batch_grant_permissions", Entries=entries)
        else:
            told = await aws.call("lakeformation", "batch_revoke_permissions", Entries=entries)
    except AwsRejected as error:
        if len(pieces) == 1:
            return {pieces[0].key: error.aws_code}
        # One entry that is not even understood takes the others with it: find it.
        half = len(pieces) // 2
        return {
            **await _once(aws, action, pieces[:half]),
            **await _once(aws, action, pieces[half:]),
        }
    except AwsUnavailable as error:
        if error.reason in _LATER and not error.may_have_happened:
            return {one.key: error.reason for one in pieces}
        raise
    refused: dict[str, str] = {}
    for failure in told.get("Failures", ()):
        number = int(failure["RequestEntry"]["Id"])
        code = failure.get("Error", {}).get("ErrorCode") or "Unknown"
        refused[pieces[number].key] = code
    return refused


def pause_seconds(turn: int) -> float:
    """How long to wait before trying again, after so many times."""
    return float(min(_FIRST_PAUSE_SECONDS * 2**turn, _LONGEST_PAUSE_SECONDS))


def _request(number: int, piece: Piece, account: str) -> dict[str, Any]:
    ((kind, on),) = asked(piece.resource, account).items()
    condition = on.pop("Condition", None)
    request: dict[str, Any] = {
        "Id": str(number),
        "Principal": {"DataLakePrincipalIdentifier": piece.principal},
        "Resource": {kind: on},
        "Permissions": list(piece.permissions),
    }
    if piece.grantable:
        request["PermissionsWithGrantOption"] = list(piece.grantable)
    if condition is not None:
        request["Condition"] = {"Expression": condition}
    return request
