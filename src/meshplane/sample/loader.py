"""Loads the sample mesh into a running server by playing the journey, with a progress bar."""

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from meshplane.client import Api, connect
from meshplane.kit.clock import SystemClock
from meshplane.kit.errors import Unavailable
from meshplane.sample.journey import CHAPTERS, Journey, Outcome, TokenFor
from meshplane.sample.nycflights import NycFlights
from meshplane.sample.progress import FileProgressStore, is_finished
from meshplane.sample.stage import EMBEDDED_LAKE, Lake, Step

KEY_PREFIX = "sample"

_PATIENCE_SECONDS, _PATIENCE_ON_AWS_SECONDS = 60.0, 600.0


class _Bar:
    """Shows the journey as a progress bar."""

    def __init__(self, bar: Progress, task: TaskID) -> None:
        self._bar = bar
        self._task = task

    def begins(self, step: Step) -> None:
        self._bar.update(self._task, description=CHAPTERS[step.chapter - 1])

    def ended(self, outcome: Outcome) -> None:
        self._bar.advance(self._task)


def load(
    base_url: str,
    token_for: TokenFor,
    home: Path,
    archive: Path | None,
    console: Console,
    *,
    lake: Lake = EMBEDDED_LAKE,
) -> None:
    """Plays what is left of the journey; returns at once when nothing is.

    Args:
        base_url: of the server, which answers already.
        token_for: gives tokens that the server accepts.
        home: the folder that keeps `sample.json`.
        archive: the data's archive; where `make setup` puts it when None.
        console: where the progress bar goes, and what was otherwise than embedded.
        lake: what the mesh's lake is.

    Raises:
        Missing: the archive is not there (`SAMPLE_ARCHIVE_MISSING`).
        Unavailable: a check did not hold (`SAMPLE_INCOMPLETE`).
        MeshplaneError: the error that ended the journey early; the next start goes on from there.
    """
    if is_finished(home):
        return
    data = NycFlights(archive)
    data.require()
    client = connect(base_url)
    patience_seconds = _PATIENCE_ON_AWS_SECONDS if lake.follows else _PATIENCE_SECONDS
    with client:
        journey = Journey(
            lambda token: Api(client, token, patience_seconds=patience_seconds),
            token_for,
            FileProgressStore(home),
            archive=data,
            clock=SystemClock(),
            key_prefix=KEY_PREFIX,
            lake=lake,
        )
        with Progress(
            TextColumn("Loading the sample mesh"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            console=console,
        ) as bar:
            task = bar.add_task("", total=len(journey.steps()))
            bar.update(task, completed=len(journey.steps()) - len(journey.remaining()))
            story = journey.play(_Bar(bar, task))
    for difference in story.differences:
        console.print(f"Otherwise than embedded: {difference}")
    if story.trouble is not None:
        raise story.trouble
    if not story.held:
        failed = next(check for check in story.checks if not check.held)
        raise Unavailable(
            "SAMPLE_INCOMPLETE",
            f"The sample mesh is not as it should be: in step {failed.step}, {failed.what} is "
            "something else. The next start tries again from there.",
        )
