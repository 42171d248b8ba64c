"""Views as Athena keeps them: a Glue table of type VIRTUAL_VIEW, whose text is Presto's.

`ViewOriginalText` is `/* Presto View: BASE64 */`, where the bytes are a JSON document with
`originalSql`, `catalog`, `schema` and `columns` (Athena user guide, "Work with views"). Such a view
gives no rights: who asks needs access to the view and to every table below it.
"""

import base64
import binascii
import json
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from meshplane.sandbox.athena.refusals import QueryFailed

_BEFORE, _AFTER = "/* Presto View: ", " */"


def view_input(
    name: str, sql: str, catalog: str, schema: str, columns: list[tuple[str, str, str]]
) -> dict[str, Any]:
    """The `TableInput` of a view.

    Args:
        name: the view's.
        sql: its SELECT, in Trino's words.
        catalog: in which names are looked up.
        schema: likewise.
        columns: name, Athena's type and Glue's type of each.
    """
    document = {
        "originalSql": sql,
        "catalog": catalog,
        "schema": schema,
        "columns": [{"name": column, "type": kind} for column, kind, _ in columns],
        "runAsInvoker": True,
    }
    packed = base64.b64encode(json.dumps(document).encode()).decode()
    return {
        "Name": name,
        "TableType": "VIRTUAL_VIEW",
        "Parameters": {"presto_view": "true", "comment": "Presto View"},
        "PartitionKeys": [],
        "StorageDescriptor": {
            "Columns": [{"Name": column, "Type": kind} for column, _, kind in columns],
            "Location": "",
            "SerdeInfo": {},
        },
        "ViewOriginalText": f"{_BEFORE}{packed}{_AFTER}",
        "ViewExpandedText": "/* Presto View */",
    }


def view_query(glue: dict[str, Any]) -> tuple[exp.Expr, str, str] | None:
    """The SELECT of a view, its catalogue and its schema; None for what is no view.

    Raises:
        QueryFailed: the stored text is not Presto's.
    """
    if glue.get("TableType") != "VIRTUAL_VIEW":
        return None
    text = str(glue.get("ViewOriginalText", ""))
    try:
        packed = text.removeprefix(_BEFORE).removesuffix(_AFTER)
        document = json.loads(base64.b64decode(packed, validate=True))
        query = sqlglot.parse_one(document["originalSql"], read="trino")
    except (binascii.Error, ValueError, KeyError, SqlglotError) as error:
        raise QueryFailed(
            f"INVALID_VIEW: View '{glue['DatabaseName']}.{glue['Name']}' is stale or in invalid "
            "state"
        ) from error
    return query, str(document.get("catalog", "")), str(document.get("schema", ""))
