"""Bad input over HTTP, class by class and route by route.

Each is refused by a problem document that names the field, with no value of the request or of data
in it, and nothing happens but a record of the failure.
"""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.builders.kept_state import settled_state
from tests.builders.refusals import VALUE, fields, problem_of, refused
from tests.builders.request import Request
from tests.builders.server import running_server
from tests.builders.small_mesh import CONTRACT, SmallMesh
from tests.builders.valid_requests import (
    JSON_WRITES,
    SENDER,
    SERVICE_WRITES,
    WRITES,
    request_for,
)

pytestmark = pytest.mark.scenario

ONE_MIB = 1024 * 1024
JSON_TYPE = {"Content-Type": "application/json"}

# Takes any JSON object; what is in it is checked by the standard's own rules.
FREE_FORM = {"receiveLineageEvent"}
# Fields that hold JSON of people's own, or a document in a language with rules of its own.
OWN_JSON = {"definition", "detail", "event", "eventPattern", "input", "output"}
ANYTHING = {"input", "output"}
# Their answers are not kept, so that they take no idempotency key.
NOT_KEPT = {"runQuery", "receiveMessages"}
# On one machine, there is no Redshift that has tables.
NEVER_DONE = {"createExternalTable"}

Path = tuple[str | int, ...]


@pytest.fixture(scope="module")
def mesh() -> Iterator[SmallMesh]:
    with running_server() as server:
        made = SmallMesh(server)
        yield made
        made.close()
        assert server.unforeseen() == []


