"""Bad SQL, conditions, tokens, cursors and rows over HTTP: refused discreetly, without effect."""

import base64
import hashlib
import hmac
import io
import json
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pyarrow as pa
import pytest

from meshplane.gateway.issuer import EmbeddedIssuer, IssuerKeys
from meshplane.kit.clock import SystemClock
from tests.builders.kept_state import audit_records, kept_state, settle
from tests.builders.refusals import VALUE, fields, problem_of, refused
from tests.builders.request import Request
from tests.builders.server import running_server
from tests.builders.small_mesh import ARROW, CANARY, SmallMesh, arrow
from tests.builders.valid_requests import WRITES, reads, request_for

pytestmark = pytest.mark.scenario


@pytest.fixture(scope="module")
def mesh() -> Iterator[SmallMesh]:
    with running_server() as server:
        made = SmallMesh(server)
        yield made
        made.close()
        assert server.unforeseen() == []


# Statement → the codes that may answer it.
BAD_SQL = {
    "": {"REQUEST_INVALID"},
    ";": {"SQL_INVALID", "SQL_REFUSED"},
    "what is this": {"SQL_INVALID"},
    "SELECT": {"SQL_INVALID"},
    "SELECT 1; SELECT 2": {"SQL_REFUSED", "SQL_INVALID"},
    "SELECT 1; DROP TABLE readings": {"SQL_REFUSED", "SQL_INVALID"},
    "INSERT INTO readings VALUES ('x', 1)": {"SQL_REFUSED"},
    "UPDATE readings SET level = 0": {"SQL_REFUSED"},
    "DELETE FROM readings": {"SQL_REFUSED"},
    "DROP TABLE readings": {"SQL_REFUSED"},
    "CREATE TABLE x AS SELECT 1": {"SQL_REFUSED"},
    "ATTACH '/tmp/x.db'": {"SQL_REFUSED"},
    f"COPY (SELECT 1) TO '/tmp/{VALUE}'": {"SQL_REFUSED"},
    "COPY readings FROM '/etc/passwd'": {"SQL_REFUSED"},
    "EXPORT DATABASE '/tmp/x'": {"SQL_REFUSED"},
    "INSTALL httpfs": {"SQL_REFUSED"},
    "LOAD httpfs": {"SQL_REFUSED"},
    "PRAGMA database_list": {"SQL_REFUSED"},
    "SET memory_limit = '1TB'": {"SQL_REFUSED"},
    "CALL pragma_version()": {"SQL_REFUSED"},
    "EXPLAIN SELECT 1": {"SQL_REFUSED"},
    "VACUUM": {"SQL_REFUSED"},
    "BEGIN TRANSACTION": {"SQL_REFUSED"},
    "SELECT * FROM read_csv('/etc/passwd')": {"SQL_REFUSED"},
    "SELECT * FROM read_text('/etc/passwd')": {"SQL_REFUSED"},
    "SELECT * FROM '/etc/passwd'": {"SQL_REFUSED"},
    "SELECT * FROM glob('/*')": {"SQL_REFUSED"},
    "SELECT * FROM parquet_scan('/tmp/*.parquet')": {"SQL_REFUSED"},
    "SELECT * FROM 'http://127.0.0.1/x.csv'": {"SQL_REFUSED"},
    "SELECT * FROM duckdb_settings()": {"SQL_REFUSED"},
    "SELECT * FROM information_schema.tables": {"SQL_REFUSED"},
    "SELECT * FROM sqlite_master": {"SQL_REFUSED"},
    "SELECT * FROM pg_catalog.pg_tables": {"SQL_REFUSED"},
    "SELECT current_setting('memory_limit')": {"SQL_REFUSED"},
    "SELECT getenv('HOME')": {"SQL_REFUSED"},
    "SELECT getvariable('x')": {"SQL_REFUSED"},
    "SELECT version()": {"SQL_REFUSED"},
    "SELECT query('SELECT 1')": {"SQL_REFUSED", "SQL_INVALID"},
    "SELECT * FROM query('SELECT 1')": {"SQL_REFUSED"},
    "SELECT * FROM query_table('readings')": {"SQL_REFUSED"},
    "SELECT * FROM secretlogbook": {"SQL_REFUSED"},
    "SELECT * FROM nosuchdomain.readings": {"SQL_REFUSED"},
    "SELECT rowid FROM readings": {"SQL_REFUSED", "SQL_INVALID"},
    "SELECT nowhere FROM readings": {"SQL_INVALID"},
    f"SELECT '{VALUE}' + FROM readings": {"SQL_INVALID"},
    "SELECT CAST(station AS INTEGER) FROM readings": {"SQL_RUNTIME"},
    "SELECT error(station) FROM readings": {"SQL_REFUSED", "SQL_RUNTIME"},
    "SELECT (SELECT station FROM readings)": {"SQL_RUNTIME"},
    f"SELECT CAST('{VALUE}' AS DATE)": {"SQL_RUNTIME", "SQL_INVALID"},
    "SELECT 9223372036854775807 + level FROM readings": {"SQL_RUNTIME"},
    "SELECT '\0'": {"SQL_INVALID", "SQL_REFUSED"},
    "SELECT " + "(" * 5000 + "1" + ")" * 5000: {"SQL_LIMIT", "SQL_INVALID", "SQL_REFUSED"},
    "SELECT " + "1+" * 20_000 + "1": {"SQL_LIMIT", "SQL_INVALID", "SQL_REFUSED"},
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n FROM t) SELECT count(*) FROM t": {
        "SQL_LIMIT",
        "SQL_REFUSED",
    },
}


