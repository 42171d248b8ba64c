"""`meshplane events test-pattern`: holds a pattern against events, without a server."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from meshplane.cli import present
from meshplane.cli.documents import parsed, read_object, read_text
from meshplane.cli.offline import Voice, offline
from meshplane.kit.errors import Invalid

if TYPE_CHECKING:
    from rich.console import RenderableType

_OF_LIST = frozenset({"eventId", "type", "source", "entity", "time", "detail"})

_MATCHING: present.Columns = (
    ("Time", lambda event: present.moment(event["time"])),
    ("Type", "detail-type"),
    ("Entity", lambda event: present.text_of(event.get("resources"))),
)


@offline
def try_pattern(
    voice: Voice,
    *,
    pattern: Annotated[str, typer.Option(help="The pattern: a file, JSON, or -.")] = "",
    rule: Annotated[str, typer.Option(help="Or the rule whose eventPattern to test: a file.")] = "",
    event: Annotated[
        str,
        typer.Option(
            help="The event: a file, JSON, or -. What `events list --json` and "
            "`events tail --json` print will do."
        ),
    ],
) -> None:
    """Says whether a pattern matches an event, or which of a list. Asks no server.

    Exit code 1 when nothing matches, or the pattern is invalid.
    """
    from meshplane.events.patterns import matches

    wanted = _pattern(pattern, rule)
    text = read_text(event, "event")
    listed = _envelopes(text)
    if listed is None:
        found = matches(wanted, text)
        voice.show({"matches": found}, lambda: "match" if found else "no match")
    else:
        matching = [envelope for envelope in listed if matches(wanted, envelope)]
        found = bool(matching)
        document = {"matches": found, "tested": len(listed), "items": matching}
        voice.show(document, lambda: _told(matching, len(listed)))
    if not found:
        raise typer.Exit(1)


def _pattern(pattern: str, rule: str) -> Any:
    if bool(pattern) == bool(rule):
        raise typer.BadParameter("Give one of --pattern and --rule.")
    if pattern:
        return read_text(pattern, "pattern")
    written = read_object(rule, "rule")
    if not isinstance(written.get("eventPattern"), dict):
        raise Invalid("RULE_INVALID", "The rule has no eventPattern.", field="eventPattern")
    return written["eventPattern"]


def _envelopes(text: str) -> list[dict[str, Any]] | None:
    """The envelopes of events in one of the API's forms; None for an envelope as it is."""
    try:
        given = parsed(text, "event")
    except Invalid:
        return None  # the pattern's own refusal comes first, and says more
    if not isinstance(given, dict):
        return None
    if given.keys() >= _OF_LIST:
        return [_envelope(given)]
    items = given.get("items")
    if isinstance(items, list) and all(
        isinstance(item, dict) and item.keys() >= _OF_LIST for item in items
    ):
        return [_envelope(item) for item in items]
    return None


def _envelope(event: dict[str, Any]) -> dict[str, Any]:
    """What patterns see of an event that the API shows."""
    from meshplane.events.envelope import ACCOUNT, REGION

    return {
        "version": "0",
        "id": event["eventId"],
        "detail-type": event["type"],
        "source": event["source"],
        "account": ACCOUNT,
        "time": event["time"],
        "region": REGION,
        "resources": [event["entity"]],
        "detail": event["detail"],
    }


def _told(matching: list[dict[str, Any]], tested: int) -> "RenderableType":
    if tested == 1:
        return "match" if matching else "no match"
    said = f"{len(matching):,} of {tested:,} match"
    return present.stacked(present.listing(matching, _MATCHING, nothing="No match."), said)
