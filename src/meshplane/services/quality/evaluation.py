"""Runs a ruleset over the files of a snapshot, on an engine of its own."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from meshplane.kit.clock import Clock
from meshplane.services.tables.api import ColumnSummary

if TYPE_CHECKING:
    from meshplane.services.quality.dqdl import QualityResult, Ruleset

MEMORY_LIMIT = "2GiB"
_RELATION = "snapshot"


def evaluate_files(
    files: Sequence[str], columns: Sequence[ColumnSummary], ruleset: "Ruleset", clock: Clock
) -> "QualityResult":
    """The result of a ruleset on the rows of these files; blocks.

    Args:
        files: Parquet files whose columns carry field ids.
        columns: of the snapshot.
        ruleset: to evaluate.
        clock: for rules that speak of the present.
    """
    import duckdb

    from meshplane.services.quality.dqdl import evaluate

    with duckdb.connect(":memory:", config={"memory_limit": MEMORY_LIMIT, "threads": 2}) as engine:
        engine.execute("SET TimeZone = 'UTC'")
        engine.execute(_view(files, columns))
        types = {column.name: column.sql_type for column in columns}
        return evaluate(engine, _RELATION, types, ruleset, clock=clock)


def _view(files: Sequence[str], columns: Sequence[ColumnSummary]) -> str:
    """A view of the snapshot; columns are matched by field id, which renames do not change."""
    if not files:
        nothing = ", ".join(
            f"CAST(NULL AS {column.sql_type}) AS {_identifier(column.name)}" for column in columns
        )
        return f"CREATE VIEW {_RELATION} AS SELECT {nothing} WHERE false"
    paths = ", ".join(_literal(file) for file in files)
    fields = ", ".join(
        f"{column.field_id}: {{name: {_literal(column.name)}, type: {_literal(column.sql_type)}, "
        "default_value: NULL}"
        for column in columns
    )
    return (
        f"CREATE VIEW {_RELATION} AS SELECT * FROM "  # noqa: S608 - quoted
        f"read_parquet([{paths}], schema = MAP {{{fields}}})"
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