@pytest.mark.parametrize("number", range(len(BAD_SQL)))
def test_sql__that_is_not_one_select_or_reaches_out(mesh: SmallMesh, number: int) -> None:
    sql, codes = list(BAD_SQL.items())[number]
    request = Request("POST", "/query", {"sql": sql, "timeoutSeconds": 2.0})
    told = refused(mesh, request, "runQuery")
    assert told["code"] in codes, sql[:80]
    assert fields(told) == ["sql"]
    assert told["status"] == {"SQL_REFUSED": 403, "SQL_LIMIT": 422}.get(told["code"], 400)


REFUSED_SQL = [sql for sql, codes in BAD_SQL.items() if codes == {"SQL_REFUSED"}]


@pytest.mark.parametrize("sql", REFUSED_SQL)
def test_sql__refused_as_a_query_makes_no_table_either(mesh: SmallMesh, sql: str) -> None:
    body = {"sql": sql, "projectId": mesh.tides, "tableName": "never_made"}
    told = refused(mesh, Request("POST", "/query/materialize", body), "materializeQuery")
    assert (told["status"], told["code"], fields(told)) == (403, "SQL_REFUSED", ["sql"])


def test_sql__over_what_is_not_granted_says_what_to_ask_for(mesh: SmallMesh) -> None:
    answer = mesh.clients["unrelated"].post(
        "/api/v1/query", json={"sql": "SELECT station FROM harbour.readings"}
    )
    told = problem_of(answer)
    assert (told["status"], told["code"], told["assetId"]) == (
        403,
        "ACCESS_REQUIRED",
        mesh.readings,
    )
    assert told["request"]["path"] == "/api/v1/subscriptions"


def test_sql__parameters_that_do_not_fit(mesh: SmallMesh) -> None:
    for sql, parameters in (
        ("SELECT ?", []),
        ("SELECT ?", [1, 2]),
        ("SELECT $name", {"other": VALUE}),
        ("SELECT $1", {"name": 1}),
        ("SELECT 1", [VALUE]),
        ("SELECT ?::INTEGER", [VALUE]),
        ("SELECT ?", [{"a": VALUE}] * 3),
    ):
        body = {"sql": sql, "parameters": parameters}
        told = refused(mesh, Request("POST", "/query", body), "runQuery")
        assert told["status"] == 400, (sql, told)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("maxRows", 0),
        ("maxRows", -1),
        ("maxRows", 10**7),
        ("maxRows", 10**30),
        ("maxRows", 10**4000),
        ("timeoutSeconds", 0),
        ("timeoutSeconds", -1.0),
        ("timeoutSeconds", 301),
        ("timeoutSeconds", 1e308),
        ("asOf", "yesterday"),
        ("asOf", "2026-01-31"),
        ("asOf", "2026-01-31T12:00:00"),
        ("asOf", "2026-02-30T12:00:00Z"),
        ("asOf", "9999-12-31T23:59:59-14:00"),
        ("asOf", "0001-01-01T00:00:00+14:00"),
        ("asOf", VALUE),
        ("asOf", ""),
        ("asOf", "2" * 65),
    ],
)
def test_query__numbers_and_instants_out_of_bounds(mesh: SmallMesh, field: str, value: Any) -> None:
    request = request_for(mesh, "runQuery", "bounds")
    told = refused(mesh, Request("POST", "/query", {**request.json, field: value}), "runQuery")
    assert (told["status"], fields(told)) == (400, [field])


