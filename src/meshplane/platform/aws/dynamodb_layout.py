"""The tables in DynamoDB: what they look like, and making them.

Each declared table is one of the same name and keys, on demand, with point-in-time recovery, its
indexes as global secondary indexes and its expiry as time to live. Three are the store's own.
"""

import time
from collections.abc import Iterable, Sequence
from typing import Any

from meshplane.kit.errors import Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.dynamodb_items import SHARD, TEXT_INDEX, Shape
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.tables import Index, Table

COMMITS = Table("CommitLog", "part", "place", expires="expires", numbers=("place",))
"""The head of the log, and of each commit what the rows were before it."""

OUTBOX = Table("Outbox", "part", "place", numbers=("place",))
AUDIT_TRAIL = Table("AuditTrail", "part", "place", numbers=("place",))
OWN_TABLES = (COMMITS, OUTBOX, AUDIT_TRAIL)

_WAIT_SECONDS = 300.0
_PAUSE_SECONDS = 1.0
# A new table can be used some moments before its backups begin.
_NO_BACKUPS_YET = "ContinuousBackupsUnavailableException"
_TEXT = Index(TEXT_INDEX, SHARD)


def indexes_of(table: Table) -> tuple[Index, ...]:
    """The indexes of a table in DynamoDB."""
    return (*table.indexes, _TEXT) if table.search else table.indexes


def description(shape: Shape) -> dict[str, Any]:
    """The parameters of `create_table`."""
    table = shape.table
    names = {*shape.index_keys, *([SHARD] if table.search else [])}
    found: dict[str, Any] = {
        "TableName": shape.name,
        "AttributeDefinitions": _attributes(table, sorted(names)),
        "KeySchema": _key_schema(table.partition, table.sort),
        "BillingMode": "PAY_PER_REQUEST",
    }
    if indexes := indexes_of(table):
        found["GlobalSecondaryIndexes"] = [_index(index) for index in indexes]
    return found


def prepare(aws: Aws, shapes: Iterable[Shape], *, recovery: bool = True) -> None:
    """Makes the tables that are not there, and gives others what they lack; blocks.

    Args:
        aws: who makes them.
        shapes: of all tables, the store's own included.
        recovery: whether each gets point-in-time recovery, which is paid for by size.

    Raises:
        Unavailable: TABLES_NOT_READY, DynamoDB did not finish in five minutes.
    """
    wanted = list(shapes)
    for shape in wanted:
        _create(aws, shape)
    for shape in wanted:
        _add_indexes(aws, shape, _active(aws, shape.name))
        if shape.table.expires:
            _let_expire(aws, shape.name, shape.table.expires)
        if recovery:
            _let_recover(aws, shape.name)


def _create(aws: Aws, shape: Shape) -> None:
    try:
        aws.run("dynamodb", "create_table", **description(shape))
    except AwsRejected as refusal:
        # Another process of the mesh may be making it at this moment.
        if refusal.aws_code != "ResourceInUseException":
            raise


def _active(aws: Aws, name: str) -> dict[str, Any]:
    """The table's description, once it and its indexes can be used."""
    give_up = time.monotonic() + _WAIT_SECONDS
    while True:
        found: dict[str, Any] = aws.run("dynamodb", "describe_table", TableName=name)["Table"]
        states = {index.get("IndexStatus") for index in found.get("GlobalSecondaryIndexes", ())}
        if found["TableStatus"] == "ACTIVE" and states <= {"ACTIVE", None}:
            return found
        if time.monotonic() > give_up:
            raise _not_ready(name)
        time.sleep(_PAUSE_SECONDS)


def _add_indexes(aws: Aws, shape: Shape, found: dict[str, Any]) -> None:
    """Gives a table of an earlier version its new indexes: DynamoDB makes one at a time."""
    there = {index["IndexName"] for index in found.get("GlobalSecondaryIndexes", ())}
    defined = {each["AttributeName"]: each for each in found["AttributeDefinitions"]}
    for index in indexes_of(shape.table):
        if index.name in there:
            continue
        names = [index.partition, *([index.sort] if index.sort else [])]
        for attribute in _attributes(shape.table, names):
            defined.setdefault(attribute["AttributeName"], attribute)
        aws.run(
            "dynamodb",
            "update_table",
            TableName=shape.name,
            AttributeDefinitions=list(defined.values()),
            GlobalSecondaryIndexUpdates=[{"Create": _index(index)}],
        )
        _active(aws, shape.name)


def _let_expire(aws: Aws, name: str, attribute: str) -> None:
    found = aws.run("dynamodb", "describe_time_to_live", TableName=name)
    # To switch on what is on already is an error.
    if found["TimeToLiveDescription"]["TimeToLiveStatus"] in {"ENABLED", "ENABLING"}:
        return
    aws.run(
        "dynamodb",
        "update_time_to_live",
        TableName=name,
        TimeToLiveSpecification={"Enabled": True, "AttributeName": attribute},
    )


def _let_recover(aws: Aws, name: str) -> None:
    found = aws.run("dynamodb", "describe_continuous_backups", TableName=name)
    backups = found["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    if backups.get("PointInTimeRecoveryStatus") == "ENABLED":
        return
    give_up = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            aws.run(
                "dynamodb",
                "update_continuous_backups",
                TableName=name,
                PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
            )
        except AwsRejected as refusal:
            if refusal.aws_code != _NO_BACKUPS_YET:
                raise
        else:
            return
        if time.monotonic() > give_up:
            raise _not_ready(name)
        time.sleep(_PAUSE_SECONDS)


def _not_ready(name: str) -> Unavailable:
    return Unavailable(
        "TABLES_NOT_READY", f"DynamoDB is still making {name}: start again in a while."
    )


def _attributes(table: Table, names: Sequence[str]) -> list[dict[str, str]]:
    return [
        {"AttributeName": name, "AttributeType": "N" if name in table.numbers else "S"}
        for name in names
    ]


def _key_schema(partition: str, sort: str | None) -> list[dict[str, str]]:
    schema = [{"AttributeName": partition, "KeyType": "HASH"}]
    if sort:
        schema.append({"AttributeName": sort, "KeyType": "RANGE"})
    return schema


def _index(index: Index) -> dict[str, Any]:
    # Rows of a full-text search are read anew, so its index needs their keys alone.
    projection = "KEYS_ONLY" if index.name == TEXT_INDEX else "ALL"
    return {
        "IndexName": index.name,
        "KeySchema": _key_schema(index.partition, index.sort),
        "Projection": {"ProjectionType": projection},
    }
