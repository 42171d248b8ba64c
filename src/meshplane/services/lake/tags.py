"""Use cases: tags, where they are assigned, named expressions over them, and their masks.

The state is permissions', which decides by it; who may change it is decided here.
"""

from pydantic import TypeAdapter, ValidationError

from meshplane.boundary.call import Call
from meshplane.boundary.schemas import Page, PageQuery
from meshplane.kit.errors import FieldProblem, Invalid, Missing
from meshplane.policy.model import MESH, Resource
from meshplane.services.assets.api import AssetsApi, AssetSummary, no_such_asset
from meshplane.services.domains.api import DomainsApi, no_such_domain
from meshplane.services.lake.checking import itself
from meshplane.services.lake.policy_schemas import (
    AssignmentQuery,
    ExpressionBody,
    ExpressionTerm,
    ExpressionView,
    LfTagView,
    NewTagMask,
    TagAssigning,
    TagAssignmentsView,
    TagAssignmentView,
    TagKey,
    TagMaskQuery,
    TagMaskRule,
    TagMaskView,
    TagValue,
    TagValues,
)
from meshplane.services.permissions.api import (
    LfTag,
    MaskRule,
    PermissionsApi,
    TagAssignment,
    TagExpression,
    TagMask,
)

_KEY: TypeAdapter[str] = TypeAdapter(TagKey)
_VALUE: TypeAdapter[str] = TypeAdapter(TagValue)


class Tags:
    """Tags, expressions and masks.

    Args:
        permissions, assets, domains: the services below.
    """

    def __init__(self, permissions: PermissionsApi, assets: AssetsApi, domains: DomainsApi) -> None:
        self._permissions = permissions
        self._assets = assets
        self._domains = domains

    async def list(self, call: Call, query: PageQuery) -> Page[LfTagView]:
        """All tags, by key."""
        await call.allow(MESH)
        page = await self._permissions.tags(itself(call), query.limit, query.cursor)
        return Page[LfTagView](items=[_tag(one) for one in page.tags], next_cursor=page.cursor)

    async def put(self, call: Call, key: str, body: TagValues) -> LfTagView:
        """Makes a tag, or gives it other values.

        Raises:
            Invalid: LF_TAG_INVALID.
            Conflict: LF_TAG_IN_USE, LF_TAG_RESERVED.
        """
        await call.allow(MESH)
        made = await self._permissions.put_tag(itself(call), _key(key), body.values)
        _note(call, key)
        return _tag(made)

    async def delete(self, call: Call, key: str) -> None:
        """Removes a tag.

        Raises:
            Missing: LF_TAG_NOT_FOUND.
            Conflict: LF_TAG_IN_USE, LF_TAG_RESERVED.
        """
        await call.allow(MESH)
        await self._permissions.delete_tag(itself(call), key)
        _note(call, key)

    async def assigned(self, call: Call, query: AssignmentQuery) -> TagAssignmentsView:
        """The tags that a resource and its columns carry themselves.

        Raises:
            Missing: ASSET_NOT_FOUND, DOMAIN_NOT_FOUND.
        """
        await self._allow(call, query.resource)
        found = await self._permissions.assigned(itself(call), query.resource)
        return _assignments(query.resource, found)

    async def assign(self, call: Call, body: TagAssigning) -> TagAssignmentsView:
        """Puts tags on a resource, and takes others away.

        Raises:
            Missing: ASSET_NOT_FOUND, DOMAIN_NOT_FOUND, LF_TAG_NOT_FOUND.
            Invalid: COLUMN_UNKNOWN, LF_TAG_VALUE_UNKNOWN.
        """
        asset = await self._allow(call, body.resource)
        if body.column is not None:
            names = [column.name for column in asset.columns] if asset is not None else []
            if body.column not in names:
                raise Invalid(
                    "COLUMN_UNKNOWN", f"There is no column {body.column} here.", field="column"
                )
        found = await self._permissions.assign_tags(
            itself(call), body.resource, body.column, body.tags
        )
        call.note(column=body.column, tags=dict(body.tags))
        return _assignments(body.resource, found)

    async def expressions(self, call: Call, query: PageQuery) -> Page[ExpressionView]:
        """All named expressions, by name."""
        await call.allow(MESH)
        page = await self._permissions.expressions(itself(call), query.limit, query.cursor)
        return Page[ExpressionView](
            items=[_expression(one) for one in page.expressions], next_cursor=page.cursor
        )

    async def put_expression(self, call: Call, name: str, body: ExpressionBody) -> ExpressionView:
        """Makes a named expression, or changes it.

        Raises:
            Invalid: LF_TAG_INVALID, LF_TAG_VALUE_UNKNOWN.
            Missing: LF_TAG_NOT_FOUND.
        """
        await call.allow(MESH)
        terms = {term.key: tuple(term.values) for term in body.expression}
        if len(terms) < len(body.expression):
            raise Invalid(
                "LF_TAG_INVALID", "A key stands in it twice: join its values.", field="expression"
            )
        made = await self._permissions.put_expression(
            itself(call), _key(name, "name"), tuple(terms.items()), body.description
        )
        call.resource = f"TagExpression:{name}"
        return _expression(made)

    async def delete_expression(self, call: Call, name: str) -> None:
        """Removes a named expression; grants that were made by it stay.

        Raises:
            Missing: LF_TAG_EXPRESSION_NOT_FOUND.
        """
        await call.allow(MESH)
        await self._permissions.delete_expression(itself(call), name)
        call.resource = f"TagExpression:{name}"

    async def masks(self, call: Call, query: PageQuery) -> Page[TagMaskView]:
        """All masks of tags, by key and value."""
        await call.allow(MESH)
        page = await self._permissions.tag_masks(itself(call), query.limit, query.cursor)
        return Page[TagMaskView](
            items=[_mask_view(one) for one in page.masks], next_cursor=page.cursor
        )

    async def put_mask(self, call: Call, body: NewTagMask) -> TagMaskView:
        """Says how columns with a tag are shown.

        Raises:
            Missing: DOMAIN_NOT_FOUND, LF_TAG_NOT_FOUND.
            Invalid: MASK_INVALID, LF_TAG_VALUE_UNKNOWN.
        """
        await self._allow_scope(call, body.domain_id)
        told = body.mask.model_dump(by_alias=True, exclude_none=True)
        rule = MaskRule.from_json(told)
        problem = rule.wanting()
        if problem is not None:
            raise Invalid("MASK_INVALID", problem, field="mask")
        mask = TagMask(body.key, body.value, rule, body.domain_id)
        await self._permissions.put_tag_mask(itself(call), mask)
        call.note(tag=f"{body.key}={body.value}", mask=body.mask.kind)
        return _mask_view(mask)

    async def delete_mask(self, call: Call, key: str, value: str, query: TagMaskQuery) -> None:
        """Removes the mask of a tag.

        Raises:
            Missing: DOMAIN_NOT_FOUND, LF_TAG_MASK_NOT_FOUND.
        """
        await self._allow_scope(call, query.domain_id)
        await self._permissions.delete_tag_mask(itself(call), key, value, query.domain_id)
        call.note(tag=f"{key}={value}")

    async def _allow(self, call: Call, resource: str) -> AssetSummary | None:
        """Goes on for those who answer for a resource; the asset, if it is one."""
        kind, _, name = resource.partition(":")
        if kind == "domain":
            await self._allow_scope(call, name)
            return None
        return await allow_on_asset(call, self._assets, name)

    async def _allow_scope(self, call: Call, domain_id: str | None) -> None:
        if domain_id is None:
            await call.allow(MESH)
            return
        there = await self._domains.find(call.actor, domain_id) is not None
        hide: Missing | None = None if there else no_such_domain()
        await call.allow(Resource("Domain", domain_id, domain_id), hide=hide)
        if hide is not None:
            raise hide


