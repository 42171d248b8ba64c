"""The bucket of a domain: made ready as the lake wants it, and kept so."""

from collections.abc import Sequence
from typing import Any

from meshplane.kit.errors import Conflict
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.names import domain_bucket

FOLDERS = ("raw/", "processed/", "metadata/")
"""What every domain has in its bucket, beside the directories of its tables."""

RESULTS_FOLDER = "temp/"
"""Where results of queries may lie; they go after some days."""

_EVERYWHERE = "us-east-1"  # takes no LocationConstraint
_ABSENT = frozenset({"404", "NoSuchBucket", "NotFound"})
_OF_OTHERS = frozenset({"403", "BucketAlreadyExists", "AccessDenied", "Forbidden"})
_THERE = frozenset({"BucketAlreadyOwnedByYou", "OperationAborted"})
_WRITTEN = frozenset({"PreconditionFailed", "412"})
_RESULT_DAYS, _OLD_VERSION_DAYS, _UPLOAD_DAYS = 7, 30, 7
_RULE_PREFIX = "meshplane-"


class DomainBuckets:
    """Makes buckets ready; done again, it changes nothing that is as it should be.

    Args:
        aws: whose S3, of the mesh's own account.
        kms_key: ID, alias or ARN of the key of new objects, by bucket; where there is none, the
            key of the account for S3.
    """

    def __init__(self, aws: Aws, kms_key: str | None = None) -> None:
        self._aws = aws
        self._kms_key = kms_key

    def of(self, domain: str) -> str:
        """The bucket of a domain, by the domain's name."""
        return domain_bucket(self._aws.place, domain)

    async def prepare(
        self, bucket: str, kms_key: str | None = None, *, folders: Sequence[str] = FOLDERS
    ) -> None:
        """Makes the bucket and sets what every bucket of the lake has.

        Versions are kept, new objects are encrypted by KMS, nothing is public, owners are the
        bucket's alone, and what nobody needs any more goes by itself (`lifecycle`).

        Args:
            bucket: its name.
            kms_key: of this bucket; by default the one of the constructor.
            folders: to put into it.

        Raises:
            Conflict: BUCKET_NAME_TAKEN, it belongs to another account.
        """
        await self._make(bucket)
        await self._aws.call(
            "s3",
            "put_public_access_block",
            Bucket=bucket,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        )
        await self._aws.call(
            "s3",
            "put_bucket_versioning",
            Bucket=bucket,
            VersioningConfiguration={"Status": "Enabled"},
        )
        await self._aws.call(
            "s3",
            "put_bucket_encryption",
            Bucket=bucket,
            ServerSideEncryptionConfiguration=_encryption(kms_key or self._kms_key),
        )
        await self._put_lifecycle(bucket)
        for folder in folders:
            await self._put_folder(bucket, folder)

    async def _make(self, bucket: str) -> None:
        if await self._is_there(bucket):
            return
        region = self._aws.place.region
        where: dict[str, Any] = {}
        if region != _EVERYWHERE:
            where["CreateBucketConfiguration"] = {"LocationConstraint": region}
        try:
            await self._aws.call(
                "s3",
                "create_bucket",
                Bucket=bucket,
                ObjectOwnership="BucketOwnerEnforced",
                **where,
            )
        except AwsRejected as error:
            if error.aws_code in _OF_OTHERS:
                raise _taken() from error
            if error.aws_code not in _THERE:
                raise

    async def _is_there(self, bucket: str) -> bool:
        owner = self._aws.place.account
        try:
            await self._aws.call("s3", "head_bucket", Bucket=bucket, ExpectedBucketOwner=owner)
        except AwsRejected as error:
            if error.aws_code in _ABSENT:
                return False
            if error.aws_code in _OF_OTHERS:
                raise _taken() from error
            raise
        return True

    async def _put_lifecycle(self, bucket: str) -> None:
        """Sets our rules; those that others gave the bucket stay beside them."""
        try:
            answer = await self._aws.call("s3", "get_bucket_lifecycle_configuration", Bucket=bucket)
            there = list(answer.get("Rules", ()))
        except AwsRejected as error:
            if error.aws_code != "NoSuchLifecycleConfiguration":
                raise
            there = []
        rules = lifecycle()
        others = [one for one in there if not one.get("ID", "").startswith(_RULE_PREFIX)]
        if sorted(one["ID"] for one in rules) == sorted(
            one["ID"] for one in there if one not in others
        ):
            return
        await self._aws.call(
            "s3",
            "put_bucket_lifecycle_configuration",
            Bucket=bucket,
            LifecycleConfiguration={"Rules": [*others, *rules]},
        )

    async def _put_folder(self, bucket: str, folder: str) -> None:
        await put_folder(self._aws, bucket, folder)


async def put_folder(aws: Aws, bucket: str, folder: str) -> None:
    """Puts the empty object by which tools show a folder; one that is there stays."""
    try:
        await aws.call("s3", "put_object", Bucket=bucket, Key=folder, Body=b"", IfNoneMatch="*")
    except AwsRejected as error:
        if error.aws_code not in _WRITTEN:
            raise


def lifecycle() -> list[dict[str, Any]]:
    """What goes by itself, and when.

    Only what lies in the domain's folder `raw/` moves to colder storage and is deleted after a
    year. Tables lie beside it, and a rule for the whole bucket would take live files from them:
    Iceberg's own expiry removes theirs, and then nothing but the versions that S3 keeps is left to
    remove here. Raw areas of projects lie in `projects/ID/raw/`, which no prefix of a rule can name
    for all of them; their files are the projects' own to remove.
    """
    raw = {
        "Transitions": [
            {"Days": 30, "StorageClass": "STANDARD_IA"},
            {"Days": 90, "StorageClass": "GLACIER"},
        ],
        "Expiration": {"Days": 365},
    }
    return [
        _rule("raw", "raw/", **raw),
        _rule("results", RESULTS_FOLDER, Expiration={"Days": _RESULT_DAYS}),
        _rule(
            "old-versions",
            "",
            NoncurrentVersionExpiration={"NoncurrentDays": _OLD_VERSION_DAYS},
            AbortIncompleteMultipartUpload={"DaysAfterInitiation": _UPLOAD_DAYS},
        ),
    ]


def _rule(name: str, prefix: str, **does: Any) -> dict[str, Any]:
    return {
        "ID": f"{_RULE_PREFIX}{name}",
        "Status": "Enabled",
        "Filter": {"Prefix": prefix},
        **does,
    }


def _encryption(kms_key: str | None) -> dict[str, Any]:
    by: dict[str, Any] = {"SSEAlgorithm": "aws:kms"}
    if kms_key is not None:
        by["KMSMasterKeyID"] = kms_key
    # One data key for a bucket and a while, rather than a call of KMS for each object.
    return {"Rules": [{"ApplyServerSideEncryptionByDefault": by, "BucketKeyEnabled": True}]}


def _taken() -> Conflict:
    return Conflict(
        "BUCKET_NAME_TAKEN",
        "The bucket of this domain belongs to another account, as names of buckets are shared by "
        "all of AWS. Create the domain under another name.",
    )
