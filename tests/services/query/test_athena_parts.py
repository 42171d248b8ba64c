"""Athena's parts, one by one: costs, workgroups, lost answers, errors, and rows made of texts."""

import asyncio
import datetime as dt
import decimal
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from meshplane.kit.errors import MeshplaneError
from meshplane.sandbox.faults import Fault
from meshplane.sandbox.server import AwsSandbox
from meshplane.services.query.aws_athena import Execution, Workgroups, WorkgroupSettings
from meshplane.services.query.aws_failures import NoRight, failure
from meshplane.services.query.aws_rows import Columns
from meshplane.services.query.aws_sql import Translated, parse, translate
from meshplane.services.query.ports import Asked
from meshplane.services.query.sandbox import Limits, Statement
from tests.builders.aws_sandbox import aws_of, sandbox_in
from tests.builders.two_engines import BUCKET, PROJECT, Engines

GROUP = PROJECT


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def running() -> Iterator[AwsSandbox]:
    with sandbox_in() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
async def engines(running: AwsSandbox, tmp_path_factory: pytest.TempPathFactory) -> Engines:
    made = Engines(running, tmp_path_factory.mktemp("engines"))
    await made.prepare()
    return made


# --- rows ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "value", "sql_type"),
    [
        ("boolean", "true", True, "BOOLEAN"),
        ("tinyint", "-7", -7, "TINYINT"),
        ("bigint", str(2**62), 2**62, "BIGINT"),
        ("double", "1.0E10", 1e10, "DOUBLE"),
        ("double", "Infinity", float("inf"), "DOUBLE"),
        ("varchar", "", "", "VARCHAR"),
        ("date", "2024-02-29", dt.date(2024, 2, 29), "DATE"),
        ("varbinary", "61 00 ff", b"a\x00\xff", "BLOB"),
        ("time", "23:59:59.123", dt.time(23, 59, 59, 123_000), "TIME"),
        (
            "timestamp",
            "2024-05-01 12:00:00.000001",
            dt.datetime(2024, 5, 1, 12, 0, 0, 1),  # noqa: DTZ001 - a wall clock's
            "TIMESTAMP",
        ),
    ],
)
def test_text__becomes_the_value_that_it_is(
    kind: str, text: str, value: Any, sql_type: str
) -> None:
    columns = Columns([{"Name": "v", "Type": kind, "Precision": 0, "Scale": 0}])
    batch = columns.batch([{"Data": [{"VarCharValue": text}]}, {"Data": [{}]}])
    assert batch.column(0).to_pylist() == [value, None]
    assert columns.columns == [{"name": "v", "type": sql_type}]


@pytest.mark.parametrize("count", [3, 500])
def test_text__of_whole_numbers_is_read_one_by_one_and_at_once_alike(count: int) -> None:
    columns = Columns([{"Name": "v", "Type": "bigint", "Precision": 0, "Scale": 0}])
    numbers = [None, -(2**63), 2**63 - 1] + [n * 7919 for n in range(count - 3)]
    cells = [{} if n is None else {"VarCharValue": str(n)} for n in numbers]
    assert columns.batch([{"Data": [cell]} for cell in cells]).column(0).to_pylist() == numbers


def test_text__of_a_decimal_keeps_its_places() -> None:
    columns = Columns([{"Name": "v", "Type": "decimal", "Precision": 9, "Scale": 2}])
    batch = columns.batch([{"Data": [{"VarCharValue": "-12.30"}]}])
    assert batch.column(0).to_pylist() == [decimal.Decimal("-12.30")]
    assert columns.columns[0]["type"] == "DECIMAL(9,2)"


@pytest.mark.parametrize("zone", ["UTC", "+00:00", "Europe/London"])
def test_text__of_an_instant_is_read_in_its_zone(zone: str) -> None:
    kind = "timestamp with time zone"
    columns = Columns([{"Name": "v", "Type": kind, "Precision": 3, "Scale": 0}])
    batch = columns.batch([{"Data": [{"VarCharValue": f"2024-01-01 12:00:00.000 {zone}"}]}])
    assert batch.column(0).to_pylist() == [dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)]


