"""What is a mesh's own in its account, by which other things of the mesh are known."""

import re
from collections.abc import AsyncIterator, Awaitable, Collection, Mapping
from typing import Any

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.names import (
    PROCESS_ROLE,
    domain_bucket,
    is_domain_bucket,
    mesh_bucket,
    part_role,
    project_role_arn,
    project_workgroup,
    role_arn,
)
from meshplane.run.aws_roles import roles_of
from meshplane.run.aws_settings import PARTS
from meshplane.services.projects.aws import POLICY, TAG

_NO_ROLE = "NoSuchEntity"
_ANY_PROJECT = "(?P<project>[A-Za-z0-9_-]+)"


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
        """The bucket of each database of Glue that is a domain of this mesh.

        Proof: it lies in the bucket that this mesh, and none else, gives a domain of that name. A
        database that was there before lies elsewhere, and is not among them.
        """
        if self._databases is None:
            found = {}
            async for page in self.aws.pages("glue", "get_databases"):
                for one in page["DatabaseList"]:
                    bucket = domain_bucket(self.aws.place, one["Name"])
                    if one.get("LocationUri", "").rstrip("/") == f"s3://{bucket}":
                        found[one["Name"]] = bucket
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

    async def project_roles(self) -> "Mapping[str, ProjectRole]":
        """The roles that act as projects of this mesh, by the project.

        Proof: the role's name is the one for a project, and its policy `meshplane-query` opens that
        project's workgroup of this mesh. One without the tag `meshplane:project` was there before
        the mesh, which took it over.
        """
        if self._roles is None:
            self._roles = {
                role.project_id: role async for role in self._named() if await self._opens(role)
            }
        return self._roles

    async def _named(self) -> "AsyncIterator[ProjectRole]":
        wanted = re.compile(
            re.escape(project_role_arn(self.aws.place, "\0").rpartition("/")[2]).replace(
                re.escape("\0"), _ANY_PROJECT
            )
        )
        async for page in self.aws.pages("iam", "list_roles"):
            for one in page["Roles"]:
                named = wanted.fullmatch(one["RoleName"])
                if named is not None:
                    yield ProjectRole(named["project"], one["RoleName"], one["Arn"])

    async def _opens(self, role: "ProjectRole") -> bool:
        told = await unless(
            self.aws.call("iam", "get_role_policy", RoleName=role.name, PolicyName=POLICY),
            {_NO_ROLE},
        )
        place = self.aws.place
        workgroup = (
            f"arn:aws:athena:{place.region}:{place.account}:workgroup/"
            f"{project_workgroup(place, role.project_id)}"
        )
        if told is None or workgroup not in _resources(told["PolicyDocument"]):
            return False
        tags = await self.aws.call("iam", "list_role_tags", RoleName=role.name)
        role.is_made = {"Key": TAG, "Value": role.project_id} in tags["Tags"]
        return True


class ProjectRole:
    """A role that acts as a project.

    Attributes:
        project_id: the project.
        name, arn: of the role.
        is_made: whether the mesh made it; otherwise it was there.
    """

    def __init__(self, project_id: str, name: str, arn: str) -> None:
        self.project_id, self.name, self.arn = project_id, name, arn
        self.is_made = False


async def unless(call: Awaitable[dict[str, Any]], codes: Collection[str]) -> dict[str, Any] | None:
    """A call's answer; None where AWS refuses it with one of these codes."""
    try:
        return await call
    except AwsRejected as error:
        if error.aws_code not in codes:
            raise
        return None


def _resources(policy: Any) -> list[str]:
    found: list[str] = []
    for statement in policy.get("Statement", ()) if isinstance(policy, dict) else ():
        named = statement.get("Resource", ())
        found += [named] if isinstance(named, str) else list(named)
    return found
