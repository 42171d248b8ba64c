"""Chapter 9 ends: the steward revokes, the door is shut, and the trail tells the whole story."""

from collections.abc import Iterable
from typing import Any

from meshplane.sample.journey_access import COUNT_FLIGHTS
from meshplane.sample.people import (
    ADMIN,
    AVIATION_STEWARD,
    CLIMATE_STEWARD,
    FLIGHT_CONTRIBUTOR,
    FLIGHT_OWNER,
    RESEARCH_ANALYST,
    RESEARCH_OWNER,
    WEATHER_OWNER,
    Person,
)
from meshplane.sample.stage import Stage, Step, code_of, refusal

_PROJECT = "delay-research"
_EXECUTIONS = {"project-setup": 3, "asset-publication": 6, "subscription": 2}
_ABOUT = {"project-setup": "projectId", "asset-publication": "assetId", "subscription": "requestId"}

_STORY: tuple[tuple[Person, str, str, str | None], ...] = (
    (ADMIN, "createDomain", "allowed", None),
    (ADMIN, "createProject", "allowed", None),
    (FLIGHT_CONTRIBUTOR, "createTable", "allowed", None),
    (FLIGHT_CONTRIBUTOR, "appendRows", "allowed", None),
    (FLIGHT_OWNER, "publishAsset", "allowed", None),
    (WEATHER_OWNER, "publishAsset", "allowed", None),
    (AVIATION_STEWARD, "approveStep", "allowed", None),
    (FLIGHT_CONTRIBUTOR, "putRuleset", "allowed", None),
    (FLIGHT_CONTRIBUTOR, "startQualityRun", "allowed", None),
    (RESEARCH_ANALYST, "runQuery", "refused", "ACCESS_REQUIRED"),
    (RESEARCH_ANALYST, "requestSubscription", "allowed", None),
    (RESEARCH_ANALYST, "approveSubscription", "refused", "SELF_APPROVAL"),
    (AVIATION_STEWARD, "approveSubscription", "allowed", None),
    (RESEARCH_OWNER, "requestSubscription", "allowed", None),
    (RESEARCH_OWNER, "approveSubscription", "refused", "SELF_APPROVAL"),
    (CLIMATE_STEWARD, "approveSubscription", "allowed", None),
    (RESEARCH_ANALYST, "runQuery", "allowed", None),
    (FLIGHT_CONTRIBUTOR, "deleteRows", "allowed", None),
    (RESEARCH_ANALYST, "materializeQuery", "allowed", None),
    (RESEARCH_OWNER, "publishAsset", "allowed", None),
    (ADMIN, "removeLakeGrant", "allowed", None),
    (RESEARCH_ANALYST, "runQuery", "refused", "GRANT_BROKEN"),
    (AVIATION_STEWARD, "reconcileLake", "allowed", None),
    (AVIATION_STEWARD, "revokeSubscription", "allowed", None),
    (RESEARCH_ANALYST, "runQuery", "refused", "ACCESS_REQUIRED"),
)


def _revoke(stage: Stage) -> str:
    request_id = stage.values["subscription:flights"]
    body = {"reason": "The study is done."}
    path = f"/subscriptions/{request_id}/revoke"
    revoked = stage.post(AVIATION_STEWARD, path, body, once="revoke")
    stage.check("the subscription to flights", "revoked", revoked["status"])
    return f"{request_id} is {revoked['status']}"


def _refused_again(stage: Stage) -> str:
    problem = refusal(lambda: stage.query(RESEARCH_ANALYST, COUNT_FLIGHTS, project=_PROJECT))
    stage.check("the next query is refused", "ACCESS_REQUIRED", code_of(problem))
    return f"refused: {code_of(problem)}"


def _workflows(stage: Stage) -> str:
    """Everything that was set up, published and granted went through a workflow."""

    def ended() -> dict[str, list[str]] | None:
        found = {
            machine: [_outcome(one) for one in _executions(stage, machine)]
            for machine in _EXECUTIONS
        }
        still = any("RUNNING" in statuses for statuses in found.values())
        short = any(len(found[machine]) < count for machine, count in _EXECUTIONS.items())
        return None if still or short else found

    found = stage.wait_until("all workflows have ended", ended)
    for machine, count in _EXECUTIONS.items():
        stage.check(f"executions of {machine}", ["SUCCEEDED"] * count, found[machine])
    prepared = stage.wait_until("every project has its folders", lambda: _prepared(stage))
    stage.check("projects set up", _EXECUTIONS["project-setup"], len(prepared))
    return f"{sum(_EXECUTIONS.values())} executions of {len(_EXECUTIONS)} machines, all succeeded"


