"""Brings the tags of the policy to Lake Formation: what they are, and what carries them.

The store of the mesh says which tags there are and where they are assigned. There, tables and
columns carry their classification by nature; in Lake Formation it is assigned like any other tag.
Each database carries the tag by which grants on the tags of one domain stay in it.

Tags are put from the bottom up, the columns' before their table's, and taken away afterwards: a
column that shall be apart from its table is so before the table is reached.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from meshplane.boundary.actor import Actor, service_actor
from meshplane.events.consumer import Consumer
from meshplane.kit.errors import Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import UnitOfWork
from meshplane.services.assets.api import LAKE_FORMAT, AssetsApi, AssetSummary
from meshplane.services.domains.api import DomainsApi
from meshplane.services.lake.aws_tags import (
    OwnTags,
    add_tags,
    ensure_expression,
    ensure_tag,
    own_tags,
    remove_tags,
)
from meshplane.services.lake.lake_formation import DOMAIN_TAG, tag_value_there
from meshplane.services.permissions.api import PermissionsApi, TagAssignment

CLASSIFICATION = "classification"
CLASSES = ("public", "internal", "confidential", "restricted")
_PAGE = 200


@dataclass(frozen=True, slots=True)
class TagDrift:
    """A resource whose tags in Lake Formation are not those of the policy.

    Args:
        resource: `aviation`, `aviation.flights`, or `aviation.flights.pilot`.
        lacking: tags that it should carry, by key.
        excess: tags that it carries and should not, by key.
    """

    resource: str
    lacking: Mapping[str, str] = field(default_factory=dict)
    excess: Mapping[str, str] = field(default_factory=dict)


def wanted_tags(
    classification: str,
    of_columns: Mapping[str, str],
    assigned: Iterable[TagAssignment],
) -> OwnTags:
    """The tags that a table and its columns carry themselves.

    Args:
        classification: of the table.
        of_columns: the classification of each column.
        assigned: to the table and its columns.
    """
    table = {CLASSIFICATION: classification} if classification else {}
    columns: dict[str, dict[str, str]] = {
        name: {CLASSIFICATION: own}
        for name, own in of_columns.items()
        if own and own != classification
    }
    for one in assigned:
        if not one.column:
            table[one.key] = tag_value_there(one.value)
        elif one.column in of_columns:
            columns.setdefault(one.column, {})[one.key] = tag_value_there(one.value)
    return OwnTags(table, columns)


class TagProjection:
    """Keeps the tags in Lake Formation as the policy has them.

    Args:
        aws: as an administrator of the data lake.
        permissions: has the tags.
        assets: has the tables; those that are listed are in the catalog.
        domains: has the databases.
    """

    def __init__(
        self, aws: Aws, permissions: PermissionsApi, assets: AssetsApi, domains: DomainsApi
    ) -> None:
        self._aws = aws
        self._permissions = permissions
        self._assets = assets
        self._domains = domains

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """The events that it follows."""
        return (
            Consumer(
                "lake.aws-tags",
                frozenset({"TagAssigned", "TagRemoved"}),
                self._on_assignment,
                "management-app.permissions",
            ),
            Consumer(
                "lake.aws-asset-tags",
                frozenset({"AssetPublished", "AssetUpdated"}),
                self._on_asset,
                "management-app.assets",
            ),
            Consumer(
                "lake.aws-domain-tags",
                frozenset({"DomainCreated"}),
                self._on_domain,
                "management-app.domains",
            ),
        )

    async def project(self, actor: Actor, resource: str) -> None:
        """Makes a resource carry its tags; done again, it changes nothing.

        Args:
            actor: the lake service.
            resource: `domain:…` or `asset:…`; one that is not there, or not listed, has none.

        Raises:
            Unavailable: LAKE_TAGS_NOT_ASSIGNED, its table is not in the catalog (yet), or Lake
                Formation refused some of the tags.
        """
        kind, _, name = resource.partition(":")
        if kind == "domain":
            await self._project_domain(actor, name)
            return
        asset = await self._assets.find(actor, name)
        if asset is not None and asset.is_published and asset.format == LAKE_FORMAT:
            await self._project_asset(actor, asset)

    async def project_all(self, actor: Actor) -> None:
        """Brings all there is: tags, saved expressions, databases, and listed assets.

        Raises:
            Unavailable: LAKE_TAGS_NOT_ASSIGNED.
        """
        await self.project_definitions(actor)
        domains: set[str] = set()
        async for asset in self._listed(actor):
            await self._project_asset(actor, asset)
            domains.add(asset.domain_id)
        for domain_id in sorted(domains):
            await self._project_domain(actor, domain_id)

    async def project_definitions(self, actor: Actor) -> None:
        """Makes the tags and saved expressions that the policy has."""
        await ensure_tag(self._aws, CLASSIFICATION, CLASSES)
        cursor: str | None = None
        while True:
            page = await self._permissions.tags(actor, _PAGE, cursor)
            for tag in page.tags:
                await ensure_tag(self._aws, tag.key, map(tag_value_there, tag.values))
            cursor = page.cursor
            if cursor is None:
                break
        while True:
            saved = await self._permissions.expressions(actor, _PAGE, cursor)
            for one in saved.expressions:
                terms = [
                    (key, [tag_value_there(value) for value in values])
                    for key, values in one.expression
                ]
                await ensure_expression(self._aws, one.name, terms, one.description)
            cursor = saved.cursor
            if cursor is None:
                return

    async def drift(self, actor: Actor) -> list[TagDrift]:
        """What of listed assets and their domains carries other tags than it should."""
        found: list[TagDrift] = []
        managed = await self._managed(actor)
        domains: set[str] = set()
        async for asset in self._listed(actor):
            domains.add(asset.domain_id)
            wanted = await self._wanted(actor, asset)
            where = f"{asset.domain_name}.{asset.name}"
            held = await self._held(_table(asset.domain_name, asset.name))
            found += _differing(where, wanted.table, held.table, managed)
            for name in sorted(wanted.columns.keys() | held.columns.keys()):
                pair = (wanted.columns.get(name, {}), held.columns.get(name, {}))
                found += _differing(f"{where}.{name}", *pair, managed)
        for domain_id in sorted(domains):
            told = await self._domain_tags(actor, domain_id)
            if told is not None:
                held = await self._held({"Database": {"Name": told[0]}})
                found += _differing(told[0], told[1], held.table, managed)
        return found

    async def _on_assignment(self, work: UnitOfWork, event: StoredEvent) -> None:
        actor = service_actor("lake", event.detail["by"] or None)
        key = event.detail["key"]
        if event.type == "TagAssigned":
            await ensure_tag(self._aws, key, (tag_value_there(event.detail["value"]),))
        await self.project(actor, event.detail["resource"])

    async def _on_asset(self, work: UnitOfWork, event: StoredEvent) -> None:
        await self.project(service_actor("lake", None), f"asset:{event.detail['assetId']}")

    async def _on_domain(self, work: UnitOfWork, event: StoredEvent) -> None:
        await self.project(service_actor("lake", None), f"domain:{event.detail['domainId']}")

    async def _project_asset(self, actor: Actor, asset: AssetSummary) -> None:
        await ensure_tag(self._aws, CLASSIFICATION, CLASSES)
        wanted = await self._wanted(actor, asset)
        refused = await carry_table_tags(
            self._aws, asset.domain_name, asset.name, wanted, await self._managed(actor)
        )
        if refused:
            raise _not_assigned(f"{asset.domain_name}.{asset.name}")

    async def _project_domain(self, actor: Actor, domain_id: str) -> None:
        told = await self._domain_tags(actor, domain_id)
        if told is None:
            return
        name, wanted = told
        refused = await carry_database_tags(
            self._aws, name, wanted, {*await self._managed(actor), DOMAIN_TAG}
        )
        if refused:
            raise _not_assigned(name)

    async def _domain_tags(self, actor: Actor, domain_id: str) -> tuple[str, dict[str, str]] | None:
        domain = await self._domains.find(actor, domain_id)
        if domain is None:
            return None
        assigned = await self._permissions.assigned(actor, f"domain:{domain_id}")
        return domain.name, {
            **{one.key: tag_value_there(one.value) for one in assigned if not one.column},
            DOMAIN_TAG: domain.name,
        }

    async def _wanted(self, actor: Actor, asset: AssetSummary) -> OwnTags:
        assigned = await self._permissions.assigned(actor, f"asset:{asset.asset_id}")
        classes = {column.name: column.classification for column in asset.columns}
        return wanted_tags(asset.classification, classes, assigned)

    async def _managed(self, actor: Actor) -> frozenset[str]:
        """The keys whose assignment is the policy's."""
        found = {CLASSIFICATION}
        cursor: str | None = None
        while True:
            page = await self._permissions.tags(actor, _PAGE, cursor)
            found |= {tag.key for tag in page.tags}
            cursor = page.cursor
            if cursor is None:
                return frozenset(found)

    async def _listed(self, actor: Actor) -> Any:
        cursor: str | None = None
        while True:
            page = await self._assets.listed(actor, _PAGE, cursor)
            for asset in page.assets:
                if asset.format == LAKE_FORMAT:
                    yield asset
            cursor = page.cursor
            if cursor is None:
                return

    async def _held(self, resource: Mapping[str, Any]) -> OwnTags:
        try:
            return await own_tags(self._aws, resource)
        except AwsRejected as error:
            if error.aws_code != "EntityNotFoundException":
                raise
            return OwnTags()


