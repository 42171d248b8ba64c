"""Lake Formation's permissions as entries of a lake, and back. Pure.

Lake Formation does not answer as it was asked, and several of its answers can be one entry here:

- SELECT on a table comes back as SELECT on all of its columns, beside the table's other
  permissions; all tables of a database come back under the name `ALL_TABLES`.
- What it answers says the catalog, and lists in whatever order.
- A grant on a data cells filter names the filter; what that lets through is asked for apart.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from meshplane.kit.clock import to_text
from meshplane.services.lake.entries import canonical, entry, fingerprint_of
from meshplane.services.lake.ports import LakeEntry

ALL_TABLES: Final = "ALL_TABLES"
ALL_PRINCIPALS: Final = "IAM_ALLOWED_PRINCIPALS"
"""Whoever IAM lets in: what it holds passes Lake Formation by."""

FilterName = tuple[str, str, str]
"""Database, table, and the filter's own name."""

_ON_DATABASE = frozenset({"ALL", "ALTER", "CREATE_TABLE", "DESCRIBE", "DROP"})
_ON_TABLE = frozenset({"ALL", "SELECT", "DESCRIBE", "INSERT", "DELETE", "ALTER", "DROP"})
_PERMITTED = {
    "Database": _ON_DATABASE,
    "Table": _ON_TABLE,
    "TableWithColumns": frozenset({"SELECT"}),
    "DataCellsFilter": frozenset({"SELECT"}),
    "DataLocation": frozenset({"DATA_LOCATION_ACCESS"}),
}
_MOST_EXPRESSION = 2048


@dataclass(frozen=True, slots=True)
class Cells:
    """A data cells filter: what it lets through, as entries say it, and its version."""

    content: Mapping[str, Any]
    version: str | None


ListKey = tuple[str, bytes]
"""Of a list of columns: the principal, and the table."""


@dataclass(slots=True)
class ColumnList:
    """The columns of a table that one principal may read by their names.

    Args:
        principal: who.
        table: the members that name the table.
        columns: all of them, whatever grants they came by.
        passed_on: those that it may pass on.
    """

    principal: str
    table: dict[str, Any]
    columns: set[str] = field(default_factory=set)
    passed_on: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Holdings:
    """What a lake holds, or a part of it.

    Args:
        entries: by key.
        filters: the data cells filters by name.
        lists: of columns; `aws_columns.settle` makes entries of them.
    """

    entries: dict[str, LakeEntry] = field(default_factory=dict)
    filters: dict[FilterName, Cells] = field(default_factory=dict)
    lists: dict[ListKey, ColumnList] = field(default_factory=dict)


def holdings(
    listed: Iterable[Mapping[str, Any]],
    filters: Mapping[FilterName, Cells],
    account: str,
    own: frozenset[str] = frozenset(),
) -> Holdings:
    """What `list_permissions` told, as entries.

    Args:
        listed: its `PrincipalResourcePermissions`.
        filters: the data cells filters that grants are on.
        account: of the catalog.
        own: principals that look after the lake. What they hold is no grant of data, and left out.
    """
    found: dict[str, LakeEntry] = {}
    lists: dict[ListKey, ColumnList] = {}
    for one in listed:
        principal = one.get("Principal", {}).get("DataLakePrincipalIdentifier", "")
        if principal in own:
            continue
        resource = plain(one.get("Resource", {}), account)
        condition = one.get("Condition", {}).get("Expression")
        if condition:
            ((kind, on),) = resource.items()
            resource = {kind: {**on, "Condition": condition}}
        part = _held(principal, resource, one, filters)
        if list_key(principal, resource) is not None:
            join(lists, part)
            continue
        known = found.get(part.key)
        found[part.key] = part if known is None else merged(known, part)
    held = {key: one for key, one in found.items() if one.permissions}
    return Holdings(held, dict(filters), lists)


