"""The tables that the store makes in DynamoDB."""

import itertools
from collections.abc import Iterable
from typing import Any

import pytest

pytest.importorskip("moto", reason="the store on DynamoDB is tested on moto, which is not here")

from meshplane.platform.aws.dynamodb_items import Shape
from meshplane.platform.aws.dynamodb_layout import OWN_TABLES, prepare
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.configuration_cache import CONFIGURATION_CACHE
from meshplane.platform.tables import Index, Table
from meshplane.run.catalogue import SERVICES
from meshplane.services.blueprints.store import DEPLOYMENT_HISTORY
from meshplane.services.projects.store import PROMOTION_REQUESTS
from meshplane.services.workflows.approval_store import APPROVAL_STEPS
from tests.builders.dynamodb_place import aws_of
from tests.builders.stores import TABLES
from tests.builders.watched_aws import WatchedAws

_numbers = itertools.count(1)


def prepared(*tables: Table, recovery: bool = True) -> tuple[WatchedAws, str]:
    """AWS with these tables, and the prefix of their names."""
    prefix = f"layout{next(_numbers)}-"
    aws = WatchedAws(aws_of(prefix))
    prepare(aws, shapes(prefix, tables), recovery=recovery)
    return aws, prefix


def shapes(prefix: str, tables: Iterable[Table]) -> list[Shape]:
    return [Shape(table, prefix) for table in tables]


def described(aws: WatchedAws, name: str) -> dict[str, Any]:
    """Keys by index ("" is the table) as (name, type), billing, time to live, and backups."""
    table = aws.run("dynamodb", "describe_table", TableName=name)["Table"]
    types = {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]}
    keys = {"": table["KeySchema"]}
    for index in table.get("GlobalSecondaryIndexes", ()):
        keys[index["IndexName"]] = index["KeySchema"]
    ttl = aws.run("dynamodb", "describe_time_to_live", TableName=name)["TimeToLiveDescription"]
    backups = aws.run("dynamodb", "describe_continuous_backups", TableName=name)
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    return {
        "keys": {
            index: [(part["AttributeName"], types[part["AttributeName"]]) for part in schema]
            for index, schema in keys.items()
        },
        "billing": table["BillingModeSummary"]["BillingMode"],
        "ends": ttl.get("AttributeName"),
        "recovery": recovery["PointInTimeRecoveryStatus"],
    }


SEEDED: dict[str, tuple[Table, dict[str, Any], str | None]] = {
    "DeploymentHistory": (
        DEPLOYMENT_HISTORY,
        {
            "": [("deploymentId", "S"), ("timestamp", "N")],
            "projectId-timestamp-index": [("projectId", "S"), ("timestamp", "N")],
            "environment-timestamp-index": [("environment", "S"), ("timestamp", "N")],
        },
        "expirationTime",
    ),
    "PromotionRequests": (
        PROMOTION_REQUESTS,
        {
            "": [("requestId", "S"), ("createdAt", "S")],
            "projectId-status-index": [("projectId", "S"), ("status", "S")],
            "approverId-createdAt-index": [("approvedBy", "S"), ("createdAt", "S")],
        },
        None,
    ),
    "ApprovalWorkflows": (
        APPROVAL_STEPS,
        {"": [("workflowId", "S"), ("stepNumber", "N")]},
        None,
    ),
    "ConfigurationCache": (
        CONFIGURATION_CACHE,
        {"": [("configKey", "S"), ("version", "S")]},
        "expirationTime",
    ),
}


@pytest.mark.parametrize("name", SEEDED)
def test_table__that_operators_know_by_name__has_their_keys_indexes_and_expiry(name: str) -> None:
    table, keys, ends = SEEDED[name]
    aws, prefix = prepared(table)
    found = described(aws, f"{prefix}{name}")
    # An index more is no matter to who reads by these.
    assert {index: found["keys"][index] for index in keys} == keys
    assert found["ends"] == ends
    assert (found["billing"], found["recovery"]) == ("PAY_PER_REQUEST", "ENABLED")


def test_prepare__again__changes_nothing() -> None:
    aws, prefix = prepared(*TABLES, *OWN_TABLES)
    before = [described(aws, f"{prefix}{table.name}") for table in TABLES]
    prepare(aws, shapes(prefix, (*TABLES, *OWN_TABLES)))
    assert [described(aws, f"{prefix}{table.name}") for table in TABLES] == before


class _YoungTables(WatchedAws):
    """DynamoDB, where the backups of a new table begin some moments after the table."""

    refused = 0

    def run(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        if operation == "update_continuous_backups" and self.refused < 2:
            self.refused += 1
            raise AwsRejected(service, operation, "ContinuousBackupsUnavailableException")
        return super().run(service, operation, **parameters)


def test_prepare__while_backups_of_a_new_table_do_not_run_yet__asks_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("meshplane.platform.aws.dynamodb_layout._PAUSE_SECONDS", 0.01)
    aws = _YoungTables(aws_of("young-"))
    prepare(aws, shapes("young-", [Table("Things", "id")]))
    assert aws.refused == 2
    assert described(aws, "young-Things")["recovery"] == "ENABLED"


def test_prepare__of_a_newer_version__adds_its_indexes() -> None:
    aws, prefix = prepared(Table("Things", "id", indexes=(Index("byName", "name"),)))
    item = {"id": {"S": "a"}, "name": {"S": "n"}, "owner": {"S": "ada"}, "rank": {"N": "1"}}
    aws.run("dynamodb", "put_item", TableName=f"{prefix}Things", Item=item)
    newer = Table(
        "Things",
        "id",
        indexes=(Index("byName", "name"), Index("byOwner", "owner", "rank")),
        expires="endsAt",
        numbers=("rank",),
    )
    prepare(aws, shapes(prefix, [newer]))
    found = described(aws, f"{prefix}Things")
    assert found["keys"]["byOwner"] == [("owner", "S"), ("rank", "N")]
    assert found["ends"] == "endsAt"


def test_every_table_of_the_product__can_be_made() -> None:
    every = {table.name: table for service in SERVICES for table in service.tables}
    aws, prefix = prepared(*every.values(), recovery=False)
    for table in every.values():
        names = [table.name, *(index.name for index in table.indexes)]
        # DynamoDB's bounds: 3 to 255 characters, 20 indexes a table.
        assert all(3 <= len(name) <= 200 for name in names)
        assert len(table.indexes) < 20
        found = aws.run("dynamodb", "describe_table", TableName=f"{prefix}{table.name}")["Table"]
        assert len(found.get("GlobalSecondaryIndexes", ())) >= len(table.indexes)