@pytest.mark.parametrize("kind", ["array", "map", "row", "interval day to second"])
def test_column__whose_text_tells_no_values_apart_is_refused(kind: str) -> None:
    with pytest.raises(MeshplaneError) as caught:
        Columns([{"Name": "v", "Type": kind, "Precision": 0, "Scale": 0}])
    assert caught.value.code == "SQL_REFUSED"


# --- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "category", "code"),
    [
        ("SYNTAX_ERROR: line 1:8: mismatched input 'Mallory'", 2, "SQL_INVALID"),
        ("COLUMN_NOT_FOUND: line 1:8: Column 'Mallory' cannot be resolved", 2, "SQL_INVALID"),
        ("TYPE_MISMATCH: line 1:8: Cannot apply operator: varchar = bigint", 2, "SQL_INVALID"),
        ("DIVISION_BY_ZERO: Division by zero", 2, "SQL_RUNTIME"),
        ("INVALID_CAST_ARGUMENT: Cannot cast 'Mallory' to INT", 2, "SQL_RUNTIME"),
        ("SUBQUERY_MULTIPLE_ROWS: Scalar sub-query has returned multiple rows", 2, "SQL_RUNTIME"),
        ("Query exhausted resources at this scale factor", 2, "SQL_LIMIT"),
        ("EXCEEDED_TIME_LIMIT: Query exceeded maximum time limit", 2, "SQL_LIMIT"),
        ("Bytes scanned limit was exceeded", 2, "SQL_LIMIT"),
        ("INVALID_ARGUMENTS: Iceberg snapshot ID does not exists: 7", 2, "SNAPSHOT_NOT_FOUND"),
        ("GENERIC_INTERNAL_ERROR: Mallory", 1, "QUERY_ENGINE_UNAVAILABLE"),
        ("something that nobody has seen yet about Mallory", 2, "SQL_RUNTIME"),
    ],
)
def test_failure__is_one_of_ours_and_holds_nothing_of_athenas(
    reason: str, category: int, code: str
) -> None:
    error = failure({"StateChangeReason": reason, "AthenaError": {"ErrorCategory": category}})
    assert isinstance(error, MeshplaneError)
    assert error.code == code
    assert "Mallory" not in str(error)
    assert reason not in str(error)


@pytest.mark.parametrize(
    "reason",
    [
        "Insufficient permissions to execute the query. Principal does not have any privilege",
        "Insufficient Lake Formation permission(s) on crew",
        "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.sea.crew' does not exist",
        "COLUMN_NOT_FOUND: line 1:1: Relation contains no accessible columns",
    ],
)
def test_failure__for_want_of_rights_is_told_apart(reason: str) -> None:
    assert isinstance(failure({"StateChangeReason": reason}), NoRight)


# --- costs and workgroups -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scanned", "usd"), [(0, 0.0), (1, 10 / 2**20 * 5), (2**40, 5.0), (2**40 + 1, 5.000004768)]
)
def test_cost__counts_whole_mebibytes_and_ten_at_the_least(scanned: int, usd: float) -> None:
    spent = WorkgroupSettings().spent({"DataScannedInBytes": scanned})
    assert spent.bytes_scanned == scanned
    assert spent.usd == pytest.approx(usd, rel=1e-6)


async def test_workgroup__enforces_its_own_output_and_limit(running: AwsSandbox) -> None:
    aws = aws_of(running)
    settings = WorkgroupSettings(most_bytes=50_000_000, kms_key="alias/lake")
    for _ in range(2):
        await Workgroups(aws, settings).ensure("g1", "s3://b/temp/p/")
    found = aws.run("athena", "get_work_group", WorkGroup="g1")["WorkGroup"]["Configuration"]
    assert found["EnforceWorkGroupConfiguration"] is True
    assert found["BytesScannedCutoffPerQuery"] == 50_000_000
    assert found["ResultConfiguration"]["OutputLocation"] == "s3://b/temp/p/"
    assert found["ResultConfiguration"]["EncryptionConfiguration"] == {
        "EncryptionOption": "SSE_KMS",
        "KmsKey": "alias/lake",
    }


