"""The commands of events against a real server, and those that ask none."""

import json
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.builders.interruptible import interruptible
from tests.builders.mortal_server import free_port
from tests.builders.server import Server, running_server
from tests.builders.terminal import Terminal, type_offline

EVENT = {
    "version": "0",
    "id": "evt-1",
    "detail-type": "ProjectCreated",
    "source": "management-app.projects",
    "account": "000000000000",
    "time": "2026-11-01T08:00:00.000000Z",
    "region": "local",
    "resources": ["proj-1"],
    "detail": {"projectName": "delay-research"},
}
LISTED = {
    "eventId": "evt-1",
    "type": "ProjectCreated",
    "source": "management-app.projects",
    "entity": "proj-1",
    "time": "2026-11-01T08:00:00.000000Z",
    "detail": {"projectName": "delay-research"},
}
DELAYS = {"detail": {"projectName": [{"prefix": "delay-"}]}}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as running:
        yield running


@pytest.fixture(scope="module")
def admin(server: Server) -> Terminal:
    return Terminal(server, "admin@mesh", "mesh-admins")


@pytest.fixture(scope="module")
def passer_by(server: Server) -> Terminal:
    return Terminal(server, "passer@by")


def send(server: Server, source: str, **detail: Any) -> None:
    """Puts an event of somebody's own on the bus."""
    with server.client("admin@mesh", ("mesh-admins",)) as client:
        entry = {"source": source, "detailType": "Happened", "detail": detail}
        answer = client.post("/api/v1/events", json={"entries": [entry]})
        assert answer.status_code == 201, answer.text


def receive(server: Server, queue: str) -> list[Any]:
    """The bodies of messages, once there are any."""
    with server.client("admin@mesh", ("mesh-admins",)) as client:
        path = f"/api/v1/events/queues/{queue}/receive"
        answer = client.post(path, json={"maxMessages": 10, "waitSeconds": 10})
        return [item["body"] for item in answer.json()["items"]]


def rule(name: str, source: str, /, **target: Any) -> str:
    """A rule that sends a source's events to a target."""
    return json.dumps(
        {"name": name, "eventPattern": {"source": [source]}, "targets": [{"id": "one", **target}]}
    )


@contextmanager
def listening(port: int) -> Iterator[list[Any]]:
    """What is posted to that port of this machine."""
    received: list[Any] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *words: Any) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", port), Hook) as hook:
        thread = threading.Thread(target=hook.serve_forever)
        thread.start()
        yield received
        hook.shutdown()
        thread.join()


def test_test_pattern__says_match_or_no_match__exit_code_0_or_1() -> None:
    held = type_offline(
        "events", "test-pattern", "--pattern", json.dumps(DELAYS), "--event", json.dumps(EVENT)
    )
    assert (held.exit_code, held.stdout) == (0, "match\n")
    other = {"detail": {"projectName": ["other"]}}
    missed = type_offline(
        "events", "test-pattern", "--pattern", json.dumps(other), "--event", json.dumps(EVENT)
    )
    assert (missed.exit_code, missed.stdout) == (1, "no match\n")


def test_test_pattern__of_files_and_standard_input__the_same(tmp_path: Path) -> None:
    pattern, event = tmp_path / "pattern.json", tmp_path / "event.json"
    pattern.write_text(json.dumps(DELAYS), "utf-8")
    event.write_text(json.dumps(EVENT), "utf-8")
    words = ("events", "test-pattern", "--pattern", str(pattern), "--json")
    for given, piped in ((str(event), None), ("-", json.dumps(EVENT))):
        result = type_offline(*words, "--event", given, given=piped)
        assert json.loads(result.stdout) == {"matches": True}


@pytest.mark.parametrize(
    ("event", "tested"), [(LISTED, 1), ({"items": [LISTED, {**LISTED, "detail": {}}]}, 2)]
)
def test_test_pattern__of_what_list_prints__names_those_that_match(
    event: dict[str, Any], tested: int
) -> None:
    result = type_offline(
        "events",
        "test-pattern",
        "--rule",
        json.dumps({"name": "delays", "eventPattern": DELAYS}),
        "--event",
        json.dumps(event),
        "--json",
    )
    document = json.loads(result.stdout)
    assert (document["tested"], document["items"]) == (tested, [EVENT])


