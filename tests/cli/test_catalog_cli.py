"""The catalog's words on the command line, against a real server."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from meshplane.cli.app import app
from tests.builders.server import running_server
from tests.builders.small_mesh import SmallMesh


@pytest.fixture(scope="module")
def mesh() -> Iterator[SmallMesh]:
    with running_server() as server:
        made = SmallMesh(server)
        yield made
        made.close()


@pytest.fixture(scope="module")
def steward(mesh: SmallMesh) -> "Terminal":
    return Terminal(mesh, "sam@harbour")


class Terminal:
    """Types commands as one person."""

    def __init__(self, mesh: SmallMesh, user: str) -> None:
        server = mesh.server
        self._who = ["--url", server.url, "--home", str(server.home), "--user", user]
        self._who += ["--groups", "", "--token", ""]

    def type(self, *words: str) -> Result:
        return CliRunner().invoke(app, [*words, *self._who])

    def json(self, *words: str) -> Any:
        result = self.type(*words, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


def test_words__are_made_said_found_and_removed(mesh: SmallMesh, steward: Terminal) -> None:
    words = ("catalog", "glossary")
    steward.json(*words, "create", "Tides", "--domain", "harbour", "--description", "Of the moon")
    steward.json(*words, "add-term", "harbour.Tides", "Ebb", "--short", "It goes out")
    neap = steward.json(*words, "add-term", "Tides", "Neap", "--is-a", "Tides.Ebb")
    fields = ["days:integer:required:one-of=7|30", "about:string:glossary=Tides", "why:string"]
    asked = [part for one in fields for part in ("--field", one)]
    form = steward.json("catalog", "forms", "create", "Storing", "--domain", "harbour", *asked)
    said = steward.json(
        *("catalog", "say", "harbour.readings"),
        *("--term", "Tides.Ebb", "--term", "level=harbour.Tides.Neap"),
        *("--form", "Storing:days=30", "--form", "Storing:about=Tides.Neap"),
        *("--form", "Storing:why=the walrus act"),
    )
    hits = steward.json("search", "walrus")["items"]
    by_term = steward.json("search", "--term", "Tides.Neap")["items"]
    assert [one["name"] for one in hits] == [one["name"] for one in by_term] == ["readings"]
    assert said["forms"][0]["values"] == {
        "days": 30,
        "about": neap["termId"],
        "why": "the walrus act",
    }
    assert said["columns"]["level"][0]["name"] == "Neap"
    in_use = steward.type(*words, "remove-term", "Tides.Neap")
    told = " ".join(in_use.stderr.replace("│", " ").split())
    assert in_use.exit_code == 1
    assert "harbour.readings (column level, form Storing.about)" in told
    assert steward.type("catalog", "say", "harbour.readings").exit_code == 2
    steward.json("catalog", "say", "harbour.readings", "--nothing")
    assert "Nothing is said of it." in steward.type("catalog", "said", "readings").stdout
    assert steward.json("catalog", "said", "readings")["terms"] == []
    assert steward.type(*words, "remove-term", "Tides.Neap").exit_code == 0
    revised = steward.json("catalog", "forms", "revise", "Storing", "--field", "days:integer")
    assert (revised["revision"], form["revision"]) == (2, 1)


def test_term__is_changed_by_name_and_listed(mesh: SmallMesh, steward: Terminal) -> None:
    words = ("catalog", "glossary")
    steward.json(*words, "create", "Ships", "--domain", "harbour")
    made = steward.json(*words, "add-term", "Ships", "Barge")
    steward.json(*words, "change-term", made["termId"], "--name", "Lighter", "--long", "It is.")
    off = steward.json(*words, "change-term", "ships.lighter", "--status", "disabled")
    listed = steward.type(*words, "terms", "Ships").stdout
    assert (off["name"], off["longDescription"], off["status"]) == ("Lighter", "It is.", "disabled")
    assert "Lighter" in listed
    assert steward.type(*words, "change-term", "Ships.Lighter").exit_code == 2
    assert steward.type("search").exit_code == 2


def test_term__keeps_the_relations_that_a_change_does_not_speak_of(steward: Terminal) -> None:
    words = ("catalog", "glossary")
    steward.json(*words, "create", "Kinds", "--domain", "harbour")
    above, below = (steward.json(*words, "add-term", "Kinds", one) for one in ("Boat", "Skiff"))
    steward.json(*words, "add-term", "Kinds", "Rowboat", "--classifies", "Kinds.Skiff")
    changed = steward.json(*words, "change-term", "Kinds.Rowboat", "--is-a", "Kinds.Boat")
    assert changed["relations"] == {"isA": [above["termId"]], "classifies": [below["termId"]]}


def test_words__are_listed_and_shown(steward: Terminal) -> None:
    words = ("catalog", "glossary")
    steward.json(*words, "create", "Sails", "--domain", "harbour")
    assert "harbour.Sails" in steward.type(*words, "list", "--domain", "harbour").stdout
    assert "Keeping" in steward.type("catalog", "forms", "list").stdout
    assert "required" in steward.type("catalog", "forms", "show", "Keeping").stdout.lower()


@pytest.mark.parametrize(
    "command",
    [
        ["catalog", "glossary", "terms", "Nowhere"],
        ["catalog", "glossary", "remove-term", "Nowhere.Nothing"],
        ["catalog", "glossary", "remove-term", "alone"],
        ["catalog", "forms", "show", "Nowhere"],
    ],
)
def test_unknown_names__are_told_in_words(steward: Terminal, command: list[str]) -> None:
    result = steward.type(*command)
    assert result.exit_code == 1
    assert "Traceback" not in result.output


@pytest.mark.parametrize("field", ["days", "days:integer:big", ":integer"])
def test_field__of_another_form_is_wrong_use(steward: Terminal, field: str) -> None:
    result = steward.type(
        "catalog", "forms", "create", "X", "--domain", "harbour", "--field", field
    )
    assert result.exit_code == 2
