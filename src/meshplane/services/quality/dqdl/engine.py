"""Runs what a scan asks for on DuckDB."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from meshplane.kit.errors import LimitReached, MeshplaneError, Unavailable
from meshplane.services.quality.dqdl.scan import Aggregate, Grouping, Groups, Scan, Value
from meshplane.services.quality.dqdl.target import Unread

if TYPE_CHECKING:
    import duckdb

Cell = int | float | None


class Measured:
    """The values of the fused SELECT, and the groups; None stands for what was not computable."""

    def __init__(
        self, values: Sequence[tuple[Cell] | None], groups: dict[Grouping, Groups | None]
    ) -> None:
        self._values = values
        self._groups = groups

    def value(self, aggregate: Aggregate) -> float | None:
        """See `Readings`."""
        cell = self._values[aggregate.position]
        if cell is None:
            raise Unread
        return cell[0]

    def groups(self, grouping: Grouping) -> Groups:
        """See `Readings`."""
        found = self._groups[grouping]
        if found is None:
            raise Unread
        return found


def measure(connection: "duckdb.DuckDBPyConnection", scan: Scan) -> Measured:
    """Reads the table once for all aggregates, and once more for each set of columns to group by.

    If the engine cannot compute the fused SELECT on this data, each aggregate is read alone, so
    that only the rules that need the bad one are left without a value.

    Args:
        connection: it sees the relation of the scan.
        scan: what is needed.

    Raises:
        LimitReached: `QUALITY_LIMIT_REACHED`, the run was interrupted or is out of memory.
        Unavailable: `QUALITY_DATA_UNREADABLE`.
    """
    values: list[tuple[Cell] | None] = []
    for expressions in scan.statements():
        row = _row(connection, scan.select(expressions), scan)
        if row is not None:
            values += [(cell,) for cell in row]
        else:
            alone = (_row(connection, scan.select([one]), scan) for one in expressions)
            values += [None if one is None else (one[0],) for one in alone]
    groups = {grouping: _groups(connection, scan, grouping) for grouping in scan.groupings}
    return Measured(values, groups)


def _groups(
    connection: "duckdb.DuckDBPyConnection", scan: Scan, grouping: Grouping
) -> Groups | None:
    row = _row(connection, scan.group_statement(grouping), scan)
    if row is None:
        return None
    rows, groups, single, n_log_n = (cell or 0 for cell in row)
    return Groups(int(rows), int(groups), int(single), float(n_log_n))


def _row(connection: "duckdb.DuckDBPyConnection", sql: str, scan: Scan) -> tuple[Cell, ...] | None:
    """The one row of a statement, or None if the data makes it fail (an overflow, a bad value)."""
    import duckdb

    try:
        (statement,) = connection.extract_statements(sql)
        bound = scan.values()
        used: dict[str, Value] = {name: bound[name] for name in statement.named_parameters}
        row = connection.execute(statement, used).fetchone()
    except (duckdb.OutOfRangeException, duckdb.ConversionException, duckdb.InvalidInputException):
        return None
    except duckdb.Error as error:
        raise _trouble(error) from None
    return row if row is None else tuple(row)


def _trouble(error: "duckdb.Error") -> MeshplaneError:
    import duckdb

    if isinstance(error, duckdb.InterruptException | duckdb.OutOfMemoryException):
        return LimitReached(
            "QUALITY_LIMIT_REACHED",
            "The quality run used up its time or memory. Split the ruleset, or drop rules on "
            "uniqueness, which need the most.",
        )
    return Unavailable(
        "QUALITY_DATA_UNREADABLE",
        "The data of this table could not be read. Try again; if it stays so, look whether the "
        "table and its files are still there.",
    )


def texts_matching(
    connection: "duckdb.DuckDBPyConnection", pattern: str, texts: Sequence[str]
) -> frozenset[str] | None:
    """Those of the texts in which a regular expression is found; None if it is not a valid one."""
    import duckdb

    # The empty text is always asked about, so that the engine has a look at the expression.
    sql = "SELECT text FROM unnest($texts) AS t(text) WHERE regexp_matches(text, $pattern)"
    try:
        rows = connection.execute(sql, {"texts": ["", *texts], "pattern": pattern}).fetchall()
    except duckdb.InvalidInputException:
        return None
    except duckdb.Error as error:
        raise _trouble(error) from None
    return frozenset(row[0] for row in rows) & frozenset(texts)
