"""`meshplane permissions` and `meshplane audit access` against a real server."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from meshplane.cli.app import app
from tests.builders.server import running_server
from tests.builders.small_mesh import SmallMesh

READINGS, UNA, EVE = "harbour.readings", "user:una@nowhere", "user:eve@nowhere"


@pytest.fixture(scope="module")
def mesh() -> Iterator[SmallMesh]:
    with running_server() as server:
        made = SmallMesh(server)
        yield made
        made.close()


def type_in(mesh: SmallMesh, *words: str, user: str = "sam@harbour") -> Result:
    """Types a command as one person, by default the steward."""
    server = mesh.server
    who = ["--url", server.url, "--home", str(server.home), "--user", user]
    return CliRunner().invoke(app, [*words, *who, "--groups", "", "--token", ""])


def told(mesh: SmallMesh, *words: str, user: str = "sam@harbour") -> Any:
    result = type_in(mesh, *words, "--json", user=user)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_grant__explain_effective_and_revoke__tell_what_is_so(mesh: SmallMesh) -> None:
    words = ("--principal", UNA, "--asset", READINGS, "--column", "station", "--reason", "A look.")
    tried = type_in(mesh, "permissions", "grant", *words, "--simulate")
    assert "Gains SELECT" in tried.stdout
    given = told(
        mesh, "permissions", "grant", *words, "--mask", "station=last:2", "--with-grant-option"
    )
    assert given["permissionsWithGrantOption"] == ["SELECT"]
    listed = type_in(mesh, "permissions", "list", "--asset", READINGS).stdout
    assert given["grantId"] in listed
    holder = ("--principal", UNA)
    seen = type_in(mesh, "permissions", "effective", READINGS, *holder).stdout
    assert "partial" in seen
    assert "Rows: all" in seen
    why = type_in(mesh, "permissions", "explain", READINGS, *holder, user="una@nowhere").stdout
    assert f"{UNA} reads 1 of 2 columns of {READINGS}, in all rows." in why
    at = told(mesh, "audit", "access", "--asset", READINGS)["at"]
    # An id is the whole grant: a column beside it does not make it less, and is not passed over.
    part = type_in(mesh, "permissions", "revoke", given["grantId"], "--column", "station")
    assert part.exit_code == 2
    tried = type_in(mesh, "permissions", "revoke", given["grantId"], "--simulate")
    assert "Loses SELECT" in tried.stdout
    done = type_in(mesh, "permissions", "revoke", given["grantId"], "--reason", "It is over.")
    assert f"Ended {given['grantId']}." in done.stdout
    held = type_in(mesh, "audit", "access", "--asset", READINGS, "--at", at)
    assert given["grantId"] in held.stdout
    assert given["grantId"] not in type_in(mesh, "audit", "access", "--asset", READINGS).stdout


def test_grant__on_tags_a_database_and_by_what_is_left_out__names_the_right_thing(
    mesh: SmallMesh,
) -> None:
    reason = ("--reason", "A look.", "--principal", UNA)
    tags = ("--tag", "classification=public|internal", "--domain", "harbour")
    on_tags = told(mesh, "permissions", "grant", *tags, *reason)
    assert on_tags["resource"]["tags"]["domainId"] == mesh.harbour
    tables = told(
        mesh, "permissions", "grant", "--domain", "harbour", "--all-tables", *reason,
        "--permission", "INSERT",
    )  # fmt: skip
    assert tables["resource"] == {"allTables": {"domainId": mesh.harbour}}
    rest = told(mesh, "permissions", "grant", "--asset", READINGS, "--without", "level", *reason)
    assert rest["resource"]["columns"]["excluded"] == ["level"]
    part = ("--principal", UNA, "--asset", READINGS, "--column", "station")
    done = told(mesh, "permissions", "revoke", *part)
    assert done["ended"] or done["changed"]
    wrong = type_in(mesh, "permissions", "grant", "--asset", READINGS, *tags, *reason)
    assert wrong.exit_code == 2


def test_simulate__of_a_tag__tells_for_whom_it_would_change_something(mesh: SmallMesh) -> None:
    tags = ("--tag", "classification=restricted", "--domain", "harbour")
    told(mesh, "permissions", "grant", *tags, "--principal", EVE, "--reason", "A look.")
    words = ("--asset", READINGS, "--tag", "classification=restricted")
    tried = type_in(mesh, "permissions", "simulate", *words)
    assert EVE in tried.stdout, tried.output
    nothing = type_in(mesh, "permissions", "simulate", "--asset", "x", "--tag", "y")
    assert nothing.exit_code == 2
