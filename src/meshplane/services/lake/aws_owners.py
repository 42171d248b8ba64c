"""What Lake Formation must hold that nobody granted: for owners, and for the mesh's own roles.

The mesh lets a project's members read their own tables without any grant, and evaluates rulesets by
itself. Lake Formation knows neither: there the project's role, and the role by which Glue evaluates
rulesets, need a grant like every other. These are looked for, put and mended as the grants of
people are, under ids of their own, and permissions know nothing of them.
"""

from collections.abc import AsyncIterator

from meshplane.boundary.actor import Actor, service_actor
from meshplane.events.consumer import Consumer
from meshplane.kit.errors import Unavailable
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import UnitOfWork
from meshplane.services.assets.api import LAKE_FORMAT, AssetsApi, AssetSummary
from meshplane.services.lake.compiling import Compiled, Place
from meshplane.services.lake.keeping import Keeping
from meshplane.services.lake.lake_formation import compile_for_lake_formation
from meshplane.services.permissions.api import Grant, Target

_OWNER, _QUALITY = "owner-", "quality-"
_READS = frozenset({"SELECT", "DESCRIBE"})
_PAGE = 200


class OwnerGrants:
    """The grants of owners and of the mesh's own roles, made of the assets that are listed.

    Args:
        assets: has them.
        account: of the mesh, 12 digits.
        quality_role: ARN of the role as which Glue evaluates rulesets; None: it does not.
    """

    def __init__(self, assets: AssetsApi, account: str, quality_role: str | None = None) -> None:
        self._assets = assets
        self._account = account
        self._quality_role = quality_role

    def is_one(self, grant_id: str) -> bool:
        """Whether an id is of such a grant."""
        return grant_id.startswith((_OWNER, _QUALITY))

    def ids_of(self, asset_id: str) -> list[str]:
        """The ids of those on an asset."""
        marks = (_OWNER,) if self._quality_role is None else (_OWNER, _QUALITY)
        return [f"{mark}{asset_id}" for mark in marks]

    async def find(self, actor: Actor, grant_id: str) -> Grant | None:
        """The grant of that id; None if its asset is not listed any more."""
        mark = _OWNER if grant_id.startswith(_OWNER) else _QUALITY
        asset = await self._assets.find(actor, grant_id.removeprefix(mark))
        if asset is None or not asset.is_published or asset.format != LAKE_FORMAT:
            return None
        return next((one for one in self._of(asset) if one.grant_id == grant_id), None)

    async def all(self, actor: Actor) -> AsyncIterator[Grant]:
        """Those of all listed assets."""
        cursor: str | None = None
        while True:
            page = await self._assets.listed(actor, _PAGE, cursor)
            for asset in page.assets:
                if asset.format != LAKE_FORMAT:
                    continue
                for grant in self._of(asset):
                    yield grant
            cursor = page.cursor
            if cursor is None:
                return

    def compiled(self, grant: Grant, place: Place) -> Compiled:
        """What Lake Formation must hold for one: the whole table. No tag masks it to its owner."""
        return compile_for_lake_formation(grant, place, account=self._account)

    def _of(self, asset: AssetSummary) -> list[Grant]:
        principals = [f"project:{asset.project_id}"]
        if self._quality_role is not None:
            principals.append(f"role:{self._quality_role}")
        return [
            Grant(
                grant_id=grant_id,
                principal=principal,
                target=Target(kind="table", asset_id=asset.asset_id),
                permissions=_READS,
                domain_id=asset.domain_id,
                lake_state="applied",
            )
            for grant_id, principal in zip(self.ids_of(asset.asset_id), principals, strict=True)
        ]


class FollowingOwners:
    """Gives a project what it publishes, and takes away what it does not publish any more.

    Args:
        keeping: carries grants into the lake.
        owners: says which.
    """

    def __init__(self, keeping: Keeping, owners: OwnerGrants) -> None:
        self._keeping = keeping
        self._owners = owners

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """The events that it follows."""
        return (
            Consumer(
                "lake.aws-owners",
                frozenset({"AssetPublished", "AssetUnpublished"}),
                self._on_asset,
                "management-app.assets",
            ),
        )

    async def _on_asset(self, work: UnitOfWork, event: StoredEvent) -> None:
        grants = self._owners.ids_of(event.detail["assetId"])
        for outcome in await self._keeping.ensure(service_actor("lake", None), grants):
            if outcome.state == "failed":
                # The table may not be in the catalogue yet: the event comes again.
                raise Unavailable(
                    "LAKE_UNAVAILABLE", outcome.reason or "The lake does not take it: try again."
                )
