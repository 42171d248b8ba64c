"""Use cases of shares.

The steps move a share's state and record when. Where shares are carried out in an account, each
step is carried out before it is recorded: one that was done and not recorded is done again, which
changes nothing, and one that was recorded was done.
"""

from typing import Any

from meshplane.boundary.call import Call
from meshplane.boundary.schemas import Page
from meshplane.events.shares import CrossAccountShareCompleted, CrossAccountShareInitiated
from meshplane.kit.clock import from_text
from meshplane.kit.errors import BaseMoved, Conflict, Invalid, Missing
from meshplane.platform.store import ABSENT
from meshplane.platform.tables import Row
from meshplane.policy.model import Resource
from meshplane.services.assets.api import LAKE_FORMAT, AssetsApi, no_such_asset
from meshplane.services.shares.ports import SharedTable, Sharing
from meshplane.services.shares.schemas import (
    AcceptanceView,
    NewShare,
    ShareFailure,
    ShareQuery,
    ShareView,
)
from meshplane.services.shares.store import SHARES

_WAY = ("PENDING", "SHARED", "GRANTED", "ACCEPTED", "VERIFIED", "ACTIVE")
_FAILED = "FAILED"
_PAGE = 200


class Shares:
    """Shares data products and follows what becomes of it.

    Args:
        assets: the service below.
        sharing: carries shares out; None where they are recorded alone.
        account: of the mesh, where they are carried out.
    """

    def __init__(
        self, assets: AssetsApi, sharing: Sharing | None = None, account: str = ""
    ) -> None:
        self._assets = assets
        self._sharing, self._account = sharing, account

    async def share(self, call: Call, body: NewShare) -> ShareView:
        """Begins a share of a published asset.

        Raises:
            Missing: ASSET_NOT_FOUND.
            Invalid: SHARE_OF_EXTERNAL, its table does not lie in the lake.
        """
        asset = await self._assets.find(call.actor, body.asset_id)
        if asset is None or not asset.is_published:
            raise no_such_asset()
        await call.allow(Resource("Asset", asset.asset_id, asset.domain_id, asset.project_id))
        if asset.format != LAKE_FORMAT:
            raise Invalid(
                "SHARE_OF_EXTERNAL",
                "The asset is kept by Redshift, not by the lake: share it there, as a datashare.",
                field="assetId",
            )
        item: dict[str, Any] = {
            "shareId": call.new_id("share"),
            "assetId": asset.asset_id,
            "assetName": asset.name,
            "domainId": asset.domain_id,
            "domainName": asset.domain_name,
            "projectId": asset.project_id,
            "targetAccount": body.target_account,
            "permissions": sorted(set(body.permissions)),
            "readerRole": body.reader_role,
            "linkDatabase": body.link_database or f"{asset.domain_name}-shared",
            "status": "PENDING",
            "initiatedBy": call.actor.on_behalf_of or call.actor.name,
            "initiatedAt": call.now,
            "changedAt": call.now,
            "acceptedBy": None,
            "failureReason": None,
        }
        call.resource = f"Share:{item['shareId']}"
        call.note(asset=asset.asset_id, account=body.target_account)
        call.work.put(SHARES, item, expected=ABSENT)
        call.work.emit(
            CrossAccountShareInitiated(
                share_id=item["shareId"],
                asset_id=asset.asset_id,
                asset_name=asset.name,
                target_account=body.target_account,
                permissions=tuple(item["permissions"]),
                reader_role=item["readerRole"],
                initiated_by=item["initiatedBy"],
                initiated_at=call.now,
            ).event()
        )
        return _view(Row(item, 1))

    async def get(self, call: Call, share_id: str) -> ShareView:
        """The share with that id."""
        return _view(await _allowed(call, share_id))

    async def list(self, call: Call, query: ShareQuery) -> Page[ShareView]:
        """The shares of an asset."""
        asset = await self._assets.find(call.actor, query.asset_id)
        if asset is None or not asset.is_published:
            raise no_such_asset()
        await call.allow(Resource("Asset", asset.asset_id, asset.domain_id, asset.project_id))
        page = await call.work.query(
            SHARES, query.asset_id, index="byAsset", limit=query.limit, cursor=query.cursor
        )
        return Page[ShareView](items=[_view(row) for row in page.rows], next_cursor=page.cursor)

    async def acceptance(self, call: Call, share_id: str) -> AcceptanceView:
        """Whether the other side has accepted.

        Raises:
            Missing: SHARE_NOT_FOUND.
            Conflict: SHARE_REJECTED, it does not take part.
        """
        item = (await _allowed(call, share_id)).item
        status = item["status"]
        accepted = status in _WAY and _WAY.index(status) >= _WAY.index("ACCEPTED")
        if status == "GRANTED" and self._sharing is not None:
            accepted = await self._taken(self._sharing, item)
        return AcceptanceView(share_id=share_id, accepted=accepted, status=status)

    async def advance(self, call: Call, share_id: str, to: str) -> ShareView:
        """Takes the next step; one that was taken before changes nothing.

        Args:
            call: the operation under way.
            share_id: of the share.
            to: the state that the step leads to.

        Raises:
            Missing: SHARE_NOT_FOUND.
            Conflict: SHARE_FAILED, SHARE_NOT_READY, SHARE_REJECTED.
        """
        row = await _allowed(call, share_id)
        status = row.item["status"]
        if status == _FAILED:
            raise Conflict("SHARE_FAILED", "The share has failed: begin another.", field="shareId")
        if _WAY.index(status) >= _WAY.index(to):
            return _view(row)
        if status == "GRANTED" and to == "VERIFIED" and self._sharing is not None:
            # The other account itself tells that it has accepted.
            status = "ACCEPTED" if await self._taken(self._sharing, row.item) else status
        if _WAY.index(status) + 1 != _WAY.index(to):
            raise Conflict(
                "SHARE_NOT_READY",
                f"The share is {status}: it cannot become {to} yet.",
                field="shareId",
            )
        await self._carry_out(row.item, to)
        changes: dict[str, Any] = {"status": to}
        if to == "ACCEPTED":
            changes["acceptedBy"] = call.actor.on_behalf_of or call.actor.name
        return _moved(call, row, changes, ends=to == _WAY[-1])

    async def fail(self, call: Call, share_id: str, body: ShareFailure) -> ShareView:
        """Ends a share that could not be carried out.

        Raises:
            Missing: SHARE_NOT_FOUND.
            Conflict: SHARE_ACTIVE.
        """
        row = await _allowed(call, share_id)
        if row.item["status"] == _FAILED:
            return _view(row)
        if row.item["status"] == _WAY[-1]:
            raise Conflict(
                "SHARE_ACTIVE", "The share is active: it cannot fail any more.", field="shareId"
            )
        if self._sharing is not None:
            beside = await _beside(call, row.item)
            shared = [self._shared(one.item) for one in beside]
            await self._sharing.withdraw(self._shared(row.item), shared)
            for one in beside:
                # Of two that fail at the same time, one must see that the other has.
                moved = BaseMoved("STALE", "A share beside it was changed meanwhile: try again.")
                call.work.put(SHARES, dict(one.item), expected=one.version, otherwise=moved)
        return _moved(call, row, {"status": _FAILED, "failureReason": body.reason}, ends=True)

    async def _carry_out(self, item: dict[str, Any], to: str) -> None:
        """Does what a step says.

        Raises:
            Conflict: SHARE_NOT_ACCEPTED, SHARE_REJECTED, SHARE_NOT_READABLE, LINK_NAME_TAKEN.
            Unavailable: AWS_UNAVAILABLE, AWS_TOO_SLOW.
        """
        if self._sharing is None:
            return
        shared = self._shared(item)
        if to in ("SHARED", "GRANTED"):
            await self._sharing.offer(shared)
        elif to == "ACCEPTED" and not await self._taken(self._sharing, item):
            raise Conflict(
                "SHARE_NOT_ACCEPTED",
                f"Account {item['targetAccount']} has not accepted: accept the invitation there.",
                field="shareId",
            )
        elif to == "VERIFIED":
            await self._sharing.link(shared)
            await self._sharing.verify(shared)

    async def _taken(self, sharing: Sharing, item: dict[str, Any]) -> bool:
        """Whether the other account takes part; it is made to where the mesh has a role there.

        Raises:
            Conflict: SHARE_REJECTED: to wait for it is in vain.
        """
        acceptance = await sharing.accept(self._shared(item))
        if acceptance == "REJECTED":
            raise Conflict(
                "SHARE_REJECTED",
                f"Account {item['targetAccount']} rejected the invitation: ask there, and share "
                "anew.",
                field="shareId",
            )
        return acceptance == "ACCEPTED"

    def _shared(self, item: dict[str, Any]) -> SharedTable:
        return SharedTable(
            share_id=item["shareId"],
            owner=self._account,
            database=item["domainName"],
            table=item["assetName"],
            permissions=tuple(item["permissions"]),
            account=item["targetAccount"],
            reader=item["readerRole"],
            link_database=item["linkDatabase"],
            begun_at=from_text(item["initiatedAt"]),
        )


