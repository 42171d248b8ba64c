"""Events, rules, schedules and queues live through seeded deaths and pauses, in virtual time.

Up to three processes share a store. In the end every event reached every rule that matches it, its
effects in the store happened once, every firing of the schedule happened once, and what rules
started ended once; see `test_workflow_simulation.py` for how a schedule is repeated.
"""

import pytest

from tests.builders.planted_bugs import BUS_BUGS, Plant
from tests.builders.simulation import BUS
from tests.builders.simulation_seeds import found_within, play_all, schedules

pytestmark = pytest.mark.fault

_SCHEDULES = 700
_SCHEDULES_OF_A_LONG_RUN = 20_000
_FOUND_WITHIN = 150
_ONCE_WRONG = [1156]

_POINTS = {
    *("queue before commit", "queue after commit"),
    *("rule-relay before commit", "rule-relay after commit"),
    *("scheduler before commit", "scheduler after commit"),
    *("lease before commit", "lease after commit"),
    *("task before its effect", "task after its effect", "disk writes"),
}


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(_SCHEDULES, id="some"),
        pytest.param(_SCHEDULES_OF_A_LONG_RUN, id="many", marks=pytest.mark.long),
    ],
)
def test_schedules_of_the_bus__nothing_is_lost_and_nothing_happens_twice(count: int) -> None:
    total = play_all([*schedules(count), *_ONCE_WRONG], BUS)
    print(total.summary())  # noqa: T201 - tells what was tried
    if total.schedules >= _SCHEDULES:
        assert set(total.deaths) >= _POINTS
        assert total.pauses > 0


@pytest.mark.parametrize("plant", BUS_BUGS, ids=lambda plant: plant.__name__)
def test_planted_bug_in_the_bus__is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    found = found_within(_FOUND_WITHIN, BUS)
    assert found is not None, "the simulation does not see it"
