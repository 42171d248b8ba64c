"""The numbers of the journey: what they are in the data, wherever the mesh runs."""

from meshplane.sample.nycflights import ROWS

QUALITY = {"qualityScore": 1.0, "completenessDepTime": 0.97549}
GRANTED = {
    "grantedFlights": 111_279,
    "arrDelaySum": 605_550,
    "windyFlights": 507,
    "originalTailNumbers": 0,
}
CHANGED = {
    "deletedFlights": 8_255,
    "flightsAfterDelete": 109_416,
    "flightsAsOfBefore": 111_279,
}
DERIVED = {
    "carriers": 10,
    "lineage": {
        "carrier": ["flights.carrier"],
        "mean_dep_delay": ["flights.dep_delay"],
        "mean_arr_delay": ["flights.arr_delay"],
        "mean_wind_speed": ["weather.wind_speed"],
    },
}
AUDIT = {"auditChainValid": True, "auditChainValidAfterOneByteChanged": False}

EVERYWHERE = {**ROWS, **QUALITY, **GRANTED, **CHANGED, **DERIVED, **AUDIT}
"""The same embedded and on AWS."""

MASKED = {"maskedTailNumbers": 1_957}
"""Where the lake masks: on AWS the column is left out."""

CHECKS = 111
"""How many checks the embedded journey has."""
