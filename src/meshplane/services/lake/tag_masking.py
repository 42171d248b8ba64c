"""The masks that tags bring to a grant, for a lake that cannot bring them by itself.

Here a tag masks whatever carries it, whoever reads it; a lake that knows nothing of that would show
it plainly. So what tags mask is made a part of the grant before it is compiled for such a lake.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from meshplane.services.permissions.api import (
    AssetTags,
    DataFilter,
    GovernedAsset,
    Grant,
    MaskRule,
    TagMask,
    column_tags,
    strength,
)

_NULL = MaskRule("null")


def masked_by_tags(
    asset: GovernedAsset, tags: AssetTags, masks: Iterable[TagMask]
) -> dict[str, MaskRule]:
    """The mask of each column that has one by its tags: the strictest; null if it does not fit.

    Args:
        asset: as it is now.
        tags: assigned to it, its columns, and its database.
        masks: of the whole mesh and of domains; those of other domains are passed over.
    """
    here = [mask for mask in masks if mask.domain_id in {None, asset.domain_id}]
    found: dict[str, MaskRule] = {}
    by_column = column_tags(asset, tags)
    for column in asset.columns:
        carried = by_column[column.name]
        asked = [mask.mask for mask in here if carried.get(mask.key) == mask.value]
        if asked:
            rule = max(asked, key=strength)
            found[column.name] = _NULL if rule.problem(column.sql_type) else rule
    return found


def with_masks(
    grant: Grant, by_tags: Mapping[str, MaskRule], data_filter: DataFilter | None = None
) -> Grant:
    """The grant with the masks of tags where it shows a column and has no mask of its own for it.

    Args:
        grant: on an asset.
        by_tags: what tags mask, by column.
        data_filter: the one that the grant is on, if it is on one.
    """
    if grant.target.kind == "rows":
        columns = tuple(
            replace(column, mask=column.mask or by_tags.get(column.name))
            for column in grant.columns
        )
        return replace(grant, columns=columns)
    list_of = grant.target if data_filter is None else data_filter
    shown = {
        name: mask
        for name, mask in by_tags.items()
        if (list_of.included is None or name in list_of.included)
        and name not in (list_of.excluded or ())
    }
    return replace(grant, masks={**shown, **grant.masks})


def masked_tags(grant: Grant, masks: Iterable[TagMask]) -> list[str]:
    """The tags that may mask some column which a grant on many tables shows: `key=value`.

    A grant on tags reaches no column that has another value of a key which it names.
    """
    wanted = dict(grant.target.expression)
    return sorted(
        {
            f"{mask.key}={mask.value}"
            for mask in masks
            if mask.mask.kind != "none"
            and (grant.target.domain_id is None or mask.domain_id in {None, grant.target.domain_id})
            and mask.value in wanted.get(mask.key, (mask.value,))
        }
    )
