"""The operations on LF-tags, and on what carries them.

Limits from the API's model and *Lake Formation tag-based access control notes and restrictions*:
50 values in a call, 1,000 of a tag, 1,000 tags, 50 tags on a resource. The model's answers hold 50
values of a tag at most; those are the first 50 in order.
"""

from typing import Any

from meshplane.sandbox.fake import Caller, FakeError, Handler
from meshplane.sandbox.lakeformation.atoms import Atom, atoms_of, invalid, plain_catalog, terms_of
from meshplane.sandbox.lakeformation.authority import is_admin, may_pass_on
from meshplane.sandbox.lakeformation.granting import Accounts, need_tags
from meshplane.sandbox.lakeformation.permissions import denied
from meshplane.sandbox.lakeformation.state import State
from meshplane.sandbox.lakeformation.tagging import (
    column_tags,
    database_tags,
    matches,
    table_tags,
)
from meshplane.sandbox.paging import page

_MOST_TAGS = 1000
_MOST_VALUES = 1000
_MOST_ON_A_RESOURCE = 50
_SHOWN_VALUES = 50
_PAGE = 50
_TABLE_RIGHTS = ("DESCRIBE", "ALTER", "DROP", "INSERT", "SELECT", "DELETE")
_DATABASE_RIGHTS = ("DESCRIBE", "CREATE_TABLE", "ALTER", "DROP")


