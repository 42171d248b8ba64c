"""Puts the tables service together."""

from collections.abc import Sequence

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.events.consumer import Consumer
from meshplane.services.tables.api import TablesApi
from meshplane.services.tables.expiry import Cleaning
from meshplane.services.tables.local import LocalTableFiles
from meshplane.services.tables.ports import TableFiles
from meshplane.services.tables.reader import TablesKeeper
from meshplane.services.tables.routes import routes
from meshplane.services.tables.service import Tables

NEEDS = ("projects", "permissions")

_S3 = "s3://"


def build(ground: Ground, needs: Needs) -> Built[TablesApi]:
    """The service on that ground."""
    files, lake, consumers = _lake(ground)
    tables = Tables(needs["projects"], needs["permissions"], files, lake)
    keeper = TablesKeeper(tables, files, ground.boundary, ground.store)
    cleaning = Cleaning(tables, needs["projects"], files, ground.store)
    return Built(routes(tables, cleaning, ground.boundary), keeper, aside=consumers)


def _lake(ground: Ground) -> tuple[TableFiles, str, Sequence[Consumer]]:
    """The files, where their buckets lie, and what keeps others in step with them."""
    aws = ground.aws_for("tables")
    if aws is None:
        files = LocalTableFiles(ground.lake_folder, ground.scratch_folder, ground.clock)
        return files, str(ground.lake_folder), ()
    from meshplane.services.tables.aws import S3TableFiles
    from meshplane.services.tables.aws_buckets import DomainBuckets
    from meshplane.services.tables.aws_glue import GlueCatalog
    from meshplane.services.tables.aws_projection import GlueProjection

    there = S3TableFiles(aws, ground.scratch_folder, ground.clock)
    projection = GlueProjection(
        GlueCatalog(aws), there, DomainBuckets(aws), ground.store, ground.clock
    )
    return there, _S3, projection.consumers
