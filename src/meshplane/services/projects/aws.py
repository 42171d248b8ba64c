"""Workspaces of projects on AWS: folders in S3, and the role that acts as the project.

The repository stays in a directory of this machine.
"""

import json
from collections.abc import Sequence
from typing import Any

from meshplane.kit.errors import Conflict, Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected, AwsUnavailable
from meshplane.platform.aws.policy_documents import same_policy
from meshplane.services.projects.aws_policies import project_policy, trust_policy
from meshplane.services.projects.ports import Workspace, folders_of
from meshplane.services.projects.repositories import Repositories

_WRITTEN = frozenset({"PreconditionFailed", "412"})
_THERE, _NO_POLICY = "EntityAlreadyExists", "NoSuchEntity"
_BOUNDING = frozenset({"create_role", "put_role_permissions_boundary"})
POLICY = "meshplane-query"
"""The inline policy of a role that acts as a project."""

TAG = "meshplane:project"
"""The tag of a role that the mesh made; its value is the project."""


def role_name(project_id: str) -> str:
    """The name of the role that acts as a project."""
    return f"project-{project_id}-role"


def role_arn(account: str, project_id: str, path: str = "/") -> str:
    """The ARN of the role that acts as a project.

    Args:
        account: the mesh's, 12 digits.
        project_id: the project.
        path: as in `AwsWorkspaces`.
    """
    return f"arn:aws:iam::{account}:role{path}{role_name(project_id)}"


class AwsWorkspaces:
    """`ProjectWorkspaces` over S3 and IAM; used by many threads at once.

    A role of the project's name that is there is adopted: it gets our boundary and, if it trusts
    whom ours do, our policy; it keeps what else it has. Whom it trusts is never changed here, only
    by `meshplane aws prepare`: IAM binds that to no boundary, so the mesh has no right to it.

    Args:
        aws: whose S3 and IAM, of the mesh's own account.
        repositories: makes git repositories.
        trusted: ARNs of who may act as a project, the mesh's own role above all; none: whoever in
            the mesh's account has the right to assume roles.
        boundary: ARN of a policy that bounds what a project's role may ever do; None: nothing does.
        path: of the roles in IAM, with its slashes. Lake Formation's grants name roles by their
            ARN, and so do ours, with the path `/`.
    """

    def __init__(
        self,
        aws: Aws,
        repositories: Repositories,
        *,
        trusted: Sequence[str] = (),
        boundary: str | None = None,
        path: str = "/",
    ) -> None:
        self._aws = aws
        self._repositories = repositories
        self._trusted = tuple(trusted)
        self._boundary = boundary
        self._path = path

    def prepare(self, bucket: str, project_id: str) -> Workspace:
        """See `ProjectWorkspaces.prepare`."""
        folders = folders_of(project_id)
        try:
            for folder in folders:
                self._put_folder(bucket, folder)
            self._put_role(bucket, project_id)
            repository = self._repositories.ensure(project_id)
        except (OSError, AwsRejected, AwsUnavailable) as error:
            if isinstance(error, AwsRejected) and _lacks_boundary(error):
                raise _without_boundary(str(self._boundary)) from error
            raise Unavailable(
                "LAKE_UNAVAILABLE",
                "The project's folders or its role could not be made: try again. The bucket of a "
                "new domain takes a moment.",
            ) from error
        return Workspace(folders, repository)

    def _put_folder(self, bucket: str, folder: str) -> None:
        try:
            self._aws.run("s3", "put_object", Bucket=bucket, Key=folder, Body=b"", IfNoneMatch="*")
        except AwsRejected as error:
            if error.aws_code not in _WRITTEN:
                raise

    def _put_role(self, bucket: str, project_id: str) -> None:
        name, place = role_name(project_id), self._aws.place
        trust = trust_policy(place.account, self._trusted)
        try:
            self._aws.run(
                "iam",
                "create_role",
                RoleName=name,
                Path=self._path,
                AssumeRolePolicyDocument=json.dumps(trust),
                Description=f"Acts as the project {project_id} of the mesh",
                Tags=[{"Key": TAG, "Value": project_id}],
                **self._bounded(),
            )
        except AwsRejected as error:
            if error.aws_code != _THERE:
                raise
            self._adopt(name, trust)
        self._aws.run(
            "iam",
            "put_role_policy",
            RoleName=name,
            PolicyName=POLICY,
            PolicyDocument=json.dumps(project_policy(place, bucket, project_id)),
        )

    def _adopt(self, name: str, trust: dict[str, Any]) -> None:
        # First of all: no policy is written to it before it is bounded. It is also what tells
        # `meshplane aws prepare` that the role is to be a project's.
        if self._boundary is not None:
            self._aws.run(
                "iam",
                "put_role_permissions_boundary",
                RoleName=name,
                PermissionsBoundary=self._boundary,
            )
        held = self._aws.run("iam", "get_role", RoleName=name)["Role"]
        if not same_policy(held.get("AssumeRolePolicyDocument"), trust):
            raise _trusts_others(name)

    def _bounded(self) -> dict[str, str]:
        return {} if self._boundary is None else {"PermissionsBoundary": self._boundary}


def _lacks_boundary(error: AwsRejected) -> bool:
    return error.aws_code == _NO_POLICY and error.operation in _BOUNDING


def _without_boundary(arn: str) -> Unavailable:
    return Unavailable(
        "BOUNDARY_MISSING",
        f"Roles of projects are made within the policy {arn}, which is not there: run `meshplane "
        "aws prepare`, and try again.",
    )


def _trusts_others(role: str) -> Conflict:
    return Conflict(
        "ROLE_TRUST_DIFFERS",
        f"The role {role} does not trust whom a project's role trusts: its trust was changed, or "
        "is from older settings, or the role was there before. Whoever administers the account "
        "sees it with `meshplane aws prepare --plan` and sets it right with `meshplane aws "
        "prepare`; then set the project up again.",
    )