async def carry_table_tags(
    aws: Aws, database: str, name: str, wanted: OwnTags, managed: Iterable[str]
) -> list[str]:
    """Makes a table and its columns carry these tags themselves, and no others that are managed.

    Args:
        aws: as an administrator of the data lake.
        database: of the table.
        name: of the table.
        wanted: what they shall carry.
        managed: keys whose assignment is the mesh's.

    Returns:
        Of each tag that Lake Formation refused: `key: code`.

    Raises:
        Unavailable: LAKE_TAGS_NOT_ASSIGNED, the table is not in the catalog (yet).
        AwsRejected, AwsUnavailable: as `Aws.call`.
    """
    table, keys = _table(database, name), {*managed, *wanted.table}
    try:
        held = await own_tags(aws, table)
    except AwsRejected as error:
        if error.aws_code != "EntityNotFoundException":
            raise
        raise _not_assigned(f"{database}.{name}") from error
    refused: list[str] = []
    new: dict[tuple[str, str], list[str]] = {}
    gone: dict[tuple[str, str], list[str]] = {}
    for column in sorted(wanted.columns.keys() | held.columns.keys()):
        mine, its = wanted.columns.get(column, {}), held.columns.get(column, {})
        for key, value in mine.items():
            if its.get(key) != value:
                new.setdefault((key, value), []).append(column)
        for key in (its.keys() - mine.keys()) & keys:
            gone.setdefault((key, its[key]), []).append(column)
    for (key, value), columns in new.items():
        refused += await add_tags(aws, _columns(database, name, columns), {key: value})
    refused += await add_tags(aws, table, _lacking(wanted.table, held.table))
    refused += await remove_tags(aws, table, _excess(wanted.table, held.table, keys))
    for (key, value), columns in gone.items():
        refused += await remove_tags(aws, _columns(database, name, columns), {key: value})
    return refused


