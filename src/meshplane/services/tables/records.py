"""Rows of the store as the types that leave the service, and back."""

from collections.abc import Mapping
from typing import Any

from meshplane.kit.errors import Refused
from meshplane.platform.tables import Row
from meshplane.services.tables.api import ColumnSummary, ExternalSource, Scan, TableSummary
from meshplane.services.tables.ports import ScanPlan, StagedCommit, TableColumn
from meshplane.services.tables.schemas import (
    ColumnView,
    PartitionField,
    RedshiftSource,
    TableView,
)


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
    source = item.get("source")
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
        format=source["kind"] if source else "iceberg",
        format_version=0 if source else 2,
        location=item["location"],
        snapshot_id=item["snapshotId"],
        rows=item["rows"],
        source=_source_view(source) if source else None,
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
        source=source_of(item),
    )


def source_of(item: Mapping[str, Any]) -> ExternalSource | None:
    """Where the rows of a table lie, if another engine keeps them."""
    source = item.get("source")
    if source is None:
        return None
    return ExternalSource(
        source["kind"],
        source["database"],
        source["schema"],
        source["table"],
        source.get("workgroup"),
        source.get("cluster"),
        tuple(source["types"].items()),
    )


def _source_view(source: Mapping[str, Any]) -> RedshiftSource:
    return RedshiftSource.model_validate({n: it for n, it in source.items() if n != "types"})


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


def demand_own(item: Mapping[str, Any]) -> None:
    """Demands that the rows of a table lie in the mesh's own lake.

    Raises:
        Refused: TABLE_EXTERNAL.
    """
    if item.get("source") is not None:
        raise external(item["name"])


def external(name: str) -> Refused:
    """The refusal of what cannot be done with an external table."""
    return Refused(
        "TABLE_EXTERNAL",
        f"The rows of {name} are kept by Redshift: it has no snapshots and no files here. Query it "
        "where the mesh runs queries on AWS, and change it in Redshift.",
        field="tableId",
    )
