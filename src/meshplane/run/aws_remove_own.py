"""What is a mesh's own in its account, by which other things of the mesh are known."""

import re
from collections.abc import Awaitable, Collection, Mapping
from typing import Any

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.names import (
    PROCESS_ROLE,
    crawl_database,
    crawl_place,
    domain_bucket,
    is_domain_bucket,
    mesh_bucket,
    part_role,
    role_arn,
)
from meshplane.run.aws_project_roles import ProjectRole, project_roles
from meshplane.run.aws_roles import roles_of
from meshplane.run.aws_settings import PARTS


class Own:
    """Tells the mesh's own databases, buckets and projects; each is looked up once.

    Args:
        aws: of the mesh's account.
    """

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self._databases: dict[str, str] | None = None
        self._roles: dict[str, ProjectRole] | None = None

    @property
    def account(self) -> str:
        """The mesh's account."""
        return self.aws.place.account

    @property
    def role_arns(self) -> frozenset[str]:
        """The roles that the mesh has once in its account, by their names."""
        place = self.aws.place
        taken = {role_arn(place, role.name) for part in PARTS for role in roles_of(part, place)}
        acting = {f"arn:aws:iam::{place.account}:role/{part_role(place, part)}" for part in PARTS}
        return frozenset({*taken, *acting, role_arn(place, PROCESS_ROLE)})

    async def databases(self) -> Mapping[str, str]:
        """The bucket of each database of Glue that is this mesh's: of domains, and of crawls.

        Proof: it lies in the bucket that this mesh, and none else, gives a domain of that name;
        that of crawls says to lie in the mesh's own. A database that was there before lies
        elsewhere, and is not among them.
        """
        if self._databases is None:
            found, crawls = {}, crawl_place(self.aws.place)
            async for page in self.aws.pages("glue", "get_databases"):
                for one in page["DatabaseList"]:
                    name, lies_in = one["Name"], one.get("LocationUri", "")
                    bucket = domain_bucket(self.aws.place, name)
                    if lies_in.rstrip("/") == f"s3://{bucket}":
                        found[name] = bucket
                    elif name == crawl_database(self.aws.place) and lies_in == crawls:
                        found[name] = mesh_bucket(self.aws.place)
            self._databases = found
        return self._databases

    def has_bucket(self, bucket: str) -> bool:
        """Whether a bucket is this mesh's.

        Proof: its name is the mesh's own, or that of a domain's; both hold the mesh's prefix, its
        account and, unless it was cut, its region.
        """
        place = self.aws.place
        return bucket == mesh_bucket(place) or is_domain_bucket(place, bucket)

    def has_place(self, uri: str) -> bool:
        """Whether `s3://BUCKET/…` or `arn:aws:s3:::BUCKET/…` lies in a bucket of this mesh."""
        found = re.match(r"(?:s3a?://|arn:aws[a-z-]*:s3:::)([^/]+)", uri)
        return found is not None and self.has_bucket(found.group(1))

    async def project_roles(self) -> Mapping[str, ProjectRole]:
        """The roles that act as projects of this mesh, by the project; see `project_roles`."""
        if self._roles is None:
            self._roles = await project_roles(self.aws)
        return self._roles


async def unless(call: Awaitable[dict[str, Any]], codes: Collection[str]) -> dict[str, Any] | None:
    """A call's answer; None where AWS refuses it with one of these codes."""
    try:
        return await call
    except AwsRejected as error:
        if error.aws_code not in codes:
            raise
        return None
