"""How a grant lies in the store, and the one way to write it: row, event and history together."""

from typing import Any, Literal

from meshplane.boundary.call import Call
from meshplane.events.permissions import (
    PermissionChanged,
    PermissionExpired,
    PermissionGranted,
    PermissionRevoked,
)
from meshplane.kit.clock import Clock, from_text
from meshplane.kit.errors import BaseMoved, MeshplaneError
from meshplane.platform.store import ABSENT
from meshplane.platform.tables import Row
from meshplane.services.permissions import history
from meshplane.services.permissions.model import Grant, in_order
from meshplane.services.permissions.store import ALL, ENDING, GRANTS


def is_revoked(row: Row) -> bool:
    """Whether the row is what stays of a revoked grant."""
    return bool(row.item.get("revoked"))


def grant_of(row: Row) -> Grant | None:
    """The grant in a row; None if it was revoked."""
    return None if is_revoked(row) else Grant.from_json(row.item)


def in_force(grant: Grant, clock: Clock) -> bool:
    """Whether the grant has not come to its end."""
    return grant.expires_at is None or clock.now() < from_text(grant.expires_at)


def item_of(grant: Grant, changed_at: str, *, ended: bool = False) -> dict[str, Any]:
    """The row of a grant.

    Args:
        grant: what is kept.
        changed_at: when it was changed last, as history has it.
        ended: whether its end has been noted.
    """
    item = {
        **grant.to_json(),
        "holder": grant.target.holder,
        "listing": ALL,
        "changedAt": changed_at,
    }
    if grant.target.asset_id is not None:
        item["assetId"] = grant.target.asset_id
    if grant.expires_at is not None and not ended:
        item["ending"] = ENDING
    return item


def resource_of(grant: Grant) -> str:
    """What events call the resource: the asset's id where there is one."""
    return grant.target.asset_id or grant.target.key


def _told(grant: Grant) -> dict[str, Any]:
    """What every event of a grant tells of it."""
    return {
        "grant_id": grant.grant_id,
        "principal": grant.principal,
        "resource": resource_of(grant),
        "permissions": tuple(in_order(grant.permissions)),
        "target": grant.target.key,
        "domain_id": grant.domain_id,
    }


def put_grant(
    call: Call, grant: Grant, row: Row | None, how: Literal["granted", "changed"]
) -> None:
    """Writes a grant with its event and its line of history.

    Args:
        call: whose commit.
        grant: as it is to be.
        row: what is there now.
        how: whether it is new, or another than before.
    """
    at = _moment(call, row)
    call.resource = f"Grant:{grant.grant_id}"
    call.note(principal=grant.principal, target=grant.target.key)
    _put(call, item_of(grant, at), row)
    event = PermissionGranted if how == "granted" else PermissionChanged
    call.work.emit(
        event(
            **_told(grant),
            by=history.person(call),
            at=at,
        ).event()
    )
    history.note(call, grant.target.holder, how, grant.to_json(), at=at)


def end_grant(call: Call, row: Row, reason: str | None = None) -> None:
    """Revokes the grant of a row.

    What stays says that it ended, without what would put it in force: a grant of this id that was
    sent before and comes late must not bring it back.
    """
    grant = Grant.from_json(row.item)
    at = _moment(call, row)
    call.resource = f"Grant:{grant.grant_id}"
    call.note(principal=grant.principal, target=grant.target.key)
    _put(call, {"grantId": grant.grant_id, "revoked": True, "changedAt": at}, row)
    call.work.emit(
        PermissionRevoked(
            **_told(grant),
            by=history.person(call),
            at=at,
        ).event()
    )
    gone = {"grantId": grant.grant_id, "principal": grant.principal, "reason": reason}
    history.note(call, grant.target.holder, "revoked", gone, at=at)


def note_end(call: Call, row: Row) -> None:
    """Notes that the grant of a row has come to its end; it has let nothing through since then."""
    grant = Grant.from_json(row.item)
    at = _moment(call, row)
    _put(call, item_of(grant, at, ended=True), row)
    call.work.emit(
        PermissionExpired(
            **_told(grant),
            expires_at=grant.expires_at or "",
            at=at,
        ).event()
    )
    gone = {"grantId": grant.grant_id, "principal": grant.principal, "expiresAt": grant.expires_at}
    history.note(call, grant.target.holder, "expired", gone, at=at)


def moved() -> MeshplaneError:
    """Somebody else changed the grant meanwhile: the boundary tries again on what is there now."""
    return BaseMoved("GRANT_MOVED", "The grant was changed meanwhile: try again.")


def _moment(call: Call, row: Row | None) -> str:
    return history.moment_after(call.now, row.item.get("changedAt") if row else None)


def _put(call: Call, item: dict[str, Any], row: Row | None) -> None:
    expected = row.version if row else ABSENT
    call.work.put(GRANTS, item, expected=expected, otherwise=moved())
