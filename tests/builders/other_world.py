"""From one world another: equal in what the caller may see, and different in all else.

Different are the rows that no grant lets through, the cells behind masks as far as these hide them,
the columns that no grant has, and how the rows lie in files. What is equal is decided by the plain
Python of `masked_copy`.
"""

import datetime as dt
from random import Random
from typing import Any

from tests.builders.masked_copy import masked_row
from tests.builders.random_policy import Governed
from tests.builders.random_schema import Row, Table, Values, row

# Up to so many hidden rows fit with the visible ones into one row group. Where there are several,
# the order of rows that a join gives without ORDER BY hangs on how visible rows lie in them.
_ONE_GROUP, _SEVERAL = 400, 4_000
_EXTRA = ("secret", "pay", "iban", "diagnosis")


def hidden_names(governed: Governed) -> list[str]:
    """The columns that no grant has."""
    return [name for name in governed.table.types if name not in governed.shown]


def other_world(random: Random, governed: Governed, *, many: bool = False) -> Governed:
    """The same table to this caller, with other secrets.

    Args:
        random: where chance comes from.
        governed: the table of the first world.
        many: may there be thousands of hidden rows, over several files?
    """
    values = Values(random, nasty=0.5, extreme=0.1)
    rows = _with_other_cells(random, governed, values)
    rows = _with_other_rows(random, governed, values, rows, _SEVERAL if many else _ONE_GROUP)
    types = dict(governed.table.types)
    cells = [dict(zip(types, each, strict=True)) for each in rows]
    types = _with_other_columns(random, governed, types, cells)
    table = Table(
        governed.table.schema,
        governed.table.name,
        types,
        tuple(tuple(cell[name] for name in types) for cell in cells),
        random.choice((1, 2, 3)) if many else 1,
    )
    return Governed(table, governed.grants)


def _with_other_cells(random: Random, governed: Governed, values: Values) -> list[Row]:
    """The visible rows, with other cells wherever that shows nowhere."""
    types = governed.table.types
    found = []
    for record in governed.table.records:
        shown = masked_row(governed, record)
        if shown is None:
            continue
        now = dict(record)
        for name in random.sample(sorted(types), len(types)):
            changed = {**now, name: _nearby(random, values, name, types[name], now[name])}
            if masked_row(governed, changed) == shown:
                now = changed
        found.append(tuple(now.values()))
    return found


def _nearby(random: Random, values: Values, name: str, kind: str, cell: Any) -> Any:
    """Another cell: any, or one that differs from this one by little, as coarse masks allow."""
    if cell is None or random.random() < 0.6:
        return values.cell(name, kind)
    if isinstance(cell, str):
        place = random.randrange(len(cell) + 1)
        return cell[:place] + random.choice(("a", "Q", "7", "%")) + cell[place + 1 :]
    if isinstance(cell, bool | list | dict):
        return values.cell(name, kind)
    if isinstance(cell, dt.date):
        return cell + dt.timedelta(days=random.choice((-2, -1, 1, 5)))
    if isinstance(cell, int | float):
        return cell + random.choice((-1, 1, 2)) if abs(cell) < 1000 else cell
    return values.cell(name, kind)


def _with_other_rows(
    random: Random, governed: Governed, values: Values, rows: list[Row], most: int
) -> list[Row]:
    """These rows in their order, with other hidden ones among them."""
    types = governed.table.types
    hidden: list[Row] = []
    wanted = random.choice(
        (0, 1, random.randrange(60), random.randrange(60), random.randrange(most))
    )
    for _ in range(wanted * 3):
        one = row(values, types)
        if masked_row(governed, dict(zip(types, one, strict=True))) is None:
            hidden.append(one)
        if len(hidden) >= wanted:
            break
    places = sorted(random.randrange(len(rows) + 1) for _ in hidden)
    mixed = list(rows)
    for place, one in zip(reversed(places), hidden, strict=True):
        mixed.insert(place, one)
    return mixed


def _with_other_columns(
    random: Random, governed: Governed, types: dict[str, str], cells: list[dict[str, Any]]
) -> dict[str, str]:
    """The columns, those that nobody sees and no filter needs under other names and types."""
    unseen = set(hidden_names(governed)) - governed.filtered_by
    kept = [name for name in types if name not in unseen or random.random() < 0.3]
    added = random.sample(_EXTRA, random.randrange(3))
    order = list(kept)
    for name in added:
        order.insert(random.randrange(len(order) + 1), name)
    values = Values(random, nasty=0.5)
    kinds = {name: random.choice(("VARCHAR", "INTEGER", "DATE")) for name in added}
    for cell in cells:
        cell.update({name: values.cell(name, kind) for name, kind in kinds.items()})
    return {name: types.get(name) or kinds[name] for name in order}
