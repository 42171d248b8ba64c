"""Plays the writes of a finished journey once more, as a client does that missed the answers."""

from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from meshplane.client import Api, connect
from meshplane.kit.clock import SystemClock
from meshplane.sample.journey import Journey
from meshplane.sample.loader import KEY_PREFIX
from meshplane.sample.nycflights import NycFlights
from meshplane.sample.people import Person
from meshplane.sample.progress import FileProgressStore
from meshplane.sample.stage import Stage, Step

# Those that write and then look at nothing that later steps changed for good.
_WRITES = (
    *("domain-*", "project-*", "table-*", "rows-*", "publish-*", "product-*"),
    *("ruleset", "quality-run", "request-*", "delete-*", "materialize"),
)

Mint = Callable[[str, tuple[str, ...]], str]


def steps() -> tuple[Step, ...]:
    """The steps that the loader of the sample plays, in order."""
    nobody = FileProgressStore(Path())
    journey = Journey(
        lambda token: Api(connect("http://127.0.0.1:9"), token),
        lambda user, groups: "",
        nobody,
        archive=NycFlights(),
        clock=SystemClock(),
        key_prefix=KEY_PREFIX,
    )
    return journey.steps()


def step_names() -> list[str]:
    """The names of these steps."""
    return [step.name for step in steps()]


def repeat_writes(url: str, mint: Mint, home: Path) -> list[str]:
    """Repeats every write of the journey under its key; says what was answered otherwise.

    Args:
        url: of the server, which answers.
        mint: makes tokens.
        home: holds the record of the journey.
    """
    record = FileProgressStore(home).load()
    assert record is not None, "no journey was played"
    values: dict[str, Any] = {
        name: value for name, value in record.values.items() if name.startswith("request:")
    }
    with connect(url) as client:

        def api_of(person: Person) -> Api:
            return Api(client, lambda: mint(person.user, person.groups))

        for step in steps():
            if any(fnmatch(step.name, pattern) for pattern in _WRITES):
                stage = Stage(
                    step=step.name,
                    key_prefix=KEY_PREFIX,
                    started_at=record.started_at,
                    values=values,
                    api_of=api_of,
                    archive=NycFlights(),
                    command_line=None,
                )
                step.play(stage)
    named = [name for name in values if ":" in name]
    assert len(named) > 20, "hardly anything was repeated"
    return [
        f"{name} was {record.values[name]} and is {values[name]}"
        for name in named
        if values[name] != record.values[name]
    ]
