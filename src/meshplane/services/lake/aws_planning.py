"""What must be granted and revoked so that entries of Lake Formation are what they should be. Pure.

Lake Formation adds every grant to what is there: an entry is put to what it says by revoking what
is too much and granting what it lacks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from meshplane.services.lake.aws_batches import Piece
from meshplane.services.lake.aws_columns import Noted, Others, others
from meshplane.services.lake.aws_entries import (
    ColumnList,
    FilterName,
    Holdings,
    ListKey,
    filter_name,
    list_key,
    problem,
)
from meshplane.services.lake.aws_recent import Doubts
from meshplane.services.lake.ports import LakeChange, LakeEntry, LakeFailure

_ALL = frozenset({"ALL", "SUPER_USER"})


@dataclass(slots=True)
class Plan:
    """What is to be done, in the order of its members."""

    failures: dict[str, LakeFailure] = field(default_factory=dict)
    revokes: list[Piece] = field(default_factory=list)
    filters: dict[FilterName, LakeEntry] = field(default_factory=dict)
    grants: list[Piece] = field(default_factory=list)
    removed: list[LakeEntry] = field(default_factory=list)
    put: list[LakeEntry] = field(default_factory=list)


def planned(
    changes: Sequence[LakeChange],
    known: Holdings,
    noted: Mapping[ListKey, list[Noted]],
    doubts: Doubts | None = None,
) -> Plan:
    """What changes come to, beside what is there.

    Args:
        changes: no two of one key.
        known: what is there on their resources.
        noted: by list of columns, all entries that the mesh wants on it, after these changes.
        doubts: what was written just now and is not among what is known.
    """
    plan, doubts = Plan(), doubts if doubts is not None else Doubts()
    for change in changes:
        meant, held = change.entry, known.entries.get(change.entry.key)
        if change.action == "put":
            wrong = problem(meant)
            if wrong is not None:
                plan.failures[meant.key] = LakeFailure(
                    meant.key, "LAKE_ENTRY_INVALID", wrong, again=False
                )
                continue
            plan.put.append(meant)
            key = list_key(meant.principal, meant.resource)
            if key is not None:
                beside = others(meant, noted.get(key, ()))
                _put_columns(plan, meant, _sides(known.lists.get(key), doubts, key), beside)
            else:
                _put(plan, meant, _Held.of(meant.key, held, doubts), known)
            continue
        if change.unchanged and held is not None and held.fingerprint != meant.fingerprint:
            plan.failures[meant.key] = LakeFailure(
                meant.key, "LAKE_ENTRY_MOVED", "It was changed after it was looked at.", again=False
            )
            continue
        plan.removed.append(meant)
        key = list_key(meant.principal, meant.resource)
        if key is not None:
            beside = others(meant, noted.get(key, ()))
            _remove_columns(plan, meant, _sides(known.lists.get(key), doubts, key), beside)
            continue
        sides = _Held.of(meant.key, held, doubts)
        if sides.most:
            most, passed = tuple(sorted(sides.most)), tuple(sorted(sides.most_passed))
            plan.revokes.append(Piece(meant.key, meant.principal, meant.resource, most, passed))
    return plan


@dataclass(slots=True)
class _Held:
    """What is held at least, and at most, where that is in doubt."""

    least: set[str]
    least_passed: set[str]
    most: set[str]
    most_passed: set[str]

    @classmethod
    def of(cls, key: str, held: LakeEntry | None, doubts: Doubts) -> "_Held":
        """Of an entry."""
        has = set(held.permissions) if held is not None else set()
        passes = set(held.grantable) if held is not None else set()
        if key not in doubts.entries:
            return cls(has, passes, set(has), set(passes))
        written = doubts.entries[key]
        if written is not None:
            has |= set(written.permissions)
            passes |= set(written.grantable)
        return cls(set(), set(), has, passes)


def _sides(held: ColumnList | None, doubts: Doubts, key: ListKey) -> _Held:
    """Of a list of columns."""
    has = set(held.columns) if held is not None else set()
    passes = set(held.passed_on) if held is not None else set()
    written = doubts.lists.get(key)
    if written is None:
        return _Held(has, passes, set(has), set(passes))
    return _Held(set(), set(), has | written.columns, passes | written.passed_on)


def _put(plan: Plan, meant: LakeEntry, held: _Held, known: Holdings) -> None:
    has, passes = held.least, held.least_passed
    more, more_passed = held.most - set(meant.permissions), held.most_passed - set(meant.grantable)
    if more & _ALL:
        # To revoke ALL is to revoke each.
        more, more_passed, has, passes = held.most, held.most_passed, set(), set()
    where = (meant.key, meant.principal, meant.resource)
    if more or more_passed:
        plan.revokes.append(Piece(*where, tuple(sorted(more)), tuple(sorted(more_passed))))
    lacks, lacks_passed = set(meant.permissions) - has, set(meant.grantable) - passes
    name = filter_name(meant.resource)
    if name is not None:
        cells = known.filters.get(name)
        if cells is None or cells.content != meant.filter:
            plan.filters[name] = meant
    if lacks or lacks_passed:
        given = tuple(sorted(lacks | lacks_passed))
        plan.grants.append(Piece(*where, given, tuple(sorted(lacks_passed))))


def _put_columns(plan: Plan, meant: LakeEntry, held: _Held, beside: Others) -> None:
    names = set(meant.resource["TableWithColumns"]["ColumnNames"])
    if not meant.grantable:
        more = (names & held.most_passed) - beside.passed_on
        if more:
            plan.revokes.append(_on(meant, more, (), ("SELECT",)))
    lacks = names - (held.least_passed if meant.grantable else held.least)
    if lacks:
        plan.grants.append(_on(meant, lacks, ("SELECT",), meant.grantable))


def _remove_columns(plan: Plan, meant: LakeEntry, held: _Held, beside: Others) -> None:
    names = set(meant.resource["TableWithColumns"]["ColumnNames"]) & held.most
    gone = names - beside.needed
    passed = (names & held.most_passed) - beside.passed_on - gone
    # A revoke of what is not held fails whole, so those with the right to grant go apart.
    if gone & held.most_passed:
        plan.revokes.append(_on(meant, gone & held.most_passed, ("SELECT",), ("SELECT",)))
    if gone - held.most_passed:
        plan.revokes.append(_on(meant, gone - held.most_passed, ("SELECT",), ()))
    if passed:
        plan.revokes.append(_on(meant, passed, (), ("SELECT",)))


def _on(
    entry: LakeEntry, names: set[str], permissions: tuple[str, ...], grantable: tuple[str, ...]
) -> Piece:
    on = {**entry.resource["TableWithColumns"], "ColumnNames": sorted(names)}
    return Piece(entry.key, entry.principal, {"TableWithColumns": on}, permissions, grantable)