def raw(request: Request, body: bytes) -> Request:
    """The request with these bytes as its body."""
    return Request(
        request.method, request.path, content=body, headers={**request.headers, **JSON_TYPE}
    )


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value in a document that is no object and no list and not in free JSON; its path."""
    if isinstance(value, dict):
        for key, part in value.items():
            if key not in OWN_JSON:
                yield from leaves(part, (*path, key))
    elif isinstance(value, list):
        for position, part in enumerate(value):
            yield from leaves(part, (*path, position))
    else:
        yield path, value


def with_value(document: Any, path: Path, value: Any) -> Any:
    """A copy of the document with another value at the path."""
    changed = copy.deepcopy(document)
    part = changed
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    return changed


def dotted(path: Path) -> str:
    return ".".join(map(str, path))


def test_write_routes__are_those_of_the_document(mesh: SmallMesh) -> None:
    paths = mesh.clients["stranger"].get("/openapi.json").json()["paths"]
    writing = {
        told["operationId"]
        for methods in paths.values()
        for method, told in methods.items()
        if method != "get"
    }
    assert writing == {*WRITES, *SERVICE_WRITES}


@pytest.mark.parametrize("operation", JSON_WRITES)
def test_json__malformed(mesh: SmallMesh, operation: str) -> None:
    request = request_for(mesh, operation, "malformed")
    for body in (
        b"",
        b" ",
        b"{",
        b'{"name": }',
        b'{"name": "x",}',
        b'{"name": "x"} x',
        b"{'name': 'x'}",
        b'{"name": "' + VALUE.encode(),
        b"[1, 2",
        b"nul",
        b"\xff\xfe{}",
        b'{"name": "\xc3\x28"}',
        b"--x\r\n\r\n",
        b"1" * 10_000 + b"x",
    ):
        told = refused(mesh, raw(request, body), operation)
        assert (told["status"], told["code"], fields(told)) == (400, "JSON_MALFORMED", ["(body)"])


@pytest.mark.parametrize("operation", JSON_WRITES)
def test_json__something_else_than_an_object(mesh: SmallMesh, operation: str) -> None:
    request = request_for(mesh, operation, "no-object")
    for body in ("[]", "[{}]", f'"{VALUE}"', "1", "1e5", "null", "true"):
        told = refused(mesh, raw(request, body.encode()), operation)
        assert (told["status"], told["code"]) == (400, "REQUEST_INVALID")
        assert len(told["errors"]) >= 1


@pytest.mark.parametrize("operation", WRITES)
def test_json__larger_than_1_mib(mesh: SmallMesh, operation: str) -> None:
    request = request_for(mesh, operation, "too-large")
    if operation == "appendRows":
        return  # rows have a limit of their own, see the tests of tables
    client = mesh.clients[SENDER.get(operation, "owner")]
    body = b'{"name": "' + VALUE.encode() + b" " * ONE_MIB + b'"}'

    def parts() -> Iterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    for kind in ("application/json", "application/vnd.apache.arrow.stream", "text/plain"):
        for content in (body, parts()):  # with a Content-Length, and without
            answer = client.request(
                request.method,
                f"/api/v1{request.path}",
                content=content,
                headers={**request.headers, "Content-Type": kind},
            )
            told = problem_of(answer)
            assert (told["status"], told["code"]) == (413, "BODY_TOO_LARGE")
            assert fields(told) == ["(body)"]


@pytest.mark.parametrize("operation", JSON_WRITES)
def test_json__nested_too_deeply(mesh: SmallMesh, operation: str) -> None:
    request = request_for(mesh, operation, "deep")
    for depth in (1_000, 100_000):
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            for end in (closing * depth, ""):
                nested = f'{opening * depth}"{VALUE}"{end}'
                for body in (nested, f'{{"name": {nested}}}'):
                    told = refused(mesh, raw(request, body.encode()), operation)
                    assert (told["status"], told["code"]) == (400, "JSON_TOO_DEEP")
    for depth in (90, 110, 150, 250):
        body = json.dumps({**request.json, "extra": json.loads("[" * depth + "]" * depth)})
        if operation not in FREE_FORM:
            told = refused(mesh, raw(request, body.encode()), operation)
            assert told["code"] in {"JSON_TOO_DEEP", "REQUEST_INVALID"}


@pytest.mark.parametrize("operation", JSON_WRITES)
def test_text__an_unpaired_surrogate_anywhere(mesh: SmallMesh, operation: str) -> None:
    request = request_for(mesh, operation, "surrogate")
    for path, value in leaves(request.json):
        if isinstance(value, str):
            for escape in ("\\ud800", "\\udfff", "\\udc00\\ud800", "\\ud800x"):
                marked = with_value(request.json, path, value + "MARK" + VALUE)
                body = json.dumps(marked).replace("MARK", escape)
                told = refused(mesh, raw(request, body.encode()), operation)
                assert (told["status"], told["code"]) == (400, "TEXT_INVALID")
                assert fields(told) == [dotted(path)]
    body = json.dumps(request.json)[:-1] + ', "\\ud800": 1}'
    assert refused(mesh, raw(request, body.encode()), operation)["status"] == 400


@pytest.mark.parametrize("operation", [name for name in JSON_WRITES if name not in FREE_FORM])
def test_text__nul_and_other_controls_anywhere(mesh: SmallMesh, operation: str) -> None:
    request = request_for(mesh, operation, "control")
    for path, value in leaves(request.json):
        if isinstance(value, str):
            for sign in ("\0", "\x1b", "\u202e", "\u200b", "\ufdd0"):
                if sign != "\0" and path[-1] in {"sql", "contract", "ruleset"} | FILTERS:
                    continue  # languages of their own: such a sign may stand in their literals
                changed = with_value(request.json, path, f"{value}{sign}{VALUE}")
                told = refused(mesh, Request(request.method, request.path, changed,
                                             headers=request.headers), operation)  # fmt: skip
                assert told["status"] in {400, 403}, (path, sign, told)
                assert any(name.startswith(str(path[0])) for name in fields(told)), (path, told)


FILTERS = {"rowFilter", "where"}
ALL_OPTIONAL = {
    "updateAsset", "expireSnapshots", "runAllQualityChecks", "receiveMessages",
    "redriveDeadLetters", "putArchive", "stopExecution", "approveStep", "rejectStep",
    "changeSubscription", "revokePermission",
    "putDataFilter", "reconcileLake", "updateGlossary", "updateGlossaryTerm", "updateMetadataForm",
    "putAssetMetadata", "reconcilePortal", "reconcileProjection",
}  # fmt: skip
# What is in these is of the type that a metadata form says, and refused by its own rules.
OF_A_FORM = {"values", "allowed"}
OTHER_KINDS: tuple[Any, ...] = (VALUE, 7, 1.5, True, [], {}, [VALUE], {VALUE: VALUE})


@pytest.mark.parametrize("operation", [name for name in JSON_WRITES if name not in FREE_FORM])
def test_types__another_type_than_the_field_has(mesh: SmallMesh, operation: str) -> None:
    request = request_for(mesh, operation, "types")
    parts = [*leaves(request.json), *(((key,), value) for key, value in request.json.items())]
    either = {"event", "eventPattern"} if operation == "testEventPattern" else set()
    parts = [(path, value) for path, value in parts if path[-1] not in ANYTHING | either]
    parts = [(path, value) for path, value in parts if not OF_A_FORM & set(path[:-1])]
    for path, value in parts:
        for other in OTHER_KINDS:
            if type(other) is type(value) or {type(other), type(value)} == {int, float}:
                continue
            if path == ("parameters",) and isinstance(other, dict | list):
                continue
            changed = with_value(request.json, path, other)
            told = refused(
                mesh,
                Request(request.method, request.path, changed, headers=request.headers),
                operation,
            )
            assert (told["status"], told["code"]) == (400, "REQUEST_INVALID")
            assert all(name.startswith(dotted(path)) for name in fields(told)), (path, told)


@pytest.mark.parametrize("operation", [name for name in JSON_WRITES if name not in FREE_FORM])
def test_fields__a_missing_one_is_named_and_an_unknown_one_too(
    mesh: SmallMesh, operation: str
) -> None:
    request = request_for(mesh, operation, "fields")
    told = refused(mesh, Request(request.method, request.path, {}, headers=request.headers),
                   operation) if operation not in ALL_OPTIONAL else None  # fmt: skip
    for name in fields(told) if told else ():
        assert name in request.json
        rest = {key: value for key, value in request.json.items() if key != name}
        one = refused(
            mesh, Request(request.method, request.path, rest, headers=request.headers), operation
        )
        assert (one["code"], fields(one)) == ("REQUEST_INVALID", [name])
    for path, value in (((), request.json), *leaves_of_objects(request.json)):
        wider = {**value, "surplus": VALUE}
        changed = with_value(request.json, path, wider) if path else wider
        told = refused(
            mesh, Request(request.method, request.path, changed, headers=request.headers), operation
        )
        assert any(name.startswith(dotted((*path, "surplus"))) for name in fields(told)), told


def leaves_of_objects(document: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The objects inside a document whose fields have fixed names."""
    for key, value in document.items():
        if key in {"members", "columns", "partitionBy"}:
            for position, part in enumerate(value):
                if isinstance(part, dict):
                    yield (key, position), part
    for name, mask in document.get("masks", {}).items():
        yield ("masks", name), mask


