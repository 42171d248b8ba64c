"""The look into a home that tests of refusals rely on: it sees every change that others commit."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.builders.idle_process import is_idle
from tests.builders.kept_state import audit_records, forget, kept_state


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "lake").mkdir()
    change(
        tmp_path,
        "PRAGMA journal_mode = WAL",
        "CREATE TABLE Domains (pk, sk, body, PRIMARY KEY (pk, sk)) WITHOUT ROWID",
        "CREATE TABLE AuditTrail (sequence INTEGER PRIMARY KEY, body)",
        "INSERT INTO Domains VALUES ('harbour', '', '{}'), ('hills', '', '{}')",
    )
    yield tmp_path
    forget(tmp_path)


def change(home: Path, *statements: str) -> None:
    with closing(sqlite3.connect(home / "meshplane.db", isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO Domains VALUES ('isles', '', '{}')",
        "DELETE FROM Domains WHERE pk = 'hills'",
        "UPDATE Domains SET body = '{ }' WHERE pk = 'hills'",
        "UPDATE Domains SET body = -1 WHERE pk = 'hills'",
        "UPDATE Domains SET body = CAST(body AS BLOB) WHERE pk = 'hills'",
        "CREATE TABLE Projects (pk, sk)",
    ],
)
def test_change_of_another__is_seen_and_so_is_its_end(home: Path, statement: str) -> None:
    before = kept_state(home)
    change(home, statement)
    after = kept_state(home)
    assert after != before
    assert kept_state(home) == after


def test_numbers__that_python_hashes_alike_are_told_apart(home: Path) -> None:
    change(home, "UPDATE Domains SET body = -1")
    before = kept_state(home)
    change(home, "UPDATE Domains SET body = -2")
    assert kept_state(home) != before


def test_change_that_is_taken_back__leaves_the_state_of_before(home: Path) -> None:
    before = kept_state(home)
    change(home, "INSERT INTO Domains VALUES ('isles', '', '{}')")
    kept_state(home)
    change(home, "DELETE FROM Domains WHERE pk = 'isles'")
    assert kept_state(home) == before


def test_file_in_the_lake__is_seen_without_a_commit(home: Path) -> None:
    before = kept_state(home)
    (home / "lake" / "deep").mkdir()
    (home / "lake" / "deep" / "rows.parquet").write_bytes(b"")
    assert kept_state(home) != before


def test_audit_record__is_counted_and_is_no_change(home: Path) -> None:
    before = kept_state(home)
    change(home, "INSERT INTO AuditTrail VALUES (1, '{}')")
    assert (audit_records(home), kept_state(home)) == (1, before)


def test_process__with_nothing_to_do_is_idle_and_one_that_works_is_not() -> None:
    waits, works = "input()", "while True: pass"
    for code, idle in ((waits, True), (works, False)):
        with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as process:
            seen = [is_idle(process.pid)]
            give_up = time.monotonic() + 30
            while seen[-10:] != [idle] * 10 and time.monotonic() < give_up:
                time.sleep(0.01)
                seen.append(is_idle(process.pid))
            process.kill()
        assert seen[-10:] == [idle] * 10


def test_process__that_has_ended_keeps_nobody_waiting() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert is_idle(process.pid)
