"""Small pieces of policy to test with: a table of flights, grants on it, and random worlds."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from meshplane.services.permissions.model import (
    AssetAccess,
    AssetTags,
    DataFilter,
    FilterColumn,
    GovernedAsset,
    GovernedColumn,
    Grant,
    GrantedColumn,
    LakeState,
    MaskRule,
    RowFilter,
    TagMask,
    Target,
)
from meshplane.services.permissions.semantics import access
from tests.builders.naive_policy import World

NOW = datetime(2030, 6, 1, tzinfo=UTC)
NO_TAGS = AssetTags()

_TYPES = ("VARCHAR", "INTEGER", "DATE", "TIMESTAMP", "DECIMAL(10,2)", "DOUBLE")
_SEVERAL = ("columns", "filter", "tags")
_KINDS = ("table", "tables", "rows", "database", *_SEVERAL, *_SEVERAL)
_CLASSES = ("public", "internal", "confidential")


def column(
    name: str, field_id: int, sql_type: str = "VARCHAR", classification: str = "internal"
) -> GovernedColumn:
    return GovernedColumn(name, field_id, sql_type, classification)


def flights(*columns: GovernedColumn, classification: str = "internal") -> GovernedAsset:
    """`aviation.flights`, with its usual columns where none are given."""
    usual = (
        column("flight", 1),
        column("origin", 2),
        column("delay", 3, "INTEGER"),
        column("pilot", 4, classification="confidential"),
    )
    return GovernedAsset(
        asset_id="asset-1",
        name="flights",
        domain_id="dzd-1",
        domain_name="aviation",
        project_id="proj-1",
        table_id="tbl-1",
        classification=classification,
        columns=columns or usual,
    )


def target(kind: str, **members: Any) -> Target:
    """A target on the flights, or on their database."""
    if kind in {"table", "columns", "filter", "rows"}:
        members.setdefault("asset_id", "asset-1")
    if kind in {"database", "tables", "location"}:
        members.setdefault("domain_id", "dzd-1")
    if kind == "tags":
        members.setdefault("resource_type", "TABLE")
    return Target(kind, **members)  # type: ignore[arg-type]


def grant(
    grant_id: str, on: Target, *permissions: str, principal: str = "user:ana", **members: Any
) -> Grant:
    """A grant to Ana; SELECT where no permission is said."""
    return Grant(
        grant_id=grant_id,
        principal=principal,
        target=on,
        permissions=frozenset(permissions or ("SELECT",)),
        domain_id="dzd-1",
        **members,
    )


def where(text: str, *columns: tuple[str, int]) -> RowFilter:
    """A checked filter that names these columns."""
    return RowFilter(text, tuple(FilterColumn(name, number, "VARCHAR") for name, number in columns))


def accessed(*grants: Grant, asset: GovernedAsset | None = None, **policy: Any) -> AssetAccess:
    """What these grants come to on the flights."""
    return access(
        asset or flights(),
        policy.get("tags", NO_TAGS),
        grants,
        policy.get("filters", ()),
        policy.get("tag_masks", ()),
        policy.get("now", NOW),
    )


def shown(found: AssetAccess) -> list[dict[str, MaskRule | None]]:
    """The columns of each scope."""
    return [dict(scope.columns) for scope in found.scopes]


def random_mask(rng: random.Random) -> MaskRule:
    """Any mask, which may or may not fit a column."""
    kind = rng.choice(("none", "round", "truncate", "partial", "hash", "constant", "null"))
    if kind == "round":
        return MaskRule("round", digits=rng.choice((-3, -1, 0, 1, 2)))
    if kind == "truncate":
        return MaskRule("truncate", unit=rng.choice(("hour", "day", "week", "month", "year")))
    if kind == "partial":
        return MaskRule("partial", keep_first=rng.randrange(3), keep_last=rng.randrange(5))
    if kind == "constant":
        return MaskRule("constant", value=rng.choice(("x", "y")))
    return MaskRule(kind)  # type: ignore[arg-type]


def random_world(rng: random.Random) -> World:
    """A table that may have changed since things were granted on it, and policy of every kind."""
    fields = [
        column(f"c{number}", number, rng.choice(_TYPES), rng.choice(_CLASSES))
        for number in range(1, rng.randrange(2, 7))
    ]
    asset = flights(*_later(rng, fields), classification=rng.choice(_CLASSES))
    names = [c.name for c in fields]
    filters = [_random_filter(rng, f"f{n}", fields) for n in range(rng.randrange(3))]
    tags = AssetTags(
        _random_tags(rng, 0.5),
        _random_tags(rng, 0.4),
        {name: _random_tags(rng, 0.4) for name in names if rng.random() < 0.5},
    )
    tag_masks = [
        TagMask(key, value, random_mask(rng), rng.choice((None, "dzd-1", "dzd-2")))
        for key, value in rng.sample(
            [("team", "ops"), ("team", "hr"), *(("classification", c) for c in _CLASSES)],
            rng.randrange(4),
        )
    ]
    grants = [_random_grant(rng, f"g{n}", fields) for n in range(rng.randrange(1, 7))]
    return World(asset, tags, grants, filters, tag_masks, NOW)


def _later(rng: random.Random, fields: list[GovernedColumn]) -> list[GovernedColumn]:
    """The columns after a while: some renamed, dropped, added, or made anew under their name."""
    found = []
    for number, field in enumerate(fields):
        dice = rng.random()
        if dice < 0.75:
            found.append(field)
        elif dice < 0.83:
            found.append(column(field.name, 100 + number, field.sql_type, field.classification))
        elif dice < 0.91:
            new = f"n{number}"
            found.append(column(new, field.field_id, field.sql_type, field.classification))
    if rng.random() < 0.3 or not found:
        found.append(column("added", 200, rng.choice(_TYPES), rng.choice(_CLASSES)))
    return found


def _random_tags(rng: random.Random, chance: float) -> dict[str, str]:
    choices = {"team": ("ops", "hr"), "classification": _CLASSES}
    return {key: rng.choice(vs) for key, vs in choices.items() if rng.random() < chance}


def _some(rng: random.Random, fields: list[GovernedColumn]) -> tuple[str, ...]:
    return tuple(f.name for f in rng.sample(fields, rng.randrange(1, len(fields) + 1)))


def _random_where(rng: random.Random, fields: list[GovernedColumn]) -> RowFilter:
    field = rng.choice(fields)
    named = ((field.name, field.field_id),) if rng.random() < 0.8 else ()
    return where(rng.choice(("p", "q", "r")), *named)


def _pins(rng: random.Random, fields: list[GovernedColumn]) -> dict[str, int]:
    return {f.name: f.field_id for f in fields} if rng.random() < 0.7 else {}


def _random_filter(rng: random.Random, name: str, fields: list[GovernedColumn]) -> DataFilter:
    included, excluded = _lists(rng, fields)
    named = {*(included or ()), *(excluded or ())}
    pins = {n: number for n, number in _pins(rng, fields).items() if n in named}
    rows = _random_where(rng, fields) if rng.random() < 0.8 else None
    if rng.random() < 0.2:
        included = excluded = None
    return DataFilter("asset-1", name, rows, included, excluded, field_ids=pins)


def _lists(
    rng: random.Random, fields: list[GovernedColumn]
) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    names = _some(rng, fields)
    return (names, None) if rng.random() < 0.5 else (None, names)


def _random_target(rng: random.Random, fields: list[GovernedColumn]) -> Target:
    kind = rng.choice(_KINDS)
    if kind == "columns":
        included, excluded = _lists(rng, fields)
        return target("columns", included=included, excluded=excluded)
    if kind == "filter":
        return target("filter", filter_name=rng.choice(("f0", "f1")))
    if kind == "tags":
        expression: dict[str, tuple[str, ...]] = {}
        if rng.random() < 0.7:
            expression["classification"] = tuple(rng.sample(_CLASSES, rng.randrange(1, 3)))
        if rng.random() < 0.5 or not expression:
            expression["team"] = tuple(rng.sample(("ops", "hr"), rng.randrange(1, 3)))
        return target(
            "tags",
            expression=tuple(expression.items()),
            resource_type=rng.choice(("TABLE", "TABLE", "TABLE", "DATABASE")),
            domain_id=rng.choice((None, "dzd-1", "dzd-2")),
        )
    if rng.random() < 0.1:
        return target("table", asset_id="asset-2")
    return target(kind)


def _random_grant(rng: random.Random, grant_id: str, fields: list[GovernedColumn]) -> Grant:
    on = _random_target(rng, fields)
    permissions = rng.sample(
        ("SELECT", "SELECT", "SELECT", "DESCRIBE", "INSERT", "DROP"), rng.randrange(1, 4)
    )
    members: dict[str, Any] = {}
    pins = _pins(rng, fields)
    if on.kind == "rows":
        members["columns"] = tuple(
            GrantedColumn(name, random_mask(rng) if rng.random() < 0.3 else None, pins.get(name))
            for name in _some(rng, fields)
        )
        members["row_filter"] = _random_where(rng, fields) if rng.random() < 0.7 else None
    else:
        masks: Mapping[str, MaskRule] = {}
        if rng.random() < 0.4:
            masks = {name: random_mask(rng) for name in _some(rng, fields)[:2]}
        named = {*(on.included or ()), *(on.excluded or ()), *masks}
        members["masks"] = masks
        members["columns"] = tuple(
            GrantedColumn(name, field_id=number) for name, number in pins.items() if name in named
        )
    if rng.random() < 0.2:
        days = rng.choice((-1, 0, 1))
        members["expires_at"] = (NOW + timedelta(days=days)).isoformat()
    if rng.random() < 0.2:
        members["lake_state"] = rng.choice(get_args(LakeState))
    grantable = frozenset(p for p in permissions if rng.random() < 0.3)
    return grant(grant_id, on, *permissions, grantable=grantable, **members)
