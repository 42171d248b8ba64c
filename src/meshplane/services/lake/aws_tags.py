"""LF-tags in Lake Formation: the tags themselves, what carries them, and saved expressions.

Each function looks first and changes only what differs. Lake Formation keeps keys and values in
lower case, and says of each tag of a call whether it took it: an answer of success alone says
nothing.

A tag belongs to the whole account, and bears no tags or description itself. So one that the mesh
made has a value more, its mark, by which it is known when the mesh is removed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.place import AwsPlace

# Lake Formation shows the first 50 values of a tag alone: so it comes before names.
_MARK = ".meshplane:"
_MOST_VALUES = 50
_MOST_TAGS = 50


@dataclass(frozen=True, slots=True)
class OwnTags:
    """The tags that were assigned to a resource and its columns, nothing inherited among them."""

    table: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


async def ensure_tag(aws: Aws, key: str, values: Iterable[str], *, only: bool = False) -> bool:
    """Makes a tag with these values, or gives it those that it lacks; whether anything changed.

    Args:
        aws: as an administrator of the data lake.
        key: of the tag.
        values: that it shall have.
        only: whether values that are not named go. One that is assigned cannot.

    Raises:
        AwsRejected, AwsUnavailable: as `Aws.call`.
    """
    wanted = list(dict.fromkeys(value.lower() for value in values))
    held = await tag_values(aws, key)
    if held is None:
        first = wanted[: _MOST_VALUES - 1]
        try:
            await aws.call(
                "lakeformation", "create_lf_tag", TagKey=key, TagValues=[*first, mark_of(aws.place)]
            )
        except AwsRejected:
            held = await tag_values(aws, key)  # somebody else may have made it
            if held is None:
                raise
        else:
            held = frozenset(first)
            if len(first) == len(wanted):
                return True
    new = [value for value in wanted if value not in held]
    gone = sorted(held - set(wanted)) if only else []
    for begin in range(0, max(len(new), len(gone)), _MOST_VALUES):
        changes: dict[str, Any] = {}
        if new[begin : begin + _MOST_VALUES]:
            changes["TagValuesToAdd"] = new[begin : begin + _MOST_VALUES]
        if gone[begin : begin + _MOST_VALUES]:
            changes["TagValuesToDelete"] = gone[begin : begin + _MOST_VALUES]
        await aws.call("lakeformation", "update_lf_tag", TagKey=key, **changes)
    return bool(new or gone)


def mark_of(place: AwsPlace) -> str:
    """The value by which a tag is known that this mesh made."""
    return f"{_MARK}{place.prefix}"


async def tag_values(aws: Aws, key: str) -> frozenset[str] | None:
    """The values of a tag, without marks; None if there is no such tag."""
    try:
        told = await aws.call("lakeformation", "get_lf_tag", TagKey=key)
    except AwsRejected as error:
        if error.aws_code != "EntityNotFoundException":
            raise
        return None
    return frozenset(one for one in told.get("TagValues", ()) if not one.startswith(_MARK))


async def delete_tag(aws: Aws, key: str) -> bool:
    """Removes a tag from everything that carries it, and then itself; whether it was there."""
    try:
        await aws.call("lakeformation", "delete_lf_tag", TagKey=key)
    except AwsRejected as error:
        if error.aws_code != "EntityNotFoundException":
            raise
        return False
    return True


async def own_tags(aws: Aws, resource: Mapping[str, Any]) -> OwnTags:
    """The tags that a database, or a table and its columns, carry themselves.

    Raises:
        AwsRejected: EntityNotFoundException, it is not in the catalog.
    """
    told = await aws.call(
        "lakeformation", "get_resource_lf_tags", Resource=dict(resource), ShowAssignedLFTags=True
    )
    on_it = told.get("LFTagOnDatabase" if "Database" in resource else "LFTagsOnTable") or ()
    return OwnTags(
        _pairs(on_it),
        {one["Name"]: _pairs(one.get("LFTags") or ()) for one in told.get("LFTagsOnColumns") or ()},
    )


async def add_tags(aws: Aws, resource: Mapping[str, Any], tags: Mapping[str, str]) -> list[str]:
    """Puts tags on a database, a table, or listed columns; a key that is there gets the value.

    Args:
        aws: as an administrator of the data lake.
        resource: a `Database`, a `Table`, or a `TableWithColumns` that lists columns.
        tags: by key.

    Returns:
        Of each tag that Lake Formation refused: `key: code`.

    Raises:
        AwsRejected, AwsUnavailable: as `Aws.call`.
    """
    refused: list[str] = []
    for pairs in _some(tags):
        told = await aws.call(
            "lakeformation", "add_lf_tags_to_resource", Resource=dict(resource), LFTags=pairs
        )
        refused += _failures(told)
    return refused


async def remove_tags(aws: Aws, resource: Mapping[str, Any], tags: Mapping[str, str]) -> list[str]:
    """Takes tags away from a database, a table, or listed columns; arguments as `add_tags`.

    Args:
        aws: as an administrator of the data lake.
        resource: what carries them itself.
        tags: by key, with the values that it carries.

    Returns:
        Of each tag that Lake Formation refused: `key: code`.

    Raises:
        AwsRejected, AwsUnavailable: as `Aws.call`.
    """
    refused: list[str] = []
    for pairs in _some(tags):
        told = await aws.call(
            "lakeformation", "remove_lf_tags_from_resource", Resource=dict(resource), LFTags=pairs
        )
        refused += _failures(told)
    return refused


async def ensure_expression(
    aws: Aws,
    name: str,
    expression: Sequence[tuple[str, Sequence[str]]],
    description: str = "",
) -> bool:
    """Makes a saved expression say this; whether anything changed.

    Raises:
        AwsRejected, AwsUnavailable: as `Aws.call`.
    """
    terms = [
        {"TagKey": key.lower(), "TagValues": sorted({value.lower() for value in values})}
        for key, values in sorted(expression)
    ]
    held = await _expression(aws, name)
    said: dict[str, Any] = {"Name": name, "Expression": terms, "Description": description}
    if held is None:
        await aws.call("lakeformation", "create_lf_tag_expression", **said)
        return True
    same = sorted(
        (term["TagKey"], sorted(term["TagValues"])) for term in held.get("Expression", ())
    )
    if same == [(term["TagKey"], term["TagValues"]) for term in terms]:
        return False
    await aws.call("lakeformation", "update_lf_tag_expression", **said)
    return True


async def delete_expression(aws: Aws, name: str) -> bool:
    """Removes a saved expression; whether it was there."""
    try:
        await aws.call("lakeformation", "delete_lf_tag_expression", Name=name)
    except AwsRejected as error:
        if error.aws_code != "EntityNotFoundException":
            raise
        return False
    return True


async def _expression(aws: Aws, name: str) -> dict[str, Any] | None:
    try:
        return await aws.call("lakeformation", "get_lf_tag_expression", Name=name)
    except AwsRejected as error:
        if error.aws_code != "EntityNotFoundException":
            raise
        return None


def _pairs(tags: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    return {one["TagKey"]: one["TagValues"][0] for one in tags if one.get("TagValues")}


def _some(tags: Mapping[str, str]) -> list[list[dict[str, Any]]]:
    pairs = [{"TagKey": key, "TagValues": [value]} for key, value in sorted(tags.items())]
    return [pairs[begin : begin + _MOST_TAGS] for begin in range(0, len(pairs), _MOST_TAGS)]


def _failures(told: Mapping[str, Any]) -> list[str]:
    return [
        f"{one.get('LFTag', {}).get('TagKey', '')}: {one.get('Error', {}).get('ErrorCode', '')}"
        for one in told.get("Failures") or ()
    ]
