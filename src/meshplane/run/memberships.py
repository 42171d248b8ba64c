"""Looks up the roles that bear on a resource, in the services that own them."""

from meshplane.boundary.actor import Actor
from meshplane.policy.model import Membership
from meshplane.services.domains.api import DomainsApi
from meshplane.services.projects.api import ProjectsApi


class ServiceMemberships:
    """Asks the domains and projects services; see `Memberships`.

    The two are set when they are built, because they stand on the boundary that asks them.
    """

    domains: DomainsApi
    projects: ProjectsApi

    async def of(
        self, actor: Actor, domain_id: str | None, project_id: str | None
    ) -> frozenset[Membership]:
        """See `Memberships.of`."""
        if actor.is_service:
            return frozenset()
        held: set[Membership] = set()
        if domain_id is not None:
            roles = await self.domains.roles(actor, domain_id, actor.principals)
            held.update(Membership("Domain", domain_id, role) for role in roles)
        if project_id is not None:
            roles = await self.projects.roles(actor, project_id, actor.principals)
            held.update(Membership("Project", project_id, role) for role in roles)
        return frozenset(held)
