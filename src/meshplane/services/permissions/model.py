"""The words of permissions as plain values: what is granted, to whom, on what; what comes of it.

Everything here is pure and may be imported by every service above. `semantics.access` says what
these values mean together.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from meshplane.services.permissions.masks import MaskKind, MaskRule, MaskUnit

__all__ = [
    "PERMISSIONS",
    "AssetAccess",
    "AssetTags",
    "Broken",
    "DataFilter",
    "FilterColumn",
    "GovernedAsset",
    "GovernedColumn",
    "Grant",
    "GrantedColumn",
    "LakeState",
    "MaskKind",
    "MaskRule",
    "MaskUnit",
    "OnAws",
    "ResourceKind",
    "RowFilter",
    "RowScope",
    "TagMask",
    "Target",
]

ResourceKind = Literal[
    "database", "tables", "table", "columns", "filter", "rows", "tags", "location"
]
LakeState = Literal["pending", "applied", "missing", "changed", "failed"]
OnAws = Literal["exclude", "view"]

PERMISSIONS = (
    "SELECT",
    "DESCRIBE",
    "INSERT",
    "DELETE",
    "ALTER",
    "DROP",
    "CREATE_TABLE",
    "DATA_LOCATION_ACCESS",
)
"""Everything that a grant may permit, in the order in which people read it."""

# What has a meaning in a key is written as its code, so that no two targets share one.
_CODES = str.maketrans({mark: f"%{ord(mark):02X}" for mark in "%=|&()@,#"})


@dataclass(frozen=True, slots=True)
class Target:
    """What a grant is on.

    Args:
        kind: which of the members below are filled.
        domain_id: the database: of `database`, `tables` (all of its tables) and `location`; of
            `tags` it narrows the grant to one database, None is the whole mesh.
        asset_id: the table: of `table`, `columns`, `filter`, `rows`.
        included, excluded: of `columns`: one of the two.
        filter_name: of `filter`: a named data filter of the asset.
        resource_type: of `tags`: what carries the tags.
        expression: of `tags`: each key with the values of which a resource must have one; all keys
            must match.
        path: of `location`.
    """

    kind: ResourceKind
    domain_id: str | None = None
    asset_id: str | None = None
    included: tuple[str, ...] | None = None
    excluded: tuple[str, ...] | None = None
    filter_name: str | None = None
    resource_type: Literal["TABLE", "DATABASE"] | None = None
    expression: tuple[tuple[str, tuple[str, ...]], ...] = ()
    path: str | None = None

    @property
    def key(self) -> str:
        """The canonical text: two targets that mean the same have the same, whatever the order.

        `asset:asset-1`, `asset:asset-1#columns(+a,b)`, `asset:asset-1#filter(eu)`, `domain:dzd-1`,
        `domain:dzd-1#tables`, `tags:TABLE(class=a|b&team=ops)@dzd-1`, `location:dzd-1#path`.
        """
        if self.kind == "table":
            return f"asset:{self.asset_id}"
        if self.kind == "columns":
            sign = "-" if self.included is None else "+"
            names = self.excluded if self.included is None else self.included
            return f"asset:{self.asset_id}#columns({sign}{_joined(names or (), ',')})"
        if self.kind == "filter":
            return f"asset:{self.asset_id}#filter({(self.filter_name or '').translate(_CODES)})"
        if self.kind == "rows":
            return f"asset:{self.asset_id}#rows"
        if self.kind == "database":
            return f"domain:{self.domain_id}"
        if self.kind == "tables":
            return f"domain:{self.domain_id}#tables"
        if self.kind == "location":
            return f"location:{self.domain_id}#{self.path}"
        terms = (
            f"{key.translate(_CODES)}={_joined(values, '|')}"
            for key, values in sorted(self.expression)
        )
        scope = "" if self.domain_id is None else f"@{self.domain_id}"
        return f"tags:{self.resource_type}({'&'.join(terms)}){scope}"

    @property
    def holder(self) -> str:
        """Where grants on it are found: `asset:<id>`, `domain:<id>`, `tags`, `location:<id>`."""
        if self.asset_id is not None:
            return f"asset:{self.asset_id}"
        if self.kind == "tags":
            return "tags"
        if self.kind == "location":
            return f"location:{self.domain_id}"
        return f"domain:{self.domain_id}"

    def to_json(self) -> dict[str, Any]:
        """The store form; members without a value are left out."""
        expression = [{"key": key, "values": list(values)} for key, values in self.expression]
        return _filled(
            kind=self.kind,
            domainId=self.domain_id,
            assetId=self.asset_id,
            included=_listed(self.included),
            excluded=_listed(self.excluded),
            filterName=self.filter_name,
            resourceType=self.resource_type,
            expression=expression or None,
            path=self.path,
        )

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Target":
        """The target that `to_json` wrote."""
        return cls(
            kind=value["kind"],
            domain_id=value.get("domainId"),
            asset_id=value.get("assetId"),
            included=_names(value.get("included")),
            excluded=_names(value.get("excluded")),
            filter_name=value.get("filterName"),
            resource_type=value.get("resourceType"),
            expression=tuple(
                (term["key"], tuple(term["values"])) for term in value.get("expression") or ()
            ),
            path=value.get("path"),
        )


@dataclass(frozen=True, slots=True)
class FilterColumn:
    """A column that a row filter names, as it was when the filter was checked."""

    name: str
    field_id: int
    sql_type: str


@dataclass(frozen=True, slots=True)
class RowFilter:
    """A checked condition over the rows of one table.

    Args:
        text: canonical SQL.
        columns: those that it names. Filters written before this was kept have none; whether they
            still fit is seen when they are bound.
    """

    text: str
    columns: tuple[FilterColumn, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The store form."""
        return {
            "text": self.text,
            "columns": [
                {"name": column.name, "fieldId": column.field_id, "sqlType": column.sql_type}
                for column in self.columns
            ],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | str) -> "RowFilter":
        """The filter that `to_json` wrote, or a bare condition of an older row."""
        if isinstance(value, str):
            return cls(value)
        columns = (FilterColumn(c["name"], c["fieldId"], c["sqlType"]) for c in value["columns"])
        return cls(value["text"], tuple(columns))