def _moved(call: Call, row: Row, changes: dict[str, Any], *, ends: bool) -> ShareView:
    item = {**row.item, **changes, "changedAt": call.now}
    call.note(asset=item["assetId"], status=item["status"])
    moved = BaseMoved("STALE", "The share was changed meanwhile: try again.")
    call.work.put(SHARES, item, expected=row.version, otherwise=moved)
    if ends:
        call.work.emit(
            CrossAccountShareCompleted(
                share_id=item["shareId"],
                asset_id=item["assetId"],
                target_account=item["targetAccount"],
                status=item["status"],
                reason=item["failureReason"],
                completed_at=call.now,
            ).event()
        )
    return _view(Row(item, row.version + 1))


async def _beside(call: Call, item: dict[str, Any]) -> list[Row]:
    """The other shares of the asset with the same account that have not failed."""
    found: list[Row] = []
    cursor: str | None = None
    while True:
        page = await call.work.query(
            SHARES, item["assetId"], index="byAsset", limit=_PAGE, cursor=cursor
        )
        found += [
            row
            for row in page.rows
            if row.item["shareId"] != item["shareId"]
            and row.item["targetAccount"] == item["targetAccount"]
            and row.item["status"] != _FAILED
        ]
        cursor = page.cursor
        if cursor is None:
            return found


