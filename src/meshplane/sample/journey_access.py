"""Chapters 4 and 5: another team finds flights, is refused, asks, and is granted a part of it."""

from functools import partial
from typing import Any

from meshplane.kit.clock import from_text, to_text
from meshplane.sample.people import (
    ADMIN,
    AVIATION_STEWARD,
    CLIMATE_STEWARD,
    RESEARCH_ANALYST,
    RESEARCH_OWNER,
    RESEARCH_VIEWER,
    Person,
)
from meshplane.sample.stage import Stage, Step, code_of, refusal

COUNT_FLIGHTS = "SELECT count(*) AS flights FROM aviation.flights"
ROW_FILTER = "origin = 'JFK'"

_PROJECT = "delay-research"
_GRANT_DAYS = 90
_PURPOSE = "Study how wind and season move departure delay, for the annual report."


def _search(stage: Stage) -> str:
    def found() -> list[dict[str, Any]] | None:
        page = stage.api(RESEARCH_VIEWER).get("/catalog/search", q="departure delay")
        return page["items"] or None

    items = stage.wait_until("the search finds something", found)
    first = items[0]
    stage.check(
        "first found for `departure delay`",
        ["aviation", "flights", stage.values["asset:flights"]],
        [first["domainName"], first["name"], first["assetId"]],
    )
    stage.check("that it may be requested", True, first["requestable"])
    return f"{len(items)} found, first {first['domainName']}.{first['name']}, to be requested"


def _refused_query(stage: Stage) -> str:
    problem = refusal(lambda: stage.query(RESEARCH_ANALYST, COUNT_FLIGHTS, project=_PROJECT))
    stage.check("the query is refused", "ACCESS_REQUIRED", code_of(problem))
    document = problem.document if problem is not None else {}
    request = document.get("request") or {}
    body = request.get("body") or {}
    stage.check(
        "the refusal says what to request",
        [
            "POST",
            "/api/v1/subscriptions",
            stage.values["asset:flights"],
            stage.values[f"project:{_PROJECT}"],
        ],
        [request.get("method"), request.get("path"), body.get("assetId"), body.get("projectId")],
    )
    stage.values["request:flights"] = body
    return f"refused: {code_of(problem)}; request it with POST {request.get('path')}"


def _request_flights(stage: Stage) -> str:
    # The request is the one that the refusal told to make; only the purpose is ours to say.
    body = {**stage.values["request:flights"], "purpose": _PURPOSE}
    return _request("flights", RESEARCH_ANALYST, body, stage)


def _request_weather(stage: Stage) -> str:
    body = {
        "assetId": stage.values["asset:weather"],
        "projectId": stage.values[f"project:{_PROJECT}"],
        "purpose": "Join the wind of each hour to the flights that left in it.",
    }
    return _request("weather", RESEARCH_OWNER, body, stage)


def _request(asset: str, person: Person, body: dict[str, Any], stage: Stage) -> str:
    request = stage.post(person, "/subscriptions", body, once="request")
    stage.values[f"subscription:{asset}"] = request["requestId"]
    stage.check(
        f"the request for {asset}",
        ["requested", person.principal, body["purpose"]],
        [request["status"], request["requestedBy"], request["purpose"]],
    )
    return f"{request['requestId']} is {request['status']}"


def _approve_own(asset: str, person: Person, code: str, stage: Stage) -> str:
    request_id = stage.values[f"subscription:{asset}"]
    path = f"/subscriptions/{request_id}/approve"
    problem = refusal(
        lambda: stage.post(person, path, {"reason": "I need it."}, once="approve-own")
    )
    stage.check("approving one's own request is refused", code, code_of(problem))
    still = stage.api(person).get(f"/subscriptions/{request_id}")
    stage.check("the request after that", "requested", still["status"])
    return f"refused: {code_of(problem)}; it is still {still['status']}"


