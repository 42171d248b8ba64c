"""Which part's policy a file of the code belongs to, and which roles each part has to do with.

A part of the setting `aws_parts` has the policy of its name. `prepare` and `remove` are for who
runs `meshplane aws`, beside those of the parts.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from meshplane.platform.aws.names import (
    AUTHORS_ROLE,
    CRAWL_ROLE,
    PORTAL_ROLE,
    QUALITY_ROLE,
    SCHEDULER_ROLE,
    TARGETS_ROLE,
    WORKFLOWS_ROLE,
)

PREFIX = "${MESHPLANE_AWS_PREFIX}"
ACCOUNT, REGION = "${MESHPLANE_AWS_ACCOUNT}", "${MESHPLANE_AWS_REGION}"

# Files that another part than their folder's runs, or several do.
_FILES: Mapping[str, Sequence[str]] = {
    "events/aws_listener.py": ("portal",),
    "events/aws_notices.py": ("notices",),
    "events/aws_queues.py": ("bus", "workflows", "portal"),
    "platform/aws/identity.py": ("keys", "portal", "prepare", "remove"),
    "platform/aws/identity_pool.py": ("identity", "prepare"),
    "platform/aws/identity_pool_making.py": ("prepare",),
    "platform/aws/identity_sign_in.py": (),  # by people, who need no rights for it
    "run/aws.py": ("portal",),
    "run/aws_notes.py": ("prepare", "remove"),
    "run/aws_project_roles.py": ("prepare", "remove"),
    "services/tables/aws_crawl_rights.py": ("lake",),
    "services/tables/aws_redshift.py": ("query",),
}
_FOLDERS: Mapping[str, str] = {"cli": "prepare", "events": "bus", "run": "prepare"}
_SERVICES: Mapping[str, str] = {"events": "bus", "projects": "tables"}
_PLATFORM: Mapping[str, str] = {
    "datazone": "portal",
    "dynamodb": "store",
    "redshift": "query",
}
_PORTAL, _REMOVE = "aws_portal", "run/aws_remove"


def parts_of(path: str) -> Sequence[str]:
    """The parts that run a file.

    Args:
        path: below the package.
    """
    if path in _FILES:
        return _FILES[path]
    folders = path.split("/")
    name = folders[-1].removesuffix(".py")
    if path.startswith(_REMOVE):
        return ("remove",)
    if folders[0] == "services" and len(folders) > 2:
        return ("portal" if name.startswith(_PORTAL) else _SERVICES.get(folders[1], folders[1]),)
    if folders[:2] == ["platform", "aws"]:
        word = name.partition("_")[0]
        return (_PLATFORM.get(word, word),)
    return (_FOLDERS.get(folders[0], folders[0]),)


def role_named(name: str) -> str:
    """The ARN of roles of the account, by name or pattern."""
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


# Names of buckets are one for all of AWS, so they name their account: see `platform/aws/names.py`.
_OF_DOMAINS = (
    f"arn:aws:s3:::{PREFIX}data-lake-*-{ACCOUNT}",
    f"arn:aws:s3:::{PREFIX}data-lake-*-{ACCOUNT}-{REGION}",
)
_OF_THE_MESH = (f"arn:aws:s3:::{PREFIX}meshplane-{ACCOUNT}-{REGION}",)
EVERY_BUCKET = (*_OF_DOMAINS, *_OF_THE_MESH)
BUCKETS: Mapping[str, Sequence[str]] = {
    "blueprints": _OF_THE_MESH,
    "bus": _OF_THE_MESH,
    "store": _OF_THE_MESH,
    "tables": _OF_DOMAINS,
}
"""The buckets that a part has to do with; by default all of the mesh's."""

_PROJECTS = role_named("project-proj-*-role")
_LAKE_ROLE = role_named(
    "aws-service-role/lakeformation.amazonaws.com/AWSServiceRoleForLakeFormationDataAccess"
)


def _own(*names: str) -> tuple[str, ...]:
    return tuple(role_named(f"{PREFIX}{name}") for name in names)


ROLES: Mapping[str, Sequence[str]] = {
    "keys": (role_named("*"),),  # who it is itself, whatever that is called
    "portal": (role_named("*"),),
    "prepare": (role_named("*"),),
    "remove": (_PROJECTS, *_own("meshplane-*")),
    "tables": (_PROJECTS,),
}
"""The roles that a part's actions of IAM are about; by default those with the mesh's name."""

OWN_ROLES = _own("meshplane-*")

USERS = f"arn:aws:iam::{ACCOUNT}:user/*"
"""Whom the settings may name as who runs as the mesh."""

