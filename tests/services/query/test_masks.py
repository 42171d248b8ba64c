"""What each mask shows: compared, value by value, with the same masks written in plain Python."""

import base64
import math
import random
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from meshplane.services.permissions import mask_strength
from meshplane.services.permissions.masks import MaskRule
from meshplane.services.query.sandbox import Column, Limits, Mask, Relation, Sandbox, Scope
from meshplane.services.query.sandbox.engine import lock, open_engine
from meshplane.services.query.sandbox.masks import strength
from meshplane.services.query.sandbox.views import create_view
from tests.builders.sandbox_world import ARROW_TYPES, Grants, columns_of, see, with_ids, write

SEED = 20260331
ZONED = "TIMESTAMP WITH TIME ZONE"
INTEGERS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64}
UNITS = ("hour", "day", "week", "month", "quarter", "year")
TYPES = {
    **ARROW_TYPES,
    "TINYINT": pa.int8(),
    "SMALLINT": pa.int16(),
    "FLOAT": pa.float32(),
    "DECIMAL(4,2)": pa.decimal128(4, 2),
    "DECIMAL(38,10)": pa.decimal128(38, 10),
    "DECIMAL(9,0)": pa.decimal128(9, 0),
}


def masked(folder: Path, sql_type: str, values: Sequence[Any], mask: Mask) -> list[Any]:
    """The column as a view shows it to the engine, and its type kept or not."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "part.parquet"
    numbers = pa.array(range(len(values)), pa.int64())
    cells = pa.array(values, TYPES[sql_type])
    pq.write_table(with_ids(pa.table({"n": numbers, "c": cells})), path)
    columns = (Column("n", 1, "BIGINT"), Column("c", 2, sql_type))
    relation = Relation("s", "t", (str(path),), columns, (Scope(None, {"n": None, "c": mask}),))
    connection = open_engine()
    lock(connection, Limits(), [str(path)])
    create_view(connection, relation, "key")
    shown = connection.sql("SELECT c FROM s.t ORDER BY n").to_arrow_table()
    kept = connection.execute("SELECT any_value(typeof(c)) FROM s.t").fetchall()
    assert kept in ([(sql_type,)], [(None,)])
    return shown.column("c").to_pylist()


# --- partial ---

TEXTS = [
    "",
    "a",
    "ab",
    "abc",
    "abcd",
    "abcde",
    "4111111111111111",
    "Ωmega",
    "日本語の文字",
    "a\nb\nc",
    None,
]


def partial(text: str | None, first: int, last: int, fill: str) -> str | None:
    if text is None:
        return None
    if len(text) <= first + last:
        return fill * 4
    return text[:first] + fill * 4 + (text[-last:] if last else "")


@pytest.mark.parametrize(("first", "last"), [(0, 0), (0, 4), (1, 0), (2, 2), (1, 3), (0, 1000)])
@pytest.mark.parametrize("fill", ["*", "'", "é"])
def test_partial__shows_the_ends_and_nothing_of_a_short_text(
    tmp_path: Path, first: int, last: int, fill: str
) -> None:
    mask = Mask("partial", keep_first=first, keep_last=last, fill=fill)
    shown = masked(tmp_path, "VARCHAR", TEXTS, mask)
    assert shown == [partial(text, first, last, fill) for text in TEXTS]


def test_partial__does_not_tell_how_long_the_hidden_part_is(tmp_path: Path) -> None:
    mask = Mask("partial", keep_last=4)
    assert set(masked(tmp_path, "VARCHAR", ["x1234", "x" * 500 + "1234"], mask)) == {"****1234"}


# --- round ---


def nearest(value: Decimal, digits: int, most: Decimal | None) -> Decimal:
    step = Decimal(1).scaleb(-digits)
    rounded = (value / step).quantize(Decimal(1), ROUND_HALF_UP) * step
    if most is not None and abs(rounded) > most:
        rounded = (abs(value) // step * step).copy_sign(value)
    return rounded


@pytest.mark.parametrize("sql_type", INTEGERS)
@pytest.mark.parametrize("digits", [-1, -2, -3, -9, -10, -18, -19, -30])
def test_round__of_an_integer_is_exact_and_never_leaves_its_type(
    tmp_path: Path, sql_type: str, digits: int
) -> None:
    rng = random.Random(f"{SEED} {sql_type} {digits}")
    most = 2 ** (INTEGERS[sql_type] - 1) - 1
    values: list[int | None] = [None, 0, most, -most - 1, most - 1, -most, *range(-110, 110, 5)]
    values += [rng.randint(-most - 1, most) for _ in range(300)]
    values += [int(rng.gauss(0, 10 ** rng.uniform(0, 18))) for _ in range(300)]
    half = 10**-digits // 2
    values += [
        sign * (half * odd + off) for sign in (1, -1) for odd in (1, 3) for off in (-1, 0, 1)
    ]
    values = [it for it in values if it is None or -most - 1 <= it <= most]
    shown = masked(tmp_path, sql_type, values, Mask("round", digits=digits))
    expected = [
        None if it is None else int(nearest(Decimal(it), digits, Decimal(most))) for it in values
    ]
    assert shown == expected, f"seed {SEED}"


@pytest.mark.parametrize(
    ("sql_type", "digits"),
    [
        ("DECIMAL(10,2)", 1),
        ("DECIMAL(10,2)", 0),
        ("DECIMAL(10,2)", -3),
        ("DECIMAL(10,2)", -7),
        ("DECIMAL(10,2)", -8),
        ("DECIMAL(4,2)", 0),
        ("DECIMAL(4,2)", -1),
        ("DECIMAL(4,2)", -30),
        ("DECIMAL(38,10)", 3),
        ("DECIMAL(38,10)", -20),
        ("DECIMAL(9,0)", -4),
    ],
)
def test_round__of_a_decimal_is_exact_and_never_leaves_its_type(
    tmp_path: Path, sql_type: str, digits: int
) -> None:
    rng = random.Random(f"{SEED} {sql_type} {digits}")
    kind = TYPES[sql_type]
    width, scale = kind.precision, kind.scale
    with localcontext(prec=80):
        raw = [0, 10**width - 1, 1 - 10**width, 5, 15, -5, 10**width // 2, 10 ** (width - 1)]
        raw += [rng.randint(1 - 10**width, 10**width - 1) for _ in range(300)]
        raw += [int(rng.gauss(0, 10 ** rng.uniform(0, width - 1))) for _ in range(300)]
        values = [None, *(Decimal(it).scaleb(-scale) for it in raw if abs(it) < 10**width)]
        shown = masked(tmp_path, sql_type, values, Mask("round", digits=digits))
        most = Decimal(10**width - 1).scaleb(-scale)
        expected = [None if it is None else nearest(it, digits, most) for it in values]
        assert shown == expected, f"seed {SEED}"


@pytest.mark.parametrize("sql_type", ["FLOAT", "DOUBLE"])
@pytest.mark.parametrize("digits", [-30, -3, 0, 2, 30])
def test_round__of_a_floating_number_is_near_and_never_fails(
    tmp_path: Path, sql_type: str, digits: int
) -> None:
    rng = random.Random(f"{SEED} {sql_type} {digits}")
    largest = 3.4028234663852886e38 if sql_type == "FLOAT" else 1.7976931348623157e308
    values = [0.0, -0.4, 0.4, 1234.567, largest, -largest, math.inf, -math.inf, math.nan]
    values += [rng.gauss(0, 10 ** rng.uniform(-3, 30)) for _ in range(300)]
    shown = masked(tmp_path, sql_type, [*values, None], Mask("round", digits=digits))
    assert shown.pop() is None
    for value, cell in zip(values, shown, strict=True):
        if cell is not None and math.isfinite(value) and abs(value) < largest:
            tolerance = 10.0**-digits * 0.51 + abs(value) * 1e-6
            assert abs(cell - value) <= tolerance, f"seed {SEED}"
        if cell == 0:
            assert math.copysign(1, cell) == 1, "a zero that tells of a sign"


# --- truncate ---


def beginning(value: datetime, unit: str) -> datetime:
    if unit == "hour":
        return value.replace(minute=0, second=0, microsecond=0)
    day = value.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "week":
        return day - timedelta(days=day.weekday())
    month = {"month": day.month, "quarter": (day.month - 1) // 3 * 3 + 1, "year": 1}.get(unit)
    return day if month is None else day.replace(month=month, day=1)


def moments() -> list[datetime]:
    rng = random.Random(SEED)
    first, last = datetime(1800, 1, 1, tzinfo=UTC), datetime(2400, 1, 1, tzinfo=UTC)
    found = [
        first + timedelta(seconds=rng.uniform(0, (last - first).total_seconds()))
        for _ in range(400)
    ]
    before = datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    return [*found, before, datetime(2024, 2, 29, tzinfo=UTC), first]


@pytest.mark.parametrize("unit", UNITS)
def test_truncate__goes_back_to_the_beginning_of_its_unit_in_utc(tmp_path: Path, unit: str) -> None:
    values = moments()
    mask = Mask("truncate", unit=unit)  # type: ignore[arg-type]
    expected = [*(beginning(it, unit) for it in values), None]
    assert masked(tmp_path / "zoned", ZONED, [*values, None], mask) == expected
    bare = [it.replace(tzinfo=None) for it in values]
    plain = masked(tmp_path / "plain", "TIMESTAMP", [*bare, None], mask)
    assert plain == [it and it.replace(tzinfo=None) for it in expected]


@pytest.mark.parametrize("unit", ["week", "month", "quarter", "year"])
def test_truncate__of_a_date_is_a_date(tmp_path: Path, unit: str) -> None:
    values = [it.date() for it in moments()]
    mask = Mask("truncate", unit=unit)  # type: ignore[arg-type]
    shown = masked(tmp_path, "DATE", [*values, None], mask)
    midnight = [it.replace(hour=0, minute=0, second=0, microsecond=0) for it in moments()]
    assert shown == [*(beginning(it, unit).date() for it in midnight), None]
    assert all(type(it) is date for it in shown if it is not None)


@pytest.mark.parametrize("sql_type", ["DATE", "TIMESTAMP", ZONED])
@pytest.mark.parametrize("unit", UNITS)
def test_truncate__does_not_fail_at_the_ends_of_the_calendar(
    tmp_path: Path, sql_type: str, unit: str
) -> None:
    days = sql_type == "DATE"
    top = 2**31 - 1 if days else 2**63 - 1
    numbers = [top, top - 1, -top, 1 - top, -top - 1, top - 10**6, 10**6 - top]
    kind = pa.int32() if days else pa.int64()
    ends = pa.array(numbers, kind).cast(TYPES[sql_type])
    path = tmp_path / "ends.parquet"
    pq.write_table(with_ids(pa.table({"c": ends})), path)
    mask = Mask("truncate", unit=unit)  # type: ignore[arg-type]
    column = Column("c", 1, sql_type)
    relation = Relation("s", "t", (str(path),), (column,), (Scope(None, {"c": mask}),))
    connection = open_engine()
    create_view(connection, relation, "key")
    found = connection.execute("SELECT count(*), count(CAST(c AS VARCHAR)) FROM s.t").fetchall()
    assert found[0][0] == len(numbers)


# --- which is weaker ---

RULES = [
    MaskRule("none"),
    *(MaskRule("round", digits=digits) for digits in (2, 0, -3)),
    *(MaskRule("truncate", unit=unit) for unit in ("hour", "month", "year")),
    *(MaskRule("partial", keep_first=a, keep_last=b) for a, b in ((4, 4), (0, 4), (4, 0), (0, 0))),
    MaskRule("partial", keep_last=4, fill="#"),
    MaskRule("hash"),
    MaskRule("constant", "a"),
    MaskRule("constant", "b"),
    MaskRule("null"),
]


def as_mask(rule: MaskRule) -> Mask:
    return Mask(
        rule.kind, rule.value, rule.keep_first, rule.keep_last, rule.fill, rule.unit, rule.digits
    )


def test_strength__sorts_as_the_permissions_service_does() -> None:
    theirs = sorted(RULES, key=mask_strength.strength)
    ours = sorted((as_mask(rule) for rule in RULES), key=strength)
    assert ours == [as_mask(rule) for rule in theirs]


@pytest.fixture(scope="module")
async def sandbox(anyio_backend: str) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox()
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


PAIRS = [
    ("VARCHAR", "abcdefgh", Mask("partial", keep_last=4), Mask("partial", keep_last=1), "****efgh"),
    ("VARCHAR", "abcdefgh", Mask("partial", keep_last=4), Mask("null"), "****efgh"),
    ("VARCHAR", "abcdefgh", Mask("none"), Mask("partial", keep_last=4), "abcdefgh"),
    ("VARCHAR", "abcdefgh", Mask("constant", "x"), Mask("partial", keep_first=1), "a****"),
    ("INTEGER", 1234, Mask("round", digits=-1), Mask("round", digits=-3), 1230),
    ("INTEGER", 1234, Mask("round", digits=-2), Mask("null"), 1200),
    ("INTEGER", 1234, Mask("round", digits=-2), Mask("hash"), "1200"),
    ("DATE", date(2024, 5, 6), Mask("truncate", unit="month"), Mask("null"), "2024-05-01"),
    (
        "DATE",
        date(2024, 5, 6),
        Mask("truncate", unit="year"),
        Mask("truncate", unit="month"),
        "2024-05-01",
    ),
]


@pytest.mark.parametrize("case", PAIRS)
async def test_union__a_cell_is_shown_by_the_weakest_mask_that_lets_its_row_through(
    sandbox: Sandbox, tmp_path: Path, case: tuple[str, Any, Mask, Mask, Any]
) -> None:
    sql_type, value, one, other, shown = case
    types = {"id": "INTEGER", "c": sql_type}
    files = write(tmp_path, types, [(1, value), (2, value), (3, value)])
    for weak, strict in ((one, other), (other, one)):
        scopes = (
            Scope("id <= 2", {"id": None, "c": weak}),
            Scope("id >= 2", {"id": None, "c": strict}),
        )
        relation = Relation("s", "t", files, columns_of(types), scopes)
        found = await see(sandbox, Grants({("s", "t"): relation}), "SELECT c FROM t ORDER BY id")
        assert found.rows[1] == [shown]


@pytest.mark.parametrize(
    ("sql_type", "mask"),
    [
        ("INTEGER", Mask("partial", keep_last=4)),
        ("VARCHAR", Mask("partial", keep_last=4, fill="ab")),
        ("VARCHAR", Mask("partial", keep_last=-1)),
        ("VARCHAR", Mask("truncate", unit="month")),
        ("DATE", Mask("truncate")),
        ("DATE", Mask("truncate", unit="month'; --")),  # type: ignore[arg-type]
        ("VARCHAR", Mask("round", digits=0)),
        ("INTEGER", Mask("round")),
        ("INTEGER[]", Mask("round", digits=0)),
    ],
)
async def test_mask__that_does_not_fit_its_column_shows_nothing(
    sandbox: Sandbox, tmp_path: Path, sql_type: str, mask: Mask
) -> None:
    files = write(tmp_path, {"c": sql_type}, [(None,)])
    relation = Relation("s", "t", files, columns_of({"c": sql_type}), (Scope(None, {"c": mask}),))
    found = await see(sandbox, Grants({("s", "t"): relation}), "SELECT * FROM t")
    assert (found.code, found.rows) == ("SQL_REFUSED", [])


HIDES: list[tuple[str, Mask, Any, Any, Callable[[Any], str]]] = [
    ("VARCHAR", Mask("partial", keep_last=2), "aaaa12", "zzzzzzzzz12", lambda cell: f"'{cell}'"),
    ("INTEGER", Mask("round", digits=-2), 1151, 1249, str),
    ("DOUBLE", Mask("round", digits=0), -0.2, 0.2, str),
    ("DATE", Mask("truncate", unit="year"), date(2024, 2, 3), date(2024, 11, 30), "'{}'".format),
]


@pytest.mark.parametrize("case", HIDES)
async def test_mask__two_values_that_it_shows_alike_are_alike_to_every_question(
    sandbox: Sandbox, tmp_path: Path, case: tuple[str, Mask, Any, Any, Callable[[Any], str]]
) -> None:
    sql_type, mask, one, other, write_cell = case
    questions = (
        "SELECT c, typeof(c), hash(c), CAST(c AS VARCHAR) FROM t",
        f"SELECT count(*) FROM t WHERE c = {write_cell(one)}",
        f"SELECT count(*) FROM t WHERE c < {write_cell(one)}",
        "SELECT min(c), max(c), count(DISTINCT c), approx_count_distinct(c) FROM t",
        "SELECT CAST(CAST(c AS VARCHAR) AS TINYINT) FROM t",
        f"SELECT 1 // (CAST(c = {write_cell(other)} AS INTEGER)) FROM t",
    )
    answers = []
    for name, value in (("one", one), ("other", other)):
        files = write(tmp_path / name, {"c": sql_type}, [(value,)])
        columns = columns_of({"c": sql_type})
        relation = Relation("s", "t", files, columns, (Scope(None, {"c": mask}),))
        grants = Grants({("s", "t"): relation})
        answers.append([await see(sandbox, grants, question) for question in questions])
    assert answers[0] == answers[1]


GUESSES = 1_000_000


async def test_hash__a_million_guesses_find_no_value(sandbox: Sandbox, tmp_path: Path) -> None:
    """Whoever knows all possible values, and how masks are made, still lacks the key."""
    types = {"n": "INTEGER"}
    files = write(tmp_path, types, [(number * 997 % GUESSES,) for number in range(500)])
    relation = Relation("s", "t", files, columns_of(types), (Scope(None, {"n": Mask("hash")}),))
    grants = Grants({("s", "t"): relation})
    guessed = (
        "CAST(range AS VARCHAR)",
        "substr(sha256(CAST(range AS VARCHAR)), 1, 32)",
        "md5(CAST(range AS VARCHAR))",
        "substr(sha256('s' || CAST(range AS VARCHAR)), 1, 32)",
        "substr(sha256('meshplane column mask 1' || CAST(range AS VARCHAR)), 1, 32)",
    )
    for guess in guessed:
        sql = f"SELECT count(*) FROM t WHERE n IN (SELECT {guess} FROM range({GUESSES}))"
        assert (await see(sandbox, grants, sql)).rows == [[0]]
    cells = {cell for [cell] in (await see(sandbox, grants, "SELECT n FROM t")).rows}
    assert len(cells) == 500
    # Outside of the sandbox as well: with another key, and with none.
    for prefix in (b"", b"a tenant's key", base64.b64encode(bytes(16))[:22]):
        hashes = (sha256(prefix + str(n).encode()).hexdigest()[:32] for n in range(GUESSES))
        assert cells.isdisjoint(hashes)
