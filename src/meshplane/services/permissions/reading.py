"""Use cases of reading: grants, what they come to, and why."""

from collections.abc import Sequence

from meshplane.boundary.call import Call
from meshplane.boundary.schemas import Page, position
from meshplane.kit.clock import Clock
from meshplane.kit.errors import Invalid, Missing
from meshplane.platform.tables import Between
from meshplane.services.permissions import concern, history, policy_state
from meshplane.services.permissions.effective import Effective, effective
from meshplane.services.permissions.explaining import RevokedGrant, explain
from meshplane.services.permissions.grant_rows import grant_of
from meshplane.services.permissions.model import GovernedAsset, Grant
from meshplane.services.permissions.ports import Schemas
from meshplane.services.permissions.replaying import ended_grants
from meshplane.services.permissions.schemas import (
    EffectiveQuery,
    EffectiveView,
    ExplanationView,
    GrantQuery,
    GrantView,
)
from meshplane.services.permissions.semantics import access
from meshplane.services.permissions.store import ASSET_DOMAINS, GRANTS
from meshplane.services.permissions.views import effective_view, explanation_view, grant_view

_MOST_NAMES = 50


class Reading:
    """Shows grants to those whom they concern.

    Args:
        schemas: looks up what assets are.
        clock: tells which grants have ended.
    """

    def __init__(self, schemas: Schemas, clock: Clock) -> None:
        self._schemas = schemas
        self._clock = clock

    async def list(self, call: Call, query: GrantQuery) -> Page[GrantView]:
        """Grants on an asset, of a principal, of both, or those that a domain answers for.

        Raises:
            Invalid: QUERY_INCOMPLETE.
        """
        if query.asset_id is None and query.domain_id is not None and query.principal is not None:
            return await self._in_domain(call, query, query.domain_id, query.principal)
        domain_id = query.domain_id
        where = Between(query.principal, query.principal) if query.principal else None
        if query.asset_id is not None:
            index, key = "byAsset", query.asset_id
            domain_id = await self._domain_of(call, query.asset_id)
        elif query.domain_id is not None:
            index, key = "byDomain", query.domain_id
        elif query.principal is not None:
            index, key, where = "byHolder", query.principal, None
        else:
            raise Invalid(
                "QUERY_INCOMPLETE",
                "Say whose grants, on which asset, or of which domain.",
                field="assetId",
            )
        page = await call.work.query(
            GRANTS, key, index=index, where=where, limit=query.limit, cursor=query.cursor
        )
        await call.allow(concern.of_grants(query.asset_id, domain_id, query.principal))
        grants = [Grant.from_json(row.item) for row in page.rows]
        return Page[GrantView](
            items=[grant_view(grant, self._clock) for grant in grants], next_cursor=page.cursor
        )

    async def _in_domain(
        self, call: Call, query: GrantQuery, domain_id: str, principal: str
    ) -> Page[GrantView]:
        """Those of a principal that a domain answers for.

        Neither its pages nor their cursors tell of other people's, or of other domains'.
        """
        await call.allow(concern.of_grants(None, domain_id, principal))
        rows = await policy_state.grant_rows_of(call.work, principal)
        grants = [Grant.from_json(row.item) for row in rows if row.item["domainId"] == domain_id]
        grants.sort(key=lambda grant: grant.grant_id)
        begin = position(query.cursor)
        end = begin + query.limit
        return Page[GrantView](
            items=[grant_view(grant, self._clock) for grant in grants[begin:end]],
            next_cursor=str(end) if end < len(grants) else None,
        )

    async def get(self, call: Call, grant_id: str) -> GrantView:
        """The grant with that id."""
        missing = Missing("GRANT_NOT_FOUND", "There is no grant with this id.", field="grantId")
        row = await call.work.get(GRANTS, grant_id)
        grant = grant_of(row) if row else None
        if grant is None:
            # Asked all the same, so that this answer takes the way of the other.
            await call.allow(concern.of_grants(), hide=missing)
            raise missing
        resource = concern.of_grants(grant.target.asset_id, grant.domain_id, grant.principal)
        await call.allow(resource, hide=missing)
        call.resource = f"Grant:{grant_id}"
        return grant_view(grant, self._clock)

    async def effective(self, call: Call, query: EffectiveQuery) -> EffectiveView:
        """What a principal may do with an asset now.

        Raises:
            Missing: ASSET_NOT_FOUND.
            Invalid: QUERY_INCOMPLETE, PRINCIPAL_INVALID.
        """
        asset = await self.asked_for(call, query)
        principals = principals_of(query)
        found = await self._effective(call, asset, principals)
        owns = f"project:{asset.project_id}" in principals
        return effective_view(query.principal, asset.asset_id, owns, found)

    async def asked_for(self, call: Call, query: EffectiveQuery) -> GovernedAsset:
        """The asset that a query names, if the caller may see what the principal has on it."""
        asset_id = _asset_id(query)
        domain_id = await self._domain_of(call, asset_id)
        await call.allow(concern.of_grants(asset_id, domain_id, query.principal))
        for name in principals_of(query)[1:]:
            # What a person has through others concerns these others as well.
            await call.allow(concern.of_grants(asset_id, domain_id, name))
        return (await concern.described(call, self._schemas, asset_id)).asset

    async def explain(self, call: Call, query: EffectiveQuery) -> ExplanationView:
        """Why a principal sees an asset as he does, grant by grant.

        What others hold is told to those who may list the grants on the asset.

        Raises:
            Missing: ASSET_NOT_FOUND.
            Invalid: QUERY_INCOMPLETE, PRINCIPAL_INVALID.
        """
        asset = await self.asked_for(call, query)
        acts_as = principals_of(query)
        whole = concern.of_grants(asset.asset_id, asset.domain_id)
        if await call.judge.allows(call.actor, "listGrants", whole):
            grants = await policy_state.grants_on(call.work, asset.asset_id, asset.domain_id)
        else:
            grants = await policy_state.grants_of(
                call.work, acts_as, asset.asset_id, asset.domain_id
            )
        # What is on tags of another domain is that domain's to tell.
        here = {None, asset.domain_id}
        grants = [
            grant
            for grant in grants
            if grant.target.kind != "tags" or grant.target.domain_id in here
        ]
        lines = history.entries(call.work, f"asset:{asset.asset_id}", call.now)
        revoked = [
            RevokedGrant(grant, at, by)
            for grant, at, by in ended_grants([line async for line in lines])
        ]
        policy = await policy_state.policy_of(call.work, asset, grants)
        owns = f"project:{asset.project_id}" in acts_as
        found = explain(
            policy, query.principal, acts_as, call.clock.now(), revoked=revoked, owns=owns
        )
        return explanation_view(query.principal, asset.asset_id, found)

    async def _domain_of(self, call: Call, asset_id: str) -> str | None:
        """The domain that answers for an asset; of one that is quite new no event has come yet."""
        row = await call.work.get(ASSET_DOMAINS, asset_id)
        if row is not None:
            return str(row.item["domainId"])
        found = await self._schemas.asset(call.actor, asset_id)
        return found.asset.domain_id if found else None

    async def _effective(
        self, call: Call, asset: GovernedAsset, principals: Sequence[str]
    ) -> Effective:
        with call.work.together():
            grants = await policy_state.grants_of(
                call.work, principals, asset.asset_id, asset.domain_id
            )
            policy = await policy_state.policy_of(call.work, asset, grants)
        seen = access(
            asset, policy.tags, grants, policy.filters, policy.tag_masks, call.clock.now()
        )
        return effective(asset, seen)


def principals_of(query: EffectiveQuery) -> list[str]:
    """The principal that a query names, and those through whom he has grants as well.

    Raises:
        Invalid: QUERY_INVALID, too many names.
    """
    names = [query.principal]
    for kind, text in (("group", query.groups), ("project", query.projects)):
        names += [f"{kind}:{name}" for name in (text or "").split(",") if name]
    if len(names) > _MOST_NAMES:
        raise Invalid(
            "QUERY_INVALID", f"Name at most {_MOST_NAMES} groups and projects.", field="groups"
        )
    return list(dict.fromkeys(names))


def _asset_id(query: EffectiveQuery) -> str:
    if query.asset_id is not None and query.resource is None:
        return query.asset_id
    if query.resource is not None and query.resource.startswith("asset:"):
        asset_id = query.resource.removeprefix("asset:")
        if query.asset_id in (None, asset_id):
            return asset_id
    raise Invalid(
        "QUERY_INCOMPLETE",
        "Name one data product: assetId=…, or resource=asset:….",
        field="assetId",
    )
