"""Databases and tables of Glue where moto is too lax or silent.

Names are folded to lower case. `CatalogId` is honoured: another account's catalogue is seen as far
as Lake Formation says that the caller may. `update_table` with a `VersionId` that is not the newest
is refused. `create_table` and `update_table` with an open table format write Iceberg's metadata.
`search_tables` is there. All other operations of the catalogue are moto's.
"""

from collections.abc import Callable, Mapping
from typing import Any

from moto.core.exceptions import JsonRESTError

from meshplane.sandbox.fake import Caller, FakeError, Handler, World
from meshplane.sandbox.glue_quality.iceberg_format import (
    created_table_input,
    latest_metadata,
    updated_table_input,
)
from meshplane.sandbox.lake_state import NoObject, glue_of, told_by_moto

_MOST_LISTED = 100
_WRITABLE = (
    "Name",
    "Description",
    "Owner",
    "Retention",
    "StorageDescriptor",
    "PartitionKeys",
    "ViewOriginalText",
    "ViewExpandedText",
    "TableType",
    "Parameters",
    "TargetTable",
    "ViewDefinition",
)


class Catalogue:
    """Glue's databases and tables.

    Args:
        world: of whose `services["lakeformation"]`, if it is there, `describes` is asked before
            another account's table is shown.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.handlers: Mapping[str, Handler] = {
            name: _over_moto(handler)
            for name, handler in {
                "CreateDatabase": self._create_database,
                "GetDatabase": self._get_database,
                "UpdateDatabase": self._update_database,
                "DeleteDatabase": self._delete_database,
                "CreateTable": self._create_table,
                "GetTable": self._get_table,
                "GetTables": self._get_tables,
                "UpdateTable": self._update_table,
                "DeleteTable": self._delete_table,
                "SearchTables": self._search_tables,
            }.items()
        }

    def _glue(self, caller: Caller, parameters: dict[str, Any]) -> Any:
        return glue_of(parameters.get("CatalogId", caller.account), caller.region)

    def _own(self, caller: Caller, parameters: dict[str, Any]) -> Any:
        """The caller's own Glue, for what changes it."""
        if parameters.get("CatalogId", caller.account) != caller.account:
            raise _denied("Cross account access is not granted on this catalog")
        return glue_of(caller.account, caller.region)

    # Databases

    def _create_database(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        given = _folded(parameters["DatabaseInput"])
        if target := given.get("TargetDatabase"):
            given["TargetDatabase"] = {
                **target,
                "DatabaseName": target["DatabaseName"].lower(),
            }
        self._own(caller, parameters).create_database(given["Name"], given, parameters.get("Tags"))
        return {}

    def _get_database(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        name = parameters["Name"].lower()
        found = self._glue(caller, parameters).get_database(name).as_dict()
        self._may_see(caller, parameters, name)
        return {"Database": found}

    def _update_database(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        given = _folded(parameters["DatabaseInput"])
        name = parameters["Name"].lower()
        if given["Name"] != name:
            raise FakeError("InvalidInputException", "Database name cannot be changed")
        self._own(caller, parameters).update_database(name, given)
        return {}

    def _delete_database(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        self._own(caller, parameters).delete_database(parameters["Name"].lower())
        return {}

    # Tables

    def _create_table(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        glue = self._own(caller, parameters)
        database = parameters["DatabaseName"].lower()
        home = glue.get_database(database)
        given = _folded(parameters["TableInput"]) if "TableInput" in parameters else {}
        name = given.get("Name") or str(parameters.get("Name", "")).lower()
        if not name:
            raise FakeError("InvalidInputException", "Table name cannot be empty")
        if name in home.tables:
            raise FakeError("AlreadyExistsException", "Table already exists.")
        given["Name"] = name
        if "OpenTableFormatInput" in parameters:
            iceberg = parameters["OpenTableFormatInput"].get("IcebergInput")
            if iceberg is None:
                raise FakeError("InvalidInputException", "IcebergInput is required")
            given = created_table_input(given, iceberg, home.input.get("LocationUri"))
        glue.create_table(database, name, given)
        return {}

    def _get_table(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        database, name = parameters["DatabaseName"].lower(), parameters["Name"].lower()
        account, database = self._target(caller, parameters, database)
        self._may_see(caller, {"CatalogId": account}, database, name)
        table = glue_of(account, caller.region).get_table(database, name).as_dict()
        if "LATEST_ICEBERG_METADATA" in parameters.get("AttributesToGet", ()):
            try:
                table["IcebergTableMetadata"] = latest_metadata(table)
            except NoObject as error:
                raise FakeError("InvalidInputException", "Metadata is not readable") from error
        return {"Table": table}

    def _get_tables(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        database = parameters["DatabaseName"].lower()
        account, database = self._target(caller, parameters, database)
        glue = glue_of(account, caller.region)
        tables = [one.as_dict() for one in glue.get_tables(database, parameters.get("Expression"))]
        seen = [one for one in tables if self._sees(caller, account, database, one["Name"])]
        seen.sort(key=lambda one: str(one["Name"]))
        page, more = _page(seen, parameters)
        return {"TableList": page, **more}

    def _update_table(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        glue = self._own(caller, parameters)
        database = parameters["DatabaseName"].lower()
        given = _folded(parameters["TableInput"]) if "TableInput" in parameters else {}
        name = given.get("Name") or str(parameters.get("Name", "")).lower()
        table = glue.get_table(database, name).as_dict()
        expected = parameters.get("VersionId")
        if expected is not None and expected != table["VersionId"]:
            raise FakeError(
                "ConcurrentModificationException",
                "Update table failed due to concurrent modifications.",
            )
        if "UpdateOpenTableFormatInput" in parameters:
            kept = {key: table[key] for key in _WRITABLE if table.get(key) is not None}
            wanted = parameters["UpdateOpenTableFormatInput"].get("UpdateIcebergInput")
            if wanted is None:
                raise FakeError("InvalidInputException", "UpdateIcebergInput is required")
            updates = wanted["UpdateIcebergTableInput"]["Updates"]
            given = updated_table_input({**kept, **given}, updates)
        glue.update_table(database, name, given)
        return {}

    def _delete_table(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        database, name = parameters["DatabaseName"].lower(), parameters["Name"].lower()
        self._own(caller, parameters).delete_table(database, name)
        return {}

    def _search_tables(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        account = parameters.get("CatalogId", caller.account)
        tables = [
            table.as_dict()
            for database in glue_of(account, caller.region).get_databases()
            for table in database.tables.values()
            if self._sees(caller, account, database.name, table.name)
        ]
        text = parameters.get("SearchText", "").strip().strip('"').lower()
        found = [
            one
            for one in tables
            if (not text or any(text in word for word in _words(one)))
            and all(_passes(one, wanted) for wanted in parameters.get("Filters", []))
        ]
        for order in parameters.get("SortCriteria", []):
            found.sort(
                key=lambda one: str(one.get(order["FieldName"], "")),
                reverse=order.get("Sort") == "DESC",
            )
        page, more = _page(found, parameters)
        return {"TableList": page, **more}

    # Other accounts' catalogues

    def _target(self, caller: Caller, parameters: dict[str, Any], database: str) -> tuple[str, str]:
        """Account and database, over a resource link."""
        account = parameters.get("CatalogId", caller.account)
        found = glue_of(account, caller.region).get_database(database)
        target = found.input.get("TargetDatabase")
        return (target["CatalogId"], target["DatabaseName"]) if target else (account, database)

    def _sees(self, caller: Caller, account: str, database: str, table: str = "") -> bool:
        guard = self._world.services.get("lakeformation")
        describes = getattr(guard, "describes", None)
        if account == caller.account or describes is None:
            return True
        return bool(describes(caller, account, database, table))

    def _may_see(
        self, caller: Caller, parameters: dict[str, Any], database: str, table: str = ""
    ) -> None:
        account = parameters.get("CatalogId", caller.account)
        if not self._sees(caller, account, database, table):
            raise _denied(
                "Insufficient Lake Formation permission(s): Required Describe on "
                f"{table or database}"
            )


def _over_moto(handler: Handler) -> Handler:
    def answer(caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        try:
            return handler(caller, parameters)
        except JsonRESTError as error:
            raise told_by_moto(error) from error

    return answer


def _folded(given: dict[str, Any]) -> dict[str, Any]:
    return {**given, "Name": given["Name"].lower()}


def _denied(message: str) -> FakeError:
    return FakeError("AccessDeniedException", message)


def _words(table: dict[str, Any]) -> list[str]:
    columns = [
        *(table.get("StorageDescriptor") or {}).get("Columns", []),
        *(table.get("PartitionKeys") or []),
    ]
    parameters = table.get("Parameters") or {}
    words = [table["Name"], table["DatabaseName"], table.get("Description") or ""]
    words += [one["Name"] for one in columns] + [one.get("Comment") or "" for one in columns]
    return [str(word).lower() for word in [*words, *parameters, *parameters.values()]]


_COMPARED: dict[str, Callable[[str, str], bool]] = {
    "EQUALS": lambda one, other: one == other,
    "GREATER_THAN": lambda one, other: one > other,
    "LESS_THAN": lambda one, other: one < other,
    "GREATER_THAN_EQUALS": lambda one, other: one >= other,
    "LESS_THAN_EQUALS": lambda one, other: one <= other,
}


def _passes(table: dict[str, Any], wanted: dict[str, str]) -> bool:
    """One filter: by a property of the table, or by one of its parameters."""
    key, value = wanted.get("Key", ""), wanted.get("Value", "")
    known = {name.lower(): found for name, found in table.items() if isinstance(found, str)}
    known["database"] = table["DatabaseName"]
    own = known.get(key.lower(), (table.get("Parameters") or {}).get(key))
    compared = _COMPARED[wanted.get("Comparator", "EQUALS")]
    return own is not None and compared(str(own).lower(), value.lower())


def _page(items: list[Any], parameters: dict[str, Any]) -> tuple[list[Any], dict[str, str]]:
    token = parameters.get("NextToken") or "0"
    if not token.isdigit():
        raise FakeError("InvalidInputException", "Invalid NextToken")
    start = int(token)
    end = start + (parameters.get("MaxResults") or _MOST_LISTED)
    return items[start:end], {"NextToken": str(end)} if end < len(items) else {}
