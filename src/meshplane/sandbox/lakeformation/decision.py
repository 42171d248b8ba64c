"""What a principal may read of a table: the decision that an engine asks for.

Each rule with the page of AWS's documentation that it is from (Lake Formation Developer Guide,
unless said otherwise):

- Grants add up, none takes away; what several of them show is the union, cell by cell: *Overview of
  Lake Formation permissions*, *Data filters in Lake Formation*.
- SELECT on a table, on all tables of its database, or ALL (Super) of either shows everything, later
  columns included: *Lake Formation permissions reference*.
- SELECT on listed columns shows those, on all but some the others, later ones included: *Notes and
  restrictions for column-level filtering*.
- SELECT on a data filter shows its columns in the rows for which its expression is true: *Data
  filters in Lake Formation*, *PartiQL support in row filter expressions*. A filter that names a
  column that the table has not any more shows nothing (closed; AWS tells of an error).
- A grant on what carries LF-tags shows the columns whose tags, inherited or their own, satisfy the
  expression: *Lake Formation tag-based access control best practices and considerations*,
  *Assigning LF-Tags to Data Catalog resources*. A policy for DATABASE shows no data.
- A permission on a database, and DESCRIBE, show no data: *Lake Formation permissions reference*.
- An administrator reads only what is granted to him: *Implicit Lake Formation permissions*.
- What IAM_ALLOWED_PRINCIPALS holds is left to IAM, which lets everybody of the account read here:
  *Default settings - IAMAllowedPrincipal group permissions*. Where a location is registered with
  hybrid access, who opted in is under Lake Formation all the same: *Hybrid access mode*.
- What was granted to an account or an organization is for its administrators, until they grant it
  to somebody; he sees no more than the account was given: *Granting permissions on Data Catalog
  resources*, *Notes and restrictions for column-level filtering*.
- A share that was not accepted gives nothing: *Accessing and viewing shared Data Catalog tables and
  databases*. Within an organization that shares, nothing needs accepting.
- Somebody in another account may be granted to directly: *Cross-account data sharing in Lake
  Formation* (version 3 of sharing).

Not here: IAM's own decision (all are let in), whether the location's role can read, and KMS.
Needs AWS: that its decisions are these.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from meshplane.sandbox.fake import Caller
from meshplane.sandbox.lakeformation.atoms import ALL_TABLES, IAM_ALLOWED, Atom
from meshplane.sandbox.lakeformation.authority import everybody_of, is_admin
from meshplane.sandbox.lakeformation.granting import Accounts
from meshplane.sandbox.lakeformation.predicate import columns_named
from meshplane.sandbox.lakeformation.state import Cells, State
from meshplane.sandbox.lakeformation.tagging import (
    column_tags,
    database_tags,
    matches,
    policy_terms,
    table_tags,
)


@dataclass(frozen=True, slots=True)
class CellScope:
    """Some columns, in some rows.

    Args:
        columns: in lower case.
        rows: the filter's PartiQL text; None: all rows.
    """

    columns: frozenset[str]
    rows: str | None


@dataclass(frozen=True, slots=True)
class TableAccess:
    """The union of scopes; none is no access."""

    scopes: tuple[CellScope, ...]


class Decision:
    """Decides by the grants of all accounts.

    Args:
        accounts: their states.
        only_registered: whether a table whose data is at no registered location shows nothing.
    """

    def __init__(self, accounts: Accounts, *, only_registered: bool = False) -> None:
        self._accounts, self.only_registered = accounts, only_registered

    def access(self, caller: Caller, catalog: str, database: str, table: str) -> TableAccess:
        """What the caller may read of a table.

        Args:
            caller: whoever runs the query.
            catalog: the account that owns the table.
            database: its name in that account.
            table: its name in that account, of no resource link.
        """
        owner = self._accounts.state(catalog, caller.region)
        database, table = database.lower(), table.lower()
        owner.notice(database, table)
        columns = owner.glue.columns(database, table)
        if columns is None:
            return TableAccess(())
        at = _Place(owner, database, table, frozenset(columns))
        location = _location_of(at)
        if self.only_registered and location is None:
            return TableAccess(())
        if caller.account == catalog:
            scopes = self._own(caller, at, location)
        else:
            scopes = self._foreign(caller, at)
        return TableAccess(_joined(scopes))

    def describes(self, caller: Caller, catalog: str, database: str, table: str = "") -> bool:
        """Whether the caller sees that a table, or a database, is there.

        Any permission on it brings DESCRIBE, and one on a table brings DESCRIBE of its database;
        an administrator sees all of his own catalogue.
        """
        owner = self._accounts.state(catalog, caller.region)
        home = self._accounts.state(caller.account, caller.region)
        owner.notice(database.lower(), table.lower())
        if catalog == caller.account and is_admin(caller, home):
            return True
        names: tuple[str, ...] = (caller.arn, everybody_of(caller.account))
        more = (IAM_ALLOWED,) if catalog == caller.account else ()
        if any(_touches(home, owner, one, database.lower(), table.lower()) for one in names + more):
            return True
        if catalog == caller.account:
            return False
        if is_admin(caller, home):
            names += (caller.account, *self._accounts.groups(caller.account))
        return any(
            _touches(owner, owner, one, database.lower(), table.lower())
            and any(
                self._accounts.shared(owner, caller.account, one, atom)
                for atom, _ in owner.of(one)
                if atom.database == database.lower() or atom.kind == "policy"
            )
            for one in names
        )

    def _own(
        self, caller: Caller, at: "_Place", location: dict[str, Any] | None
    ) -> list[CellScope]:
        if self._left_to_iam(caller, at, location):
            return [CellScope(at.columns, None)]
        return [
            scope
            for name in (caller.arn, everybody_of(caller.account))
            for scope in _scopes(at.owner, at, name)
        ]

    def _left_to_iam(self, caller: Caller, at: "_Place", location: dict[str, Any] | None) -> bool:
        for table in (at.table, ALL_TABLES):
            atom = Atom("table", at.owner.account, at.database, table)
            held = at.owner.held(IAM_ALLOWED, atom)
            whole = at.owner.held(
                IAM_ALLOWED, Atom("columns", at.owner.account, at.database, table)
            )
            if "ALL" in held or "SELECT" in whole:
                break
        else:
            return False
        hybrid = location is not None and bool(location.get("HybridAccessEnabled"))
        return not (hybrid and _opted_in(at, caller.arn))

    def _foreign(self, caller: Caller, at: "_Place") -> list[CellScope]:
        home = self._accounts.state(caller.account, caller.region)
        scopes: list[CellScope] = []
        for name in (caller.arn, everybody_of(caller.account)):
            scopes += self._came(caller, at, name)
        given = [
            scope
            for name in (caller.account, *self._accounts.groups(caller.account))
            for scope in self._came(caller, at, name)
        ]
        if is_admin(caller, home):
            return scopes + given
        passed_on = [
            scope
            for name in (caller.arn, everybody_of(caller.account))
            for scope in _scopes(home, at, name)
        ]
        return scopes + [_both(one, other) for one in given for other in passed_on]

    def _came(self, caller: Caller, at: "_Place", principal: str) -> list[CellScope]:
        """What the owner granted to a principal, and what of it has arrived."""
        return _scopes(
            at.owner,
            at,
            principal,
            lambda atom: self._accounts.shared(at.owner, caller.account, principal, atom),
        )


@dataclass(frozen=True, slots=True)
class _Place:
    owner: State
    database: str
    table: str
    columns: frozenset[str]


def _scopes(state: State, at: _Place, principal: str, arrived: Any = None) -> list[CellScope]:
    """What the grants of one principal in one account show of a table."""
    shown: set[str] = set()
    scopes: list[CellScope] = []
    for atom, held in state.of(principal):
        if atom.catalog != at.owner.account or not {"SELECT", "ALL"} & held.keys():
            continue
        if arrived is not None and not arrived(atom):
            continue
        if atom.kind == "policy" and atom.name == "TABLE":
            terms = policy_terms(at.owner, atom)
            shown |= {
                column
                for column in at.columns
                if matches(terms, column_tags(at.owner, at.database, at.table, column))
            }
        elif atom.database == at.database and atom.table in (at.table, ALL_TABLES):
            if atom.kind == "filter":
                scopes += _cells(at.owner.filters.get(atom), at)
            elif atom.kind == "column":
                shown |= {atom.name} & at.columns
            elif atom.kind in {"columns", "table"}:
                shown |= at.columns - set(atom.names)
    return [CellScope(frozenset(shown), None), *scopes]


def _cells(found: Cells | None, at: _Place) -> list[CellScope]:
    if found is None:
        return []
    if found.columns is not None:
        columns = at.columns & set(found.columns)
    else:
        columns = at.columns - set(found.left_out)
    if found.expression is not None and not columns_named(found.expression) <= at.columns:
        return []
    return [CellScope(frozenset(columns), found.expression)]


def _both(one: CellScope, other: CellScope) -> CellScope:
    """What both show."""
    rows = [scope.rows for scope in (one, other) if scope.rows is not None]
    # Not `None`, though TRUE: all rows is what neither of them restricts.
    text = None if not rows else " AND ".join(f"({row})" for row in dict.fromkeys(rows))
    return CellScope(one.columns & other.columns, rows[0] if len(set(rows)) == 1 else text)


def _joined(scopes: Iterable[CellScope]) -> tuple[CellScope, ...]:
    """The same cells in as few scopes as that is easy: one for each condition on rows."""
    columns: dict[str | None, frozenset[str]] = {}
    for scope in scopes:
        columns[scope.rows] = columns.get(scope.rows, frozenset()) | scope.columns
    everywhere = columns.get(None, frozenset())
    return tuple(
        CellScope(columns[rows], rows)
        for rows in sorted(columns, key=lambda rows: (rows is not None, rows or ""))
        if (columns[rows] if rows is None else columns[rows] - everywhere)
    )


def _touches(state: State, owner: State, principal: str, database: str, table: str) -> bool:
    """Whether a principal holds anything on a table, or on a database or something in it."""
    for atom, _ in state.of(principal):
        if atom.catalog != owner.account:
            continue
        if atom.database == database and (
            not table or (atom.table in (table, ALL_TABLES) and atom.kind != "database")
        ):
            return True
        if atom.kind == "policy" and matches(
            policy_terms(owner, atom),
            table_tags(owner, database, table)
            if table and atom.name == "TABLE"
            else database_tags(owner, database),
        ):
            return atom.name == "TABLE" or not table
    return False


def _location_of(at: _Place) -> dict[str, Any] | None:
    """The registered location that a table's data lies in; the closest of several."""
    found = at.owner.glue.table(at.database, at.table) or {}
    where = (found.get("StorageDescriptor") or {}).get("Location") or ""
    if not where:
        where = (found.get("Parameters") or {}).get("metadata_location") or ""
    path = where.partition("://")[2].rstrip("/")
    best: dict[str, Any] | None = None
    for arn, info in at.owner.locations.items():
        root = arn.partition(":::")[2]
        inside = path == root or path.startswith(f"{root}/")
        if inside and (best is None or len(arn) > len(best["ResourceArn"])):
            best = info
    return best


def _opted_in(at: _Place, principal: str) -> bool:
    account = at.owner.account
    atoms = (
        Atom("database", account, at.database),
        Atom("table", account, at.database, at.table),
        Atom("table", account, at.database, ALL_TABLES),
    )
    return any(
        (name, atom) in at.owner.opt_ins for name in (principal, IAM_ALLOWED) for atom in atoms
    )
