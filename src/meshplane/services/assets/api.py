"""What the assets service offers to others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from meshplane.boundary.actor import Actor
from meshplane.kit.errors import Missing

SUBMITTED, PUBLISHED, REJECTED = "submitted", "published", "rejected"
"""The states of an asset: handed in, listed in the catalog, turned down."""


@dataclass(frozen=True, slots=True)
class AssetColumn:
    """A column of an asset."""

    name: str
    type: str
    description: str
    classification: str


@dataclass(frozen=True, slots=True)
class AssetSummary:
    """An asset, for others. `quality_score` is 0 to 1, None while no ruleset was run.

    One that is not `published` is nobody's business but its project's and its domain's.
    """

    asset_id: str
    name: str
    domain_id: str
    domain_name: str
    project_id: str
    project_name: str
    table_id: str
    description: str
    classification: str
    owner: str
    columns: tuple[AssetColumn, ...]
    quality_score: float | None
    status: str

    @property
    def is_published(self) -> bool:
        """Whether it is listed, for everyone to find and to ask for."""
        return self.status == PUBLISHED


@dataclass(frozen=True, slots=True)
class AssetPage:
    """A page of assets; `cursor` is where the next one starts, None at the end."""

    assets: tuple[AssetSummary, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class AssetInPortal:
    """The portal's ids of an asset and of its listing there."""

    asset_id: str
    listing_id: str


class AssetsApi(Protocol):
    """Reads assets."""

    async def find(self, actor: Actor, asset_id: str) -> AssetSummary | None:
        """The asset with that id, listed or not."""
        ...

    async def listed(self, actor: Actor, limit: int, cursor: str | None) -> AssetPage:
        """A page of all listed assets, by name."""
        ...

    async def named(self, actor: Actor, name: str, domain_name: str | None) -> list[AssetSummary]:
        """The assets of that name, listed or not: of one domain, or of all."""
        ...

    async def of_tables(self, actor: Actor, table_ids: Sequence[str]) -> list[AssetSummary]:
        """The assets that publish these tables, listed or not."""
        ...

    async def search(self, actor: Actor, words: str, limit: int) -> list[AssetSummary]:
        """Listed assets whose name, description or columns hold the words, best first."""
        ...

    async def in_portal(self, actor: Actor, asset_id: str) -> AssetInPortal | None:
        """What the asset is in the portal; None while it is not listed there."""
        ...


def no_such_asset() -> Missing:
    """The error for an id that no asset has, the same wherever one is named."""
    return Missing("ASSET_NOT_FOUND", "There is no asset with this id.", field="assetId")
