"""Why a principal sees a table as he does, grant by grant and column by column, in plain sentences.

It says what `semantics.access` comes to, by the same function for each grant; nothing is judged
here a second time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from meshplane.services.permissions.effective import (
    ColumnAccess,
    Effective,
    EffectiveColumn,
    effective,
)
from meshplane.services.permissions.governed import AssetPolicy, GovernedTable
from meshplane.services.permissions.model import Grant, MaskRule, RowScope, in_order
from meshplane.services.permissions.semantics import Effect, access, effect
from meshplane.services.permissions.tag_expressions import first_mismatch
from meshplane.services.permissions.wording import bracketed, listed, masked_as, on_what

VerdictOutcome = Literal[
    "applies",
    "elsewhere",
    "tags_differ",
    "permits_nothing",
    "expired",
    "not_in_lake",
    "broken",
    "not_his",
    "revoked",
]


@dataclass(frozen=True, slots=True)
class RevokedGrant:
    """A grant that was revoked, by whom, and when (RFC 3339)."""

    grant: Grant
    at: str
    by: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one grant does here, in a sentence; `target` says in words what it is on."""

    grant_id: str
    principal: str
    target: str
    outcome: VerdictOutcome
    applies: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class ColumnReason:
    """How a column is shown, and why it is not shown better."""

    name: str
    access: ColumnAccess
    mask: MaskRule | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a principal sees a table as he does.

    Args:
        verdicts: grant by grant: those that apply first, those that are not his last.
        columns: in the table's order.
        conclusion: what he may do and see, and why not the rest.
        effective: the same as values.
    """

    verdicts: tuple[Verdict, ...]
    columns: tuple[ColumnReason, ...]
    conclusion: tuple[str, ...]
    effective: Effective


_NOT_HERE = frozenset({"elsewhere", "tags_differ", "permits_nothing"})

_ORDER: tuple[VerdictOutcome, ...] = (
    "applies",
    "broken",
    "not_in_lake",
    "expired",
    "revoked",
    "tags_differ",
    "permits_nothing",
    "not_his",
    "elsewhere",
)


def explain(
    policy: AssetPolicy,
    principal: str,
    acts_as: Sequence[str],
    now: datetime,
    *,
    revoked: Sequence[RevokedGrant] = (),
    owns: bool = False,
) -> Explanation:
    """Why a principal sees a table as he does.

    Args:
        policy: the table with all grants that may bear on it, other people's too.
        principal: whom it is about.
        acts_as: all principals as whom he acts, himself included.
        now: the instant for which to say it.
        revoked: grants that were taken away.
        owns: whether he is of the project that publishes the table, which sees all of it.
    """
    table = policy.table()
    his = [grant for grant in policy.grants if grant.principal in acts_as]
    effects = {grant.grant_id: effect(grant, table, now) for grant in his}
    seen = effective(
        policy.asset, access(policy.asset, policy.tags, his, policy.filters, policy.tag_masks, now)
    )
    verdicts = [_verdict(grant, effects[grant.grant_id], table) for grant in his]
    verdicts += [
        _no(grant, "not_his", f"It is {grant.principal}'s, as whom {principal} does not act.")
        for grant in policy.grants
        if grant.principal not in acts_as and effect(grant, table, now).outcome not in _NOT_HERE
    ]
    verdicts += [
        _no(gone.grant, "revoked", f"It was revoked on {_day(gone.at)} by {gone.by}.")
        for gone in revoked
        if gone.grant.principal in acts_as
    ]
    verdicts.sort(key=lambda verdict: _ORDER.index(verdict.outcome))
    columns = tuple(_reason(column, his, effects, table) for column in seen.columns)
    conclusion = _owning(policy, principal) if owns else _concluded(policy, principal, seen)
    return Explanation(tuple(verdicts), columns, conclusion, seen)


def _verdict(grant: Grant, found: Effect, table: GovernedTable) -> Verdict:
    outcome = found.outcome
    if outcome == "applies":
        sentence = _applying(grant, found, table)
    elif outcome == "elsewhere":
        sentence = "It is on something else."
    elif outcome == "tags_differ":
        sentence = _differing(grant, table)
    elif outcome == "permits_nothing":
        permits = listed(in_order(grant.permissions))
        sentence = f"It permits {permits}, which means nothing on {on_what(grant.target)}."
    elif outcome == "expired":
        sentence = f"It ended on {_day(grant.expires_at or '')}."
    elif outcome == "not_in_lake":
        reason = "" if grant.lake_reason is None else f" ({grant.lake_reason.rstrip('.')})"
        sentence = f"It lets nothing through, because {found.why}{reason}: reconcile the lake."
    else:
        sentence = (
            f"It is broken and lets nothing through, because {found.why}: revoke it, or grant anew."
        )
    return Verdict(
        grant.grant_id,
        grant.principal,
        on_what(grant.target),
        outcome,
        outcome == "applies",
        sentence,
    )


def _no(grant: Grant, outcome: VerdictOutcome, sentence: str) -> Verdict:
    return Verdict(grant.grant_id, grant.principal, on_what(grant.target), outcome, False, sentence)


def _applying(grant: Grant, found: Effect, table: GovernedTable) -> str:
    scope = found.scope
    sentences = []
    if scope is not None:
        sentences.append(_reading(scope, table))
    rest = in_order(found.permissions - {"SELECT"})
    if rest:
        sentences.append(f"It permits {listed(rest)}.")
    lost = in_order(grant.permissions - found.permissions)
    if lost and grant.target.kind == "tags":
        sentences.append(
            f"It does not permit {listed(lost)}, as its tags do not reach every column."
        )
    passed_on = in_order(found.permissions & grant.grantable)
    if passed_on:
        sentences.append(f"{listed(passed_on)} may be passed on.")
    return " ".join(sentences)


def _reading(scope: RowScope, table: GovernedTable) -> str:
    rows = "all rows" if scope.filter is None else f"the rows where {scope.filter.text}"
    plain = [name for name, mask in scope.columns.items() if mask is None]
    masked = [
        f"{name} as {masked_as(mask)}" for name, mask in scope.columns.items() if mask is not None
    ]
    left_out = [name for name in table.names if name not in scope.columns]
    if not left_out and not masked:
        columns = "all columns"
    else:
        columns = "; ".join(
            part for part in (f"the columns {listed(plain)}" if plain else "", *masked) if part
        )
    end = f" Left out: {listed(left_out)}." if left_out else ""
    return f"It shows {rows}, and of them {columns}.{end}"


def _differing(grant: Grant, table: GovernedTable) -> str:
    """Which key of the expression the table and each column fail."""
    key = first_mismatch(grant.target.expression, table.own_tags)
    if key is None:
        return "Its expression matches the table, and none of its columns."
    has = table.own_tags.get(key)
    wanted = listed(dict(grant.target.expression)[key], "or")
    is_now = f"has {key} {has}" if has is not None else f"has no tag {key}"
    return f"It wants {key} to be {wanted}; the table {is_now}, and no column matches either."


def _reason(
    column: EffectiveColumn, his: Sequence[Grant], effects: dict[str, Effect], table: GovernedTable
) -> ColumnReason:
    if column.access == "hidden":
        sentence = _hidden(column.name, his, effects)
    else:
        sentence = _shown(column, his, table)
    return ColumnReason(column.name, column.access, column.mask, sentence)


def _shown(column: EffectiveColumn, his: Sequence[Grant], table: GovernedTable) -> str:
    best = [way for way in column.ways if way.mask == column.mask]
    everywhere = any(way.row_filter is None for way in best)
    if everywhere:
        rows = "in all rows that are shown"
    else:
        filters = dict.fromkeys(way.row_filter for way in best if way.row_filter is not None)
        rows = f"in the rows where {listed(list(filters), 'or')}"
    by = listed(list(dict.fromkeys(column.grants)))
    if column.mask is None:
        sentence = f"Shown {rows}, by {by}."
    else:
        sentence = f"Shown as {masked_as(column.mask)} {rows}, by {by}{_asked(column, his, table)}."
    others = [way for way in column.ways if way.mask != column.mask]
    if others and not everywhere:
        worse = next((way for way in others if way.row_filter is None), others[0])
        where = "elsewhere" if worse.row_filter is None else f"where {worse.row_filter}"
        mask = masked_as(worse.mask) if worse.mask is not None else "it is"
        sentence += f" It is shown as {mask} {where}."
    return sentence


def _asked(column: EffectiveColumn, his: Sequence[Grant], table: GovernedTable) -> str:
    """Who asked for the mask: the grant itself, or a tag."""
    asking = [
        rule
        for grant in his
        if grant.grant_id in column.grants
        and (rule := _own_mask(grant, column.name, table)) is not None
    ]
    if column.mask in asking:
        return ", as the grant asks"
    if asking:
        return ", as the mask that the grant asks for does not fit the column"
    tag_mask = table.masking_tag(column.name)
    if tag_mask is None:
        return ""
    unfit = "" if tag_mask.mask == column.mask else " for a mask that does not fit the column"
    return f", as the tag {tag_mask.key}={tag_mask.value} asks{unfit}"


def _own_mask(grant: Grant, name: str, table: GovernedTable) -> MaskRule | None:
    """The mask that a grant itself has for a column."""
    if grant.target.kind != "rows":
        own = table.own_masks(grant, table.pins(grant))
        return None if isinstance(own, str) else own.get(name)
    for granted in grant.columns:
        column = table.find(granted.name, granted.field_id)
        if column is not None and column.name == name:
            return granted.mask
    return None


def _hidden(name: str, his: Sequence[Grant], effects: dict[str, Effect]) -> str:
    """Why no grant shows a column."""
    leaving = [
        grant.grant_id
        for grant in his
        if (scope := effects[grant.grant_id].scope) is not None and name not in scope.columns
    ]
    if leaving:
        verb = "leaves" if len(leaving) == 1 else "leave"
        return f"Hidden: {listed(leaving)} {verb} it out, and no other grant shows it."
    closed = [
        grant.grant_id
        for grant in his
        if effects[grant.grant_id].outcome in {"broken", "not_in_lake"}
    ]
    if closed:
        return f"Hidden: what would show it ({listed(closed)}) lets nothing through."
    return "Hidden: no grant in force lets the table be read."


def _owning(policy: AssetPolicy, principal: str) -> tuple[str, ...]:
    name = f"{policy.asset.domain_name}.{policy.asset.name}"
    return (f"{principal} is of the project that publishes {name} and sees all of it, unmasked.",)


def _concluded(policy: AssetPolicy, principal: str, seen: Effective) -> tuple[str, ...]:
    name = f"{policy.asset.domain_name}.{policy.asset.name}"
    sentences = []
    if not seen.scopes:
        does = "has no permission on" if not seen.rights else "cannot read"
        sentences.append(f"{principal} {does} {name}.")
    else:
        shown = [column for column in seen.columns if column.access != "hidden"]
        if seen.all_rows:
            rows = "all rows"
        else:
            rows = f"the rows where {listed([bracketed(text) for text in seen.row_filters], 'or')}"
        sentences.append(
            f"{principal} reads {len(shown)} of {len(seen.columns)} columns of {name}, in {rows}."
        )
        for access_kind, words in (("masked", "Masked"), ("hidden", "Hidden")):
            names = [column.name for column in seen.columns if column.access == access_kind]
            if names:
                sentences.append(f"{words}: {listed(names)}.")
        if any(_varies(column, seen) for column in seen.columns):
            sentences.append(
                "Some columns are shown otherwise, or not at all, in some of the rows."
            )
    others = in_order(set(seen.rights) - {"SELECT"})
    if others:
        sentences.append(f"Permitted besides: {listed(others)}.")
    for broken in seen.broken:
        sentences.append(f"{broken.grant_id} would apply, and does not, because {broken.why}.")
    return tuple(sentences)


def _varies(column: EffectiveColumn, seen: Effective) -> bool:
    """Whether a column is shown in several ways, or only in some of the rows that are there."""
    if column.access == "hidden":
        return False
    if any(way.row_filter is None and way.mask == column.mask for way in column.ways):
        return False
    shown_in = {way.row_filter for way in column.ways if way.mask == column.mask}
    there = {scope.filter.text if scope.filter else None for scope in seen.scopes}
    return shown_in != there


def _day(instant: str) -> str:
    return instant[:10]
