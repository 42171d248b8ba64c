"""Use cases of domains."""

from collections.abc import Callable, Sequence
from typing import Any

from meshplane.boundary.actor import Actor
from meshplane.boundary.call import Call
from meshplane.boundary.etags import expected_version, stale
from meshplane.boundary.portal_links import link_of
from meshplane.boundary.schemas import Page, PageQuery
from meshplane.events.domains import DomainCreated, DomainMembersChanged
from meshplane.kit.errors import Conflict, FieldProblem, Invalid, Missing
from meshplane.platform.store import ABSENT, Store
from meshplane.platform.tables import Row
from meshplane.policy.model import MESH, Resource
from meshplane.services.domains.api import DomainSummary, no_such_domain
from meshplane.services.domains.schemas import (
    DomainChange,
    DomainMemberView,
    DomainView,
    NewDomain,
    NewDomainMember,
)
from meshplane.services.domains.store import (
    ALL,
    DOMAIN_MEMBERS,
    DOMAIN_NAMES,
    DOMAIN_PORTAL_LINKS,
    DOMAINS,
)

_MOST_REMEMBERED = 10_000


def seed_bucket(name: str) -> str:
    """The bucket of a domain on one machine, by the domain's name."""
    return f"data-lake-{name}"


class Domains:
    """Creates and runs domains.

    Args:
        bucket_of: names the bucket of a domain, by the domain's name.
    """

    def __init__(self, bucket_of: Callable[[str], str] = seed_bucket) -> None:
        self._bucket_of = bucket_of

    async def create(self, call: Call, body: NewDomain) -> DomainView:
        """Creates a domain with its members.

        Raises:
            Conflict: NAME_TAKEN.
            Invalid: MEMBER_REPEATED.
        """
        await call.allow(MESH)
        domain_id = call.new_id("dzd")
        item = {
            "domainId": domain_id,
            "name": body.name,
            "description": body.description,
            "bucket": self._bucket_of(body.name),
            "createdBy": call.actor.name,
            "createdAt": call.now,
            "listing": ALL,
        }
        taken = Conflict(
            "NAME_TAKEN", "A domain of this name exists: choose another.", field="name"
        )
        call.work.put(
            DOMAIN_NAMES,
            {"name": body.name, "domainId": domain_id},
            expected=ABSENT,
            otherwise=taken,
        )
        call.work.put(DOMAINS, item, expected=ABSENT)
        call.note(members={member.principal: member.role for member in body.members})
        for member in _distinct(body.members):
            _put_member(call, domain_id, member.principal, member.role)
        call.work.emit(
            DomainCreated(
                domain_id=domain_id,
                domain_name=body.name,
                created_by=call.actor.name,
                created_at=call.now,
            ).event()
        )
        call.resource = f"Domain:{domain_id}"
        return _view(Row(item, 1))

    async def get(self, call: Call, domain_id: str) -> DomainView:
        """The domain with that id."""
        await call.allow(Resource("Domain", domain_id, domain_id=domain_id))
        return _view(await _existing(call, domain_id))

    async def list(self, call: Call, query: PageQuery) -> Page[DomainView]:
        """All domains by name."""
        await call.allow(MESH)
        page = await call.work.query(
            DOMAINS, ALL, index="byName", limit=query.limit, cursor=query.cursor
        )
        return Page[DomainView](items=[_view(row) for row in page.rows], next_cursor=page.cursor)

    async def update(
        self, call: Call, domain_id: str, if_match: str | None, body: DomainChange
    ) -> DomainView:
        """Changes the description."""
        row = await _existing(call, domain_id)
        await call.allow(Resource("Domain", domain_id, domain_id=domain_id))
        version = expected_version(if_match)
        item = {**row.item, "description": body.description}
        call.work.put(DOMAINS, item, expected=version, otherwise=stale())
        return _view(Row(item, version + 1))

    async def members(self, call: Call, domain_id: str, query: PageQuery) -> Page[DomainMemberView]:
        """Who holds which role."""
        await _existing(call, domain_id)
        await call.allow(Resource("Domain", domain_id, domain_id=domain_id))
        page = await call.work.query(
            DOMAIN_MEMBERS, domain_id, limit=query.limit, cursor=query.cursor
        )
        return Page[DomainMemberView](
            items=[_member_view(row.item) for row in page.rows], next_cursor=page.cursor
        )

    async def put_member(
        self, call: Call, domain_id: str, principal: str, role: str
    ) -> DomainMemberView:
        """Gives somebody a role, in place of the one that he may hold."""
        await _existing(call, domain_id)
        await call.allow(Resource("Domain", domain_id, domain_id=domain_id))
        call.note(principal=principal, role=role)
        return _member_view(_put_member(call, domain_id, principal, role))

    async def remove_member(self, call: Call, domain_id: str, principal: str) -> None:
        """Takes somebody's role away.

        Raises:
            Missing: MEMBER_NOT_FOUND.
        """
        await _existing(call, domain_id)
        await call.allow(Resource("Domain", domain_id, domain_id=domain_id))
        call.note(principal=principal)
        row = await call.work.get(DOMAIN_MEMBERS, domain_id, principal)
        if row is None:
            raise Missing("MEMBER_NOT_FOUND", "It has no such member.", field="principal")
        call.work.delete(DOMAIN_MEMBERS, domain_id, principal, expected=row.version)
        _emit_members_changed(call, domain_id, principal, None)


