"""CREATE VIEW, DROP VIEW and CREATE TABLE AS SELECT: what they leave in Glue and S3."""

from io import BytesIO
from typing import Any

import pyarrow.parquet
from sqlglot import exp

from meshplane.sandbox.athena.catalog import Context
from meshplane.sandbox.athena.engine import Result
from meshplane.sandbox.athena.refusals import QueryFailed, no_schema, no_table
from meshplane.sandbox.athena.views import view_input
from meshplane.sandbox.lake_state import database_input, glue_of, table_of, write_object

_PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {
        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
    },
}


def create_view(tree: exp.Expr, query: exp.Expr, context: Context, result: Result) -> None:
    """Keeps a view of a query in the caller's Glue.

    Args:
        tree: the CREATE VIEW.
        query: its SELECT, parameters bound.
        context: from where names are looked up.
        result: of the query, for its columns.

    Raises:
        QueryFailed: there is no such database, or a table or view of the name is in the way.
    """
    database, name, existing = _place(tree, context)
    replaces = bool(tree.args.get("replace"))
    if existing is not None and (not replaces or existing.get("TableType") != "VIRTUAL_VIEW"):
        raise QueryFailed(f"ALREADY_EXISTS: line 1:1: View already exists: '{database}.{name}'")
    columns = [
        (one["Name"].lower(), one["Type"], kind)
        for one, kind in zip(result.columns, result.hive_types, strict=True)
    ]
    made = view_input(name, query.sql("trino"), context.catalog, database, columns)
    glue = glue_of(context.account, context.region)
    if existing is None:
        glue.create_table(database, name, made)
    else:
        glue.update_table(database, name, made)


def drop_view(tree: exp.Expr, context: Context) -> None:
    """Drops a view.

    Raises:
        QueryFailed: there is none, or it is a table.
    """
    database, name, existing = _place(tree, context)
    if existing is None:
        if tree.args.get("exists"):
            return
        raise no_table(context.catalog, database, name, tree)
    if existing.get("TableType") != "VIRTUAL_VIEW":
        raise QueryFailed(f"NOT_SUPPORTED: line 1:1: '{database}.{name}' is not a view")
    glue_of(context.account, context.region).delete_table(database, name)


def create_table_as(tree: exp.Expr, context: Context, result: Result, output: str) -> None:
    """Writes a query's result as a table of one Parquet file.

    Args:
        tree: the CREATE TABLE; `external_location` of its WITH is where, by default below the
            query's own output.
        context: from where names are looked up.
        result: what is written.
        output: of the query.

    Raises:
        QueryFailed: there is no such database, or the table exists.
    """
    database, name, existing = _place(tree, context)
    if existing is not None:
        if tree.args.get("exists"):
            return
        raise QueryFailed(
            f"TABLE_ALREADY_EXISTS: line 1:1: Table '{database}.{name}' already exists"
        )
    location = _location(tree) or f"{output.rsplit('.', 1)[0]}/tables/"
    body = BytesIO()
    pyarrow.parquet.write_table(result.arrow, body)
    write_object(f"{location.rstrip('/')}/part-0.parquet", body.getvalue())
    columns = [
        {"Name": one["Name"].lower(), "Type": kind}
        for one, kind in zip(result.columns, result.hive_types, strict=True)
    ]
    glue_of(context.account, context.region).create_table(
        database,
        name,
        {
            "Name": name,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet"},
            "PartitionKeys": [],
            "StorageDescriptor": {"Columns": columns, "Location": location, **_PARQUET},
        },
    )


def _location(tree: exp.Expr) -> str | None:
    for one in tree.find_all(exp.Property):
        if one.name.lower() == "external_location":
            return str(one.args["value"].name)
    return None


def _place(tree: exp.Expr, context: Context) -> tuple[str, str, dict[str, Any] | None]:
    node = tree.find(exp.Table)
    if node is None:
        raise QueryFailed("SYNTAX_ERROR: line 1:1: a name is missing")
    database = (node.db or context.database or "").lower()
    if database_input(context.account, context.region, database) is None:
        raise no_schema(database, node)
    name = node.name.lower()
    return database, name, table_of(context.account, context.region, database, name)
