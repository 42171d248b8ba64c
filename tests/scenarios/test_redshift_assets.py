"""A table in Redshift as a data product: registered, published, asked for, granted, and closed.

The mesh runs on the sandbox of AWS, whose Redshift decides by its own rights what a role reads.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.names import project_role_arn
from tests.builders.aws_mesh import ADMIN, STEWARD, AwsMesh, aws_mesh
from tests.builders.aws_sandbox import REGION
from tests.builders.sharing_world import OWNER

pytestmark = pytest.mark.scenario

OLGA, OTTO = "olga@shops", "otto@maps"
PLACE = {"WorkgroupName": "analytics", "Database": "dev"}
SOURCE = {
    "kind": "redshift",
    "workgroup": "analytics",
    "database": "dev",
    "schema": "public",
    "table": "sales",
}
CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: 2d7bb6a5-4b2e-4f0e-9e43-0c8f5f1a2b3d
name: sales
version: 1.0.0
status: active
schema:
  - name: sales
    physicalType: table
    logicalType: object
    properties:
      - {name: id, logicalType: integer, physicalType: long}
      - {name: shop, logicalType: string, physicalType: string}
      - {name: amount, logicalType: number, physicalType: "decimal(10,2)"}
"""


class Shops:
    """The mesh with two projects, of which one has the table.

    Attributes:
        shops, maps: the projects. table: the registered table. asset: what it is published as.
    """

    def __init__(self, mesh: AwsMesh) -> None:
        self.mesh = mesh
        self.database.execute(
            "CREATE TABLE public.sales AS SELECT i::BIGINT AS id, 'shop ' || (i % 5) AS shop, "
            "(i * 1.25)::DECIMAL(10, 2) AS amount FROM range(50) AS t(i)"
        )
        self.domain = self._made("/domains", "domainId", name="harbour", members=_all(STEWARD))
        other = self._made("/domains", "domainId", name="hills")
        self.shops = self._made(
            "/projects", "projectId", domainId=self.domain, name="shops", members=_all(OLGA)
        )
        self.maps = self._made(
            "/projects", "projectId", domainId=other, name="maps", members=_all(OTTO)
        )
        self.mesh.until("the roles", self._roles)
        self.refused = self.register()
        # The role was there once, so that the database knows its user.
        self.administer(f'GRANT SELECT ON public.sales TO "{self.user(self.shops)}"')
        self.table = mesh.ask(OLGA, "POST", "/tables/external", self._new_table())
        body = {
            "projectId": self.shops,
            "tableId": self.table["tableId"],
            "name": "sales",
            "description": "Every sale.",
            "classification": "internal",
            "contract": CONTRACT,
        }
        self.asset = mesh.ask(OLGA, "POST", "/assets", body)["assetId"]
        path = f"/assets/{self.asset}"
        mesh.until(
            "the asset is listed",
            lambda: mesh.ask(OLGA, "GET", path)["status"] == "published" or None,
        )

    @property
    def database(self) -> Any:
        fake = self.mesh.sandbox.world.services["redshift-data"]
        fake.polls_before_end = 0
        return fake.database(OWNER, REGION, "analytics", "dev")

    def user(self, project: str) -> str:
        return f"IAMR:project-{project}-role"

    def administer(self, *sqls: str) -> None:
        aws = self.mesh.owner
        number = aws.run("redshift-data", "batch_execute_statement", Sqls=list(sqls), **PLACE)["Id"]
        shown = aws.run("redshift-data", "describe_statement", Id=number)
        assert shown["Status"] == "FINISHED", shown

    def register(self) -> Any:
        path = "/api/v1/tables/external"
        return self.mesh.client(OLGA).post(path, json=self._new_table()).json()

    def query(self, user: str, project: str, sql: str) -> Any:
        """The rows of an answer, or its problem."""
        body = {"sql": sql, "projectId": project}
        answer = self.mesh.client(user).post("/api/v1/query", json=body)
        return answer.json()["rows"] if answer.is_success else answer.json()["code"]

    def past_the_mesh(self, project: str, sql: str) -> str:
        """How a statement ends that a project's role sends by itself."""
        role: Aws = self.mesh.owner.as_role(
            project_role_arn(self.mesh.owner.place, project), "by-itself"
        )
        number = role.run("redshift-data", "execute_statement", Sql=sql, **PLACE)["Id"]
        return str(role.run("redshift-data", "describe_statement", Id=number)["Status"])

    def publish(self, name: str, table_id: str) -> None:
        """Publishes a table of one number."""
        told = CONTRACT.partition("    properties:")[0].replace("sales", name)
        number = "    properties:\n      - {name: n, logicalType: integer, physicalType: long}\n"
        body = {
            "projectId": self.shops,
            "tableId": table_id,
            "name": name,
            "description": "Numbers.",
            "classification": "internal",
            "contract": told + number,
        }
        self.mesh.ask(OLGA, "POST", "/assets", body)

    def granted(self, **approval: Any) -> str:
        """Asks for the asset for the other project, and approves it."""
        body = {"assetId": self.asset, "projectId": self.maps, "purpose": "To draw maps."}
        made = self.mesh.ask(OTTO, "POST", "/subscriptions", body)["requestId"]
        approval = {"reason": "They may.", **approval}
        self.mesh.ask(STEWARD, "POST", f"/subscriptions/{made}/approve", approval)
        return str(made)

    def _roles(self) -> bool | None:
        listed = self.mesh.owner.run("iam", "list_roles")["Roles"]
        names = {one["RoleName"] for one in listed}
        wanted = {f"project-{one}-role" for one in (self.shops, self.maps)}
        return True if wanted <= names else None

    def _new_table(self) -> dict[str, Any]:
        return {"projectId": self.shops, "name": "sales", "source": SOURCE}

    def _made(self, path: str, key: str, **body: Any) -> str:
        return str(self.mesh.ask(ADMIN, "POST", path, body)[key])


