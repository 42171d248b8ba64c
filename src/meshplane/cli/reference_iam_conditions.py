"""Actions that a part may take under a condition alone, and on what.

Sources: the Service Authorization Reference, "Actions defined by …", which says which keys an
action knows; IAM User Guide, "Permissions boundaries for IAM entities"; KMS Developer Guide, "Use
aliases to control access to KMS keys" and "Controlling access to tags".
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meshplane.cli.reference_iam_parts import ACCOUNT, PREFIX, PROJECT_ROLES, REGION
from meshplane.platform.aws.names import PROJECTS_BOUNDARY

BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/{PREFIX}{PROJECTS_BOUNDARY}"
"""The ARN of the permissions boundary of the roles of projects."""


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A statement of a part's policy.

    Args:
        sid: of the statement.
        actions: those of them that the part calls are allowed by it, and by no statement that is
            made without it.
        resources: ARNs.
        condition: of IAM; none: the resources alone narrow it.
    """

    sid: str
    actions: Collection[str]
    resources: Sequence[str]
    condition: Mapping[str, Any] | None = None

    def statement(self, called: Collection[str]) -> dict[str, Any] | None:
        """What of it a part with these actions needs; None: nothing.

        Args:
            called: `kms:CreateKey`, of the part.
        """
        actions = sorted(set(self.actions).intersection(called))
        if not actions:
            return None
        made = {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": actions,
            "Resource": list(self.resources),
        }
        return {**made, "Condition": dict(self.condition)} if self.condition else made


# `CreateRole` and `PutRolePermissionsBoundary` set this boundary, the others want it to be set.
_BOUNDED = {"StringEquals": {"iam:PermissionsBoundary": [BOUNDARY]}}

_KEYS = (f"arn:aws:kms:{REGION}:{ACCOUNT}:key/*",)
_ALIASES = f"alias/{PREFIX}meshplane-*"
_ALIAS_ARNS = (f"arn:aws:kms:{REGION}:{ACCOUNT}:{_ALIASES}",)
_OURS = {"ManagedBy": "ManagementApp"}
_GIVES_TAGS = {f"aws:RequestTag/{name}": value for name, value in _OURS.items()}
_HAS_TAGS = {f"aws:ResourceTag/{name}": value for name, value in _OURS.items()}
_HAS_ALIAS = {"ForAnyValue:StringLike": {"kms:ResourceAliases": [_ALIASES]}}
# A key that was made just now has none. One that is in use is known by an alias as a rule.
_NO_ALIAS = {"Null": {"kms:ResourceAliases": "true"}}

NARROWED: Mapping[str, Sequence[Narrowed]] = {
    "keys": (
        Narrowed("KeysMade", ["kms:CreateKey"], ["*"], {"StringEquals": _GIVES_TAGS}),
        # Tags are given to a key while it is made, so no key can be named here.
        Narrowed(
            "KeysTagged", ["kms:TagResource"], ["*"], {"StringEquals": _GIVES_TAGS, **_NO_ALIAS}
        ),
        # KMS may want the right to a key's policy of who makes the key with one.
        Narrowed(
            "KeysNew",
            [
                "kms:CreateAlias",
                "kms:EnableKeyRotation",
                "kms:PutKeyPolicy",
                "kms:ScheduleKeyDeletion",
            ],
            _KEYS,
            _NO_ALIAS,
        ),
        Narrowed("KeysKept", ["kms:EnableKeyRotation", "kms:PutKeyPolicy"], _KEYS, _HAS_ALIAS),
        Narrowed("Aliases", ["kms:CreateAlias"], _ALIAS_ARNS),
    ),
    "remove": (
        Narrowed(
            "KeysRemoved",
            ["kms:DeleteAlias", "kms:ScheduleKeyDeletion"],
            _KEYS,
            {"StringEquals": _HAS_TAGS, **_HAS_ALIAS},
        ),
        Narrowed("Aliases", ["kms:DeleteAlias"], _ALIAS_ARNS),
        Narrowed("RolesGivenBack", ["iam:DeleteRolePermissionsBoundary"], PROJECT_ROLES, _BOUNDED),
    ),
    "tables": (
        Narrowed(
            "RolesBounded",
            ["iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"],
            PROJECT_ROLES,
            _BOUNDED,
        ),
        # Files of tables lie in S3, which asks KMS on behalf of who reads and writes them.
        Narrowed(
            "KeysByS3",
            ["kms:Decrypt", "kms:GenerateDataKey"],
            _KEYS,
            {"StringEquals": {"kms:ViaService": [f"s3.{REGION}.amazonaws.com"]}},
        ),
    ),
}
"""By part, its statements with a condition. What an action needs on two kinds of things stands in
two of them."""
