"""Tells the journey: a table a chapter for a person, one JSON document for a program."""

import time
from typing import TYPE_CHECKING, Any, Self

from rich.table import Table

from meshplane.cli import present
from meshplane.sample.journey import CHAPTERS, Outcome, Story
from meshplane.sample.stage import Step

if TYPE_CHECKING:  # it loads the client
    from meshplane.cli.demo_play import AwsStory

SANDBOX = (
    "This is the sandbox, which stands in for AWS on this machine. It is not AWS: what AWS "
    "decides, limits and charges, it cannot show."
)
"""What is said of a demo on the sandbox."""

ACCOUNT = "This is AWS itself. `meshplane aws remove` takes away what is made there."
"""What is said of a demo in an account."""

_WIDTH = 110  # longer lines are tiring to read


def document_of(
    story: Story, seconds: float, ground: str | None = None, there: "AwsStory | None" = None
) -> dict[str, Any]:
    """The story as one JSON document: the numbers by name, then every check.

    Args:
        story: what was played.
        seconds: how long it took.
        ground: what it ran on, where that is not this machine alone.
        there: what is known of it there.
    """
    checks = [check.to_document() for check in story.checks]
    on: dict[str, Any] = {}
    if there is not None:
        on = {
            "ranOn": ground,
            "differences": story.differences,
            "awsCalls": there.called.counts,
            "awsRoles": there.called.roles,
            "awsDenied": list(there.called.denied),
            "lakeDrift": list(there.drift),
            "sandboxDefects": list(there.defects),
        }
    return {
        **on,
        "held": story.held,
        **story.numbers,
        "checksHeld": sum(1 for check in checks if check["held"]),
        "checksTotal": len(checks),
        "seconds": round(seconds, 1),
        "trouble": present.problem_document(story.trouble) if story.trouble else None,
        "steps": [
            {
                "chapter": outcome.step.chapter,
                "name": outcome.step.name,
                "who": outcome.step.who.user,
                "did": outcome.step.did,
                "saw": outcome.saw,
                "held": outcome.held,
                "seconds": round(outcome.seconds, 3),
            }
            for outcome in story.outcomes
        ],
        "checks": checks,
    }


class JsonTeller:
    """Says nothing until the end, then everything.

    Args:
        ground: what it runs on, where that is not this machine alone.
    """

    def __init__(self, ground: str | None = None) -> None:
        self._ground = ground
        self._began = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Has nothing to put away."""

    def begins(self, step: Step) -> None:
        """A step begins."""

    def ended(self, outcome: Outcome) -> None:
        """A step ended."""

    def ends(self, story: Story, there: "AwsStory | None" = None) -> None:
        """Prints the document."""
        seconds = time.perf_counter() - self._began
        present.print_json(document_of(story, seconds, self._ground, there))


class TableTeller:
    """Prints a table as each chapter closes, and a summary at the end.

    Args:
        ground: what it runs on, where that is not this machine alone: said first and last.
    """

    def __init__(self, ground: str | None = None) -> None:
        self._ground = ground
        self._console = present.console()
        self._console.width = min(self._console.width, _WIDTH)
        self._status = self._console.status("Starting a server in a fresh home…")
        self._chapter: list[Outcome] = []
        self._began = time.perf_counter()

    def __enter__(self) -> Self:
        self._say_ground()
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Gives the terminal back, however the journey ended."""
        self._status.stop()

    def begins(self, step: Step) -> None:
        """Shows who is at work."""
        if self._chapter and self._chapter[0].step.chapter != step.chapter:
            self._print_chapter()
        self._status.update(f"{step.who.name} ({step.who.part}): {step.did}")

    def ended(self, outcome: Outcome) -> None:
        """Keeps the outcome for the chapter's table."""
        self._chapter.append(outcome)

    def ends(self, story: Story, there: "AwsStory | None" = None) -> None:
        """Prints the last chapter, what did not hold, and the summary."""
        self._print_chapter()
        for check in story.checks:
            if not check.held:
                self._console.print(
                    f"[red]✗[/] {check.step}: {check.what}: expected {check.expected!r}, "
                    f"found {check.found!r}"
                )
        if story.trouble is not None:
            self._console.print(present.problem_panel(story.trouble))
        if there is not None:
            self._tell_of_aws(there)
        held = sum(1 for check in story.checks if check.held)
        seconds = time.perf_counter() - self._began
        mark = "[bold green]✓[/]" if story.held else "[bold red]✗[/]"
        self._console.print(
            f"{mark} {held} of {len(story.checks)} checks held, in {seconds:.0f} s. "
            "The server is stopped and its home removed."
        )
        self._say_ground()

    def _tell_of_aws(self, there: "AwsStory") -> None:
        for how in there.story.differences:
            self._console.print(f"[yellow]≠[/] Otherwise than embedded: {present.escaped(how)}")
        for what in there.drift:
            self._console.print(f"[red]✗[/] Drift in the lake at the end: {present.escaped(what)}")
        for defect in there.defects:
            self._console.print(f"[red]✗[/] {present.escaped(defect)}")
        for call in there.called.denied:
            self._console.print(f"[red]✗[/] IAM does not allow {present.escaped(call)}")
        counts = there.called.counts
        if counts:
            called = ", ".join(f"{service} {count:,}" for service, count in counts.items())
            self._console.print(f"Calls of AWS, by service: {called}.")
            self._console.print(
                "The mesh made them as the roles of its parts, each with the policy of its part."
            )

    def _say_ground(self) -> None:
        if self._ground is not None:
            self._console.print(f"[bold yellow]![/] {present.escaped(self._ground)}")

    def _print_chapter(self) -> None:
        if not self._chapter:
            return
        number = self._chapter[0].step.chapter
        table = Table(
            title=f"{number}. {CHAPTERS[number - 1]}",
            title_justify="left",
            title_style="bold cyan",
            box=present.plain_table().box,
            pad_edge=False,
            expand=True,
        )
        table.add_column("", width=1)
        table.add_column("Who", width=19)
        table.add_column("Did", ratio=4)
        table.add_column("Saw", ratio=7, overflow="fold")
        for outcome in self._chapter:
            who = outcome.step.who
            role, _, place = who.user.partition("@")
            table.add_row(
                "[green]✓[/]" if outcome.held else "[red]✗[/]",
                f"{who.name}, [dim]{role}\n@{place}[/]",
                outcome.step.did,
                present.escaped(outcome.saw),
            )
        self._console.print(table)
        self._chapter = []
