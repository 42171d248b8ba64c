"""The commands of the lake against a real server."""

from collections.abc import Iterator

import pytest

from tests.builders.server import running_server
from tests.builders.small_mesh import SmallMesh
from tests.builders.terminal import Terminal


@pytest.fixture(scope="module")
def mesh() -> Iterator[SmallMesh]:
    with running_server() as server:
        made = SmallMesh(server)
        yield made
        made.close()


@pytest.fixture(scope="module")
def admin(mesh: SmallMesh) -> Terminal:
    return Terminal(mesh.server, "ada@mesh", "mesh-admins")


@pytest.fixture(scope="module")
def steward(mesh: SmallMesh) -> Terminal:
    return Terminal(mesh.server, "sam@harbour")


@pytest.fixture(scope="module")
def owner(mesh: SmallMesh) -> Terminal:
    return Terminal(mesh.server, "dora@harbour")


def test_drift__of_a_lake_that_holds_what_was_granted_is_none(steward: Terminal) -> None:
    shown = steward.type("lake", "drift", "--domain", "harbour")
    assert shown.exit_code == 0, shown.output
    assert "The lake holds what was granted." in shown.stdout


def test_drift_plan_and_reconcile__tell_excess_and_remove_it(
    mesh: SmallMesh, admin: Terminal, steward: Terminal, owner: Terminal
) -> None:
    body = {
        "principal": "user:eve@m",
        "resource": {"Table": {"DatabaseName": "harbour", "Name": "readings"}},
        "permissions": ["SELECT"],
        "reason": "At night.",
    }
    mesh.ask("administrator", "POST", "/lake/grants", body)
    shown = steward.type("lake", "drift", "--domain", "harbour")
    assert shown.exit_code == 1
    for word in ("excess", "critical", "user:eve@m", "harbour.readings", "ada@mesh"):
        assert word in shown.stdout
    assert owner.json("lake", "policy", "harbour", "--excess", "remove")["excess"] == "remove"

    plan = steward.json("lake", "reconcile", "--domain", "harbour", "--plan")
    assert (plan["status"], plan["actions"]["remove"]) == ("PLANNED", 1)
    assert "user:eve@m" in admin.type("lake", "grants").stdout, "a plan changes nothing"

    done = steward.json("lake", "reconcile", "--domain", "harbour")
    assert (done["status"], done["removed"], done["failed"]) == ("COMPLETED", 1, 0)
    assert "user:eve@m" not in admin.type("lake", "grants").stdout
    assert "nothing to do" in steward.type("lake", "reconcile", "--domain", "harbour").stdout


def test_check__tells_how_many_differ(admin: Terminal) -> None:
    assert admin.json("lake", "check")["missing"] == 0


def test_tags__are_made_assigned_shown_and_taken_away(admin: Terminal, steward: Terminal) -> None:
    admin.json("lake", "tag", "team", "sea", "land")
    assert "sea, land" in steward.type("lake", "tags").stdout
    asset = "harbour.readings"
    put = steward.json("lake", "assign", asset, "team=sea", "--column", "level")
    assert [(one["column"], one["value"]) for one in put["tags"]] == [("level", "sea")]
    assert "level" in steward.type("lake", "assigned", asset).stdout
    gone = steward.json("lake", "assign", asset, "team=", "--column", "level")
    assert gone["tags"] == []


def test_filter__is_made_and_listed(steward: Terminal) -> None:
    asset = "harbour.readings"
    steward.json("lake", "filter", asset, "low", "--rows", "level < 3", "--include", "level")
    (found,) = steward.json("lake", "filters", asset)["items"]
    assert (found["name"], found["includedColumns"]) == ("low", ["level"])


def test_compiled__shows_what_lake_formation_must_hold(mesh: SmallMesh, steward: Terminal) -> None:
    words = ("lake", "compiled", f"grant-{mesh.subscription}")
    (entry,) = steward.json(*words)["entries"]
    assert entry["principal"].endswith(f":role/project-{mesh.maps}-role")
    assert "SELECT" in steward.type(*words).stdout
