"""The gate and the engine never disagree about a text, however it is written.

Texts are mutated: comments, Unicode spaces, quotes, dollar quotes, halves of other statements. The
gate says which tables each reads. A plain engine, with nothing closed, holds tables beside them
whose every cell is a canary: it must read none that the gate has not named, and change nothing.
"""

import os
import sys
from collections import Counter
from random import Random

import duckdb
import pytest

from meshplane.kit.errors import MeshplaneError
from meshplane.services.query.sandbox import engine as sandbox_engine
from meshplane.services.query.sandbox.describe import described
from meshplane.services.query.sandbox.engine import Connection, open_engine, parse
from meshplane.services.query.sandbox.gate import Gate
from meshplane.services.query.sandbox.text import check_text
from tests.builders.mutated_sql import mutated

CANARY = "canarybird"
ORDINARY, MANY = 4_000, 100_000
SEED = 61_000


def plain_engine() -> Connection:
    """Everything that a statement could reach by mistake, open."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute(
        f"""
        CREATE TABLE customers AS FROM (VALUES (1, 'Ana', '*'), (2, 'Ben', '*')) t(id, name, ssn);
        CREATE TABLE orders AS FROM (VALUES (1, 1, 10.5), (2, 2, 20.5)) t(oid, customer_id, amount);
        CREATE TABLE payroll AS SELECT '{CANARY}' AS emp, '{CANARY}' AS pay, '{CANARY}' AS name;
        CREATE SCHEMA hr;
        CREATE TABLE hr.customers AS SELECT 1 AS id, '{CANARY}' AS name, '{CANARY}' AS ssn;
        CREATE TABLE roll AS FROM payroll; CREATE TABLE pay AS FROM payroll;
        """
    )
    return connection


def state(connection: Connection) -> list[tuple[object, ...]]:
    """What a statement that acts would change."""
    return connection.execute(
        "SELECT table_name, estimated_size FROM duckdb_tables() UNION ALL "
        "SELECT view_name, 0 FROM duckdb_views() WHERE NOT internal UNION ALL "
        "SELECT name || value, 0 FROM duckdb_settings() ORDER BY ALL"
    ).fetchall()


def disagreement(parser: Connection, plain: Connection, sql: str) -> tuple[str, str | None]:
    """How it ended, and what the engine does that the gate did not foresee."""
    try:
        check_text(sql)
        parsed = parse(parser, sql)
        if parsed is None or described(parsed.tree) is not None:
            return "set aside", None
        gated = Gate(sql).statement(parsed.tree)
    except MeshplaneError as error:
        return error.code, None
    except duckdb.Error:
        return "does not parse", None
    named = {name.name.lower() for name in gated.relations}
    try:
        read = {name.split(".")[-1].strip('"').lower() for name in plain.get_table_names(sql)}
    except duckdb.Error as error:
        return type(error).__name__, None
    if not read <= named:
        return "passed", f"reads {read - named}"
    if {name.schema for name in gated.relations} - {None, "main"} or named - {
        "customers",
        "orders",
    }:
        return "names others", None  # the service refuses it: there is no grant
    if gated.parameters:
        return "has parameters", None
    try:
        rows = plain.execute(parsed.statement).fetchmany(50)
    except duckdb.Error as error:
        return type(error).__name__, None
    return "passed", "gives a canary" if CANARY in str(rows) else None


def play(count: int) -> Counter[str]:
    seed = int(os.environ.get("ORACLE_SEED", SEED))
    random, ends = Random(seed), Counter[str]()
    parser, plain = open_engine(), plain_engine()
    before = state(plain)
    for number in range(count):
        sql = mutated(random)
        end, wrong = disagreement(parser, plain, sql)
        ends[end] += 1
        assert wrong is None, f"seed {seed}, text {number}: {sql!r} {wrong}"
        if number % 500 == 0:
            assert state(plain) == before, f"seed {seed}, text {number} or one before it: {sql!r}"
    assert state(plain) == before
    sys.stdout.write(f"seed {seed}: {count} texts, {dict(ends.most_common())}\n")
    return ends


def test_mutated_texts__the_gate_and_the_engine_agree() -> None:
    assert play(ORDINARY)["passed"] > ORDINARY * 0.1


@pytest.mark.long
def test_many_mutated_texts__the_gate_and_the_engine_agree() -> None:
    assert play(MANY)["passed"] > MANY * 0.1


def test_differential__finds_a_gate_that_reads_another_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A gate that takes the text apart without its comments as others would is caught."""
    original = sandbox_engine.serialise

    def serialise(connection: Connection, sql: str) -> dict[str, object]:
        return original(connection, sql.partition("UNION")[0].partition(",")[0])

    monkeypatch.setattr(sandbox_engine, "serialise", serialise)
    with pytest.raises(AssertionError, match=r"reads|canary"):
        play(2_000)
