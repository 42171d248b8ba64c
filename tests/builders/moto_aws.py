"""S3, Glue and IAM by moto, where no fake of ours is needed."""

from collections.abc import Iterator
from contextlib import contextmanager

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.place import AwsPlace
from tests.builders.moto_server import ACCOUNT, REGION, moto_aws, nobody

__all__ = ["ACCOUNT", "aws_at", "moto_server"]


@contextmanager
def moto_server() -> Iterator[str]:
    """The address of an empty moto that ends with the block."""
    with moto_aws() as aws:
        yield str(aws.place.endpoint_url)


def aws_at(url: str, region: str = REGION) -> Aws:
    """AWS there, with clients of its own."""
    return Aws(AwsPlace(region, ACCOUNT, endpoint_url=url, most_attempts=2), nobody())
