"""Ties a grant to the columns that it names, by their identity, when it is made.

A name can come to stand for another column: one is dropped, and one is added under its name. A
grant that knows its columns' field ids (Apache Iceberg table specification, "Schema evolution": an
id is never given to another column) does not follow the name to the other column.
"""

from collections.abc import Iterable
from dataclasses import replace

from meshplane.kit.errors import FieldProblem, Invalid
from meshplane.services.permissions.model import (
    DataFilter,
    GovernedAsset,
    Grant,
    GrantedColumn,
)


def pinned(grant: Grant, asset: GovernedAsset) -> Grant:
    """The grant with the field ids of the columns that it includes, excludes or masks.

    Raises:
        Invalid: COLUMN_UNKNOWN, the table has no column of that name; MASK_DOES_NOT_FIT, a mask
            that is not for a column of that type, or is on one that the grant does not show.
    """
    if grant.target.kind == "rows":
        _demand((column.name for column in grant.columns), asset, "columns")
        ids = _ids(asset)
        columns = tuple(
            replace(column, field_id=column.field_id or ids[column.name])
            for column in grant.columns
        )
        return replace(grant, columns=columns)
    included, excluded = grant.target.included, grant.target.excluded
    _demand(included or (), asset, "resource.columns.included")
    _demand(excluded or (), asset, "resource.columns.excluded")
    _demand(grant.masks, asset, "masks")
    _demand_fitting(grant, asset)
    named = dict.fromkeys((*(included or ()), *(excluded or ()), *grant.masks))
    ids = _ids(asset)
    return replace(grant, columns=tuple(GrantedColumn(name, field_id=ids[name]) for name in named))


def pinned_filter(data_filter: DataFilter, asset: GovernedAsset) -> DataFilter:
    """The data filter with the field ids of the columns that it names.

    Raises:
        Invalid: COLUMN_UNKNOWN.
    """
    _demand(data_filter.included or (), asset, "included")
    _demand(data_filter.excluded or (), asset, "excluded")
    ids = _ids(asset)
    named = (*(data_filter.included or ()), *(data_filter.excluded or ()))
    return replace(data_filter, field_ids={name: ids[name] for name in named})


def _ids(asset: GovernedAsset) -> dict[str, int]:
    return {column.name: column.field_id for column in asset.columns}


def _demand(names: Iterable[str], asset: GovernedAsset, field: str) -> None:
    known = {column.name for column in asset.columns}
    # By their places: an error never repeats what the request holds.
    unknown = [place for place, name in enumerate(names) if name not in known]
    if unknown:
        raise Invalid(
            "COLUMN_UNKNOWN",
            f"{asset.domain_name}.{asset.name} has no such column.",
            fields=[FieldProblem(f"{field}.{place}", "is no column of it") for place in unknown],
        )


def _demand_fitting(grant: Grant, asset: GovernedAsset) -> None:
    types = {column.name: column.sql_type for column in asset.columns}
    included, excluded = grant.target.included, grant.target.excluded
    problems = []
    for name, mask in grant.masks.items():
        problem = mask.problem(types[name])
        if (included is not None and name not in included) or name in (excluded or ()):
            problem = "The grant does not show this column: there is nothing to mask."
        if problem is not None:
            problems.append(FieldProblem(f"masks.{name}", problem))
    if problems:
        raise Invalid("MASK_DOES_NOT_FIT", problems[0].message, fields=problems)
