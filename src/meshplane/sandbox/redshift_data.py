"""Redshift's Data API, over a DuckDB database for each database of a workgroup or cluster.

A workgroup is there from its first use, and empty; a test loads it over `database`. The account
itself is a superuser there; a role is the user `IAMR:` and its name, and sees what it was granted
(`redshift_rights`). A statement runs when it is described, so
runs repeat; the first answers are SUBMITTED or STARTED.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import translate
from re import fullmatch, sub
from typing import Any
from uuid import UUID

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from meshplane.sandbox.fake import Caller, FakeError, Handler, World
from meshplane.sandbox.redshift_rights import Rights, RightsError
from meshplane.sandbox.redshift_rows import column, field_of

_ROOT = "root"
_ENDED = frozenset({"FINISHED", "FAILED", "ABORTED"})
_PAGE_ROWS = 1000
_MOST_LISTED = 100
_NO_RESULT = "Query does not have result. Please check query status with DescribeStatement."
_PLACE = ("ClusterIdentifier", "WorkgroupName", "Database", "DbUser", "SecretArn")


@dataclass
class _Statement:
    """One SQL text, alone or in a batch."""

    number: str
    sql: str
    parameters: list[dict[str, str]]
    created: datetime
    updated: datetime
    state: str = "SUBMITTED"
    error: str | None = None
    nanoseconds: int = 0
    columns: list[dict[str, Any]] | None = None
    records: list[list[dict[str, Any]]] = field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "Id": self.number,
            "QueryString": self.sql,
            "Status": self.state,
            "CreatedAt": self.created,
            "UpdatedAt": self.updated,
            "Duration": self.nanoseconds,
            "HasResultSet": bool(self.columns),
            "ResultRows": len(self.records) if self.columns else -1,
            "ResultSize": sum(len(str(one)) for row in self.records for one in row),
            "RedshiftQueryId": 0,
        }
        if self.error is not None:
            shown["Error"] = self.error
        return shown


@dataclass
class _Execution:
    """What was handed in by one call."""

    statement: _Statement
    place: dict[str, str]
    name: str
    given: dict[str, Any]
    user: str
    batch: list[_Statement] = field(default_factory=list)
    in_transaction: bool = True
    polls: int = 0


class RedshiftDataFake:
    """Redshift's Data API of all accounts.

    Args:
        world: what fakes share.
        polls_before_end: how often `describe_statement` answers before a statement ends. May be
            set at any time.
    """

    service = "redshift-data"

    def __init__(self, world: World, *, polls_before_end: int = 1) -> None:
        self.polls_before_end = polls_before_end
        self._world = world
        self._databases: dict[tuple[str, ...], duckdb.DuckDBPyConnection] = {}
        self._rights: dict[tuple[str, ...], Rights] = {}
        self._executions: dict[tuple[str, str], dict[str, _Execution]] = {}
        self.handlers: Mapping[str, Handler] = {
            "ExecuteStatement": self._execute,
            "BatchExecuteStatement": self._execute_batch,
            "DescribeStatement": self._describe,
            "GetStatementResult": self._result,
            "CancelStatement": self._cancel,
            "ListStatements": self._list,
            "ListTables": self._list_tables,
            "ListSchemas": self._list_schemas,
            "ListDatabases": self._list_databases,
            "DescribeTable": self._describe_table,
        }
        world.services[self.service] = self

    def database(
        self, account: str, region: str, place: str, name: str = "dev"
    ) -> duckdb.DuckDBPyConnection:
        """The database behind a workgroup or cluster, to load. Hold the world's lock meanwhile.

        Args:
            account: whose it is.
            region: where it is.
            place: the workgroup's name or the cluster's identifier.
            name: the database's.
        """
        key = (account, region, place, name)
        if key not in self._databases:
            made = duckdb.connect(":memory:", config={"enable_external_access": "false"})
            made.execute("SET TimeZone = 'UTC'")
            made.execute("SET python_enable_replacements = false")
            made.execute("SET threads = 1")
            made.execute("CREATE SCHEMA IF NOT EXISTS public")
            made.execute("SET search_path = 'public,main'")
            made.execute("SET lock_configuration = true")
            self._databases[key] = made
        return self._databases[key]

    def rights(self, account: str, region: str, place: str, name: str = "dev") -> Rights:
        """The rights in a database, to look at or to change; arguments as of `database`."""
        found = self._rights.setdefault((account, region, place, name), Rights(name=name))
        found.known(_ROOT)
        found.superusers.add(_ROOT)
        return found

    def _of(self, caller: Caller) -> dict[str, _Execution]:
        return self._executions.setdefault((caller.account, caller.region), {})

    def _execute(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        return self._take(caller, parameters, [parameters["Sql"]])

    def _execute_batch(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        return self._take(caller, parameters, parameters["Sqls"], batch=True)

    def _take(
        self, caller: Caller, parameters: dict[str, Any], sqls: list[str], batch: bool = False
    ) -> dict[str, Any]:
        place = _place(parameters)
        known = self._of(caller)
        token = parameters.get("ClientToken")
        for earlier in known.values():
            if token is not None and earlier.given.get("ClientToken") == token:
                if earlier.given != parameters:
                    raise FakeError("ValidationException", "ClientToken was used with other input")
                return self._taken(earlier)
        bound = parameters.get("Parameters", [])
        used = {name for sql in sqls for name in _names(sql)}
        unused = [one["name"] for one in bound if one["name"] not in used]
        if unused:
            raise FakeError(
                "ValidationException",
                "Parameters list contains unused parameters. Unused parameters: "
                f"[{', '.join(unused)}]",
            )
        number = str(UUID(int=self._world.number("redshift-statement"), version=4))
        now = self._world.clock.now()
        whole = _Statement(number, sqls[0] if not batch else "", bound, now, now)
        execution = _Execution(
            whole,
            place,
            parameters.get("StatementName", ""),
            dict(parameters),
            _user_of(caller),
            [_Statement(f"{number}:{i}", sql, bound, now, now) for i, sql in enumerate(sqls, 1)]
            if batch
            else [],
            parameters.get("ExecutionMode", "TRANSACTION") == "TRANSACTION",
        )
        known[number] = execution
        if parameters.get("WaitTimeSeconds"):
            self._finish(caller, execution)
        return self._taken(execution)

    def _taken(self, execution: _Execution) -> dict[str, Any]:
        statement = execution.statement
        return {
            "Id": statement.number,
            "CreatedAt": statement.created,
            "Status": statement.state,
            **execution.place,
        }

    def _find(self, caller: Caller, number: str) -> tuple[_Execution, _Statement]:
        execution = self._of(caller).get(number.partition(":")[0])
        if execution is not None:
            for one in (execution.statement, *execution.batch):
                if one.number == number:
                    return execution, one
        raise FakeError(
            "ResourceNotFoundException", f"Query {number} does not exist.", ResourceId=number
        )

    def _describe(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        execution, statement = self._find(caller, parameters["Id"])
        execution.polls += 1
        if execution.polls > self.polls_before_end or parameters.get("WaitTimeSeconds"):
            self._finish(caller, execution)
        elif execution.statement.state == "SUBMITTED":
            execution.statement.state = "STARTED"
        shown = {**statement.shown(), **execution.place}
        if statement.parameters:
            shown["QueryParameters"] = statement.parameters
        if execution.batch and statement is execution.statement:
            del shown["QueryString"]
            shown["SubStatements"] = [one.shown() for one in execution.batch]
        return shown

    def _finish(self, caller: Caller, execution: _Execution) -> None:
        whole = execution.statement
        if whole.state in _ENDED:
            return
        place = execution.place
        home = place.get("WorkgroupName") or place["ClusterIdentifier"]
        home = home.rpartition("/")[2]
        key = (caller.account, caller.region, home, place["Database"])
        database, rights = self.database(*key), self.rights(*key)
        rights.known(execution.user)
        if not execution.batch:
            self._run(database, rights, execution.user, whole)
            return
        before = deepcopy(rights)
        if execution.in_transaction:
            database.execute("BEGIN")
        whole.state = "FINISHED"
        for one in execution.batch:
            if whole.state == "FAILED":
                one.state = "ABORTED"
                continue
            self._run(database, rights, execution.user, one)
            whole.nanoseconds += one.nanoseconds
            if one.state == "FAILED":
                whole.state, whole.error = "FAILED", f"Query #{one.number[-1]} failed: {one.error}"
        if execution.in_transaction:
            database.execute("COMMIT" if whole.state == "FINISHED" else "ROLLBACK")
            if whole.state != "FINISHED":
                self._rights[key] = before
        whole.updated = self._world.clock.now()

    def _run(
        self,
        database: duckdb.DuckDBPyConnection,
        rights: Rights,
        user: str,
        statement: _Statement,
    ) -> None:
        start = self._world.clock.now()
        statement.state = "FINISHED"
        try:
            found = _result(database, rights, user, statement)
            if found is not None:
                kinds = list(found.types)
                statement.columns = [
                    column(name, kind) for name, kind in zip(found.columns, kinds, strict=True)
                ]
                values = [one.to_pylist() for one in found.to_arrow_table().columns]
                statement.records = [
                    [field_of(one, kind) for one, kind in zip(row, kinds, strict=True)]
                    for row in zip(*values, strict=True)
                ]
        except (duckdb.Error, SqlglotError) as error:
            statement.state = "FAILED"
            statement.error = "ERROR: " + str(error).split("\n", 1)[0].partition(": ")[2]
        except RightsError as error:
            statement.state, statement.error = "FAILED", f"ERROR: {error}"
        statement.updated = self._world.clock.now()
        taken = statement.updated - start
        statement.nanoseconds = int(taken.total_seconds() * 1_000_000_000)

    def _result(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        execution, statement = self._find(caller, parameters["Id"])
        if parameters.get("WaitTimeSeconds"):
            self._finish(caller, execution)
        if statement.state != "FINISHED" or not statement.columns:
            raise FakeError("ResourceNotFoundException", _NO_RESULT, ResourceId=statement.number)
        start = _offset(parameters)
        end = start + _PAGE_ROWS
        more = {"NextToken": str(end)} if end < len(statement.records) else {}
        return {
            "Records": statement.records[start:end],
            "ColumnMetadata": statement.columns,
            "TotalNumRows": len(statement.records),
            **more,
        }

    def _cancel(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        execution, statement = self._find(caller, parameters["Id"])
        if statement.state in _ENDED:
            raise FakeError(
                "ValidationException",
                f"Could not cancel a query that is already in {statement.state} state.",
            )
        for one in (execution.statement, *execution.batch):
            one.state, one.updated = "ABORTED", self._world.clock.now()
        return {"Status": True}

    def _list(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        wanted = parameters.get("Status", "ALL")
        found = [
            one
            for one in reversed(self._of(caller).values())
            if wanted in {"ALL", one.statement.state}
            and one.name.startswith(parameters.get("StatementName", ""))
            and all(one.place.get(n) == parameters[n] for n in _PLACE[:3] if n in parameters)
        ]
        page, more = _page(found, parameters)
        shown = [
            {
                "Id": one.statement.number,
                "QueryString": one.statement.sql,
                "QueryStrings": [each.sql for each in one.batch],
                "Status": one.statement.state,
                "StatementName": one.name,
                "CreatedAt": one.statement.created,
                "UpdatedAt": one.statement.updated,
                "IsBatchStatement": bool(one.batch),
            }
            for one in page
        ]
        return {"Statements": shown, **more}

    # What is in a database

    def _at(self, caller: Caller, parameters: dict[str, Any]) -> duckdb.DuckDBPyConnection:
        place = _place(parameters)
        home = (place.get("WorkgroupName") or place["ClusterIdentifier"]).rpartition("/")[2]
        return self.database(caller.account, caller.region, home, place["Database"])

    def _tables(self, caller: Caller, parameters: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
        rows = self._at(caller, parameters).execute(
            "SELECT table_schema, table_name, table_type FROM information_schema.tables "
            "ORDER BY ALL"
        )
        for schema, name, kind in rows.fetchall():
            yield schema, name, "VIEW" if "VIEW" in kind else "TABLE"

    def _list_tables(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        found = [
            {"schema": schema, "name": name, "type": kind}
            for schema, name, kind in self._tables(caller, parameters)
            if _like(schema, parameters.get("SchemaPattern"))
            and _like(name, parameters.get("TablePattern"))
        ]
        page, more = _page(found, parameters)
        return {"Tables": page, **more}

    def _list_schemas(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        rows = self._at(caller, parameters).execute(
            "SELECT DISTINCT schema_name FROM information_schema.schemata "
            "WHERE catalog_name = current_database() ORDER BY 1"
        )
        found = [
            name for (name,) in rows.fetchall() if _like(name, parameters.get("SchemaPattern"))
        ]
        page, more = _page(found, parameters)
        return {"Schemas": page, **more}

    def _list_databases(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        place = _place(parameters)
        home = (place.get("WorkgroupName") or place["ClusterIdentifier"]).rpartition("/")[2]
        found = sorted(
            {key[3] for key in self._databases if key[:3] == (caller.account, caller.region, home)}
            | {"dev"}
        )
        page, more = _page(found, parameters)
        return {"Databases": page, **more}

    def _describe_table(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        wanted = parameters.get("Table", "")
        schemas = [
            schema
            for schema, name, _ in self._tables(caller, parameters)
            if name == wanted and parameters.get("Schema", schema) == schema
        ]
        if not schemas:
            return {"TableName": wanted, "ColumnList": []}
        place = exp.table_(wanted, db=schemas[0], quoted=True).sql("duckdb")
        table = self._at(caller, parameters).table(place)
        found = [
            column(name, kind, wanted, schemas[0])
            for name, kind in zip(table.columns, table.types, strict=True)
        ]
        page, more = _page(found, parameters)
        return {"TableName": wanted, "ColumnList": page, **more}


def _place(parameters: dict[str, Any]) -> dict[str, str]:
    """Where a statement runs.

    Raises:
        FakeError: ValidationException, no place was named, or two were, or no database.
    """
    place = {name: parameters[name] for name in _PLACE if name in parameters}
    if ("ClusterIdentifier" in place) == ("WorkgroupName" in place):
        raise FakeError(
            "ValidationException",
            "Exactly one of ClusterIdentifier and WorkgroupName must be provided.",
        )
    if "WorkgroupName" in place and "DbUser" in place:
        raise FakeError("ValidationException", "DbUser cannot be used with WorkgroupName.")
    if not place.get("Database"):
        raise FakeError("ValidationException", "Database name is required.")
    return place


def _parsed(sql: str) -> exp.Expr:
    trees = [tree for tree in sqlglot.parse(sql, read="redshift") if tree is not None]
    if len(trees) != 1:
        raise SqlglotError("one: Exactly one SQL statement must be given")
    return trees[0]


def _outside_quotes(sql: str) -> str:
    return sub(r"'[^']*'|\"[^\"]*\"", "", sql)


def _names(sql: str) -> set[str]:
    if ":" not in _outside_quotes(sql):
        return set()  # what sets rights is nothing that the parser knows
    try:
        return {one.name for one in _parsed(sql).find_all(exp.Placeholder)}
    except SqlglotError:
        return set()  # running it will say what is wrong


def _user_of(caller: Caller) -> str:
    """The database's user that a caller is."""
    kind, _, name = caller.arn.rpartition(":")[2].rpartition("/")
    kind = kind.partition("/")[0]
    return _ROOT if not kind else f"{'IAMR' if kind == 'role' else 'IAM'}:{name}"


