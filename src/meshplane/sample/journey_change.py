"""Chapters 7 and 8: the producer changes flights; the consumer makes a product of its own."""

from typing import Any

from meshplane.sample.journey_access import COUNT_FLIGHTS
from meshplane.sample.journey_products import publication
from meshplane.sample.journey_queries import GRANTED_FLIGHTS
from meshplane.sample.nycflights import ROWS
from meshplane.sample.people import (
    FLIGHT_CONTRIBUTOR,
    FLIGHT_VIEWER,
    RESEARCH_ANALYST,
    RESEARCH_OWNER,
)
from meshplane.sample.stage import Stage, Step, an_instant_before

_PROJECT = "delay-research"
_PRODUCT = "delays_by_carrier"
_CANCELLED = 8_255
_GRANTED_AFTER_DELETE = 109_416
_CARRIERS_AT_JFK = 10

_DELAYS_BY_CARRIER = """
    SELECT
        f.carrier AS carrier,
        CAST(count(*) AS BIGINT) AS flights,
        CAST(avg(f.dep_delay) AS DOUBLE) AS mean_dep_delay,
        CAST(avg(f.arr_delay) AS DOUBLE) AS mean_arr_delay,
        CAST(avg(w.wind_speed) AS DOUBLE) AS mean_wind_speed
    FROM aviation.flights AS f
    LEFT JOIN climate.weather AS w ON f.origin = w.origin AND f.time_hour = w.time_hour
    GROUP BY f.carrier
"""

# Where each column's values come from. A count has no value of any column in it.
_DIRECT_SOURCES = {
    "carrier": ["flights.carrier"],
    "mean_dep_delay": ["flights.dep_delay"],
    "mean_arr_delay": ["flights.arr_delay"],
    "mean_wind_speed": ["weather.wind_speed"],
}


def _delete_cancelled(stage: Stage) -> str:
    table_id = stage.values["table:flights"]
    answer = stage.post(
        FLIGHT_CONTRIBUTOR,
        f"/tables/{table_id}/rows/delete",
        {"where": "dep_time IS NULL"},
        once="delete",
    )
    stage.check("cancelled flights deleted", _CANCELLED, answer["deletedRows"])
    stage.check("flights left", ROWS["flights"] - _CANCELLED, answer["totalRows"])
    snapshots = list(stage.api(FLIGHT_CONTRIBUTOR).items(f"/tables/{table_id}/snapshots"))
    stage.check("commits to flights", 2, len(snapshots))
    committed = {snapshot["snapshotId"]: snapshot["committedAt"] for snapshot in snapshots}
    stage.values["before-delete"] = an_instant_before(committed[answer["snapshotId"]])
    stage.number("deletedFlights", answer["deletedRows"])
    return f"{answer['deletedRows']:,} gone in one commit, {answer['totalRows']:,} left"


def _count_now_and_then(stage: Stage) -> str:
    now = _count(stage, None) if not stage.lake.follows else _count_once_seen(stage)
    before = _count(stage, stage.values["before-delete"])
    stage.check("flights it counts now", _GRANTED_AFTER_DELETE, now)
    stage.check("flights it counts as of the moment before", GRANTED_FLIGHTS, before)
    stage.number("flightsAfterDelete", now)
    stage.number("flightsAsOfBefore", before)
    return f"{now:,} now, {before:,} as of the moment before"


def _count_once_seen(stage: Stage) -> int:
    """The count once queries see the commit."""

    def changed() -> int | None:
        count = _count(stage, None)
        return count if count != GRANTED_FLIGHTS else None

    stage.differs("A commit shows in queries moments later, once Glue's table has followed it.")
    return stage.wait_until("queries see the commit", changed)


def _count(stage: Stage, as_of: str | None) -> int:
    answer = stage.query(RESEARCH_ANALYST, COUNT_FLIGHTS, project=_PROJECT, as_of=as_of)
    return int(answer["rows"][0][0])


def _materialize(stage: Stage) -> str:
    table = stage.post(
        RESEARCH_ANALYST,
        "/query/materialize",
        {
            "sql": _DELAYS_BY_CARRIER,
            "projectId": stage.values[f"project:{_PROJECT}"],
            "tableName": _PRODUCT,
        },
        once="materialize",
    )
    stage.values[f"table:{_PRODUCT}"] = table["tableId"]
    stage.check("carriers", _CARRIERS_AT_JFK, table["rows"])
    stage.number("carriers", table["rows"])
    return f"an Iceberg table of {table['rows']} carriers"


def _publish(stage: Stage) -> str:
    asset = publication(_PRODUCT, RESEARCH_OWNER, _PROJECT, stage)
    return f"{asset['domainName']}.{asset['name']}, contract {asset['contractVersion']}"


def _lineage(stage: Stage) -> str:
    asset_id = stage.values[f"asset:{_PRODUCT}"]

    def known() -> dict[str, Any] | None:
        lineage: dict[str, Any] = stage.api(FLIGHT_VIEWER).get(f"/lineage/{asset_id}")
        return lineage if lineage["upstream"] else None

    lineage = stage.wait_until("the lineage is known", known)
    stage.check(
        "the products it came from",
        ["aviation.flights", "climate.weather"],
        sorted(f"{up['domainName']}.{up['name']}" for up in lineage["upstream"]),
    )
    direct = {entry["column"]: _direct(entry) for entry in lineage["columns"]}
    stage.check(
        "the columns it came from",
        _DIRECT_SOURCES,
        {column: direct.get(column) for column in _DIRECT_SOURCES},
    )
    stage.check("what the count came from", [], direct.get("flights", []))
    stage.number("lineage", {column: direct.get(column) for column in _DIRECT_SOURCES})
    return "; ".join(
        f"{column} ← {', '.join(direct.get(column) or ['nothing'])}" for column in _DIRECT_SOURCES
    )


def _direct(entry: dict[str, Any]) -> list[str]:
    """The columns whose values flow into this one; OpenLineage calls the others INDIRECT."""
    return sorted(
        {
            f"{source['assetName']}.{source['column']}"
            for source in entry["sources"]
            if source["type"] == "DIRECT"
        }
    )


STEPS = (
    Step(7, "delete-cancelled", FLIGHT_CONTRIBUTOR, "deleted the cancelled", _delete_cancelled),
    Step(7, "now-and-then", RESEARCH_ANALYST, "counted again, twice", _count_now_and_then),
    Step(8, "materialize", RESEARCH_ANALYST, f"made {_PRODUCT} by a query", _materialize),
    Step(8, "publish-delays", RESEARCH_OWNER, "published it", _publish),
    Step(8, "lineage", FLIGHT_VIEWER, "asked what it came from", _lineage),
)
