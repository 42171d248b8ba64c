"""Puts the tables service together."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.events.consumer import Consumer
from meshplane.services.tables.api import TablesApi
from meshplane.services.tables.crawl_local import LocalCrawler
from meshplane.services.tables.crawl_ports import Crawler, RawFiles
from meshplane.services.tables.crawling import Crawling
from meshplane.services.tables.crawls import Crawls
from meshplane.services.tables.crawls_routes import crawl_routes
from meshplane.services.tables.expiry import Cleaning
from meshplane.services.tables.external import ExternalCatalog, Externals
from meshplane.services.tables.local import LocalTableFiles
from meshplane.services.tables.ports import TableFiles
from meshplane.services.tables.projecting import Projecting
from meshplane.services.tables.projecting_routes import projection_routes
from meshplane.services.tables.raw_local import LocalRawFiles
from meshplane.services.tables.reader import TablesKeeper
from meshplane.services.tables.routes import routes
from meshplane.services.tables.service import Tables

if TYPE_CHECKING:  # needed where tables are on AWS alone
    from meshplane.services.tables.aws_keys import BucketKeys
    from meshplane.services.tables.aws_projection import GlueProjection

NEEDS = ("projects", "permissions")

_S3 = "s3://"


def build(ground: Ground, needs: Needs) -> Built[TablesApi]:
    """The service on that ground."""
    keys = _keys(ground)
    files, lake, projection = _lake(ground, keys)
    tables = Tables(needs["projects"], needs["permissions"], files, lake)
    keeper = TablesKeeper(tables, files, ground.boundary, ground.store)
    cleaning = Cleaning(tables, needs["projects"], files, ground.store)
    externals = Externals(needs["projects"], _external(ground))
    projecting = Projecting(projection, ground.store, ground.clock)
    crawls, crawling = _crawls(ground, needs, tables)
    return Built(
        [
            *projection_routes(projecting, ground.boundary),
            # Before the path of one table, which would take `crawls` for an id.
            *crawl_routes(crawls, ground.boundary),
            *routes(tables, externals, cleaning, ground.boundary),
        ],
        keeper,
        queues=(*projecting.queues, *crawling.queues),
        aside=_followers(projection, keys),
    )


def _crawls(ground: Ground, needs: Needs, tables: Tables) -> tuple[Crawls, Crawling]:
    """Crawls of raw areas, which lie where tables do."""
    files, crawler = _crawler(ground)
    crawling = Crawling(crawler, ground.clock)
    return Crawls(needs["projects"], tables, files, crawling, ground.scratch_folder), crawling


def _crawler(ground: Ground) -> tuple[RawFiles, Crawler]:
    aws = ground.aws_for("tables")
    if aws is None:
        here = LocalRawFiles(ground.lake_folder)
        return here, LocalCrawler(here)
    from meshplane.platform.aws.names import CRAWL_ROLE, role_arn
    from meshplane.services.tables.aws_crawl_rights import CrawlRights
    from meshplane.services.tables.aws_crawlers import GlueCrawler
    from meshplane.services.tables.aws_raw import S3RawFiles

    there, role, lake = S3RawFiles(aws), role_arn(aws.place, CRAWL_ROLE), ground.aws_for("lake")
    rights = CrawlRights(lake, role) if lake is not None else None
    return there, GlueCrawler(aws, there, role, rights=rights)


def _followers(
    projection: "GlueProjection | None", keys: "BucketKeys | None"
) -> Sequence[Consumer]:
    parts = [part for part in (projection, keys) if part is not None]
    return [consumer for part in parts for consumer in part.consumers]


def _external(ground: Ground) -> ExternalCatalog | None:
    """What looks at tables elsewhere: where queries run on AWS, as projects' roles can be taken."""
    aws = ground.aws_for("query")
    if aws is None:
        return None
    from meshplane.platform.aws.names import project_role_arn
    from meshplane.services.tables.aws_redshift import RedshiftCatalog

    return RedshiftCatalog(aws, partial(project_role_arn, aws.place))


def _lake(
    ground: Ground, keys: "BucketKeys | None"
) -> "tuple[TableFiles, str, GlueProjection | None]":
    """The files, where their buckets lie, and what keeps others in step with them."""
    aws = ground.aws_for("tables")
    if aws is None:
        files = LocalTableFiles(ground.lake_folder, ground.scratch_folder, ground.clock)
        return files, str(ground.lake_folder), None
    from meshplane.services.tables.aws import S3TableFiles
    from meshplane.services.tables.aws_buckets import DomainBuckets
    from meshplane.services.tables.aws_glue import GlueCatalog
    from meshplane.services.tables.aws_projection import GlueProjection

    there = S3TableFiles(aws, ground.scratch_folder, ground.clock)
    projection = GlueProjection(
        GlueCatalog(aws),
        there,
        DomainBuckets(aws),
        ground.store,
        ground.clock,
        key_of=keys.of if keys is not None else None,
    )
    return there, _S3, projection


def _keys(ground: Ground) -> "BucketKeys | None":
    """The keys of domains; None: buckets use the account's own."""
    tables, keys = ground.aws_for("tables"), ground.aws_for("keys")
    if tables is None or keys is None:
        return None
    from meshplane.platform.aws.names import CRAWL_ROLE, QUALITY_ROLE, role_arn
    from meshplane.services.tables.aws_keys import BucketKeys

    is_evaluated = ground.aws_for("quality") is not None
    readers = [CRAWL_ROLE, *([QUALITY_ROLE] if is_evaluated else [])]
    return BucketKeys(
        keys,
        tables,
        ground.identities.writing(),
        [role_arn(tables.place, role) for role in readers],
        shared=ground.aws_for("lake") is not None,
    )
