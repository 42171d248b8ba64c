"""How a statement is written for Athena: what is looked up, and what would never end."""

import time

import pytest

from meshplane.kit.errors import MeshplaneError
from meshplane.services.query.aws_redshift_sql import translate as over_redshift
from meshplane.services.query.aws_sql import Seen, Translated, parse, translate
from meshplane.services.query.column_sources import column_sources
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


WIDE = Seen(
    Relation(
        "Sea",
        "crew",
        (),
        tuple(Column(f"c{place}", place, "BIGINT") for place in range(1, 2_001)),
        (Scope(None, {f"c{place}": None for place in range(1, 2_001)}),),
    )
)
SUM = " + ".join(["id"] * 1_000)
JOINED = " ".join(f"JOIN sea.crew AS c{n} USING (id)" for n in range(100))
BY_TWO = " ".join(f"JOIN sea.crew AS c{n} USING (id, port)" for n in range(100))


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT {SUM} AS a FROM sea.crew GROUP BY {', '.join(['1'] * 1_000)}",
        f"SELECT *, {SUM} AS a FROM sea.crew GROUP BY {', '.join(['5'] * 1_000)}",
        f"SELECT {', '.join(['id'] * 1_000)} FROM sea.crew {JOINED}",
        f"SELECT 1 FROM sea.crew {JOINED} WHERE {' OR '.join(['id = 1'] * 100)}",
        f"SELECT (SELECT max({SUM})) AS a FROM sea.crew {JOINED}",
        f"SELECT 1 AS a FROM sea.crew {BY_TWO}",
    ],
)
def test_columns__that_stand_for_others_again_and_again_are_refused_at_once(sql: str) -> None:
    begun = time.process_time()
    with pytest.raises(MeshplaneError, match="step by step") as told:
        parse(sql)
    assert told.value.code == "SQL_LIMIT"
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT {', '.join(['*'] * 20)} FROM crew",
        " UNION ALL ".join(["SELECT crew.* FROM crew"] * 20),
        "WITH a0 AS (SELECT * FROM crew)"
        + "".join(f", a{n} AS (SELECT * FROM a{n - 1})" for n in range(1, 20))
        + " SELECT count(*) AS rows FROM a19",
        "SELECT * FROM crew AS a, crew AS b, crew AS c, crew AS d, crew AS e, crew AS f, "
        "crew AS g, crew AS h, crew AS i, crew AS j, crew AS k",
    ],
)
def test_stars__that_stand_for_too_many_columns_are_refused_at_once(sql: str) -> None:
    begun = time.process_time()
    with pytest.raises(MeshplaneError, match="stars of the statement") as told:
        _told(sql, WIDE)
    assert told.value.code == "SQL_LIMIT"
    assert time.process_time() - begun < 2


def test_stars_and_places__of_usual_statements_are_not_counted_as_growth() -> None:
    assert _told("SELECT * FROM crew", WIDE).sql.count(" AS ") == 2_001
    some = " ".join(f"JOIN sea.crew AS c{n} USING (id)" for n in range(10))
    told = _told(
        f"SELECT id, crew.port, count(*) AS n FROM sea.crew {some} GROUP BY 1, 2 HAVING n > 1"
    )
    assert "COALESCE" in told.sql
    steps = "".join(f", a{n} AS (SELECT *, {n} AS x{n} FROM a{n - 1})" for n in range(1, 40))
    assert _told(f"WITH a0 AS (SELECT * FROM crew){steps} SELECT * FROM a39").sql


@pytest.mark.parametrize("opened", ["DATE (", "ARRAY[", "ROW(", "DATE /* of */ (abs(", "VARIANT("])
def test_types__before_brackets_in_one_another_are_refused_before_they_are_parsed(
    opened: str,
) -> None:
    close = "".join({"(": ")", "[": "]"}.get(sign, "") for sign in reversed(opened))
    sql = f"SELECT {opened * 15}1{close * 15} AS a FROM sea.crew"
    for parsing in (parse, lambda text: over_redshift(text, None)):
        begun = time.process_time()
        with pytest.raises(MeshplaneError, match="nested too deeply") as told:
            parsing(sql)
        assert told.value.code == "SQL_LIMIT"
        assert time.process_time() - begun < 1
    assert column_sources(sql, {}, ["a"]) is not None


def test_types__before_brackets_beside_one_another_are_parsed() -> None:
    beside = " || ".join(["CAST(CAST(id AS DECIMAL(9,2)) AS VARCHAR(9))"] * 20)
    assert _told(f"SELECT {beside} AS a FROM sea.crew").sql.count("DECIMAL") == 20
