"""What a grant lets through: rows by filters, cells by masks, several grants as a union."""

from collections.abc import AsyncIterator, Mapping
from itertools import product
from pathlib import Path

import pytest

from meshplane.kit.errors import Invalid
from meshplane.services.query.sandbox import Column, Mask, Relation, Sandbox, Scope
from tests.builders.sandbox_world import Grants, Seen, columns_of, hash_of, see, write

TYPES = {"id": "INTEGER", "name": "VARCHAR", "pay": "INTEGER", "region": "VARCHAR"}
ROWS = [
    (1, "Ana", 10, "EU"),
    (2, "Ben", 20, "US"),
    (3, None, 30, "EU"),
    (4, "Ana", None, None),
]
NULL, HASH, STARS = Mask("null"), Mask("hash"), Mask("constant", "***")
PLAIN = dict.fromkeys(TYPES)


@pytest.fixture(scope="module")
async def sandbox(anyio_backend: str) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox()
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    return write(tmp_path_factory.mktemp("people"), TYPES, ROWS)


def people(files: tuple[str, ...], *scopes: Scope) -> Grants:
    return Grants({("hr", "people"): Relation("hr", "people", files, columns_of(TYPES), scopes)})


async def rows(sandbox: Sandbox, files: tuple[str, ...], *scopes: Scope) -> Seen:
    return await see(sandbox, people(files, *scopes), "SELECT * FROM people ORDER BY id")


async def test_filter__hides_rows_and_null_hides_too(
    sandbox: Sandbox, files: tuple[str, ...]
) -> None:
    found = await rows(sandbox, files, Scope("region = 'EU'", PLAIN))
    assert [row[0] for row in found.rows] == [1, 3]
    opposite = await rows(sandbox, files, Scope("NOT (region = 'EU')", PLAIN))
    assert [row[0] for row in opposite.rows] == [2]


async def test_filter__may_use_a_column_that_the_grant_does_not_show(
    sandbox: Sandbox, files: tuple[str, ...]
) -> None:
    found = await rows(sandbox, files, Scope("region = 'EU'", {"id": None}))
    assert (found.columns, found.rows) == ((("id", "INTEGER"),), [[1], [3]])


async def test_filter__looks_at_raw_cells_and_not_at_masked_ones(
    sandbox: Sandbox, files: tuple[str, ...]
) -> None:
    found = await rows(sandbox, files, Scope("pay > 15", {"id": None, "pay": NULL}))
    assert found.rows == [[2, None], [3, None]]


async def test_filter__that_fails_on_a_row_hides_the_row(
    sandbox: Sandbox, files: tuple[str, ...]
) -> None:
    found = await rows(sandbox, files, Scope("CAST(name AS INTEGER) = 1 OR pay = 10", PLAIN))
    assert (found.code, found.rows) == (None, [])
    shown = await rows(sandbox, files, Scope("100 // (pay - 10) >= 5", PLAIN))
    assert [row[0] for row in shown.rows] == [2, 3]


async def test_filter__that_fails_by_an_expression_it_holds_twice_hides_the_row(
    sandbox: Sandbox, files: tuple[str, ...]
) -> None:
    once = "CAST(name AS INTEGER) > 5"
    twice = Scope(f"({once} AND list_contains([10, 30], pay)) OR ({once} OR pay = 30)", PLAIN)
    # Beside another scope its test is a column of its own, where the engine shares expressions.
    found = await rows(sandbox, files, twice, Scope("pay = 20", {"id": None, "name": HASH}))
    assert found.code is None
    assert [row[0] for row in found.rows] == [2, 3]


@pytest.mark.parametrize("row_filter", [None, "id > 0", "place.city = 'Rome' OR id = 2"])
async def test_field_of_a_column__that_an_older_file_has_not__is_null_there(
    sandbox: Sandbox, tmp_path: Path, row_filter: str | None
) -> None:
    types = {"id": "INTEGER", "place": "STRUCT(phone VARCHAR, city VARCHAR)"}
    (tmp_path / "older").mkdir()
    older = write(tmp_path / "older", {"id": "INTEGER"}, [(2,)])
    newer = write(tmp_path, types, [(1, {"phone": "+1", "city": "Rome"})])
    scope = Scope(row_filter, dict.fromkeys(types))
    homes = Relation("hr", "homes", (*newer, *older), columns_of(types), (scope,))
    found = await see(
        sandbox, Grants({("hr", "homes"): homes}), "SELECT id, place.city FROM homes ORDER BY id"
    )
    assert (found.code, found.rows) == (None, [[1, "Rome"], [2, None]])