class TagOperations:
    """Tags themselves, and their assignment."""

    def __init__(self, accounts: Accounts) -> None:
        """See the class.

        Args:
            accounts: the states of all accounts.
        """
        self._accounts = accounts

    def handlers(self) -> dict[str, Handler]:
        """By the operation's name."""
        return {
            "CreateLFTag": self._create,
            "GetLFTag": self._get,
            "UpdateLFTag": self._update,
            "DeleteLFTag": self._delete,
            "ListLFTags": self._list,
            "AddLFTagsToResource": self._add,
            "RemoveLFTagsFromResource": self._remove,
            "GetResourceLFTags": self._of_resource,
            "SearchDatabasesByLFTags": self._search_databases,
            "SearchTablesByLFTags": self._search_tables,
        }

    def _home(self, caller: Caller, given: dict[str, Any]) -> State:
        catalog = plain_catalog(given.get("CatalogId"), caller.account)
        if catalog != caller.account:
            raise denied("LF-tags of another account are not managed from here.")
        return self._accounts.state(catalog, caller.region)

    def _create(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        state, key = self._home(caller, given), given["TagKey"].lower()
        if not is_admin(caller, state) and "CREATE_LF_TAG" not in state.held(
            caller.arn, Atom("catalog", state.account)
        ):
            raise denied("Required Create LF-tag on the catalog.")
        if key in state.tags:
            raise invalid("Tag key already exists.")
        if len(state.tags) >= _MOST_TAGS:
            raise FakeError("ResourceNumberLimitExceededException", "There are 1,000 LF-tags.")
        state.tags.put(key, tuple(sorted({value.lower() for value in given["TagValues"]})))
        return {}

    def _get(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        state = self._home(caller, given)
        key = given["TagKey"].lower()
        return _tag(state, key, list(_need(state, key)))

    def _update(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        state, key = self._home(caller, given), given["TagKey"].lower()
        values = set(_need(state, key))
        self._manage(caller, state, key, "ALTER")
        gone = {value.lower() for value in given.get("TagValuesToDelete") or ()}
        new = {value.lower() for value in given.get("TagValuesToAdd") or ()}
        if not gone and not new:
            raise invalid("Say values to add, or values to delete.")
        if gone & new:
            raise invalid("A value is both to be added and to be deleted.")
        if not gone <= values:
            raise invalid("A value to delete is none of the LF-tag.")
        if any(tags.get(key) in gone for tags in state.assigned.values()):
            raise invalid("Update not allowed: a value to delete is assigned to a resource.")
        left = (values - gone) | new
        if not left:
            raise invalid("An LF-tag needs a value.")
        if len(left) > _MOST_VALUES:
            raise invalid("An LF-tag has at most 1,000 values.")
        state.tags.put(key, tuple(sorted(left)))
        return {}

    def _delete(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        state, key = self._home(caller, given), given["TagKey"].lower()
        _need(state, key)
        self._manage(caller, state, key, "DROP")
        state.tags.drop(key)
        for atom, tags in list(state.assigned.items()):
            state.assigned[atom] = {name: value for name, value in tags.items() if name != key}
        return {}

    def _list(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        state = self._home(caller, given)
        tags = (
            [] if given.get("ResourceShareType") == "FOREIGN" else sorted(state.tags.seen().items())
        )
        shown, token = page(tags, given, size=_PAGE, largest=_PAGE)
        answer: dict[str, Any] = {}
        if shown:
            answer["LFTags"] = [_tag(state, key, list(values)) for key, values in shown]
        return {**answer, "NextToken": token} if token else answer

    def _manage(self, caller: Caller, state: State, key: str, permission: str) -> None:
        values = (*(state.tags.get(key) or ()), "*")
        if not is_admin(caller, state) and not any(
            permission in state.held(caller.arn, Atom("tag", state.account, name=key, value=value))
            for value in values
        ):
            raise denied(f"Required {permission} on the LF-tag.")

    def _add(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        state, atoms = self._carriers(caller, given)
        failures = []
        for pair in given["LFTags"]:
            try:
                key, value = self._pair(caller, state, pair)
                for atom in atoms:
                    self._assign(state, atom, key, value)
            except FakeError as error:
                failures.append(_failure(pair, error))
        return {"Failures": failures}

    def _remove(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        state, atoms = self._carriers(caller, given)
        failures = []
        for pair in given["LFTags"]:
            try:
                key, value = self._pair(caller, state, pair)
                if any(state.assigned.get(atom, {}).get(key) != value for atom in atoms):
                    raise invalid("The LF-tag with this value is not assigned to the resource.")
                for atom in atoms:
                    state.assigned[atom] = {
                        name: one for name, one in state.assigned[atom].items() if name != key
                    }
            except FakeError as error:
                failures.append(_failure(pair, error))
        return {"Failures": failures}

    def _carriers(self, caller: Caller, given: dict[str, Any]) -> tuple[State, list[Atom]]:
        """What tags are to be put on, or taken from: a database, a table or columns."""
        state = self._home(caller, given)
        atoms = _carriers_of(state, given["Resource"])
        if not is_admin(caller, state):
            for atom in atoms:
                whole = Atom("table", atom.catalog, atom.database, atom.table)
                on, rights = (
                    (atom, _DATABASE_RIGHTS) if atom.kind == "database" else (whole, _TABLE_RIGHTS)
                )
                columns = Atom("columns", atom.catalog, atom.database, atom.table)
                if not all(
                    may_pass_on(state, [caller.arn], columns if right == "SELECT" else on, right)
                    for right in rights
                ):
                    raise denied("Required all permissions with grant option on the resource.")
        return state, atoms

    def _pair(self, caller: Caller, state: State, pair: dict[str, Any]) -> tuple[str, str]:
        key, values = pair["TagKey"].lower(), [value.lower() for value in pair["TagValues"]]
        if len(values) != 1:
            raise invalid("A resource has exactly one value of an LF-tag.")
        need_tags(state, ((key, (values[0],)),))
        if values[0] == "*":
            raise invalid("A resource has a value of an LF-tag, not any.")
        if not is_admin(caller, state) and not any(
            "ASSOCIATE" in state.held(caller.arn, Atom("tag", state.account, name=key, value=one))
            for one in (values[0], "*")
        ):
            raise denied("Required Associate on the LF-tag.")
        return key, values[0]

    def _assign(self, state: State, atom: Atom, key: str, value: str) -> None:
        tags = {**state.assigned.get(atom, {}), key: value}
        if len(tags) > _MOST_ON_A_RESOURCE:
            raise invalid("A resource has at most 50 LF-tags.")
        state.assigned[atom] = tags

    def _of_resource(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        state = self._home(caller, given)
        atoms = _carriers_of(state, given["Resource"])
        own = bool(given.get("ShowAssignedLFTags"))
        at = atoms[0]
        if at.kind == "database":
            return _some("LFTagOnDatabase", _pairs(state, database_tags(state, at.database)))
        columns = (
            sorted(state.glue.need_columns(at.database, at.table))
            if at.kind == "table"
            else [atom.name for atom in atoms]
        )
        return _table_tags(state, at.database, at.table, columns, own=own)

    def _search_databases(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        state, terms = self._home(caller, given), terms_of(given["Expression"])
        need_tags(state, terms)
        found = [
            name for name in state.glue.databases() if matches(terms, database_tags(state, name))
        ]
        shown, token = page(found, given, size=_PAGE)
        answer: dict[str, Any] = {
            "DatabaseList": [
                {
                    "Database": {"CatalogId": state.account, "Name": name},
                    **_some("LFTags", _pairs(state, database_tags(state, name))),
                }
                for name in shown
            ]
        }
        return {**answer, "NextToken": token} if token else answer

    def _search_tables(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        state, terms = self._home(caller, given), terms_of(given["Expression"])
        need_tags(state, terms)
        found = []
        for database in state.glue.databases():
            for table in state.glue.tables(database):
                columns = state.glue.columns(database, table) or {}
                if matches(terms, table_tags(state, database, table)) or any(
                    matches(terms, column_tags(state, database, table, one)) for one in columns
                ):
                    found.append((database, table, sorted(columns)))
        shown, token = page(found, given, size=_PAGE)
        tables = [
            {
                "Table": {"CatalogId": state.account, "DatabaseName": database, "Name": table},
                **_some("LFTagOnDatabase", _pairs(state, database_tags(state, database))),
                **_table_tags(state, database, table, columns, own=False),
            }
            for database, table, columns in shown
        ]
        answer: dict[str, Any] = {"TableList": tables}
        return {**answer, "NextToken": token} if token else answer


def _carriers_of(state: State, resource: dict[str, Any]) -> list[Atom]:
    [atoms] = atoms_of(resource, state.account, ["DESCRIBE"])
    for atom in atoms:
        if atom.catalog != state.account:
            raise denied("The LF-tag and the resource must be in one account.")
        if atom.kind == "database":
            state.glue.need_database(atom.database)
        elif atom.kind in {"table", "column"} and atom.table != "ALL_TABLES":
            columns = state.glue.need_columns(atom.database, atom.table)
            if atom.kind == "column" and atom.name not in columns:
                raise FakeError("EntityNotFoundException", "The table has no such column.")
        else:
            raise invalid("LF-tags are on databases, tables and listed columns.")
    return atoms


def _table_tags(
    state: State, database: str, table: str, columns: list[str], *, own: bool
) -> dict[str, Any]:
    """The tags of a table and of columns of it.

    Args:
        state: where they are.
        database: that it lies in.
        table: its name.
        columns: those that are asked about.
        own: only what is assigned there, without what is inherited.
    """
    on_table = Atom("table", state.account, database, table)
    mine = state.assigned.get(on_table, {}) if own else table_tags(state, database, table)
    on_columns = []
    for name in columns:
        atom = Atom("column", state.account, database, table, name)
        tags = state.assigned.get(atom, {}) if own else column_tags(state, database, table, name)
        if tags:
            on_columns.append({"Name": name, "LFTags": _pairs(state, tags)})
    return {
        **_some("LFTagsOnTable", _pairs(state, mine)),
        **_some("LFTagsOnColumns", on_columns),
    }


def _pairs(state: State, tags: dict[str, str]) -> list[dict[str, Any]]:
    return [_tag(state, key, [value]) for key, value in sorted(tags.items())]


def _tag(state: State, key: str, values: list[str]) -> dict[str, Any]:
    return {"CatalogId": state.account, "TagKey": key, "TagValues": values[:_SHOWN_VALUES]}


def _some(member: str, values: list[Any]) -> dict[str, Any]:
    """The member, if it holds something: the model has no empty lists of tags."""
    return {member: values} if values else {}


def _need(state: State, key: str) -> tuple[str, ...]:
    values = state.tags.get(key)
    if values is None:
        raise FakeError("EntityNotFoundException", "LF-tag key does not exist.")
    return values


def _failure(pair: dict[str, Any], error: FakeError) -> dict[str, Any]:
    return {
        "LFTag": pair,
        "Error": {"ErrorCode": error.code, "ErrorMessage": error.message},
    }
