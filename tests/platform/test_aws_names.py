"""What things of a mesh are called on AWS: names that hold in an account, and are told apart."""

import random
import re
from fnmatch import fnmatchcase

import pytest

from meshplane.platform.aws.names import (
    domain_bucket,
    domain_bucket_arns,
    is_domain_bucket,
    mesh_bucket,
)
from meshplane.platform.aws.place import AwsPlace

ACCOUNT, REGION = "111122223333", "eu-central-1"
HERE = AwsPlace(REGION, ACCOUNT)
LONGEST_PREFIX, LONGEST_REGION, LONGEST_DOMAIN = "a" * 20 + "-", "ap-southeast-1", 48
# "General purpose bucket naming rules" of S3.
S3_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


def test_bucket_of_a_domain__says_whose_it_is_and_where() -> None:
    assert domain_bucket(HERE, "aviation") == "data-lake-aviation-111122223333-eu-central-1"
    prefixed = AwsPlace(REGION, ACCOUNT, prefix="blue-")
    assert domain_bucket(prefixed, "sea") == "blue-data-lake-sea-111122223333-eu-central-1"


def test_bucket_of_a_domain_with_a_long_name__is_cut_and_told_apart_by_a_digest() -> None:
    long = "operations-of-flights-and-of-everything-" + "a" * 8
    first, second = domain_bucket(HERE, long), domain_bucket(HERE, f"{long[:-1]}b")
    assert re.fullmatch(r"data-lake-operations-of-flights-and-o-[a-z2-7]{12}-111122223333", first)
    assert first != second
    assert domain_bucket(HERE, long) == first
    elsewhere = AwsPlace("eu-west-1", ACCOUNT)
    assert domain_bucket(elsewhere, long) != first


@pytest.mark.parametrize("prefix", ["", "blue-", LONGEST_PREFIX])
@pytest.mark.parametrize("region", ["us-east-1", REGION, LONGEST_REGION])
def test_buckets__of_any_domains__are_names_that_s3_takes_and_no_two_are_one(
    prefix: str, region: str
) -> None:
    seed = random.SystemRandom().randrange(10**9)
    chance = random.Random(seed)
    place = AwsPlace(region, ACCOUNT, prefix=prefix)
    domains = {_slug(chance) for _ in range(2000)}
    buckets = {domain_bucket(place, domain) for domain in domains}
    assert len(buckets) == len(domains), f"seed {seed}"
    assert [name for name in buckets if not S3_NAME.fullmatch(name)] == []
    assert all(is_domain_bucket(place, name) for name in buckets)
    patterns = domain_bucket_arns(place)
    arns = [f"arn:aws:s3:::{name}" for name in buckets]
    assert all(any(fnmatchcase(arn, one) for one in patterns) for arn in arns)
    assert S3_NAME.fullmatch(mesh_bucket(place))


@pytest.mark.parametrize(
    "bucket",
    [
        "data-lake-aviation",
        "data-lake-aviation-999999999999-eu-central-1",
        "data-lake-aviation-111122223333-eu-west-1",
        "data-lake-aviation-999999999999",
        "data-lake-aviation-111122223333",
        "others-data-lake-aviation-111122223333-eu-central-1",
        "data-lake--111122223333-eu-central-1-x",
        mesh_bucket(HERE),
    ],
)
def test_bucket_of_others__is_none_of_a_domain(bucket: str) -> None:
    assert not is_domain_bucket(HERE, bucket)


def _slug(chance: random.Random) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    text = "d" + "".join(chance.choices(f"{letters}----", k=chance.randint(1, 47)))
    return re.sub("-+", "-", text).rstrip("-").ljust(2, "x")[:LONGEST_DOMAIN]
