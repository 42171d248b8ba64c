"""Puts what is new of tables, with the events that tell of it."""

from typing import Any

from meshplane.boundary.call import Call
from meshplane.events.tables import ColumnOrigin, TableCreated, TableSnapshotCommitted
from meshplane.kit.clock import to_text
from meshplane.kit.errors import Conflict
from meshplane.platform.store import ABSENT
from meshplane.services.tables import records
from meshplane.services.tables.api import QueryResult
from meshplane.services.tables.ports import StagedCommit
from meshplane.services.tables.store import TABLE_NAMES, TABLES_TABLE


def name_taken(field: str = "name") -> Conflict:
    """The error for a second table of a name."""
    return Conflict(
        "NAME_TAKEN", "A table of this name exists in the project: choose another.", field=field
    )


def put_new(call: Call, item: dict[str, Any]) -> None:
    """Puts the row of a new table, with its name and its event."""
    call.work.put(
        TABLE_NAMES,
        {"projectId": item["projectId"], "name": item["name"], "tableId": item["tableId"]},
        expected=ABSENT,
        otherwise=name_taken(),
    )
    call.work.put(TABLES_TABLE, item, expected=ABSENT)
    call.work.emit(
        TableCreated(
            table_id=item["tableId"],
            table_name=item["name"],
            project_id=item["projectId"],
            domain_id=item["domainId"],
            created_by=item["createdBy"],
            created_at=item["createdAt"],
        ).event()
    )


def emit_snapshot(
    call: Call, table_id: str, operation: str, staged: StagedCommit, result: QueryResult | None
) -> None:
    """Tells of a new snapshot of a table.

    Args:
        call: the operation.
        table_id: of the table.
        operation: `append`, `delete`, `overwrite`.
        staged: the version with it.
        result: the query whose rows it has, if they are a query's.
    """
    origins = result.origins if result else ()
    call.work.emit(
        TableSnapshotCommitted(
            table_id=table_id,
            snapshot_id=records.text_id(staged.snapshot_id),
            operation=operation,
            added_rows=staged.added_rows,
            deleted_rows=staged.deleted_rows,
            total_rows=staged.total_rows,
            committed_by=call.actor.on_behalf_of or call.actor.name,
            committed_at=to_text(staged.committed_at),
            query_id=result.query_id if result else None,
            from_table_ids=result.from_table_ids if result else (),
            origins=tuple(
                ColumnOrigin(
                    column=origin.column,
                    from_table_id=origin.from_table_id,
                    from_column=origin.from_column,
                    type=origin.type,
                    subtype=origin.subtype,
                )
                for origin in origins
            ),
        ).event()
    )