async def test_mask__each_kind_shows_its_own_and_null_stays_null(
    sandbox: Sandbox, files: tuple[str, ...]
) -> None:
    scope = Scope(None, {"id": None, "name": HASH, "pay": NULL, "region": STARS})
    found = await rows(sandbox, files, scope)
    assert found.columns == (
        ("id", "INTEGER"),
        ("name", "VARCHAR"),
        ("pay", "INTEGER"),
        ("region", "VARCHAR"),
    )
    ana, ben = hash_of("Ana", "hr"), hash_of("Ben", "hr")
    assert found.rows == [
        [1, ana, None, "***"],
        [2, ben, None, "***"],
        [3, None, None, "***"],
        [4, ana, None, "***"],
    ]


async def test_mask__a_constant_is_of_its_columns_type(
    sandbox: Sandbox, files: tuple[str, ...]
) -> None:
    found = await rows(sandbox, files, Scope("id = 1", {"pay": Mask("constant", 0), "id": None}))
    assert (found.columns[1], found.rows) == (("pay", "INTEGER"), [[1, 0]])
    wrong = await rows(sandbox, files, Scope(None, {"pay": Mask("constant", "canary"), "id": None}))
    assert wrong.code == "SQL_REFUSED"
    assert "canary" not in wrong.message


