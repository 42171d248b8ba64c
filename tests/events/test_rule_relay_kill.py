"""Processes are killed between an event and its effects: each effect comes once, none is lost."""

import asyncio
import random
from pathlib import Path

import pytest

from tests.builders import seeds
from tests.builders.bus_lives import live, prepare, wrong_effects
from tests.builders.forked import run_and_kill, run_together

pytestmark = pytest.mark.fault


@pytest.mark.parametrize("seed", [11, None])
def test_kills__lose_no_event_and_double_no_effect(tmp_path: Path, seed: int | None) -> None:
    chance = random.Random(seeds.fresh() if seed is None else seeds.shown(seed))
    asyncio.run(prepare(tmp_path))
    for _ in range(15):
        run_and_kill(live, (str(tmp_path), 40, False), 0.05 + chance.random() * 0.15)
    assert run_together(live, [(str(tmp_path), 10, True)]) == [0]
    assert asyncio.run(wrong_effects(tmp_path)) == {}


def test_two_processes_and_kills__share_the_work(tmp_path: Path) -> None:
    chance = random.Random(seeds.fresh())
    asyncio.run(prepare(tmp_path))
    for _ in range(4):
        run_and_kill(live, (str(tmp_path), 60, False), 0.1 + chance.random() * 0.1)
    assert run_together(live, [(str(tmp_path), 30, True)] * 2) == [0, 0]
    assert asyncio.run(wrong_effects(tmp_path)) == {}