async def test_workgroup__that_is_there_is_made_to_enforce_it(running: AwsSandbox) -> None:
    aws = aws_of(running)
    lax = {
        "EnforceWorkGroupConfiguration": False,
        "ResultConfiguration": {"OutputLocation": "s3://elsewhere/"},
    }
    aws.run("athena", "create_work_group", Name="g2", Configuration=lax)
    await Workgroups(aws, WorkgroupSettings()).ensure("g2", "s3://b/temp/p/")
    found = aws.run("athena", "get_work_group", WorkGroup="g2")["WorkGroup"]["Configuration"]
    assert found["EnforceWorkGroupConfiguration"] is True
    assert found["ResultConfiguration"]["OutputLocation"] == "s3://b/temp/p/"


async def test_workgroup__that_was_deleted_is_made_again_for_the_next_statement(
    engines: Engines,
) -> None:
    engine = engines.engine("athena")
    asked = Statement("SELECT n FROM own")
    await engine.run(Asked(asked, engines.reading()))
    engines.aws.run("athena", "delete_work_group", WorkGroup=GROUP, RecursiveDeleteOption=True)
    with pytest.raises(MeshplaneError) as caught:
        await engine.run(Asked(asked, engines.reading()))
    assert caught.value.code == "QUERY_ENGINE_UNAVAILABLE"
    outcome = await engine.run(Asked(asked, engines.reading()))
    assert outcome.row_count == 3


async def test_results__lie_in_the_projects_folder_of_its_domains_bucket(engines: Engines) -> None:
    await engines.ask("athena", "SELECT n FROM own")
    pages = engines.aws.run_pages("s3", "list_objects_v2", Bucket=BUCKET, Prefix="temp/")
    keys = [one["Key"] for page in pages for one in page.get("Contents", ())]
    assert keys
    assert all(key.startswith(f"temp/{PROJECT}/") for key in keys)


async def test_spent__tells_what_athena_read(engines: Engines) -> None:
    asked = Asked(Statement("SELECT id, name FROM sea.crew"), engines.reading())
    outcome = await engines.engine("athena").run(asked)
    assert outcome.spent is not None
    assert outcome.spent.bytes_scanned > 0
    assert outcome.spent.usd == pytest.approx(10 / 2**20 * 5)


# --- answers that are lost ----------------------------------------------------------------------


async def _executions(engines: Engines) -> list[str]:
    answer = await engines.aws.call("athena", "list_query_executions", WorkGroup=GROUP)
    numbers: list[str] = answer["QueryExecutionIds"]
    return numbers


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("StartQueryExecution", "lost_answer"),
        ("StartQueryExecution", "throttle"),
        ("GetQueryExecution", "lost_answer"),
        ("GetQueryResults", "error"),
    ],
)
async def test_fault__on_the_way_changes_no_answer_and_runs_nothing_twice(
    engines: Engines, running: AwsSandbox, operation: str, kind: Any
) -> None:
    await engines.ask("athena", "SELECT n FROM own")
    before = len(await _executions(engines))
    running.faults.add(Fault("athena", operation, kind))
    told = await engines.ask("athena", "SELECT n FROM own")
    assert (told.code, sorted(map(str, told.rows))) == (None, ["[1]", "[2]", "[None]"])
    assert len(await _executions(engines)) == before + 1


async def test_cancel__before_the_start_is_answered_leaves_nothing_running(
    engines: Engines,
) -> None:
    await engines.ask("athena", "SELECT n FROM own")
    engines.athena.polls_before_end = 1_000
    try:
        for seconds in (0.0, 0.005, 0.02, 0.05):
            with anyio.move_on_after(seconds):
                await engines.ask("athena", "SELECT n FROM own")
        # Whoever cancels does not wait until Athena has heard of it.
        assert await _comes_to(engines, 0)
    finally:
        engines.athena.polls_before_end = 0


async def test_cancel__of_a_statement_that_is_still_translated_hands_nothing_in(
    engines: Engines,
) -> None:
    await engines.ask("athena", "SELECT n FROM own")
    before = await _executions(engines)
    begun, translated = threading.Event(), threading.Event()

    def slowly() -> Translated:
        begun.set()
        translated.wait(10)
        parsed = parse("SELECT 1 AS n")
        return translate(parsed, [], None)

    execution = Execution(engines.as_role, GROUP, slowly)
    beginning = asyncio.ensure_future(execution.begin())
    await asyncio.to_thread(begun.wait, 10)
    beginning.cancel()
    with anyio.fail_after(5):
        await execution.stop()  # which does not wait for the translation
    await asyncio.gather(beginning, return_exceptions=True)
    [thread] = [one for one in asyncio.all_tasks() if "in_thread" in repr(one.get_coro())]
    translated.set()
    await thread
    assert await _executions(engines) == before