async def test_mask__hashes_join_across_tables_and_types_of_a_domain(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    small = write(tmp_path / "small", {"k": "INTEGER"}, [(1,), (2,), (3,)])
    large = write(tmp_path / "large", {"k": "BIGINT"}, [(2,), (3,), (4,)])
    grants = Grants(
        {
            ("s", name): Relation("s", name, paths, (Column("k", 1, kind),), (Scope(None, masked),))
            for name, paths, kind, masked in [
                ("small", small, "INTEGER", {"k": HASH}),
                ("large", large, "BIGINT", {"k": HASH}),
            ]
        }
    )
    found = await see(sandbox, grants, "SELECT count(*) FROM small JOIN large USING (k)")
    assert found.rows == [[2]]
    cells = await see(sandbox, grants, "SELECT k FROM small")
    assert [cell for [cell] in cells.rows] == [hash_of(number, "s") for number in (1, 2, 3)]


async def test_mask__hashes_of_another_domain_lead_nowhere(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """Or a table of one's own, plain beside hashed, would be a dictionary of all masks."""
    ours = write(tmp_path / "ours", {"k": "VARCHAR"}, [("N1",), ("N2",)])
    words = write(tmp_path / "words", {"k": "VARCHAR"}, [("N1",), ("N2",)])
    grants = Grants(
        {
            (domain, name): Relation(
                domain, name, paths, (Column("k", 1, "VARCHAR"),), (Scope(None, {"k": HASH}),)
            )
            for domain, name, paths in [("air", "ours", ours), ("mine", "words", words)]
        }
    )
    found = await see(sandbox, grants, "SELECT count(*) FROM ours JOIN words USING (k)")
    assert found.rows == [[0]]


async def test_mask__another_key_gives_other_hashes(
    sandbox: Sandbox, files: tuple[str, ...]
) -> None:
    from meshplane.services.query.sandbox import Statement

    grants = people(files, Scope("id = 1", {"name": HASH}))
    bodies = {
        (await sandbox.run(Statement("FROM people"), grants.resolve(), key)).body
        for key in (b"a" * 32, b"b" * 32, b"a" * 32)
    }
    assert len(bodies) == 2


@pytest.mark.parametrize("sql", ["SELECT * FROM people", "DESCRIBE people"])
async def test_scopes__none_at_all_shows_nothing(
    sandbox: Sandbox, files: tuple[str, ...], sql: str
) -> None:
    found = await see(sandbox, people(files), sql)
    assert (found.code, found.rows) == ("SQL_REFUSED", [])


@pytest.mark.parametrize(
    "scope",
    [
        Scope("dropped = 1", PLAIN),
        Scope("1 = 1) OR (1 = 1", PLAIN),
        Scope("true GROUP BY ALL", PLAIN),
        Scope("id IN (SELECT 1)", PLAIN),
        Scope("id", PLAIN),
        Scope("", PLAIN),
        Scope("name = $1", PLAIN),
        Scope(None, {"dropped": None}),
        Scope(None, {}),
        Scope(None, {"id": Mask("unheard of")}),  # type: ignore[arg-type]
    ],
)
async def test_scopes__one_that_cannot_be_applied_shows_nothing(
    sandbox: Sandbox, files: tuple[str, ...], scope: Scope
) -> None:
    found = await rows(sandbox, files, scope)
    code = "SQL_REFUSED" if scope.row_filter is None else "GRANT_BROKEN"
    assert (found.code, found.rows) == (code, [])


def united(scopes: list[Scope], tests: Mapping[str | None, set[int]]) -> list[list[object]]:
    """What a union of scopes shows, by the rule alone."""
    shown = []
    for row in ROWS:
        passing = [scope for scope in scopes if row[0] in tests[scope.row_filter]]
        if passing:
            shown.append([cell_of(scopes, passing, name, row[n]) for n, name in enumerate(TYPES)])
    return shown


def cell_of(scopes: list[Scope], passing: list[Scope], name: str, raw: object) -> object:
    hashed = any(scope.columns.get(name) == HASH for scope in scopes)
    masks = [scope.columns[name] for scope in passing if name in scope.columns]
    if None in masks:
        return str(raw) if hashed and raw is not None else raw
    if HASH in masks:
        return hash_of(raw, "hr")
    constants = [mask.value for mask in masks if mask and mask.kind == "constant"]
    return constants[0] if constants else None


_FILTERS: dict[str | None, set[int]] = {
    None: {1, 2, 3, 4},
    "region = 'EU'": {1, 3},
    "id >= 3": {3, 4},
}
_WAYS: list[dict[str, Mask | None]] = [
    {"id": None, "name": None, "pay": NULL},
    {"id": None, "name": HASH, "pay": None, "region": STARS},
    {"id": None, "name": STARS, "region": None},
    {"id": None, "name": NULL, "pay": HASH},
]


@pytest.mark.parametrize("filters", list(product(_FILTERS, repeat=2)))
async def test_scopes__a_union_shows_each_cell_by_the_weakest_that_lets_its_row_through(
    sandbox: Sandbox, files: tuple[str, ...], filters: tuple[str | None, str | None]
) -> None:
    for ways in product(_WAYS, repeat=2):
        scopes = [Scope(text, way) for text, way in zip(filters, ways, strict=True)]
        names = [name for name in TYPES if any(name in scope.columns for scope in scopes)]
        found = await rows(sandbox, files, *scopes)
        expected = [
            [cell for name, cell in zip(TYPES, row, strict=True) if name in names]
            for row in united(scopes, _FILTERS)
        ]
        assert [name for name, _ in found.columns] == names
        assert found.rows == expected, scopes


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("id = 3", "(id = 3)"),
        ("region='EU' AND pay>5 -- Europe", "((region = 'EU') AND (pay > 5))"),
        ("lower(region) LIKE 'e%'", "(lower(region) ~~ 'e%')"),
        (
            "region IS NULL OR region IN ('EU', 'UK')",
            "((region IS NULL) OR (region IN ('EU', 'UK')))",
        ),
        ("len(list_filter([pay], lambda x: x > 3)) > 0", None),
        ("name > current_date::VARCHAR", None),
    ],
)
async def test_check_row_filter__gives_it_as_the_engine_writes_it(
    sandbox: Sandbox, written: str, kept: str | None
) -> None:
    text = await sandbox.check_row_filter(written, columns_of(TYPES))
    assert kept in (None, text)
    assert await sandbox.check_row_filter(text, columns_of(TYPES)) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nosuch = 1", "“nosuch”"),
        ("people.id = 1", "“people”"),
        ("id IN (SELECT 1)", "subquery"),
        ("EXISTS (FROM people)", "subquery"),
        ("count(*) > 1", "“count_star”"),
        ("sum(id) OVER () > 1", "window"),
        ("id = ?", "parameter"),
        ("random() < 0.5", "“random”"),
        ("getvariable('x') = 1", "“getvariable”"),
        ("list_aggregate([id], 'sum') = 1", "“list_aggregate”"),
        ("rowid = 1", "“rowid”"),
        ("name LIKE 'a' ESCAPE name", "LIKE … ESCAPE"),
        ("* = 1", "star"),
        ("id", "condition"),
        ("id + 1", "condition"),
        ("year(id) = 1", "does not fit"),
        ("1 = 1; DROP TABLE people", "one expression"),
        ("1 = 1) OR (1 = 1", "one expression"),
        ("1 = 1 UNION SELECT 1", "one expression"),
        ("1 = 1 ORDER BY id", "one expression"),
        ("/* id = 1", "one expression"),
        ("", "one expression"),
        ("id = 1 \0", "NUL"),
        ("id = " + "(" * 500 + "[" * 500 + "1" + "]" * 500 + ")" * 500, ""),
    ],
)
async def test_check_row_filter__refuses_what_is_not_one_condition_over_the_row(
    sandbox: Sandbox, text: str, said: str
) -> None:
    with pytest.raises(Invalid) as raised:
        await sandbox.check_row_filter(text, columns_of(TYPES))
    assert raised.value.code == "ROW_FILTER_INVALID"
    assert raised.value.fields[0].field == "rowFilter"
    assert said in raised.value.message
