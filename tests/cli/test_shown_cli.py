"""The commands about the portal and the lake's own catalogue, where there is neither."""

from collections.abc import Iterator

import pytest

from tests.builders.server import running_server
from tests.builders.terminal import Terminal


@pytest.fixture(scope="module")
def admin() -> Iterator[Terminal]:
    with running_server() as server:
        yield Terminal(server, "ada@mesh", "mesh-admins")


def test_portal_drift__of_a_mesh_that_shows_nothing__says_so(admin: Terminal) -> None:
    shown = admin.type("catalog", "portal-drift")
    assert shown.exit_code == 0, shown.output
    assert "This mesh shows nothing in a portal." in shown.stdout
    assert admin.json("catalog", "portal-drift") == {"items": [], "compared": False}


def test_portal_reconcile__of_a_mesh_that_shows_nothing__says_so(admin: Terminal) -> None:
    shown = admin.type("catalog", "portal-reconcile", "--mend")
    assert shown.exit_code == 0, shown.output
    assert "This mesh shows nothing in a portal." in shown.stdout
    done = admin.json("catalog", "portal-reconcile")
    assert (done["status"], done["kinds"], done["brought"]) == ("COMPLETED", 0, 0)


def test_tables_drift_and_reconcile__without_another_catalogue__say_so(admin: Terminal) -> None:
    alone = "This mesh keeps its tables in its own catalogue, and in no other."
    for command in ("drift", "reconcile"):
        shown = admin.type("tables", command)
        assert shown.exit_code == 0, shown.output
        assert alone in shown.stdout
    assert admin.json("tables", "drift") == {"items": [], "compared": False}
    done = admin.json("tables", "reconcile")
    assert (done["status"], done["compared"], done["inStep"]) == ("COMPLETED", False, 0)


def test_keeping_a_version__of_no_table__is_refused(admin: Terminal) -> None:
    shown = admin.type("tables", "reconcile", "--keep", "ours")
    assert shown.exit_code == 1
    assert "Name the table" in shown.output
