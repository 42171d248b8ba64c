"""Data products in DataZone: assets of a type of the mesh's own.

Their type is not the system's `GlueTableAssetType`, though it has its form: for that type DataZone
would grant access itself, past the mesh's grants.
"""

import hashlib
import json
from typing import Any

from meshplane.kit.errors import Unavailable
from meshplane.platform.aws.datazone import (
    MISSING,
    WAIT_SECONDS,
    DataZone,
    made_once,
    made_or_found,
    there_or_none,
    token_of,
)
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.names import PORTAL_ASSET_TYPE
from meshplane.platform.aws.polling import until
from meshplane.services.assets.aws_portal_forms import (
    COLUMNS_FORM,
    PRODUCT_FORM,
    PRODUCT_MODEL,
    TABLE_FORM,
    forms_of,
    is_said,
    said_in,
    terms_of,
)
from meshplane.services.assets.ports import ACTIVE, Product, ProductThere


class DataZoneAssets:
    """`AssetPortal` over DataZone.

    Args:
        zone: the mesh's domain there.
    """

    def __init__(self, zone: DataZone) -> None:
        self._zone = zone
        self._type_is_there = False

    async def ensure(self, project: str, product: Product) -> ProductThere:
        """See `AssetPortal.ensure`."""
        await self._ensure_type()
        domain = await self._zone.domain()
        forms = forms_of(self._zone.aws.place, product)
        said = _about(product, terms_of(product))

        async def create(after: str) -> str:
            token = token_of("asset", project, product.own_id, _print(said, forms), after)
            asset = await self._zone.aws.call(
                "datazone",
                "create_asset",
                domainIdentifier=domain,
                owningProjectIdentifier=project,
                externalIdentifier=product.own_id,
                typeIdentifier=PORTAL_ASSET_TYPE,
                formsInput=forms,
                clientToken=token,
                **said,
            )
            return str(asset["id"])

        return await made_or_found(
            made_once(create, self.look), lambda: self._search(domain, project, product.own_id)
        )

    async def look(self, portal_id: str) -> ProductThere | None:
        """See `AssetPortal.look`."""
        asset = await self._get(portal_id)
        return None if asset is None else await self._there(asset)

    async def revise(self, portal_id: str, product: Product) -> ProductThere:
        """See `AssetPortal.revise`."""
        known = await self._get(portal_id)
        if known is None:
            raise _gone()
        forms = forms_of(self._zone.aws.place, product)
        forms += [
            {
                "formName": one["formName"],
                "typeIdentifier": one["typeName"],
                "typeRevision": one["typeRevision"],
                "content": one["content"],
            }
            for one in known["formsOutput"]
            if not is_said(product, one["formName"])
        ]
        said = _about(product, terms_of(product, known.get("glossaryTerms") or ()))
        await self._zone.aws.call(
            "datazone",
            "create_asset_revision",
            domainIdentifier=await self._zone.domain(),
            identifier=portal_id,
            formsInput=forms,
            clientToken=token_of("revision", portal_id, known["revision"], _print(said, forms)),
            **said,
        )
        return await self._existing(portal_id)

    async def publish(self, portal_id: str) -> ProductThere:
        """See `AssetPortal.publish`."""
        there = await self._existing(portal_id)
        if (there.listing, there.listed_revision) == (ACTIVE, there.revision):
            return there
        before = await self._listing(there.listing_id) if there.listed_revision else {}
        await self._zone.aws.call(
            "datazone",
            "create_listing_change_set",
            domainIdentifier=await self._zone.domain(),
            entityIdentifier=portal_id,
            entityType="ASSET",
            entityRevision=there.revision,
            action="PUBLISH",
            clientToken=token_of(
                "publish", portal_id, there.revision, before.get("listingRevision", "")
            ),
        )
        return await until(
            "the portal's catalogue lists a product",
            lambda: self._listed(portal_id, there.revision),
            WAIT_SECONDS,
        )

    async def withdraw(self, portal_id: str) -> ProductThere:
        """See `AssetPortal.withdraw`."""
        there = await self._existing(portal_id)
        if there.listing == ACTIVE:
            listing = await self._listing(there.listing_id)
            await self._zone.aws.call(
                "datazone",
                "create_listing_change_set",
                domainIdentifier=await self._zone.domain(),
                entityIdentifier=portal_id,
                entityType="ASSET",
                action="UNPUBLISH",
                clientToken=token_of("unpublish", portal_id, listing["listingRevision"]),
            )
        return await self._existing(portal_id)

    async def _listed(self, portal_id: str, revision: str) -> ProductThere | None:
        there = await self._existing(portal_id)
        return there if (there.listing, there.listed_revision) == (ACTIVE, revision) else None

    async def _existing(self, portal_id: str) -> ProductThere:
        there = await self.look(portal_id)
        if there is None:
            raise _gone()
        return there

    async def _get(self, portal_id: str) -> dict[str, Any] | None:
        return await there_or_none(
            self._zone.aws.call(
                "datazone",
                "get_asset",
                domainIdentifier=await self._zone.domain(),
                identifier=portal_id,
            )
        )

    async def _listing(self, listing_id: str) -> dict[str, Any]:
        return await self._zone.aws.call(
            "datazone",
            "get_listing",
            domainIdentifier=await self._zone.domain(),
            identifier=listing_id,
        )

    async def _there(self, asset: dict[str, Any]) -> ProductThere:
        said = said_in(asset)
        listed = asset.get("listing")
        if listed is None:
            return ProductThere(asset["id"], asset["revision"], said)
        try:
            listing = await self._listing(listed["listingId"])
        except AwsRejected as error:
            if error.aws_code != MISSING:
                raise
            # It is being made: the asset knows of it before it can be got.
            return ProductThere(
                asset["id"],
                asset["revision"],
                said,
                listing_id=listed["listingId"],
                listing=listed["listingStatus"],
            )
        return ProductThere(
            asset["id"],
            asset["revision"],
            said,
            listing_id=listed["listingId"],
            listing=listing["status"],
            listed_revision=listing["item"]["assetListing"]["assetRevision"],
        )

    async def _search(self, domain: str, project: str, own_id: str) -> ProductThere | None:
        """The asset that has our id already, among all of the project."""
        pages = self._zone.aws.pages(
            "datazone",
            "search",
            domainIdentifier=domain,
            searchScope="ASSET",
            owningProjectIdentifier=project,
        )
        async for page in pages:
            for item in page["items"]:
                asset = item["assetItem"]
                if asset.get("externalIdentifier") == own_id:
                    return await self.look(asset["identifier"])
        return None

    async def _ensure_type(self) -> None:
        """Makes the mesh's form type and asset type where they are missing."""
        if self._type_is_there:
            return
        domain = await self._zone.domain()
        try:
            await self._zone.aws.call(
                "datazone", "get_asset_type", domainIdentifier=domain, identifier=PORTAL_ASSET_TYPE
            )
        except AwsRejected as error:
            if error.aws_code != MISSING:
                raise
            await self._create_type(domain)
        self._type_is_there = True

    async def _create_type(self, domain: str) -> None:
        owner = await self._zone.types_project()
        try:
            await self._form_type(domain, PRODUCT_FORM)
        except AwsRejected as error:
            if error.aws_code != MISSING:
                raise
            await self._zone.aws.call(
                "datazone",
                "create_form_type",
                domainIdentifier=domain,
                owningProjectIdentifier=owner,
                name=PRODUCT_FORM,
                model={"smithy": PRODUCT_MODEL},
                status="ENABLED",
                description="What the mesh says of a data product",
            )
        entries = {
            form: {
                "typeIdentifier": name,
                "typeRevision": await self._form_type(domain, name),
                "required": form != COLUMNS_FORM[0],
            }
            for form, name in ((PRODUCT_FORM, PRODUCT_FORM), TABLE_FORM, COLUMNS_FORM)
        }
        await self._zone.aws.call(
            "datazone",
            "create_asset_type",
            domainIdentifier=domain,
            owningProjectIdentifier=owner,
            name=PORTAL_ASSET_TYPE,
            formsInput=entries,
            description="A data product of the mesh",
        )

    async def _form_type(self, domain: str, name: str) -> str:
        """The latest revision of a form type."""
        found = await self._zone.aws.call(
            "datazone", "get_form_type", domainIdentifier=domain, formTypeIdentifier=name
        )
        return str(found["revision"])


def _about(product: Product, terms: list[str]) -> dict[str, Any]:
    said = {"name": product.said["name"], "description": product.said["description"]}
    # An empty list is refused: none is said by saying nothing.
    return {**said, "glossaryTerms": terms} if terms else {**said}


def _print(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _gone() -> Unavailable:
    return Unavailable("PORTAL_NOT_READY", "The product is gone from the portal. Look again.")
