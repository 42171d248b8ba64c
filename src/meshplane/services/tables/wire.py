"""Puts the tables service together."""

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.services.tables.api import TablesApi
from meshplane.services.tables.expiry import Cleaning
from meshplane.services.tables.local import LocalTableFiles
from meshplane.services.tables.reader import TablesKeeper
from meshplane.services.tables.routes import routes
from meshplane.services.tables.service import Tables

NEEDS = ("projects", "permissions")


def build(ground: Ground, needs: Needs) -> Built[TablesApi]:
    """The service on that ground."""
    files = LocalTableFiles(ground.lake_folder, ground.scratch_folder, ground.clock)
    tables = Tables(needs["projects"], needs["permissions"], files, ground.lake_folder)
    keeper = TablesKeeper(tables, files, ground.boundary, ground.store)
    cleaning = Cleaning(tables, needs["projects"], files, ground.store)
    return Built(routes(tables, cleaning, ground.boundary), keeper)
