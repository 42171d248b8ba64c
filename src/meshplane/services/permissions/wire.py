"""Puts the permissions service together."""

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.services.permissions.api import PermissionsApi
from meshplane.services.permissions.consumers import CONSUMERS
from meshplane.services.permissions.routes import routes
from meshplane.services.permissions.service import Permissions, PermissionsKeeper

NEEDS: tuple[str, ...] = ()


def build(ground: Ground, needs: Needs) -> Built[PermissionsApi]:
    """The service on that ground."""
    keeper = PermissionsKeeper(ground.boundary, ground.store)
    return Built(routes(Permissions(ground.clock), ground.boundary), keeper, CONSUMERS)
