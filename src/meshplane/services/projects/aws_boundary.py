"""The most that roles of projects may ever do: their permissions boundary. Pure.

A role's rights are what its own policies allow and the boundary does as well. So who may write the
policies of these roles, and templates that run as them, stay within it.

It allows what each project may (`project_policy`), what its templates make by the name of their
stack among it. Whatever else it would allow, nobody gives rights with a project's role, takes
another role, administers the data lake, or changes the mesh's own secrets and keys.

Source: IAM User Guide, "Permissions boundaries for IAM entities".
"""

from collections.abc import Sequence
from typing import Any

from meshplane.platform.aws.names import domain_key_alias
from meshplane.platform.aws.place import AwsPlace
from meshplane.services.projects.aws_policies import project_policy

_ANY_PROJECT = "proj-*"

NEVER_SERVICES = frozenset(
    {
        "account",
        "athena",
        "cloudformation",
        "cognito-idp",
        "datazone",
        "glue",
        "iam",
        "lakeformation",
        "organizations",
        "ram",
        "redshift",
        "redshift-data",
        "redshift-serverless",
        "scheduler",
        "states",
        "sts",
    }
)
"""Services that templates get no more of: they give rights, or hold what is the mesh's own."""

_RIGHTS = ["account:*", "iam:*", "organizations:*", "sts:AssumeRole*", "sts:GetFederationToken"]
_DATA_LAKE = [
    f"lakeformation:{start}*"
    for start in (
        *("Add", "BatchGrant", "BatchRevoke", "Create", "Delete", "Deregister"),
        *("Grant", "Put", "Register", "Remove", "Revoke", "Update"),
    )
]
# All that changes a key, and nothing that uses it: that is for the key's own policy.
_CHANGES_OF_KEYS = [
    f"kms:{name}"
    for name in (
        *("Cancel*", "CreateAlias", "CreateGrant", "DeleteAlias", "DeleteImported*", "Disable*"),
        *("Enable*", "Import*", "Put*", "Replicate*", "RetireGrant", "Revoke*", "Rotate*"),
        *("Schedule*", "TagResource", "UntagResource", "Update*"),
    )
]


def boundary_policy(place: AwsPlace, further_services: Sequence[str] = ()) -> dict[str, Any]:
    """The permissions boundary of the roles of a mesh's projects.

    Args:
        place: the mesh's.
        further_services: prefixes of services of which templates may make what they like; none of
            `NAMED_SERVICES` and `NEVER_SERVICES`.
    """
    buckets = f"{place.prefix}data-lake-*-{place.account}*"
    at = f"{place.region}:{place.account}"
    statements = list(project_policy(place, buckets, _ANY_PROJECT)["Statement"])
    if further_services:
        further = sorted(f"{service}:*" for service in set(further_services))
        statements.append(_say("Allow", "TemplatesFurther", further, "*"))
    keys = _say("Deny", "MeshKeys", _CHANGES_OF_KEYS, f"arn:aws:kms:{at}:key/*")
    statements += [
        _say("Deny", "Rights", _RIGHTS, "*"),
        _say("Deny", "DataLake", _DATA_LAKE, "*"),
        _say(
            "Deny",
            "MeshSecrets",
            ["secretsmanager:*"],
            f"arn:aws:secretsmanager:{at}:secret:{place.prefix}meshplane/*",
        ),
        _say("Deny", "MeshAliases", ["kms:*"], f"arn:aws:kms:{at}:{domain_key_alias(place, '')}*"),
        {**keys, "Condition": {"StringLike": {"aws:ResourceTag/Domain": "*"}}},
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def _say(effect: str, sid: str, actions: list[str], resources: str | list[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": effect, "Action": actions, "Resource": resources}
