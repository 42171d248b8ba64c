"""Puts the catalog service together."""

from meshplane.boundary.portal_links import PortalPart
from meshplane.boundary.portal_parts import PortalParts
from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.events.consumer import Consumer
from meshplane.services.assets.api import AssetsApi
from meshplane.services.catalog.forms_routes import routes as forms_routes
from meshplane.services.catalog.forms_service import Forms
from meshplane.services.catalog.glossary_naming import Naming
from meshplane.services.catalog.glossary_routes import routes as glossary_routes
from meshplane.services.catalog.glossary_service import Glossaries
from meshplane.services.catalog.glossary_terms import Terms
from meshplane.services.catalog.metadata_routes import routes as metadata_routes
from meshplane.services.catalog.metadata_service import Sayings
from meshplane.services.catalog.routes import routes
from meshplane.services.catalog.shown import Shown
from meshplane.services.catalog.shown_routes import routes as shown_routes
from meshplane.services.catalog.term_removals import TermRemovals

NEEDS = ("assets", "domains")


def build(ground: Ground, needs: Needs) -> Built[None]:
    """The service on that ground."""
    assets, domains, boundary = needs["assets"], needs["domains"], ground.boundary
    naming = Naming(assets, ground.store)
    removals = TermRemovals(assets, ground.store, ground.clock)
    aside, words = _words_shown(ground, assets)
    shown = Shown(ground.shown, ground.store, ground.clock)
    return Built(
        [
            *routes(assets, boundary),
            *glossary_routes(Glossaries(domains), Terms(assets, removals), naming, boundary),
            *forms_routes(Forms(domains), boundary),
            *metadata_routes(Sayings(assets), boundary),
            *shown_routes(shown, boundary),
        ],
        None,
        naming.consumers,
        queues=(*shown.queues, *removals.queues),
        aside=aside,
        portal=words,
    )


def _words_shown(
    ground: Ground, assets: AssetsApi
) -> tuple[tuple[Consumer, ...], PortalPart | None]:
    """What follows the catalog's words into the portal."""
    if ground.portal is None:
        return (), None
    from meshplane.services.catalog.aws_portal import DataZoneGlossaries
    from meshplane.services.catalog.forms_portal import FormsInPortal
    from meshplane.services.catalog.glossary_portal import GlossariesInPortal, TermsInPortal

    portal, store, clock = DataZoneGlossaries(ground.portal), ground.store, ground.clock
    glossaries = GlossariesInPortal(portal, store, clock)
    terms = TermsInPortal(portal, assets, store, clock)
    forms = FormsInPortal(portal, assets, store, clock)
    consumers = (*glossaries.consumers, *terms.consumers, *forms.consumers)
    return consumers, PortalParts([glossaries, terms, forms])