def _approve_flights(stage: Stage) -> str:
    ends = to_text(stage.days_after_start(_GRANT_DAYS))
    active = _approve(
        "flights",
        AVIATION_STEWARD,
        {
            "reason": "JFK is what the study is about; the aircraft need not be known.",
            "rowFilter": ROW_FILTER,
            "masks": {"tailnum": {"kind": "hash"}},
            "excludedColumns": ["flight"],
            "expiresAt": ends,
        },
        stage,
    )
    scope = active["scope"]
    stage.check(
        "what was granted",
        [ROW_FILTER, "hash", ["flight"], ends],
        [
            _bare(scope["rowFilter"]),
            scope["masks"]["tailnum"]["kind"],
            scope["excludedColumns"],
            to_text(from_text(active["expiresAt"])),
        ],
    )
    return f"{active['status']} until {ends[:10]}: JFK only, tailnum hashed, flight left out"


def _approve_weather(stage: Stage) -> str:
    body = {"reason": "The weather is nobody's secret."}
    active = _approve("weather", CLIMATE_STEWARD, body, stage)
    return f"{active['status']}: all rows and columns of climate.weather"


def _approve(asset: str, person: Person, body: dict[str, Any], stage: Stage) -> dict[str, Any]:
    request_id = stage.values[f"subscription:{asset}"]
    decided = stage.post(person, f"/subscriptions/{request_id}/approve", body, once="approve")
    stage.check(f"who decided on {asset}", person.principal, decided["decidedBy"])

    def active() -> dict[str, Any] | None:
        now: dict[str, Any] = stage.api(person).get(f"/subscriptions/{request_id}")
        return now if now["status"] == "active" else None

    granted = stage.wait_until("the grant is in force", active)
    wait_until_carried(stage, granted["grantId"])
    stage.check(f"a grant of {asset} exists", True, bool(granted["grantId"]))
    return granted


def wait_until_carried(stage: Stage, grant_id: str) -> None:
    """Waits until the lake was told of a grant: it is, moments after the grant was made."""

    def carried() -> str | None:
        grant = stage.api(ADMIN).get(f"/permissions/{grant_id}")
        return None if grant["lakeState"] == "pending" else str(grant["lakeState"])

    stage.wait_until("the lake was told of the grant", carried)


def _effective(stage: Stage) -> str:
    project_id = stage.values[f"project:{_PROJECT}"]
    effective = stage.api(AVIATION_STEWARD).get(
        "/permissions/effective",
        principal=f"project:{project_id}",
        assetId=stage.values["asset:flights"],
    )
    access = {column["name"]: column["access"] for column in effective["columns"]}
    stage.check(
        "what delay-research may see of flights",
        {"origin": "plain", "arr_delay": "plain", "tailnum": "masked", "flight": "excluded"},
        {name: access.get(name) for name in ("origin", "arr_delay", "tailnum", "flight")},
    )
    stage.check("of which rows", [ROW_FILTER], [_bare(f) for f in effective["rowFilters"]])
    plain = sum(1 for kind in access.values() if kind == "plain")
    return f"{plain} columns plain, tailnum masked, flight excluded, where {ROW_FILTER}"


def _bare(row_filter: str) -> str:
    """A condition without the parentheses around it; the server keeps conditions in them."""
    return row_filter.removeprefix("(").removesuffix(")")


STEPS = (
    Step(4, "search", RESEARCH_VIEWER, "searched the catalogue for `departure delay`", _search),
    Step(4, "refused-query", RESEARCH_ANALYST, "tried to count the flights", _refused_query),
    Step(5, "request-flights", RESEARCH_ANALYST, "made that request", _request_flights),
    Step(
        5,
        "approve-own-flights",
        RESEARCH_ANALYST,
        "tried to approve it",
        partial(_approve_own, "flights", RESEARCH_ANALYST, "SELF_APPROVAL"),
    ),
    Step(5, "approve-flights", AVIATION_STEWARD, "approved a part of it", _approve_flights),
    Step(5, "effective", AVIATION_STEWARD, "looked at what that comes to", _effective),
    Step(5, "request-weather", RESEARCH_OWNER, "requested weather too", _request_weather),
    Step(
        5,
        "approve-own-weather",
        RESEARCH_OWNER,
        "tried to approve it, as an owner of climate",
        partial(_approve_own, "weather", RESEARCH_OWNER, "SELF_APPROVAL"),
    ),
    Step(5, "approve-weather", CLIMATE_STEWARD, "approved it", _approve_weather),
)
