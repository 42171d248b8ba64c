"""How a statement is written for Athena: what is looked up, and what would never end."""

import time

import pytest

from meshplane.kit.errors import MeshplaneError
from meshplane.services.query.aws_sql import Seen, Translated, parse, translate
from meshplane.services.query.sandbox import Column, Mask, Relation, Scope

NAMES = {"id": "BIGINT", "Port": "VARCHAR", "größe": "DECIMAL(9,2)", "at": "TIMESTAMP"}


def _crew(scope: Scope) -> Seen:
    columns = tuple(
        Column(name, place, kind) for place, (name, kind) in enumerate(NAMES.items(), 1)
    )
    return Seen(Relation("Sea", "crew", (), columns, (scope,)))


PLAIN = _crew(Scope(None, dict.fromkeys(NAMES)))
MASKED = _crew(Scope(None, dict.fromkeys(NAMES, Mask("null"))))


def _told(sql: str, seen: Seen = PLAIN) -> Translated:
    parsed = parse(sql)
    return translate(parsed, [seen] * len(parsed.names), None)


def _doubling(times: int) -> str:
    steps = ", ".join(f"c{n} + C{n} AS c{n + 1}" for n in range(times))
    return f"SELECT id AS c0, {steps} FROM sea.crew"


@pytest.mark.parametrize("name", ["PORT", "port", '"pOrT"', "größe", '"GRößE"', "crew.AT"])
def test_column__is_found_in_any_case_of_ascii(name: str) -> None:
    folded = name.replace('"', "").removeprefix("crew.").lower()
    assert f'"crew"."{folded}" AS "{folded}"' in _told(f"SELECT {name} FROM sea.crew").sql


@pytest.mark.parametrize("name", ["GRÖSSE", '"GRÖßE"', "ports"])
def test_column__of_another_name_is_not_there(name: str) -> None:
    with pytest.raises(MeshplaneError, match="not there for you"):
        _told(f"SELECT {name} FROM sea.crew")


def test_star__means_the_columns_that_are_shown() -> None:
    written = ", ".join(f'"crew"."{name.lower()}" AS "{name.lower()}"' for name in NAMES)
    assert _told("SELECT * FROM crew").sql == f'SELECT {written} FROM "sea"."crew" AS "crew"'


@pytest.mark.parametrize("what", ["*", "count(*)", "id"])
def test_relation__of_which_all_is_masked_says_what_is_left_out(what: str) -> None:
    with pytest.raises(MeshplaneError, match="left out: Port, at, größe, id") as told:
        _told(f"SELECT {what} FROM sea.crew", MASKED)
    assert told.value.code == "SQL_INVALID"


def test_type__of_one_statement_is_not_that_of_another() -> None:
    first = _told("SELECT CAST(größe AS VARCHAR) || port AS x FROM sea.crew")
    again = [_told("SELECT CAST(größe AS VARCHAR) || port AS x FROM sea.crew") for _ in range(3)]
    assert all(one == first for one in again)


def test_columns__made_of_one_another_are_put_in_their_places() -> None:
    told = _told(_doubling(3))
    assert told.sql.count('"crew"."id"') == 1 + 2 + 4 + 8


@pytest.mark.parametrize(
    "sql",
    [
        _doubling(40),
        f"SELECT 1 FROM sea.crew WHERE id IN ({_doubling(40).replace('id AS c0', '1 AS c0')})",
        f"WITH w AS ({_doubling(40)}) SELECT * FROM w",
        f"{_doubling(8)} WHERE {' + '.join(['c8'] * 200)} > 0",
        f"{_doubling(8)} ORDER BY {', '.join(['c8'] * 200)}",
        "SELECT (SELECT max(id) FROM sea.crew WHERE "
        + " OR ".join(["id > 1"] * 500)
        + ") AS c0, c0 + c0 + c0 + c0 AS c1, c1 + c1 + c1 + c1 AS c2 FROM sea.crew",
    ],
)
def test_columns__made_of_one_another_without_end_are_refused_at_once(sql: str) -> None:
    begun = time.process_time()
    with pytest.raises(MeshplaneError, match="step by step") as told:
        parse(sql)
    assert told.value.code == "SQL_LIMIT"
    assert time.process_time() - begun < 2


def test_columns__of_one_name_with_their_source_are_not_counted_as_growth() -> None:
    columns = ", ".join(f"upper(port) || '{n}' AS x{n}" for n in range(300))
    told = _told(f"SELECT id AS id, port AS port, {columns} FROM sea.crew WHERE id > 1")
    assert told.sql.count("UPPER") == 300
