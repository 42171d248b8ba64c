"""What an operation keeps whatever comes of it: in the commit that holds its audit record."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.kit.errors import Conflict, MeshplaneError
from meshplane.platform.store import UnitOfWork
from meshplane.policy.model import MESH
from tests.builders.counter_app import ADA, COUNTERS, CounterApp


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[CounterApp]:
    app = CounterApp(tmp_path)
    await app.start()
    yield app
    await app.stop()


async def run(app: CounterApp, fails: MeshplaneError | None) -> None:
    """A write that puts one counter itself and keeps another."""

    async def keep(work: UnitOfWork, code: str | None) -> None:
        work.put(COUNTERS, {"name": "kept", "value": 1, "id": code or "done"})

    async def work(call: Call) -> None:
        await call.allow(MESH)
        call.keep(keep)
        call.work.put(COUNTERS, {"name": "own", "value": 1, "id": "own"})
        if fails is not None:
            raise fails

    await app.boundary.write("createCounter", ADA, work)


async def kept(app: CounterApp) -> dict[str, str]:
    found = {}
    for name in ("own", "kept"):
        row = await app.store.begin().get(COUNTERS, name)
        if row is not None:
            found[name] = row.item["id"]
    return found


async def test_operation_that_succeeds__keeps_its_own_and_what_is_kept(app: CounterApp) -> None:
    await run(app, None)
    assert await kept(app) == {"own": "own", "kept": "done"}
    assert [record["outcome"] for record in await app.audit()] == ["allowed"]


async def test_operation_that_fails__loses_its_own_and_keeps_what_is_kept(app: CounterApp) -> None:
    with pytest.raises(Conflict):
        await run(app, Conflict("TAKEN", "It is taken."))
    assert await kept(app) == {"kept": "TAKEN"}
    assert [(one["outcome"], one["code"]) for one in await app.audit()] == [("failed", "TAKEN")]


async def test_end_of_what_went_on__has_a_record_of_its_own(app: CounterApp) -> None:
    boundary: Boundary = app.boundary
    calls: list[Call] = []

    async def work(call: Call) -> None:
        await call.allow(MESH)
        calls.append(call)

    await boundary.write("createCounter", ADA, work)
    await boundary.write("createCounter", ADA, work)
    calls[0].note(rows=5)
    await boundary.record_end(calls[0], None)
    await boundary.record_end(calls[1], MeshplaneError("CANCELLED", "Nobody waits."))
    found = [(one["outcome"], one["code"], one["detail"]) for one in await app.audit()]
    assert found[2:] == [("allowed", None, {"rows": 5}), ("failed", "CANCELLED", {})]
