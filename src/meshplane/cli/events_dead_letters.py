"""`meshplane events dead-letters` and `redrive`: what was given up, and the way back."""

from collections import Counter
from typing import Annotated
from urllib.parse import quote

import typer

from meshplane.cli import present
from meshplane.cli.session import Session, connected

app = typer.Typer(no_args_is_help=True, help="Dead letters: what was given up, and why.")

Id = Annotated[str, typer.Argument(help="The dead letter's id: dl-…")]

_LETTERS: present.Columns = (
    ("Time", lambda letter: present.moment(letter["failedAt"])),
    ("What", lambda letter: letter["eventType"] or letter["queue"]),
    ("Rule", "rule"),
    ("Why", "errorCode"),
    ("Attempts", "attempts"),
    ("Queue", "deadLetterQueue"),
    ("Id", "deadLetterId"),
)


@app.command("list")
@connected
def list_dead_letters(
    session: Session,
    queue: Annotated[str, typer.Option(help="Only of this dead-letter queue.")] = "",
) -> None:
    """Lists dead letters, oldest first."""
    items = list(session.api.items("/events/dead-letters", queue=queue or None))
    session.show(
        {"items": items}, lambda: present.listing(items, _LETTERS, nothing="No dead letters.")
    )


@app.command()
@connected
def show(session: Session, letter_id: Id) -> None:
    """Shows a dead letter with its message."""
    letter = session.api.get(_path(letter_id))
    session.show(letter, lambda: present.facts(letter.items()))


@app.command()
@connected
def delete(session: Session, letter_id: Id) -> None:
    """Deletes a dead letter for good."""
    session.api.delete(_path(letter_id), key=session.key())
    session.show(
        {"deleted": letter_id}, lambda: f"Deleted the dead letter {present.escaped(letter_id)}."
    )


@connected
def redrive(
    session: Session,
    *,
    letter_ids: Annotated[list[str] | None, typer.Argument(help="Dead letters: dl-… dl-…")] = None,
    queue: Annotated[str, typer.Option(help="All of this dead-letter queue.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="All of every queue.")] = False,
) -> None:
    """Puts dead letters back to be tried again, with all their attempts before them."""
    if [bool(letter_ids), bool(queue), everything].count(True) != 1:
        raise typer.BadParameter("Give ids, --queue, or --all: one of them.")
    if letter_ids:
        done = session.api.post(
            "/events/dead-letters/redrive", {"deadLetterIds": letter_ids}, key=session.key()
        )
        count = done["redriven"]
    else:
        count = _redrive_queues(session, queue)
    session.show({"redriven": count}, lambda: f"{count:,} put back.")


def _path(letter_id: str) -> str:
    return f"/events/dead-letters/{quote(letter_id, safe='')}"


def _redrive_queues(session: Session, queue: str) -> int:
    """Redrives what lies in one dead-letter queue, or in all, as they are now.

    What fails again meanwhile comes back as a dead letter, so that "until none is left" may be
    never: each queue is asked for as often as its length wants, and no more.
    """
    listed = session.api.items("/events/dead-letters", queue=queue or None)
    lengths = Counter(letter["deadLetterQueue"] for letter in listed if letter["redrivable"])
    count = 0
    for name, length in sorted(lengths.items()):
        done = 0
        while done < length:
            answer = session.api.post(
                "/events/dead-letters/redrive", {"queue": name}, key=session.key()
            )
            done += answer["redriven"]
            if not answer["more"]:
                break
        count += done
    return count