@pytest.mark.parametrize("operation", WRITES)
def test_ids__an_unknown_one_in_the_path(mesh: SmallMesh, operation: str) -> None:
    request = request_for(mesh, operation, "unknown-id")
    parts = request.path.split("/")
    place = {"domains": 2, "projects": 2, "tables": 2, "assets": 2, "subscriptions": 2}.get(
        parts[1]
    )
    place = 3 if parts[1] == "data-quality" and len(parts) > 3 else place
    without_id = {
        "notifySubscribers",
        "requestSubscriptions",
        "approveSubscriptions",
        "createExternalTable",
        "startCrawl",
    }
    if place is None or place >= len(parts) or operation in without_id:
        return
    for unknown in ("x", "tbl-unknown", "%00", "..%2f..", "'%20OR%201=1", "🙂", "x" * 4000):
        changed = copy.copy(request)
        changed.path = "/".join([*parts[:place], unknown, *parts[place + 1 :]])
        told = refused(mesh, changed, operation)
        assert told["status"] == 404
        assert told["code"].endswith("_NOT_FOUND")


@pytest.mark.parametrize("operation", [name for name in JSON_WRITES if name not in FREE_FORM])
def test_ids__an_unknown_one_in_the_body(mesh: SmallMesh, operation: str) -> None:
    request = request_for(mesh, operation, "unknown-body")
    for field in set(request.json) & {"domainId", "projectId", "tableId", "assetId"}:
        changed = {**request.json, field: "proj-unknown"}
        told = refused(
            mesh, Request(request.method, request.path, changed, headers=request.headers), operation
        )
        assert (told["status"], fields(told)) == (404, [field])
        for wrong in ("", "x", "A-B", "a b", "a/b", "../x", "a" * 81, f"{VALUE}!"):
            changed = {**request.json, field: wrong}
            told = refused(
                mesh,
                Request(request.method, request.path, changed, headers=request.headers),
                operation,
            )
            assert (told["code"], fields(told)) == ("REQUEST_INVALID", [field])


