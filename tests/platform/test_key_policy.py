"""Who may use the key of a domain, as the sandbox's own reading of policies has it."""

import json

import pytest

pytest.importorskip("moto", reason="The sandbox is not installed")

from meshplane.platform.aws.key_policy import domain_key_policy
from meshplane.platform.aws.names import (
    QUALITY_ROLE,
    lake_service_role_arn,
    project_role_arn,
    role_arn,
)
from meshplane.platform.aws.place import AwsPlace
from meshplane.sandbox.iam_policy import Asked, decide, trusts
from meshplane.services.projects.aws_policies import project_policy

PLACE = AwsPlace("eu-central-1", "111122223333", prefix="blue-")
BUCKET = "blue-data-lake-aviation-111122223333-eu-central-1"
OTHERS = "blue-data-lake-climate-111122223333-eu-central-1"
MESH = "arn:aws:iam::111122223333:role/blue-meshplane"
QUALITY = role_arn(PLACE, QUALITY_ROLE)
PROJECT = project_role_arn(PLACE, "proj-1")
LAKE = lake_service_role_arn(PLACE)
ROOT = "arn:aws:iam::111122223333:root"
STRANGER = "arn:aws:iam::111122223333:role/analyst"
ELSEWHERE = "arn:aws:iam::444455556666:role/reader"
POLICY = json.dumps(domain_key_policy(PLACE, BUCKET, [MESH], [QUALITY], shared=True))


def asked(who: str, action: str, bucket: str, via: str | None = "s3") -> Asked:
    context = {
        "aws:principalarn": who,
        "kms:encryptioncontext:aws:s3:arn": f"arn:aws:s3:::{bucket}",
    }
    if via is not None:
        context["kms:viaservice"] = f"{via}.eu-central-1.amazonaws.com"
    return Asked(action, "arn:aws:kms:eu-central-1:111122223333:key/k", context)


def may(who: str, action: str, *, bucket: str = BUCKET, via: str | None = "s3") -> bool:
    """Whether the key's policy names somebody himself, or leaves him to IAM, which allows all."""
    names = {who, ROOT} if ":111122223333:" in who else {who}
    return trusts(POLICY, names, asked(who, action, bucket, via))


@pytest.mark.parametrize(
    ("who", "reads", "writes"),
    [
        (MESH, True, True),
        (LAKE, True, True),
        (QUALITY, True, False),
        (PROJECT, True, True),
        (STRANGER, False, False),
        (ROOT, False, False),
        (ELSEWHERE, False, False),
        (role_arn(PLACE, "meshplane-portal"), False, False),
    ],
)
def test_key__is_used_by_these_and_no_others(who: str, reads: bool, writes: bool) -> None:
    assert (may(who, "kms:Decrypt"), may(who, "kms:GenerateDataKey")) == (reads, writes)


@pytest.mark.parametrize("who", [MESH, LAKE, QUALITY, PROJECT])
def test_key__is_used_by_s3_for_objects_of_the_bucket_alone(who: str) -> None:
    assert may(who, "kms:Decrypt", bucket=f"{BUCKET}/tables/t/data.parquet")
    assert not may(who, "kms:Decrypt", bucket=OTHERS)
    assert not may(who, "kms:Decrypt", via="dynamodb")
    assert not may(who, "kms:Decrypt", via=None)


def test_key__is_administered_by_the_account_and_used_by_iam_nowhere() -> None:
    assert may(STRANGER, "kms:PutKeyPolicy")  # if IAM allows it to him
    for action in ("kms:Decrypt", "kms:Encrypt", "kms:ReEncryptFrom", "kms:CreateGrant"):
        assert not may(STRANGER, action)
    assert not may(ELSEWHERE, "kms:PutKeyPolicy")


def test_key__of_another_domain__a_projects_own_policy_does_not_open() -> None:
    own = json.dumps(project_policy(PLACE, BUCKET, "proj-1"))
    allowed = {
        bucket: decide([own], asked(PROJECT, "kms:Decrypt", bucket)) for bucket in (BUCKET, OTHERS)
    }
    assert allowed == {BUCKET: True, OTHERS: None}


def test_key__where_lake_formation_hands_out_nothing__it_is_not_named() -> None:
    policy = json.dumps(domain_key_policy(PLACE, BUCKET, [MESH], [], shared=False))
    assert "lakeformation" not in policy
    assert not trusts(policy, {LAKE, ROOT}, asked(LAKE, "kms:Decrypt", BUCKET))


def test_policy__fits_into_what_kms_takes() -> None:
    assert len(POLICY) < 32_768
