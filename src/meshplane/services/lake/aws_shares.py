"""What Lake Formation must hold for shares with other accounts.

The shares service grants there by itself. Unless the lake knew of it, it would take such a grant
for one that nobody wants, and remove it. So it follows the shares' events: what was begun is wanted
until it has failed, and is looked for and mended as the grants of people are.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from meshplane.boundary.actor import Actor
from meshplane.events.consumer import Consumer
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import Store, UnitOfWork
from meshplane.services.assets.api import AssetsApi
from meshplane.services.lake.compiling import Compiled, Place
from meshplane.services.lake.desired import Owners
from meshplane.services.lake.lake_formation import compile_for_lake_formation
from meshplane.services.lake.store import ALL, LAKE_SHARES
from meshplane.services.permissions.api import Grant, Target

_MARK = "share-"
_BEGUN, _ENDED = "CrossAccountShareInitiated", "CrossAccountShareCompleted"
_FAILED = "FAILED"
_PAGE = 200


class ShareGrants:
    """The grants that shares need, made of their events.

    Shares of an asset with the same account are one grant, of all that they permit.

    Args:
        assets: knows what is shared.
        store: remembers the shares.
        account: of the mesh, 12 digits.
    """

    def __init__(self, assets: AssetsApi, store: Store, account: str) -> None:
        self._assets = assets
        self._store = store
        self._account = account

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """The events that it follows."""
        wanted = frozenset({_BEGUN, _ENDED})
        return (Consumer("lake.aws-shares", wanted, self._on_share, "management-app.shares"),)

    def is_one(self, grant_id: str) -> bool:
        """Whether an id is of such a grant."""
        return grant_id.startswith(_MARK)

    async def find(self, actor: Actor, grant_id: str) -> Grant | None:
        """The grant of that id; None where its share has failed."""
        row = await self._store.begin().get(LAKE_SHARES, grant_id)
        return None if row is None else await self._grant(actor, row.item)

    async def all(self, actor: Actor) -> AsyncIterator[Grant]:
        """Those of all shares that are begun and have not failed."""
        cursor: str | None = None
        while True:
            page = await self._store.begin().query(
                LAKE_SHARES, ALL, index="byListing", limit=_PAGE, cursor=cursor
            )
            for row in page.rows:
                grant = await self._grant(actor, row.item)
                if grant is not None:
                    yield grant
            cursor = page.cursor
            if cursor is None:
                return

    def compiled(self, grant: Grant, place: Place) -> Compiled:
        """What Lake Formation must hold for one: the whole table, to be passed on there."""
        return compile_for_lake_formation(grant, place, account=self._account)

    async def _grant(self, actor: Actor, item: dict[str, Any]) -> Grant | None:
        asset = await self._assets.find(actor, item["assetId"])
        if asset is None:
            return None
        permissions = frozenset(await self._permitted(item))
        holder = self._holder(item)
        return Grant(
            grant_id=item["shareId"],
            principal=holder,
            target=Target(kind="table", asset_id=asset.asset_id),
            permissions=permissions,
            grantable=permissions if holder.startswith("account:") else frozenset(),
            domain_id=asset.domain_id,
            lake_state="applied",
        )

    def _holder(self, item: dict[str, Any]) -> str:
        """Who holds the right: the other account, or a reader where one account is both sides."""
        if item["account"] == self._account:
            return f"role:{item['readerRole']}"
        return f"account:{item['account']}"

    async def _permitted(self, item: dict[str, Any]) -> set[str]:
        """What all shares of the asset with the same side permit."""
        found: set[str] = set()
        cursor: str | None = None
        while True:
            page = await self._store.begin().query(
                LAKE_SHARES, item["assetId"], index="byAsset", limit=_PAGE, cursor=cursor
            )
            for row in page.rows:
                if self._holder(row.item) == self._holder(item):
                    found.update(row.item["permissions"])
            cursor = page.cursor
            if cursor is None:
                return found

    async def _on_share(self, work: UnitOfWork, event: StoredEvent) -> None:
        detail = event.detail
        share_id = detail["shareId"]
        row = await work.get(LAKE_SHARES, share_id)
        if event.type == _BEGUN:
            reader = detail.get("readerRole")
            if row is not None or (detail["targetAccount"] == self._account and reader is None):
                return
            item = {
                "shareId": share_id,
                "listing": ALL,
                "assetId": detail["assetId"],
                "account": detail["targetAccount"],
                "readerRole": reader,
                "permissions": sorted(detail["permissions"]),
            }
            work.put(LAKE_SHARES, item)
        elif row is not None and detail["status"] == _FAILED:
            work.delete(LAKE_SHARES, share_id)


class Joined:
    """Several sources of such grants as one; see `desired.Owners`.

    Args:
        parts: the sources, no two of which know the same id.
    """

    def __init__(self, parts: Sequence[Owners]) -> None:
        self._parts = tuple(parts)

    def is_one(self, grant_id: str) -> bool:
        """Whether an id is of such a grant."""
        return any(part.is_one(grant_id) for part in self._parts)

    async def find(self, actor: Actor, grant_id: str) -> Grant | None:
        """The grant of that id, if it is in force."""
        for part in self._parts:
            if part.is_one(grant_id):
                return await part.find(actor, grant_id)
        return None

    async def all(self, actor: Actor) -> AsyncIterator[Grant]:
        """All of them."""
        for part in self._parts:
            async for grant in part.all(actor):
                yield grant

    def compiled(self, grant: Grant, place: Place) -> Compiled:
        """What the lake must hold for one."""
        for part in self._parts:
            if part.is_one(grant.grant_id):
                return part.compiled(grant, place)
        raise LookupError(grant.grant_id)
