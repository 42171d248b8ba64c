"""Compiles a grant for Lake Formation: what it must hold, and what it cannot do. Pure.

Facts, from Lake Formation's developer guide and its API's own model:

- Data cells filters choose rows and columns and carry SELECT alone; they never change a value. So
  a mask becomes a column left out, or a view that shows it masked, as the grant's `onAws` says.
- A grant is on a filter, not with it: the filter is created first, then SELECT on it is granted.
- A row filter is a predicate in PartiQL over the table's columns: comparisons, AND, OR, NOT, IN,
  BETWEEN, LIKE, IS NULL. No function of ours exists there, and columns that are lists, maps or
  structures may not stand in it.
- At most 10 filters in one grant, and 100 SELECT permissions on filters for one principal and
  table. A grant here has one filter at most, so only the second can be reached (`crowded`).
- SELECT on columns with the right to grant needs a list of columns, not of those left out.
- On columns there is only SELECT; other permissions are on the whole table.
- Principals are roles, users, accounts and organizations of AWS. A project is its role there; a
  person or a group must come through a role.
- Tags and their values are in lower case there: a capital is written as `=` and the letter.
- A grant there has no end: the reconciler takes it away when it ends here.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from meshplane.services.lake.compiling import (
    Compiled,
    Place,
    View,
    cells,
    columns_of,
    masked_columns,
    no_such_filter,
    resource_of,
    tag_terms,
)
from meshplane.services.lake.entries import MESH, entry
from meshplane.services.lake.partiql import CannotSayError, expression_of
from meshplane.services.lake.ports import LakeEntry
from meshplane.services.lake.view_sql import view_sql
from meshplane.services.permissions.api import DataFilter, Grant, MaskRule, RowFilter

MOST_FILTER_GRANTS = 100
"""SELECT permissions on data cells filters that one principal may hold on one table."""

DOMAIN_TAG = "meshplane_domain"
"""The tag by which grants on the tags of one domain stay in it; each database carries it."""

_NOTHING_LEFT = (
    "Every column of the grant is masked or left out, and none would be left. Choose a view."
)
_CAPITAL = re.compile(r"[A-Z]")
_ACCOUNT = re.compile(r"[0-9]{12}")


def compile_for_lake_formation(
    grant: Grant,
    place: Place,
    filters: Mapping[str, DataFilter] | None = None,
    *,
    account: str = "000000000000",
    masked: Sequence[str] = (),
) -> Compiled:
    """What Lake Formation must hold for a grant.

    Args:
        grant: in force; one on an asset with the masks that tags bring it (`tag_masking`).
        place: where it applies, with the asset's columns.
        filters: the asset's data filters by name, for a grant on one.
        account: of the mesh, 12 digits.
        masked: of a grant on many tables: tags that may mask some of their columns.
    """
    principal, unknown = _principal(grant.principal, account)
    if principal is None:
        return Compiled((), problems=(unknown,))
    there = replace(grant, principal=principal)
    notes = [unknown] if unknown else []
    if grant.expires_at is not None:
        notes.append("A grant there has no end: the reconciler removes it when it ends here.")
    if grant.target.kind in {"database", "tables", "location", "tags"}:
        made = _wide(there, place, masked)
    elif grant.target.kind in {"rows", "filter"}:
        made = _filtered(there, place, filters or {})
    else:
        made = _tabular(there, place)
    return replace(made, notes=(*notes, *made.notes))


def tag_value_there(value: str) -> str:
    """A tag's value as Lake Formation may keep it, which is in lower case alone.

    Two that differ here differ there: `Ops` is `=ops`. No value here has such a mark itself.
    """
    return _CAPITAL.sub(lambda found: f"={found[0].lower()}", value)


def crowded(entries: Iterable[LakeEntry]) -> list[str]:
    """What of many entries together is more than Lake Formation takes."""
    held: Counter[tuple[str, str, str]] = Counter()
    for one in entries:
        on = one.resource.get("DataCellsFilter")
        if on is not None and "SELECT" in one.permissions:
            held[one.principal, on["DatabaseName"], on["TableName"]] += 1
    return [
        f"{principal} holds {count} filters on {database}.{table}: Lake Formation takes at most "
        f"{MOST_FILTER_GRANTS}. Join grants that differ in their rows alone."
        for (principal, database, table), count in sorted(held.items())
        if count > MOST_FILTER_GRANTS
    ]


def filter_problems(row_filter: RowFilter | None) -> list[str]:
    """Why a row filter cannot be a filter expression there; nothing if it can."""
    if row_filter is None:
        return []
    try:
        expression_of(row_filter)
    except CannotSayError as error:
        return [str(error)]
    return []


def _principal(principal: str, account: str) -> tuple[str | None, str]:
    """Who that is on AWS, with a note; or None, and why not."""
    kind, _, name = principal.partition(":")
    if kind == "project":
        return f"arn:aws:iam::{account}:role/project-{name}-role", ""
    if kind == "role":
        return name, ""
    if kind == "account":
        if not _ACCOUNT.fullmatch(name):
            return None, "An account is named by its 12 digits."
        return name, ""
    if kind == "organization":
        if not name.startswith("arn:aws:organizations::"):
            return None, (
                "Lake Formation names an organization by its ARN, which holds the account that "
                "manages it: grant to organization:arn:aws:organizations::ACCOUNT:organization/o-…"
            )
        return name, ""
    return None, (
        f"{principal} is no principal of AWS: people and groups reach the lake through a project's "
        "role. Grant to the project, or to a role."
    )


def _wide(grant: Grant, place: Place, masked: Sequence[str]) -> Compiled:
    resource = resource_of(grant, place)
    notes: list[str] = []
    if grant.target.kind == "tags":
        terms = [
            {**term, "TagValues": sorted(tag_value_there(value) for value in term["TagValues"])}
            for term in tag_terms(grant.target)
        ]
        if grant.target.domain_id is not None:
            terms.append({"TagKey": DOMAIN_TAG, "TagValues": [place.database]})
            terms.sort(key=lambda term: str(term["TagKey"]))
            notes.append(
                f"Lake Formation's tags know no domains: the tag {DOMAIN_TAG} on the database "
                "keeps the grant in this one."
            )
        resource = {
            "LFTagPolicy": {"ResourceType": grant.target.resource_type, "Expression": terms}
        }
    if masked_columns(grant):
        return Compiled(
            (),
            notes=tuple(notes),
            problems=(
                "Lake Formation cannot mask, and a grant on many tables leaves no column out: "
                "grant table by table, or mark the columns by a tag that this grant does not name.",
            ),
        )
    reads = "SELECT" in grant.permissions and grant.target.resource_type != "DATABASE"
    if reads and masked:
        return Compiled(
            (),
            notes=tuple(notes),
            problems=(
                f"Tags mask columns that this grant may reach ({', '.join(masked)}), and Lake "
                "Formation cannot mask: grant table by table, or on tags that leave these out.",
            ),
        )
    made = entry(grant.principal, resource, grant.permissions, grant.grantable, made_by=MESH)
    return Compiled((made,), tuple(notes))


def _tabular(grant: Grant, place: Place) -> Compiled:
    """A grant on a table, or on columns of it."""
    target, masks = grant.target, masked_columns(grant)
    whole = target.kind == "table" and not masks
    if whole:
        made = entry(
            grant.principal,
            {"Table": {"DatabaseName": place.database, "Name": place.table}},
            grant.permissions,
            grant.grantable,
            made_by=MESH,
        )
        return Compiled((made,))
    entries: list[LakeEntry] = []
    notes: list[str] = []
    if "SELECT" in grant.permissions:
        if masks and grant.on_aws == "view":
            return _view(grant, place, None, _shown(grant, place), masks)
        if _nothing_left(place, target.included, (*(target.excluded or ()), *masks)):
            notes = [_left_out(masks)] if masks else []
            return Compiled((), tuple(notes), (_NOTHING_LEFT,))
        entries.append(_on_columns(grant, place, masks, notes))
    if target.kind == "table":
        entries += _beside_select(grant, place)
    return Compiled(tuple(entries), tuple(notes))


def _beside_select(grant: Grant, place: Place) -> list[LakeEntry]:
    """What a grant permits on the whole table, apart from reading it."""
    others = grant.permissions - {"SELECT"}
    if others == {"DESCRIBE"} and "SELECT" in grant.permissions:
        return []  # it comes along
    if not others:
        return []
    table = {"Table": {"DatabaseName": place.database, "Name": place.table}}
    passed_on = grant.grantable & others
    return [entry(grant.principal, table, others, passed_on, made_by=MESH)]


def _nothing_left(place: Place, included: Iterable[str] | None, left_out: Iterable[str]) -> bool:
    """Whether no column is left; where the columns are not known, some may be."""
    names = set(included) if included is not None else {one.name for one in place.columns}
    return (included is not None or bool(names)) and names <= set(left_out)


def _on_columns(
    grant: Grant, place: Place, masks: Mapping[str, MaskRule], notes: list[str]
) -> LakeEntry:
    """SELECT on the columns of a grant that it does not mask."""
    target = grant.target
    included, excluded = target.included, target.excluded
    if masks:
        notes.append(_left_out(masks))
        if included is not None:
            included = tuple(name for name in included if name not in masks)
        else:
            excluded = (*(excluded or ()), *masks)
    passes_on = "SELECT" in grant.grantable
    if passes_on and included is None:
        included = tuple(
            column.name for column in place.columns if column.name not in (excluded or ())
        )
        notes.append(
            "With the right to grant, Lake Formation takes a list of columns only: these are the "
            "columns of today, and one that is added later is not among them."
        )
    on: dict[str, Any] = {"DatabaseName": place.database, "Name": place.table}
    resource: dict[str, Any] = {"Table": on}
    if included is not None or excluded:
        resource = {"TableWithColumns": {**on, **columns_of(included, excluded)}}
    return entry(
        grant.principal,
        resource,
        ("SELECT",),
        ("SELECT",) if passes_on else (),
        made_by=MESH,
    )


def _filtered(grant: Grant, place: Place, filters: Mapping[str, DataFilter]) -> Compiled:
    """A grant on rows, or on a named data filter."""
    target, masks = grant.target, masked_columns(grant)
    if "SELECT" not in grant.permissions:
        # DESCRIBE alone would be an entry on the table, which may be another grant's already.
        return Compiled((), ("A filter carries SELECT alone: the grant permits nothing there.",))
    if target.kind == "rows":
        rows = grant.row_filter
        included: tuple[str, ...] | None = tuple(column.name for column in grant.columns)
        excluded: tuple[str, ...] | None = None
    else:
        found = filters.get(target.filter_name or "")
        if found is None:
            return Compiled((), problems=(no_such_filter(target),))
        rows, included, excluded = found.row_filter, found.included, found.excluded
    problems = filter_problems(rows)
    if problems:
        return Compiled((), problems=tuple(problems))
    if rows is not None:
        rows = replace(rows, text=expression_of(rows))
    if masks and grant.on_aws == "view":
        return _view(grant, place, rows, _shown(grant, place, included, excluded), masks)
    resource = resource_of(grant, place)
    notes = [_left_out(masks)] if masks else []
    if masks and target.kind == "filter":
        # Others hold the filter as it is: this grant needs one of its own.
        resource = {"DataCellsFilter": {**resource["DataCellsFilter"], "Name": grant.grant_id}}
    if included is not None:
        included = tuple(name for name in included if name not in masks)
        if not included:
            return Compiled((), tuple(notes), (_NOTHING_LEFT,))
    else:
        excluded = (*(excluded or ()), *masks)
    if grant.permissions - {"SELECT", "DESCRIBE"}:
        notes.append("A filter carries SELECT alone; other permissions need a grant on the table.")
    made = entry(
        grant.principal,
        resource,
        ("SELECT",),
        ("SELECT",) if "SELECT" in grant.grantable else (),
        filter=cells(rows, included, excluded),
        made_by=MESH,
    )
    return Compiled((made,), tuple(notes))


def _shown(
    grant: Grant,
    place: Place,
    included: tuple[str, ...] | None = None,
    excluded: tuple[str, ...] | None = None,
) -> list[str]:
    """The columns that a view for the grant shows, in the table's order."""
    included = included if included is not None else grant.target.included
    left_out = set(excluded or grant.target.excluded or ())
    return [
        column.name
        for column in place.columns
        if (included is None or column.name in included) and column.name not in left_out
    ]


def _view(
    grant: Grant,
    place: Place,
    rows: RowFilter | None,
    shown: list[str],
    masks: Mapping[str, MaskRule],
) -> Compiled:
    name = f"{place.table}_{grant.grant_id.replace('-', '_')}"
    types = {column.name: column.sql_type for column in place.columns}
    sql, shows, hidden = view_sql((place.database, place.table), shown, types, masks, rows)
    notes = [
        f"Lake Formation cannot mask: the grant is on the view {place.database}.{name}, not on the "
        "table.",
    ]
    if hidden:
        notes.append(
            f"{', '.join(hidden)}: masked by a keyed hash here. The key never leaves the mesh, so "
            "the view leaves the column out."
        )
    made = entry(
        grant.principal,
        {"Table": {"DatabaseName": place.database, "Name": name}},
        ("SELECT",),
        ("SELECT",) if "SELECT" in grant.grantable else (),
        made_by=MESH,
    )
    return Compiled((made,), tuple(notes), views=(View(place.database, name, sql, shows),))


def _left_out(masks: Mapping[str, MaskRule]) -> str:
    return (
        f"Lake Formation cannot mask: {', '.join(sorted(masks))} "
        f"{'are' if len(masks) > 1 else 'is'} left out."
    )