async def allow_on_asset(call: Call, assets: AssetsApi, asset_id: str) -> AssetSummary:
    """The asset, for those who answer for it; one that is not listed is there for them alone.

    Raises:
        Missing: ASSET_NOT_FOUND.
        Refused: FORBIDDEN.
    """
    asset = await assets.find(call.actor, asset_id)
    hide = no_such_asset()
    if asset is None:
        await call.allow(Resource("Asset", asset_id), hide=hide)
        raise hide
    resource = Resource("Asset", asset_id, asset.domain_id, asset.project_id)
    if asset.is_published:
        await call.allow(resource)
        return asset
    if not await call.judge.allows(call.actor, "seeUnpublishedAssets", resource):
        # What everyone may ask of an asset of some domain, they may not of one that is not listed.
        resource = Resource("Asset", asset_id)
    await call.allow(resource, hide=hide)
    return asset


def _key(text: str, field: str = "key") -> str:
    try:
        return _KEY.validate_python(text)
    except ValidationError:
        raise Invalid(
            "LF_TAG_INVALID",
            "Write it in lower-case letters, digits, hyphens and underscores, a letter first.",
            fields=[FieldProblem(field, "does not fit")],
        ) from None


def _note(call: Call, key: str) -> None:
    call.resource = f"LfTag:{key}"


def _tag(tag: LfTag) -> LfTagView:
    return LfTagView(
        key=tag.key,
        values=list(tag.values),
        created_by=tag.created_by,
        created_at=tag.created_at,
    )


def _assignments(resource: str, found: "list[TagAssignment]") -> TagAssignmentsView:
    return TagAssignmentsView(
        resource=resource,
        tags=[
            TagAssignmentView(
                resource=one.resource, column=one.column or None, key=one.key, value=one.value
            )
            for one in found
        ],
    )


def _expression(found: TagExpression) -> ExpressionView:
    return ExpressionView(
        name=found.name,
        expression=[
            ExpressionTerm(key=key, values=list(values)) for key, values in found.expression
        ],
        description=found.description,
        created_by=found.created_by,
        created_at=found.created_at,
    )


def _mask_view(mask: TagMask) -> TagMaskView:
    return TagMaskView(
        key=mask.key,
        value=mask.value,
        domain_id=mask.domain_id,
        mask=TagMaskRule.model_validate(mask.mask.to_json()),
    )
