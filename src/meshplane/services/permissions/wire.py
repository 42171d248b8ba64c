"""Puts the permissions service together."""

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.services.permissions.api import PermissionsApi
from meshplane.services.permissions.consumers import CONSUMERS
from meshplane.services.permissions.ending import Ending
from meshplane.services.permissions.granting import Granting
from meshplane.services.permissions.keeper import PermissionsKeeper
from meshplane.services.permissions.over_platform import PlatformSchemas
from meshplane.services.permissions.reading import Reading
from meshplane.services.permissions.routes import routes
from meshplane.services.permissions.taking import Taking
from meshplane.services.permissions.trying import Trying

NEEDS: tuple[str, ...] = ()


def build(ground: Ground, needs: Needs) -> Built[PermissionsApi]:
    """The service on that ground."""
    schemas = PlatformSchemas(ground.platform, ground.new_id)
    ending = Ending(ground.boundary, ground.store)
    is_on_aws = ground.aws_for("lake") is not None
    granting = Granting(schemas, ground.clock, is_on_aws=is_on_aws)
    taking = Taking(schemas, ground.clock)
    trying = Trying(granting, taking, schemas, ground.clock)
    return Built(
        routes(granting, taking, Reading(schemas, ground.clock), trying, ground.boundary),
        PermissionsKeeper(ground.boundary, ground.store, schemas),
        CONSUMERS,
        start=ending.start,
        stop=ending.stop,
    )