async def _allowed(call: Call, share_id: str) -> Row:
    """The share; for those who may not know of it, it is not there."""
    row = await call.work.get(SHARES, share_id)
    missing = Missing("SHARE_NOT_FOUND", "There is no share with this id.", field="shareId")
    if row is None:
        # Asked all the same, so that this answer takes the way of the other.
        await call.allow(Resource("Asset", share_id), hide=missing, known_by="getShare")
        raise missing
    item = row.item
    resource = Resource("Asset", item["assetId"], item["domainId"], item["projectId"])
    await call.allow(resource, hide=missing, known_by="getShare")
    call.resource = f"Share:{share_id}"
    return row


def _view(row: Row) -> ShareView:
    item = row.item
    return ShareView(
        share_id=item["shareId"],
        asset_id=item["assetId"],
        asset_name=item["assetName"],
        domain_id=item["domainId"],
        target_account=item["targetAccount"],
        permissions=item["permissions"],
        reader_role=item.get("readerRole"),
        link_database=item.get("linkDatabase", ""),
        status=item["status"],
        initiated_by=item["initiatedBy"],
        initiated_at=item["initiatedAt"],
        changed_at=item["changedAt"],
        accepted_by=item["acceptedBy"],
        failure_reason=item["failureReason"],
        version=row.version,
    )
