"""What a project may see of a table in Redshift, as Redshift's own rights. Pure.

Columns become SELECT on a list of them, which a column that is added later does not join. Rows
become one row-level policy, attached to the user that the project's role is there. A mask cannot be
carried, so a column that is masked is left out. Grants that show different columns of different
rows cannot be said by one list and one policy, and are refused.

Row-level security hides a whole table from everybody who has no policy on it. So the mesh does not
turn it on: who answers for the table does, once (`ALTER TABLE … ROW LEVEL SECURITY ON`), and until
then a grant on rows stays closed.

Source: Redshift's database developer guide, "GRANT", "CREATE RLS POLICY", "Row-level security".
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from meshplane.services.permissions.api import RowScope, needed
from meshplane.services.query.aws_redshift_words import CannotSay, Said, quoted
from meshplane.services.tables.api import ExternalSource

OURS = "meshplane_"
"""What the names of the mesh's row-level policies begin with."""

_DIGEST = 40


@dataclass(frozen=True, slots=True)
class Wanted:
    """What Redshift must hold for one project on one table.

    Args:
        user: the database's user that the project's role is.
        schema, table: the table.
        columns: that it may read, in the table's order.
        rows: the condition on rows; None: all of them.
    """

    user: str
    schema: str
    table: str
    columns: tuple[str, ...]
    rows: Said | None = None

    @property
    def policy(self) -> str:
        """The name of its row-level policy: another condition has another name."""
        what = [self.user, self.schema, self.table, self.rows.text if self.rows else None]
        return OURS + hashlib.sha256(json.dumps(what).encode()).hexdigest()[:_DIGEST]

    @property
    def relation(self) -> str:
        """The table's full name, quoted."""
        return f"{quoted(self.schema)}.{quoted(self.table)}"


@dataclass(frozen=True, slots=True)
class Held:
    """What Redshift holds for one user on one table.

    Args:
        is_user: whether the user is there.
        columns: on which the user has SELECT.
        whole: what the user may do with the whole table.
        policies: those of the mesh's that are attached to the user there.
        written: those that it has, attached or not.
        is_filtered: whether row-level security is on.
        strays: what would let the user see otherwise, and is not the mesh's to take away.
    """

    is_user: bool = False
    columns: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()
    policies: frozenset[str] = frozenset()
    written: frozenset[str] = frozenset()
    is_filtered: bool = False
    strays: tuple[str, ...] = ()


def wanted(
    user: str, source: ExternalSource, columns: Sequence[str], scopes: Sequence[RowScope]
) -> Wanted:
    """What some scopes come to.

    Args:
        user: the database's user.
        source: the table.
        columns: its columns, in their order.
        scopes: what grants let through; a union, not empty.

    Raises:
        CannotSay: Redshift cannot be told to show just that.
    """
    from meshplane.services.query.aws_redshift_filters import said  # it loads the parser

    plain = [
        (scope, frozenset(name for name, mask in scope.columns.items() if _is_plain(mask)))
        for scope in needed(scopes)
    ]
    plain = [(scope, shown) for scope, shown in plain if shown]
    if not plain:
        raise CannotSay("every column is masked, and Redshift is not told to mask")
    open_ones = [shown for scope, shown in plain if scope.filter is None]
    whole = frozenset().union(*open_ones)
    # What adds neither rows nor columns to what is open is idle.
    rest = [(s, shown) for s, shown in plain if s.filter is not None and not shown <= whole]
    kinds = {shown for _, shown in rest} | ({whole} if open_ones else set())
    if len(kinds) > 1:
        raise CannotSay("grants on different rows show different columns")
    shown = tuple(name for name in columns if name in next(iter(kinds)))
    texts = tuple(scope.filter.text for scope, _ in rest if scope.filter is not None)
    rows = said(texts, dict(source.types)) if texts else None
    return Wanted(user, source.schema, source.table, shown, rows)


def _is_plain(mask: object) -> bool:
    return mask is None or getattr(mask, "kind", "") == "none"


def problem(one: Wanted, held: Held) -> str | None:
    """Why Redshift cannot be brought to show just that; None if it can."""
    if held.strays:
        return held.strays[0]
    if one.rows is not None and not held.is_filtered:
        return "row-level security is off on the table: turn it on, then grants on rows are carried"
    return None


def agrees(one: Wanted, held: Held) -> bool:
    """Whether Redshift shows the user just that."""
    policies = {one.policy} if held.is_filtered else set()
    return (
        problem(one, held) is None
        and held.is_user
        and held.columns == set(one.columns)
        and not held.whole
        and (not held.is_filtered or held.policies == policies)
        and (not held.is_filtered or one.policy in held.written)
    )


def opening(one: Wanted, held: Held) -> list[str]:
    """The statements, of one transaction, after which Redshift shows the user just that."""
    user, relation = quoted(one.user), one.relation
    found = [] if held.is_user else [f"CREATE USER {user} PASSWORD DISABLE"]
    found += closing(one, held)
    if held.is_filtered:
        if one.policy not in held.written:
            found.append(f"CREATE RLS POLICY {quoted(one.policy)} {_condition(one.rows)}")
        found.append(f"ATTACH RLS POLICY {quoted(one.policy)} ON {relation} TO {user}")
    names = ", ".join(quoted(name) for name in one.columns)
    found.append(f"GRANT USAGE ON SCHEMA {quoted(one.schema)} TO {user}")
    found.append(f"GRANT SELECT ({names}) ON {relation} TO {user}")
    return found


def closing(one: Wanted, held: Held) -> list[str]:
    """The statements after which the user sees nothing of the table."""
    user, relation = quoted(one.user), one.relation
    found = []
    if held.whole:
        found.append(f"REVOKE ALL ON {relation} FROM {user}")
    if held.columns:
        names = ", ".join(quoted(name) for name in sorted(held.columns))
        revoked = f"REVOKE SELECT ({names}) ON {relation} FROM {user}"  # noqa: S608 - quoted
        found.append(revoked)
    for policy in sorted(held.policies):
        found.append(f"DETACH RLS POLICY {quoted(policy)} ON {relation} FROM {user}")
        if policy != one.policy:
            found.append(f"DROP RLS POLICY {quoted(policy)}")
    return found


def _condition(rows: Said | None) -> str:
    if rows is None:
        return "USING (TRUE)"
    columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in rows.columns)
    given = f"WITH ({columns}) " if columns else ""
    return f"{given}USING {rows.text}"
