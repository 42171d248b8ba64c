"""Lists of columns, which Lake Formation joins: one principal has one list on a table. Pure.

Here every grant is an entry of its own, and two of one principal may name the same column. So what
Lake Formation tells is taken apart by what the mesh has noted of its own entries, and of an entry
that goes only those columns are revoked that no other entry needs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from meshplane.services.lake.aws_entries import Holdings, ListKey, list_key, made
from meshplane.services.lake.ports import LakeEntry


@dataclass(frozen=True, slots=True)
class Noted:
    """An entry on listed columns that the mesh has put, or is about to put."""

    principal: str
    resource: Mapping[str, Any]
    passes_on: bool

    @property
    def columns(self) -> frozenset[str]:
        """Those that it names."""
        return frozenset(self.resource["TableWithColumns"]["ColumnNames"])


@dataclass(slots=True)
class Others:
    """What of a list other entries need.

    Args:
        needed: the columns that they name.
        passed_on: those of them that they pass on.
    """

    needed: set[str] = field(default_factory=set)
    passed_on: set[str] = field(default_factory=set)


def noted_of(entry: LakeEntry) -> Noted | None:
    """An entry as a note, if it is on listed columns."""
    if list_key(entry.principal, entry.resource) is None:
        return None
    return Noted(entry.principal, entry.resource, bool(entry.grantable))


def by_list(noted: Iterable[Noted]) -> dict[ListKey, list[Noted]]:
    """Notes by the list that they are a part of; no entry twice."""
    found: dict[ListKey, dict[frozenset[str], Noted]] = {}
    for one in noted:
        key = list_key(one.principal, one.resource)
        if key is not None:
            found.setdefault(key, {})[one.columns] = one
    return {key: list(ones.values()) for key, ones in found.items()}


def settle(
    known: Holdings, noted: Mapping[ListKey, list[Noted]], only: Iterable[ListKey] | None = None
) -> None:
    """Makes the entries on listed columns anew out of the lists.

    Args:
        known: has the lists; its entries on them are replaced.
        noted: by list.
        only: these lists; None: all.
    """
    wanted = set(known.lists if only is None else only)
    gone = [
        key
        for key, one in known.entries.items()
        if "TableWithColumns" in one.resource and list_key(one.principal, one.resource) in wanted
    ]
    for key in gone:
        del known.entries[key]
    for each in wanted:
        for one in _apart(known, each, noted.get(each, [])):
            known.entries[one.key] = one


def others(entry: LakeEntry, noted: Iterable[Noted]) -> Others:
    """What of an entry's list other entries need."""
    found = Others()
    columns = frozenset(entry.resource["TableWithColumns"]["ColumnNames"])
    for one in noted:
        if one.columns != columns:
            found.needed |= one.columns
            if one.passes_on:
                found.passed_on |= one.columns
    return found


def _apart(known: Holdings, key: ListKey, noted: list[Noted]) -> list[LakeEntry]:
    held = known.lists.get(key)
    if held is None or not held.columns:
        return []
    found = []
    for one in noted:
        if one.columns <= held.columns:
            if one.passes_on:
                passes_on = one.columns <= held.passed_on
            else:
                # What another entry passes on is not passed on by this one.
                reasons = set().union(*(each.columns for each in noted if each.passes_on))
                passes_on = bool((one.columns & held.passed_on) - reasons)
            found.append(_entry(held.principal, one.resource, passes_on=passes_on))
    rest = held.columns - set().union(*(one.columns for one in noted))
    for names, passes_on in ((rest - held.passed_on, False), (rest & held.passed_on, True)):
        if names:
            on = {**held.table, "ColumnNames": sorted(names)}
            found.append(_entry(held.principal, {"TableWithColumns": on}, passes_on=passes_on))
    return found


def _entry(principal: str, resource: Mapping[str, Any], *, passes_on: bool) -> LakeEntry:
    return made(principal, resource, ("SELECT",), ("SELECT",) if passes_on else ())
