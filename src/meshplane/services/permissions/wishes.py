"""Reads what a request wants granted or revoked: its target, its masks, its end."""

from datetime import datetime

from meshplane.boundary.call import Call
from meshplane.kit.clock import from_text, to_text
from meshplane.kit.errors import Invalid, Missing
from meshplane.services.permissions import concern
from meshplane.services.permissions.data_filters import no_such_filter
from meshplane.services.permissions.masks import MaskRule
from meshplane.services.permissions.model import GovernedAsset, Target
from meshplane.services.permissions.ports import Schemas
from meshplane.services.permissions.schemas import MaskBody, OnTags, ResourceBody
from meshplane.services.permissions.store import DATA_FILTERS, TAG_EXPRESSIONS
from meshplane.services.permissions.tag_expressions import checked
from meshplane.services.permissions.tagging import demand_values


async def target_of(call: Call, body: ResourceBody) -> Target:
    """What a request is about.

    Raises:
        Invalid: RESOURCE_INVALID, it names none or several things; TAG_EXPRESSION_INVALID;
            LOCATION_INVALID.
        Missing: LF_TAG_EXPRESSION_NOT_FOUND.
    """
    named = [name for name in type(body).model_fields if getattr(body, name) is not None]
    if len(named) != 1:
        raise Invalid(
            "RESOURCE_INVALID",
            "Name exactly one of database, allTables, table, columns, filter, tags, location.",
            field="resource",
        )
    if body.database is not None:
        return Target("database", domain_id=body.database.domain_id)
    if body.all_tables is not None:
        return Target("tables", domain_id=body.all_tables.domain_id)
    if body.table is not None:
        return Target("table", asset_id=body.table.asset_id)
    if body.columns is not None:
        return Target(
            "columns",
            asset_id=body.columns.asset_id,
            included=_distinct(body.columns.included),
            excluded=_distinct(body.columns.excluded),
        )
    if body.filter is not None:
        return Target("filter", asset_id=body.filter.asset_id, filter_name=body.filter.name)
    if body.location is not None:
        path = _place(body.location.path)
        return Target("location", domain_id=body.location.domain_id, path=path)
    if body.tags is None:
        raise AssertionError("one of the members is there")
    return await _on_tags(call, body.tags)


async def _on_tags(call: Call, tags: OnTags) -> Target:
    if (tags.expression is None) == (tags.expression_name is None):
        raise Invalid(
            "RESOURCE_INVALID",
            "Give either an expression, or the name of one that was kept.",
            field="resource.tags",
        )
    if tags.expression is not None:
        expression = checked((term.key, term.values) for term in tags.expression)
    else:
        row = await call.work.get(TAG_EXPRESSIONS, tags.expression_name or "")
        if row is None:
            raise Missing(
                "LF_TAG_EXPRESSION_NOT_FOUND",
                "There is no expression of this name.",
                field="resource.tags.expressionName",
            )
        expression = checked((term["key"], term["values"]) for term in row.item["expression"])
    return Target(
        "tags",
        domain_id=tags.domain_id,
        resource_type=tags.resource_type,
        expression=expression,
    )


async def placed(call: Call, schemas: Schemas, target: Target) -> tuple[str, GovernedAsset | None]:
    """The domain that answers for a target, "" where it is the mesh; and the asset it is on.

    Raises:
        Missing: ASSET_NOT_FOUND, DOMAIN_NOT_FOUND.
    """
    if target.asset_id is not None:
        asset = (await concern.described(call, schemas, target.asset_id)).asset
        return asset.domain_id, asset
    if target.domain_id is None:
        return "", None
    if await schemas.domain_name(call.actor, target.domain_id) is None:
        raise Missing("DOMAIN_NOT_FOUND", "There is no domain with this id.", field="domainId")
    return target.domain_id, None


async def demand_parts(call: Call, target: Target, *, only_look: bool = False) -> None:
    """Sees that what a target names by name is there: a data filter, tags and their values.

    Args:
        call: in whose commit tags are held.
        target: what is to be granted on.
        only_look: for a call that writes nothing.

    Raises:
        Missing: DATA_FILTER_NOT_FOUND, LF_TAG_NOT_FOUND.
        Invalid: LF_TAG_VALUE_UNKNOWN.
    """
    if target.kind == "filter":
        name = target.filter_name or ""
        if await call.work.get(DATA_FILTERS, target.asset_id or "", name) is None:
            raise no_such_filter()
    for key, values in target.expression:
        await demand_values(call, key, values, only_look=only_look)


def mask_rule(body: MaskBody) -> MaskRule:
    """A mask as the model has it. Whether it fits is seen later, with its column."""
    return MaskRule(
        body.kind,
        body.value,
        body.keep_first or 0,
        body.keep_last or 0,
        body.fill or "*",
        body.unit,
        body.digits,
    )


def end_of(text: str | None, now: datetime) -> str | None:
    """An end date as rows hold it.

    Raises:
        Invalid: EXPIRY_INVALID, no RFC 3339 instant, or one that has passed.
    """
    if text is None:
        return None
    try:
        instant = from_text(text)
    except ValueError:
        instant = None
    if instant is None or instant <= now:
        raise Invalid(
            "EXPIRY_INVALID",
            "Write the end as an RFC 3339 instant to come, such as 2027-01-31T00:00:00Z.",
            field="expiresAt",
        )
    return to_text(instant)


def _place(path: str) -> str:
    """A path below a domain's bucket, as registered locations have it.

    Raises:
        Invalid: LOCATION_INVALID.
    """
    place = path.strip("/")
    if any(part in {"", ".", ".."} for part in place.split("/")):
        raise Invalid(
            "LOCATION_INVALID",
            "Write a path below the bucket, such as projects/raw, without . and .. in it.",
            field="resource.location.path",
        )
    return place


def _distinct(names: list[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(dict.fromkeys(names))
