"""Small tables on disk, as Iceberg writes them: Parquet files whose columns carry field ids."""

import base64
import hashlib
import hmac
import json
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from meshplane.kit.errors import MeshplaneError, Missing
from meshplane.services.query.sandbox import (
    Column,
    Limits,
    Mask,
    Outcome,
    Relation,
    RelationName,
    Sandbox,
    Scope,
    Statement,
)

KEY = b"a tenant's key of 32 bytes......"
_FIELD_ID = b"PARQUET:field_id"
_NAMES = ("Ana", "Ben", "Cai", "Dee", "Eli")

ARROW_TYPES: dict[str, pa.DataType] = {
    "BOOLEAN": pa.bool_(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "DATE": pa.date32(),
    "BLOB": pa.binary(),
    "TIMESTAMP": pa.timestamp("us"),
    "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", "UTC"),
    "DECIMAL(10,2)": pa.decimal128(10, 2),
    "INTEGER[]": pa.list_(pa.int32()),
    "STRUCT(phone VARCHAR, city VARCHAR)": pa.struct(
        [("phone", pa.string()), ("city", pa.string())]
    ),
    "MAP(VARCHAR, VARCHAR)": pa.map_(pa.string(), pa.string()),
}


def with_ids(table: pa.Table) -> pa.Table:
    """The table with the field ids 1, 2, … on its columns."""
    fields = [
        column.with_metadata({_FIELD_ID: str(number).encode()})
        for number, column in enumerate(table.schema, 1)
    ]
    return table.cast(pa.schema(fields))


def columns_of(types: Mapping[str, str]) -> tuple[Column, ...]:
    """Columns with the field ids that `with_ids` gives."""
    return tuple(Column(name, number, kind) for number, (name, kind) in enumerate(types.items(), 1))


def write(
    folder: Path, types: Mapping[str, str], rows: Sequence[Sequence[Any]], files: int = 1
) -> tuple[str, ...]:
    """Writes the rows into that many Parquet files; gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(files):
        part = rows[number::files]
        arrays = {
            name: pa.array([row[place] for row in part], ARROW_TYPES[kind])
            for place, (name, kind) in enumerate(types.items())
        }
        path = folder / f"part-{number}.parquet"
        pq.write_table(with_ids(pa.table(arrays)), path, row_group_size=500)
        paths.append(str(path))
    return tuple(paths)


def whole(schema: str, name: str, files: tuple[str, ...], types: Mapping[str, str]) -> Relation:
    """The table as its owner sees it."""
    scope = Scope(None, dict.fromkeys(types))
    return Relation(schema, name, files, columns_of(types), (scope,))


@dataclass
class Grants:
    """What one caller may read, by schema and name; gives the `resolve` of the sandbox."""

    relations: dict[tuple[str, str], Relation]
    asked: list[RelationName] = field(default_factory=list)

    def resolve(self) -> Callable[[Sequence[RelationName]], Awaitable[list[Relation]]]:
        async def resolve(names: Sequence[RelationName]) -> list[Relation]:
            self.asked.extend(names)
            return [self._one(name) for name in names]

        return resolve

    def _one(self, asked: RelationName) -> Relation:
        for (schema, name), relation in self.relations.items():
            same = name == asked.name.lower()
            if same and asked.schema in (None, schema):
                return relation
        raise Missing("TABLE_MISSING", f"There is no table “{asked.name}” for you.")


@dataclass(frozen=True)
class Seen:
    """All that a caller can learn from one answer."""

    code: str | None
    message: str
    columns: tuple[tuple[str, str], ...]
    rows: list[Any]
    truncated: bool

    def unordered(self) -> "Seen":
        """The same with the rows in one order, for statements that ask for none."""
        rows = sorted(self.rows, key=json.dumps)
        return Seen(self.code, self.message, self.columns, rows, self.truncated)


async def see(
    sandbox: Sandbox, grants: Grants, sql: str, limits: Limits | None = None, **more: Any
) -> Seen:
    """Runs the statement and gives what its caller sees, an error being one thing to see."""
    statement = Statement(sql, limits=limits or Limits(timeout_seconds=20), **more)
    try:
        outcome = await sandbox.run(statement, grants.resolve(), KEY)
    except MeshplaneError as error:
        return Seen(error.code, error.message, (), [], False)
    return seen(outcome)


def seen(outcome: Outcome) -> Seen:
    """What an answer in JSON shows."""
    columns = tuple((column["name"], column["type"]) for column in outcome.columns)
    return Seen(None, "", columns, json.loads(outcome.body), outcome.truncated)


CUSTOMERS = {
    "id": "INTEGER",
    "name": "VARCHAR",
    "email": "VARCHAR",
    "ssn": "VARCHAR",
    "salary": "INTEGER",
    "region": "VARCHAR",
    "profile": "STRUCT(phone VARCHAR, city VARCHAR)",
    "tags": "MAP(VARCHAR, VARCHAR)",
    "notes": "VARCHAR",
}
ORDERS = {"oid": "INTEGER", "customer_id": "INTEGER", "amount": "DECIMAL(10,2)"}
PAYROLL = {"emp": "VARCHAR", "pay": "INTEGER"}
SHOWN: dict[str, Mask | None] = {
    "id": None,
    "name": None,
    "email": Mask("hash"),
    "ssn": Mask("constant", "***"),
    "salary": Mask("null"),
    "region": None,
    "profile": Mask("hash"),
    "tags": Mask("null"),
    "notes": None,
}
# Ways to say that alice sees the rows of the EU: one by which the engine can leave files unread,
# one that it must compute for each row, and two grants that make up one.
SHAPES: dict[str, tuple[Scope, ...]] = {
    "compared": (Scope("region = 'EU'", SHOWN),),
    "computed": (
        Scope("lower(region) IN ('eu', 'uk') AND NOT list_contains(['US', 'APAC'], region)", SHOWN),
    ),
    "united": (
        Scope("region = 'EU' AND id < 500", SHOWN),
        Scope("starts_with(region, 'E') AND id BETWEEN 200 AND 10000", SHOWN),
    ),
}


def _customers(secret: random.Random, hidden: int, least: int) -> list[tuple[Any, ...]]:
    """Five rows that are visible, and the same in every world but for their masked cells, among
    others that are neither.
    """

    def cells(salary: int, region: str, number: int) -> tuple[Any, ...]:
        profile = {"phone": f"+3{number:06d}", "city": region}
        return salary, region, profile, [("k", secret.choice("xyz"))], f"note {number % 3}"

    rows = []
    for number, name in enumerate(_NAMES):
        ssn = f"{secret.randrange(100, 999)}-22-3333"
        salary = secret.randrange(30_000, 90_000)
        rows.append((number * 200, name, f"{name}@x.eu", ssn, *cells(salary, "EU", number)))
    for number in range(hidden):
        name = secret.choice(["Zed", "not a number", "(", "%", "", "x" * 500, "12"])
        salary = secret.randrange(2**31 - 1) * (1 if least > 0 else -1)
        ssn = f"1{secret.randrange(10**9)}"
        rows.append(
            (
                least + secret.randrange(10**6),
                f"{name}{number % 7}",
                f"{number}@z",
                ssn,
                *cells(salary, secret.choice(["US", "APAC"]), number),
            )
        )
    secret.shuffle(rows)
    visible = [row for row in rows if row[5] == "EU"]
    order = iter(sorted(visible))
    return [next(order) if row[5] == "EU" else row for row in rows]


@dataclass(frozen=True)
class World:
    """Alice's grants, and the same tables with only what she may see in them."""

    folder: Path
    governed: Grants
    copied: Grants


