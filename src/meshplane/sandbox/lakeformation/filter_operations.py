"""The operations on data cells filters.

From the Developer Guide: *Data filters in Lake Formation*, *Creating a data filter* (a filter has
an include list or a wildcard with exclusions, and an expression or all rows; of SELECT with the
grant option on all columns), *Data filtering limitations*. A filter that is deleted takes the
permissions on it along: read off the API, where nothing can be granted on what is not there.
"""

from typing import Any

from meshplane.sandbox.fake import Caller, FakeError, Handler
from meshplane.sandbox.lakeformation.atoms import Atom, invalid, plain_catalog
from meshplane.sandbox.lakeformation.authority import is_admin, may_pass_on
from meshplane.sandbox.lakeformation.granting import Accounts
from meshplane.sandbox.lakeformation.permissions import denied
from meshplane.sandbox.lakeformation.predicate import check_predicate
from meshplane.sandbox.lakeformation.state import Cells, State
from meshplane.sandbox.paging import page

_PAGE = 100


class FilterOperations:
    """Create, read, change and delete."""

    def __init__(self, accounts: Accounts) -> None:
        """See the class.

        Args:
            accounts: the states of all accounts.
        """
        self._accounts = accounts

    def handlers(self) -> dict[str, Handler]:
        """By the operation's name."""
        return {
            "CreateDataCellsFilter": self._create,
            "UpdateDataCellsFilter": self._update,
            "GetDataCellsFilter": self._get,
            "DeleteDataCellsFilter": self._delete,
            "ListDataCellsFilter": self._list,
        }

    def _create(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        state, atom, cells = self._read(caller, given["TableData"])
        if atom in state.filters:
            raise FakeError("AlreadyExistsException", "The table has a filter of this name.")
        if cells.version:
            raise invalid("A filter that is created has no version yet.")
        state.filters[atom] = _with_version(cells, "1")
        return {}

    def _update(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        state, atom, cells = self._read(caller, given["TableData"])
        before = _need(state, atom)
        if cells.version and cells.version != before.version:
            raise FakeError(
                "ConcurrentModificationException", "The filter was changed since it was read."
            )
        state.filters[atom] = _with_version(cells, str(int(before.version) + 1))
        return {}

    def _get(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        atom = _atom(given, caller.account)
        return {"DataCellsFilter": _shown(_need(self._state(caller, atom.catalog), atom))}

    def _delete(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        for member in ("DatabaseName", "TableName", "Name"):
            if not given.get(member):
                raise invalid(f"{member} is missing.")
        atom = _atom(given, caller.account)
        state = self._state(caller, atom.catalog)
        _need(state, atom)
        _may(caller, state, atom)
        del state.filters[atom]
        for (principal, on), _ in state.grants.items():
            if on == atom:
                state.put(principal, on, {}, caller.session_arn)
                self._accounts.share(state, principal)
        return {}

    def _list(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        table = given.get("Table")
        catalog = plain_catalog((table or {}).get("CatalogId"), caller.account)
        state = self._state(caller, catalog)
        found = list(state.filters.values())
        if table is not None:
            database, name = table["DatabaseName"].lower(), table.get("Name", "").lower()
            if name:
                state.glue.need_columns(database, name)
            found = [
                one for one in found if one.database == database and (not name or one.table == name)
            ]
        found.sort(key=lambda one: (one.database, one.table, one.name))
        shown, token = page(found, given, size=_PAGE)
        answer: dict[str, Any] = {"DataCellsFilters": [_shown(one) for one in shown]}
        return {**answer, "NextToken": token} if token else answer

    def _state(self, caller: Caller, catalog: str) -> State:
        if catalog != caller.account:
            raise denied("Filters are kept by the account that owns the table.")
        return self._accounts.state(catalog, caller.region)

    def _read(self, caller: Caller, data: dict[str, Any]) -> tuple[State, Atom, Cells]:
        atom = _atom(data, caller.account)
        state = self._state(caller, atom.catalog)
        columns = state.glue.need_columns(atom.database, atom.table)
        _may(caller, state, atom)
        rows = data.get("RowFilter") or {}
        expression, all_rows = rows.get("FilterExpression"), rows.get("AllRowsWildcard")
        if (expression is None) == (all_rows is None):
            raise invalid("RowFilter must have either a FilterExpression or AllRowsWildcard.")
        if expression is not None:
            check_predicate(expression, columns)
        names, wildcard = data.get("ColumnNames"), data.get("ColumnWildcard")
        if bool(names) == (wildcard is not None):
            raise invalid("A filter has either ColumnNames or a ColumnWildcard.")
        left_out = (wildcard or {}).get("ExcludedColumnNames") or []
        for name in (*(names or ()), *left_out):
            if name.lower() not in columns:
                raise invalid("The filter names a column that the table has not.")
        cells = Cells(
            atom.catalog,
            atom.database,
            atom.table,
            atom.name,
            expression,
            tuple(dict.fromkeys(name.lower() for name in names)) if names else None,
            tuple(dict.fromkeys(name.lower() for name in left_out)),
            data.get("VersionId", ""),
        )
        return state, atom, cells


def _atom(data: dict[str, Any], default: str) -> Atom:
    return Atom(
        "filter",
        plain_catalog(data.get("TableCatalogId"), default),
        data["DatabaseName"].lower(),
        data["TableName"].lower(),
        data["Name"],
    )


def _may(caller: Caller, state: State, atom: Atom) -> None:
    whole = Atom("columns", atom.catalog, atom.database, atom.table)
    if not is_admin(caller, state) and not may_pass_on(state, [caller.arn], whole, "SELECT"):
        raise denied("Required Select with grant option on all columns of the table.")


def _need(state: State, atom: Atom) -> Cells:
    found = state.filters.get(atom)
    if found is None:
        raise FakeError("EntityNotFoundException", "The table has no filter of this name.")
    return found


def _with_version(cells: Cells, version: str) -> Cells:
    return Cells(
        cells.catalog,
        cells.database,
        cells.table,
        cells.name,
        cells.expression,
        cells.columns,
        cells.left_out,
        version,
    )


def _shown(cells: Cells) -> dict[str, Any]:
    columns: dict[str, Any] = (
        {"ColumnNames": list(cells.columns)}
        if cells.columns is not None
        else {
            "ColumnWildcard": {"ExcludedColumnNames": list(cells.left_out)}
            if cells.left_out
            else {}
        }
    )
    rows: dict[str, Any] = (
        {"AllRowsWildcard": {}}
        if cells.expression is None
        else {"FilterExpression": cells.expression}
    )
    return {
        "TableCatalogId": cells.catalog,
        "DatabaseName": cells.database,
        "TableName": cells.table,
        "Name": cells.name,
        "RowFilter": rows,
        **columns,
        "VersionId": cells.version,
    }
