"""Rows of the store as the types that leave the service, and back."""

from typing import Any

from meshplane.platform.tables import Row
from meshplane.services.tables.api import ColumnSummary, Scan, TableSummary
from meshplane.services.tables.ports import ScanPlan, StagedCommit, TableColumn
from meshplane.services.tables.schemas import ColumnView, PartitionField, TableView


def columns_item(columns: tuple[TableColumn, ...]) -> list[dict[str, Any]]:
    """Columns as a row holds them."""
    return [
        {
            "name": column.name,
            "fieldId": column.field_id,
            "type": column.iceberg_type,
            "sqlType": column.sql_type,
            "required": column.required,
            "doc": column.doc,
        }
        for column in columns
    ]


def moved_on(item: dict[str, Any], staged: StagedCommit) -> dict[str, Any]:
    """The row of a table after a staged commit."""
    return {
        **item,
        "metadataLocation": staged.metadata_location,
        "snapshotId": text_id(staged.snapshot_id),
        "rows": staged.total_rows,
        "columns": columns_item(staged.columns),
    }


def text_id(snapshot_id: int | None) -> str | None:
    """A snapshot's id as it leaves the service."""
    return None if snapshot_id is None else str(snapshot_id)


def view(row: Row) -> TableView:
    """A table for HTTP."""
    item = row.item
    return TableView(
        table_id=item["tableId"],
        project_id=item["projectId"],
        domain_id=item["domainId"],
        domain_name=item["domainName"],
        name=item["name"],
        columns=[
            ColumnView(
                name=column["name"],
                field_id=column["fieldId"],
                type=column["type"],
                sql_type=column["sqlType"],
                required=column["required"],
                doc=column["doc"],
            )
            for column in item["columns"]
        ],
        partition_by=[PartitionField(**part) for part in item["partitionBy"]],
        format="iceberg",
        format_version=2,
        location=item["location"],
        snapshot_id=item["snapshotId"],
        rows=item["rows"],
        version=row.version,
        created_by=item["createdBy"],
        created_at=item["createdAt"],
    )


def summary(item: dict[str, Any]) -> TableSummary:
    """A table for other services."""
    return TableSummary(
        table_id=item["tableId"],
        name=item["name"],
        project_id=item["projectId"],
        domain_id=item["domainId"],
        domain_name=item["domainName"],
        location=item["location"],
        columns=tuple(
            ColumnSummary(
                column["name"], column["fieldId"], column["type"], column["sqlType"], column["doc"]
            )
            for column in item["columns"]
        ),
        snapshot_id=item["snapshotId"],
        rows=item["rows"],
    )


def scan(table_id: str, plan: ScanPlan) -> Scan:
    """A plan for other services."""
    return Scan(
        table_id=table_id,
        snapshot_id=text_id(plan.snapshot_id),
        files=plan.files,
        columns=tuple(
            ColumnSummary(
                column.name, column.field_id, column.iceberg_type, column.sql_type, column.doc
            )
            for column in plan.columns
        ),
        rows=plan.total_rows,
        residue=plan.residue,
    )
