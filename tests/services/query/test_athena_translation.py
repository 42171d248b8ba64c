"""How a statement is written for Athena: what is looked up, and what would never end."""

import time
from typing import Any

import pytest

from meshplane.kit.errors import MeshplaneError
from meshplane.services.query.aws_dialect import REWRITTEN
from meshplane.services.query.aws_grammar import KNOWN
from meshplane.services.query.aws_names import UNTYPED
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


def _told(sql: str, seen: Seen = PLAIN, given: Any = None) -> Translated:
    parsed = parse(sql)
    return translate(parsed, [seen] * len(parsed.names), given)


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


@pytest.mark.parametrize(
    "keys",
    [
        "ROLLUP (port, crew.port)",
        "ROLLUP ((id, port), PORT)",
        "CUBE (id, crew.id)",
        "id, ROLLUP (port, crew.id)",
    ],
)
def test_rollup__of_a_column_that_is_named_twice_is_refused(keys: str) -> None:
    with pytest.raises(MeshplaneError, match="name it once"):
        _told(f"SELECT count(*) FROM sea.crew GROUP BY {keys}")


@pytest.mark.parametrize("keys", ["ROLLUP (port, id)", "CUBE ((id, port), at)", "port, crew.port"])
def test_rollup__of_different_columns_is_told(keys: str) -> None:
    assert "GROUP BY" in _told(f"SELECT count(*) FROM sea.crew GROUP BY {keys}").sql


@pytest.mark.parametrize("what", ["*", "count(*)", "id"])
def test_relation__of_which_all_is_masked_says_what_is_left_out(what: str) -> None:
    with pytest.raises(MeshplaneError, match="left out: Port, at, größe, id") as told:
        _told(f"SELECT {what} FROM sea.crew", MASKED)
    assert told.value.code == "SQL_INVALID"


def test_type__of_one_statement_is_not_that_of_another() -> None:
    first = _told("SELECT CAST(größe AS VARCHAR) || port AS x FROM sea.crew")
    again = [_told("SELECT CAST(größe AS VARCHAR) || port AS x FROM sea.crew") for _ in range(3)]
    assert all(one == first for one in again)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT /* sqlglot.meta case_sensitive */ PORT FROM sea.crew",
        "SELECT PORT /* sqlglot.meta case_sensitive */ FROM Sea.CREW -- sqlglot.meta replace=false",
    ],
)
def test_comment__changes_no_name(sql: str) -> None:
    assert '"crew"."port"' in _told(sql).sql


def test_count__of_nothing_counts_rows_wherever_it_is_named() -> None:
    told = _told("SELECT port, count() AS n FROM crew GROUP BY ALL HAVING n > 1 ORDER BY ALL")
    assert told.sql.count("COUNT(*)") == 2


def test_part__of_a_part_of_a_date_is_spelled_out() -> None:
    told = _told("SELECT date_part('year', date_trunc('year', at)) AS y FROM crew WHERE id > 1")
    assert "EXTRACT(YEAR FROM" in told.sql


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("SELECT (SELECT max(id) FROM crew), count(*) AS n FROM crew GROUP BY 1", "_col_0"),
        ("SELECT id, (SELECT min(c.id) FROM crew c) FROM crew ORDER BY id + 1, 2", "_col_1"),
        ("SELECT *, (SELECT min(id) FROM crew) FROM crew ORDER BY 5", "_query_1"),
    ],
)
def test_query__in_place_of_a_column_is_found_by_its_place(sql: str, name: str) -> None:
    assert f') AS "{name}"' in _told(sql).sql


@pytest.mark.parametrize("place", ["at", "part.at"])
def test_text__compared_with_a_field_of_a_struct_is_read_as_one_with_a_column(place: str) -> None:
    columns = (
        Column("id", 1, "BIGINT"),
        Column("part", 2, "STRUCT(at DATE, part STRUCT(at DATE), tags BIGINT[])"),
    )
    whole = Scope(None, {"id": None, "part": None})
    seen = Seen(Relation("sea", "crew", (), columns, (whole,)))
    told = _told(f"SELECT part.tags FROM crew WHERE part.{place} > '2024-01-01'", seen)
    assert "CAST('2024-01-01' AS DATE)" in told.sql
    assert told.lists == {0: "BIGINT"}