async def test_cancel__of_a_statement_that_took_too_long_leaves_nothing_running(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    await engines.ask("athena", "SELECT n FROM own")
    answered, hand_in = threading.Event(), Execution._hand_in

    def answered_late(execution: Execution, told: Translated) -> str:
        number = hand_in(execution, told)
        answered.wait(10)
        return number

    monkeypatch.setattr(Execution, "_hand_in", answered_late)
    engines.athena.polls_before_end = 1_000
    try:
        statement = Statement("SELECT n FROM own", limits=Limits(timeout_seconds=0.2))
        asking = asyncio.ensure_future(
            engines.engine("athena").run(Asked(statement, engines.reading()))
        )
        assert await _comes_to(engines, 1)
        await anyio.sleep(0.5)  # by now its time is over, and the answer is waited for
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        answered.set()
        assert await _comes_to(engines, 0)
    finally:
        answered.set()
        engines.athena.polls_before_end = 0


async def test_statement__that_cannot_be_translated_is_refused_and_not_handed_in(
    engines: Engines,
) -> None:
    await engines.ask("athena", "SELECT n FROM own")
    before = await _executions(engines)
    for sql in ("SELECT nothing FROM own", "SELECT n FROM own WHERE n = ?"):
        assert (await engines.ask("athena", sql)).code == "SQL_INVALID"
    assert await _executions(engines) == before


async def test_statement__with_other_values_is_the_same_statement(engines: Engines) -> None:
    engine = engines.engine("athena")
    for least, rows in ((1, 2), (2, 1), ("x", None), (0, 2)):
        asked = Asked(Statement("SELECT n FROM own WHERE n >= ?", [least]), engines.reading())
        if rows is None:
            with pytest.raises(MeshplaneError):
                await engine.run(asked)
        else:
            assert (await engine.run(asked)).row_count == rows


async def _running(engines: Engines) -> list[str]:
    found = []
    for number in await _executions(engines):
        answer = await engines.aws.call("athena", "get_query_execution", QueryExecutionId=number)
        if answer["QueryExecution"]["Status"]["State"] in {"QUEUED", "RUNNING"}:
            found.append(number)
    return found


async def _comes_to(engines: Engines, statements: int) -> bool:
    """Whether as many statements run, at last."""
    for _ in range(400):
        if len(await _running(engines)) == statements:
            return True
        await anyio.sleep(0.05)
    return False


async def test_arrow__comes_in_pieces_and_is_whole(engines: Engines) -> None:
    import pyarrow as pa

    pieces: list[bytes] = []

    async def sink(piece: bytes) -> None:
        pieces.append(piece)

    statement = Statement("SELECT id, seen, pay FROM sea.crew", None, "arrow", Limits())
    asked = Asked(statement, engines.reading())
    outcome = await engines.engine("athena").run(asked, sink)
    table = pa.ipc.open_stream(b"".join(pieces)).read_all()
    assert outcome.body == b""
    assert table.num_rows == outcome.row_count > 10
    assert str(table.schema.field("seen").type) == "timestamp[us, tz=UTC]"


async def test_pages__are_all_read(engines: Engines) -> None:
    sql = "SELECT a.id AS x, b.id AS y, c.id AS z FROM sea.crew a, sea.crew b, sea.crew c"
    told = await engines.ask("athena", sql, max_rows=2_500)
    assert (len(told.rows), told.truncated) == (2_500, True)
    assert len({json.dumps(row) for row in told.rows}) == 2_500


def test_module__loads_no_heavy_engine_until_it_is_asked(tmp_path: Path) -> None:
    import subprocess
    import sys

    script = (
        "import sys, meshplane.services.query.aws;"
        "print(sorted({'pyarrow', 'duckdb', 'sqlglot'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, cwd=tmp_path
    )
    assert done.stdout.strip() == b"[]"
