"""`current_principal()` and `in_group('…')`: what a row filter may ask about whoever queries."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meshplane.kit.errors import Invalid
from meshplane.services.query.sandbox import Column, Limits, Mask, Relation, Sandbox, Scope
from meshplane.services.query.sandbox.engine import lock, open_engine
from meshplane.services.query.sandbox.filters import canonical
from meshplane.services.query.sandbox.views import create_view, view_sql
from tests.builders.sandbox_world import Grants, Seen, columns_of, see, write

TYPES = {"id": "INTEGER", "owner": "VARCHAR", "region": "VARCHAR"}
ROWS = [
    (1, "user:ana@sea", "EU"),
    (2, "user:ben@sea", "EU"),
    (3, "user:o'neil@sea", "US"),
    (4, "pilots", "US"),
    (5, None, None),
]
PLAIN = dict.fromkeys(TYPES)


@pytest.fixture(scope="module")
async def sandbox(anyio_backend: str) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox()
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    return write(tmp_path_factory.mktemp("crew"), TYPES, ROWS)


def crew(
    files: tuple[str, ...], *filters: str, user: str = "user:ana@sea", groups: tuple[str, ...] = ()
) -> Grants:
    scopes = tuple(Scope(text, PLAIN) for text in filters)
    relation = Relation("sea", "crew", files, columns_of(TYPES), scopes, user, groups)
    return Grants({("sea", "crew"): relation})


async def ids(sandbox: Sandbox, grants: Grants) -> list[int]:
    found: Seen = await see(sandbox, grants, "SELECT id FROM crew ORDER BY id")
    assert found.code is None, found.message
    return [row[0] for row in found.rows]


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("user:ana@sea", [1]),
        ("user:ben@sea", [2]),
        ("user:o'neil@sea", [3]),
        ("user:nobody", []),
        ("user:' OR true --", []),
        ("", []),
    ],
)
async def test_current_principal__is_the_one_who_asks(
    sandbox: Sandbox, files: tuple[str, ...], user: str, expected: list[int]
) -> None:
    assert await ids(sandbox, crew(files, "owner = current_principal()", user=user)) == expected


@pytest.mark.parametrize(
    ("row_filter", "groups", "expected"),
    [
        ("in_group('pilots')", ("pilots",), [1, 2, 3, 4, 5]),
        ("in_group('pilots')", ("Pilots",), []),
        ("in_group('pilots')", (), []),
        ("in_group('pilots') AND region = 'EU'", ("pilots", "crew"), [1, 2]),
        ("in_group('pilots') OR region = 'EU'", ("crew",), [1, 2]),
        ("NOT in_group('pilots')", ("crew",), [1, 2, 3, 4, 5]),
        ("region = 'EU' OR (in_group('a''b') AND region = 'US')", ("a'b",), [1, 2, 3, 4]),
        ("CASE WHEN in_group('hq') THEN true ELSE owner = current_principal() END", ("x",), [1]),
        ("region = CASE WHEN in_group('us') THEN 'US' ELSE 'EU' END", ("us",), [3, 4]),
        ("lower(owner) = lower(current_principal())", (), [1]),
        ("list_contains(['user:ben@sea', current_principal()], owner)", (), [1, 2]),
    ],
)
async def test_in_group__knows_the_groups_of_the_one_who_asks(
    sandbox: Sandbox,
    files: tuple[str, ...],
    row_filter: str,
    groups: tuple[str, ...],
    expected: list[int],
) -> None:
    assert await ids(sandbox, crew(files, row_filter, groups=groups)) == expected


async def test_filters__that_ask_stand_in_a_union_beside_others(
    sandbox: Sandbox, files: tuple[str, ...]
) -> None:
    grants = crew(files, "owner = current_principal()", "region = 'US' AND in_group('us')")
    assert await ids(sandbox, grants) == [1]
    grants = crew(
        files, "owner = current_principal()", "region = 'US' AND in_group('us')", groups=("us",)
    )
    assert await ids(sandbox, grants) == [1, 3, 4]


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("owner=CURRENT_PRINCIPAL()", '("owner" = current_principal())'),
        ("In_Group('pilots') or id = 1", "(in_group('pilots') OR (id = 1))"),
        ("in_group($$pilots$$)", "in_group('pilots')"),
    ],
)
async def test_check__the_kept_text_still_asks(sandbox: Sandbox, written: str, kept: str) -> None:
    found = await sandbox.read_row_filter(written, columns_of(TYPES))
    assert found.text == kept
    assert (await sandbox.read_row_filter(found.text, columns_of(TYPES))).text == kept


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("owner = current_principal()", ["owner"]),
        ("in_group('pilots')", []),
        ("REGION = 'EU' AND id > 1 OR region IS NULL", ["region", "id"]),
        ("len(list_filter([id], lambda x: x > 3)) > 0", ["id"]),
    ],
)
async def test_check__tells_the_columns_that_a_filter_names(
    sandbox: Sandbox, expression: str, names: list[str]
) -> None:
    found = await sandbox.read_row_filter(expression, columns_of(TYPES))
    assert [column.name for column in found.columns] == names
    assert set(found.columns) <= set(columns_of(TYPES))


@pytest.mark.parametrize(
    "expression",
    [
        "current_principal('x') = owner",
        "current_principal",
        "in_group()",
        "in_group(owner)",
        "in_group('')",
        "in_group(NULL)",
        "in_group(1)",
        "in_group('a' || 'b')",
        "in_group(current_principal())",
        "in_group('a', 'b')",
        "in_group(name := 'a')",
        "in_group('a') FILTER (WHERE true)",
        "in_group(DISTINCT 'a')",
        "in_group('a' ORDER BY id)",
        "main.in_group('a')",
        "current_principal() OVER () = owner",
        "current_principal()",
        "id = current_principal()",
        "id IN (1, current_principal())",
        "current_user = owner",
        "session_user = owner",
        "getvariable('current_principal') = owner",
    ],
)
async def test_check__refuses_any_other_way_of_asking(sandbox: Sandbox, expression: str) -> None:
    with pytest.raises(Invalid) as raised:
        await sandbox.read_row_filter(expression, columns_of(TYPES))
    assert raised.value.code == "ROW_FILTER_INVALID"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT current_principal() FROM crew",
        "SELECT in_group('pilots') FROM crew",
        "SELECT * FROM crew WHERE in_group('pilots')",
        "SELECT * FROM crew ORDER BY current_principal()",
        "SELECT main.current_principal() FROM crew",
        "SELECT \"in_group\"('pilots') FROM crew",
        "SELECT * FROM crew QUALIFY row_number() OVER (ORDER BY in_group('pilots')) = 1",
    ],
)
async def test_statement__may_ask_neither(
    sandbox: Sandbox, files: tuple[str, ...], sql: str
) -> None:
    found = await see(sandbox, crew(files, "in_group('pilots')", groups=("pilots",)), sql)
    assert (found.code, found.rows) == ("SQL_REFUSED", [])


CAPTURES = [
    "WITH crew AS (SELECT * FROM sea.crew) SELECT count(*) FROM crew",
    "WITH sea AS (SELECT 9 AS id) SELECT count(*) FROM sea.crew",
    "WITH t(id, owner, region) AS (VALUES (1, 'user:ana@sea', 'EU')) SELECT count(*) FROM crew",
    "WITH current_principal AS (SELECT 'user:ben@sea' AS x) SELECT count(*) FROM crew",
    "WITH in_group AS (SELECT true AS x) SELECT count(*) FROM crew, in_group",
    "SELECT count(*) FROM crew AS region",
    "SELECT count(*) FROM crew AS owner(owner, region, id)",
    "SELECT count(*) FROM crew AS c(region, id, owner)",
    "SELECT count(*) FROM (SELECT id, 'user:ben@sea' AS owner, 'US' AS region FROM crew)",
    "SELECT count(*) FROM (SELECT * REPLACE ('user:ben@sea' AS owner) FROM crew)",
    "SELECT count(*) FROM crew WHERE owner = owner OR true",
    "SELECT count(*) FROM crew AS a LEFT JOIN crew AS owner ON true WHERE a.id = owner.id",
    "SELECT (SELECT count(*) FROM crew) AS owner",
    "SELECT count(*) FROM (VALUES ('user:ben@sea')) AS v(owner), crew",
    "SELECT count(*) FROM crew, LATERAL (SELECT 'user:ben@sea' AS owner) AS t",
]


@pytest.mark.parametrize("sql", CAPTURES)
@pytest.mark.parametrize(
    "row_filter",
    [
        "owner = current_principal()",
        "owner = current_principal() AND NOT in_group('pilots')",
        "owner LIKE 'user:ana%'",
        "id = 1",
    ],
)
async def test_filter__cannot_be_captured_by_names_of_the_statement(
    sandbox: Sandbox, files: tuple[str, ...], sql: str, row_filter: str
) -> None:
    found = await see(sandbox, crew(files, row_filter), sql)
    assert (found.code, found.rows) == (None, [[1]]), found.message


async def test_errors__tell_neither_the_filter_nor_the_groups(
    sandbox: Sandbox, files: tuple[str, ...]
) -> None:
    grants = crew(files, "in_group('secret society') OR owner = current_principal()")
    for sql in ("SELECT nosuch FROM crew", "SELECT CAST(owner AS INTEGER) FROM crew", "DESCRIBE x"):
        found = await see(sandbox, grants, sql)
        assert found.code is not None
        assert "secret" not in found.message
        assert "group" not in found.message.lower() or "GROUP BY" in found.message


def test_view__holds_literals_and_lets_row_groups_be_skipped(tmp_path: Path) -> None:
    types = {"id": "INTEGER", "owner": "VARCHAR"}
    rows = [(number, f"user:{number // 1000}") for number in range(20_000)]
    [path] = write(tmp_path, types, rows)
    row_filter = "owner = current_principal() AND (in_group('crew') OR id < 100)"
    relation = Relation(
        "s",
        "t",
        (path,),
        columns_of(types),
        (Scope(row_filter, {"id": None}),),
        "user:7",
        ("crew",),
    )
    connection = open_engine()
    text = view_sql(connection, relation, "")
    assert "TRY(" not in text
    assert "current_principal" not in text
    lock(connection, Limits(), [path])
    create_view(connection, relation, "")
    assert connection.execute("SELECT count(*), min(id) FROM s.t").fetchall() == [(1000, 7000)]
    # Nothing of it may keep the engine from looking at a row group's least and greatest value.
    inner = text[text.index("FROM (") + len("FROM (") : -1]
    [(_, plan)] = connection.execute(f"EXPLAIN ANALYZE {inner}").fetchall()
    assert "FILTER" not in plan.upper().replace("FILTERS", "")


def test_view__masks_stay_as_they_are_under_a_filter_that_asks(tmp_path: Path) -> None:
    [path] = write(tmp_path, TYPES, ROWS)
    scope = Scope("in_group('pilots')", {"id": None, "owner": Mask("partial", keep_last=4)})
    relation = Relation("s", "t", (path,), columns_of(TYPES), (scope,), "user:x", ("pilots",))
    connection = open_engine()
    create_view(connection, relation, "")
    shown = connection.execute("SELECT owner FROM s.t ORDER BY id").fetchall()
    assert shown == [("****@sea",), ("****@sea",), ("****@sea",), ("****lots",), (None,)]


def test_canonical__one_text_for_all_callers() -> None:
    columns = (Column("owner", 2, "VARCHAR"),)
    texts = {
        canonical(open_engine(), written, columns).text
        for written in ("owner = current_principal()", " OWNER=Current_Principal ( ) -- mine")
    }
    assert len({text.lower() for text in texts}) == 1
