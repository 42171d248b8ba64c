"""Lake Formation, RAM and moto's Glue in this process, without HTTP; requests and answers are held
against the services' models."""

from datetime import UTC, datetime
from typing import Any

from botocore import xform_name

from meshplane.kit.clock import FixedClock
from meshplane.sandbox.fake import Caller, FakeError, World
from meshplane.sandbox.lakeformation import LakeFormationFake
from meshplane.sandbox.models import service_model
from meshplane.sandbox.ram import RamFake
from meshplane.sandbox.strictness import problems

REGION = "eu-central-1"
OWNER, CONSUMER = "111122223333", "444455556666"
FLIGHTS = {"flight": "string", "origin": "string", "delay": "int", "pilot": "string"}


class Desk:
    """One principal at one fake: `desk.grant_permissions(…)` as with boto3."""

    def __init__(self, fake: Any, caller: Caller) -> None:
        self._fake, self.caller = fake, caller
        self._model = service_model(fake.service)
        self._names = {xform_name(name): name for name in self._model.operation_names}

    def __getattr__(self, method: str) -> Any:
        operation = self._model.operation_model(self._names[method])

        def call(**given: Any) -> dict[str, Any]:
            assert problems(operation.input_shape, given) == []
            answer: dict[str, Any] = self._fake.handlers[operation.name](self.caller, given)
            assert problems(operation.output_shape, answer) == []
            return answer

        return call


class FakeLake:
    """Two accounts; the first owns `aviation.flights` and has closed the door that IAM leaves."""

    def __init__(self, *, settings: bool = True, visibility_seconds: float = 0.0) -> None:
        from moto.backends import get_backend

        for account in (OWNER, CONSUMER):
            get_backend("glue")[account][REGION].reset()
        self.clock = FixedClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
        self.world = World(self.clock, visibility_seconds)
        self.ram_fake = RamFake(self.world)
        self.fake = LakeFormationFake(self.world)
        self.admin = self.lake("admin")
        self.consumer_admin = self.lake("admin", CONSUMER)
        if settings:
            for desk in (self.admin, self.consumer_admin):
                close_the_iam_door(desk)
            self.make_table()

    def caller(self, role: str, account: str = OWNER) -> Caller:
        """Somebody who took a role."""
        session = f"arn:aws:sts::{account}:assumed-role/{role}/test"
        return Caller(account, REGION, role_arn(role, account), session, "ASIATEST")

    def lake(self, role: str, account: str = OWNER) -> Desk:
        """A role at Lake Formation."""
        return Desk(self.fake, self.caller(role, account))

    def ram(self, role: str = "admin", account: str = OWNER) -> Desk:
        """A role at RAM."""
        return Desk(self.ram_fake, self.caller(role, account))

    def make_table(
        self,
        table: str = "flights",
        columns: dict[str, str] | None = None,
        database: str = "aviation",
        account: str = OWNER,
    ) -> None:
        """A table in Glue, and its database; one that is there gets these columns."""
        from moto.backends import get_backend

        glue = get_backend("glue")[account][REGION]
        if database not in glue.databases:
            glue.create_database(database, {"Name": database}, None)
        listed = [
            {"Name": name, "Type": kind}
            for name, kind in (FLIGHTS if columns is None else columns).items()
        ]
        given = {
            "Name": table,
            "StorageDescriptor": {
                "Columns": listed,
                "Location": f"s3://data-lake-{database}/{table}",
            },
        }
        if table in glue.databases[database].tables:
            glue.databases[database].tables[table].update(given)
        else:
            glue.create_table(database, table, given)

    def drop_table(self, table: str = "flights", database: str = "aviation") -> None:
        """Takes a table out of Glue."""
        from moto.backends import get_backend

        get_backend("glue")[OWNER][REGION].delete_table(database, table)

    def sees(
        self, role: str, account: str = OWNER, table: str = "flights", database: str = "aviation"
    ) -> set[tuple[str, str | None]]:
        """The columns that a role may read, each with its condition on rows."""
        access = self.fake.access(self.caller(role, account), OWNER, database, table)
        return {(column, scope.rows) for scope in access.scopes for column in scope.columns}

    def reads(self, role: str, account: str = OWNER, table: str = "flights") -> set[str]:
        """The columns that a role may read in all rows."""
        return {column for column, rows in self.sees(role, account, table) if rows is None}


def role_arn(role: str, account: str = OWNER) -> str:
    """The ARN of a role."""
    return f"arn:aws:iam::{account}:role/{role}"


def to(role: str, account: str = OWNER) -> dict[str, str]:
    """A role as a principal; `role` may be an account or an ARN, too."""
    known = role.isdigit() or role.startswith("arn:") or role == "IAM_ALLOWED_PRINCIPALS"
    return {"DataLakePrincipalIdentifier": role if known else role_arn(role, account)}


def table(name: str = "flights", database: str = "aviation", **more: Any) -> dict[str, Any]:
    """A table as a resource."""
    return {"Table": {"DatabaseName": database, "Name": name, **more}}


def all_tables(database: str = "aviation", **more: Any) -> dict[str, Any]:
    """All tables of a database as a resource."""
    return {"Table": {"DatabaseName": database, "TableWildcard": {}, **more}}


def columns(*names: str, excluded: tuple[str, ...] | None = None) -> dict[str, Any]:
    """Columns of the flights as a resource: these, or all but some."""
    chosen: dict[str, Any] = {"ColumnNames": list(names)}
    if excluded is not None:
        chosen = {"ColumnWildcard": {"ExcludedColumnNames": list(excluded)} if excluded else {}}
    at = {"CatalogId": OWNER, "DatabaseName": "aviation", "Name": "flights"}
    return {"TableWithColumns": {**at, **chosen}}


def filter_resource(name: str, table: str = "flights") -> dict[str, Any]:
    """A data cells filter as a resource."""
    on = {"TableCatalogId": OWNER, "DatabaseName": "aviation", "TableName": table}
    return {"DataCellsFilter": {**on, "Name": name}}


def cells(name: str, rows: str | None, *names: str, table: str = "flights") -> dict[str, Any]:
    """A data cells filter: rows (None: all) and columns (none named: all)."""
    row_filter: dict[str, Any] = (
        {"AllRowsWildcard": {}} if rows is None else {"FilterExpression": rows}
    )
    chosen: dict[str, Any] = {"ColumnNames": list(names)}
    if not names:
        chosen = {"ColumnWildcard": {}}
    return {**filter_resource(name, table)["DataCellsFilter"], "RowFilter": row_filter, **chosen}


def tagged(terms: dict[str, tuple[str, ...]], kind: str = "TABLE") -> dict[str, Any]:
    """What carries tags as a resource."""
    expression = [{"TagKey": key, "TagValues": list(values)} for key, values in terms.items()]
    return {"LFTagPolicy": {"ResourceType": kind, "Expression": expression}}


def close_the_iam_door(desk: Desk, version: str = "4") -> None:
    """Settings with the caller as administrator, and nothing left to IAM."""
    desk.put_data_lake_settings(
        DataLakeSettings={
            "DataLakeAdmins": [{"DataLakePrincipalIdentifier": desk.caller.arn}],
            "CreateDatabaseDefaultPermissions": [],
            "CreateTableDefaultPermissions": [],
            "Parameters": {"CROSS_ACCOUNT_VERSION": version},
        }
    )


def refusal(call: Any, **given: Any) -> str:
    """The code with which a call is refused; nothing if it is not."""
    try:
        call(**given)
    except FakeError as error:
        return error.code
    return ""
