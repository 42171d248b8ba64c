"""Chapter 1: an administrator creates domains and projects, and says who belongs to them."""

from collections.abc import Callable
from functools import partial
from typing import Any

from meshplane.sample import people
from meshplane.sample.people import ADMIN, FLIGHT_VIEWER, Place
from meshplane.sample.stage import Stage, Step, code_of, refusal


def _members(place: Place) -> list[dict[str, str]]:
    return [{"principal": principal, "role": role} for principal, role in place.members]


def _check_members(stage: Stage, path: str, place: Place) -> None:
    listed = {m["principal"]: m["role"] for m in stage.api(ADMIN).items(f"{path}/members")}
    stage.check(
        f"the members of {place.name}",
        dict(place.members),
        {principal: listed.get(principal) for principal, _ in place.members},
    )


def _create_domain(place: Place, stage: Stage) -> str:
    body = {"name": place.name, "description": place.description, "members": _members(place)}
    domain = stage.post(ADMIN, "/domains", body, once="create")
    stage.values[f"domain:{place.name}"] = domain["domainId"]
    # On AWS, where names of buckets are one for everybody, more stands around it.
    named = f"data-lake-{place.name}"
    found = named if named in domain["bucket"] else domain["bucket"]
    stage.check("the bucket", named, found)
    _check_members(stage, f"/domains/{domain['domainId']}", place)
    return f"bucket {domain['bucket']}; {_listed(place)}"


def _create_project(place: Place, stage: Stage) -> str:
    domain_id = stage.values[f"domain:{place.domain}"]
    body: dict[str, Any] = {
        "domainId": domain_id,
        "name": place.name,
        "description": place.description,
        "members": _members(place),
    }
    project = stage.post(ADMIN, "/projects", body, once="create")
    stage.values[f"project:{place.name}"] = project["projectId"]
    stage.check("its domain", domain_id, project["domainId"])
    _check_members(stage, f"/projects/{project['projectId']}", place)
    return _listed(place)


def _listed(place: Place) -> str:
    return ", ".join(f"{principal.split(':')[1]} as {role}" for principal, role in place.members)


def _viewer_cannot_create(stage: Stage) -> str:
    body = {
        "projectId": stage.values["project:flight-operations"],
        "name": "scratch",
        "columns": [{"name": "n", "type": "int"}],
    }
    problem = refusal(lambda: stage.post(FLIGHT_VIEWER, "/tables", body, once="create"))
    stage.check("a viewer who creates a table meets HTTP status", 403, problem and problem.status)
    return f"refused: {code_of(problem)}"


def _step(name: str, did: str, play: Callable[[Stage], str]) -> Step:
    return Step(1, name, ADMIN, did, play)


def _domain(place: Place) -> Step:
    did = f"created the domain {place.name}"
    return _step(f"domain-{place.name}", did, partial(_create_domain, place))


def _project(place: Place) -> Step:
    did = f"created the project {place.name} in {place.domain}"
    return _step(f"project-{place.name}", did, partial(_create_project, place))


STEPS = (
    _domain(people.AVIATION),
    _domain(people.CLIMATE),
    _project(people.FLIGHT_OPERATIONS),
    _project(people.WEATHER_DESK),
    _project(people.DELAY_RESEARCH),
    Step(
        1,
        "viewer-cannot-create",
        FLIGHT_VIEWER,
        "tried to create a table, being a viewer",
        _viewer_cannot_create,
    ),
)
