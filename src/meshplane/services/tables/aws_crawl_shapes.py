"""What Glue tells of the tables that its crawlers found, in the mesh's words. Pure.

Glue folds names to lower case, has no word for an instant with time zone, a time or a UUID, and
takes the first line of CSV for names only where it differs in kind from the others. So names are
taken as they stand in a file, and types that Glue has no word for.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from meshplane.kit.errors import Invalid
from meshplane.services.tables.crawl_ports import FoundColumn
from meshplane.services.tables.raw_area import RawTable

if TYPE_CHECKING:
    import pyarrow as pa

_UNKNOWN = "UNKNOWN"
_TYPES = {
    "tinyint": "int",
    "smallint": "int",
    "integer": "int",
    "bigint": "long",
    "varchar": "string",
    "char": "string",
}
# What Glue says of types that it has no word for.
_COARSER = {
    "long": "bigint",
    "timestamptz": "timestamp",
    "time": "string",
    "uuid": "string",
}


def table_of(
    uri: str, found: Sequence[Mapping[str, Any]], database: str
) -> tuple[Mapping[str, Any] | None, str]:
    """Glue's table of a target; or what is wrong.

    Args:
        uri: of the target.
        found: the project's tables in Glue.
        database: that they lie in, for what is said.
    """
    places = {_location(one): one for one in found}
    exact = places.get(uri.rstrip("/"))
    if exact is not None and (exact.get("Parameters") or {}).get("classification") == _UNKNOWN:
        return None, "Glue did not recognise what its files are. Write them anew."
    if exact is not None:
        return exact, ""
    if any(place.startswith(uri) for place in places):
        return None, (
            "Glue found several tables in it, as its files have not the same columns: keep each "
            "kind in a folder of its own."
        )
    return None, (
        f"Glue's database {database} has no table of it: Glue made none, or somebody has deleted "
        "it since, or changed its place. Crawl again; if it is missing still, write the files anew."
    )


def columns_told(table: RawTable, there: Mapping[str, Any], head: "pa.Schema") -> list[FoundColumn]:
    """Columns as Glue found them, called as the first file calls them.

    Args:
        table: its files.
        there: the table in Glue.
        head: the columns of its first file.

    Raises:
        Invalid: FILES_DO_NOT_FIT.
    """
    from meshplane.services.tables.raw_tables import typed

    storage = there["StorageDescriptor"]
    told = [(one["Name"], one.get("Type", "string")) for one in storage.get("Columns") or ()]
    seen = typed(head)
    if table.format == "csv":
        if len(told) != len(seen):
            raise Invalid(
                "FILES_DO_NOT_FIT",
                f"Glue found {len(told)} columns, and the first line of {table.files[0].path} has "
                f"{len(seen)} names: separate all by the same sign.",
            )
        return [
            FoundColumn(one.source, one.source, _iceberg(kind))
            for one, (_, kind) in zip(seen, told, strict=True)
        ]
    alike = {one.source.casefold(): one for one in seen}
    return [_column(name, kind, alike.get(name.casefold()), table) for name, kind in told]


def _column(name: str, kind: str, seen: FoundColumn | None, table: RawTable) -> FoundColumn:
    word = _iceberg(kind)
    if seen is None:
        return FoundColumn(name, name, word)
    coarser = _COARSER.get(seen.type, "binary" if seen.type.startswith("fixed[") else "")
    is_exact = table.format == "parquet" and coarser == kind.lower()
    return FoundColumn(seen.source, seen.source, seen.type if is_exact else word)


def _iceberg(kind: str) -> str:
    """A type of Glue's in Iceberg's words; of nested values, Glue's own."""
    plain = kind.strip().lower().replace(" ", "")
    return _TYPES.get(plain.partition("(")[0], plain)


def _location(table: Mapping[str, Any]) -> str:
    location: str = (table.get("StorageDescriptor") or {}).get("Location", "")
    return location.rstrip("/")