def _prepared(stage: Stage) -> list[str] | None:
    """The projects whose workspace is made, once all are: it is made beside their workflow."""
    own = _own(stage)
    told = stage.api(ADMIN).items("/events", type="ProjectSetupCompleted")
    projects = [str(one["detail"]["projectId"]) for one in told]
    prepared = [project for project in projects if project in own]
    return prepared if len(prepared) >= _EXECUTIONS["project-setup"] else None


def _executions(stage: Stage, machine: str) -> list[dict[str, Any]]:
    """Those about what the journey made; others may use the mesh at the same time."""
    api = stage.api(ADMIN)
    own = _own(stage)
    listed = api.items("/executions", stateMachine=machine)
    whole = [api.get(f"/executions/{one['executionId']}") for one in listed]
    return [one for one in whole if one["input"].get(_ABOUT[machine]) in own]


def _outcome(execution: dict[str, Any]) -> str:
    """Its status, and of one that failed the error and why."""
    if execution["error"] is None:
        return str(execution["status"])
    return f"{execution['status']} {execution['error']}: {execution['cause']}"


def _own(stage: Stage) -> set[str]:
    """The ids of what the journey made."""
    return {value for value in stage.values.values() if isinstance(value, str)}


def _told_in_order(records: Iterable[dict[str, Any]]) -> int:
    """How many lines of the story the trail tells, in the story's order."""
    told = 0
    for record in records:
        if told == len(_STORY):
            break
        person, operation, outcome, code = _STORY[told]
        same = (
            record["operation"] == operation
            and record["outcome"] == outcome
            and record["actor"] in (person.principal, person.user)
            and (code is None or record["code"] == code)
        )
        told += same
    return told


def _story(stage: Stage) -> str:
    def whole() -> list[dict[str, Any]] | None:
        records = list(stage.api(ADMIN).items("/audit"))
        return records if _told_in_order(records) == len(_STORY) else None

    records = list(stage.api(ADMIN).items("/audit"))
    if _told_in_order(records) < len(_STORY):
        # The last records may still be on their way to the trail.
        records = stage.wait_until("the audit trail tells the whole story", whole)
    stage.check("lines of the story on record, in order", len(_STORY), _told_in_order(records))
    times = [record["time"] for record in records]
    stage.check("the records stand in the order of time", True, times == sorted(times))
    stage.number("auditRecords", len(records))
    return f"{len(records)} records, by whom and when, from createDomain to revokeSubscription"


def _chain(stage: Stage) -> str:
    from meshplane.services.audit.chain import verify_export

    verdict = stage.api(ADMIN).get("/audit/verify")
    stage.check("the chain verifies", True, verdict["valid"])
    exported = stage.api(ADMIN).get_lines("/audit/export")
    stage.check("an exported copy verifies", True, verify_export(exported).valid)
    believed = False
    for place, line in (("first", 0), ("middle", len(exported) // 2), ("last", -1)):
        changed = list(exported)
        changed[line] = _with_one_byte_changed(changed[line])
        valid = verify_export(changed).valid
        believed = believed or valid
        stage.check(f"it verifies with one byte of its {place} record changed", False, valid)
    stage.number("auditChainValidAfterOneByteChanged", believed)
    stage.number("auditChainValid", verdict["valid"])
    return f"{verdict['records']} records verify; with one byte changed, they do not"


def _with_one_byte_changed(record: bytes) -> bytes:
    """The record with another letter in the middle of it."""
    changed = bytearray(record)
    letters = [i for i, byte in enumerate(changed) if 97 <= byte <= 121]  # a to y
    changed[letters[len(letters) // 2]] += 1
    return bytes(changed)


STEPS = (
    Step(9, "revoke", AVIATION_STEWARD, "revoked the subscription to flights", _revoke),
    Step(9, "refused-again", RESEARCH_ANALYST, "counted once more", _refused_again),
    Step(9, "workflows", ADMIN, "looked at the workflows behind it", _workflows),
    Step(9, "audit-story", ADMIN, "read the audit trail", _story),
    Step(9, "audit-chain", ADMIN, "verified it, and a copy with a byte changed", _chain),
)