def _result(
    database: duckdb.DuckDBPyConnection, rights: Rights, user: str, statement: _Statement
) -> duckdb.DuckDBPyRelation | None:
    """What a statement gives a user.

    Raises:
        RightsError: he may not.
        SqlglotError, duckdb.Error: it is wrong.
    """

    def columns_of(schema: str, table: str) -> dict[str, str]:
        found = database.execute(
            "SELECT column_name FROM duckdb_columns() WHERE schema_name = ? AND table_name = ?",
            [schema, table],
        ).fetchall()
        if not found:
            return {}
        place = exp.table_(table, db=schema, quoted=True).sql("duckdb")
        relation = database.table(place)
        told = (
            column(name, kind) for name, kind in zip(relation.columns, relation.types, strict=True)
        )
        return {one["name"]: one["typeName"] for one in told}

    if rights.is_super(user):
        if rights.change(statement.sql, columns_of):
            return None
        rights.show(database, statement.sql)
        return database.sql(_bound(statement.sql, statement.parameters).sql("duckdb"))
    tree = rights.seen(_bound(statement.sql, statement.parameters), user, columns_of)
    return database.sql(tree.sql("duckdb"))


def _bound(sql: str, parameters: list[dict[str, str]]) -> exp.Expr:
    """The statement, every `:name` a text literal that takes the type it is met with.

    Raises:
        SqlglotError: it is no SQL, or a parameter is missing.
    """
    if "%(" in _outside_quotes(sql):
        raise SqlglotError('syntax: syntax error at or near "%"')
    tree = _parsed(sql)
    values = {one["name"]: one["value"] for one in parameters}
    for place in list(tree.find_all(exp.Placeholder)):
        if place.name not in values:
            raise SqlglotError(f"parameter: Cannot find parameter: {place.name}")
        place.replace(exp.Literal.string(values[place.name]))
    return tree


def _like(text: str, pattern: str | None) -> bool:
    if not pattern:
        return True
    shell = pattern.replace("%", "*").replace("_", "?")
    return fullmatch(translate(shell), text) is not None


def _offset(parameters: dict[str, Any]) -> int:
    token = parameters.get("NextToken", "0")
    if not token.isdigit():
        raise FakeError("ValidationException", "NextToken is not valid")
    return int(token)


def _page(items: list[Any], parameters: dict[str, Any]) -> tuple[list[Any], dict[str, str]]:
    start = _offset(parameters)
    end = start + (parameters.get("MaxResults") or _MOST_LISTED)
    return items[start:end], {"NextToken": str(end)} if end < len(items) else {}