def _all(user: str) -> list[dict[str, str]]:
    role = "steward" if user == STEWARD else "owner"
    return [{"principal": f"user:{user}", "role": role}]


@pytest.fixture(scope="module")
def shops() -> Iterator[Shops]:
    with aws_mesh("tables,lake,query") as mesh:
        yield Shops(mesh)


def test_registration__needs_that_the_projects_role_reads_the_table(shops: Shops) -> None:
    assert shops.refused["code"] == "EXTERNAL_NOT_FOUND"
    table = shops.table
    assert (table["format"], table["snapshotId"]) == ("redshift", None)
    assert table["source"] == {**SOURCE, "cluster": None}
    assert [(one["name"], one["type"]) for one in table["columns"]] == [
        ("id", "long"),
        ("shop", "string"),
        ("amount", "decimal(10,2)"),
    ]


def test_what_has_no_files__is_not_appended_to_and_has_no_versions(shops: Shops) -> None:
    client, path = shops.mesh.client(OLGA), f"/api/v1/tables/{shops.table['tableId']}"
    told = [
        client.post(f"{path}/rows/delete", json={"where": "id > 1"}).json()["code"],
        client.post(f"{path}/snapshots/expire", json={}).json()["code"],
        client.get(f"{path}/snapshots").json()["code"],
        shops.query(OLGA, shops.shops, "SELECT 1 FROM sales"),
    ]
    assert told == ["TABLE_EXTERNAL"] * 3 + [[[1]] * 50]
    as_of = {
        "sql": "SELECT id FROM sales",
        "projectId": shops.shops,
        "asOf": "2026-01-01T00:00:00Z",
    }
    assert client.post("/api/v1/query", json=as_of).json()["code"] == "TABLE_EXTERNAL"
    made = {"sql": "SELECT id FROM sales", "projectId": shops.shops, "tableName": "copy"}
    assert client.post("/api/v1/query/materialize", json=made).json()["code"] == "TABLE_EXTERNAL"
    shared = {"assetId": shops.asset, "targetAccount": "444455556666", "permissions": ["SELECT"]}
    answer = shops.mesh.client(STEWARD).post("/api/v1/cross-account-share", json=shared)
    assert answer.json()["code"] == "SHARE_OF_EXTERNAL"


def test_asset__is_found_and_stays_closed_until_it_is_granted(shops: Shops) -> None:
    found = shops.mesh.ask(OTTO, "GET", "/catalog/search?q=sales")["items"]
    assert [one["assetId"] for one in found] == [shops.asset]
    assert shops.query(OTTO, shops.maps, "SELECT id FROM harbour.sales") == "ACCESS_REQUIRED"
    assert shops.past_the_mesh(shops.maps, "SELECT id FROM public.sales") == "FAILED"


def test_what_redshift_cannot_be_told__is_refused_when_it_is_asked_for(shops: Shops) -> None:
    client = shops.mesh.client(OTTO)
    wish = {"assetId": shops.asset, "purpose": "To draw maps."}
    alone = client.post("/api/v1/subscriptions", json=wish)
    assert alone.json()["code"] == "PROJECT_REQUIRED"
    for text in ("lower(shop) = 'x'", "shop = 'a\\b'", "in_group('staff')"):
        filtered = {**wish, "projectId": shops.maps, "rowFilter": text}
        told = client.post("/api/v1/subscriptions", json=filtered).json()
        assert told["code"] == "ROW_FILTER_INVALID"
        assert "Redshift" in told["detail"]


