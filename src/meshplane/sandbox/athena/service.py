"""The operations of Athena."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlglot import exp

from meshplane.sandbox.athena import workgroups
from meshplane.sandbox.athena.catalog import DEFAULT_CATALOG, Context, FoundTable
from meshplane.sandbox.athena.definitions import create_table_as, create_view, drop_view
from meshplane.sandbox.athena.engine import Engine, Result, empty_result
from meshplane.sandbox.athena.executions import ENDED, Execution, result_file
from meshplane.sandbox.athena.refusals import QueryFailed
from meshplane.sandbox.athena.saved import SavedQueries
from meshplane.sandbox.athena.statements import Statement, bound, execute_parts, parse
from meshplane.sandbox.athena.visible import Scope
from meshplane.sandbox.athena.workgroups import PRIMARY, WorkGroup
from meshplane.sandbox.fake import Caller, FakeError, Handler, World
from meshplane.sandbox.lake_state import has_bucket, split_location, write_object
from meshplane.sandbox.lake_tables import LakeTables

Home = tuple[str, str]  # account and region
_MOST_LISTED = 50


class AthenaFake:
    """Athena of all accounts.

    Args:
        world: what fakes share. Of `services["lakeformation"]`, `access` is asked.
        open: lets everybody see every table when there is no Lake Formation; without it, nobody
            sees any.
        polls_before_end: how often `get_query_execution` answers QUEUED or RUNNING before a query
            ends. May be set at any time.
    """

    service = "athena"

    def __init__(self, world: World, *, open: bool = False, polls_before_end: int = 1) -> None:  # noqa: A002 - the word for a lake without a guard
        self.polls_before_end = polls_before_end
        self._world, self._open = world, open
        self._engine = Engine(LakeTables())
        self._groups: dict[Home, dict[str, WorkGroup]] = {}
        self._executions: dict[Home, dict[str, Execution]] = {}
        self._tokens: dict[tuple[Home, str], tuple[str, dict[str, Any]]] = {}
        self._catalogs: dict[Home, dict[str, dict[str, Any]]] = {}
        self._saved = SavedQueries(world)
        self.handlers: Mapping[str, Handler] = {
            "CreateWorkGroup": self._create_group,
            "GetWorkGroup": self._get_group,
            "UpdateWorkGroup": self._update_group,
            "DeleteWorkGroup": self._delete_group,
            "ListWorkGroups": self._list_groups,
            "StartQueryExecution": self._start,
            "GetQueryExecution": self._get,
            "BatchGetQueryExecution": self._batch_get,
            "ListQueryExecutions": self._list,
            "StopQueryExecution": self._stop,
            "GetQueryResults": self._results,
            "GetQueryRuntimeStatistics": self._statistics,
            "CreateDataCatalog": self._create_catalog,
            "GetDataCatalog": self._get_catalog,
            "ListDataCatalogs": self._list_catalogs,
            "DeleteDataCatalog": self._delete_catalog,
            **self._saved.handlers,
        }
        world.services[self.service] = self

    # Workgroups

    def _groups_of(self, caller: Caller) -> dict[str, WorkGroup]:
        home = (caller.account, caller.region)
        if home not in self._groups:
            # There from the start, with no location and nothing enforced.
            bare = {"EnforceWorkGroupConfiguration": False}
            self._groups[home] = {PRIMARY: WorkGroup(PRIMARY, self._world.clock.now(), bare)}
        return self._groups[home]

    def _group(self, caller: Caller, name: str) -> WorkGroup:
        found = self._groups_of(caller).get(name)
        if found is None:
            raise _invalid(f"WorkGroup {name} is not found.")
        return found

    def _create_group(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        groups = self._groups_of(caller)
        if parameters["Name"] in groups:
            raise _invalid(f"WorkGroup {parameters['Name']} is already created")
        groups[parameters["Name"]] = workgroups.created(parameters, self._world.clock.now())
        return {}

    def _get_group(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        return {"WorkGroup": self._group(caller, parameters["WorkGroup"]).shown()}

    def _update_group(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        group = self._group(caller, parameters["WorkGroup"])
        group.update(parameters.get("ConfigurationUpdates", {}))
        group.description = parameters.get("Description", group.description)
        group.state = parameters.get("State", group.state)
        return {}

    def _delete_group(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        name = parameters["WorkGroup"]
        self._group(caller, name)
        if name == PRIMARY:
            raise _invalid("Primary WorkGroup could not be deleted")
        used = any(one.group.name == name for one in self._of(caller).values())
        if used and not parameters.get("RecursiveDeleteOption"):
            raise _invalid(f"WorkGroup {name} is not empty")
        del self._groups_of(caller)[name]
        return {}

    def _list_groups(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        groups = [one.summary() for _, one in sorted(self._groups_of(caller).items())]
        page, token = _page(groups, parameters)
        return {"WorkGroups": page, **token}

    # Catalogues

    def _create_catalog(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        catalogs = self._catalogs.setdefault((caller.account, caller.region), {})
        if parameters["Name"] in catalogs:
            raise _invalid(f"DataCatalog {parameters['Name']} already exists")
        kept = {name: parameters[name] for name in ("Name", "Type")}
        kept["Parameters"] = parameters.get("Parameters", {})
        catalogs[parameters["Name"]] = kept
        return {"DataCatalog": {**kept, "Status": "CREATE_COMPLETE"}}

    def _get_catalog(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        if parameters["Name"].lower() == DEFAULT_CATALOG:
            return {"DataCatalog": {"Name": "AwsDataCatalog", "Type": "GLUE"}}
        found = self._catalogs.get((caller.account, caller.region), {}).get(parameters["Name"])
        if found is None:
            raise _invalid(f"DataCatalog {parameters['Name']} was not found")
        return {"DataCatalog": {**found, "Status": "CREATE_COMPLETE"}}

    def _list_catalogs(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        own = self._catalogs.get((caller.account, caller.region), {}).values()
        named = [{"CatalogName": "AwsDataCatalog", "Type": "GLUE"}]
        named += [{"CatalogName": one["Name"], "Type": one["Type"]} for one in own]
        page, token = _page(named, parameters)
        return {"DataCatalogsSummary": page, **token}

    def _delete_catalog(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        self._get_catalog(caller, parameters)
        self._catalogs[caller.account, caller.region].pop(parameters["Name"], None)
        return {}

    # Queries

    def _of(self, caller: Caller) -> dict[str, Execution]:
        return self._executions.setdefault((caller.account, caller.region), {})

    def _execution(self, caller: Caller, number: str) -> Execution:
        found = self._of(caller).get(number)
        if found is None:
            raise _invalid(f"QueryExecution {number} was not found")
        return found

    def _start(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        key = ((caller.account, caller.region), str(parameters.get("ClientRequestToken", "")))
        asked = {name: value for name, value in parameters.items() if name != "ClientRequestToken"}
        if key[1] and key in self._tokens:
            number, before = self._tokens[key]
            if before != asked:
                raise _invalid("Idempotent parameters do not match")
            return {"QueryExecutionId": number}
        group = self._group(caller, parameters.get("WorkGroup", PRIMARY))
        if group.state == "DISABLED":
            raise _invalid(f"WorkGroup {group.name} is disabled")
        statement, values = self._statement(caller, group, parameters)
        results = group.results(parameters.get("ResultConfiguration", {}))
        bucket, _ = split_location(results["OutputLocation"])
        if not has_bucket(bucket):
            raise _invalid(f"Unable to verify/create output bucket {bucket}")
        number = str(UUID(int=self._world.number("athena-query"), version=4))
        kind = "txt" if statement.statement_type == "DDL" else "csv"
        output = f"{results['OutputLocation'].rstrip('/')}/{number}.{kind}"
        self._of(caller)[number] = Execution(
            number=number,
            caller=caller,
            statement=statement,
            parameters=values,
            context=parameters.get("QueryExecutionContext", {}),
            group=group,
            output=output,
            results={**results, "OutputLocation": output},
            submitted=self._world.clock.now(),
            reuse=parameters.get("ResultReuseConfiguration"),
        )
        if key[1]:
            self._tokens[key] = (number, asked)
        return {"QueryExecutionId": number}

    def _statement(
        self, caller: Caller, group: WorkGroup, parameters: dict[str, Any]
    ) -> tuple[Statement, list[str]]:
        text, values = parameters["QueryString"], list(parameters.get("ExecutionParameters", []))
        if executed := execute_parts(text):
            name, using = executed
            prepared = self._saved.prepared(caller, group.name, name)
            given = [one.sql("trino") for one in _values(using)] if using else values
            found = parse(prepared)
            return Statement(found.kind, found.tree, found.query, text), given
        return parse(text), values

    def _get(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        execution = self._execution(caller, parameters["QueryExecutionId"])
        self._poll(execution)
        return {"QueryExecution": execution.shown()}

    def _batch_get(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        known = self._of(caller)
        wanted = parameters["QueryExecutionIds"]
        found = [known[number] for number in wanted if number in known]
        for execution in found:
            self._poll(execution)
        lacking = [
            {
                "QueryExecutionId": number,
                "ErrorCode": "INVALID_QUERY_EXECUTION_ID",
                "ErrorMessage": f"QueryExecution {number} was not found",
            }
            for number in wanted
            if number not in known
        ]
        shown = [execution.shown() for execution in found]
        return {"QueryExecutions": shown, "UnprocessedQueryExecutionIds": lacking}

    def _list(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        group = self._group(caller, parameters.get("WorkGroup", PRIMARY))
        numbers = [n for n, one in self._of(caller).items() if one.group.name == group.name]
        page, token = _page(numbers[::-1], parameters)
        return {"QueryExecutionIds": page, **token}

    def _stop(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        execution = self._execution(caller, parameters["QueryExecutionId"])
        if execution.state not in ENDED:
            self._end(execution, "CANCELLED", "Query was cancelled by user")
        return {}

    def _results(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        execution = self._execution(caller, parameters["QueryExecutionId"])
        return execution.page(parameters.get("NextToken"), parameters.get("MaxResults"))

    def _statistics(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        execution = self._execution(caller, parameters["QueryExecutionId"])
        result = execution.result or empty_result()
        engine = int(1000 * result.seconds)
        return {
            "QueryRuntimeStatistics": {
                "Timeline": {
                    "EngineExecutionTimeInMillis": engine,
                    "TotalExecutionTimeInMillis": engine,
                },
                "Rows": {
                    "InputRows": result.input_rows,
                    "InputBytes": result.scanned_bytes,
                    "OutputRows": len(result.rows),
                    "OutputBytes": len(result_file(result)) if result.columns else 0,
                },
            }
        }

    # Running

    def _poll(self, execution: Execution) -> None:
        if execution.state in ENDED:
            return
        execution.polls += 1
        if execution.polls <= self.polls_before_end:
            if execution.polls > 1 or self.polls_before_end == 1:
                execution.state = "RUNNING"
            return
        execution.state = "RUNNING"
        try:
            result = self._run(execution)
        except QueryFailed as failure:
            execution.failure = failure
            self._end(execution, "FAILED", failure.reason)
            return
        cutoff = execution.group.configuration.get("BytesScannedCutoffPerQuery")
        if cutoff is not None and result.scanned_bytes > cutoff:
            self._end(execution, "CANCELLED", "Bytes scanned limit was exceeded")
            return
        execution.result = result
        body = b"" if execution.statement.statement_type == "DDL" else result_file(result)
        write_object(execution.output, body)
        write_object(f"{execution.output}.metadata", b"")
        self._end(execution, "SUCCEEDED", None)

    def _end(self, execution: Execution, state: str, reason: str | None) -> None:
        execution.state, execution.reason = state, reason
        execution.ended = self._world.clock.now()

    def _run(self, execution: Execution) -> Result:
        statement, caller = execution.statement, execution.caller
        context = self._context(execution)

        def access(table: FoundTable) -> tuple[Scope, ...] | None:
            return self._access(caller, table)

        if statement.kind == "DROP_VIEW":
            drop_view(statement.tree, context)
            return empty_result()
        query = statement.query
        if query is None:
            raise QueryFailed("GENERIC_INTERNAL_ERROR: there is no query")
        query = bound(query.copy(), execution.parameters)
        match statement.kind:
            case "EXPLAIN":
                execution.has_header = False
                return _lines("Query Plan", self._engine.explain(query, context, access))
            case "CREATE_VIEW":
                result = self._engine.run(query, context, access)
                create_view(statement.tree, query, context, result)
                return empty_result()
            case "CREATE_TABLE_AS_SELECT":
                result = self._engine.run(query, context, access)
                create_table_as(statement.tree, context, result, execution.output)
                return empty_result()
            case _:
                return self._engine.run(query, context, access)

    def _context(self, execution: Execution) -> Context:
        caller, given = execution.caller, execution.context
        home = (caller.account, caller.region)
        catalogs = {DEFAULT_CATALOG: caller.account}
        for name, one in self._catalogs.get(home, {}).items():
            if one["Type"] == "GLUE":
                catalogs[name.lower()] = one["Parameters"].get("catalog-id", caller.account)
        return Context(
            account=caller.account,
            region=caller.region,
            catalogs=catalogs,
            catalog=given.get("Catalog", DEFAULT_CATALOG).lower(),
            database=given.get("Database"),
        )

    def _access(self, caller: Caller, table: FoundTable) -> tuple[Scope, ...] | None:
        guard = self._world.services.get("lakeformation")
        if guard is None:
            return None if self._open else ()
        place = (caller, table.account, table.database, table.name)
        scopes: tuple[Scope, ...] = guard.access(*place).scopes
        described = getattr(guard, "describes", None)
        if not scopes and described is not None and described(*place):
            # He may know of the table, and read none of its columns.
            return (_NothingShown(),)
        return scopes


@dataclass(frozen=True, slots=True)
class _NothingShown:
    columns: frozenset[str] = frozenset()
    rows: str | None = None


def _invalid(message: str) -> FakeError:
    return FakeError("InvalidRequestException", message, AthenaErrorCode="INVALID_INPUT")


def _values(text: str) -> list[exp.Expr]:
    tree = parse(f"SELECT {text}").query
    return list(tree.expressions) if isinstance(tree, exp.Select) else []


def _lines(name: str, text: str) -> Result:
    column = {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": "varchar",
        "Precision": 0,
        "Scale": 0,
        "Nullable": "UNKNOWN",
        "CaseSensitive": True,
    }
    rows: list[list[str | None]] = [[line] for line in text.splitlines()]
    return Result([column], ["string"], rows, None, 0, 0, 0.0)


def _page(items: list[Any], parameters: dict[str, Any]) -> tuple[list[Any], dict[str, str]]:
    token = parameters.get("NextToken", "0")
    if not token.isdigit():
        raise _invalid("Malformed NextToken")
    start = int(token)
    end = start + (parameters.get("MaxResults") or _MOST_LISTED)
    return items[start:end], {"NextToken": str(end)} if end < len(items) else {}