BAD_NAMES = (
    "",
    "a",
    "-a",
    "a-",
    "a--b",
    "A",
    "a b",
    "a_b",
    "ä",
    "a\n",
    "a/b",
    "../x",
    "x" * 49,
)


@pytest.mark.parametrize("operation", ["createDomain", "createProject"])
@pytest.mark.parametrize("name", BAD_NAMES)
def test_names__that_no_bucket_may_have(mesh: SmallMesh, operation: str, name: str) -> None:
    request = request_for(mesh, operation, "names")
    request.json["name"] = name
    told = refused(mesh, request, operation)
    assert (told["code"], fields(told)) == ("REQUEST_INVALID", ["name"])


BAD_SQL_NAMES = ("", "1a", "A", "a b", "a-b", 'a"b', "a.b", "a;b", "ä", "a\n", "x" * 64)


@pytest.mark.parametrize(
    ("operation", "field"),
    [("createTable", "name"), ("publishAsset", "name"), ("materializeQuery", "tableName")],
)
def test_names__that_sql_does_not_take_bare(mesh: SmallMesh, operation: str, field: str) -> None:
    request = request_for(mesh, operation, "sqlnames")
    for name in BAD_SQL_NAMES:
        request.json[field] = name
        told = refused(mesh, request, operation)
        assert (told["code"], fields(told)) == ("REQUEST_INVALID", [field])


@pytest.mark.parametrize(
    ("operation", "field"),
    [
        ("createDomain", "name"),
        ("createProject", "name"),
        ("createTable", "name"),
        ("materializeQuery", "tableName"),
    ],
)
def test_names__taken_before(mesh: SmallMesh, operation: str, field: str) -> None:
    request = request_for(mesh, operation, "twice")
    assert request.send(mesh.clients[SENDER.get(operation, "owner")]).status_code == 201
    settled_state(mesh.server.home)
    told = refused(mesh, request, operation)
    assert (told["status"], told["code"], fields(told)) == (409, "NAME_TAKEN", [field])


def test_names__of_an_asset_or_its_table_taken_before(mesh: SmallMesh) -> None:
    request = request_for(mesh, "publishAsset", "twice")
    assert request.send(mesh.clients["owner"]).status_code == 201
    other = request_for(mesh, "publishAsset", "twice-more")
    taken = Request("POST", "/assets", {**other.json, "name": request.json["name"]})
    told = refused(mesh, taken, "publishAsset")
    assert (told["status"], told["code"], fields(told)) == (409, "NAME_TAKEN", ["name"])
    again = Request("POST", "/assets", {**other.json, "tableId": request.json["tableId"]})
    told = refused(mesh, again, "publishAsset")
    assert (told["status"], told["code"], fields(told)) == (409, "TABLE_PUBLISHED", ["tableId"])