@pytest.mark.parametrize(
    ("pattern", "event", "code"),
    [
        ('{"source": "x"}', json.dumps(EVENT), "InvalidEventPatternException"),
        ('{"source": [', json.dumps(EVENT), "InvalidEventPatternException"),
        ('{"source": ["x"]}', '{"source": "x"}', "ValidationException"),
        ('{"source": ["x"]}', "no-such-file.json", "FILE_UNREADABLE"),
    ],
)
def test_test_pattern__that_cannot_be_read__exit_code_1_with_code_and_message(
    pattern: str, event: str, code: str
) -> None:
    result = type_offline("events", "test-pattern", "--pattern", pattern, "--event", event)
    assert result.exit_code == 1
    assert code in result.stderr
    assert "Traceback" not in result.stderr


def test_test_pattern__without_a_pattern__is_wrong_use() -> None:
    assert type_offline("events", "test-pattern", "--event", "{}").exit_code == 2


def test_rules__put_shown_listed_disabled_deleted(admin: Terminal, server: Server) -> None:
    written = rule("lamps", "house.lamps", type="queue", name="lamps")
    put = admin.json("events", "rules", "put", "-", given=written)
    assert (put["state"], put["targets"][0]["name"]) == ("ENABLED", "lamps")
    send(server, "house.lamps", on=True)
    assert [body["detail"] for body in receive(server, "lamps")] == [{"on": True}]
    assert "queue lamps" in admin.type("events", "rules", "list", "--prefix", "lamps").stdout
    assert "Disabled" in admin.type("events", "rules", "disable", "lamps").stdout
    shown = admin.type("events", "rules", "show", "lamps").stdout
    assert "disabled" in shown
    assert "house.lamps" in shown
    assert admin.json("events", "rules", "enable", "lamps")["state"] == "ENABLED"
    assert admin.json("events", "rules", "delete", "lamps") == {"deleted": "lamps"}
    gone = admin.type("events", "rules", "show", "lamps")
    assert gone.exit_code == 1
    assert "RULE_NOT_FOUND" in gone.stderr


def test_rules__one_that_was_shown__can_be_put_again(admin: Terminal) -> None:
    admin.json("events", "rules", "put", rule("doors", "house.doors", type="queue", name="doors"))
    shown = admin.json("events", "rules", "show", "doors")
    again = admin.json("events", "rules", "put", json.dumps(shown))
    assert {**again, "version": 0} == {**shown, "version": 0}


def test_rules__a_webhook__its_key_is_shown_once(admin: Terminal) -> None:
    written = rule("bells", "house.bells", type="webhook", url="http://127.0.0.1:9/bells")
    assert "whsec_" in admin.type("events", "rules", "put", written).stdout
    assert "whsec_" not in admin.type("events", "rules", "put", written).stdout
    assert "whsec_" not in admin.type("events", "rules", "show", "bells", "--json").stdout


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ('{"targets": []}', "RULE_INVALID"),
        ('{"name": "x", "eventPattern": {"a": 1}, "targets": []}', "REQUEST_INVALID"),
        ("[]", "JSON_INVALID"),
        ("{", "JSON_INVALID"),
        ("no-such-file.json", "FILE_UNREADABLE"),
    ],
)
def test_rules__one_that_is_wrong__exit_code_1_says_what(
    admin: Terminal, written: str, code: str
) -> None:
    result = admin.type("events", "rules", "put", written)
    assert result.exit_code == 1
    assert code in result.stderr


def test_rules__put_by_someone_without_the_right__is_refused(passer_by: Terminal) -> None:
    result = passer_by.type(
        "events", "rules", "put", rule("mine", "a", type="queue", name="mine"), "--json"
    )
    assert result.exit_code == 1
    assert json.loads(result.stdout)["code"] == "FORBIDDEN"


def test_tail__from_the_beginning__one_line_an_event(admin: Terminal, server: Server) -> None:
    send(server, "house.windows", open=True)
    told = admin.type("events", "tail", "--after", "0", "--count", "1", "--type", "Happened")
    assert told.exit_code == 0, told.output
    assert len(told.stdout.splitlines()) == 1
    assert "Happened" in told.stdout


def test_tail__with_a_pattern_as_json__a_document_a_line(admin: Terminal, server: Server) -> None:
    for number in range(3):
        send(server, "house.stairs", number=number)
    pattern = '{"source": ["house.stairs"], "detail": {"number": [{"numeric": [">", 0]}]}}'
    told = admin.type(
        "events", "tail", "--after", "0", "--count", "2", "--pattern", pattern, "--json"
    )
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert [line["detail"]["number"] for line in lines] == [1, 2]


