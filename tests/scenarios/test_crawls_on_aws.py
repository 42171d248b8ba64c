"""Files in a raw area in S3, crawled by Glue and made a governed table, with every part on AWS."""

from collections.abc import Iterator
from typing import Any

import pytest

from meshplane.platform.aws.names import CRAWL_ROLE, crawl_database
from tests.builders.aws_mesh import ADMIN, AwsMesh, aws_mesh
from tests.builders.raw_areas import csv, parquet

pytestmark = pytest.mark.scenario

OLGA = "olga@air"


@pytest.fixture(scope="module")
def mesh() -> Iterator[AwsMesh]:
    with aws_mesh("store,tables,lake,query,keys,quality", MESHPLANE_AWS_PART_ROLES="made") as made:
        yield made


def _until_ended(mesh: AwsMesh, crawl_id: str) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        crawl = mesh.ask(OLGA, "GET", f"/tables/crawls/{crawl_id}")
        return crawl if crawl["status"] != "RUNNING" else None

    found: dict[str, Any] = mesh.until("the crawl has ended", ended)
    return found


def test_files_in_s3__are_found_by_glue_and_become_a_governed_table(mesh: AwsMesh) -> None:
    members = [{"principal": f"user:{OLGA}", "role": "owner"}]
    domain = mesh.ask(ADMIN, "POST", "/domains", {"name": "air", "description": "", "members": []})
    project = mesh.ask(
        ADMIN,
        "POST",
        "/projects",
        {
            "domainId": domain["domainId"],
            "name": "flights",
            "description": "",
            "members": members,
        },
    )["projectId"]
    aws, bucket = mesh.owner, domain["bucket"]

    def is_there() -> bool | None:
        names = [one["Name"] for one in aws.run("s3", "list_buckets")["Buckets"]]
        return True if bucket in names else None

    mesh.until("the bucket", is_there)
    for path, content in (
        ("sales/year=2026/a.parquet", parquet({"Id": [1, 2], "amount": [1.5, 2.5]})),
        ("airlines.csv", csv("Code,Full name", "LH,Lufthansa", "AF,Air France")),
    ):
        key = f"projects/{project}/raw/{path}"
        aws.run("s3", "put_object", Bucket=bucket, Key=key, Body=content)
    begun = mesh.ask(OLGA, "POST", "/tables/crawls", {"projectId": project})
    crawl = _until_ended(mesh, begun["crawlId"])
    assert (crawl["status"], crawl["statusReason"]) == ("SUCCEEDED", None)
    assert {table["name"]: table["problem"] for table in crawl["tables"]} == {
        "airlines": None,
        "sales": None,
    }
    made = {
        name: mesh.ask(OLGA, "POST", f"/tables/crawls/{crawl['crawlId']}/tables", {"found": name})
        for name in ("airlines", "sales")
    }
    assert [made[name]["rows"] for name in ("airlines", "sales")] == [2, 2]
    assert [one["name"] for one in made["airlines"]["columns"]] == ["code", "full_name"]
    assert [one["name"] for one in made["sales"]["columns"]] == ["id", "amount", "year"]
    assert made["sales"]["location"].startswith(f"s3://{bucket}/sales-tbl-")
    # What Glue found is nobody's: no drift, and no other database knows of it.
    found = aws.run("glue", "get_tables", DatabaseName=crawl_database(aws.place))["TableList"]
    assert len(found) == 2
    assert mesh.ask(ADMIN, "GET", "/tables/projection/drift")["items"] == []
    drift = mesh.ask(ADMIN, "GET", "/lake/drift")
    assert CRAWL_ROLE not in str(drift)
    # Everything was done as the roles of parts; none was refused anything.
    refused = [
        (call.operation, call.principal)
        for call in mesh.sandbox.calls.all()
        if call.outcome.startswith(("AccessDenied", "Unauthorized"))
    ]
    assert refused == []