def test_names__said_twice_in_one_request(mesh: SmallMesh) -> None:
    for operation in ("createDomain", "createProject"):
        request = request_for(mesh, operation, "members")
        request.json["members"] = [{"principal": "user:a@b", "role": "viewer"}] * 2
        told = refused(mesh, request, operation)
        assert (told["code"], fields(told)) == ("MEMBER_REPEATED", ["members.1.principal"])
    request = request_for(mesh, "createTable", "columns")
    request.json["columns"] = [{"name": "level", "type": "long"}] * 2
    told = refused(mesh, request, "createTable")
    assert (told["code"], fields(told)) == ("COLUMN_NAME_TAKEN", ["columns.1.name"])


UPDATES = ("updateDomain", "updateProject", "updateAsset")


@pytest.mark.parametrize("operation", UPDATES)
def test_if_match__missing_stale_or_no_tag(mesh: SmallMesh, operation: str) -> None:
    request = request_for(mesh, operation, "if-match")
    request.headers = {}
    told = refused(mesh, request, operation)
    assert (told["status"], told["code"]) == (428, "IF_MATCH_REQUIRED")
    assert fields(told) == ["If-Match"]
    for tag in ('"0"', '"999999"'):
        request.headers = {"If-Match": tag}
        told = refused(mesh, request, operation)
        assert (told["status"], told["code"], fields(told)) == (412, "STALE", ["If-Match"])
    for tag in (
        "",
        "*",
        "1",
        'W/"1"',
        '"x"',
        '"1", "2"',
        '"-1"',
        '"1',
        f'"{10**30}"',
        f'"{VALUE}"',
    ):
        request.headers = {"If-Match": tag}
        told = refused(mesh, request, operation)
        assert (told["status"], told["code"]) == (400, "IF_MATCH_INVALID")