def test_grant__opens_its_columns_and_rows_and_its_end_closes_them(shops: Shops) -> None:
    shops.administer("ALTER TABLE public.sales ROW LEVEL SECURITY ON")
    shops.administer(
        "CREATE RLS POLICY owners USING (TRUE)",
        f'ATTACH RLS POLICY owners ON public.sales TO "{shops.user(shops.shops)}"',
    )
    request = shops.granted(rowFilter="amount < 12.50", excludedColumns=["shop"])
    counted = "SELECT count(*), max(amount) FROM harbour.sales"
    assert shops.query(OTTO, shops.maps, counted) == [[10, "11.25"]]
    assert shops.query(OTTO, shops.maps, "SELECT * FROM harbour.sales LIMIT 1") == [[0, "0.00"]]
    assert shops.query(OTTO, shops.maps, "SELECT shop FROM harbour.sales") == "SQL_INVALID"
    assert shops.past_the_mesh(shops.maps, "SELECT shop FROM public.sales") == "FAILED"
    assert shops.past_the_mesh(shops.maps, "SELECT id FROM public.sales") == "FINISHED"
    assert shops.query(OLGA, shops.shops, counted) == [[50, "61.25"]]
    few = "SELECT id FROM harbour.sales WHERE id < $most ORDER BY id"
    bound = {"sql": few, "projectId": shops.maps, "parameters": {"most": 2}}
    assert shops.mesh.ask(OTTO, "POST", "/query", bound)["rows"] == [[0], [1]]
    asked = {"sql": "SELECT * FROM harbour.sales", "projectId": shops.maps}
    told = shops.mesh.client(OTTO).post("/api/v1/query/explain", json=asked)
    assert told.is_success, told.text
    assert "shop" not in told.text.replace("shops", "")
    revoked = {"reason": "It was a trial."}
    shops.mesh.ask(STEWARD, "POST", f"/subscriptions/{request}/revoke", revoked)
    assert shops.query(OTTO, shops.maps, counted) == "ACCESS_REQUIRED"
    closed = "SELECT id FROM public.sales"
    shops.mesh.until(
        "Redshift is closed", lambda: shops.past_the_mesh(shops.maps, closed) == "FAILED" or None
    )


def test_tables_of_two_places__are_not_read_by_one_statement(shops: Shops) -> None:
    columns = [{"name": "n", "type": "long"}]
    body = {"projectId": shops.shops, "name": "own", "columns": columns}
    table = shops.mesh.ask(OLGA, "POST", "/tables", body)["tableId"]
    shops.publish("own", table)
    sql = "SELECT * FROM harbour.sales, harbour.own"
    assert shops.query(OLGA, shops.shops, sql) == "SQL_REFUSED"


def test_view__is_not_made_of_a_table_elsewhere_and_is_not_read_by_athena(shops: Shops) -> None:
    client, view = shops.mesh.client(OLGA), {"projectId": shops.shops, "runsAs": "owner"}
    over = {**view, "name": "over", "sql": "SELECT id FROM harbour.sales"}
    assert client.post("/api/v1/query/views", json=over).json()["code"] == "TABLE_EXTERNAL"
    of_own = {**view, "name": "seen", "sql": "SELECT n FROM harbour.own"}
    made = shops.mesh.ask(OLGA, "POST", "/query/views", of_own)["tableId"]
    shops.publish("seen", made)
    asked = {"sql": "SELECT n FROM harbour.seen", "projectId": shops.shops}
    told = client.post("/api/v1/query", json=asked).json()
    assert told["code"] == "SQL_REFUSED"
    assert "view" in told["detail"]


def test_view_of_masks__is_refused_where_the_lake_is_on_aws(shops: Shops) -> None:
    wish = {
        "principal": f"project:{shops.maps}",
        "resource": {"table": {"assetId": shops.asset}},
        "permissions": ["SELECT"],
        "masks": {"shop": {"kind": "hash"}},
        "onAws": "view",
        "reason": "To draw maps.",
    }
    told = shops.mesh.client(STEWARD).post("/api/v1/permissions/grant", json=wish).json()
    assert told["code"] == "VIEWS_NOT_ON_AWS"


def test_table__that_was_granted_is_not_registered_by_who_reads_it(shops: Shops) -> None:
    shops.granted()
    counted = "SELECT count(*) FROM harbour.sales"
    assert shops.query(OTTO, shops.maps, counted) == [[50]]
    assert shops.past_the_mesh(shops.maps, "SELECT * FROM public.sales") == "FINISHED"
    body = {"projectId": shops.maps, "name": "ours", "source": SOURCE}
    told = shops.mesh.client(OTTO).post("/api/v1/tables/external", json=body).json()
    assert told["code"] == "EXTERNAL_TAKEN"