def list_key(principal: str, resource: Mapping[str, Any]) -> ListKey | None:
    """Which list of columns an entry is a part of; None of one that names no columns."""
    on = resource.get("TableWithColumns", {})
    if "ColumnNames" not in on or "Condition" in on:
        return None
    return principal, canonical(group_of(resource))


def join(lists: dict[ListKey, ColumnList], part: LakeEntry) -> None:
    """Adds what an entry on listed columns says to the lists."""
    key = list_key(part.principal, part.resource)
    if key is None:
        return
    table = group_of(part.resource)["Table"]
    held = lists.setdefault(key, ColumnList(part.principal, table))
    names = set(part.resource["TableWithColumns"]["ColumnNames"])
    held.columns |= names
    if "SELECT" in part.grantable:
        held.passed_on |= names


def _held(
    principal: str,
    resource: Mapping[str, Any],
    told: Mapping[str, Any],
    filters: Mapping[FilterName, Cells],
) -> LakeEntry:
    name = filter_name(resource)
    cells = filters.get(name) if name is not None else None
    changed = told.get("LastUpdated")
    grantable = told.get("PermissionsWithGrantOption") or ()
    return made(
        principal,
        resource,
        # Whoever may only pass something on holds it as well, as far as this can be told.
        {*(told.get("Permissions") or ()), *grantable},
        grantable,
        filter=None if cells is None else cells.content,
        made_at=to_text(changed) if isinstance(changed, datetime) else None,
    )


def made(
    principal: str,
    resource: Mapping[str, Any],
    permissions: Iterable[str],
    grantable: Iterable[str],
    *,
    filter: Mapping[str, Any] | None = None,  # noqa: A002 - Lake Formation's own word
    made_at: str | None = None,
) -> LakeEntry:
    """An entry whose revision is its content: Lake Formation counts no changes of a grant."""
    given, passed = sorted(set(permissions)), sorted(set(grantable))
    mark = fingerprint_of(canonical([given, passed, filter, {}]))
    return entry(principal, resource, given, passed, filter=filter, made_at=made_at, revision=mark)


def merged(one: LakeEntry, other: LakeEntry) -> LakeEntry:
    """Two answers about the same principal and resource, as one."""
    return made(
        one.principal,
        one.resource,
        {*one.permissions, *other.permissions},
        {*one.grantable, *other.grantable},
        filter=one.filter if one.filter is not None else other.filter,
        made_at=max(one.made_at or "", other.made_at or "") or None,
    )


def plain(resource: Mapping[str, Any], account: str) -> dict[str, Any]:
    """A resource of Lake Formation's as an entry says it; the account's own catalog goes unsaid."""
    ((kind, told),) = resource.items()
    on = {name: value for name, value in told.items() if value is not None}
    for name in ("CatalogId", "TableCatalogId"):
        if on.get(name) == account:
            del on[name]
    if kind == "Table":
        return {"Table": _whole(on)}
    if kind == "TableWithColumns":
        names = on.pop("ColumnNames", None)
        wildcard = on.pop("ColumnWildcard", None)
        if names:
            return {kind: {**on, "ColumnNames": sorted(names)}}
        left_out = sorted((wildcard or {}).get("ExcludedColumnNames") or ())
        if not left_out:
            return {"Table": _whole(on)}
        return {kind: {**on, "ColumnWildcard": {"ExcludedColumnNames": left_out}}}
    if kind == "LFTagPolicy" and "Expression" in on:
        terms = {term["TagKey"]: sorted(term["TagValues"]) for term in on["Expression"]}
        on["Expression"] = [
            {"TagKey": key, "TagValues": values} for key, values in sorted(terms.items())
        ]
    return {kind: on}


def _whole(on: Mapping[str, Any]) -> dict[str, Any]:
    if "TableWildcard" not in on and on.get("Name") != ALL_TABLES:
        return dict(on)
    return {
        **{name: value for name, value in on.items() if name not in {"Name", "TableWildcard"}},
        "TableWildcard": {},
    }


