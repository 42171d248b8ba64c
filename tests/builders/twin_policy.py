"""Random policy for lakes that must show the same: tables, tags, filters, grants, and changes.

Everything is in the product's own plain values. What is granted is what people may grant: a
permission that does not go with a target is not tried, as the product refuses it before any lake
sees it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import Random
from typing import Any

from meshplane.services.permissions.api import (
    AssetTags,
    DataFilter,
    FilterColumn,
    GovernedAsset,
    GovernedColumn,
    Grant,
    GrantedColumn,
    MaskKind,
    MaskRule,
    RowFilter,
    TagMask,
    Target,
)
from tests.builders.random_schema import Table, Values, random_types, row

NOW = datetime(2024, 6, 1, tzinfo=UTC)
CLASSES = ("public", "internal", "confidential", "restricted")
TAGS = {"team": ("ops", "hr", "Ops"), "level": ("1", "2")}
_ON_TABLES = ("DESCRIBE", "INSERT", "DELETE", "ALTER", "DROP")

_KINDS = (
    *("columns", "rows", "tags") * 3,
    *("table", "filter") * 2,
    *("tables", "database"),
)
_MASKS: tuple[MaskKind, ...] = ("null", "hash", "none")

Canonical = Callable[[str, Table], RowFilter]
"""A condition over a table as the product keeps it."""


@dataclass
class Twins:
    """What two lakes are to show alike.

    Attributes:
        tables: with their rows, by asset id.
        assets: by id.
        tags: by asset id; those of a domain are the same in each of its assets.
        filters: data filters.
        grants: by id, in force or expired.
        tag_masks: of the mesh and of domains.
        principals: who holds something.
    """

    tables: dict[str, Table] = field(default_factory=dict)
    assets: dict[str, GovernedAsset] = field(default_factory=dict)
    tags: dict[str, AssetTags] = field(default_factory=dict)
    filters: list[DataFilter] = field(default_factory=list)
    grants: dict[str, Grant] = field(default_factory=dict)
    tag_masks: list[TagMask] = field(default_factory=list)
    principals: tuple[str, ...] = ()

    def filters_of(self, asset_id: str) -> dict[str, DataFilter]:
        """The data filters of an asset by name."""
        return {one.name: one for one in self.filters if one.asset_id == asset_id}

    def in_force(self) -> list[Grant]:
        """The grants that have not ended."""
        return [
            grant
            for grant in self.grants.values()
            if grant.expires_at is None or datetime.fromisoformat(grant.expires_at) > NOW
        ]


class TwinMaker:
    """Makes twins, and changes them.

    Args:
        random: the source of all chance.
        number: of the world, which makes names its own.
        canonical: writes conditions as the product keeps them.
    """

    def __init__(self, random: Random, number: int, canonical: Canonical) -> None:
        self._random = random
        self._number = number
        self._canonical = canonical
        self._next = 0
        self.world = Twins(
            principals=(
                *(f"project:proj-{number}x{each}" for each in range(3)),
                f"role:arn:aws:iam::111122223333:role/guest-{number}",
            )
        )

    def make(self) -> Twins:
        """A world with its first grants."""
        chance, world = self._random, self.world
        domains = (f"air{self._number}", f"sea{self._number}")
        of_domain = {name: self._some_tags(0.4) for name in domains}
        for name in ("alpha", "beta"):
            domain = chance.choice(domains)
            self._add_table(name, domain, of_domain[domain])
        if chance.random() < 0.25:
            self._add_tag_mask()
        for asset_id in world.assets:
            for place in range(chance.randrange(3)):
                world.filters.append(self._data_filter(asset_id, f"part{place}"))
        for _ in range(chance.randrange(6, 14)):
            self.grant()
        return world

    def change(self) -> None:
        """Some changes: grants that end or come, a filter or tags that are others now."""
        chance, world = self._random, self.world
        for grant_id in [one for one in sorted(world.grants) if chance.random() < 0.3]:
            grant = world.grants[grant_id]
            left = grant.permissions - {chance.choice(sorted(grant.permissions))}
            if left and chance.random() < 0.4:
                world.grants[grant_id] = replace(
                    grant, permissions=left, grantable=grant.grantable & left
                )
            else:
                del world.grants[grant_id]
        world.filters = [
            self._data_filter(one.asset_id, one.name) if chance.random() < 0.4 else one
            for one in world.filters
        ]
        for asset_id, tags in world.tags.items():
            if chance.random() < 0.4:
                world.tags[asset_id] = AssetTags(tags.database, self._some_tags(), tags.columns)
        for asset_id in world.assets:
            if chance.random() < 0.12:
                self._evolve(asset_id)
        for _ in range(chance.randrange(1, 5)):
            self.grant()

    def _evolve(self, asset_id: str) -> None:
        """Two columns swap their names, or one is dropped and another made under its name."""
        chance, asset = self._random, self.world.assets[asset_id]
        columns = list(asset.columns)
        one, other = chance.sample(range(len(columns)), 2)
        if chance.random() < 0.5 and columns[one].sql_type == columns[other].sql_type:
            first, second = columns[one].field_id, columns[other].field_id
            columns[one] = replace(columns[one], field_id=second)
            columns[other] = replace(columns[other], field_id=first)
        else:
            newest = max(column.field_id for column in columns) + 1
            columns[one] = replace(columns[one], field_id=newest)
        self.world.assets[asset_id] = replace(asset, columns=tuple(columns))

    def grant(self) -> None:
        """One more grant; the same principal has one on a target."""
        chance = self._random
        kind = chance.choice(_KINDS)
        principal = chance.choice(self.world.principals)
        asset = self.world.assets[chance.choice(sorted(self.world.assets))]
        made: Grant | None = getattr(self, f"_{kind}")(principal, asset)
        if made is None or any(
            (one.principal, one.target.key) == (made.principal, made.target.key)
            for one in self.world.grants.values()
        ):
            return
        if chance.random() < 0.06:
            made = replace(made, expires_at="2024-01-01T00:00:00.000000Z")
        self.world.grants[made.grant_id] = made

    def _add_table(self, name: str, domain: str, of_domain: dict[str, str]) -> None:
        chance = self._random
        types = {n: kind for n, kind in random_types(chance).items() if n != "seen"}
        values = Values(chance)
        rows = tuple(row(values, types) for _ in range(chance.choice((0, 4, 9, 14))))
        asset_id, table_class = f"asset-{self._number}-{name}", chance.choice(CLASSES)
        self.world.tables[asset_id] = Table(domain, name, types, rows)
        columns = tuple(
            GovernedColumn(column, place, kind, chance.choice((table_class, table_class, *CLASSES)))
            for place, (column, kind) in enumerate(types.items(), 1)
        )
        self.world.assets[asset_id] = GovernedAsset(
            asset_id, name, f"dzd-{domain}", domain, "proj-own", asset_id, table_class, columns
        )
        on_columns = {column: self._some_tags() for column in types if chance.random() < 0.3}
        self.world.tags[asset_id] = AssetTags(of_domain, self._some_tags(), on_columns)

    def _some_tags(self, share: float = 0.5) -> dict[str, str]:
        chance = self._random
        found = {key: chance.choice(TAGS[key]) for key in TAGS if chance.random() < share}
        if chance.random() < 0.15:
            found["classification"] = chance.choice(CLASSES)
        return found

    def _add_tag_mask(self) -> None:
        chance = self._random
        key = chance.choice(("team", "classification"))
        value = chance.choice(TAGS.get(key, CLASSES))
        asset = self.world.assets[chance.choice(sorted(self.world.assets))]
        domain = chance.choice((None, asset.domain_id))
        self.world.tag_masks.append(TagMask(key, value, MaskRule("null"), domain))

    def _id(self) -> str:
        self._next += 1
        return f"grant-{self._number}-{self._next}"

    def _rights(self, *more: str) -> tuple[frozenset[str], frozenset[str]]:
        chance = self._random
        given = {one for one in more if chance.random() < 0.2}
        if chance.random() < 0.9 or not given:
            given.add("SELECT")
        passed = {one for one in given if chance.random() < 0.12}
        return frozenset(given), frozenset(passed)

    def _masks(self, asset: GovernedAsset, names: Iterable[str]) -> dict[str, MaskRule]:
        chance = self._random
        if chance.random() < 0.8:
            return {}
        return {
            name: MaskRule(chance.choice(_MASKS)) for name in sorted(names) if chance.random() < 0.3
        }

    def _names(self, asset: GovernedAsset) -> tuple[str, ...]:
        names = [column.name for column in asset.columns]
        return tuple(sorted(self._random.sample(names, self._random.randrange(1, len(names)))))

    def _pins(self, asset: GovernedAsset, names: Iterable[str]) -> tuple[GrantedColumn, ...]:
        wanted = set(names)
        return tuple(
            GrantedColumn(column.name, field_id=column.field_id)
            for column in asset.columns
            if column.name in wanted
        )

    def _table(self, principal: str, asset: GovernedAsset) -> Grant:
        given, passed = self._rights(*_ON_TABLES)
        masks = self._masks(asset, [column.name for column in asset.columns])
        target = Target("table", asset_id=asset.asset_id)
        return Grant(self._id(), principal, target, given, asset.domain_id, passed, masks=masks)

    def _columns(self, principal: str, asset: GovernedAsset) -> Grant:
        chance, names = self._random, self._names(asset)
        passed = frozenset({"SELECT"}) if chance.random() < 0.15 else frozenset()
        if chance.random() < 0.65:
            target = Target("columns", asset_id=asset.asset_id, included=names)
            masks = self._masks(asset, names)
        else:
            target = Target("columns", asset_id=asset.asset_id, excluded=names)
            passed, masks = frozenset(), {}
        return Grant(
            self._id(),
            principal,
            target,
            frozenset({"SELECT"}),
            asset.domain_id,
            passed,
            columns=self._pins(asset, names),
            masks=masks,
        )

    def _rows(self, principal: str, asset: GovernedAsset) -> Grant:
        names = self._names(asset)
        masks = self._masks(asset, names)
        columns = tuple(replace(one, mask=masks.get(one.name)) for one in self._pins(asset, names))
        row_filter = self._condition(asset) if self._random.random() < 0.85 else None
        return Grant(
            self._id(),
            principal,
            Target("rows", asset_id=asset.asset_id),
            frozenset({"SELECT", "DESCRIBE"}),
            asset.domain_id,
            row_filter=row_filter,
            columns=columns,
        )

    def _data_filter(self, asset_id: str, name: str) -> DataFilter:
        chance, asset = self._random, self.world.assets[asset_id]
        names = self._names(asset)
        ids = {column.name: column.field_id for column in asset.columns if column.name in names}
        how = chance.randrange(3)
        return DataFilter(
            asset_id,
            name,
            self._condition(asset) if chance.random() < 0.8 else None,
            names if how == 0 else None,
            names if how == 1 else None,
            field_ids=ids if how < 2 else {},
        )

    def _filter(self, principal: str, asset: GovernedAsset) -> Grant | None:
        known = sorted(self.world.filters_of(asset.asset_id))
        if not known:
            return None
        target = Target("filter", asset_id=asset.asset_id, filter_name=self._random.choice(known))
        select = frozenset({"SELECT"})
        passed = select if self._random.random() < 0.1 else frozenset()
        return Grant(self._id(), principal, target, select, asset.domain_id, passed)

    def _tables(self, principal: str, asset: GovernedAsset) -> Grant:
        given, passed = self._rights(*_ON_TABLES)
        target = Target("tables", domain_id=asset.domain_id)
        return Grant(self._id(), principal, target, given, asset.domain_id, passed)

    def _database(self, principal: str, asset: GovernedAsset) -> Grant:
        target = Target("database", domain_id=asset.domain_id)
        given = frozenset({self._random.choice(("DESCRIBE", "CREATE_TABLE", "ALTER"))})
        return Grant(self._id(), principal, target, given, asset.domain_id)

    def _tags(self, principal: str, asset: GovernedAsset) -> Grant:
        chance = self._random
        pool = {**TAGS, "classification": CLASSES}
        keys = chance.sample(sorted(pool), chance.choice((1, 1, 2)))
        expression = tuple(
            (key, tuple(sorted(chance.sample(pool[key], chance.randrange(1, len(pool[key]) + 1)))))
            for key in sorted(keys)
        )
        on_tables = chance.random() < 0.9
        given, passed = self._rights(*_ON_TABLES) if on_tables else (frozenset({"DESCRIBE"}),) * 2
        domain_id = asset.domain_id if chance.random() < 0.7 else None
        target = Target(
            "tags",
            domain_id=domain_id,
            resource_type="TABLE" if on_tables else "DATABASE",
            expression=expression,
        )
        return Grant(self._id(), principal, target, given, domain_id or "", passed)

    def _condition(self, asset: GovernedAsset) -> RowFilter:
        table = self.world.tables[asset.asset_id]
        found = self._canonical(self._text(table, self._random.choice((0, 1, 1, 2))), table)
        ids = {column.name: column.field_id for column in asset.columns}
        named = (replace(column, field_id=ids[column.name]) for column in found.columns)
        return replace(found, columns=tuple(named))

    def _text(self, table: Table, depth: int) -> str:
        chance = self._random
        if depth == 0 or chance.random() < 0.3:
            return self._leaf(table)
        if chance.random() < 0.25:
            return f"NOT ({self._text(table, depth - 1)})"
        word = chance.choice(("AND", "OR"))
        return f"({self._text(table, depth - 1)}) {word} ({self._text(table, depth - 1)})"

    def _leaf(self, table: Table) -> str:
        chance = self._random
        plain = [name for name, kind in table.types.items() if "[" not in kind and "(p" not in kind]
        name = chance.choice(sorted(plain))
        kind = table.types[name]
        if chance.random() < 0.1:
            return f'"{name}" IS {chance.choice(("", "NOT "))}NULL'
        if kind == "BOOLEAN":
            forms = (f'"{name}"', f'NOT "{name}"', f'"{name}" = true', f'"{name}" IS TRUE')
            return chance.choice(forms)
        if chance.random() < 0.04:
            # What people write and Lake Formation cannot say.
            return chance.choice((f'length(CAST("{name}" AS VARCHAR)) > 2', '"id" % 2 = 0'))
        found = [cell for cell in (each[name] for each in table.records) if cell is not None]
        values = [_literal(chance.choice(found), kind) for _ in range(2)] if found else []
        if kind == "VARCHAR":
            values = values or ["'EU'", "'Ana'"]
            if chance.random() < 0.25:
                return f"\"{name}\" {chance.choice(('', 'NOT '))}LIKE '{chance.choice('EAUx')}%'"
        if not values:
            return f'"{name}" IS NULL'
        low, high = values
        sign = chance.choice(("=", "<>", "<", "<=", ">", ">="))
        compared = (
            f'"{name}" {sign} {low}',
            f'"{name}" {sign} {low}',
            f'{low} {sign} "{name}"',
            f'"{name}" BETWEEN {low} AND {high}',
            f'"{name}" IN ({low}, {high})',
            f'"{name}" NOT IN ({low}, {high})',
            f'"{name}" IN ({low}, NULL)',
            f'"{name}" IS DISTINCT FROM {low}',
        )
        return chance.choice(compared)


def _literal(value: Any, kind: str) -> str:
    if kind == "VARCHAR":
        return "'" + str(value).replace("'", "''") + "'"
    if kind == "DATE":
        return f"DATE '{value.isoformat()}'"
    if kind == "TIMESTAMP":
        return f"TIMESTAMP '{value.isoformat(' ')}'"
    return str(value)


def filter_columns(table: Table, names: Iterable[str]) -> tuple[FilterColumn, ...]:
    """The columns that a filter names, as it keeps them."""
    ids = {name: place for place, name in enumerate(table.types, 1)}
    return tuple(FilterColumn(name, ids[name], table.types[name]) for name in names)
