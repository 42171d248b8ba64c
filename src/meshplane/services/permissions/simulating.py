"""What would change for whom if the policy were another. Pure: nothing is written."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias

from meshplane.services.permissions.effective import Effective, EffectiveColumn, effective
from meshplane.services.permissions.model import (
    AssetTags,
    DataFilter,
    GovernedAsset,
    Grant,
    MaskRule,
    TagMask,
    in_order,
)
from meshplane.services.permissions.semantics import access
from meshplane.services.permissions.wording import bracketed, listed, masked_as


@dataclass(frozen=True, slots=True)
class PolicyState:
    """All policy that bears on some tables.

    Args:
        assets: the tables.
        tags: of each table by its asset id; with those of its database.
        grants: in force, anybody's.
        filters: data filters of all of the tables.
        tag_masks: of the mesh and of the tables' domains.
    """

    assets: tuple[GovernedAsset, ...]
    tags: Mapping[str, AssetTags] = field(default_factory=dict)
    grants: tuple[Grant, ...] = ()
    filters: tuple[DataFilter, ...] = ()
    tag_masks: tuple[TagMask, ...] = ()


@dataclass(frozen=True, slots=True)
class PutGrant:
    """A grant comes into force, or becomes another; by its id."""

    grant: Grant


@dataclass(frozen=True, slots=True)
class EndGrant:
    """A grant ends."""

    grant_id: str


@dataclass(frozen=True, slots=True)
class PutTag:
    """A tag is put on `asset:…`, a column of it, or `domain:…`; `value` None takes it away."""

    resource: str
    column: str | None
    key: str
    value: str | None


@dataclass(frozen=True, slots=True)
class PutTagMask:
    """A tag gets a mask in a domain (None: in the mesh); `mask` None takes it away."""

    key: str
    value: str
    domain_id: str | None
    mask: MaskRule | None


@dataclass(frozen=True, slots=True)
class PutFilter:
    """A data filter is made or changed."""

    data_filter: DataFilter


@dataclass(frozen=True, slots=True)
class EndFilter:
    """A data filter is removed."""

    asset_id: str
    name: str


Change: TypeAlias = PutGrant | EndGrant | PutTag | PutTagMask | PutFilter | EndFilter


@dataclass(frozen=True, slots=True)
class Difference:
    """What changes for a principal on a table."""

    principal: str
    asset: GovernedAsset
    before: Effective
    after: Effective
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Simulated:
    """All that would change; `truncated` if there is more than was asked for."""

    differences: tuple[Difference, ...]
    truncated: bool


def applied(state: PolicyState, changes: Iterable[Change]) -> PolicyState:
    """The policy after changes, one after another."""
    for change in changes:
        state = _after(state, change)
    return state


def simulate(
    state: PolicyState,
    changes: Sequence[Change],
    now: datetime,
    principals: Mapping[str, Sequence[str]] | None = None,
    most: int = 200,
) -> Simulated:
    """What changes would change, for whom.

    Args:
        state: the policy as it is.
        changes: to try.
        now: the instant for which to say it.
        principals: whom to look at, each with everybody as whom he acts, himself included. None is
            everybody who holds a grant before or after, each by himself.
        most: how many differences to tell.
    """
    after = applied(state, changes)
    if principals is None:
        principals = {name: (name,) for name in concerned(state, changes)}
    held_before, held_after = _by_principal(state), _by_principal(after)
    found: list[Difference] = []
    for principal, acts_as in principals.items():
        for asset in state.assets:
            before = _seen(state, asset, held_before, acts_as, now)
            then = _seen(after, asset, held_after, acts_as, now)
            sentences = differences(before, then)
            if not sentences:
                continue
            if len(found) == most:
                return Simulated(tuple(found), True)
            found.append(Difference(principal, asset, before, then, sentences))
    return Simulated(tuple(found), False)


def concerned(state: PolicyState, changes: Sequence[Change]) -> tuple[str, ...]:
    """Those for whom changes can change something: a grant does so for its principal alone."""
    put = [change.grant for change in changes if isinstance(change, PutGrant)]
    ended = {change.grant_id for change in changes if isinstance(change, EndGrant)}
    others = any(not isinstance(change, PutGrant | EndGrant) for change in changes)
    named = ended | {grant.grant_id for grant in put}
    before = [grant for grant in state.grants if others or grant.grant_id in named]
    return tuple(dict.fromkeys(grant.principal for grant in (*before, *put)))


def differences(before: Effective, after: Effective) -> tuple[str, ...]:
    """What is different for one who saw a table so, and sees it so, in sentences; none if nothing.

    Whose grant gives the same makes no difference.
    """
    sentences = []
    gained = in_order(set(after.rights) - set(before.rights))
    lost = in_order(set(before.rights) - set(after.rights))
    if gained:
        sentences.append(f"Gains {listed(gained)}.")
    if lost:
        sentences.append(f"Loses {listed(lost)}.")
    passes, stops = set(after.grantable), set(before.grantable)
    if passes - stops:
        sentences.append(f"May pass on {listed(in_order(passes - stops))}.")
    if stops - passes:
        sentences.append(f"May no longer pass on {listed(in_order(stops - passes))}.")
    if before.scopes and after.scopes:
        sentences += _rows(before, after)
    sentences += _columns(before.columns, after.columns)
    told = {broken.grant_id for broken in before.broken}
    sentences += [
        f"{broken.grant_id} would let nothing through, because {broken.why}."
        for broken in after.broken
        if broken.grant_id not in told
    ]
    return tuple(sentences)


def _rows(before: Effective, after: Effective) -> list[str]:
    if before.all_rows and not after.all_rows:
        return [f"Sees only the rows where {_either(after.row_filters)}, no longer all rows."]
    if after.all_rows and not before.all_rows:
        return [f"Sees all rows, no longer only those where {_either(before.row_filters)}."]
    if set(before.row_filters) == set(after.row_filters):
        return []
    more = [text for text in after.row_filters if text not in before.row_filters]
    fewer = [text for text in before.row_filters if text not in after.row_filters]
    sentences = []
    if more:
        sentences.append(f"Sees the rows where {_either(more)} as well.")
    if fewer:
        sentences.append(f"No longer sees rows only because {_either(fewer)}.")
    return sentences


def _columns(before: Sequence[EffectiveColumn], after: Sequence[EffectiveColumn]) -> Iterator[str]:
    """What is different for columns; those for which it is the same share a sentence."""
    names: dict[tuple[str, str], list[str]] = {}
    for column, other in zip(before, after, strict=True):
        said = _column(column, other)
        if said is not None:
            names.setdefault(said, []).append(other.name)
    for (of_one, of_several), named in names.items():
        yield f"{listed(named)} {of_one if len(named) == 1 else of_several}."


def _column(before: EffectiveColumn, after: EffectiveColumn) -> tuple[str, str] | None:
    """What is different for a column, as it is said of one, and of several."""
    was, now = _shown(before), _shown(after)
    if before.access == after.access and before.mask == after.mask:
        if _ways(before) == _ways(after) or after.access == "hidden":
            return None
        rows = "in other rows than before"
        return f"is shown as {now} {rows}", f"are shown, each as {now}, {rows}"
    if before.access == "hidden":
        return f"becomes visible as {now}", f"become visible, each as {now}"
    if after.access == "hidden":
        return f"is hidden; it was shown as {was}", f"are hidden; each was shown as {was}"
    return (
        f"is shown as {now}; it was shown as {was}",
        f"are shown, each as {now}; each was shown as {was}",
    )


def _ways(column: EffectiveColumn) -> frozenset[tuple[str | None, MaskRule | None]]:
    """How it is shown in which rows; nothing else counts beside a best way in all rows."""
    if any(way.row_filter is None and way.mask == column.mask for way in column.ways):
        return frozenset({(None, column.mask)})
    return frozenset((way.row_filter, way.mask) for way in column.ways)


def _shown(column: EffectiveColumn) -> str:
    return "it is" if column.mask is None else masked_as(column.mask)


def _either(filters: Sequence[str]) -> str:
    return listed([bracketed(text) for text in filters], "or")


def _by_principal(state: PolicyState) -> dict[str, list[Grant]]:
    found: dict[str, list[Grant]] = {}
    for grant in state.grants:
        found.setdefault(grant.principal, []).append(grant)
    return found


def _seen(
    state: PolicyState,
    asset: GovernedAsset,
    held: Mapping[str, Sequence[Grant]],
    acts_as: Sequence[str],
    now: datetime,
) -> Effective:
    grants = [grant for principal in dict.fromkeys(acts_as) for grant in held.get(principal, ())]
    tags = state.tags.get(asset.asset_id, AssetTags())
    return effective(asset, access(asset, tags, grants, state.filters, state.tag_masks, now))


def _after(state: PolicyState, change: Change) -> PolicyState:
    match change:
        case PutGrant(grant):
            others = [other for other in state.grants if other.grant_id != grant.grant_id]
            return replace(state, grants=(*others, grant))
        case EndGrant(grant_id):
            return replace(state, grants=tuple(g for g in state.grants if g.grant_id != grant_id))
        case PutTag():
            return replace(state, tags=_retagged(state, change))
        case PutTagMask(key, value, domain_id, mask):
            place = (key, value, domain_id)
            kept = [m for m in state.tag_masks if (m.key, m.value, m.domain_id) != place]
            if mask is not None:
                kept.append(TagMask(key, value, mask, domain_id))
            return replace(state, tag_masks=tuple(kept))
        case PutFilter(data_filter):
            left = _filters_without(state, data_filter.asset_id, data_filter.name)
            return replace(state, filters=(*left, data_filter))
        case EndFilter(asset_id, name):
            return replace(state, filters=tuple(_filters_without(state, asset_id, name)))


def _filters_without(state: PolicyState, asset_id: str, name: str) -> list[DataFilter]:
    return [f for f in state.filters if (f.asset_id, f.name) != (asset_id, name)]


def _retagged(state: PolicyState, change: PutTag) -> dict[str, AssetTags]:
    found = dict(state.tags)
    for asset in state.assets:
        tags = found.get(asset.asset_id, AssetTags())
        if change.resource == f"domain:{asset.domain_id}":
            tags = replace(tags, database=_with(tags.database, change))
        elif change.resource == f"asset:{asset.asset_id}" and change.column is None:
            tags = replace(tags, table=_with(tags.table, change))
        elif change.resource == f"asset:{asset.asset_id}" and change.column is not None:
            own = _with(tags.columns.get(change.column, {}), change)
            tags = replace(tags, columns={**tags.columns, change.column: own})
        found[asset.asset_id] = tags
    return found


def _with(tags: Mapping[str, str], change: PutTag) -> dict[str, str]:
    left = {key: value for key, value in tags.items() if key != change.key}
    return left if change.value is None else {**left, change.key: change.value}
