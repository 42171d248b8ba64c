"""What the assets service offers to others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from meshplane.boundary.actor import Actor
from meshplane.kit.errors import Missing

SUBMITTED, PUBLISHED, REJECTED = "submitted", "published", "rejected"
"""The states of an asset: handed in, listed in the catalog, turned down."""

LAKE_FORMAT = "iceberg"
"""The format of assets whose tables lie in the mesh's own lake."""


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

    `terms` are the names of glossary terms on it and on its columns. One that is not `published` is
    nobody's business but its project's and its domain's. `format` is what its table is:
    `iceberg`, of the lake, or the engine that keeps it elsewhere, `redshift`.
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
    terms: tuple[str, ...] = ()
    format: str = LAKE_FORMAT

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


FormValue = str | int | float | bool
"""What stands in a field of a metadata form."""


@dataclass(frozen=True, slots=True)
class FilledForm:
    """A metadata form as it was filled for an asset.

    Args:
        form_id, name, revision: of the form, in the revision that it was filled by.
        values: by field.
        term_fields: the fields whose values are ids of glossary terms.
    """

    form_id: str
    name: str
    revision: int
    values: Mapping[str, FormValue]
    term_fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AssetMetadata:
    """What the catalog's words say of an asset.

    Args:
        terms: ids of glossary terms on the asset.
        columns: ids of terms by column.
        forms: in their order.
        names: of all terms that it speaks of, by id.
        version: one more at each change; 0 while nothing was said.
    """

    terms: tuple[str, ...] = ()
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    forms: tuple[FilledForm, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    version: int = 0


@dataclass(frozen=True, slots=True)
class TermUse:
    """An asset that a glossary term is on.

    Args:
        asset_id, domain_id, project_id: of the asset.
        name: of the asset, with its domain: `aviation.flights`.
        is_published: whether everybody may know of the asset.
        places: `asset`, `column NAME`, `form NAME.FIELD`.
    """

    asset_id: str
    name: str
    domain_id: str
    project_id: str
    is_published: bool
    places: tuple[str, ...]


class AssetsApi(Protocol):
    """Reads assets, and keeps what the catalog's words say of them."""

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

    async def search(
        self, actor: Actor, words: str, limit: int, term_id: str | None = None
    ) -> list[AssetSummary]:
        """Listed assets of which something said holds the words, best first.

        Args:
            actor: who asks.
            words: in names, descriptions, columns, tags, terms or forms; empty for all.
            limit: the most to give.
            term_id: only those with this glossary term; without words it must be given.
        """
        ...

    async def metadata(self, actor: Actor, asset_id: str) -> AssetMetadata | None:
        """What the catalog's words say of an asset; None where there is no asset."""
        ...

    async def put_metadata(
        self, actor: Actor, asset_id: str, metadata: AssetMetadata, expected: int
    ) -> AssetMetadata:
        """Says this of an asset in place of what was said; found by search with this commit.

        Args:
            actor: the service, on behalf of whom it has let in.
            asset_id: the asset.
            metadata: checked by the caller, but for terms that go away meanwhile.
            expected: the version that it replaces. Said already, it is as it is.

        Raises:
            Missing: ASSET_NOT_FOUND.
            Stale: STALE.
            Conflict: TERM_RETIRED, a term is being removed.
        """
        ...

    async def rename_term(self, actor: Actor, term_id: str, name: str) -> None:
        """Has every asset with the term found and shown by its new name."""
        ...

    async def retire_term(self, actor: Actor, term_id: str) -> list[TermUse]:
        """Lets nobody put the term on anything any more, if nobody has; some of its uses else."""
        ...

    async def restore_term(self, actor: Actor, term_id: str) -> None:
        """Takes `retire_term` back."""
        ...

    async def note_in_portal(self, actor: Actor, names: Mapping[str, str]) -> None:
        """Keeps what glossary terms and revisions of forms are called in the portal, by our ids."""
        ...

    async def in_portal(self, actor: Actor, asset_id: str) -> AssetInPortal | None:
        """What the asset is in the portal; None while it is not listed there."""
        ...


def no_such_asset() -> Missing:
    """The error for an id that no asset has, the same wherever one is named."""
    return Missing("ASSET_NOT_FOUND", "There is no asset with this id.", field="assetId")
