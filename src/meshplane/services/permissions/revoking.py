"""Takes away a part of what a principal was granted. Pure.

As in Lake Formation, a revoke names a resource and permissions, and takes them from what was
granted on that resource (`RevokePermissions`); taking a permission takes the right to pass it on as
well; and what was granted on something wider stays, as there is no denying a part of it. The edges:

- Some of the columns of a column grant: the others stay. Of an exclude list, the columns that were
  revoked join those that it excludes. One revoke reaches all column grants of the principal on the
  table, as Lake Formation keeps them as one.
- Columns of one who was granted the whole table, or a table of one who was granted all tables or an
  expression over tags: refused. Lake Formation answers that the principal has no permissions on the
  resource; here the answer says what to revoke and what to grant in its place.
- All of it where he has none of it: refused, as Lake Formation does ("No permissions revoked").
- Passing on is not chained: what a principal passed on stays when his own grant goes, as in Lake
  Formation, which keeps no record of who passed on what.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from meshplane.kit.errors import Conflict, Missing
from meshplane.services.permissions.model import Grant, GrantedColumn, Target, in_order
from meshplane.services.permissions.wording import listed, on_what

_WIDER = frozenset({"table", "tables", "tags"})


@dataclass(frozen=True, slots=True)
class Revoked:
    """What a revoke does.

    Args:
        changed: grants of which something is left, as they are then. One whose target became
            another keeps its id.
        ended: grants of which nothing is left, as they were.
        still: other grants of the principal that give some of the same yet.
    """

    changed: tuple[Grant, ...]
    ended: tuple[Grant, ...]
    still: tuple[Grant, ...] = ()


def part_left(
    grant: Grant, permissions: Collection[str] | None, grant_option_only: bool = False
) -> Grant | None:
    """What is left of one grant.

    Args:
        grant: to take from.
        permissions: to take away; None is all of them.
        grant_option_only: whether only the right to pass them on goes.

    Returns:
        The grant as it is then; None if it permits nothing then.

    Raises:
        Conflict: GRANT_OF_SUBSCRIPTION, it is a subscription's: that is what to revoke.
        Missing: GRANT_NOT_FOUND, it has none of that.
    """
    _demand_free(grant)
    gone = frozenset(grant.permissions if permissions is None else permissions)
    if grant_option_only:
        if not grant.grantable & gone:
            raise _nothing(f"{grant.principal} may not pass on {_words(gone)} by this grant.")
        return replace(grant, grantable=grant.grantable - gone)
    if not grant.permissions & gone:
        raise _nothing(f"The grant does not permit {_words(gone)}.")
    left = grant.permissions - gone
    if not left:
        return None
    masks = grant.masks if "SELECT" in left else {}
    return replace(grant, permissions=left, grantable=grant.grantable - gone, masks=masks)


def revoke(
    held: Sequence[Grant],
    target: Target,
    permissions: Collection[str] | None,
    grant_option_only: bool = False,
) -> Revoked:
    """What a revoke on a resource does to the grants of one principal.

    Args:
        held: all grants of the principal that may bear on the resource, subscriptions' too.
        target: the resource from which to take.
        permissions: to take away; None is all of them.
        grant_option_only: whether only the right to pass them on goes.

    Raises:
        Missing: GRANT_NOT_FOUND, he has none of it.
        Conflict: GRANT_OF_SUBSCRIPTION, he has it by a subscription alone; GRANT_IS_WIDER, he has
            it by grants on something wider.
    """
    wished = frozenset(permissions) if permissions is not None else None
    ours = [grant for grant in held if grant.subscription_id is None]
    if target.kind == "columns":
        found = _revoke_columns(ours, target, wished, grant_option_only)
    else:
        found = _revoke_exact(ours, target, wished, grant_option_only)
    touched = {grant.grant_id for grant in (*found.changed, *found.ended)}
    still = tuple(
        grant
        for grant in held
        if grant.grant_id not in touched and _gives(grant, target, wished, grant_option_only)
    )
    if touched:
        return replace(found, still=still)
    raise _refusal(still, target)


def _revoke_exact(
    held: Iterable[Grant], target: Target, wished: frozenset[str] | None, option_only: bool
) -> Revoked:
    changed, ended = [], []
    for grant in held:
        if grant.target.key != target.key or not _has(grant, wished, option_only):
            continue
        left = part_left(grant, wished, option_only)
        if left is None:
            ended.append(grant)
        else:
            changed.append(left)
    return Revoked(tuple(changed), tuple(ended))


def _revoke_columns(
    held: Iterable[Grant], target: Target, wished: frozenset[str] | None, option_only: bool
) -> Revoked:
    changed, ended = [], []
    for grant in held:
        is_here = grant.target.kind == "columns" and grant.target.asset_id == target.asset_id
        if not is_here or not _has(grant, wished, option_only):
            continue
        left = _without(grant.target, target)
        if left == grant.target:
            continue
        if option_only:
            # One grant has one answer to who may pass on: all of its columns lose it together.
            changed.append(replace(grant, grantable=frozenset()))
        elif left is None:
            ended.append(grant)
        else:
            changed.append(_narrowed(grant, left))
    return Revoked(tuple(changed), tuple(ended))


def _without(held: Target, gone: Target) -> Target | None:
    """The columns of one list that are not of the other; None if there are none."""
    if gone.included is not None:
        if held.included is not None:
            left = tuple(name for name in held.included if name not in gone.included)
            return replace(held, included=left) if left else None
        added = [name for name in gone.included if name not in (held.excluded or ())]
        return replace(held, excluded=(*(held.excluded or ()), *added))
    spared = gone.excluded or ()
    if held.included is not None:
        left = tuple(name for name in held.included if name in spared)
    else:
        left = tuple(name for name in spared if name not in (held.excluded or ()))
    return replace(held, included=left, excluded=None) if left else None


def _narrowed(grant: Grant, target: Target) -> Grant:
    """The grant on fewer columns, with the masks of those, and no identity forgotten."""
    included = target.included
    masks = {
        name: mask
        for name, mask in grant.masks.items()
        if (name in included if included is not None else name not in (target.excluded or ()))
    }
    named = {*(included or ()), *(target.excluded or ()), *masks}
    pins: tuple[GrantedColumn, ...] = tuple(c for c in grant.columns if c.name in named)
    return replace(grant, target=target, masks=masks, columns=pins)


def _has(grant: Grant, wished: frozenset[str] | None, option_only: bool) -> bool:
    has = grant.grantable if option_only else grant.permissions
    return bool(has if wished is None else has & wished)


def _gives(grant: Grant, target: Target, wished: frozenset[str] | None, option_only: bool) -> bool:
    """Whether a grant gives some of what a revoke on the target was to take.

    What tags and databases reach is not known here; a grant on them may give it, and is named.
    """
    if not _has(grant, wished, option_only):
        return False
    held = grant.target
    if target.asset_id is None:
        return held.key == target.key
    if held.asset_id is None:
        return held.kind == "tables" or (held.kind == "tags" and held.resource_type == "TABLE")
    if held.asset_id != target.asset_id:
        return False
    if target.kind == held.kind == "columns":
        return _without(held, target) != held
    return target.kind != "filter" or held.kind != "filter" or held.key == target.key


def _demand_free(grant: Grant) -> None:
    if grant.subscription_id is not None:
        raise Conflict(
            "GRANT_OF_SUBSCRIPTION",
            f"The subscription {grant.subscription_id} gives this: revoke that, and its grant goes "
            "with it.",
            details={"subscriptionId": grant.subscription_id, "grantId": grant.grant_id},
        )


def _refusal(still: Sequence[Grant], target: Target) -> Conflict | Missing:
    """Why nothing could be taken, where these grants give some of it."""
    if not still:
        return _nothing("The principal has no such permission on that resource by a grant.")
    free = [grant for grant in still if grant.subscription_id is None]
    if not free:
        _demand_free(still[0])
    wider = [grant for grant in free if grant.target.kind in _WIDER]
    held = listed([f"{on_what(grant.target)} ({grant.grant_id})" for grant in wider or free])
    details = {"grantIds": [grant.grant_id for grant in wider or free]}
    if not wider or target.kind in _WIDER - {"table"}:
        return Missing(
            "GRANT_NOT_FOUND",
            f"The principal has no grant on {on_what(target)}, but on {held}: revoke that.",
            details=details,
        )
    instead = (
        "all columns but these" if target.kind == "columns" and target.included else "what he keeps"
    )
    return Conflict(
        "GRANT_IS_WIDER",
        f"The principal has this by a grant on {held}. A part of it cannot be taken away: revoke "
        f"that grant, and grant {instead}.",
        field="resource",
        details=details,
    )


def _nothing(message: str) -> Missing:
    return Missing("GRANT_NOT_FOUND", message)


def _words(permissions: Iterable[str]) -> str:
    return listed(in_order(permissions), "or")
