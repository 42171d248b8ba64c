"""The list of hostile statements, each in two worlds that differ only in what alice may not see."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from meshplane.services.query.sandbox import Limits, Sandbox
from tests.builders.sandbox_world import World, build_world, see

LIST = Path(__file__).resolve().parents[4] / "shared" / "sql_attacks.jsonl"
REFUSALS = {"SQL_REFUSED", "SQL_INVALID", "SQL_RUNTIME", "TABLE_MISSING"}
DEEP = "S213"
# With several threads the engine settles ties as they come, and two runs of one statement differ.
ONE_THREAD = Limits(timeout_seconds=20, threads=1)
BUDGET = Limits(timeout_seconds=2, memory_mib=256, max_bytes=1024 * 1024)


def attacks(must: str) -> list[Any]:
    """The statements that must end so."""
    if not LIST.exists():
        skip = pytest.mark.skip(reason="the list of hostile statements lies in ../shared, not here")
        return [pytest.param("", "", marks=skip)]
    listed = [orjson.loads(line) for line in LIST.read_text(encoding="utf-8").splitlines()]
    return [
        pytest.param(_text(entry), entry["category"], id=entry["id"])
        for entry in listed
        if entry["must"] == must
    ]


def _text(entry: dict[str, str]) -> str:
    if entry["id"] == DEEP:
        return "SELECT " + "(" * 20_000 + "1" + ")" * 20_000
    return entry["sql"]


@pytest.fixture(scope="module")
async def sandbox(anyio_backend: str) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(pool_size=3)
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture(scope="module", params=["compared", "computed"])
def worlds(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[World, World]:
    first, second = tmp_path_factory.mktemp("a"), tmp_path_factory.mktemp("b")
    return build_world(first, 1, request.param), build_world(second, 2, request.param)


@pytest.mark.parametrize(("sql", "category"), attacks("DENY"))
async def test_hostile_statement__is_refused_alike_in_both_worlds(
    sandbox: Sandbox, worlds: tuple[World, World], sql: str, category: str
) -> None:
    before = sorted(worlds[0].folder.rglob("*"))
    first, second = [await see(sandbox, world.governed, sql, ONE_THREAD) for world in worlds]
    assert first.code in REFUSALS
    assert first == second
    assert sorted(worlds[0].folder.rglob("*")) == before


@pytest.mark.parametrize(("sql", "category"), attacks("MASKED"))
async def test_prying_statement__is_answered_as_from_a_masked_copy(
    sandbox: Sandbox, worlds: tuple[World, World], sql: str, category: str
) -> None:
    first, second = [await see(sandbox, world.governed, sql, ONE_THREAD) for world in worlds]
    copy = await see(sandbox, worlds[0].copied, sql, ONE_THREAD)
    assert first.unordered() == second.unordered()
    assert first.unordered() == copy.unordered()
    assert first.code in {None, "SQL_RUNTIME", "SQL_INVALID"}, first.message


@pytest.mark.parametrize(("sql", "category"), attacks("LIMIT"))
async def test_greedy_statement__is_stopped_within_its_budget(
    sandbox: Sandbox, worlds: tuple[World, World], sql: str, category: str
) -> None:
    started = time.monotonic()
    found = await see(sandbox, worlds[0].governed, sql, BUDGET)
    assert found.code == "SQL_LIMIT", found
    assert time.monotonic() - started < BUDGET.timeout_seconds + 1
