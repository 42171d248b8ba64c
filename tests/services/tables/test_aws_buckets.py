"""A domain's bucket on AWS."""

import uuid
from collections.abc import Iterator

import pytest
from botocore.stub import Stubber

from meshplane.kit.errors import Conflict
from meshplane.platform.aws.calls import Aws
from meshplane.services.projects.api import raw_folder
from meshplane.services.tables.aws_buckets import DomainBuckets
from tests.builders.moto_aws import aws_at, moto_server


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with moto_server() as url:
        yield aws_at(url)


async def _prepared(aws: Aws, **options: str) -> str:
    bucket = f"data-lake-{uuid.uuid4()}"
    await DomainBuckets(aws, **options).prepare(bucket)
    return bucket


async def test_prepare__makes_a_private_bucket_with_versions_and_its_folders(aws: Aws) -> None:
    bucket = await _prepared(aws)
    place = aws.run("s3", "get_bucket_location", Bucket=bucket)["LocationConstraint"]
    versioning = aws.run("s3", "get_bucket_versioning", Bucket=bucket)["Status"]
    public = aws.run("s3", "get_public_access_block", Bucket=bucket)
    keys = [one["Key"] for one in aws.run("s3", "list_objects_v2", Bucket=bucket)["Contents"]]
    assert (place, versioning) == (aws.place.region, "Enabled")
    assert set(public["PublicAccessBlockConfiguration"].values()) == {True}
    assert keys == ["metadata/", "processed/", "raw/"]


@pytest.mark.parametrize("key", [None, "alias/data-lake-key"])
async def test_prepare__encrypts_by_kms(aws: Aws, key: str | None) -> None:
    bucket = await _prepared(aws, **({} if key is None else {"kms_key": key}))
    [rule] = aws.run("s3", "get_bucket_encryption", Bucket=bucket)[
        "ServerSideEncryptionConfiguration"
    ]["Rules"]
    by = rule["ApplyServerSideEncryptionByDefault"]
    assert (by["SSEAlgorithm"], by.get("KMSMasterKeyID")) == ("aws:kms", key)


async def test_prepare__lets_nothing_of_a_table_or_a_raw_area_expire(aws: Aws) -> None:
    bucket = await _prepared(aws)
    rules = aws.run("s3", "get_bucket_lifecycle_configuration", Bucket=bucket)["Rules"]
    ends = {
        one["Filter"]["Prefix"]: one["Expiration"]["Days"] for one in rules if "Expiration" in one
    }
    moves = [one["Filter"]["Prefix"] for one in rules if one.get("Transitions")]
    assert ends == {"raw/": 365, "temp/": 7}
    assert moves == ["raw/"]
    area = raw_folder("proj-1")
    # Of what projects bring, nothing but versions that somebody wrote over.
    (reaching,) = [one for one in rules if area.startswith(one["Filter"]["Prefix"])]
    assert reaching["ID"] == "meshplane-old-versions"
    assert not {"Expiration", "Transitions"} & reaching.keys()


async def test_prepare__done_again_keeps_the_rules_of_others(aws: Aws) -> None:
    bucket = await _prepared(aws)
    own = {"ID": "own", "Status": "Enabled", "Filter": {"Prefix": "x/"}, "Expiration": {"Days": 3}}
    rules = aws.run("s3", "get_bucket_lifecycle_configuration", Bucket=bucket)["Rules"]
    for kept in ([*rules, own], [own]):
        await aws.call(
            "s3",
            "put_bucket_lifecycle_configuration",
            Bucket=bucket,
            LifecycleConfiguration={"Rules": kept},
        )
        await DomainBuckets(aws).prepare(bucket)
        now = aws.run("s3", "get_bucket_lifecycle_configuration", Bucket=bucket)["Rules"]
        assert sorted(one["ID"] for one in now) == [
            "meshplane-old-versions",
            "meshplane-raw",
            "meshplane-results",
            "own",
        ]


async def test_prepare__refuses_the_bucket_of_another_account(aws: Aws) -> None:
    # Needs AWS: moto heeds no ExpectedBucketOwner, so S3's refusal is played here.
    there = aws_at(str(aws.place.endpoint_url))
    with Stubber(there.client("s3")) as s3:
        s3.add_client_error("head_bucket", "403", http_status_code=403)
        with pytest.raises(Conflict) as caught:
            await DomainBuckets(there).prepare("data-lake-taken")
        s3.add_client_error("head_bucket", "404", http_status_code=404)
        s3.add_client_error("create_bucket", "BucketAlreadyExists", http_status_code=409)
        with pytest.raises(Conflict) as raced:
            await DomainBuckets(there).prepare("data-lake-taken")
    assert caught.value.code == raced.value.code == "BUCKET_NAME_TAKEN"


async def test_prepare__names_no_region_where_s3_takes_none() -> None:
    with moto_server() as url:
        there = aws_at(url, "us-east-1")
        bucket = await _prepared(there)
        answer = there.run("s3", "get_bucket_location", Bucket=bucket)
    assert answer.get("LocationConstraint") is None
