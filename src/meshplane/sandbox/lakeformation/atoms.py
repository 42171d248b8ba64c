"""What a permission can be on, taken apart into pieces that are granted and revoked one by one.

A `Resource` of the API may name several columns or several values of a tag. Each becomes an atom
of its own, so that granting twice merges and revoking takes away a part, without special cases.
Shown to a caller, atoms of one principal are put together again (`listing`).

Facts of the listing, from what users of the API see: SELECT on a table is kept as SELECT on all of
its columns (`TableWithColumns` with a `ColumnWildcard`), the other permissions as ones on `Table`;
all tables of a database are called `ALL_TABLES`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from meshplane.sandbox.fake import FakeError

ALL_TABLES = "ALL_TABLES"
IAM_ALLOWED = "IAM_ALLOWED_PRINCIPALS"
"""The group of everybody whom IAM lets in: what is granted to it is not Lake Formation's."""

Terms = tuple[tuple[str, tuple[str, ...]], ...]
"""An LF-tag expression: keys with the values that each may have, sorted by key."""


@dataclass(frozen=True, slots=True, order=True)
class Atom:
    """One piece of a resource.

    Args:
        kind: `catalog`, `database`, `table`, `column` (one that is listed), `columns` (all but
            `names`), `filter`, `location`, `tag` (one value), `policy` (what carries tags),
            `expression` (a saved one).
        catalog: the account that owns it.
        database: its database, if it lies in one.
        table: its table, or ALL_TABLES.
        name: of the column, the filter, the location, the tag's key, the saved expression; of a
            policy, the type of the resources that it is about.
        value: of the tag; of a policy, the name of the saved expression that it goes by.
        names: the columns that are left out.
        terms: of a policy that goes by no saved expression.
    """

    kind: str
    catalog: str
    database: str = ""
    table: str = ""
    name: str = ""
    value: str = ""
    names: tuple[str, ...] = ()
    terms: Terms = ()


def atoms_of(resource: dict[str, Any], catalog: str, permissions: list[str]) -> list[list[Atom]]:
    """For each permission, the atoms that it is on.

    Args:
        resource: of a request; has exactly one member that this fake knows.
        catalog: where it lies, unless it says so itself.
        permissions: of the request, which decide how a table is taken apart.

    Raises:
        FakeError: the resource is none, or several, or says too little or too much.
    """
    if len(resource) != 1:
        raise invalid("Resource must have exactly one member.")
    [(member, body)] = resource.items()
    if member == "Table":
        whole = _table(body, catalog)
        columns = Atom("columns", whole.catalog, whole.database, whole.table)
        return [[columns] if permission == "SELECT" else [whole] for permission in permissions]
    one = _READERS.get(member)
    if one is None:
        raise invalid(f"{member} is not among the resources that this sandbox knows.")
    return [one(body, catalog)] * len(permissions)


def kind_of(resource: dict[str, Any]) -> str:
    """The kind of a resource for the table of permissions: its member, tags' policies by type."""
    member = next(iter(resource), "")
    if member == "LFTagPolicy":
        return f"LFTagPolicy {resource[member]['ResourceType']}"
    return member


def terms_of(expression: list[dict[str, Any]]) -> Terms:
    """An expression in its one order; keys and values are kept in lower case.

    Raises:
        FakeError: a key stands twice.
    """
    keys = [term["TagKey"].lower() for term in expression]
    if len(set(keys)) != len(keys):
        raise invalid("An LF-tag key stands twice in the expression.")
    return tuple(
        sorted(
            (term["TagKey"].lower(), tuple(sorted({one.lower() for one in term["TagValues"]})))
            for term in expression
        )
    )


def expression_of(terms: Terms) -> list[dict[str, Any]]:
    """An expression as the API writes it."""
    return [{"TagKey": key, "TagValues": list(values)} for key, values in terms]


