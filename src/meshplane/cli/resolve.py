"""Turns what a person types (a name or an id) into an id."""

from typing import TYPE_CHECKING

from meshplane.kit.errors import Conflict, Missing

if TYPE_CHECKING:
    from meshplane.client import Api

_TABLE_PREFIX = "tbl-"


def domain_id(api: "Api", text: str) -> str:
    """The id of a domain, named `aviation` or by its id.

    Raises:
        Missing: there is none of that name.
    """
    return _find(api, text, path="/domains", kind="domain", member="domainId", prefix="dzd-")


def project_id(api: "Api", text: str) -> str:
    """The id of a project, named `delay-research` or by its id.

    Raises:
        Missing: there is none of that name.
        Conflict: there are several.
    """
    return _find(api, text, path="/projects", kind="project", member="projectId", prefix="proj-")


def asset_id(api: "Api", text: str) -> str:
    """The id of a data product, named `aviation.flights`, `flights` or by its id.

    Raises:
        Missing: there is none of that name.
        Conflict: there are several.
    """
    return _find(api, text, path="/assets", kind="data product", member="assetId", prefix="asset-")


def table_id(api: "Api", text: str) -> str:
    """The id of a table, named `flight-operations.flights` (project and table) or by its id.

    Raises:
        Missing: there is none of that name.
    """
    project, _, name = text.rpartition(".")
    if text.startswith(_TABLE_PREFIX) or not project:
        return text
    of_project = project_id(api, project)
    for table in api.items("/tables", projectId=of_project):
        if table["name"] == name:
            return str(table["tableId"])
    raise Missing("NAME_UNKNOWN", f"There is no table named {name} in the project {project}.")


def _find(api: "Api", text: str, *, path: str, kind: str, member: str, prefix: str) -> str:
    if text.startswith(prefix):
        return text
    domain, _, name = text.rpartition(".")
    found = [
        str(item[member])
        for item in api.items(path)
        if item["name"] == name and domain in ("", item.get("domainName"))
    ]
    if not found:
        raise Missing("NAME_UNKNOWN", f"There is no {kind} named {text} that you can see.")
    if len(found) > 1:
        raise Conflict(
            "NAME_AMBIGUOUS", f"{len(found)} are named {text}; give one's id: {', '.join(found)}."
        )
    return found[0]
