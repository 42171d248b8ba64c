"""Who had what at an instant: the history played up to it, and today's rules on that policy."""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Any

from meshplane.boundary.actor import Actor
from meshplane.kit.clock import to_text
from meshplane.kit.errors import Missing
from meshplane.platform.store import Store, UnitOfWork
from meshplane.services.permissions import history
from meshplane.services.permissions.api import AccessAt, HeldAt, TagAssignment
from meshplane.services.permissions.model import AssetTags, GovernedAsset, Grant
from meshplane.services.permissions.ports import Schemas
from meshplane.services.permissions.replaying import PolicyThen, replay
from meshplane.services.permissions.semantics import access, database_access
from meshplane.services.permissions.store import ASSET_DOMAINS


class LookingBack:
    """Answers what was so.

    Args:
        store: holds the history.
        schemas: looks up what an asset is. What it was then is not known: its columns and its
            classification count as they are now.
    """

    def __init__(self, store: Store, schemas: Schemas) -> None:
        self._store = store
        self._schemas = schemas

    async def access_at(self, actor: Actor, resource: str, at: datetime) -> AccessAt:
        """See `PermissionsApi.access_at`.

        Raises:
            Missing: RESOURCE_NOT_FOUND.
        """
        work, until = self._store.begin(), to_text(at)
        asset = await self._asset(actor, work, resource) if resource.startswith("asset:") else None
        scopes = [resource]
        if asset is not None:
            scopes.append(f"domain:{asset.domain_id}")
        if resource != "tags":
            scopes.append("tags")
        if resource.startswith("domain:"):
            # What was granted on places in the lake bears on the domain in whose part they lie.
            scopes.append(f"location:{resource.removeprefix('domain:')}")
        lines: list[dict[str, Any]] = []
        for scope in scopes:
            lines += [line async for line in history.entries(work, scope, until)]
        # Years of lines may be played: not where others wait for their turn.
        then, held = await asyncio.to_thread(_played, lines, resource, asset, at)
        return AccessAt(
            resource=resource,
            domain_id=_domain_of(resource, asset),
            at=until,
            grants=tuple(sorted(held, key=lambda one: (one.grant.principal, one.grant.grant_id))),
            tags=tuple(
                TagAssignment(scope, column, key, value)
                for (scope, column, key), value in sorted(then.tags.items())
            ),
            tag_masks=tuple(
                mask
                for mask in then.masks.values()
                if asset is None or mask.domain_id in (None, asset.domain_id)
            ),
            filters=tuple(then.filters.values()),
        )

    async def domain_of(self, actor: Actor, resource: str) -> str:
        """See `PermissionsApi.domain_of`."""
        if not resource.startswith("asset:"):
            return _domain_of(resource, None)
        return (await self._asset(actor, self._store.begin(), resource)).domain_id

    async def _asset(self, actor: Actor, work: UnitOfWork, resource: str) -> GovernedAsset:
        asset_id = resource.removeprefix("asset:")
        described = await self._schemas.asset(actor, asset_id)
        if described is not None:
            return described.asset
        row = await work.get(ASSET_DOMAINS, asset_id)
        if row is None:
            raise Missing("RESOURCE_NOT_FOUND", "There is no such data product.", field="resource")
        item = row.item
        return GovernedAsset(
            asset_id,
            item.get("name", ""),
            item["domainId"],
            "",
            item.get("projectId", ""),
            item.get("tableId", ""),
            item.get("classification", ""),
            (),
        )


def _played(
    lines: list[dict[str, Any]], resource: str, asset: GovernedAsset | None, at: datetime
) -> tuple[PolicyThen, list[HeldAt]]:
    """The policy that the lines come to, and the grants of it that were about the resource."""
    then = replay(lines, to_text(at))
    held = [
        HeldAt(past.grant, past.by, past.at, past.how)
        for past in then.grants.values()
        if _bears_on(past.grant, resource, asset, then, at)
    ]
    return then, held


def _domain_of(resource: str, asset: GovernedAsset | None) -> str:
    if asset is not None:
        return asset.domain_id
    return resource.removeprefix("domain:") if resource != "tags" else ""


def _bears_on(
    grant: Grant, resource: str, asset: GovernedAsset | None, then: PolicyThen, at: datetime
) -> bool:
    """Whether a grant was about the resource; one that was broken or closed then was as well."""
    if asset is None:
        domain_id = resource.removeprefix("domain:")
        if grant.target.kind != "tags" or resource == "tags":
            return True
        tags = {
            key: value
            for (scope, column, key), value in then.tags.items()
            if scope == resource and not column
        }
        found = database_access(domain_id, tags, [grant], at)
        return bool(found.rights or found.broken) or grant.target.domain_id == domain_id
    if grant.target.kind in ("database", "location"):
        return False
    of_asset = f"asset:{asset.asset_id}"
    columns: dict[str, dict[str, str]] = {}
    places: dict[str, dict[str, str]] = {of_asset: {}, f"domain:{asset.domain_id}": {}}
    for (scope, column, key), value in then.tags.items():
        if column:
            columns.setdefault(column, {})[key] = value
        elif scope in places:
            places[scope][key] = value
    tags_then = AssetTags(places[f"domain:{asset.domain_id}"], places[of_asset], columns)
    # Whether it could be read is told apart from whether it was about the asset.
    open_grant = replace(grant, lake_state="applied")
    found = access(asset, tags_then, [open_grant], list(then.filters.values()), (), at)
    return bool(found.rights or found.broken)