class DomainsReader:
    """What other services may read; see `DomainsApi`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # Nothing in a summary ever changes, so what was found once holds. Full, it begins anew.
        self._found: dict[str, DomainSummary] = {}

    async def find(self, actor: Actor, domain_id: str) -> DomainSummary | None:
        """See `DomainsApi.find`."""
        if domain_id in self._found:
            return self._found[domain_id]
        row = await self._store.begin().get(DOMAINS, domain_id)
        if row is None:
            return None
        summary = DomainSummary(domain_id, row.item["name"], row.item["bucket"])
        if len(self._found) >= _MOST_REMEMBERED:
            self._found.clear()
        self._found[domain_id] = summary
        return summary

    async def named(self, actor: Actor, name: str) -> DomainSummary | None:
        """See `DomainsApi.named`."""
        row = await self._store.begin().get(DOMAIN_NAMES, name)
        return None if row is None else await self.find(actor, row.item["domainId"])

    async def of_bucket(self, actor: Actor, bucket: str) -> DomainSummary | None:
        """See `DomainsApi.of_bucket`."""
        page = await self._store.begin().query(DOMAINS, bucket, index="byBucket", limit=1)
        return await self.find(actor, page.rows[0].item["domainId"]) if page.rows else None

    async def roles(
        self,
        actor: Actor,
        domain_id: str,
        principals: Sequence[str],
    ) -> list[str]:
        """See `DomainsApi.roles`."""
        keys = [(domain_id, principal) for principal in principals]
        rows = await self._store.begin().get_many(DOMAIN_MEMBERS, keys)
        return sorted({row.item["role"] for row in rows})

    async def portal_id(self, actor: Actor, domain_id: str) -> str | None:
        """See `DomainsApi.portal_id`."""
        link = await link_of(self._store.begin(), DOMAIN_PORTAL_LINKS, domain_id)
        return link.portal_id if link else None


async def _existing(call: Call, domain_id: str) -> Row:
    row = await call.work.get(DOMAINS, domain_id)
    if row is None:
        raise no_such_domain()
    return row


def _distinct(members: Sequence[NewDomainMember]) -> Sequence[NewDomainMember]:
    seen: set[str] = set()
    for position, member in enumerate(members):
        if member.principal in seen:
            raise Invalid(
                "MEMBER_REPEATED",
                "A member is named twice.",
                fields=[FieldProblem(f"members.{position}.principal", "was named before")],
            )
        seen.add(member.principal)
    return members


def _put_member(call: Call, domain_id: str, principal: str, role: str) -> dict[str, Any]:
    item = {
        "domainId": domain_id,
        "principal": principal,
        "role": role,
        "addedBy": call.actor.name,
        "addedAt": call.now,
    }
    call.work.put(DOMAIN_MEMBERS, item)
    _emit_members_changed(call, domain_id, principal, role)
    return item


def _emit_members_changed(call: Call, domain_id: str, principal: str, role: str | None) -> None:
    call.work.emit(
        DomainMembersChanged(
            domain_id=domain_id, principal=principal, role=role, changed_by=call.actor.name
        ).event()
    )


def _view(row: Row) -> DomainView:
    item = row.item
    return DomainView(
        domain_id=item["domainId"],
        name=item["name"],
        description=item["description"],
        bucket=item["bucket"],
        version=row.version,
        created_by=item["createdBy"],
        created_at=item["createdAt"],
    )


def _member_view(item: dict[str, Any]) -> DomainMemberView:
    return DomainMemberView(
        principal=item["principal"],
        role=item["role"],
        added_by=item["addedBy"],
        added_at=item["addedAt"],
    )
