"""Puts the subscriptions service together."""

from datetime import timedelta
from typing import TYPE_CHECKING

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.services.subscriptions.bulk import Bulk
from meshplane.services.subscriptions.changing import Changing
from meshplane.services.subscriptions.deciding import Deciding
from meshplane.services.subscriptions.expiring import Expiring
from meshplane.services.subscriptions.fulfilment import Fulfilment
from meshplane.services.subscriptions.notices import Notices
from meshplane.services.subscriptions.opening import Opening
from meshplane.services.subscriptions.reading import Reading
from meshplane.services.subscriptions.renewing import Renewing
from meshplane.services.subscriptions.requesting import Requesting
from meshplane.services.subscriptions.revoking import Revoking
from meshplane.services.subscriptions.route import parse_routes
from meshplane.services.subscriptions.routes import routes
from meshplane.services.subscriptions.scope import Checks
from meshplane.services.subscriptions.tags import TaggedAssets

if TYPE_CHECKING:  # needed where there is a portal alone
    from meshplane.services.subscriptions.portal import SubscriptionsInPortal

NEEDS = ("domains", "projects", "assets", "tables", "query", "permissions")


def build(ground: Ground, needs: Needs) -> Built[None]:
    """The service on that ground."""
    assets, permissions = needs["assets"], needs["permissions"]
    opening = Opening(
        Checks(needs["tables"], needs["query"], permissions),
        parse_routes(ground.subscription_routes),
        timedelta(days=ground.subscription_notice_days),
    )
    requesting = Requesting(needs["projects"], assets, opening)
    deciding = Deciding(needs["domains"], assets, opening)
    fulfilment = Fulfilment(permissions, ground.store, ground.clock)
    expiring = Expiring(ground.store, ground.boundary, ground.clock)
    tagged = TaggedAssets(assets, permissions)
    shown = _shown(ground, needs)

    async def start() -> None:
        expiring.start()

    return Built(
        routes(
            requesting=requesting,
            changing=Changing(assets, opening),
            renewing=Renewing(assets, opening),
            reading=Reading(assets),
            deciding=deciding,
            revoking=Revoking(),
            bulk=Bulk(
                requesting,
                deciding,
                domains=needs["domains"],
                assets=assets,
                tagged=tagged,
                boundary=ground.boundary,
            ),
            notices=Notices(assets),
            fulfilment=fulfilment,
            boundary=ground.boundary,
        ),
        None,
        fulfilment.consumers,
        start=start,
        stop=expiring.stop,
        aside=shown.consumers if shown is not None else (),
        portal=shown,
    )


def _shown(ground: Ground, needs: Needs) -> "SubscriptionsInPortal | None":
    if ground.portal is None:
        return None
    from meshplane.platform.aws.names import PORTAL_ASSET_TYPE, PORTAL_ROLE, role_arn
    from meshplane.services.subscriptions.aws_portal import DataZoneSubscriptions
    from meshplane.services.subscriptions.aws_portal_targets import DataZoneTargets
    from meshplane.services.subscriptions.portal import SubscriptionsInPortal

    zone = ground.portal
    manager = role_arn(zone.aws.place, PORTAL_ROLE)
    targets = DataZoneTargets(zone, manage_access_role=manager, asset_type=PORTAL_ASSET_TYPE)
    return SubscriptionsInPortal(
        DataZoneSubscriptions(zone, targets),
        needs["projects"],
        needs["assets"],
        ground.store,
        ground.clock,
    )
