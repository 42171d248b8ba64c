"""Random tables with random rows: a few domains, names that tables share, values that collide."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

Row = tuple[Any, ...]

# A name has one type wherever it stands, so that tables can be joined by it; two may be wider.
_POOL: dict[str, str] = {
    "id": "INTEGER",
    "k": "INTEGER",
    "n": "BIGINT",
    "score": "DOUBLE",
    "amount": "DECIMAL(10,2)",
    "name": "VARCHAR",
    "code": "VARCHAR",
    "region": "VARCHAR",
    "day": "DATE",
    "moment": "TIMESTAMP",
    "seen": "TIMESTAMP WITH TIME ZONE",
    "flag": "BOOLEAN",
    "tags": "INTEGER[]",
    "place": "STRUCT(phone VARCHAR, city VARCHAR)",
}
_WORDS = (
    "",
    "Ana",
    "ana",
    "Ben",
    "Cai Li",
    "12",
    "7",
    "x%y",
    "größe",
    "日本語",
    "O'Hara",
    "EU",
    "US",
)
_REGIONS = ("EU", "US", "APAC", "eu")
# They make an expression fail, or slow, or stand out: of no use to anybody but in hidden rows.
_NASTY = ("not a number", "(", "%", "\\", "x" * 300, "{bad", "2020-13-45", "9" * 30, "zz", "Zed")
WIDEST = {"INTEGER": 2**31 - 1, "BIGINT": 2**63 - 1}
"""The greatest numbers of the types of integers."""


@dataclass(frozen=True)
class Table:
    """A table: where it is, its columns by name, its rows in order."""

    schema: str
    name: str
    types: Mapping[str, str]
    rows: tuple[Row, ...]
    files: int = 1

    @property
    def records(self) -> list[dict[str, Any]]:
        """The rows by column name."""
        return [dict(zip(self.types, row, strict=True)) for row in self.rows]


@dataclass
class Values:
    """Makes cells from one source of randomness.

    Attributes:
        nasty: the probability of a text that makes expressions fail.
        nulls: that of no value.
        extreme: that of a number at the end of its type, on which sums fail.
    """

    random: Random
    nasty: float = 0.0
    nulls: float = 0.12
    extreme: float = 0.0

    def cell(self, name: str, sql_type: str) -> Any:
        """A cell of a column."""
        chance = self.random
        if name != "id" and chance.random() < self.nulls:
            return None
        if sql_type == "VARCHAR":
            return self._text(name)
        if sql_type in WIDEST and chance.random() < self.extreme:
            return chance.choice((1, -1)) * WIDEST[sql_type]
        if sql_type in ("INTEGER", "BIGINT"):
            return chance.choice((chance.randrange(8), chance.randrange(-20, 60)))
        if sql_type == "DOUBLE":
            # Quarters add up alike in any order.
            return chance.randrange(-40, 200) / 4
        if sql_type.startswith("DECIMAL"):
            return Decimal(chance.randrange(-5_000, 90_000)) / 100
        return self._other(sql_type)

    def _other(self, sql_type: str) -> Any:
        chance = self.random
        if sql_type == "BOOLEAN":
            return chance.random() < 0.5
        if sql_type == "DATE":
            return dt.date(2019, 11, 1) + dt.timedelta(days=chance.randrange(500))
        if sql_type.startswith("TIMESTAMP"):
            zone = dt.UTC if "ZONE" in sql_type else None
            base = dt.datetime(2020, 1, 1, tzinfo=zone)
            return base + dt.timedelta(
                minutes=chance.randrange(400_000), seconds=chance.randrange(2)
            )
        if sql_type == "INTEGER[]":
            return [chance.randrange(6) for _ in range(chance.randrange(4))]
        if sql_type.startswith("STRUCT"):
            return {
                "phone": f"+3{chance.randrange(30):04d}",
                "city": chance.choice(("Rome", "Oslo")),
            }
        raise ValueError(sql_type)

    def _text(self, name: str) -> str:
        if self.random.random() < self.nasty:
            return self.random.choice(_NASTY)
        return self.random.choice(_REGIONS if name == "region" else _WORDS)


def row(values: Values, types: Mapping[str, str]) -> Row:
    """One random row."""
    return tuple(values.cell(name, kind) for name, kind in types.items())


def random_types(random: Random) -> dict[str, str]:
    """Three to nine columns; there is always an id and a region."""
    chosen = {"id", "region", *random.sample(sorted(_POOL), random.randrange(1, 8))}
    order = sorted(chosen)
    random.shuffle(order)
    types = {name: _POOL[name] for name in order}
    if random.random() < 0.2:
        types["id"] = "BIGINT"
    return types


def _with_a_later_column(
    random: Random, types: Mapping[str, str], rows: tuple[Row, ...]
) -> tuple[Row, ...]:
    """The rows, every second without a value in one column, as if it had not been there yet."""
    place = random.randrange(len(types))
    if list(types)[place] == "id":
        return rows
    return tuple(
        (*each[:place], None, *each[place + 1 :]) if number % 2 else each
        for number, each in enumerate(rows)
    )


def random_tables(random: Random, *, nasty: float = 0.0) -> list[Table]:
    """Two to four tables in one or two domains, each with up to 40 rows."""
    tables = []
    values = Values(random, nasty)
    schemas = random.choice((("air",), ("air", "sea")))
    for name in ("alpha", "beta", "gamma", "delta")[: random.randrange(2, 5)]:
        types = random_types(random)
        count = random.choice((0, 3, 12, 25, 40, 40))
        rows = tuple(row(values, types) for _ in range(count))
        files = random.choice((1, 1, 2))
        if files > 1:
            rows = _with_a_later_column(random, types, rows)
        tables.append(Table(random.choice(schemas), name, types, rows, files))
    return tables