def build_world(folder: Path, seed: int, shape: str = "compared") -> World:
    """The world of the attack list. Two seeds agree in what alice may see and in nothing else.

    Args:
        folder: where its files go.
        seed: of what alice may not see.
        shape: how her grant is written, of `SHAPES`.
    """
    secret = random.Random(seed)
    hidden = secret.randrange(2_000, 4_000)
    customers = _customers(secret, hidden, least=-(10**6) if seed % 2 else 1000)
    lake = folder / "lake" / f"{secret.randrange(10**12):x}"
    files = write(lake / "customers", CUSTOMERS, customers)
    orders = [(number, number % 5 * 200, number * 3) for number in range(40)]
    order_files = write(lake / "orders", ORDERS, orders, files=2)
    write(lake / "payroll", PAYROLL, [(f"e{n}", secret.randrange(10**6)) for n in range(99)])
    (folder / "secret.txt").write_text(f"secret {seed}")
    (folder / "customers.csv").write_text(f"id,name\n1,{seed}\n")
    governed = Relation("main", "customers", files, columns_of(CUSTOMERS), SHAPES[shape])
    granted_orders = whole("main", "orders", order_files, ORDERS)
    return World(
        folder,
        Grants({("main", "customers"): governed, ("main", "orders"): granted_orders}),
        Grants(
            {
                ("main", "customers"): masked_copy(folder / "copy", governed),
                ("main", "orders"): granted_orders,
            }
        ),
    )


def masked_copy(folder: Path, relation: Relation) -> Relation:
    """The table with what alice may see of it only, written by code of its own."""
    assert relation.scopes in SHAPES.values()
    scope = relation.scopes[0]
    table = pa.concat_tables([pq.read_table(path) for path in relation.files])
    rows = [row for row in table.to_pylist() if row["region"] == "EU"]
    types: dict[str, str] = {}
    cells: dict[str, list[Any]] = {}
    for column in relation.columns:
        mask = scope.columns[column.name]
        values = [row[column.name] for row in rows]
        kind = column.sql_type
        if mask and mask.kind == "null":
            values = [None] * len(rows)
        elif mask and mask.kind == "constant":
            values = [mask.value] * len(rows)
        elif mask:
            kind, values = "VARCHAR", [hash_of(value, relation.schema) for value in values]
        types[column.name], cells[column.name] = kind, values
    ordered = [tuple(cells[name][place] for name in types) for place in range(len(rows))]
    return whole(relation.schema, relation.name, write(folder, types, ordered), types)


def hash_of(value: Any, schema: str) -> str | None:
    """The hash mask of a value of a domain under `KEY`, written from its definition."""
    if value is None:
        return None
    if isinstance(value, dict):
        value = "{" + ", ".join(f"'{name}': {cell}" for name, cell in value.items()) + "}"
    derived = hmac.new(KEY, b"meshplane column mask 1\0" + schema.encode(), hashlib.sha256).digest()
    prefix = base64.b64encode(derived).decode()[:22]
    return hashlib.sha256(f"{prefix}{value}".encode()).hexdigest()[:32]