@pytest.mark.parametrize("number", [b"1e400", b"NaN", b"Infinity", b"-Infinity", b"1" * 10_000])
def test_query__numbers_that_json_does_not_have_or_nobody_can_hold(
    mesh: SmallMesh, number: bytes
) -> None:
    for name in (b"timeoutSeconds", b"maxRows"):
        body = b'{"sql": "SELECT 1", "' + name + b'": ' + number + b"}"
        request = Request("POST", "/query", content=body,
                          headers={"Content-Type": "application/json"})  # fmt: skip
        assert refused(mesh, request, "runQuery")["status"] == 400


def test_query__a_moment_before_the_table_had_rows(mesh: SmallMesh) -> None:
    body = {"sql": "SELECT * FROM readings", "asOf": "2001-01-01T00:00:00Z"}
    told = refused(mesh, Request("POST", "/query", body), "runQuery")
    assert (told["status"], fields(told)) == (404, ["asOf"])


BAD_FILTERS = (
    "what is this",
    "",
    "level",
    "level >",
    "level > 1; DROP TABLE x",
    f"station = '{VALUE}",
    "nowhere = 1",
    "level IN (SELECT 1)",
    "getenv('HOME') = 'x'",
    "level > 1)",
    "level > 1) OR (true",
    "rowid = 1",
    "NOT (" * 700 + "level > 1" + ")" * 700,
    "level > 1\0",
)


@pytest.mark.parametrize("operation", ["requestSubscription", "approveSubscription"])
def test_row_filters__that_are_not_one_condition(mesh: SmallMesh, operation: str) -> None:
    request = request_for(mesh, operation, "filter")
    for text in BAD_FILTERS:
        request.json["rowFilter"] = text
        told = refused(mesh, request, operation)
        assert (told["status"], fields(told)) == (400, ["rowFilter"]), text


def test_delete__conditions_that_cannot_be_read_or_bound(mesh: SmallMesh) -> None:
    for text in (*BAD_FILTERS, "station > 5", "level = 'x'", "level = 1.5", "level LIKE '%x'"):
        request = Request("POST", f"/tables/{mesh.logbook}/rows/delete", {"where": text})
        told = refused(mesh, request, "deleteRows")
        assert (told["status"], fields(told)) == (400, ["where"]), text


@pytest.mark.parametrize(
    "change",
    [
        {"masks": {VALUE: {"kind": "hash"}}},
        {"masks": {"station": {"kind": "constant"}}},
        {"masks": {"station": {"kind": "hash", "value": VALUE}}},
        {"masks": {"station": {"kind": VALUE}}},
        {"excludedColumns": [VALUE]},
        {"excludedColumns": ["station", "level"]},
        {"expiresAt": "2001-01-01T00:00:00Z"},
        {"expiresAt": "2999-01-01"},
        {"expiresAt": "9999-12-31T23:59:59-14:00"},
        {"expiresAt": VALUE},
        {"reason": ""},
    ],
    ids=str,
)
def test_approval__that_does_not_fit_the_asset(mesh: SmallMesh, change: dict[str, Any]) -> None:
    request = request_for(mesh, "approveSubscription", "misfit")
    request.json |= change
    told = refused(mesh, request, "approveSubscription")
    assert told["status"] == 400
    assert all(name.split(".")[0] in change for name in fields(told))
    assert fields(told)


def test_subscriptions__decided_twice_or_of_ones_own_asset(mesh: SmallMesh) -> None:
    for decision in ("approve", "reject"):
        request = Request(
            "POST", f"/subscriptions/{mesh.subscription}/{decision}", {"reason": "Again."}
        )
        told = refused(mesh, request, "approveSubscription")
        assert (told["status"], told["code"]) == (409, "ALREADY_DECIDED")
    pending = Request(
        "POST", f"/subscriptions/{mesh.new_subscription()}/revoke", {"reason": "Too early."}
    )
    settle(mesh.server.home)
    assert refused(mesh, pending, "revokeSubscription")["code"] == "ALREADY_DECIDED"
    body = {"assetId": mesh.readings, "projectId": mesh.tides, "purpose": "To have it twice."}
    request = Request("POST", "/subscriptions", body)
    assert refused(mesh, request, "updateAsset")["code"] == "OWN_ASSET"


