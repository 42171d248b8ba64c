"""The boundary: one request is one commit, with a decision, an audit record, and one answer."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from meshplane.boundary.call import Call
from meshplane.boundary.idempotency import IDEMPOTENCY_KEYS, KEPT_SECONDS
from meshplane.kit.errors import BaseMoved, Stale, Unauthenticated, Unavailable
from meshplane.policy.model import MESH
from tests.builders.counter_app import ADA, COUNTERS, EVE, CounterApp


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[CounterApp]:
    app = CounterApp(tmp_path)
    await app.start()
    yield app
    await app.stop()


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


async def outcomes(app: CounterApp) -> list[tuple[str, str, str | None]]:
    return [(r["operation"], r["outcome"], r["code"]) for r in await app.audit()]


async def test_write__is_committed_with_its_event_and_record(app: CounterApp) -> None:
    answer = await app.client.post("/counters", json={"name": "a", "start": 3})
    assert answer.status_code == 201
    assert answer.headers["etag"] == '"1"'
    row = await app.store.begin().get(COUNTERS, "a")
    assert row is not None
    assert row.item == {"name": "a", "value": 3, "id": answer.json()["id"]}
    assert await app.events() == ["a"]
    (record,) = await app.audit()
    assert record == {
        "operation": "createCounter",
        "actor": "user:ada@aviation",
        "onBehalfOf": None,
        "outcome": "allowed",
        "code": None,
        "resource": "Mesh:mesh",
        "detail": {"name": "a"},
        "traceId": "a" * 32,
        "time": record["time"],
        "sequence": 1,
        "previousHash": "0" * 64,
    }


async def test_refused_write__changes_nothing_and_is_recorded(app: CounterApp) -> None:
    app.actor = EVE
    answer = await app.client.post("/counters", json={"name": "a"})
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
    assert await app.store.begin().get(COUNTERS, "a") is None
    assert await app.events() == []
    (record,) = await app.audit()
    assert (record["outcome"], record["code"]) == ("refused", "FORBIDDEN")
    assert (record["actor"], record["resource"]) == ("user:eve@elsewhere", "Mesh:mesh")


async def test_refused_read__is_recorded_and_an_allowed_one_is_not(app: CounterApp) -> None:
    await app.client.post("/counters", json={"name": "a"})
    assert (await app.client.get("/counters/a")).status_code == 200
    app.actor = EVE
    assert (await app.client.get("/counters/a")).status_code == 403
    assert await outcomes(app) == [
        ("createCounter", "allowed", None),
        ("getCounter", "refused", "FORBIDDEN"),
    ]


async def test_failed_write__changes_nothing_and_is_recorded(app: CounterApp) -> None:
    await app.client.post("/counters", json={"name": "a"})
    answer = await app.client.post("/counters", json={"name": "a", "start": 9})
    assert (answer.status_code, answer.json()["code"]) == (409, "NAME_TAKEN")
    assert answer.json()["errors"][0]["field"] == "name"
    assert await app.events() == ["a"]
    assert (await outcomes(app))[1:] == [("createCounter", "failed", "NAME_TAKEN")]


async def test_malformed_write__is_recorded_as_failed(app: CounterApp) -> None:
    answer = await app.client.post("/counters", json={"name": ""})
    assert answer.status_code == 400
    assert await outcomes(app) == [("createCounter", "failed", "REQUEST_INVALID")]


async def test_write_with_a_mistake_of_ours__changes_nothing_and_is_recorded(
    app: CounterApp,
) -> None:
    async def stumble(_call: Call) -> None:
        raise ZeroDivisionError("secret detail")

    app.before_commit = stumble
    answer = await app.client.post("/counters", json={"name": "a"})
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL")
    assert "secret" not in answer.text
    assert await app.store.begin().get(COUNTERS, "a") is None
    assert await outcomes(app) == [("createCounter", "failed", "INTERNAL")]


async def test_write_that_asks_for_no_decision__commits_nothing(app: CounterApp) -> None:
    answer = await app.client.post("/careless")
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL")
    assert await app.store.begin().get(COUNTERS, "careless") is None
    assert await app.events() == []
    assert await outcomes(app) == [("careless", "failed", "INTERNAL")]


async def test_read_that_asks_for_no_decision__answers_nothing(app: CounterApp) -> None:
    answer = await app.client.get("/careless")
    assert answer.status_code == 500
    assert "careless" not in answer.text


async def test_moved_base__is_tried_again_on_what_is_there_now(app: CounterApp) -> None:
    tries: list[int] = []

    async def work(call: Call) -> int:
        await call.allow(MESH)
        row = await call.work.get(COUNTERS, "a")
        tries.append(row.item["value"] if row else 0)
        if len(tries) <= 3:
            await move()
        value = tries[-1] + 1
        item = {"name": "a", "value": value, "id": "x"}
        expected = row.version if row else 0
        call.work.put(COUNTERS, item, expected=expected, otherwise=BaseMoved("MOVED", "Moved."))
        return value

    async def move() -> None:
        other = app.store.begin()
        row = await other.get(COUNTERS, "a")
        value = row.item["value"] if row else 0
        other.put(COUNTERS, {"name": "a", "value": value + 10, "id": "x"})
        await other.commit()

    assert await app.boundary.write("addToCounter", ADA, work) == 31
    assert tries == [0, 10, 20, 30]
    assert await outcomes(app) == [("addToCounter", "allowed", None)]


async def test_base_that_keeps_moving__is_given_up_after_twenty_tries(app: CounterApp) -> None:
    tries: list[int] = []

    async def work(call: Call) -> None:
        await call.allow(MESH)
        tries.append(1)
        raise BaseMoved("MOVED", "It moved.")

    with pytest.raises(BaseMoved):
        await app.boundary.write("addToCounter", ADA, work)
    assert len(tries) == 20
    assert await outcomes(app) == [("addToCounter", "failed", "MOVED")]


async def test_stale_update__is_not_tried_again(app: CounterApp) -> None:
    tries: list[int] = []

    async def work(call: Call) -> None:
        await call.allow(MESH)
        tries.append(1)
        raise Stale("STALE", "Stale.")

    with pytest.raises(Stale):
        await app.boundary.write("addToCounter", ADA, work)
    assert len(tries) == 1


async def test_store_that_cannot_write__is_not_asked_a_second_time(app: CounterApp) -> None:
    asked: list[Any] = []

    async def refuse(batch: Any) -> None:
        asked.append(batch)
        raise Unavailable("STORE_UNAVAILABLE", "Full.")

    app.store.commit = refuse  # type: ignore[method-assign]
    answer = await app.client.post("/counters", json={"name": "a"})
    assert (answer.status_code, answer.json()["code"]) == (503, "STORE_UNAVAILABLE")
    assert answer.headers["retry-after"] == "1"
    assert len(asked) == 1


async def test_stranger__is_recorded(app: CounterApp) -> None:
    await app.boundary.record_stranger(Unauthenticated("TOKEN_MISSING", "x"), "t", "/" * 500)
    (record,) = await app.audit()
    assert (record["actor"], record["outcome"], record["code"]) == (
        "unknown", "refused", "TOKEN_MISSING",
    )  # fmt: skip
    assert len(record["resource"]) == 200


async def test_update__needs_the_version_that_it_changes(app: CounterApp) -> None:
    await app.client.post("/counters", json={"name": "a"})
    body = {"amount": 2}
    missing = await app.client.post("/counters/a/add", json=body)
    assert (missing.status_code, missing.json()["code"]) == (428, "IF_MATCH_REQUIRED")
    for tag in ("1", '"x"', "*", 'W/"1"', '"1", "2"', '"-1"', '""', '"' + "9" * 30 + '"'):
        bad = await app.client.post("/counters/a/add", json=body, headers={"If-Match": tag})
        assert (bad.status_code, bad.json()["code"]) == (400, "IF_MATCH_INVALID"), tag
    good = await app.client.post("/counters/a/add", json=body, headers={"If-Match": '"1"'})
    assert (good.status_code, good.headers["etag"], good.json()["value"]) == (200, '"2"', 2)
    late = await app.client.post("/counters/a/add", json=body, headers={"If-Match": '"1"'})
    assert (late.status_code, late.json()["code"]) == (412, "STALE")
    assert (await app.client.get("/counters/a")).headers["etag"] == '"2"'


async def test_update__by_fifty_writers_uses_each_version_once(app: CounterApp) -> None:
    await app.client.post("/counters", json={"name": "a"})

    async def add() -> int:
        headers = {"If-Match": '"1"'}
        return (
            await app.client.post("/counters/a/add", json={"amount": 1}, headers=headers)
        ).status_code

    codes = await asyncio.gather(*(add() for _ in range(50)))
    assert sorted(codes) == [200] + [412] * 49
    assert (await app.client.get("/counters/a")).json()["value"] == 1


async def test_key__with_the_same_request_gives_the_same_answer_once_done(
    app: CounterApp,
) -> None:
    first = await app.client.post("/counters", json={"name": "a"}, headers=keyed("k"))
    again = await app.client.post("/counters", json={"name": "a"}, headers=keyed("k"))
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["etag"] == first.headers["etag"]
    assert await app.events() == ["a"]


async def test_key__a_hundred_times_at_once_has_one_effect_and_equal_answers(
    app: CounterApp,
) -> None:
    async def send() -> Any:
        return await app.client.post("/counters", json={"name": "a"}, headers=keyed("k"))

    answers = await asyncio.gather(*(send() for _ in range(100)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert await app.events() == ["a"]
    assert (await outcomes(app)).count(("createCounter", "allowed", None)) == 1


@pytest.mark.parametrize("at_once", [False, True])
async def test_key__with_another_body_is_refused(app: CounterApp, at_once: bool) -> None:
    async def send(name: str) -> Any:
        return await app.client.post("/counters", json={"name": name}, headers=keyed("k"))

    if at_once:
        answers = await asyncio.gather(*(send(f"n{number}") for number in range(20)))
    else:
        answers = [await send(f"n{number}") for number in range(3)]
    codes = [answer.status_code for answer in answers]
    assert sorted(codes) == [201] + [422] * (len(codes) - 1)
    refused = next(answer for answer in answers if answer.status_code == 422)
    assert refused.json()["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert len(await app.events()) == 1


async def test_key__with_another_path_or_operation_is_refused(app: CounterApp) -> None:
    await app.client.post("/counters", json={"name": "a"})
    headers = {**keyed("k"), "If-Match": '"1"'}
    await app.client.post("/counters/a/add", json={"amount": 1}, headers=headers)
    other = await app.client.post("/counters/b/add", json={"amount": 1}, headers=headers)
    assert other.status_code == 422


async def test_key__belongs_to_its_actor(app: CounterApp) -> None:
    await app.client.post("/counters", json={"name": "a"}, headers=keyed("k"))
    app.actor = dataclasses.replace(ADA, subject="bob@aviation")
    other = await app.client.post("/counters", json={"name": "b"}, headers=keyed("k"))
    assert other.status_code == 201
    assert await app.events() == ["a", "b"]


async def test_key__of_a_failed_request_is_free_again(app: CounterApp) -> None:
    app.actor = EVE
    refused = await app.client.post("/counters", json={"name": "a"}, headers=keyed("k"))
    assert refused.status_code == 403
    app.actor = dataclasses.replace(EVE, groups=ADA.groups)
    await app.client.post("/counters", json={"name": "taken"})
    taken = await app.client.post("/counters", json={"name": "taken"}, headers=keyed("k"))
    assert taken.status_code == 409
    done = await app.client.post("/counters", json={"name": "a"}, headers=keyed("k"))
    assert done.status_code == 201
    assert "idempotency-replayed" not in done.headers


async def test_key__keeps_its_answer_over_a_restart_until_it_ends(tmp_path: Path) -> None:
    app = CounterApp(tmp_path)
    await app.start()
    first = await app.client.post("/counters", json={"name": "a"}, headers=keyed("k"))
    await app.stop()
    await app.start()
    again = await app.client.post("/counters", json={"name": "a"}, headers=keyed("k"))
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    app.place.clock.advance(KEPT_SECONDS)
    late = await app.client.post("/counters", json={"name": "a"}, headers=keyed("k"))
    assert late.status_code == 409
    assert await app.store.remove_expired() == 1
    assert await app.store.begin().get(IDEMPOTENCY_KEYS, ADA.name, "k") is None
    await app.stop()


async def test_key__keeps_an_empty_answer_too(app: CounterApp) -> None:
    await app.client.post("/counters", json={"name": "a"})
    first = await app.client.delete("/counters/a", headers=keyed("k"))
    await app.client.post("/counters", json={"name": "a"})
    again = await app.client.delete("/counters/a", headers=keyed("k"))
    assert (first.status_code, again.status_code) == (204, 204)
    assert again.content == b""
    assert (await app.client.get("/counters/a")).status_code == 200


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 201, "é", "a\tb"])
async def test_key__that_is_none_is_refused(app: CounterApp, key: str) -> None:
    headers = {"Idempotency-Key": key.encode("latin-1")}
    answer = await app.client.post("/counters", json={"name": "a"}, headers=headers)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (400, "IDEMPOTENCY_KEY_INVALID")
    assert await app.events() == []


async def test_answer__that_cannot_be_committed_is_not_sent(app: CounterApp) -> None:
    async def race(_call: Call) -> None:
        other = app.store.begin()
        other.put(COUNTERS, {"name": "a", "value": 99, "id": "other"})
        await other.commit()

    app.before_commit = race
    answer = await app.client.post("/counters", json={"name": "a"}, headers=keyed("k"))
    assert (answer.status_code, answer.json()["code"]) == (409, "NAME_TAKEN")
    assert (await app.client.get("/counters/a")).json()["value"] == 99
    assert await app.store.begin().get(IDEMPOTENCY_KEYS, ADA.name, "k") is None


async def test_query__that_an_operation_does_not_take_is_refused(app: CounterApp) -> None:
    answer = await app.client.post("/counters?dryRun=true", json={"name": "a"})
    assert (answer.status_code, answer.json()["code"]) == (400, "REQUEST_INVALID")
    for query in ("limit=0", "limit=201", "limit=x", "limit=1&other=2", "cursor=" + "x" * 1001):
        answer = await app.client.get(f"/counters/a?{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, "REQUEST_INVALID"), query


@pytest.mark.parametrize("kind", ["", "text/plain", "application/xml", "multipart/form-data"])
async def test_body__of_another_media_type_is_refused(app: CounterApp, kind: str) -> None:
    answer = await app.client.post(
        "/counters", content=b'{"name":"a"}', headers={"Content-Type": kind}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "CONTENT_TYPE_UNSUPPORTED")
