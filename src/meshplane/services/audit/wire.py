"""Puts the audit service together."""

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.services.audit.access import AccessOnDate
from meshplane.services.audit.anchors import Anchors
from meshplane.services.audit.routes import routes

NEEDS = ("permissions",)


def build(ground: Ground, needs: Needs) -> Built[None]:
    """The service on that ground."""
    anchors = Anchors(ground.store, ground.lake_folder.parent / "audit-anchors.log")
    return Built(
        routes(ground.store, anchors, AccessOnDate(needs["permissions"]), ground.boundary),
        None,
        start=anchors.start,
        stop=anchors.stop,
    )
