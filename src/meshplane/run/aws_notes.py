"""What a mesh notes of its account, in its own bucket: what nothing else would tell any more."""

import json

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.names import mesh_bucket

_ADMINISTRATORS = "prepared/administrators.json"
_ABSENT = frozenset({"NoSuchKey", "NoSuchBucket", "404"})


async def note_administrator(aws: Aws, arn: str) -> None:
    """Notes that the mesh is about to make somebody an administrator of the data lake.

    Args:
        aws: as who prepares; the mesh's bucket is there.
        arn: of whom.

    Raises:
        AwsRejected, AwsUnavailable: as `Aws.call`.
    """
    added = sorted({*await noted_administrators(aws), arn})
    await aws.call(
        "s3",
        "put_object",
        Bucket=mesh_bucket(aws.place),
        Key=_ADMINISTRATORS,
        Body=json.dumps({"added": added}).encode(),
        ExpectedBucketOwner=aws.place.account,
    )


async def noted_administrators(aws: Aws) -> frozenset[str]:
    """Whom the mesh has made administrators of the data lake.

    Raises:
        AwsRejected, AwsUnavailable: as `Aws.call`.
    """
    try:
        told = await aws.call(
            "s3", "get_object", Bucket=mesh_bucket(aws.place), Key=_ADMINISTRATORS
        )
    except AwsRejected as error:
        if error.aws_code not in _ABSENT:
            raise
        return frozenset()
    return frozenset(json.loads(told["Body"].read())["added"])