@pytest.mark.parametrize(
    "change",
    [
        {"columns": []},
        {"columns": [{"name": "a", "type": VALUE}]},
        {"columns": [{"name": "a", "type": "decimal(99,2)"}]},
        {"columns": [{"name": "a", "type": "fixed[0]"}]},
        {"columns": [{"name": "a", "type": "struct<b: int>"}]},
        {"columns": [{"name": "a", "type": "long"}, {"name": "a", "type": "long"}]},
        {"partitionBy": [{"column": "nowhere", "transform": "month"}]},
        {"partitionBy": [{"column": "level", "transform": VALUE}]},
        {"partitionBy": [{"column": "level", "transform": "month"}]},
        {"partitionBy": [{"column": "level", "transform": "bucket[0]"}]},
        {"partitionBy": [{"column": "level", "transform": "identity"}] * 2},
        {"partitionBy": [{"column": "level", "transform": "identity"}] * 11},
    ],
    ids=str,
)
def test_tables__columns_and_partitions_that_cannot_be(
    mesh: SmallMesh, change: dict[str, Any]
) -> None:
    request = request_for(mesh, "createTable", "misfit")
    request.json |= change
    told = refused(mesh, request, "createTable")
    assert told["status"] == 400
    assert all(name.split(".")[0] in change for name in fields(told)), told
    assert fields(told)


