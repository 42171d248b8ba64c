"""LF-tags: their closed lists of values, where they are assigned, expressions over them, masks.

A resource has at most one value of a key. What is in use does not go away: who removes a value or
a key is told where it is used. `classification` is every asset's own and needs no making; it can be
assigned, where a column is to count as something else than its asset.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal

from meshplane.boundary.actor import Actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.events.permissions import TagAssigned, TagMaskChanged, TagRemoved
from meshplane.kit.errors import BaseMoved, Conflict, Invalid, MeshplaneError, Missing
from meshplane.platform.store import ABSENT, Store, UnitOfWork
from meshplane.platform.tables import Row, SortCondition, StartsWith, Table
from meshplane.policy.model import MESH
from meshplane.services.permissions import history
from meshplane.services.permissions.api import (
    LfTag,
    LfTagPage,
    TagAssignment,
    TagExpression,
    TagExpressionPage,
    TagMask,
    TagMaskPage,
)
from meshplane.services.permissions.policy_state import MESH_SCOPE, rows_of, tag_mask
from meshplane.services.permissions.store import (
    ALL,
    GRANTS,
    LF_TAGS,
    TAG_ASSIGNMENTS,
    TAG_EXPRESSIONS,
    TAG_MASKS,
)
from meshplane.services.permissions.tag_expressions import CLASSIFICATION

CLASSES = ("public", "internal", "confidential", "restricted")
"""The values of the tag `classification`."""

MOST_TAGS = 50
"""The most tags that a resource, or a column of it, carries itself."""

_MOST_PLACES_TOLD = 20
_PAGE = 200


class Tagging:
    """The part of `PermissionsApi` that keeps tags; see there.

    Args:
        boundary: commits.
        store: to read from.
    """

    def __init__(self, boundary: Boundary, store: Store) -> None:
        self._boundary = boundary
        self._store = store

    async def put_tag(self, actor: Actor, key: str, values: Sequence[str]) -> LfTag:
        """See `PermissionsApi.put_tag`."""

        async def put(call: Call) -> LfTag:
            await call.allow(MESH)
            _note_tag(call, key)
            if key == CLASSIFICATION:
                raise _reserved()
            row = await call.work.get(LF_TAGS, key)
            wanted = list(dict.fromkeys(values))
            gone = [value for value in row.item["values"] if value not in wanted] if row else []
            for value in gone:
                await _demand_unused(call.work, key, value)
            item = {
                "key": key,
                "values": wanted,
                "createdBy": row.item["createdBy"] if row else history.person(call),
                "createdAt": row.item["createdAt"] if row else call.now,
                "listing": ALL,
            }
            _put(call, LF_TAGS, item, row)
            return _tag(item)

        return await self._boundary.write("putLfTag", actor, put)

    async def delete_tag(self, actor: Actor, key: str) -> None:
        """See `PermissionsApi.delete_tag`."""

        async def delete(call: Call) -> None:
            await call.allow(MESH)
            _note_tag(call, key)
            if key == CLASSIFICATION:
                raise _reserved()
            row = await call.work.get(LF_TAGS, key)
            if row is None:
                raise no_such_tag()
            for value in row.item["values"]:
                await _demand_unused(call.work, key, value)
            call.work.delete(LF_TAGS, key, expected=row.version, otherwise=_moved())

        await self._boundary.write("deleteLfTag", actor, delete)

    async def tags(self, actor: Actor, limit: int, cursor: str | None) -> LfTagPage:
        """See `PermissionsApi.tags`."""
        page = await self._store.begin().query(
            LF_TAGS, ALL, index="all", limit=limit, cursor=cursor
        )
        return LfTagPage(tuple(_tag(row.item) for row in page.rows), page.cursor)

    async def assign_tags(
        self, actor: Actor, resource: str, column: str | None, tags: Mapping[str, str | None]
    ) -> list[TagAssignment]:
        """See `PermissionsApi.assign_tags`."""

        async def assign(call: Call) -> list[TagAssignment]:
            await call.allow(MESH)
            call.resource = resource
            call.note(tags=dict(tags), column=column)
            rows = await rows_of(call.work, TAG_ASSIGNMENTS, resource)
            there = {row.item["place"]: row for row in rows}
            for key, value in tags.items():
                await _assign(call, resource, column or "", (key, value), there)
            found = {place: _assignment(row.item) for place, row in there.items()}
            own = [one for one in found.values() if one.column == (column or "")]
            if len(own) > MOST_TAGS:
                raise Conflict(
                    "LF_TAGS_TOO_MANY",
                    f"A resource carries at most {MOST_TAGS} tags: remove some first.",
                    field="tags",
                )
            return [found[place] for place in sorted(found)]

        return await self._boundary.write("assignLfTags", actor, assign)

    async def assigned(self, actor: Actor, resource: str) -> list[TagAssignment]:
        """See `PermissionsApi.assigned`."""
        rows = await rows_of(self._store.begin(), TAG_ASSIGNMENTS, resource)
        return [_assignment(row.item) for row in rows]

    async def put_expression(
        self,
        actor: Actor,
        name: str,
        expression: Sequence[tuple[str, tuple[str, ...]]],
        description: str,
    ) -> TagExpression:
        """See `PermissionsApi.put_expression`."""

        async def put(call: Call) -> TagExpression:
            await call.allow(MESH)
            call.resource = f"TagExpression:{name}"
            for key, values in expression:
                await demand_values(call, key, values)
            row = await call.work.get(TAG_EXPRESSIONS, name)
            item = {
                "name": name,
                "expression": [
                    {"key": key, "values": list(dict.fromkeys(values))}
                    for key, values in sorted(expression)
                ],
                "description": description,
                "createdBy": row.item["createdBy"] if row else history.person(call),
                "createdAt": row.item["createdAt"] if row else call.now,
                "listing": ALL,
            }
            _put(call, TAG_EXPRESSIONS, item, row)
            return _expression(item)

        return await self._boundary.write("putLfTagExpression", actor, put)

    async def delete_expression(self, actor: Actor, name: str) -> None:
        """See `PermissionsApi.delete_expression`."""

        async def delete(call: Call) -> None:
            await call.allow(MESH)
            call.resource = f"TagExpression:{name}"
            row = await call.work.get(TAG_EXPRESSIONS, name)
            if row is None:
                raise Missing(
                    "LF_TAG_EXPRESSION_NOT_FOUND",
                    "There is no expression of this name.",
                    field="name",
                )
            call.work.delete(TAG_EXPRESSIONS, name, expected=row.version, otherwise=_moved())

        await self._boundary.write("deleteLfTagExpression", actor, delete)

    async def expressions(self, actor: Actor, limit: int, cursor: str | None) -> TagExpressionPage:
        """See `PermissionsApi.expressions`."""
        page = await self._store.begin().query(
            TAG_EXPRESSIONS, ALL, index="all", limit=limit, cursor=cursor
        )
        return TagExpressionPage(tuple(_expression(row.item) for row in page.rows), page.cursor)

    async def put_tag_mask(self, actor: Actor, mask: TagMask) -> None:
        """See `PermissionsApi.put_tag_mask`."""

        async def put(call: Call) -> None:
            await call.allow(MESH)
            _note_mask(call, mask.key, mask.value, mask.domain_id)
            await demand_values(call, mask.key, (mask.value,))
            scope, place = mask.domain_id or MESH_SCOPE, f"{mask.key}={mask.value}"
            row = await call.work.get(TAG_MASKS, scope, place)
            item = {
                "scope": scope,
                "keyValue": place,
                "key": mask.key,
                "value": mask.value,
                "mask": mask.mask.to_json(),
                "listing": ALL,
            }
            _put(call, TAG_MASKS, item, row)
            content = {**_named(mask.key, mask.value, mask.domain_id), "mask": item["mask"]}
            history.note(call, _mask_scope(mask.domain_id), "maskPut", content)
            _tell_mask(call, (mask.key, mask.value, mask.domain_id), "put")

        await self._boundary.write("putLfTagMask", actor, put)

    async def delete_tag_mask(
        self, actor: Actor, key: str, value: str, domain_id: str | None
    ) -> None:
        """See `PermissionsApi.delete_tag_mask`."""

        async def delete(call: Call) -> None:
            await call.allow(MESH)
            _note_mask(call, key, value, domain_id)
            scope, place = domain_id or MESH_SCOPE, f"{key}={value}"
            row = await call.work.get(TAG_MASKS, scope, place)
            if row is None:
                raise Missing("LF_TAG_MASK_NOT_FOUND", "This tag has no mask here.", field="key")
            call.work.delete(TAG_MASKS, scope, place, expected=row.version, otherwise=_moved())
            content = _named(key, value, domain_id)
            history.note(call, _mask_scope(domain_id), "maskDeleted", content)
            _tell_mask(call, (key, value, domain_id), "deleted")

        await self._boundary.write("deleteLfTagMask", actor, delete)

    async def tag_masks(self, actor: Actor, limit: int, cursor: str | None) -> TagMaskPage:
        """See `PermissionsApi.tag_masks`."""
        page = await self._store.begin().query(
            TAG_MASKS, ALL, index="all", limit=limit, cursor=cursor
        )
        return TagMaskPage(tuple(tag_mask(row.item) for row in page.rows), page.cursor)


def _tell_mask(
    call: Call, mask: tuple[str, str, str | None], change: Literal["put", "deleted"]
) -> None:
    key, value, domain_id = mask
    call.work.emit(
        TagMaskChanged(
            key=key,
            value=value,
            domain_id=domain_id,
            change=change,
            by=history.person(call),
            at=call.now,
        ).event()
    )


async def demand_values(
    call: Call, key: str, values: Sequence[str], *, only_look: bool = False
) -> None:
    """Goes on only if a tag has these values; whoever removes one of them meanwhile is refused.

    Args:
        call: in whose commit the tag is held, so that it keeps these values until then.
        key: of the tag.
        values: that it must have.
        only_look: for a call that writes nothing.

    Raises:
        Missing: LF_TAG_NOT_FOUND.
        Invalid: LF_TAG_VALUE_UNKNOWN.
    """
    if key == CLASSIFICATION:
        known: Sequence[str] = CLASSES
    else:
        row = await call.work.get(LF_TAGS, key)
        if row is None:
            raise no_such_tag()
        known = row.item["values"]
        if not only_look:
            # Written as it is: of this commit and one that takes a value away, one is retried.
            call.work.put(LF_TAGS, row.item, expected=row.version, otherwise=_moved())
    unknown = [value for value in values if value not in known]
    if unknown:
        raise Invalid(
            "LF_TAG_VALUE_UNKNOWN",
            f"The tag {key} has no such value. It has: {', '.join(known)}.",
            field="value",
        )


def no_such_tag() -> Missing:
    """The error for a key that no tag has."""
    return Missing("LF_TAG_NOT_FOUND", "There is no tag of this key: make it first.", field="key")


async def _assign(
    call: Call,
    resource: str,
    column: str,
    tag: tuple[str, str | None],
    there: dict[str, Row],
) -> None:
    """Puts one tag on a place, or takes it away; keeps `there` as it will be."""
    key, value = tag
    place = f"{column}#{key}"
    row = there.get(place)
    if value is None:
        if row is None:
            return
        call.work.delete(TAG_ASSIGNMENTS, resource, place, expected=row.version, otherwise=_moved())
        del there[place]
        content = {"column": column, "key": key}
        history.note(call, resource, "untagged", content)
        by = history.person(call)
        gone = TagRemoved(resource=resource, column=column, key=key, by=by, at=call.now)
        call.work.emit(gone.event())
        return
    await demand_values(call, key, (value,))
    if row is not None and row.item["value"] == value:
        return
    item = {
        "resource": resource,
        "place": place,
        "column": column,
        "key": key,
        "value": value,
        "keyValue": f"{key}={value}",
    }
    _put(call, TAG_ASSIGNMENTS, item, row)
    there[place] = Row(item, (row.version if row else 0) + 1)
    history.note(call, resource, "tagged", {"column": column, "key": key, "value": value})
    call.work.emit(
        TagAssigned(
            resource=resource,
            column=column,
            key=key,
            value=value,
            by=history.person(call),
            at=call.now,
        ).event()
    )


async def _demand_unused(work: UnitOfWork, key: str, value: str) -> None:
    """Goes on only if nothing uses a value of a tag.

    Raises:
        Conflict: LF_TAG_IN_USE.
    """
    used: list[str] = []
    async for place in _uses(work, key, value):
        used.append(place)
        if len(used) == _MOST_PLACES_TOLD:
            break
    if used:
        raise Conflict(
            "LF_TAG_IN_USE",
            f"{key}={value} is in use: {', '.join(used[:3])}"
            f"{' and elsewhere' if len(used) > 3 else ''}. Take it away there first.",
            field="values",
            details={"value": value, "usedBy": used},
        )


async def _uses(work: UnitOfWork, key: str, value: str) -> AsyncIterator[str]:
    """Where a value of a tag is used, in words that lead there."""
    pair = f"{key}={value}"
    async for row in _rows(work, TAG_ASSIGNMENTS, pair, "byValue"):
        column = row.item["column"]
        yield f"{row.item['resource']}{f' column {column}' if column else ''}"
    async for row in _rows(work, TAG_MASKS, ALL, "all", StartsWith(pair)):
        if row.item["keyValue"] == pair:
            yield f"mask in {row.item['scope']}"
    async for row in _rows(work, TAG_EXPRESSIONS, ALL, "all"):
        if _names(row.item["expression"], key, value):
            yield f"expression {row.item['name']}"
    async for row in _rows(work, GRANTS, "tags", "onHolder"):
        ended = row.item.get("expiresAt") is not None and "ending" not in row.item
        if not ended and _names(row.item["target"].get("expression", ()), key, value):
            yield f"grant {row.item['grantId']}"


async def _rows(
    work: UnitOfWork, table: Table, partition: str, index: str, where: SortCondition | None = None
) -> AsyncIterator[Row]:
    cursor: str | None = None
    while True:
        page = await work.query(
            table, partition, index=index, where=where, limit=_PAGE, cursor=cursor
        )
        for row in page.rows:
            yield row
        if page.cursor is None:
            return
        cursor = page.cursor


def _names(expression: Sequence[Mapping[str, Any]], key: str, value: str) -> bool:
    return any(term["key"] == key and value in term["values"] for term in expression)


def _put(call: Call, table: Table, item: dict[str, Any], row: Row | None) -> None:
    call.work.put(table, item, expected=row.version if row else ABSENT, otherwise=_moved())


def _moved() -> MeshplaneError:
    return BaseMoved("LF_TAG_MOVED", "The tags were changed meanwhile: try again.")


def _reserved() -> Conflict:
    return Conflict(
        "LF_TAG_RESERVED",
        f"{CLASSIFICATION} is every asset's own; its values are {', '.join(CLASSES)}.",
        field="key",
    )


def _note_tag(call: Call, key: str) -> None:
    call.resource = f"LfTag:{key}"


def _note_mask(call: Call, key: str, value: str, domain_id: str | None) -> None:
    call.resource = f"LfTag:{key}"
    call.note(value=value, domain=domain_id)


def _named(key: str, value: str, domain_id: str | None) -> dict[str, Any]:
    return {"key": key, "value": value, "domainId": domain_id}


def _mask_scope(domain_id: str | None) -> str:
    return "tags" if domain_id is None else f"domain:{domain_id}"


def _tag(item: Mapping[str, Any]) -> LfTag:
    return LfTag(item["key"], tuple(item["values"]), item["createdBy"], item["createdAt"])


def _assignment(item: Mapping[str, Any]) -> TagAssignment:
    return TagAssignment(item["resource"], item["column"], item["key"], item["value"])


def _expression(item: Mapping[str, Any]) -> TagExpression:
    return TagExpression(
        item["name"],
        tuple((term["key"], tuple(term["values"])) for term in item["expression"]),
        item["description"],
        item["createdBy"],
        item["createdAt"],
    )
