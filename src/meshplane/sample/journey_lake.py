"""Chapter 9 begins: somebody edits the lake by hand, the door shuts, and the steward repairs it."""

from typing import Any

from meshplane.sample.journey_access import COUNT_FLIGHTS, wait_until_carried
from meshplane.sample.people import ADMIN, AVIATION_STEWARD, RESEARCH_ANALYST
from meshplane.sample.stage import Stage, Step, code_of, refusal

_PROJECT = "delay-research"


def _grant_id(stage: Stage) -> str:
    return f"grant-{stage.values['subscription:flights']}"


def _explain(stage: Stage) -> str:
    told = stage.api(AVIATION_STEWARD).get(
        "/permissions/explain",
        principal=f"project:{stage.values[f'project:{_PROJECT}']}",
        assetId=stage.values["asset:flights"],
    )
    verdicts = {one["grantId"]: one["verdict"] for one in told["grants"]}
    stage.check("what the grant comes to", "applies", verdicts.get(_grant_id(stage)))
    return " ".join(told["conclusion"])


def _edited(stage: Stage) -> str:
    # Once the lake holds it: the grant is applied moments after it is made.
    target = stage.lake.target
    compiled = stage.api(ADMIN).get(f"/lake/compiled/{_grant_id(stage)}", target=target)
    (entry,) = compiled["entries"]
    wait_until_carried(stage, _grant_id(stage))
    body = {"key": entry["key"], "reason": "Tidying up."}
    removed = stage.post(ADMIN, "/lake/grants/remove", body, once="remove")
    stage.check("what that is called", "missing", removed["drift"])
    return f"{entry['key'][:12]}… is gone from the lake"


def _shut(stage: Stage) -> str:
    problem = refusal(lambda: stage.query(RESEARCH_ANALYST, COUNT_FLIGHTS, project=_PROJECT))
    stage.check("a query that the lake would not allow", "GRANT_BROKEN", code_of(problem))
    return f"refused: {code_of(problem)}"


def _drift(stage: Stage) -> str:
    domain = stage.values["domain:aviation"]
    found = list(stage.api(AVIATION_STEWARD).items("/lake/drift", domainId=domain))
    kinds = [one["kind"] for one in found if one.get("grantId") == _grant_id(stage)]
    stage.check("drift of that grant", ["missing"], kinds)
    return f"{len(found)} difference in aviation: {found[0]['kind'] if found else 'none'}"


def _repaired(stage: Stage) -> str:
    body = {"domainId": stage.values["domain:aviation"]}
    stage.post(AVIATION_STEWARD, "/lake/reconcile", body, once="reconcile")

    def open_again() -> dict[str, Any] | None:
        answer: list[dict[str, Any]] = []
        problem = refusal(
            lambda: answer.append(stage.query(RESEARCH_ANALYST, COUNT_FLIGHTS, project=_PROJECT))
        )
        return answer[0] if problem is None else None

    answer = stage.wait_until("the query answers again", open_again)
    expected = stage.values["numbers"]["flightsAfterDelete"]
    stage.check("flights that it counts again", expected, answer["rows"][0][0])
    return f"the lake holds it again, and the query counts {answer['rows'][0][0]:,}"


STEPS = (
    Step(9, "explain", AVIATION_STEWARD, "asked why delay-research sees what it sees", _explain),
    Step(9, "lake-edited", ADMIN, "took the grant out of the lake by hand", _edited),
    Step(9, "lake-shut", RESEARCH_ANALYST, "tried to count the flights", _shut),
    Step(9, "lake-drift", AVIATION_STEWARD, "looked for drift", _drift),
    Step(9, "lake-repaired", AVIATION_STEWARD, "had it repaired", _repaired),
)
