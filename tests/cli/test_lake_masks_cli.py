"""The commands for masks by tag, and those that take tags and data filters away."""

from collections.abc import Iterator

import pytest
import typer

from meshplane.cli.masks import assigned_of
from tests.builders.server import running_server
from tests.builders.small_mesh import SmallMesh
from tests.builders.terminal import Terminal

READINGS = "harbour.readings"


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


def test_mask__of_a_tag__is_made_listed_and_taken_away(steward: Terminal) -> None:
    tag = ("classification=restricted", "--domain", "harbour")
    made = steward.json("lake", "mask", tag[0], "last:4", *tag[1:])
    assert (made["mask"]["kind"], made["mask"]["keepLast"]) == ("partial", 4)
    assert "classification=restricted" in steward.type("lake", "masks").stdout
    gone = steward.type("lake", "unmask", *tag)
    assert "classification=restricted masks nothing now." in gone.stdout, gone.output
    assert "No masks." in steward.type("lake", "masks").stdout


def test_mask__for_the_whole_mesh__is_not_a_stewards_to_make(
    steward: Terminal, admin: Terminal
) -> None:
    refused = steward.type("lake", "mask", "classification=restricted", "hash")
    assert (refused.exit_code, "FORBIDDEN" in refused.stderr) == (1, True)
    admin.json("lake", "mask", "classification=restricted", "hash")
    admin.type("lake", "unmask", "classification=restricted")
    assert admin.json("lake", "masks")["items"] == []


@pytest.mark.parametrize("words", [("restricted", "hash"), ("a=b", "blurred"), ("a=", "hash")])
def test_mask__that_is_none__is_wrong_use(steward: Terminal, words: tuple[str, str]) -> None:
    assert steward.type("lake", "mask", *words).exit_code == 2


def test_assigned_of__a_key_without_its_equals_sign__takes_nothing_away() -> None:
    assert assigned_of(["team=ops", "zone="]) == {"team": "ops", "zone": None}
    for pair in ("team", "=ops", ""):
        with pytest.raises(typer.BadParameter, match="key=value"):
            assigned_of([pair])


def test_tag__on_a_domain__is_taken_away_before_the_tag_is(
    steward: Terminal, admin: Terminal
) -> None:
    admin.json("lake", "tag", "team", "ops", "crew")
    assert steward.json("lake", "assign-domain", "harbour", "team=ops")["tags"][0]["value"] == "ops"
    used = admin.type("lake", "untag", "team")
    assert (used.exit_code, "LF_TAG_IN_USE" in used.stderr) == (1, True)
    assert steward.json("lake", "assign-domain", "harbour", "team=")["tags"] == []
    assert "team is gone." in admin.type("lake", "untag", "team").stdout


def test_filter__is_removed_once_nothing_is_granted_on_it(steward: Terminal) -> None:
    steward.json("lake", "filter", READINGS, "north", "--include", "station")
    words = ("--principal", "user:una@nowhere", "--asset", READINGS, "--filter", "north")
    given = steward.json("permissions", "grant", *words, "--reason", "A look.")
    used = steward.type("lake", "unfilter", READINGS, "north")
    assert (used.exit_code, given["grantId"] in used.stderr) == (1, True), used.output
    steward.json("permissions", "revoke", given["grantId"])
    assert "north is gone." in steward.type("lake", "unfilter", READINGS, "north").stdout


def test_effective__of_a_person__counts_what_comes_through_groups_that_are_named(
    steward: Terminal,
) -> None:
    words = ("--principal", "group:watch", "--asset", READINGS, "--reason", "The night watch.")
    steward.json("permissions", "grant", *words)
    asked = ("permissions", "effective", READINGS, "--principal", "user:una@nowhere")
    assert steward.json(*asked)["allRows"] is False
    assert steward.json(*asked, "--group", "watch")["allRows"] is True
    told = steward.type("permissions", "explain", *asked[2:], "--group", "watch").stdout
    assert "in all rows." in told
