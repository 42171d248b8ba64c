"""HTTP of the domains service."""

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import IfMatch, OperationRoute, Operations
from meshplane.boundary.schemas import Page, PageQuery, principal_name
from meshplane.services.domains.schemas import (
    DomainChange,
    DomainMemberView,
    DomainRoleChange,
    DomainView,
    NewDomain,
)
from meshplane.services.domains.service import Domains


def routes(domains: Domains, boundary: Boundary) -> list[OperationRoute]:
    """The routes under /api/v1/domains."""
    operations = Operations(boundary)

    @operations.write("POST", "/domains", "createDomain", status=201)
    async def create_domain(call: Call, body: NewDomain) -> DomainView:
        return await domains.create(call, body)

    @operations.read("/domains", "listDomains")
    async def list_domains(call: Call, query: PageQuery) -> Page[DomainView]:
        return await domains.list(call, query)

    @operations.read("/domains/{domain_id}", "getDomain")
    async def get_domain(call: Call, domain_id: str) -> DomainView:
        return await domains.get(call, domain_id)

    @operations.write("PATCH", "/domains/{domain_id}", "updateDomain")
    async def update_domain(
        call: Call, domain_id: str, if_match: IfMatch, body: DomainChange
    ) -> DomainView:
        return await domains.update(call, domain_id, if_match, body)

    @operations.read("/domains/{domain_id}/members", "listDomainMembers")
    async def list_domain_members(
        call: Call, domain_id: str, query: PageQuery
    ) -> Page[DomainMemberView]:
        return await domains.members(call, domain_id, query)

    @operations.write("PUT", "/domains/{domain_id}/members/{principal}", "putDomainMember")
    async def put_domain_member(
        call: Call, domain_id: str, principal: str, body: DomainRoleChange
    ) -> DomainMemberView:
        return await domains.put_member(call, domain_id, principal_name(principal), body.role)

    @operations.write(
        "DELETE", "/domains/{domain_id}/members/{principal}", "removeDomainMember", status=204
    )
    async def remove_domain_member(call: Call, domain_id: str, principal: str) -> None:
        await domains.remove_member(call, domain_id, principal_name(principal))

    return operations.routes
