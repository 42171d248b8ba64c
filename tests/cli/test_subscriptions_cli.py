"""Asking and deciding from the command line."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from meshplane.cli.masks import masks_of, tags_of
from tests.builders.server import running_server
from tests.builders.subscription_world import SubscriptionWorld
from tests.builders.terminal import Terminal

FAR, FARTHER = "2090-01-01T00:00:00Z", "2099-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def world() -> Iterator[SubscriptionWorld]:
    with running_server() as server:
        made = SubscriptionWorld(server)
        yield made
        made.close()


@pytest.fixture
def otto(world: SubscriptionWorld) -> Terminal:
    return Terminal(world.mesh.server, "otto@maps")


@pytest.fixture
def sam(world: SubscriptionWorld) -> Terminal:
    return Terminal(world.mesh.server, "sam@harbour")


def test_request__changed_previewed_approved_and_renewed(otto: Terminal, sam: Terminal) -> None:
    asked = ("subscriptions", "request", "harbour.readings", "--purpose", "To draw maps.")
    made = otto.json(*asked, "--project", "maps", "--expires-at", FAR)
    request_id = made["requestId"]
    changed = otto.json("subscriptions", "change", request_id, "--row-filter", "level < 4")
    approve = ("subscriptions", "approve", request_id, "--reason", "They draw maps.")
    refused = sam.type(*approve)
    assert refused.exit_code != 0
    assert "REQUEST_CHANGED" in refused.output
    wish = (*approve, "--version", str(changed["version"]), "--mask", "station=last:2")
    shown = sam.json(*wish, "--preview")
    assert [one["name"] for one in shown["columns"]] == ["station", "level"]
    told = sam.json(*wish, "--simulate")["changes"]
    assert [one["assetName"] for one in told] == ["harbour.readings"]
    done = sam.json(*wish)
    assert (done["status"], done["grantId"]) == ("active", shown["grantId"])
    assert done["scope"]["masks"]["station"]["keepLast"] == 2
    renewal = otto.json(
        "subscriptions", "renew", request_id, "--purpose", "To go on.", "--expires-at", FARTHER
    )
    assert renewal["renewalOf"] == request_id
    gone = otto.json(
        "subscriptions", "withdraw", renewal["requestId"], "--reason", "Not needed."
    )  # fmt: skip
    assert gone["status"] == "withdrawn"


def test_request__without_a_project_is_ones_own(world: SubscriptionWorld, sam: Terminal) -> None:
    ann = Terminal(world.mesh.server, "ann@nowhere")
    made = ann.json("subscriptions", "request", "harbour.readings", "--purpose", "To see.")
    assert made["subscriber"] == "user:ann@nowhere"
    listed = ann.json("subscriptions", "list", "--subscriber", "user:ann@nowhere")
    assert [one["requestId"] for one in listed["items"]] == [made["requestId"]]
    told = sam.type("subscriptions", "list", "--domain", "harbour", "--status", "requested")
    assert made["requestId"] in told.output.replace("\n", "")
    assert sam.json(
        "subscriptions", "reject", made["requestId"], "--reason", "Not now."
    )["status"] == "rejected"  # fmt: skip


def test_tagged__are_requested_and_approved_together(
    world: SubscriptionWorld, otto: Terminal, sam: Terminal
) -> None:
    world.publish("tagged_one", "confidential", {})
    wanted = ("--tag", "classification=confidential|restricted")
    asked = otto.json(
        "subscriptions", "request-tagged", *wanted, "--project", "maps", "--purpose", "To draw."
    )
    assert [one["assetName"] for one in asked["subscriptions"]] == ["tagged_one"]
    told = sam.type(
        "subscriptions", "approve-tagged", "--domain", "harbour", *wanted, "--reason", "Fine."
    )
    assert told.exit_code == 0, told.output
    assert "tagged_one" in told.output
    assert "active" in told.output


@pytest.mark.parametrize(
    ("option", "mask"),
    [
        ("a=hash", {"kind": "hash"}),
        ("a=null", {"kind": "null"}),
        ("a=none", {"kind": "none"}),
        ("a=constant:n/a", {"kind": "constant", "value": "n/a"}),
        ("a=last:4", {"kind": "partial", "keepLast": 4}),
        ("a=first:1", {"kind": "partial", "keepFirst": 1}),
        ("a=ends:2:4", {"kind": "partial", "keepFirst": 2, "keepLast": 4}),
        ("a=month", {"kind": "truncate", "unit": "month"}),
        ("a=round:-2", {"kind": "round", "digits": -2}),
    ],
)
def test_masks__as_options_write_them(option: str, mask: dict[str, Any]) -> None:
    assert masks_of([option]) == {"a": mask}


@pytest.mark.parametrize(
    "option", ["a", "=hash", "a=", "a=hash:1", "a=last:x", "a=ends:1", "a=decade", "a=month:1"]
)
def test_masks__what_is_none_is_said(option: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no mask"):
        masks_of([option])


def test_tags__as_options_write_them() -> None:
    assert tags_of(["a=x|y", "b=z"]) == [
        {"key": "a", "values": ["x", "y"]},
        {"key": "b", "values": ["z"]},
    ]
    with pytest.raises(typer.BadParameter, match="key=value"):
        tags_of(["a"])