def asked(resource: Mapping[str, Any], account: str) -> dict[str, Any]:
    """An entry's resource as a call has it."""
    ((kind, on),) = resource.items()
    if kind == "DataCellsFilter":
        return {kind: {"TableCatalogId": account, **on}}
    return {kind: dict(on)}


def group_of(resource: Mapping[str, Any]) -> dict[str, Any]:
    """The resource by which `list_permissions` tells of an entry: of columns, their table."""
    ((kind, on),) = resource.items()
    if kind == "TableWithColumns":
        members = {name: on[name] for name in ("CatalogId", "DatabaseName", "Name") if name in on}
        return {"Table": _whole(members)}
    return {kind: {name: value for name, value in on.items() if name != "Condition"}}


def filter_name(resource: Mapping[str, Any]) -> FilterName | None:
    """Of a data cells filter, its name; None of any other resource."""
    on = resource.get("DataCellsFilter")
    return None if on is None else (on["DatabaseName"], on["TableName"], on["Name"])


def cells_of(told: Mapping[str, Any]) -> tuple[FilterName, Cells]:
    """A data cells filter as Lake Formation tells of it."""
    rows = told.get("RowFilter") or {}
    text = rows.get("FilterExpression")
    everything = "AllRowsWildcard" in rows or not text
    content: dict[str, Any] = {
        "RowFilter": {"AllRowsWildcard": {}} if everything else {"FilterExpression": text}
    }
    names = told.get("ColumnNames")
    if names:
        content["ColumnNames"] = sorted(names)
    else:
        left_out = (told.get("ColumnWildcard") or {}).get("ExcludedColumnNames") or ()
        content["ColumnWildcard"] = {"ExcludedColumnNames": sorted(left_out)}
    name = (told["DatabaseName"], told["TableName"], told["Name"])
    return name, Cells(content, told.get("VersionId"))


def problem(meant: LakeEntry) -> str | None:
    """Why Lake Formation cannot hold an entry; None if it can, as far as can be told from here."""
    ((kind, on),) = meant.resource.items()
    permitted = _PERMITTED.get(kind)
    if kind == "LFTagPolicy":
        permitted = _ON_DATABASE if on.get("ResourceType") == "DATABASE" else _ON_TABLE
    if permitted is None:
        return f"The mesh puts no grants on a {kind}."
    if not meant.permissions or not permitted.issuperset(meant.permissions):
        return f"Lake Formation permits nothing of that kind on a {kind}."
    if not set(meant.permissions).issuperset(meant.grantable):
        return "It passes on what it does not permit."
    if meant.masks:
        return "Lake Formation cannot mask."
    if kind == "LFTagPolicy" and "DatabaseName" in on:
        return "Lake Formation's tags know no databases: name one by a tag."
    if kind == "TableWithColumns":
        return _columns_problem(on, passes_on=bool(meant.grantable))
    if kind == "DataCellsFilter":
        return _cells_problem(meant.filter)
    return None


def _columns_problem(on: Mapping[str, Any], *, passes_on: bool) -> str | None:
    if "ColumnNames" in on:
        return None if on["ColumnNames"] else "It names no column."
    if not (on.get("ColumnWildcard") or {}).get("ExcludedColumnNames"):
        return "It leaves no column out: it is a grant on the table."
    if passes_on:
        return "With the right to grant, Lake Formation takes a list of columns."
    return None


def _cells_problem(content: Mapping[str, Any] | None) -> str | None:
    if content is None:
        return "It does not say what its filter lets through."
    if "ColumnNames" in content and not content["ColumnNames"]:
        return "Its filter names no column."
    if len(content["RowFilter"].get("FilterExpression", "")) > _MOST_EXPRESSION:
        return f"Its row filter is longer than {_MOST_EXPRESSION} characters."
    return None