def _stream(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _file(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


GOOD_ROWS = arrow([{"station": f"{VALUE}-{CANARY}", "level": 1}])
BAD_ROWS = {
    "nothing": b"",
    "text": VALUE.encode(),
    "JSON": json.dumps([{"station": VALUE}]).encode(),
    "zeros": bytes(1000),
    "the file format": _file(pa.table({"station": [VALUE], "level": [1]})),
    "cut off": GOOD_ROWS[:-20],
    "cut off at the end mark": GOOD_ROWS[:-8],
    "something behind": GOOD_ROWS + VALUE.encode(),
    "twice": GOOD_ROWS * 2,
    "a damaged middle": GOOD_ROWS[:200] + b"\xff" * 40 + GOOD_ROWS[240:],
    "an unknown column": _stream(pa.table({"station": [VALUE], "other": [1]})),
    "a column twice": _stream(
        pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["level", "level"])
    ),
    "text for numbers": _stream(pa.table({"station": ["x"], "level": [VALUE]})),
    "fractions for numbers": _stream(pa.table({"station": ["x"], "level": [1.5]})),
    "numbers that are too large": _stream(
        pa.table({"level": pa.array([2**64 - 1], pa.uint64()), "station": [VALUE]})
    ),
    "lists": _stream(pa.table({"station": [[VALUE]], "level": [1]})),
}


@pytest.mark.parametrize("what", BAD_ROWS)
def test_rows__that_are_not_arrow_or_do_not_fit(mesh: SmallMesh, what: str) -> None:
    request = Request(
        "POST",
        f"/tables/{mesh.logbook}/rows",
        content=BAD_ROWS[what],
        headers={"Content-Type": ARROW},
    )
    told = refused(mesh, request, "appendRows")
    assert told["status"] == 400
    assert told["code"] in {"NOT_ARROW", "ROWS_TRUNCATED", "ROWS_DAMAGED", "ROWS_DO_NOT_FIT"}
    assert all(name.startswith("rows") for name in fields(told))
    assert fields(told)


def test_rows__without_what_a_column_requires(mesh: SmallMesh) -> None:
    body = {
        "projectId": mesh.tides,
        "name": "strict",
        "columns": [{"name": "station", "type": "string", "required": True}],
    }
    table = mesh.ask("owner", "POST", "/tables", body)["tableId"]
    for rows in (
        pa.table({"station": pa.array([VALUE, None], pa.string())}),
        pa.table({"station": pa.array([None], pa.null())}),
    ):
        request = Request(
            "POST", f"/tables/{table}/rows", content=_stream(rows), headers={"Content-Type": ARROW}
        )
        told = refused(mesh, request, "appendRows")
        assert (told["code"], fields(told)) == ("ROWS_DO_NOT_FIT", ["rows.station"])


def test_rows__of_another_content_type(mesh: SmallMesh) -> None:
    for kind in ("application/json", "application/octet-stream", "text/plain", f"{ARROW}x"):
        request = Request(
            "POST",
            f"/tables/{mesh.logbook}/rows",
            content=GOOD_ROWS,
            headers={"Content-Type": kind},
        )
        told = refused(mesh, request, "appendRows")
        assert (told["status"], told["code"]) == (400, "CONTENT_TYPE_UNSUPPORTED")
        assert fields(told) == ["Content-Type"]


def _segment(value: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()


def _bad_tokens(mesh: SmallMesh, tmp_path: Any) -> dict[str, str]:
    good = mesh.server.token("ada@mesh", ("mesh-admins",))
    head, claims, signature = good.split(".")
    header = orjson.loads(base64.urlsafe_b64decode(head + "=="))
    said = orjson.loads(base64.urlsafe_b64decode(claims + "=="))
    jwks = mesh.clients["stranger"].get("/.well-known/jwks.json").json()
    others = EmbeddedIssuer(
        IssuerKeys.load_or_create(tmp_path / "keys"), mesh.server.url, "meshplane", SystemClock()
    )

    def by_secret(secret: bytes) -> str:
        unsigned = f"{_segment({**header, 'alg': 'HS256'})}.{claims}"
        digest = hmac.new(secret, unsigned.encode(), hashlib.sha256).digest()
        return f"{unsigned}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"

    forged = {
        f"claims {changed}": f"{head}.{_segment({**said, **changed})}.{signature}"
        for changed in (
            {"exp": int(time.time()) + 10**6},
            {"sub": "root"},
            {"groups": ["mesh-auditors"]},
            {"exp": 1},
        )
    }
    nothing = {
        f"alg {alg}": f"{_segment({**header, 'alg': alg})}.{claims}.{end}"
        for alg in ("none", "None", "NONE", "nOnE", "", None)
        for end in ("", signature)
    }
    return {
        **forged,
        **nothing,
        "signed by another": others.mint("ada@mesh", ("mesh-admins",)),
        "signed with the public key as a secret": by_secret(orjson.dumps(jwks["keys"][0])),
        "signed with nothing": by_secret(b""),
        "no signature": f"{head}.{claims}.",
        "cut signature": good[:-10],
        "two tokens": f"{good}.{good}",
        "two parts": f"{head}.{claims}",
        "not a token": VALUE,
        "very long": VALUE * 1500,
    }


def test_tokens__forged_unsigned_or_cut(mesh: SmallMesh, tmp_path: Any) -> None:
    home = mesh.server.home
    for what, token in _bad_tokens(mesh, tmp_path).items():
        before, records = kept_state(home), audit_records(home)
        answer = mesh.clients["stranger"].post(
            "/api/v1/domains",
            json={"name": "stolen"},
            headers={"Authorization": f"Bearer {token}"},
        )
        told = problem_of(answer)
        assert (told["status"], told["code"][:6]) == (401, "TOKEN_"), what
        assert kept_state(home) == before
        assert audit_records(home) == records + 1


@pytest.mark.parametrize("operation", [*WRITES, "listAuditRecords", "getTable", "getMetrics"])
def test_tokens__expired_of_another_issuer_or_for_another(
    mesh: SmallMesh, operation: str, tmp_path: Any
) -> None:
    keys = IssuerKeys.load_or_create(mesh.server.home / "keys")
    clock = SystemClock()
    elsewhere = EmbeddedIssuer(keys, "http://127.0.0.1:1", "meshplane", clock)
    audience = EmbeddedIssuer(keys, mesh.server.url, "another", clock)
    short = EmbeddedIssuer(keys, mesh.server.url, "meshplane", _Past())
    request = request_for(mesh, operation, f"token-{operation.lower()}")
    before = kept_state(mesh.server.home)
    for minted, code in (
        (elsewhere.mint("ada@mesh", ("mesh-admins",)), "TOKEN_ISSUER"),
        (audience.mint("ada@mesh", ("mesh-admins",)), "TOKEN_AUDIENCE"),
        (short.mint("ada@mesh", ("mesh-admins",), lifetime_seconds=60), "TOKEN_EXPIRED"),
    ):
        request.headers["Authorization"] = f"Bearer {minted}"
        told = problem_of(request.send(mesh.clients["stranger"]))
        assert (told["status"], told["code"]) == (401, code)
    assert kept_state(mesh.server.home) == before


class _Past(SystemClock):
    """A clock that is two hours behind."""

    def now(self) -> Any:
        """The present, two hours ago."""
        return super().now().fromtimestamp(time.time() - 7200, tz=super().now().tzinfo)


LISTS = [
    "listDomains",
    "listDomainMembers",
    "listProjects",
    "listProjectMembers",
    "listTables",
    "listSnapshots",
    "listAssets",
    "listQueryHistory",
    "listQualityRuns",
    "listSubscriptions",
    "listGrants",
    "listEvents",
    "listAuditRecords",
]
BAD_LIMITS = (
    "0",
    "-1",
    "1001",
    "1000000000",
    str(10**30),
    "x",
    "1.5",
    "",
    "NaN",
    "1e2",
    "٣",
    " 5 x",
)
BAD_CURSORS = (
    VALUE,
    "x" * 1001,
    "-1",
    "1.5",
    "!!!",
    "é",
    "٣",
    "%00",
    _segment([]),
    _segment({}),
    _segment([None, None, None]),
    _segment([True, {}, []]),
    _segment(["a", "b", "c", "d", "e"]),
    "9" * 30,
)


def _reader(operation: str) -> str:
    if operation in {"listEvents", "listAuditRecords"}:
        return "administrator"
    return "steward" if operation in {"listSubscriptions", "listGrants"} else "owner"


@pytest.mark.parametrize("operation", LISTS)
def test_lists__limits_and_cursors_that_are_none(mesh: SmallMesh, operation: str) -> None:
    path = "/api/v1" + reads(mesh)[operation].path.split("&limit")[0].split("?limit")[0]
    sign = "&" if "?" in path else "?"
    client = mesh.clients[_reader(operation)]
    for limit in BAD_LIMITS:
        told = problem_of(client.get(f"{path}{sign}limit={limit}"))
        assert (told["status"], fields(told)) == (400, ["limit"]), limit
    for cursor in BAD_CURSORS:
        told = problem_of(client.get(f"{path}{sign}cursor={cursor}"))
        assert (told["status"], fields(told)) == (400, ["cursor"]), cursor
    # A cursor may look right and name no place; whatever the answer, it is not a failure.
    for part in (2**63 - 1, 2**63, 2**64 - 1, -(2**63), "a", "", "\0", "é"):
        for length in (1, 2, 3, 4):
            answer = client.get(f"{path}{sign}cursor={_segment([part] * length)}")
            assert answer.status_code == 200 or fields(problem_of(answer)) == ["cursor"]


@pytest.mark.parametrize("operation", [*LISTS, "searchCatalog", "getDomain", "getMetrics"])
def test_queries__an_unknown_parameter_is_named(mesh: SmallMesh, operation: str) -> None:
    request = reads(mesh)[operation]
    request.path += ("&" if "?" in request.path else "?") + f"surplus={VALUE}"
    told = problem_of(request.send(mesh.clients[_reader(operation)]))
    assert told["status"] == 400
    assert fields(told) in (["surplus"], ["(query)"])


def test_searches__with_signs_of_the_search_engine_are_only_words(mesh: SmallMesh) -> None:
    for words in (
        '"',
        "'",
        "*",
        "a*",
        "NEAR(a b)",
        "a AND",
        "name:x",
        "^a",
        "(",
        "a OR",
        "-",
        "%00",
    ):
        answer = mesh.clients["unrelated"].get(f"/api/v1/catalog/search?q={words}")
        assert answer.status_code == 200, words
    for words in ("", "x" * 501):
        told = problem_of(mesh.clients["unrelated"].get(f"/api/v1/catalog/search?q={words}"))
        assert (told["status"], fields(told)) == (400, ["q"])


def test_lineage__events_that_are_not_openlineage(mesh: SmallMesh) -> None:
    good = request_for(mesh, "receiveLineageEvent", "lineage").json
    changes: tuple[dict[str, Any], ...] = (
        {"eventTime": VALUE},
        {"run": VALUE},
        {"run": {"runId": VALUE}},
        {"job": {}},
        {"job": {"namespace": 1, "name": VALUE}},
        {"inputs": VALUE},
        {"outputs": [VALUE]},
        {"outputs": [{"namespace": "a"}]},
        {"eventType": VALUE},
        {"schemaURL": VALUE},
        {"outputs": [{"namespace": "a", "name": "b", "facets": {"columnLineage": VALUE}}]},
    )
    for change in changes:
        told = refused(mesh, Request("POST", "/lineage", {**good, **change}), "receiveLineageEvent")
        assert (told["status"], told["code"]) == (400, "LINEAGE_EVENT_INVALID"), change
        assert fields(told)