def test_tail__of_what_is_to_come__follows_until_it_is_interrupted(server: Server) -> None:
    command = [sys.executable, "-m", "meshplane", "events", "tail", "--type", "Happened", "--json"]
    who = ["--url", server.url, "--home", str(server.home), "--user", "admin@mesh"]
    with interruptible():
        tail = subprocess.Popen(
            [*command, *who, "--groups", "mesh-admins"], stdout=subprocess.PIPE, text=True
        )
    assert tail.stdout is not None
    try:
        # When it has begun to listen, it does not tell; what it is to hear is sent until it hears.
        for sent in range(300):
            send(server, "house.clock", tick=sent)
            if select.select([tail.stdout], [], [], 0.1)[0]:
                break
        tail.send_signal(signal.SIGINT)
        heard = tail.communicate(timeout=20)[0].splitlines()
    finally:
        tail.kill()
        tail.communicate()
    assert tail.returncode == 0
    assert {json.loads(line)["source"] for line in heard} == {"house.clock"}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--after", "evt-of-another-mesh"), "LAST_EVENT_UNKNOWN"),
        (("--pattern", '{"a": 1}'), "InvalidEventPatternException"),
    ],
)
def test_tail__that_the_server_refuses__says_why(
    admin: Terminal, words: tuple[str, ...], code: str
) -> None:
    result = admin.type("events", "tail", *words)
    assert result.exit_code == 1
    assert code in result.stderr


def test_tail__without_a_server__says_so_at_once() -> None:
    result = type_offline("events", "tail", "--url", "http://127.0.0.1:9", "--token", "x")
    assert result.exit_code == 1
    assert "SERVER_UNREACHABLE" in result.stderr


def test_dead_letters__redriven_once_the_cause_is_gone__arrive(
    admin: Terminal, server: Server
) -> None:
    port = free_port()
    once = {"maximumRetryAttempts": 0}
    hook = f"http://127.0.0.1:{port}/hook"
    written = rule("starts", "house.cellar", type="webhook", url=hook, retryPolicy=once)
    admin.json("events", "rules", "put", written)
    for number in range(2):
        send(server, "house.cellar", number=number)
    letters: list[Any] = []
    give_up = time.monotonic() + 20
    while len(letters) < 2 and time.monotonic() < give_up:
        letters = admin.json("events", "dead-letters", "list")["items"]
    assert {letter["errorCode"] for letter in letters} == {"OUTBOUND_UNREACHABLE"}
    shown = admin.type("events", "dead-letters", "show", letters[0]["deadLetterId"])
    assert "starts" in shown.stdout
    with listening(port) as received:
        assert admin.json("events", "redrive", letters[0]["deadLetterId"]) == {"redriven": 1}
        assert admin.json("events", "redrive", "--all") == {"redriven": 1}
        while len(received) < 2 and time.monotonic() < give_up:
            time.sleep(0.02)
    assert sorted(event["data"]["detail"]["number"] for event in received) == [0, 1]
    assert "No dead letters." in admin.type("events", "dead-letters", "list").stdout


@pytest.mark.parametrize("words", [(), ("dl-1", "--all"), ("--queue", "q", "--all")])
def test_redrive__without_saying_what__is_wrong_use(
    admin: Terminal, words: tuple[str, ...]
) -> None:
    assert admin.type("events", "redrive", *words).exit_code == 2


def test_replay__of_an_archive_to_one_rule__the_past_arrives(
    admin: Terminal, server: Server
) -> None:
    send(server, "house.attic", dust=True)
    admin.json("events", "rules", "put", rule("attic", "house.attic", type="queue", name="attic"))
    pattern = '{"source": ["house.attic"]}'
    admin.json("events", "archives", "put", "attic", "--pattern", pattern, "--days", "7")
    assert "house.attic" in admin.type("events", "archives", "list").stdout
    words = ("events", "replay", "attic", "--from", "1h", "--rule", "attic", "--name", "again")
    replayed = admin.json(*words, "--wait")
    assert (replayed["state"], replayed["events"]) == ("COMPLETED", 1)
    bodies = receive(server, "attic")
    assert [body["replay-name"] for body in bodies] == ["again"]
    assert "completed" in admin.type("events", "replays").stdout
    assert admin.json("events", "archives", "delete", "attic") == {"deleted": "attic"}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("nothing", "--from", "1h"), "ARCHIVE_NOT_FOUND"),
        (("nothing", "--from", "yesterday"), "INSTANT_INVALID"),
        (("nothing", "--from", "2026-02-30"), "INSTANT_INVALID"),
    ],
)
def test_replay__of_what_there_is_not__says_so(
    admin: Terminal, words: tuple[str, ...], code: str
) -> None:
    result = admin.type("events", "replay", *words)
    assert result.exit_code == 1
    assert code in result.stderr
