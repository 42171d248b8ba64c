"""What is too large for an item of DynamoDB lies in S3.

An object is written before the commit that names it, under a name of the row, of its bytes and of
this one put, and never changed or named again. One that no row names any more is left for a day,
for whoever reads at an earlier instant, and then removed by maintenance.
"""

import base64
import hashlib

import orjson

from meshplane.kit.errors import TooLarge
from meshplane.kit.ids import random_hex
from meshplane.platform.aws.dynamodb_calls import Reading
from meshplane.platform.aws.dynamodb_items import Image, Shape
from meshplane.platform.gathering import Key
from meshplane.platform.tables import Item

_KEPT_SECONDS = 86_400
_LONGEST_ROW = 900


class Spill:
    """Puts values into a bucket and gets them back.

    Args:
        reading: of the rows that name them.
        bucket: where to; None: nothing can be spilled.
        prefix: what the names of objects begin with.
    """

    def __init__(self, reading: Reading, bucket: str | None, prefix: str) -> None:
        self._reading, self._aws = reading, reading.aws
        self._bucket, self._prefix = bucket, prefix
        self._swept = ""

    async def fitted(self, shape: Shape, key: Key, image: Image) -> Image:
        """The image without what is too large, which lies in the bucket then.

        Raises:
            TooLarge: ITEM_TOO_LARGE, and there is no bucket.
        """
        leaving = shape.spillable(image.body)
        if not leaving:
            return image
        row = base64.urlsafe_b64encode(orjson.dumps(key)).decode()
        if self._bucket is None or len(row) > _LONGEST_ROW:
            raise TooLarge(
                "ITEM_TOO_LARGE", "It has more than 380 kB, and the store has no bucket for it."
            )
        item = image.item()
        spilled: dict[str, str] = {}
        for name, value in leaving.items():
            digest = hashlib.sha256(value).hexdigest()
            spilled[name] = f"{self._prefix}{row}/{digest}-{random_hex(16)}"
            del item[name]
            await self._aws.call(
                "s3", "put_object", Bucket=self._bucket, Key=spilled[name], Body=value
            )
        return Image(orjson.dumps(item), image.version, image.commit, image.expires, spilled)

    async def item(self, image: Image) -> Item:
        """The item of an image, with what was spilled."""
        item = image.item()
        for name, at in image.spilled.items():
            answer = await self._aws.call("s3", "get_object", Bucket=self._bucket, Key=at)
            item[name] = orjson.loads(answer["Body"].read())
        return item

    async def sweep(self, now: int, limit: int) -> int:
        """Removes objects that no row names, once they are a day old; how many.

        Args:
            now: the present in epoch seconds.
            limit: how many objects to look at; the next call looks at those after them.
        """
        if self._bucket is None:
            return 0
        listed = await self._aws.call(
            "s3",
            "list_objects_v2",
            Bucket=self._bucket,
            Prefix=self._prefix,
            StartAfter=self._swept,
            MaxKeys=limit,
        )
        contents = listed.get("Contents", ())
        self._swept = contents[-1]["Key"] if listed.get("IsTruncated") else ""
        old = {
            found["Key"]: self._row_of(found["Key"])
            for found in contents
            if found["LastModified"].timestamp() <= now - _KEPT_SECONDS
        }
        rows = await self._reading.images(old.values())
        named = {at for image in rows.values() for at in image.spilled.values()}
        unnamed = [name for name in old if name not in named]
        for name in unnamed:
            await self._aws.call("s3", "delete_object", Bucket=self._bucket, Key=name)
        return len(unnamed)

    def _row_of(self, name: str) -> Key:
        row = name.removeprefix(self._prefix).partition("/")[0]
        table, partition, sort = orjson.loads(base64.urlsafe_b64decode(row))
        return table, partition, sort
