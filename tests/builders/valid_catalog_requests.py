"""Good requests for the words of the catalog."""

from collections.abc import Callable

from tests.builders.request import Request
from tests.builders.small_mesh import SmallMesh


def catalog_reads(mesh: SmallMesh) -> dict[str, str]:
    """Their paths, by operation."""
    glossary, form = f"/catalog/glossaries/{mesh.glossary}", f"/catalog/forms/{mesh.form}"
    return {
        "listGlossaries": f"/catalog/glossaries?domainId={mesh.harbour}",
        "getGlossary": glossary,
        "listGlossaryTerms": f"{glossary}/terms",
        "getGlossaryTerm": f"{glossary}/terms/{mesh.term}",
        "listMetadataForms": f"/catalog/forms?domainId={mesh.harbour}",
        "getMetadataForm": form,
        "listMetadataFormRevisions": f"{form}/revisions",
        "getAssetMetadata": f"/catalog/assets/{mesh.readings}/metadata",
    }


def catalog_writes(mesh: SmallMesh, tag: str) -> dict[str, Callable[[], Request]]:
    """The writes; each call makes ready what its request needs."""
    glossary, form = f"/catalog/glossaries/{mesh.glossary}", f"/catalog/forms/{mesh.form}"
    term, said = f"{glossary}/terms/{mesh.term}", f"/catalog/assets/{mesh.readings}/metadata"

    def with_tag(method: str, path: str, body: object) -> Callable[[], Request]:
        return lambda: Request(method, path, body, headers={"If-Match": mesh.tag(path)})

    def without_term() -> Request:
        body = {"name": f"Gone, {tag}"}
        made = mesh.ask("steward", "POST", f"{glossary}/terms", body)
        return Request("DELETE", f"{glossary}/terms/{made['termId']}")

    return {
        "createGlossary": lambda: Request(
            "POST",
            "/catalog/glossaries",
            {"domainId": mesh.harbour, "name": f"Words, {tag}", "description": "Of the sea."},
        ),
        "updateGlossary": with_tag("PATCH", glossary, {"description": f"Of the sea, {tag}."}),
        "createGlossaryTerm": lambda: Request(
            "POST",
            f"{glossary}/terms",
            {
                "name": f"Neap tide, {tag}",
                "shortDescription": "A small one.",
                "longDescription": "When sun and moon pull apart.",
                "relations": {"isA": [mesh.term], "classifies": []},
            },
        ),
        "updateGlossaryTerm": with_tag("PATCH", term, {"shortDescription": f"It rises, {tag}."}),
        "deleteGlossaryTerm": without_term,
        "createMetadataForm": lambda: Request(
            "POST",
            "/catalog/forms",
            {
                "domainId": mesh.harbour,
                "name": f"Retention, {tag}",
                "description": "How long it is kept.",
                "fields": [
                    {"name": "days", "type": "integer", "required": True, "allowed": [7, 30]},
                    {"name": "about", "type": "string", "glossaryId": mesh.glossary},
                ],
            },
        ),
        "updateMetadataForm": with_tag("PATCH", form, {"description": f"How long, {tag}."}),
        "putAssetMetadata": with_tag(
            "PUT",
            said,
            {
                "terms": [mesh.term],
                "columns": {"level": [mesh.term]},
                "forms": [{"formId": mesh.form, "values": {"days": 30, "why": f"The law, {tag}."}}],
            },
        ),
    }
