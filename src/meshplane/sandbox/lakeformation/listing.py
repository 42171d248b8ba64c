"""Who holds what: the lists, and what a principal holds in effect.

From the API reference: *ListPermissions* (explicit grants; with both a principal and a resource
those in effect, what it gets by LF-tags and by wider grants included; a principal alone is refused;
`IncludeRelated` adds the filters of a table; who administers nothing sees what is his, and what he
may grant), *GetEffectivePermissionsForPath*.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from meshplane.sandbox.fake import Caller, Handler
from meshplane.sandbox.lakeformation.atoms import (
    ALL_TABLES,
    IAM_ALLOWED,
    Atom,
    atoms_of,
    expression_of,
    invalid,
    plain_catalog,
)
from meshplane.sandbox.lakeformation.authority import everybody_of, is_admin, may_pass_on
from meshplane.sandbox.lakeformation.granting import Accounts
from meshplane.sandbox.lakeformation.permissions import NEED_ALL_COLUMNS, account_of, one_name
from meshplane.sandbox.lakeformation.state import Held, State
from meshplane.sandbox.lakeformation.tagging import (
    column_tags,
    database_tags,
    matches,
    policy_terms,
    table_tags,
)
from meshplane.sandbox.paging import page

_PAGE = 100
_TYPES = {
    "CATALOG": {"catalog"},
    "DATABASE": {"database"},
    "TABLE": {"table", "columns", "column", "filter"},
    "DATA_LOCATION": {"location"},
    "LF_TAG": {"tag"},
    "LF_TAG_POLICY": {"policy"},
    "LF_TAG_POLICY_DATABASE": {"policy"},
    "LF_TAG_POLICY_TABLE": {"policy"},
    "LF_NAMED_TAG_EXPRESSION": {"expression"},
}
_POLICY_ABOUT = {"LF_TAG_POLICY_DATABASE": "DATABASE", "LF_TAG_POLICY_TABLE": "TABLE"}

Row = tuple[str, Atom, Held]


class Listing:
    """The operations that list permissions."""

    def __init__(self, accounts: Accounts) -> None:
        """See the class.

        Args:
            accounts: the states of all accounts.
        """
        self._accounts = accounts

    def handlers(self) -> dict[str, Handler]:
        """By the operation's name."""
        return {"ListPermissions": self._list, "GetEffectivePermissionsForPath": self._for_path}

    def _list(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        principal, resource = given.get("Principal"), given.get("Resource")
        if principal is not None and resource is None:
            raise invalid("Resource is mandatory if Principal is set in the input.")
        related = given.get("IncludeRelated", "FALSE").upper() == "TRUE"
        if related and principal is not None:
            raise invalid("With IncludeRelated there must be no Principal.")
        if resource is not None and "TableWithColumns" in resource:
            raise invalid("Permissions on columns are listed by their Table.")
        catalog = plain_catalog(given.get("CatalogId"), caller.account)
        on = _asked(resource, catalog) if resource is not None else None
        owner = self._accounts.state(on.catalog if on is not None else catalog, caller.region)
        if on is None:
            owner.notice_all()
        else:
            owner.notice_all_of([(on, "")])
        rows = list(self._rows(caller, owner))
        if principal is not None and on is not None:
            name = one_name(principal["DataLakePrincipalIdentifier"])
            rows = _in_effect(owner, name, [row for row in rows if row[0] == name], on)
        elif on is not None:
            rows = [row for row in rows if _is_on(row[1], on, related)]
        kind = given.get("ResourceType")
        if kind is not None:
            rows = [row for row in rows if _is_of(row[1], kind)]
        groups, token = page(_groups(rows), given, size=_PAGE)
        shown = [_shown(members) for members in groups]
        for row in shown:
            arns = self._accounts.share_arns(owner, row["Principal"]["DataLakePrincipalIdentifier"])
            if arns:
                row["AdditionalDetails"] = {"ResourceShare": list(arns)}
        answer: dict[str, Any] = {"PrincipalResourcePermissions": shown}
        return {**answer, "NextToken": token} if token else answer

    def _for_path(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        arn = given["ResourceArn"].rstrip("/")
        state = self._accounts.state(
            plain_catalog(given.get("CatalogId"), caller.account), caller.region
        )
        state.notice_all()
        path = arn.partition(":::")[2]
        rows: list[Row] = []
        for database in state.glue.databases():
            there = state.glue.database(database) or {}
            if _path(there.get("LocationUri")) == path:
                on = Atom("database", state.account, database)
                rows += [row for row in self._rows(caller, state) if _is_on(row[1], on, False)]
            for table in state.glue.tables(database):
                found = state.glue.table(database, table) or {}
                if _path((found.get("StorageDescriptor") or {}).get("Location")) == path:
                    on = Atom("table", state.account, database, table)
                    rows += [row for row in self._rows(caller, state) if _is_on(row[1], on, False)]
        groups, token = page(_groups(rows), given, size=_PAGE)
        answer: dict[str, Any] = {"Permissions": [_shown(members) for members in groups]}
        return {**answer, "NextToken": token} if token else answer

    def _rows(self, caller: Caller, owner: State) -> Iterator[Row]:
        """The grants that an account sees: its own, and those that another made to it."""
        home = self._accounts.state(caller.account, caller.region)
        sees_all = is_admin(caller, home) or caller.arn in home.readers()
        for (principal, atom), held in home.grants.seen().items():
            if atom.catalog != owner.account:
                continue
            shown = (
                held if sees_all or principal == caller.arn else _shown_to(caller, home, atom, held)
            )
            if shown is not None:
                yield principal, atom, shown
        if owner.account == caller.account or not sees_all:
            return
        groups = self._accounts.groups(caller.account)
        for (principal, atom), held in owner.grants.seen().items():
            mine = principal in groups or (
                principal != IAM_ALLOWED and account_of(principal) == caller.account
            )
            if mine and self._accounts.shared(owner, caller.account, principal, atom):
                yield principal, atom, held


def _shown_to(caller: Caller, home: State, atom: Atom, held: Held) -> Held | None:
    """What of another's grant somebody sees: the permissions that he may grant himself."""
    names = (caller.arn, everybody_of(caller.account))
    shown = {
        permission: passed
        for permission, passed in held.permissions.items()
        if may_pass_on(home, names, atom, permission)
    }
    return Held(shown, held.at, held.by) if shown else None


def resource_of(atom: Atom) -> dict[str, Any]:
    """An atom as the API writes it."""
    table = {"CatalogId": atom.catalog, "DatabaseName": atom.database, "Name": atom.table}
    if atom.kind == "catalog":
        return {"Catalog": {"Id": atom.catalog}}
    if atom.kind == "database":
        return {"Database": {"CatalogId": atom.catalog, "Name": atom.database}}
    if atom.kind == "table":
        wildcard: dict[str, Any] = {"TableWildcard": {}} if atom.table == ALL_TABLES else {}
        return {"Table": {**table, **wildcard}}
    if atom.kind == "column":
        return {"TableWithColumns": {**table, "ColumnNames": [atom.name]}}
    if atom.kind == "columns":
        left_out = {"ExcludedColumnNames": list(atom.names)} if atom.names else {}
        return {"TableWithColumns": {**table, "ColumnWildcard": left_out}}
    if atom.kind == "filter":
        at = {"TableCatalogId": atom.catalog, "DatabaseName": atom.database}
        return {"DataCellsFilter": {**at, "TableName": atom.table, "Name": atom.name}}
    if atom.kind == "location":
        return {"DataLocation": {"CatalogId": atom.catalog, "ResourceArn": atom.name}}
    if atom.kind == "tag":
        pair = {"TagKey": atom.name, "TagValues": [atom.value]}
        return {"LFTag": {"CatalogId": atom.catalog, **pair}}
    if atom.kind == "expression":
        return {"LFTagExpression": {"CatalogId": atom.catalog, "Name": atom.name}}
    by = {"ExpressionName": atom.value} if atom.value else {"Expression": expression_of(atom.terms)}
    return {"LFTagPolicy": {"CatalogId": atom.catalog, "ResourceType": atom.name, **by}}


def _asked(resource: dict[str, Any], catalog: str) -> Atom:
    """The one atom that a list is asked about."""
    [atoms] = atoms_of(resource, catalog, ["DESCRIBE"])
    return atoms[0]


def _is_on(atom: Atom, on: Atom, related: bool) -> bool:
    """Whether a grant belongs into the list about a resource."""
    if on.kind == "table":
        same = (atom.catalog, atom.database, atom.table) == (on.catalog, on.database, on.table)
        return same and (atom.kind != "filter" or related)
    if on.kind == "tag":
        return atom.kind == "tag" and atom.name == on.name
    return atom == on


def _is_of(atom: Atom, kind: str) -> bool:
    about = _POLICY_ABOUT.get(kind)
    return atom.kind in _TYPES.get(kind, ()) and (about is None or atom.name == about)


def _in_effect(owner: State, principal: str, rows: list[Row], on: Atom) -> list[Row]:
    """What a principal holds on a resource, wherever it comes from.

    On a table or a database any permission brings DESCRIBE.
    """
    if on.kind not in {"table", "database"}:
        return [row for row in rows if _is_on(row[1], on, False)]
    found: dict[Atom, dict[str, bool]] = {}
    last: Held | None = None
    for _, atom, held in rows:
        for covered in _covered(owner, atom, on):
            mine = found.setdefault(covered, {})
            for permission in _given(owner, atom, on, held.permissions):
                grantable = held.permissions.get(permission, held.permissions.get("ALL", False))
                mine[permission] = mine.get(permission, False) or grantable
            last = held if last is None or held.at > last.at else last
    if last is None:
        return []
    found.setdefault(on, {}).setdefault("DESCRIBE", False)
    return [
        (principal, atom, Held(permissions, last.at, last.by))
        for atom, permissions in found.items()
        if permissions
    ]


def _covered(owner: State, atom: Atom, on: Atom) -> Iterable[Atom]:
    """The atoms of the asked resource that a grant reaches."""
    if atom.kind == "policy":
        return _by_tags(owner, atom, on)
    if on.kind == "database":
        reaches = atom == on or (
            atom.kind in {"table", "columns"}
            and atom.table == ALL_TABLES
            and (atom.catalog, atom.database) == (on.catalog, on.database)
        )
        return [on] if reaches else []
    if (atom.catalog, atom.database) != (on.catalog, on.database):
        return []
    if atom.table not in (on.table, ALL_TABLES) or atom.kind == "database":
        return []
    if atom.kind in {"column", "columns"}:
        return [
            Atom(
                atom.kind,
                on.catalog,
                on.database,
                on.table,
                atom.name,
                names=atom.names,
            )
        ]
    return [on]


def _by_tags(owner: State, atom: Atom, on: Atom) -> list[Atom]:
    terms = policy_terms(owner, atom)
    if on.kind == "database":
        return [on] if matches(terms, database_tags(owner, on.database)) else []
    if atom.name != "TABLE" or on.table == ALL_TABLES:
        return []
    columns = owner.glue.columns(on.database, on.table) or {}
    matched = [
        one
        for one in sorted(columns)
        if matches(terms, column_tags(owner, on.database, on.table, one))
    ]
    if len(matched) == len(columns):
        found = [on, Atom("columns", on.catalog, on.database, on.table)]
    else:
        found = [Atom("column", on.catalog, on.database, on.table, one) for one in matched]
    return found if matched or matches(terms, table_tags(owner, on.database, on.table)) else []


def _given(owner: State, atom: Atom, on: Atom, held: Mapping[str, bool]) -> list[str]:
    """The permissions that a grant gives on what it reaches of the asked resource."""
    if on.kind == "database" and atom != on:
        whole = atom.kind == "policy" and atom.name == "DATABASE"
        return sorted(held) if whole else ["DESCRIBE"]
    if atom.kind != "policy":
        return sorted(held) if atom.kind != "filter" else ["DESCRIBE"]
    part = any(one.kind == "column" for one in _by_tags(owner, atom, on))
    if not part:
        return sorted(held)
    if "ALL" in held:
        return ["SELECT"]
    return sorted(held.keys() - NEED_ALL_COLUMNS - {"DESCRIBE"})


def _groups(rows: list[Row]) -> list[list[Row]]:
    """Rows that are shown as one: the columns, and the values of a tag, that are held alike."""
    keyed = sorted(((_together(row), row[1].name, row[1].value, row) for row in rows), key=_order)
    return [[one[-1] for one in group] for _, group in groupby(keyed, key=lambda one: one[0])]


def _order(keyed: tuple[Any, str, str, Row]) -> tuple[Any, str, str]:
    return keyed[:3]


def _shown(members: list[Row]) -> dict[str, Any]:
    """Rows that belong together, as the API shows them."""
    principal, atom, _ = members[0]
    resource = resource_of(atom)
    if atom.kind == "column":
        resource["TableWithColumns"]["ColumnNames"] = [one.name for _, one, _ in members]
    if atom.kind == "tag":
        resource["LFTag"]["TagValues"] = [one.value for _, one, _ in members]
    last = max((held for *_, held in members), key=lambda held: held.at)
    return {
        "Principal": {"DataLakePrincipalIdentifier": principal},
        "Resource": resource,
        "Permissions": sorted(last.permissions),
        "PermissionsWithGrantOption": sorted(
            permission for permission, passed in last.permissions.items() if passed
        ),
        "LastUpdated": last.at,
        "LastUpdatedBy": last.by,
    }


def _together(row: Row) -> tuple[Any, ...]:
    """What two rows have in common that are shown as one; it can be put in order."""
    principal, atom, held = row
    alike = tuple(sorted(held.permissions.items()))
    own: tuple[Any, ...] = (atom.name, atom.value, atom.names, atom.terms)
    if atom.kind == "column":
        own = ("", "", (), ())
    elif atom.kind == "tag":
        own = (atom.name, "", (), ())
    return (principal, atom.kind, atom.catalog, atom.database, atom.table, own, alike)


def _path(location: str | None) -> str:
    return (location or "").partition("://")[2].rstrip("/")
