"""A table with everything that policy asks of it, worked out once for many grants."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from meshplane.services.permissions.mask_strength import strength, strictest
from meshplane.services.permissions.model import (
    AssetTags,
    DataFilter,
    GovernedAsset,
    GovernedColumn,
    Grant,
    MaskRule,
    RowFilter,
    TagMask,
)
from meshplane.services.permissions.tag_expressions import column_tags, matches, table_tags

_NULL = MaskRule("null")
_NO_MASKS: Mapping[str, MaskRule] = {}
_NO_PINS: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True)
class AssetPolicy:
    """A table with all the policy that bears on it; grants may be anybody's."""

    asset: GovernedAsset
    tags: AssetTags
    grants: tuple[Grant, ...]
    filters: tuple[DataFilter, ...] = ()
    tag_masks: tuple[TagMask, ...] = ()

    def table(self) -> "GovernedTable":
        """The table, ready to be asked."""
        return GovernedTable(self.asset, self.tags, self.filters, self.tag_masks)


class GovernedTable:
    """A table as it is now, its tags, its data filters, and the masks that its tags bring.

    Args:
        asset: the table.
        tags: assigned to it, its columns, and its database.
        filters: its data filters; those of other tables are passed over.
        tag_masks: of the whole mesh and of domains; those of other domains are passed over.
    """

    def __init__(
        self,
        asset: GovernedAsset,
        tags: AssetTags,
        filters: Iterable[DataFilter],
        tag_masks: Iterable[TagMask],
    ) -> None:
        self.asset = asset
        self.tags = tags
        self.names = tuple(column.name for column in asset.columns)
        self.by_name = {column.name: column for column in asset.columns}
        self._by_id = {column.field_id: column for column in asset.columns}
        self._filters = {found.name: found for found in filters if found.asset_id == asset.asset_id}
        self._tag_masks = [
            found for found in tag_masks if found.domain_id in {None, asset.domain_id}
        ]
        self._matched: dict[object, tuple[str, ...]] = {}

    @cached_property
    def own_tags(self) -> dict[str, str]:
        """The tags of the table, inherited ones included."""
        return table_tags(self.asset, self.tags)

    @cached_property
    def column_tags(self) -> dict[str, dict[str, str]]:
        """The tags of each column, inherited ones included."""
        return column_tags(self.asset, self.tags)

    @cached_property
    def _distinct_tags(self) -> list[dict[str, str]]:
        """The tags that columns have; those that share theirs are here once."""
        return list({id(tags): tags for tags in self.column_tags.values()}.values())

    @cached_property
    def whole(self) -> dict[str, MaskRule | None]:
        """All columns, as a grant on the table without masks of its own shows them."""
        if not self._tag_masks:
            return dict.fromkeys(self.names)
        return {name: self.shown(self.tag_mask(name), name) for name in self.names}

    @cached_property
    def _masks_of_tags(self) -> dict[str, TagMask]:
        """The mask that its tags bring each column that has one: the strictest."""
        found: dict[str, TagMask] = {}
        by_tag: dict[tuple[str, str], list[TagMask]] = {}
        for tag_mask in self._tag_masks:
            by_tag.setdefault((tag_mask.key, tag_mask.value), []).append(tag_mask)
        by_tags: dict[int, TagMask | None] = {}
        for name, tags in self.column_tags.items():
            if id(tags) not in by_tags:
                asked = [tag_mask for tag in tags.items() for tag_mask in by_tag.get(tag, ())]
                by_tags[id(tags)] = max(asked, key=lambda one: strength(one.mask), default=None)
            strongest = by_tags[id(tags)]
            if strongest is not None:
                found[name] = strongest
        return found

    def tag_mask(self, name: str) -> MaskRule | None:
        """The mask that a column has by its tags, if one."""
        found = self.masking_tag(name)
        return None if found is None else found.mask

    def masking_tag(self, name: str) -> TagMask | None:
        """The tag by which a column is masked, with its mask, if there is one."""
        return self._masks_of_tags.get(name) if self._tag_masks else None

    def shown(self, rule: MaskRule | None, name: str) -> MaskRule | None:
        """How a mask comes out on a column: None is plain; null if it does not fit its type."""
        return None if rule is None else _fitting(rule, self.by_name[name].sql_type)

    def find(self, name: str, field_id: int | None) -> GovernedColumn | None:
        """A column by its identity if that is known, else by its name."""
        return self.by_name.get(name) if field_id is None else self._by_id.get(field_id)

    def is_matched(self, grant: Grant) -> bool:
        """Whether the table itself has the tags that the grant's expression asks for."""
        return matches(grant.target.expression, self.own_tags)

    def matched(self, grant: Grant) -> tuple[str, ...]:
        """The columns that have the tags which the grant's expression asks for."""
        expression = grant.target.expression
        found = self._matched.get(expression)
        if found is None:
            reached = [tags for tags in self._distinct_tags if matches(expression, tags)]
            if len(reached) == len(self._distinct_tags):
                found = self.names
            else:
                # Most expressions reach no column at all: then none is looked at.
                ids = {id(tags) for tags in reached}
                by_name = self.column_tags
                found = tuple(n for n in self.names if id(by_name[n]) in ids) if ids else ()
            self._matched[expression] = found
        return found

    def filter_named(self, name: str | None) -> DataFilter | None:
        """The data filter of that name."""
        return self._filters.get(name or "")

    def pins(self, grant: Grant) -> Mapping[str, int]:
        """The identities of columns that the grant knows, by the names it has for them."""
        if not grant.columns:
            return _NO_PINS
        return {c.name: c.field_id for c in grant.columns if c.field_id is not None}

    def named(
        self,
        included: Sequence[str] | None,
        excluded: Sequence[str] | None,
        pins: Mapping[str, int],
    ) -> tuple[str, ...] | str:
        """The columns that an include or exclude list leaves, or why it cannot be told.

        An included column that is gone is left out. An excluded one that is gone, and whose
        identity is not known, may be here under another name: nobody can tell what to leave out.
        """
        if included is not None:
            if not pins:
                return tuple(name for name in included if name in self.by_name)
            found = (self.find(name, pins.get(name)) for name in included)
            return tuple(column.name for column in found if column is not None)
        if not excluded:
            return self.names
        left_out = set(excluded)
        for name in excluded:
            column = self.find(name, pins.get(name))
            if column is not None:
                left_out.add(column.name)
            elif name not in pins:
                return f"it excludes the column {name}, which the table no longer has"
        return tuple(name for name in self.names if name not in left_out)

    def own_masks(self, grant: Grant, pins: Mapping[str, int]) -> Mapping[str, MaskRule] | str:
        """The grant's own masks by the columns' names now, or why it cannot be told.

        A column that two of its masks mean, the one by name and the other by identity, is shown as
        the stricter shows it.
        """
        if not grant.masks:
            return _NO_MASKS
        found: dict[str, MaskRule] = {}
        for name, rule in grant.masks.items():
            column = self.find(name, pins.get(name))
            if column is None and name not in pins and grant.target.asset_id is not None:
                return f"it masks the column {name}, which the table no longer has"
            meant = {name} & self.by_name.keys()
            if column is not None:
                meant.add(column.name)
            for current in meant:
                found[current] = strictest((found.get(current, rule), rule)) or rule
        return found

    def filter_problem(self, row_filter: RowFilter | None) -> str | None:
        """Why a row filter does not fit the table any more; None if it does.

        Each column that it names must be the one that it was when the filter was checked, under
        the same name: the text of the filter has only the name.
        """
        for named in row_filter.columns if row_filter is not None else ():
            column = self.by_name.get(named.name)
            if column is None:
                return f"its row filter names the column {named.name}, which the table lacks now"
            if column.field_id != named.field_id:
                return f"its row filter names the column {named.name}, which is another one now"
        return None


@lru_cache(maxsize=4096)
def _fitting(rule: MaskRule, sql_type: str) -> MaskRule | None:
    if rule.kind == "none":
        return None
    return rule if rule.problem(sql_type) is None else _NULL
