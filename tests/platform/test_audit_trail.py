"""The audit trail in its file: whoever changes it there with his own hands is found out."""

import asyncio
import hashlib
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from meshplane.kit import hash_chain
from meshplane.kit.hash_chain import Verification, verify
from meshplane.services.audit.anchors import Anchors
from tests.builders import seeds
from tests.builders.stores import SqlitePlace

RECORDS = 40


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a trail of some records, its store closed."""
    place = SqlitePlace(tmp_path_factory.mktemp("trail"))

    async def fill() -> None:
        store = place.open()
        for number in range(RECORDS):
            work = store.begin()
            work.record({"operation": f"o{number}", "actor": "user:ada", "detail": {"n": number}})
            await work.commit()
        await store.close()

    asyncio.run(fill())
    return place.file


@pytest.fixture
def trail(original: Path, tmp_path: Path) -> Path:
    """A copy of it, to be tampered with."""
    copy = tmp_path / "meshplane.db"
    copy.write_bytes(original.read_bytes())
    return copy


@contextmanager
def hands_on(trail: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(trail, isolation_level=None)) as connection:
        yield connection


def check(trail: Path) -> Verification:
    """What the store and the chain say of the file."""

    async def read() -> Verification:
        store = SqlitePlace(trail.parent).open()
        found = verify([(body, digest) async for _, body, digest in store.audit_lines()])
        await store.close()
        return found

    return asyncio.run(read())


def record(connection: sqlite3.Connection, sequence: int) -> tuple[bytes, str]:
    statement = "SELECT body, hash FROM AuditTrail WHERE sequence = ?"
    body, digest = connection.execute(statement, (sequence,)).fetchone()
    return bytes(body), str(digest)


def test_trail__as_it_was_written_holds(trail: Path) -> None:
    found = check(trail)
    assert found.valid
    assert found.records == RECORDS
    assert found.first_broken is None


@pytest.mark.parametrize("sequence", range(1, RECORDS + 1))
def test_trail__with_one_byte_changed_is_broken_there(trail: Path, sequence: int) -> None:
    chance = random.Random(seeds.shown(sequence))
    with hands_on(trail) as connection:
        body, _ = record(connection, sequence)
        place = chance.randrange(len(body))
        changed = bytearray(body)
        changed[place] ^= 1 << chance.randrange(8)
        connection.execute(
            "UPDATE AuditTrail SET body = ? WHERE sequence = ?", (bytes(changed), sequence)
        )
    found = check(trail)
    assert not found.valid
    assert found.first_broken == sequence


@pytest.mark.parametrize("place", range(0, 4096, 97))
def test_file__with_one_byte_changed_never_reads_as_another_valid_trail(
    original: Path, tmp_path: Path, place: int
) -> None:
    raw = bytearray(original.read_bytes())
    with hands_on(original) as connection:
        bodies = [record(connection, sequence)[0] for sequence in range(1, RECORDS + 1)]
    chosen = bodies[place % RECORDS]
    spot = raw.index(chosen) + place % len(chosen)
    raw[spot] ^= 0x20
    copy = tmp_path / "meshplane.db"
    copy.write_bytes(raw)
    found = check(copy)
    assert not found.valid
    assert found.first_broken == place % RECORDS + 1


@pytest.mark.parametrize("sequence", [1, 2, RECORDS // 2, RECORDS - 1])
def test_trail__with_a_record_removed_is_broken_there(trail: Path, sequence: int) -> None:
    with hands_on(trail) as connection:
        connection.execute("DELETE FROM AuditTrail WHERE sequence = ?", (sequence,))
    found = check(trail)
    assert not found.valid
    assert found.first_broken == sequence


@pytest.mark.parametrize("sequence", [1, 2, RECORDS // 2, RECORDS - 1])
def test_trail__with_a_gap_closed_again_is_broken_there(trail: Path, sequence: int) -> None:
    with hands_on(trail) as connection:
        connection.execute("DELETE FROM AuditTrail WHERE sequence = ?", (sequence,))
        for later in range(sequence + 1, RECORDS + 1):
            connection.execute(
                "UPDATE AuditTrail SET sequence = ? WHERE sequence = ?", (later - 1, later)
            )
    found = check(trail)
    assert not found.valid
    assert found.first_broken == sequence


@pytest.mark.parametrize(("one", "other"), [(1, 2), (5, 6), (3, RECORDS)])
def test_trail__with_two_records_exchanged_is_broken(trail: Path, one: int, other: int) -> None:
    with hands_on(trail) as connection:
        for old, new in ((one, -1), (other, one), (-1, other)):
            connection.execute("UPDATE AuditTrail SET sequence = ? WHERE sequence = ?", (new, old))
    found = check(trail)
    assert not found.valid
    assert found.first_broken == one


@pytest.mark.parametrize("sequence", [-1, 0, RECORDS + 1])
def test_trail__with_a_record_added_is_broken(trail: Path, sequence: int) -> None:
    with hands_on(trail) as connection:
        body, digest = record(connection, RECORDS)
        connection.execute(
            "INSERT INTO AuditTrail (sequence, body, hash) VALUES (?, ?, ?)",
            (sequence, body, digest),
        )
    assert not check(trail).valid


@pytest.mark.parametrize("sequence", [1, RECORDS // 2])
def test_trail__with_a_record_forged_with_its_own_hash_breaks_the_next(
    trail: Path, sequence: int
) -> None:
    with hands_on(trail) as connection:
        body, _ = record(connection, sequence)
        said = orjson.loads(body)
        forged, digest = hash_chain.link(
            {**said, "actor": "user:bob"}, sequence, said["previousHash"]
        )
        connection.execute(
            "UPDATE AuditTrail SET body = ?, hash = ? WHERE sequence = ?",
            (forged, digest, sequence),
        )
    found = check(trail)
    assert not found.valid
    assert found.first_broken == sequence + 1


@pytest.mark.parametrize("cut", [1, 5, RECORDS])
def test_trail__whose_tail_was_cut_holds_alone_but_not_against_its_anchor(
    trail: Path, tmp_path: Path, cut: int
) -> None:
    async def anchored() -> list[tuple[int, str]]:
        store = SqlitePlace(trail.parent).open()
        anchors = Anchors(store, tmp_path / "audit-anchors.log")
        await anchors.note()
        await store.close()
        return anchors.noted()

    ((sequence, digest),) = asyncio.run(anchored())
    assert sequence == RECORDS
    with hands_on(trail) as connection:
        connection.execute("DELETE FROM AuditTrail WHERE sequence > ?", (RECORDS - cut,))
    found = check(trail)
    assert found.valid
    assert found.records == RECORDS - cut
    assert (found.records, found.head) != (sequence, digest)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"null", b"[]", b"\xff", b'{"sequence":1}', b"0" * 64]
)
def test_trail__with_any_other_bytes_in_place_of_a_record_is_broken(
    trail: Path, body: bytes
) -> None:
    digest = hashlib.sha256(body).hexdigest()
    with hands_on(trail) as connection:
        connection.execute(
            "UPDATE AuditTrail SET body = ?, hash = ? WHERE sequence = 1", (body, digest)
        )
    found = check(trail)
    assert not found.valid
    assert found.first_broken == 1


@pytest.mark.parametrize("number", [0, 2, "1", None, 1.5])
def test_chain__whose_record_bears_another_number_is_broken(number: Any) -> None:
    body, digest = hash_chain.link({"operation": "x"}, number, hash_chain.GENESIS)
    found = verify([(body, digest)])
    assert not found.valid
    assert found.first_broken == 1
