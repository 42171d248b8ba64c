"""What an asset says in the catalog's words, as fields of a product in the portal.

Each is a field of its own, so that what others add there stays beside ours:

- `term ID` is `on`, for a term on the asset; ID is the portal's
- `terms of COLUMN` holds a JSON list of the portal's ids
- `form NAME` holds a filled form as JSON: `revision` of the form type NAME, and `content`

A field that we wrote and no longer want is empty.
"""

import json
from collections.abc import Mapping
from typing import Any

from meshplane.boundary.portal_links import not_ready
from meshplane.platform.store import UnitOfWork
from meshplane.services.assets.api import AssetMetadata, FilledForm
from meshplane.services.assets.metadata import kept, places
from meshplane.services.assets.ports import FORM, ON, TERM, TERMS_OF
from meshplane.services.assets.store import ASSET_WORDS_IN_PORTAL

_KINDS = (TERM, TERMS_OF, FORM)


async def words_said(
    work: UnitOfWork,
    item: Mapping[str, Any],
    applied: Mapping[str, str] | None,
    *,
    is_strict: bool = True,
) -> dict[str, str]:
    """The fields of an asset's terms and forms.

    Args:
        work: reads what they are called in the portal.
        item: the asset's row.
        applied: what was last written; what of it is no longer wanted is empty then.
        is_strict: whether all of them must be in the portal already; else others are left out.

    Raises:
        Unavailable: PORTAL_NOT_READY, a term or a form is not there yet.
    """
    metadata = kept(item)
    wanted = [*places(metadata), *(form_revision(one) for one in metadata.forms)]
    rows = await work.get_many(ASSET_WORDS_IN_PORTAL, [(one, "") for one in sorted(wanted)])
    names = {row.item["ownId"]: row.item["name"] for row in rows}
    if is_strict and len(names) < len(wanted):
        raise not_ready("a glossary term or a metadata form of the asset")
    said = _said(metadata, names)
    for name in applied or {}:
        if name.startswith(_KINDS) and name not in said and (applied or {})[name]:
            said[name] = ""
    return said


def with_new(
    words: Mapping[str, str], applied: Mapping[str, str] | None
) -> Mapping[str, str] | None:
    """What was last written, where a word that never was has been empty; as `settle` takes it."""
    return None if applied is None else {**dict.fromkeys(words, ""), **applied}


def form_revision(form: FilledForm) -> str:
    """Our id of the revision of a form, as `AssetsApi.note_in_portal` takes it."""
    return f"{form.form_id}@{form.revision}"


def _said(metadata: AssetMetadata, names: Mapping[str, str]) -> dict[str, str]:
    # A term that is disabled has no name there: DataZone puts it on nothing.
    said = {f"{TERM}{names[one]}": ON for one in metadata.terms if names.get(one)}
    for column, terms in metadata.columns.items():
        ids = [names[one] for one in terms if names.get(one)]
        if ids:
            said[f"{TERMS_OF}{column}"] = json.dumps(ids)
    for form in metadata.forms:
        name, _, revision = names.get(form_revision(form), "").partition("@")
        if not name:
            continue
        content: dict[str, Any] = dict(form.values)
        for field in form.term_fields:
            own = str(content.pop(field, ""))
            if names.get(own):
                content[field] = [names[own]]
        said[f"{FORM}{name}"] = json.dumps(
            {"revision": revision, "content": content}, sort_keys=True, ensure_ascii=False
        )
    return said
