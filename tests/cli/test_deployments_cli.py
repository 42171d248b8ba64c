"""`meshplane deployments`: the plan is shown before anybody is asked, and nothing comes before."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders.server import running_server
from tests.builders.terminal import Terminal

pytestmark = pytest.mark.scenario

TEMPLATE = """
Parameters:
  Delay: {Type: Number}
Resources:
  Inbox: {Type: "AWS::SQS::Queue", Properties: {DelaySeconds: !Ref Delay}}
Outputs:
  Delay: {Value: !Ref Delay}
"""


@pytest.fixture(scope="module")
def terminal() -> Iterator[Terminal]:
    with running_server() as server:
        admin = Terminal(server, "ada@mesh", "mesh-admins")
        admin.json("domains", "create", "harbour")
        admin.json("projects", "create", "tides", "--domain", "harbour")
        give_up = time.monotonic() + 60
        # Its set-up deploys as well: what is listed first is ours only after that.
        while statuses(admin) != ["SUCCESS"]:
            assert time.monotonic() < give_up, "the project is not set up"
            time.sleep(0.1)
        yield admin


@pytest.fixture
def template(tmp_path: Path) -> str:
    path = tmp_path / "queue.yaml"
    path.write_text(TEMPLATE, "utf-8")
    return str(path)


def wish(name: str, template: str, environment: str, delay: str = "5") -> list[str]:
    given = ["--parameter", f"Delay={delay}", "--tag", "Team=tides"]
    return ["deployments", name, "tides", environment, template, *given]


def statuses(terminal: Terminal) -> list[str]:
    return [one["status"] for one in terminal.json("deployments", "list", "tides")["items"]]


def test_deploy__shows_the_plan_asks_and_carries_it_out(terminal: Terminal, template: str) -> None:
    ran = terminal.type(*wish("deploy", template, "staging"), given="y\n")
    assert ran.exit_code == 0, ran.output
    places = [ran.output.index(words) for words in ("Add", "Carry it out?", "CREATE_COMPLETE")]
    assert places == sorted(places)
    assert "Delay: 5" in ran.output
    found = terminal.json("deployments", "list", "tides")["items"][0]
    assert (found["status"], found["tags"]["Team"]) == ("SUCCESS", "tides")
    events = terminal.json("deployments", "events", found["deploymentId"])["items"]
    assert events[-1]["status"] == "CREATE_COMPLETE"
    followed = terminal.type("deployments", "events", found["deploymentId"], "--follow")
    assert followed.output.count("CREATE_COMPLETE") == 2
    drift = terminal.type("deployments", "drift", found["deploymentId"])
    assert (drift.exit_code, "as its template says" in drift.output) == (0, True)


@pytest.mark.parametrize("given", ["n\n", ""])
def test_deploy__a_no_or_nobody_drops_the_plan(
    terminal: Terminal, template: str, given: str
) -> None:
    ran = terminal.type(*wish("deploy", template, "prod"), given=given)
    assert ran.exit_code == 1
    assert "Nothing was changed" in ran.output
    assert statuses(terminal)[0] == "CANCELLED"


def test_deploy__with_json_must_say_yes(terminal: Terminal, template: str) -> None:
    before = statuses(terminal)
    refused = terminal.type(*wish("deploy", template, "prod"), "--json")
    assert refused.exit_code == 2
    assert statuses(terminal) == before
    done = terminal.json(*wish("deploy", template, "prod", "6"), "--yes")
    assert (done["status"], done["outputs"]) == ("SUCCESS", {"Delay": "6"})


def test_plan_then_execute_then_remove(terminal: Terminal, template: str) -> None:
    planned = terminal.json(*wish("plan", template, "dev"))
    assert (planned["status"], planned["changes"][0]["action"]) == ("PLANNED", "Add")
    name = planned["deploymentId"]
    done = terminal.json("deployments", "execute", name, "--yes")
    assert done["status"] == "SUCCESS"
    refused = terminal.type("deployments", "cancel", name, "--json")
    assert (refused.exit_code, "DEPLOYMENT_ENDED" in refused.output) == (1, True)
    removed = terminal.type("deployments", "remove", name, given="y\n")
    assert (removed.exit_code, "REMOVED" in removed.output) == (0, True)


def test_template_with_errors__is_refused_with_its_place(
    terminal: Terminal, tmp_path: Path
) -> None:
    pytest.importorskip("cfnlint", reason="templates are checked with cfn-lint")
    path = tmp_path / "wrong.yaml"
    path.write_text('Resources: {Inbox: {Type: "AWS::SQS::Queue", Properties: {Nope: 1}}}', "utf-8")
    refused = terminal.type("deployments", "plan", "tides", "staging", str(path), "--json")
    assert refused.exit_code == 1
    assert "TEMPLATE_INVALID" in refused.output
    assert "Resources.Inbox.Properties" in refused.output
