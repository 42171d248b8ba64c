"""Puts the domains service together."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.services.domains.api import DomainsApi
from meshplane.services.domains.routes import routes
from meshplane.services.domains.service import Domains, DomainsReader, seed_bucket

if TYPE_CHECKING:  # needed where there is a portal alone
    from meshplane.services.domains.portal import DomainsInPortal

NEEDS: tuple[str, ...] = ()


def build(ground: Ground, needs: Needs) -> Built[DomainsApi]:
    """The service on that ground."""
    reader = DomainsReader(ground.store)
    domains = Domains(_buckets(ground))
    shown = _shown(ground)
    return Built(
        routes(domains, ground.boundary),
        reader,
        aside=shown.consumers if shown is not None else (),
        portal=shown,
    )


def _buckets(ground: Ground) -> Callable[[str], str]:
    aws = ground.aws_for("tables")
    if aws is None:
        return seed_bucket
    from meshplane.platform.aws.names import domain_bucket

    return partial(domain_bucket, aws.place)


def _shown(ground: Ground) -> "DomainsInPortal | None":
    if ground.portal is None:
        return None
    from meshplane.services.domains.aws_portal import DataZoneDomains
    from meshplane.services.domains.portal import DomainsInPortal

    portal = DataZoneDomains(ground.portal)
    return DomainsInPortal(portal, ground.store, ground.clock, shows_people=ground.shows_people)