@pytest.mark.parametrize(
    "operation", [name for name in WRITES if name not in NOT_KEPT | NEVER_DONE]
)
def test_idempotency_key__used_again_for_something_else(mesh: SmallMesh, operation: str) -> None:
    client = mesh.clients[SENDER.get(operation, "owner")]
    key = f"key-{operation}"
    request = request_for(mesh, operation, "first-use")
    request.headers["Idempotency-Key"] = key
    first = request.send(client)
    assert first.is_success, first.text
    again = request.send(client)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (first.status_code, "true")
    if operation not in {"approveSubscription", "revokeSubscription"}:
        assert again.content == first.content

    if operation in {"setupProject", "checkLakeDrift"}:
        return  # it takes nothing, so that each of its requests is the same

    other = request_for(mesh, operation, "second-use")
    if other.json is not None:
        other.content = json.dumps(other.json).encode() + b" "
        other.headers |= JSON_TYPE
    other.headers["Idempotency-Key"] = key
    settled_state(mesh.server.home)
    told = refused(mesh, other, operation)
    assert (told["status"], told["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert fields(told) == ["Idempotency-Key"]


@pytest.mark.parametrize("operation", [name for name in WRITES if name not in NOT_KEPT])
def test_idempotency_key__that_is_none(mesh: SmallMesh, operation: str) -> None:
    request = request_for(mesh, operation, "no-key")
    for key in ("", "x" * 201, "two words", "tab\tbed"):
        request.headers["Idempotency-Key"] = key
        told = refused(mesh, request, operation)
        assert (told["status"], told["code"]) == (400, "IDEMPOTENCY_KEY_INVALID")
        assert fields(told) == ["Idempotency-Key"]


def test_idempotency_key__is_each_persons_own(mesh: SmallMesh) -> None:
    request = request_for(mesh, "createTable", "own-key")
    request.headers["Idempotency-Key"] = "shared"
    assert request.send(mesh.clients["owner"]).status_code == 201
    answer = request.send(mesh.clients["contributor"])
    assert problem_of(answer)["code"] == "NAME_TAKEN"


BAD_CONTRACTS = {
    "no YAML": "a: [",
    "no mapping": "- a\n- b\n",
    "a scalar": VALUE,
    "an empty document": "---\n",
    "two documents": CONTRACT + "---\n" + CONTRACT,
    "no version of the standard": CONTRACT.replace("apiVersion: v3.1.0\n", ""),
    "a version that is not there": CONTRACT.replace("v3.1.0", f"v{VALUE}"),
    "another kind": CONTRACT.replace("DataContract", VALUE),
    "no id": CONTRACT.replace("id: 1c7bb6a5-4b2e-4f0e-9e43-0c8f5f1a2b3c\n", ""),
    "a field that the standard does not have": CONTRACT + f"surplus: {VALUE}\n",
    "a type that the standard does not have": CONTRACT.replace(
        "logicalType: string", "logicalType: x"
    ),
    "a list where text belongs": CONTRACT.replace("status: active", f"status: [{VALUE}]"),
    "an alias bomb": "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c, *c, *c]\n",
    "a Python tag": f"a: !!python/object/apply:os.system ['{VALUE}']\n",
    "a NUL": CONTRACT + "\0",
    "nested too deeply": "a: " + "[" * 500 + "]" * 500,
}


@pytest.mark.parametrize("what", BAD_CONTRACTS)
def test_contracts__that_are_not_odcs(mesh: SmallMesh, what: str) -> None:
    request = request_for(mesh, "publishAsset", f"contract-{list(BAD_CONTRACTS).index(what)}")
    request.json["contract"] = BAD_CONTRACTS[what]
    told = refused(mesh, request, "publishAsset")
    assert (told["status"], told["code"]) == (400, "CONTRACT_INVALID")
    assert all(name.startswith("contract") for name in fields(told))
    assert fields(told)


def test_contracts__of_another_table(mesh: SmallMesh) -> None:
    for number, (old, new) in enumerate(
        (("name: station", "name: harbour"), ("logicalType: integer", "logicalType: boolean"))
    ):
        request = request_for(mesh, "publishAsset", f"mismatch-{number}")
        request.json["contract"] = CONTRACT.replace(old, new)
        told = refused(mesh, request, "publishAsset")
        assert (told["status"], told["code"]) == (400, "CONTRACT_MISMATCH")
        assert fields(told)


BAD_RULESETS = {
    "not a ruleset": VALUE,
    "no rules": "Rules = [ ]",
    "no end": "Rules = [ RowCount > 1",
    "an unknown rule": "Rules = [ Frobnicate > 1 ]",
    "no condition": 'Rules = [ ColumnValues "level" ]',
    "a column that is not there": 'Rules = [ IsComplete "nowhere" ]',
    "text compared as a number": 'Rules = [ Sum "station" > 1 ]',
    "statements": "Rules = [ RowCount > 1 ]; DROP TABLE x",
    "a custom statement that reaches out": "Rules = [ CustomSql \"SELECT getenv('HOME')\" > 1 ]",
    "a NUL": "Rules = [ RowCount > 1 ]\0",
    "nested too deeply": "Rules = [ " + "(" * 2000 + "RowCount > 1" + ")" * 2000 + " ]",
    "a broken expression": 'Rules = [ ColumnValues "station" matches "(" ]',
}


@pytest.mark.parametrize("what", BAD_RULESETS)
def test_rulesets__that_are_not_dqdl_or_do_not_fit(mesh: SmallMesh, what: str) -> None:
    request = request_for(mesh, "putRuleset", "ruleset")
    request.json["ruleset"] = BAD_RULESETS[what]
    told = refused(mesh, request, "putRuleset")
    assert told["status"] == 400
    assert told["code"].startswith("RULE")
    assert all(name.startswith("ruleset") for name in fields(told))
    assert fields(told)
