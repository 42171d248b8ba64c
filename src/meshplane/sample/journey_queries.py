"""Chapter 6: delay-research sees exactly what it was granted."""

from collections import Counter
from typing import Any

from meshplane.sample.people import FLIGHT_OWNER, RESEARCH_ANALYST
from meshplane.sample.stage import Stage, Step, code_of, refusal

GRANTED_FLIGHTS = 111_279
_ARR_DELAY_SUM = 605_550
_WINDY_FLIGHTS = 507
_TAIL_NUMBERS_AT_JFK = 1_957

_PROJECT = "delay-research"
_PRODUCER = "flight-operations"
_COUNT_AND_SUM = "SELECT count(*) AS flights, sum(arr_delay) AS arr_delay FROM aviation.flights"
_WINDY = """
    SELECT count(*) AS flights
    FROM aviation.flights AS f
    JOIN climate.weather AS w ON f.origin = w.origin AND f.time_hour = w.time_hour
    WHERE w.wind_speed > 30
"""
_PER_TAILNUM = "SELECT tailnum, count(*) AS flights FROM aviation.flights"
_MANY_ROWS = 10_000
_COLUMNS = 18


def _count_and_sum(stage: Stage) -> str:
    answer = stage.query(RESEARCH_ANALYST, _COUNT_AND_SUM, project=_PROJECT)
    flights, arr_delay = (int(value) for value in answer["rows"][0])
    stage.check("flights it counts", GRANTED_FLIGHTS, flights)
    stage.check("its sum of arr_delay", _ARR_DELAY_SUM, arr_delay)
    stage.number("grantedFlights", flights)
    stage.number("arrDelaySum", arr_delay)
    return f"{flights:,} flights, {arr_delay:,} minutes of arrival delay"


def _only_jfk(stage: Stage) -> str:
    answer = stage.query(
        RESEARCH_ANALYST, "SELECT DISTINCT origin FROM aviation.flights", project=_PROJECT
    )
    stage.check("airports it sees", [["JFK"]], answer["rows"])
    everything = stage.query(
        RESEARCH_ANALYST, "SELECT * FROM aviation.flights LIMIT 1", project=_PROJECT
    )
    names = [column["name"] for column in everything["columns"]]
    left_out = 0 if stage.lake.masks else 1
    stage.check("columns it sees", _COLUMNS - left_out, len(names))
    if left_out:
        stage.differs(f"Of flights, {_COLUMNS - 1} columns are seen instead of {_COLUMNS}.")
    stage.check("a column flight", False, "flight" in names)
    problem = refusal(
        lambda: stage.query(
            RESEARCH_ANALYST, "SELECT flight FROM aviation.flights LIMIT 1", project=_PROJECT
        )
    )
    stage.check("naming it all the same lets it through", False, problem is None)
    return f"JFK alone, {len(names)} columns; asked for flight by name: {code_of(problem)}"


def _tail_numbers(stage: Stage) -> str:
    if not stage.lake.masks:
        return _no_tail_numbers(stage)
    masked = _per_tailnum(
        stage.query(
            RESEARCH_ANALYST,
            f"{_PER_TAILNUM} GROUP BY tailnum",
            project=_PROJECT,
            max_rows=_MANY_ROWS,
        )
    )
    original = _per_tailnum(
        stage.query(
            FLIGHT_OWNER,
            f"{_PER_TAILNUM} WHERE origin = 'JFK' GROUP BY tailnum",
            project=_PRODUCER,
            max_rows=_MANY_ROWS,
        )
    )
    register = stage.query(
        FLIGHT_OWNER,
        "SELECT tailnum FROM aviation.planes",
        project=_PRODUCER,
        max_rows=_MANY_ROWS,
    )
    known = set(original) | {row[0] for row in register["rows"]}
    leaked = sum(1 for value in masked if value in known)
    stage.check("original tail numbers among what it sees", 0, leaked)
    stage.check("different aircraft its owner sees", _TAIL_NUMBERS_AT_JFK, len(original))
    stage.check("different aircraft it sees", len(original), len(masked))
    # Flights per aircraft, without saying which: the same list on both sides means that equal
    # tail numbers have become equal values, and different ones different values.
    stage.check(
        "flights per aircraft agree with what its owner sees",
        True,
        Counter(masked.values()) == Counter(original.values()),
    )
    stage.number("originalTailNumbers", leaked)
    stage.number("maskedTailNumbers", len(masked))
    return f"{len(masked):,} aircraft told apart, {leaked} tail numbers known"


def _no_tail_numbers(stage: Stage) -> str:
    """Where the lake cannot mask, the column is not there."""
    problem = refusal(
        lambda: stage.query(RESEARCH_ANALYST, f"{_PER_TAILNUM} GROUP BY tailnum", project=_PROJECT)
    )
    stage.check("naming tailnum lets it through", False, problem is None)
    original = _per_tailnum(
        stage.query(
            FLIGHT_OWNER,
            f"{_PER_TAILNUM} WHERE origin = 'JFK' GROUP BY tailnum",
            project=_PRODUCER,
            max_rows=_MANY_ROWS,
        )
    )
    stage.check("different aircraft its owner sees", _TAIL_NUMBERS_AT_JFK, len(original))
    stage.number("originalTailNumbers", 0)
    stage.differs(
        "tailnum is left out: Lake Formation cannot mask. Embedded, it is hashed, and "
        f"{_TAIL_NUMBERS_AT_JFK:,} aircraft are told apart without a tail number being known."
    )
    return f"no column tailnum: {code_of(problem)}; its owner tells {len(original):,} apart"


def _per_tailnum(answer: dict[str, Any]) -> dict[str, int]:
    """Flights per tail number; the flights without one are left out."""
    return {value: int(flights) for value, flights in answer["rows"] if value is not None}


def _windy(stage: Stage) -> str:
    answer = stage.query(RESEARCH_ANALYST, _WINDY, project=_PROJECT)
    flights = int(answer["rows"][0][0])
    stage.check("its flights that left in wind above 30 mph", _WINDY_FLIGHTS, flights)
    stage.number("windyFlights", flights)
    return f"{flights} left in wind above 30 mph"


def _at_the_terminal(stage: Stage) -> str:
    if stage.command_line is None:
        return "no terminal here"
    answer = stage.command_line.query(
        RESEARCH_ANALYST, _COUNT_AND_SUM, stage.values[f"project:{_PROJECT}"]
    )
    flights = int(answer["rows"][0][0])
    stage.check("flights that `meshplane query` counts", GRANTED_FLIGHTS, flights)
    return f"{flights:,} flights, as over HTTP"


STEPS = (
    Step(6, "count-and-sum", RESEARCH_ANALYST, "counted flights, summed delays", _count_and_sum),
    Step(6, "only-jfk", RESEARCH_ANALYST, "looked for other airports, and for flight", _only_jfk),
    Step(6, "tail-numbers", RESEARCH_ANALYST, "read every tail number it could", _tail_numbers),
    Step(6, "windy", RESEARCH_ANALYST, "joined flights with weather", _windy),
)

AT_THE_TERMINAL = (
    Step(6, "terminal", RESEARCH_ANALYST, "ran `meshplane query` at a terminal", _at_the_terminal),
)
