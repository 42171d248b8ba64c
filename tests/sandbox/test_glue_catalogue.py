"""Glue's catalogue in the sandbox, where moto alone would be too lax or silent."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.sandbox.glue_quality import GlueQualityFake
from tests.builders.aws_sandbox import aws_of, sandbox_in
from tests.builders.sandbox_lake import BUCKET, iceberg_table, lake_catalog, make_bucket

SCHEMA = {
    "Type": "struct",
    "Fields": [
        {"Id": 1, "Name": "id", "Type": "long", "Required": True},
        {"Id": 2, "Name": "price", "Type": "decimal(10, 2)", "Required": False},
        {"Id": 3, "Name": "at", "Type": "timestamptz", "Required": False, "Doc": "when"},
    ],
}


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with sandbox_in(fakes={"glue": GlueQualityFake}) as running:
        aws = aws_of(running)
        make_bucket(aws)
        aws.run("glue", "create_database", DatabaseInput={"Name": "aviation"})
        yield aws


def table(aws: Aws, name: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = aws.run(
        "glue", "get_table", DatabaseName="aviation", Name=name, **more
    )["Table"]
    return found


def create_iceberg(aws: Aws, name: str, **more: Any) -> None:
    wanted = {"Location": f"s3://{BUCKET}/made/{name}", "Schema": SCHEMA, **more}
    iceberg = {"MetadataOperation": "CREATE", "Version": "2", "CreateIcebergTableInput": wanted}
    aws.run(
        "glue",
        "create_table",
        DatabaseName="aviation",
        Name=name,
        OpenTableFormatInput={"IcebergInput": iceberg},
    )


def test_iceberg_table__made_by_glue_can_be_written_and_read(aws: Aws) -> None:
    spec = {"Fields": [{"SourceId": 1, "Transform": "identity", "Name": "id"}]}
    create_iceberg(aws, "made", PartitionSpec=spec, Properties={"owner": "ops"})
    made = table(aws, "made", AttributesToGet=["LATEST_ICEBERG_METADATA"])
    assert made["Parameters"]["table_type"] == "ICEBERG"
    columns = made["StorageDescriptor"]["Columns"]
    assert [(one["Name"], one["Type"]) for one in columns] == [
        ("id", "bigint"),
        ("price", "decimal(10,2)"),
        ("at", "timestamp"),
    ]
    metadata = made["IcebergTableMetadata"]
    assert metadata["FormatVersion"] == "2"
    assert metadata["Schemas"][0]["Fields"][0] == SCHEMA["Fields"][0]
    assert metadata["PartitionSpecs"][0]["Fields"][0]["Transform"] == "identity"
    loaded = lake_catalog(aws).load_table("aviation.made")
    assert loaded.properties["owner"] == "ops"
    rows = pa.table({"id": [1]}, pa.schema([pa.field("id", pa.int64(), nullable=False)]))
    loaded.append(rows)
    assert lake_catalog(aws).load_table("aviation.made").scan().to_arrow().num_rows == 1


def test_iceberg_table__is_made_of_hives_columns_too(aws: Aws) -> None:
    columns = [
        {"Name": "n", "Type": "int"},
        {"Name": "tags", "Type": "array<string>"},
        {"Name": "place", "Type": "struct<city:string,code:int>"},
        {"Name": "at", "Type": "timestamp"},
    ]
    place = f"s3://{BUCKET}/made/hive"
    aws.run(
        "glue",
        "create_table",
        DatabaseName="aviation",
        TableInput={
            "Name": "hive",
            "TableType": "EXTERNAL_TABLE",
            "StorageDescriptor": {"Columns": columns, "Location": place},
        },
        OpenTableFormatInput={"IcebergInput": {"MetadataOperation": "CREATE", "Version": "2"}},
    )
    loaded = lake_catalog(aws).load_table("aviation.hive")
    assert [one.name for one in loaded.schema().fields] == ["n", "tags", "place", "at"]
    kept = table(aws, "hive")["StorageDescriptor"]["Columns"]
    assert [one["Type"] for one in kept] == [one["Type"] for one in columns]


@pytest.mark.parametrize(
    "change",
    [
        {"Location": "file:///tmp/x"},
        {"Location": "s3://no-such-bucket/x"},
        {"Schema": {"Fields": [{"Id": 1, "Name": "a", "Type": "bigint", "Required": True}]}},
    ],
)
def test_iceberg_table__that_makes_no_sense_is_refused(aws: Aws, change: dict[str, Any]) -> None:
    with pytest.raises(AwsRejected) as refused:
        create_iceberg(aws, "wrong", **change)
    assert refused.value.aws_code == "InvalidInputException"
    with pytest.raises(AwsRejected):
        table(aws, "wrong")


def test_iceberg_table__gets_a_column_by_an_update(aws: Aws) -> None:
    create_iceberg(aws, "grown")
    before = table(aws, "grown")["Parameters"]["metadata_location"]
    more = {"Id": 4, "Name": "more", "Type": "string", "Required": False}
    schema = {**SCHEMA, "SchemaId": 1, "Fields": [*SCHEMA["Fields"], more]}
    update = {"Schema": schema, "Location": f"s3://{BUCKET}/made/grown"}
    aws.run(
        "glue",
        "update_table",
        DatabaseName="aviation",
        Name="grown",
        UpdateOpenTableFormatInput={
            "UpdateIcebergInput": {"UpdateIcebergTableInput": {"Updates": [update]}}
        },
    )
    grown = table(aws, "grown")
    assert grown["Parameters"]["previous_metadata_location"] == before
    assert [one["Name"] for one in grown["StorageDescriptor"]["Columns"]][-1] == "more"
    loaded = lake_catalog(aws).load_table("aviation.grown")
    assert loaded.schema().find_field("more").field_id == 4


def test_names__are_folded_to_lower_case(aws: Aws) -> None:
    aws.run("glue", "create_database", DatabaseInput={"Name": "Mixed"})
    aws.run("glue", "create_table", DatabaseName="MIXED", TableInput={"Name": "Case"})
    found = aws.run("glue", "get_table", DatabaseName="mixed", Name="CASE")["Table"]
    assert (found["DatabaseName"], found["Name"]) == ("mixed", "case")
    with pytest.raises(AwsRejected) as twice:
        aws.run("glue", "create_table", DatabaseName="mixed", TableInput={"Name": "cASE"})
    assert twice.value.aws_code == "AlreadyExistsException"
    aws.run("glue", "delete_table", DatabaseName="Mixed", Name="Case")
    aws.run("glue", "delete_database", Name="MIXED")
    with pytest.raises(AwsRejected) as gone:
        aws.run("glue", "get_database", Name="mixed")
    assert gone.value.aws_code == "EntityNotFoundException"


def test_update__of_a_version_that_is_not_the_newest_is_refused(aws: Aws) -> None:
    given = {"Name": "raced", "Description": "first"}
    aws.run("glue", "create_table", DatabaseName="aviation", TableInput=given)
    version = table(aws, "raced")["VersionId"]

    def update(text: str) -> None:
        aws.client("glue").update_table(
            DatabaseName="aviation",
            TableInput={"Name": "raced", "Description": text},
            VersionId=version,
        )

    update("second")
    with pytest.raises(aws.client("glue").exceptions.ConcurrentModificationException):
        update("third")
    assert table(aws, "raced")["Description"] == "second"


def test_other_catalog__is_not_ones_own(aws: Aws) -> None:
    with pytest.raises(AwsRejected) as refused:
        aws.run(
            "glue", "create_database", CatalogId="444455556666", DatabaseInput={"Name": "theirs"}
        )
    assert refused.value.aws_code == "AccessDeniedException"
    with pytest.raises(AwsRejected) as unknown:
        aws.run("glue", "get_database", CatalogId="444455556666", Name="aviation")
    assert unknown.value.aws_code == "EntityNotFoundException"


def test_search__finds_by_words_and_by_properties(aws: Aws) -> None:
    for name, owner in (("orders_eu", "anna"), ("orders_us", "bert"), ("stock", "anna")):
        given = {
            "Name": name,
            "Owner": owner,
            "Parameters": {"classification": "parquet"},
            "StorageDescriptor": {"Columns": [{"Name": "amount", "Type": "int"}]},
        }
        aws.run("glue", "create_table", DatabaseName="aviation", TableInput=given)

    def names(**wanted: Any) -> list[str]:
        found = aws.run("glue", "search_tables", **wanted)["TableList"]
        return [one["Name"] for one in found]

    order = [{"FieldName": "Name", "Sort": "DESC"}]
    assert names(SearchText="orders", SortCriteria=order) == ["orders_us", "orders_eu"]
    assert set(names(SearchText="amount")) == {"orders_eu", "orders_us", "stock"}
    owned = [{"Key": "Owner", "Value": "anna"}, {"Key": "DatabaseName", "Value": "aviation"}]
    assert set(names(Filters=owned)) == {"orders_eu", "stock"}
    first = aws.run("glue", "search_tables", SearchText="amount", MaxResults=2)
    rest = aws.run(
        "glue", "search_tables", SearchText="amount", MaxResults=2, NextToken=first["NextToken"]
    )
    assert len(first["TableList"]) + len(rest["TableList"]) == 3


def test_tables__are_listed_in_pages_by_name(aws: Aws) -> None:
    aws.run("glue", "create_database", DatabaseInput={"Name": "many"})
    for number in range(105):
        given = {"Name": f"t{number:03d}"}
        aws.run("glue", "create_table", DatabaseName="many", TableInput=given)
    pages = list(aws.run_pages("glue", "get_tables", DatabaseName="many"))
    assert [len(page["TableList"]) for page in pages] == [100, 5]
    some = aws.run("glue", "get_tables", DatabaseName="many", Expression="t00.*")["TableList"]
    assert [one["Name"] for one in some] == [f"t00{digit}" for digit in range(10)]


def test_crawler__ends_and_leaves_tables(aws: Aws) -> None:
    made = iceberg_table(aws, "source", "stock", pa.table({"n": [1]}))
    body = BytesIO()
    pyarrow.parquet.write_table(pa.table({"id": [1], "name": ["x"]}), body)
    aws.run("s3", "put_object", Bucket=BUCKET, Key="raw/sales/a.parquet", Body=body.getvalue())
    aws.run("glue", "create_database", DatabaseInput={"Name": "crawled"})
    targets = {
        "IcebergTargets": [{"Paths": [made.location()]}],
        "S3Targets": [{"Path": f"s3://{BUCKET}/raw/sales/"}],
    }
    aws.run(
        "glue",
        "create_crawler",
        Name="nightly",
        Role="arn:aws:iam::111122223333:role/crawler",
        DatabaseName="crawled",
        Targets=targets,
    )
    assert "LastCrawl" not in aws.run("glue", "get_crawler", Name="nightly")["Crawler"]
    aws.run("glue", "start_crawler", Name="nightly")
    with pytest.raises(AwsRejected) as twice:
        aws.run("glue", "start_crawler", Name="nightly")
    assert twice.value.aws_code == "CrawlerRunningException"
    states = [aws.run("glue", "get_crawler", Name="nightly")["Crawler"] for _ in range(2)]
    assert [one["State"] for one in states] == ["RUNNING", "READY"]
    assert states[1]["LastCrawl"]["Status"] == "SUCCEEDED"
    found = aws.run("glue", "get_tables", DatabaseName="crawled")["TableList"]
    assert [(one["Name"], one["StorageDescriptor"]["Columns"][0]["Type"]) for one in found] == [
        ("sales", "bigint"),
        ("stock", "bigint"),
    ]
    assert found[1]["Parameters"]["metadata_location"] == made.metadata_location


def test_crawler__over_a_place_that_is_not_there_fails(aws: Aws) -> None:
    aws.run(
        "glue",
        "create_crawler",
        Name="lost",
        Role="arn:aws:iam::111122223333:role/crawler",
        DatabaseName="aviation",
        Targets={"S3Targets": [{"Path": "s3://no-such-bucket/x/"}]},
    )
    aws.run("glue", "start_crawler", Name="lost")
    shown = [aws.run("glue", "get_crawler", Name="lost")["Crawler"] for _ in range(2)][1]
    assert (shown["State"], shown["LastCrawl"]["Status"]) == ("READY", "FAILED")