def plain_catalog(catalog: str | None, default: str) -> str:
    """The account whose catalog is meant.

    Raises:
        FakeError: it is no account's.
    """
    name = catalog or default
    if not (len(name) == 12 and name.isdigit()):
        raise invalid("CatalogId must be an account of 12 digits; nested catalogs are not here.")
    return name


def invalid(message: str) -> FakeError:
    """The error for a request that cannot be meant."""
    return FakeError("InvalidInputException", message)


def _table(body: dict[str, Any], catalog: str) -> Atom:
    wildcard, name = body.get("TableWildcard"), body.get("Name", "")
    if wildcard is not None and name not in ("", ALL_TABLES):
        raise invalid("Table must have either a Name or a TableWildcard.")
    if wildcard is None and not name:
        raise invalid("Table must have a Name or a TableWildcard.")
    if wildcard is None and name == ALL_TABLES:
        raise invalid("All tables are named by a TableWildcard.")
    table = ALL_TABLES if wildcard is not None else name.lower()
    home = plain_catalog(body.get("CatalogId"), catalog)
    return Atom("table", home, body["DatabaseName"].lower(), table)


def _columns(body: dict[str, Any], catalog: str) -> list[Atom]:
    names, wildcard = body.get("ColumnNames"), body.get("ColumnWildcard")
    if (names is None) == (wildcard is None):
        raise invalid("TableWithColumns must have either ColumnNames or a ColumnWildcard.")
    home = plain_catalog(body.get("CatalogId"), catalog)
    name = body["Name"]
    at = (home, body["DatabaseName"].lower(), name if name == ALL_TABLES else name.lower())
    if wildcard is not None:
        left_out = wildcard.get("ExcludedColumnNames") or ()
        return [Atom("columns", *at, names=tuple(sorted({one.lower() for one in left_out})))]
    if not names:
        raise invalid("ColumnNames must not be empty.")
    return [Atom("column", *at, name=one) for one in sorted({name.lower() for name in names})]


def _filter(body: dict[str, Any], catalog: str) -> list[Atom]:
    if not all(body.get(member) for member in ("DatabaseName", "TableName", "Name")):
        raise invalid("DataCellsFilter must name its database, its table and itself.")
    home = plain_catalog(body.get("TableCatalogId"), catalog)
    return [
        Atom(
            "filter",
            home,
            body["DatabaseName"].lower(),
            body["TableName"].lower(),
            name=body["Name"],
        )
    ]


def _policy(body: dict[str, Any], catalog: str) -> list[Atom]:
    home = plain_catalog(body.get("CatalogId"), catalog)
    expression, saved = body.get("Expression"), body.get("ExpressionName")
    if bool(expression) == bool(saved):
        raise invalid("LFTagPolicy must have either an Expression or an ExpressionName.")
    if saved:
        return [Atom("policy", home, name=body["ResourceType"], value=saved)]
    return [Atom("policy", home, name=body["ResourceType"], terms=terms_of(expression or []))]


def _tag(body: dict[str, Any], catalog: str) -> list[Atom]:
    home = plain_catalog(body.get("CatalogId"), catalog)
    key = body["TagKey"].lower()
    return [
        Atom("tag", home, name=key, value=one)
        for one in sorted({value.lower() for value in body["TagValues"]})
    ]


_READERS: dict[str, Callable[[dict[str, Any], str], list[Atom]]] = {
    "Catalog": lambda body, catalog: [Atom("catalog", plain_catalog(body.get("Id"), catalog))],
    "Database": lambda body, catalog: [
        Atom("database", plain_catalog(body.get("CatalogId"), catalog), body["Name"].lower())
    ],
    "TableWithColumns": _columns,
    "DataLocation": lambda body, catalog: [
        Atom(
            "location",
            plain_catalog(body.get("CatalogId"), catalog),
            name=body["ResourceArn"],
        )
    ],
    "DataCellsFilter": _filter,
    "LFTagPolicy": _policy,
    "LFTag": _tag,
    "LFTagExpression": lambda body, catalog: [
        Atom("expression", plain_catalog(body.get("CatalogId"), catalog), name=body["Name"])
    ],
}
