"""`meshplane events tail`: events as they happen, over server-sent events.

The stream's format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meshplane.cli import present
from meshplane.cli.documents import read_text
from meshplane.cli.session import Session, connected
from meshplane.kit.errors import Unavailable

if TYPE_CHECKING:
    from meshplane.client import Api

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Sent:
    """One event of a stream: its place there, and what it says."""

    place: str
    data: str


@connected
def tail(
    session: Session,
    *,
    type_: Annotated[str, typer.Option("--type", help="Only of this type.")] = "",
    pattern: Annotated[
        str, typer.Option(help="Only those that match this pattern: a file, or JSON.")
    ] = "",
    after: Annotated[
        str, typer.Option(help="Begin after this event (evt-…), or 0 for all there are.")
    ] = "",
    count: Annotated[
        int | None, typer.Option(min=1, help="End after this many; without it, at Ctrl-C.")
    ] = None,
) -> None:
    """Follows events as they happen; with --json, one JSON document a line.

    A connection that breaks off is taken up again where it was.
    """
    query = {
        "type": type_ or None,
        "pattern": read_text(pattern, "pattern") if pattern else None,
    }
    try:
        for event in islice(follow(session.api, query, after), count):
            _tell(session, event)
    except KeyboardInterrupt:
        return  # how a person ends it


def follow(api: "Api", query: dict[str, Any], place: str = "") -> Iterator[dict[str, Any]]:
    """Events as the server streams them, without end.

    Args:
        api: the server.
        query: what the stream is asked for.
        place: the event after which to begin; "" for now.

    Raises:
        ApiProblem: the server refused.
        Unavailable: nothing answers at the first attempt.
    """
    answered, pause_seconds = False, _FIRST_PAUSE_SECONDS
    while True:
        try:
            for sent in events_of(api.stream("/events/stream", last_event_id=place, **query)):
                answered, pause_seconds = True, _FIRST_PAUSE_SECONDS
                place = sent.place or place
                if sent.data:
                    yield json.loads(sent.data)
        except Unavailable as error:
            # It has answered before, so that it may come back.
            if not answered:
                raise
            if pause_seconds == _FIRST_PAUSE_SECONDS:
                present.console(to_stderr=True).print(present.escaped(error.message))
        time.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)


def events_of(lines: Iterable[str]) -> Iterator[Sent]:
    """The events in the lines of a stream. What only keeps it awake has no data."""
    place = ""
    data: list[str] = []
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            yield Sent(place, "\n".join(data))
            data = []
        elif name == "id" and "\0" not in value:
            place = value
        elif name == "data":
            data.append(value)


def _tell(session: Session, event: dict[str, Any]) -> None:
    if session.as_json:
        print(json.dumps(event, ensure_ascii=False), flush=True)
        return
    about = present.text_of(event["resources"])
    line = f"{present.moment(event['time'])}  {event['detail-type']:<28}  {about}"
    present.console().print(present.escaped(line), soft_wrap=True)
