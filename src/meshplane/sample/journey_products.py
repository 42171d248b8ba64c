"""Chapters 2 and 3: five tables are filled and published, and a ruleset scores flights."""

from functools import partial
from typing import Any

from meshplane.sample.nycflights import ROWS
from meshplane.sample.people import (
    AVIATION_STEWARD,
    FLIGHT_CONTRIBUTOR,
    FLIGHT_OWNER,
    FLIGHT_VIEWER,
    WEATHER_OWNER,
    Person,
)
from meshplane.sample.products import product
from meshplane.sample.stage import Stage, Step

RULESET = """Rules = [
    RowCount between 300000 and 400000,
    IsComplete "carrier",
    ColumnValues "origin" in ["EWR","JFK","LGA"],
    Completeness "dep_time" > 0.97
]"""

_COMPLETENESS_OF_DEP_TIME = 0.97549
_RULES = 4
_SENSITIVE = ("flights", "planes")
_BY_REQUEST = ("airlines", "weather")
"""What holds nothing sensitive, and is read on a steward's word all the same."""


def _create_table(name: str, person: Person, project: str, stage: Stage) -> str:
    described = product(name)
    body = {
        "projectId": stage.values[f"project:{project}"],
        "name": name,
        "columns": [
            {"name": c.name, "type": c.type, "required": c.required, "doc": c.doc}
            for c in described.columns
        ],
        "partitionBy": [
            {"column": column, "transform": "identity"} for column in described.partition_by
        ],
    }
    table = stage.post(person, "/tables", body, once="create")
    stage.values[f"table:{name}"] = table["tableId"]
    stage.check("its format", ["iceberg", 2], [table["format"], table["formatVersion"]])
    stage.check(
        "its partitioning",
        list(described.partition_by),
        [part["column"] for part in table["partitionBy"]],
    )
    partitioned = f", partitioned by {described.partition_by[0]}" if described.partition_by else ""
    return f"an Iceberg v2 table of {len(described.columns)} columns{partitioned}"


def _append(name: str, person: Person, stage: Stage) -> str:
    table_id = stage.values[f"table:{name}"]
    answer = stage.api(person).post_arrow(
        f"/tables/{table_id}/rows", stage.archive.ipc_stream(name), key=stage.key("append")
    )
    stage.check(f"rows of {name} added", ROWS[name], answer["addedRows"])
    stage.check(f"rows of {name} in the table", ROWS[name], answer["totalRows"])
    snapshots = list(stage.api(person).items(f"/tables/{table_id}/snapshots"))
    stage.check(f"commits to {name}", 1, len(snapshots))
    stage.number(name, answer["totalRows"])
    return f"{answer['totalRows']:,} rows in one commit"


def publication(name: str, person: Person, project: str, stage: Stage) -> dict[str, Any]:
    """Publishes the table of that name with its contract, checks what came of it and gives it."""
    described = product(name)
    sensitive = described.column_classifications()
    body = {
        "projectId": stage.values[f"project:{project}"],
        "tableId": stage.values[f"table:{name}"],
        "name": name,
        "description": described.description,
        "classification": "internal" if sensitive or name in _BY_REQUEST else "public",
        "columnClassifications": sensitive,
        "contract": described.contract,
        "owner": person.principal,
    }
    asset: dict[str, Any] = stage.post(person, "/assets", body, once="publish")
    stage.values[f"asset:{name}"] = asset["assetId"]
    # What holds sensitive columns waits for a steward.
    status = "submitted" if sensitive else "published"
    if asset["status"] != status:
        # The answer waits some seconds for the workflow, which goes on all the same.
        asset = stage.wait_until(f"{name} is listed", partial(_settled, name, person, stage))
    stage.check(
        f"{name} is {status}, with owner and contract",
        [status, person.principal, "1.0.0"],
        [asset["status"], asset["owner"], asset["contractVersion"]],
    )
    shown = {c["name"]: c["classification"] for c in asset["columns"]}
    stage.check(
        f"what is sensitive in {name}", sensitive, {name: shown.get(name) for name in sensitive}
    )
    return asset


def _settled(name: str, person: Person, stage: Stage) -> dict[str, Any] | None:
    """The asset once it is no longer submitted."""
    asset: dict[str, Any] = stage.api(person).get(f"/assets/{stage.values[f'asset:{name}']}")
    return asset if asset["status"] != "submitted" else None


def _publish(name: str, person: Person, project: str, stage: Stage) -> str:
    asset = publication(name, person, project, stage)
    sensitive = sorted(product(name).column_classifications())
    told = f"; {', '.join(sensitive)} not public" if sensitive else ""
    return f"{asset['domainName']}.{asset['name']}, contract {asset['contractVersion']}{told}"


def _approve_listings(stage: Stage) -> str:
    for name in _SENSITIVE:
        asset = stage.wait_until(f"{name} is listed", partial(_approve_listing, name, stage))
        stage.check(f"{name} is published once a steward approved", "published", asset["status"])
    return f"{' and '.join(_SENSITIVE)} hold columns that are not public; both are listed now"


