"""Whether one who may pass permissions on may make a grant: nobody gives more than he has.

Lake Formation asks it so (Developer Guide, "Notes and restrictions for column-level filtering" and
"Data filtering limitations"): whoever passes on SELECT of columns must name the same columns or
fewer; whoever passes on with a row filter must see all rows. Meshplane asks the same of masks and
of the end of a grant, and lets a data filter be passed on by one who holds the grant option on that
very filter. It is asked when a grant is made: what was passed on stays when the holder's own goes.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from meshplane.kit.clock import from_text
from meshplane.services.permissions.governed import AssetPolicy, GovernedTable
from meshplane.services.permissions.mask_strength import can_make
from meshplane.services.permissions.model import Grant, MaskRule, RowScope, Target, in_order
from meshplane.services.permissions.semantics import effect
from meshplane.services.permissions.wording import listed, on_what

_WHOLE = frozenset({"table", "tables"})
_SHOWS_NOTHING = frozenset({"null", "constant"})


def uncovered(
    wished: Grant, held: Iterable[Grant], policy: AssetPolicy | None, now: datetime
) -> str | None:
    """Why a holder may not make a grant, as a sentence for him; None if he may.

    Args:
        wished: the grant that he would make.
        held: all grants of the principals as whom he acts; those that ended do not count.
        policy: the table, if the wished grant is on one; its grants are not looked at.
        now: the instant of the grant.
    """
    holders = [grant for grant in held if _in_force(grant, now)]
    table = policy.table() if policy is not None else None
    # What is to be passed on further must be his to pass on, as well as what is granted.
    for permission in in_order(wished.permissions | wished.grantable):
        able = [grant for grant in holders if permission in grant.grantable]
        if not able:
            return f"You hold no grant that lets you pass on {permission}."
        lasting = [grant for grant in able if _lasts(grant, wished)]
        if not lasting:
            return f"The grant would outlast yours: {permission} can be passed on until yours ends."
        if wished.target.asset_id is None or table is None:
            problem = _wide(permission, wished, lasting)
        elif permission == "SELECT":
            problem = _cells(wished, lasting, table, now)
        else:
            problem = _on_table(permission, wished, lasting, table, now)
        if problem is not None:
            return problem
    return None


def _in_force(grant: Grant, now: datetime) -> bool:
    ended = grant.expires_at is not None and now >= from_text(grant.expires_at)
    return not ended and grant.lake_state in {"pending", "applied"}


def _lasts(held: Grant, wished: Grant) -> bool:
    if held.expires_at is None:
        return True
    if wished.expires_at is None:
        return False
    return from_text(wished.expires_at) <= from_text(held.expires_at)


def _wide(permission: str, wished: Grant, held: Sequence[Grant]) -> str | None:
    """For targets on no single table: the same target or a wider one, and masks no weaker."""
    reaching = [grant for grant in held if _reaches(grant.target, wished.target)]
    if not reaching:
        return f"Your right to pass on {permission} does not reach {on_what(wished.target)}."
    if permission == "SELECT" and not any(_keeps(g.masks, wished.masks) for g in reaching):
        return "Your grant masks columns that this one would show: name the same masks."
    return None


def _reaches(held: Target, wished: Target) -> bool:
    if held.kind == "tables" and wished.kind == "tags" and wished.resource_type == "TABLE":
        return held.domain_id == wished.domain_id
    if held.kind != wished.kind:
        return False
    if held.kind == "location":
        wide, narrow = (held.path or "").rstrip("/"), (wished.path or "").rstrip("/")
        inside = narrow == wide or narrow.startswith(f"{wide}/")
        return held.domain_id == wished.domain_id and inside and ".." not in narrow.split("/")
    if held.kind != "tags":
        return held.domain_id == wished.domain_id
    narrower = dict(wished.expression)
    return (
        held.resource_type == wished.resource_type
        and held.domain_id in {None, wished.domain_id}
        and all(
            key in narrower and set(narrower[key]) <= set(values) for key, values in held.expression
        )
    )


def _keeps(held: Mapping[str, MaskRule], wished: Mapping[str, MaskRule]) -> bool:
    """Whether no column is shown more by the wished masks than by those that are held.

    A mask of a grant goes before one that a tag brings, so that one which the holder's grant has
    not might show more than he sees; it is fine only if it shows nothing of the value.
    """
    added = (mask for name, mask in wished.items() if name not in held)
    if any(mask.kind not in _SHOWS_NOTHING for mask in added):
        return False
    return all(can_make(mask, wished.get(name)) for name, mask in held.items())


def _on_table(
    permission: str, wished: Grant, held: Sequence[Grant], table: GovernedTable, now: datetime
) -> str | None:
    # Tags may reach the whole table today and a part of it when it gets another column: what comes
    # of them is not passed on as a right to the table itself.
    if any(
        permission in effect(grant, table, now).permissions and _stays_open(grant, wished)
        for grant in held
    ):
        return None
    return f"Your right to pass on {permission} is not on {on_what(wished.target)}."


def _cells(wished: Grant, held: Sequence[Grant], table: GovernedTable, now: datetime) -> str | None:
    """For SELECT on a table: every cell that the grant would show, the holder can show."""
    found = effect(wished, table, now)
    if found.scope is None:
        return (
            "The grant would let nothing be read."
            if found.why is None
            else (f"The grant would let nothing through, because {found.why}.")
        )
    reaching = []
    for grant in held:
        scope = effect(grant, table, now).scope
        if scope is not None and _passes_rows(scope, found.scope):
            reaching.append((grant, scope))
    if not reaching:
        return "Your right to pass on SELECT does not reach these rows: you need all rows."
    if _is_open(wished, table) and not any(_stays_open(grant, wished) for grant, _ in reaching):
        return (
            "The grant would show columns that the table may get later, which yours does not: "
            "name the columns."
        )
    for name, mask in found.scope.columns.items():
        shown = [scope.columns[name] for _, scope in reaching if name in scope.columns]
        if not shown:
            return f"Your right to pass on SELECT does not reach the column {name}."
        if not any(can_make(seen, mask) for seen in shown):
            return f"The column {name} is masked for you: pass it on with the same mask."
    return _lifting(wished, [grant for grant, _ in reaching])


def _lifting(wished: Grant, held: Sequence[Grant]) -> str | None:
    """A mask of `none` keeps tags from masking a column, now or later: only who has it has that."""
    for name, mask in wished.masks.items():
        lifts = any(name in own.masks and own.masks[name].kind == "none" for own in held)
        if mask.kind == "none" and not lifts:
            return f"Only who answers for the table can keep tags from masking the column {name}."
    return None


def _passes_rows(held: RowScope, wished: RowScope) -> bool:
    if held.filter is None:
        return True
    return wished.filter is not None and held.filter.text == wished.filter.text


def _is_open(grant: Grant, table: GovernedTable) -> bool:
    """Whether columns that the table gets later belong to it."""
    if grant.target.kind == "filter":
        found = table.filter_named(grant.target.filter_name)
        return found is None or found.included is None
    return grant.target.kind == "table" or grant.target.excluded is not None


def _stays_open(held: Grant, wished: Grant) -> bool:
    return held.target.kind in _WHOLE or held.target.key == wished.target.key


def grantable_targets(held: Iterable[Grant], now: datetime) -> list[str]:
    """What a holder may pass on, in words, for a message that helps him."""
    return [
        f"{listed(in_order(grant.grantable))} on {on_what(grant.target)}"
        for grant in held
        if grant.grantable and _in_force(grant, now)
    ]