UNTYPED_ONES = [
    "SELECT port, count(*) AS n FROM sea.crew WHERE id > 10 GROUP BY port ORDER BY n DESC LIMIT 3",
    "SELECT port, upper(port) AS u FROM crew WHERE port LIKE 'K%' AND NOT (id = 1 OR id IN (2, 3))",
    "SELECT a.port, max(b.id) AS m FROM crew a JOIN crew b USING (port) GROUP BY 1 HAVING m > 3",
    "SELECT id FROM crew WHERE id > (SELECT min(id) FROM crew c WHERE c.port = crew.port)",
    "SELECT port, rank() OVER (PARTITION BY port ORDER BY id) AS r FROM crew QUALIFY r < 3",
    "WITH w AS (SELECT port AS p, sum(id * 2) AS s FROM crew GROUP BY ALL) SELECT -s AS t FROM w",
    "SELECT CASE WHEN id > 3 THEN 'a' ELSE lower(port) END AS x, coalesce(port, '') AS y FROM crew",
    "SELECT port FROM crew UNION SELECT port FROM crew WHERE id BETWEEN 1 AND 3 ORDER BY port",
    "SELECT DISTINCT port FROM crew WHERE EXISTS (SELECT 1 FROM crew c WHERE c.id = crew.id)",
    "SELECT id FROM crew WHERE port = ? AND id < ? ORDER BY 1",
]


@pytest.mark.parametrize("sql", UNTYPED_ONES)
def test_statement__that_asks_for_no_types_is_written_as_if_it_did(sql: str) -> None:
    """What a list holds is always told, so types are looked for where a table has one."""
    columns = (Column("id", 1, "BIGINT"), Column("port", 2, "VARCHAR"))
    names: dict[str, None] = {"id": None, "port": None}
    plain = Seen(Relation("sea", "crew", (), columns, (Scope(None, names),)))
    more = (*columns, Column("tags", 3, "VARCHAR[]"))
    listed = Seen(Relation("sea", "crew", (), more, (Scope(None, {**names, "tags": None}),)))
    given = ["Kiel", 3] if "?" in sql else None
    assert {type(node) for node in parse(sql).held.nodes} <= UNTYPED
    assert _told(sql, plain, given) == _told(sql, listed, given)


def test_words__that_ask_for_types_are_those_that_are_rewritten_by_them() -> None:
    assert UNTYPED <= KNOWN
    assert not UNTYPED & REWRITTEN


@pytest.mark.parametrize(
    ("sql", "first", "other", "parameters"),
    [
        ("id > ?", [1], [22], ("22",)),
        ("port = ? OR port = ?", ["a", "b"], ["it's", "b"], ("'it''s'", "'b'")),
        ("at > $since", {"since": "2024-01-01"}, {"since": "2025-02-03 04:05"}, None),
        ("at > ? AND port < ?", ["2024-01-01", "x"], ["2025-01-01", "2024-01-01"], None),
        ("größe > ? AND id IN (?, ?)", [1.5, 1, None], [2.25, 7, None], ("2.25E0", "7")),
    ],
)
def test_values__of_the_same_kinds_are_put_into_what_was_translated(
    sql: str, first: Any, other: Any, parameters: tuple[str, ...] | None
) -> None:
    text = f"SELECT id FROM sea.crew WHERE {sql}"
    again = _told(text, given=first).given(other)
    assert again == _told(text, given=other)
    assert again is not None
    assert parameters is None or again.parameters == parameters


@pytest.mark.parametrize(("first", "other"), [("2024-01-01", "soon"), ("soon", "2024-01-01")])
def test_value__that_is_a_time_where_the_other_was_none_is_translated_anew(
    first: str, other: str
) -> None:
    text = "SELECT id FROM sea.crew WHERE at > ?"
    assert _told(text, given=[first]).given([other]) is None
    assert _told(text, given=[first]).sql != _told(text, given=[other]).sql


@pytest.mark.parametrize(("other", "code"), [(2**70, "SQL_REFUSED"), ("x" * 2_000, "SQL_LIMIT")])
def test_value__that_may_not_be_one_is_refused_in_what_was_translated(
    other: Any, code: str
) -> None:
    first = _told("SELECT id FROM sea.crew WHERE id > ?", given=[1])
    with pytest.raises(MeshplaneError) as told:
        first.given([other])
    assert told.value.code == code


def test_number__is_never_read_as_a_time() -> None:
    told = _told("SELECT id FROM sea.crew WHERE at > ?", given=[1202401015])
    assert told.parameters == ("1202401015",)


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
