"""Shows metadata forms in the portal, each revision of ours as one of theirs.

A form that is disabled here stays enabled there, as assets that have it are still to be shown.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from meshplane.boundary.actor import service_actor
from meshplane.boundary.portal_links import (
    GONE,
    MOST_LETTERS,
    PortalDifference,
    PortalLink,
    differences,
    gone,
    ids_of,
    link_of,
    not_ready,
)
from meshplane.boundary.portal_things import ThingsInPortal
from meshplane.events.consumer import Consumer
from meshplane.kit.clock import Clock
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import Store, UnitOfWork
from meshplane.services.assets.api import AssetsApi
from meshplane.services.catalog.forms import field_of
from meshplane.services.catalog.forms_smithy import form_type_name, smithy_of
from meshplane.services.catalog.ports import FormTypeThere, GlossaryPortal
from meshplane.services.catalog.store import (
    ALL,
    FORM_PORTAL_LINKS,
    GLOSSARY_PORTAL_LINKS,
    METADATA_FORM_REVISIONS,
    METADATA_FORMS,
)


class FormsInPortal(ThingsInPortal):
    """Keeps the portal's form types as the mesh's forms are, and tells assets of their revisions.

    Args:
        portal: where they are shown.
        assets: the service below, which shows filled forms with its products.
        store: holds the forms and the links.
        clock: the present.
    """

    def __init__(
        self, portal: GlossaryPortal, assets: AssetsApi, store: Store, clock: Clock
    ) -> None:
        super().__init__(FORM_PORTAL_LINKS, store, clock)
        self._portal = portal
        self._assets = assets

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """The events that it follows."""
        kinds = frozenset({"MetadataFormCreated", "MetadataFormUpdated"})
        source = "management-app.catalog"
        return (Consumer("catalog.portal-forms", kinds, self._on_event, source),)

    async def bring(self, work: UnitOfWork, form_id: str, *, mend: bool = False) -> None:
        """Makes a form type, and those revisions of it that are not in the portal yet.

        Args:
            work: the link is written with it.
            form_id: of the form.
            mend: whether our latest revision is made anew where others have made a later one, and
                all of them where they have deleted the type.

        Raises:
            Unavailable: PORTAL_NOT_READY, a glossary of a field is not there yet; or the portal is
                not to be had.
        """
        row = await work.get(METADATA_FORMS, form_id)
        if row is None:
            return
        link = await link_of(work, FORM_PORTAL_LINKS, form_id)
        name, latest = form_type_name(form_id), row.item["revision"]
        there = await self._portal.look_form(name)
        if link is not None and there is None and not mend:
            self.keep(work, gone(link))
            return
        revisions: dict[str, str] = dict(link.facts["revisions"]) if link and there else {}
        if not revisions and there is not None:
            revisions = await self._made_before(work, name, row.item, there)
        is_changed = _is_changed(revisions, there)
        if is_changed and mend:
            revisions.pop(str(max(int(one) for one in revisions)))
        for revision in range(1, latest + 1):
            if str(revision) in revisions:
                continue
            model = await self._model(work, name, row.item, revision)
            if there is None or there.model != model or there.revision in revisions.values():
                description = row.item["description"][:MOST_LETTERS]
                there = await self._portal.revise_form(name, model, description)
                is_changed = False
            revisions[str(revision)] = there.revision
        left = PortalLink(
            form_id,
            name,
            applied={"revision": revisions[str(latest)]},
            facts={"revisions": revisions},
            drift={"revision": there.revision} if is_changed and there else {},
        )
        self.keep(work, left)
        names = {f"{form_id}@{ours}": f"{name}@{theirs}" for ours, theirs in revisions.items()}
        await self._assets.note_in_portal(service_actor("catalog"), names)

    def own_ids(self) -> AsyncIterator[str]:
        """The ids of all forms."""
        return ids_of(self._store, METADATA_FORMS, ALL, index="byName", name="formId")

    async def differing(self, link: PortalLink) -> list[PortalDifference]:
        """See `ThingsInPortal.differing`."""
        there = await self._portal.look_form(link.portal_id)
        if there is None:
            return differences("form", link, link.applied, {"": GONE})
        is_changed = _is_changed(link.facts["revisions"], there)
        drift = {"revision": there.revision} if is_changed else {}
        return differences("form", link, link.applied, drift)

    async def _made_before(
        self, work: UnitOfWork, name: str, item: Mapping[str, Any], there: FormTypeThere
    ) -> dict[str, str]:
        """Our revisions that were made though nobody heard so; they follow one upon another."""
        theirs = int(there.revision) if there.revision.isdigit() else 0
        for ours in range(min(item["revision"], theirs), 0, -1):
            if await self._model(work, name, item, ours) == there.model:
                return {str(one): str(theirs - ours + one) for one in range(1, ours + 1)}
        return {}

    async def _model(
        self, work: UnitOfWork, name: str, item: Mapping[str, Any], revision: int
    ) -> str:
        row = await work.get(METADATA_FORM_REVISIONS, item["formId"], revision)
        fields = [field_of(one) for one in (row.item if row else item)["fields"]]
        glossaries = {}
        for field in fields:
            if field.glossary_id:
                link = await link_of(work, GLOSSARY_PORTAL_LINKS, field.glossary_id)
                if link is None:
                    raise not_ready("the glossary of a form's field")
                glossaries[field.glossary_id] = link.portal_id
        return smithy_of(name, item["name"], fields, glossaries)

    async def _on_event(self, work: UnitOfWork, event: StoredEvent) -> None:
        await self.bring(work, event.detail["formId"])


def _is_changed(revisions: Mapping[str, str], there: FormTypeThere | None) -> bool:
    """Whether others have made a revision after ours."""
    return bool(revisions) and there is not None and there.revision not in revisions.values()