@dataclass(frozen=True, slots=True)
class GrantedColumn:
    """A column that a grant names.

    Args:
        name: its name when it was granted.
        mask: of a `rows` grant: how it is shown; None is plain.
        field_id: what it was by its identity, if known: it goes before the name.
    """

    name: str
    mask: MaskRule | None = None
    field_id: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The store form."""
        mask = None if self.mask is None else self.mask.to_json()
        return _filled(name=self.name, mask=mask, fieldId=self.field_id)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "GrantedColumn":
        """The column that `to_json` wrote."""
        mask = value.get("mask")
        rule = MaskRule.from_json(mask) if mask else None
        return cls(value["name"], rule, value.get("fieldId"))


@dataclass(frozen=True, slots=True)
class Grant:
    """Some permissions on a target, for a principal, until a date.

    Args:
        grant_id: chosen by the one who grants, so that granting twice is granting once.
        principal: `user:…`, `group:…`, `project:…`, `role:…`, `account:…`, `organization:…`.
        target: what it is on.
        permissions: what it permits.
        domain_id: the domain that answers for it; "" for tags of the whole mesh.
        grantable: those permissions that the holder may pass on.
        row_filter: of a `rows` grant; None is all rows.
        columns: of a `rows` grant: those that may be read. Of a `columns` grant, and of masks on
            one asset: the field ids of the columns that it names (see `pinning.pinned`).
        excluded_columns: of a `rows` grant: those that were left out, for people to read.
        masks: by column name, of all kinds but `rows`.
        expires_at: RFC 3339, or None.
        subscription_id: the subscription that it fulfils, if one.
        granted_by, granted_at, reason: who, when (RFC 3339), and why.
        on_aws: what becomes of a masked column where the lake cannot mask.
        lake_state, lake_reason: what is known of the grant's side in the lake.
    """

    grant_id: str
    principal: str
    target: Target
    permissions: frozenset[str]
    domain_id: str
    grantable: frozenset[str] = frozenset()
    row_filter: RowFilter | None = None
    columns: tuple[GrantedColumn, ...] = ()
    excluded_columns: tuple[str, ...] = ()
    masks: Mapping[str, MaskRule] = field(default_factory=dict)
    expires_at: str | None = None
    subscription_id: str | None = None
    granted_by: str = ""
    granted_at: str = ""
    reason: str = ""
    on_aws: OnAws = "exclude"
    lake_state: LakeState = "pending"
    lake_reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The store form; permissions stand in the order of `PERMISSIONS`."""
        return {
            "grantId": self.grant_id,
            "principal": self.principal,
            "target": self.target.to_json(),
            "permissions": in_order(self.permissions),
            "grantable": in_order(self.grantable),
            "domainId": self.domain_id,
            "rowFilter": None if self.row_filter is None else self.row_filter.to_json(),
            "columns": [column.to_json() for column in self.columns],
            "excludedColumns": list(self.excluded_columns),
            "masks": {name: mask.to_json() for name, mask in self.masks.items()},
            "expiresAt": self.expires_at,
            "subscriptionId": self.subscription_id,
            "grantedBy": self.granted_by,
            "grantedAt": self.granted_at,
            "reason": self.reason,
            "onAws": self.on_aws,
            "lakeState": self.lake_state,
            "lakeReason": self.lake_reason,
        }

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> "Grant":
        """The grant that `to_json` wrote.

        A row from before grants had targets reads as a `rows` grant on its asset. A row that says
        that it was revoked is no grant: do not bring it here.
        """
        target = item.get("target")
        row_filter = item.get("rowFilter")
        masks = item.get("masks") or {}
        return cls(
            grant_id=item["grantId"],
            principal=item["principal"],
            target=(
                Target.from_json(target) if target else Target("rows", asset_id=item["assetId"])
            ),
            permissions=frozenset(item.get("permissions") or ("SELECT", "DESCRIBE")),
            domain_id=item["domainId"],
            grantable=frozenset(item.get("grantable") or ()),
            row_filter=None if row_filter is None else RowFilter.from_json(row_filter),
            columns=tuple(GrantedColumn.from_json(c) for c in item.get("columns") or ()),
            excluded_columns=tuple(item.get("excludedColumns") or ()),
            masks={name: MaskRule.from_json(mask) for name, mask in masks.items()},
            expires_at=item.get("expiresAt"),
            subscription_id=item.get("subscriptionId"),
            granted_by=item.get("grantedBy") or "",
            granted_at=item.get("grantedAt") or "",
            reason=item.get("reason") or "",
            on_aws=item.get("onAws") or "exclude",
            lake_state=item.get("lakeState") or "pending",
            lake_reason=item.get("lakeReason"),
        )


