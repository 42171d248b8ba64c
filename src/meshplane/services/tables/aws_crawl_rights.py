"""What Lake Formation must let the crawlers' role do, granted as an administrator of the lake.

The role fills one database, and names places in buckets that Lake Formation governs; reading files
there is IAM's to allow (`run/aws_roles.py`). Needs AWS: that Lake Formation asks for a place when a
table is made that lies in it ("Underlying data access control", "Granting data location
permissions").
"""

from typing import Any

from meshplane.kit.errors import Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.services.tables.crawl_ports import RawArea

_ABSENT = "EntityNotFoundException"


class CrawlRights:
    """Grants what crawls need; done again, it changes nothing.

    Args:
        aws: as an administrator of the data lake.
        role_arn: of the role that crawlers work as.
    """

    def __init__(self, aws: Aws, role_arn: str) -> None:
        self._aws = aws
        self._role_arn = role_arn

    async def put(self, database: str, area: RawArea) -> None:
        """Lets the role make and change tables in a database that lie in an area.

        Args:
            database: that crawlers fill.
            area: of a project.

        Raises:
            Unavailable: LAKE_UNAVAILABLE, Lake Formation does not know the bucket yet.
        """
        on = {"CatalogId": self._aws.place.account}
        await self._grant(
            {"Database": {**on, "Name": database}}, ["ALTER", "CREATE_TABLE", "DESCRIBE"]
        )
        arn = f"arn:aws:s3:::{area.bucket}/{area.folder.rstrip('/')}"
        await self._grant({"DataLocation": {**on, "ResourceArn": arn}}, ["DATA_LOCATION_ACCESS"])

    async def _grant(self, resource: dict[str, Any], permissions: list[str]) -> None:
        try:
            await self._aws.call(
                "lakeformation",
                "grant_permissions",
                Principal={"DataLakePrincipalIdentifier": self._role_arn},
                Resource=resource,
                Permissions=permissions,
            )
        except AwsRejected as error:
            if error.aws_code != _ABSENT:
                raise
            raise Unavailable(
                "LAKE_UNAVAILABLE",
                "Lake Formation does not know the domain's bucket, or the database of crawls, yet. "
                "It is tried again.",
            ) from error
