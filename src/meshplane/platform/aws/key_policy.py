"""Who may use the key of a domain: the policy of a key in KMS. Pure.

The account administers the key by IAM, and uses it by IAM nowhere: a statement for the account's
root that names no action of use opens none. Every use is by way of S3, for objects of the domain's
bucket alone, and by these:

- what the mesh writes and reads tables as;
- the service-linked role of Lake Formation, as which places are registered: whoever reads a table
  with credentials that Lake Formation hands out acts as that role, so no role that holds a grant,
  here or in another account, has anything to do with the key;
- what Glue evaluates rulesets as, to read;
- roles of projects, for the results of their queries, which Athena writes and reads as the project:
  if their own policy names this bucket.

DataZone is not among them: it reads no data, and its portal's queries are a project's. Needs AWS:
the sandbox evaluates no policies of keys.

Sources: KMS Developer Guide, "Default key policy", "kms:ViaService" and "kms:EncryptionContext";
S3 User Guide, "Using server-side encryption with AWS KMS keys"; Lake Formation Developer Guide,
"Registering an encrypted Amazon S3 location".
"""

from collections.abc import Sequence
from typing import Any

from meshplane.platform.aws.names import lake_service_role_arn, project_role_arn
from meshplane.platform.aws.place import AwsPlace

_ADMINISTER = [
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListAliases",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListKeyRotations",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
]
_READ = ["kms:Decrypt"]
_WRITE = ["kms:Decrypt", "kms:GenerateDataKey"]


def domain_key_policy(
    place: AwsPlace, bucket: str, users: Sequence[str], readers: Sequence[str], *, shared: bool
) -> dict[str, Any]:
    """The policy of a domain's key.

    Args:
        place: the mesh's.
        bucket: of the domain.
        users: ARNs of what the mesh writes and reads tables as.
        readers: ARNs of who else reads tables past Lake Formation.
        shared: whether Lake Formation hands out credentials for the bucket.
    """
    root = f"arn:aws:iam::{place.account}:root"
    own = through_bucket(place, bucket)
    projects = {"ArnLike": {"aws:PrincipalArn": project_role_arn(place, "*")}}
    statements = [
        _allow("Administration", [root], _ADMINISTER),
        _allow("Mesh", users, _WRITE, own),
        _allow("Projects", [root], _WRITE, {**own, **projects}),
    ]
    if shared:
        statements.append(_allow("LakeFormation", [lake_service_role_arn(place)], _WRITE, own))
    if readers:
        statements.append(_allow("Readers", readers, _READ, own))
    return {"Version": "2012-10-17", "Statement": statements}


def through_bucket(place: AwsPlace, bucket: str) -> dict[str, Any]:
    """The condition that a key is used by S3, for objects of a bucket.

    With a bucket key, what S3 encrypts for is the bucket; without one, the object.
    """
    whole = f"arn:aws:s3:::{bucket}"
    return {
        "StringEquals": {"kms:ViaService": f"s3.{place.region}.amazonaws.com"},
        "StringLike": {"kms:EncryptionContext:aws:s3:arn": [whole, f"{whole}/*"]},
    }


def _allow(
    sid: str,
    principals: Sequence[str],
    actions: Sequence[str],
    condition: dict[str, Any] | None = None,
) -> dict[str, Any]:
    statement: dict[str, Any] = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"AWS": list(principals)},
        "Action": list(actions),
        "Resource": "*",
    }
    return {**statement, "Condition": condition} if condition else statement