HANDED_ON: Mapping[str, Sequence[str]] = {
    "blueprints": (_PROJECTS,),
    "bus": _own(SCHEDULER_ROLE, TARGETS_ROLE),
    "lake": (_LAKE_ROLE,),
    "portal": _own(PORTAL_ROLE),
    "quality": _own(QUALITY_ROLE),
    "tables": _own(CRAWL_ROLE),
    "workflows": _own(WORKFLOWS_ROLE, AUTHORS_ROLE),
}
"""The roles that a part hands to AWS's services; by default those with the mesh's name."""

TAKEN: Mapping[str, Sequence[str]] = {
    "prepare": OWN_ROLES,
    # The roles that a mesh takes elsewhere have names that the other party chose.
    "remove": ("arn:aws:iam::*:role/*",),
    "shares": ("arn:aws:iam::*:role/*",),
}
"""The roles that a part works as; by default those of the mesh's projects."""

# Many a role of the mesh's own account trusts all of it; those are not to be taken. Needs AWS: that
# STS tells the account of a role ("AWS global condition context keys", `aws:ResourceAccount`).
_ELSEWHERE = {"StringNotEquals": {"aws:ResourceAccount": [ACCOUNT]}}
TAKEN_IF: Mapping[str, Mapping[str, Any]] = {"remove": _ELSEWHERE, "shares": _ELSEWHERE}
"""The condition on which a part takes roles, if there is one."""

PROJECT_ROLES: Sequence[str] = (_PROJECTS,)

# "Registering an Amazon S3 location" and "Data lake administrator" of Lake Formation's guide.
_LINKED = (
    {
        "Sid": "LakeRole",
        "Effect": "Allow",
        "Action": ["iam:CreateServiceLinkedRole"],
        "Resource": [_LAKE_ROLE],
        "Condition": {"StringEquals": {"iam:AWSServiceName": "lakeformation.amazonaws.com"}},
    },
    {
        "Sid": "LakeRolePolicy",
        "Effect": "Allow",
        "Action": ["iam:PutRolePolicy"],
        "Resource": [_LAKE_ROLE],
    },
)
# What Lake Formation does with RAM and Glue for who grants to another account, as AWS's own policy
# AWSLakeFormationCrossAccountManager has it.
_ACROSS = (
    {
        "Sid": "SharesMade",
        "Effect": "Allow",
        "Action": ["ram:CreateResourceShare"],
        "Resource": ["*"],
        "Condition": {
            "StringLikeIfExists": {
                "ram:RequestedResourceType": ["glue:Table", "glue:Database", "glue:Catalog"]
            }
        },
    },
    {
        "Sid": "SharesKept",
        "Effect": "Allow",
        "Action": [
            "ram:AssociateResourceShare",
            "ram:DeleteResourceShare",
            "ram:DisassociateResourceShare",
            "ram:UpdateResourceShare",
        ],
        "Resource": ["*"],
        "Condition": {"StringLike": {"ram:ResourceShareName": ["LakeFormation*"]}},
    },
    {
        "Sid": "SharesPermitted",
        "Effect": "Allow",
        "Action": ["ram:AssociateResourceSharePermission"],
        "Resource": ["*"],
        "Condition": {
            "ArnLike": {"ram:PermissionArn": ["arn:aws:ram::aws:permission/AWSRAMLFEnabled*"]}
        },
    },
    {
        "Sid": "SharesOfTheCatalogue",
        "Effect": "Allow",
        "Action": [
            "glue:DeleteResourcePolicy",
            "glue:PutResourcePolicy",
            "organizations:DescribeAccount",
            "organizations:DescribeOrganization",
        ],
        "Resource": ["*"],
    },
)
# "Actions, resources, and condition keys for Amazon S3": deleting what has a version is another.
_VERSIONS = (
    {
        "Sid": "Versions",
        "Effect": "Allow",
        "Action": ["s3:DeleteObjectVersion"],
        "Resource": [f"{bucket}/*" for bucket in EVERY_BUCKET],
    },
)
# "Authorizing access to the Amazon Redshift Data API": it fetches credentials of the database as
# who calls it, where no secret has any.
_DATABASES = (
    {
        "Sid": "DatabaseUser",
        "Effect": "Allow",
        "Action": ["redshift-serverless:GetCredentials", "redshift:GetClusterCredentialsWithIAM"],
        "Resource": [
            f"arn:aws:redshift-serverless:{REGION}:{ACCOUNT}:workgroup/*",
            f"arn:aws:redshift:{REGION}:{ACCOUNT}:dbname:*/*",
        ],
    },
)
MORE: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "lake": _LINKED,
    "query": _DATABASES,
    "remove": _VERSIONS,
    "shares": _ACROSS,
}
"""What AWS's services check of who calls them, beside the call itself. Needs AWS."""