@dataclass(frozen=True, slots=True)
class DataFilter:
    """A named piece of a table: rows and columns.

    Args:
        asset_id, name: which.
        row_filter: None is all rows.
        included, excluded: one of the two, or neither for all columns, also later ones.
        version: counts its changes.
        field_ids: of the columns that it names, by name (see `pinning.pinned_filter`).
    """

    asset_id: str
    name: str
    row_filter: RowFilter | None = None
    included: tuple[str, ...] | None = None
    excluded: tuple[str, ...] | None = None
    version: int = 1
    field_ids: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The store form."""
        return {
            "assetId": self.asset_id,
            "name": self.name,
            "rowFilter": None if self.row_filter is None else self.row_filter.to_json(),
            "included": _listed(self.included),
            "excluded": _listed(self.excluded),
            "version": self.version,
            "fieldIds": dict(self.field_ids),
        }

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> "DataFilter":
        """The data filter that `to_json` wrote."""
        row_filter = item.get("rowFilter")
        return cls(
            asset_id=item["assetId"],
            name=item["name"],
            row_filter=None if row_filter is None else RowFilter.from_json(row_filter),
            included=_names(item.get("included")),
            excluded=_names(item.get("excluded")),
            version=item.get("version", 1),
            field_ids=dict(item.get("fieldIds") or {}),
        )


@dataclass(frozen=True, slots=True)
class TagMask:
    """How columns with a tag are shown; `domain_id` None is the whole mesh."""

    key: str
    value: str
    mask: MaskRule
    domain_id: str | None = None


@dataclass(frozen=True, slots=True)
class GovernedColumn:
    """A column of a table as it is now."""

    name: str
    field_id: int
    sql_type: str
    classification: str


@dataclass(frozen=True, slots=True)
class GovernedAsset:
    """A table as it is now, as far as policy speaks of it.

    Args:
        engine: what keeps its rows outside of the lake: `redshift`; empty: the lake has them.
    """

    asset_id: str
    name: str
    domain_id: str
    domain_name: str
    project_id: str
    table_id: str
    classification: str
    columns: tuple[GovernedColumn, ...]
    engine: str = ""


@dataclass(frozen=True, slots=True)
class AssetTags:
    """The tags that were assigned, each where it was assigned: nothing inherited stands here."""

    database: Mapping[str, str] = field(default_factory=dict)
    table: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RowScope:
    """What one grant lets through: rows by a filter (None: all), columns by name, each masked."""

    grant_id: str
    filter: RowFilter | None
    columns: Mapping[str, MaskRule | None]


@dataclass(frozen=True, slots=True)
class Broken:
    """A grant that would apply and cannot: it lets nothing through until someone mends it."""

    grant_id: str
    why: str


@dataclass(frozen=True, slots=True)
class AssetAccess:
    """What some principals have on a table, all their grants together.

    Args:
        rights: each permission with the grants that give it.
        grantable: each permission that may be passed on, with the grants that say so.
        scopes: what may be read; a union.
        broken: grants that let nothing through, and why.
    """

    rights: Mapping[str, tuple[str, ...]]
    grantable: Mapping[str, tuple[str, ...]]
    scopes: tuple[RowScope, ...]
    broken: tuple[Broken, ...]


def in_order(permissions: Iterable[str]) -> list[str]:
    """Permissions in the order of `PERMISSIONS`."""
    return sorted(permissions, key=PERMISSIONS.index)


def _joined(names: Iterable[str], mark: str) -> str:
    return mark.join(sorted(name.translate(_CODES) for name in set(names)))


def _filled(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _listed(names: Sequence[str] | None) -> list[str] | None:
    return None if names is None else list(names)


def _names(value: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(value)
