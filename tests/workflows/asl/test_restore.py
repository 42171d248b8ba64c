"""An execution that is kept and taken up again at every turn ends like one that never was."""

import json
import random
from typing import Any

import pytest

from tests.workflows.asl.driving import Driver
from tests.workflows.asl.machines_at_random import random_machine

VALUE = {"items": ["a", {"b": 1}, 3.5, None]}


def life_of(definition: dict[str, Any], seed: int, *, restores: bool) -> tuple[Any, ...]:
    """Runs a machine whose tasks answer, fail, beat and stay silent by chance, and redrives it."""
    chance = random.Random(seed)
    driver = Driver(definition, VALUE, seed, restores=restores)
    outcomes = []
    for _ in range(3):
        while driver.run.outcome is None and driver.turns < 2_000:
            if driver.turn():
                continue
            fate = chance.random()
            if driver.requests and fate < 0.75:
                request = chance.choice(list(driver.requests))
                if fate < 0.5:
                    driver.answer(request, {"by": request.key, "retry": request.retry})
                elif fate < 0.65:
                    driver.refuse(request, chance.choice(["Bad", "Worse"]), "by chance")
                else:
                    driver.take(driver.run.beat(request.branch_id, request.attempt, driver.now))
            else:
                driver.wait()
        outcome = driver.run.outcome
        outcomes.append(json.dumps(repr(outcome)))
        if outcome is None or outcome.status == "SUCCEEDED":
            break
        driver.requests.clear()
        driver.take(driver.run.redrive(driver.now))
    return outcomes, json.dumps(driver.events), [each.key for each in driver.all_requests]


@pytest.mark.parametrize("seed", range(150))
def test_restore_at_every_turn__ends_the_same_with_the_same_history(seed: int) -> None:
    definition = random_machine(random.Random(seed))
    whole = life_of(definition, seed, restores=False)
    in_pieces = life_of(definition, seed, restores=True)
    assert in_pieces == whole, f"seed {seed}"


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1_000, 4_000))
def test_restore_at_every_turn__thousands_of_machines(seed: int) -> None:
    definition = random_machine(random.Random(seed))
    whole = life_of(definition, seed, restores=False)
    assert life_of(definition, seed, restores=True) == whole, f"seed {seed}"


def test_succeeded__nothing_is_left_but_the_root() -> None:
    for seed in range(40):
        definition = random_machine(random.Random(seed))
        driver = Driver(definition, VALUE, seed)
        while driver.run.outcome is None:
            if driver.turn():
                continue
            if driver.requests:
                driver.answer(driver.requests[0], {})
            else:
                driver.wait()
        if driver.run.outcome.status == "SUCCEEDED":
            assert list(driver.kept) == ["0"], f"seed {seed}"


def test_event_ids__follow_one_another_in_each_history() -> None:
    for seed in range(40):
        driver = Driver(random_machine(random.Random(seed)), VALUE, seed)
        streams: dict[str, list[int]] = {}
        original = driver.take

        def take(turn: Any, streams: Any = streams, original: Any = original) -> None:
            for event in turn.events:
                streams.setdefault(event.stream, []).append(event["id"])
            original(turn)

        driver.take = take  # type: ignore[method-assign]
        while driver.run.outcome is None:
            if driver.turn():
                continue
            if driver.requests:
                driver.answer(driver.requests[0], {})
            else:
                driver.wait()
        for stream, ids in streams.items():
            first = 1 if stream else 2
            assert ids == list(range(first, first + len(ids))), f"seed {seed}"