def _approve_listing(name: str, stage: Stage) -> dict[str, Any] | None:
    """The asset once it is listed; until then, approves it when it comes into the inbox."""
    inbox = stage.api(AVIATION_STEWARD)
    asset: dict[str, Any] = inbox.get(f"/assets/{stage.values[f'asset:{name}']}")
    if asset["status"] == "published":
        return asset
    for waiting in inbox.items("/approvals"):
        if waiting["title"] == f"Publish {name}":
            path = f"/approvals/{waiting['workflowId']}/approve"
            body = {"comment": "Tail numbers may be listed; who reads them is decided by request."}
            stage.post(AVIATION_STEWARD, path, body, once=f"approve-{name}")
    return None


def _create_fill_publish(name: str, person: Person, project: str, stage: Stage) -> str:
    _create_table(name, person, project, stage)
    rows = _append(name, person, stage)
    return f"{rows}; {_publish(name, person, project, stage)}"


def _put_ruleset(stage: Stage) -> str:
    asset_id = stage.values["asset:flights"]
    answer = stage.api(FLIGHT_CONTRIBUTOR).put(
        f"/data-quality/rulesets/{asset_id}", {"ruleset": RULESET}, key=stage.key("put")
    )
    stage.check("rules understood", _RULES, answer["rules"])
    return f"{answer['rules']} rules understood"


def _run_rules(stage: Stage) -> str:
    run = stage.post(
        FLIGHT_CONTRIBUTOR,
        "/data-quality/run",
        {"assetId": stage.values["asset:flights"]},
        once="run",
    )
    stage.values["quality:run"] = run["runId"]
    run = _ended(run, stage)
    stage.check("the score of flights", 1.0, run["score"])
    stage.check("rules passed", _RULES, run["rulesPassed"])
    completeness = _completeness(run)
    stage.check("the completeness of dep_time", _COMPLETENESS_OF_DEP_TIME, completeness)
    stage.number("qualityScore", run["score"])
    stage.number("completenessDepTime", completeness)
    return (
        f"{run['rulesPassed']} of {run['rulesTotal']} passed, score {run['score']:.1f}; "
        f"completeness of dep_time {completeness}"
    )


def _ended(run: dict[str, Any], stage: Stage) -> dict[str, Any]:
    """A quality run that has ended; where it is made elsewhere, it goes on after the answer."""

    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = stage.api(FLIGHT_CONTRIBUTOR).get(
            f"/data-quality/runs/{run['runId']}"
        )
        return None if found["status"] == "running" else found

    if run["status"] != "running":
        return run
    return stage.wait_until("the quality run has ended", ended)


def _completeness(run: dict[str, Any]) -> float | None:
    """The completeness of dep_time among the metrics of a run, to five places."""
    for rule in run["rules"]:
        if rule["rule"].startswith("Completeness"):
            for value in (rule["metrics"] or {}).values():
                return round(float(value), 5)
    return None


def _see_score(stage: Stage) -> str:
    asset_id = stage.values["asset:flights"]

    def scored() -> dict[str, Any] | None:
        asset: dict[str, Any] = stage.api(FLIGHT_VIEWER).get(f"/assets/{asset_id}")
        return asset["quality"] and asset

    asset = stage.wait_until("the score shows on the asset", scored)
    quality = asset["quality"]
    stage.check(
        "the score stands on the asset",
        [1.0, stage.values["quality:run"]],
        [quality["score"], quality["runId"]],
    )
    return f"{asset['domainName']}.{asset['name']} shows a score of {quality['score']:.1f}"


def _product(name: str, person: Person, project: str) -> Step:
    return Step(
        2,
        f"product-{name}",
        person,
        f"made, filled and published {name}",
        partial(_create_fill_publish, name, person, project),
    )


STEPS = (
    Step(
        2,
        "table-flights",
        FLIGHT_CONTRIBUTOR,
        "created the table flights",
        partial(_create_table, "flights", FLIGHT_CONTRIBUTOR, "flight-operations"),
    ),
    Step(
        2,
        "rows-flights",
        FLIGHT_CONTRIBUTOR,
        "loaded a year of flights",
        partial(_append, "flights", FLIGHT_CONTRIBUTOR),
    ),
    Step(
        2,
        "publish-flights",
        FLIGHT_OWNER,
        "published flights with its contract",
        partial(_publish, "flights", FLIGHT_OWNER, "flight-operations"),
    ),
    _product("planes", FLIGHT_OWNER, "flight-operations"),
    _product("airlines", FLIGHT_OWNER, "flight-operations"),
    _product("airports", FLIGHT_OWNER, "flight-operations"),
    _product("weather", WEATHER_OWNER, "weather-desk"),
    Step(
        2,
        "approve-listings",
        AVIATION_STEWARD,
        "approved what is sensitive for the catalogue",
        _approve_listings,
    ),
    Step(3, "ruleset", FLIGHT_CONTRIBUTOR, "wrote a DQDL ruleset for flights", _put_ruleset),
    Step(3, "quality-run", FLIGHT_CONTRIBUTOR, "ran it", _run_rules),
    Step(3, "quality-shown", FLIGHT_VIEWER, "looked at flights in the catalogue", _see_score),
)