async def carry_database_tags(
    aws: Aws, name: str, wanted: Mapping[str, str], managed: Iterable[str]
) -> list[str]:
    """As `carry_table_tags`, of a database; the tags must be there, but for the domains' own."""
    if DOMAIN_TAG in wanted:
        await ensure_tag(aws, DOMAIN_TAG, (wanted[DOMAIN_TAG],))
    database = {"Database": {"Name": name}}
    try:
        held = (await own_tags(aws, database)).table
    except AwsRejected as error:
        if error.aws_code != "EntityNotFoundException":
            raise
        raise _not_assigned(name) from error
    refused = await add_tags(aws, database, _lacking(wanted, held))
    return refused + await remove_tags(aws, database, _excess(wanted, held, managed))


def _lacking(wanted: Mapping[str, str], held: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in wanted.items() if held.get(key) != value}


def _excess(
    wanted: Mapping[str, str], held: Mapping[str, str], managed: Iterable[str]
) -> dict[str, str]:
    keys = set(managed)
    return {key: value for key, value in held.items() if key not in wanted and key in keys}


def _differing(
    where: str, wanted: Mapping[str, str], held: Mapping[str, str], managed: Iterable[str]
) -> list[TagDrift]:
    lacking, excess = _lacking(wanted, held), _excess(wanted, held, managed)
    return [TagDrift(where, lacking, excess)] if lacking or excess else []


def _table(database: str, name: str) -> dict[str, Any]:
    return {"Table": {"DatabaseName": database, "Name": name}}


def _columns(database: str, name: str, columns: list[str]) -> dict[str, Any]:
    return {"TableWithColumns": {"DatabaseName": database, "Name": name, "ColumnNames": columns}}


def _not_assigned(what: str) -> Unavailable:
    return Unavailable(
        "LAKE_TAGS_NOT_ASSIGNED",
        f"Lake Formation does not carry the tags of {what}; its catalog may lack it yet. Try "
        "again.",
    )
