"""The journey: publish data products, grant rows and columns of one, query them, revoke.

It is a list of small named steps, each played over HTTP by one person. Progress is recorded after
each step; a step that was interrupted is simply played again, and gives the same answer because
its writes carry deterministic idempotency keys and its reads hold after the write as before it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from meshplane.client import Api, TokenSource
from meshplane.kit.clock import Clock, to_text
from meshplane.kit.errors import MeshplaneError
from meshplane.sample import (
    journey_access,
    journey_audit,
    journey_change,
    journey_lake,
    journey_mesh,
    journey_products,
    journey_queries,
)
from meshplane.sample.nycflights import NycFlights
from meshplane.sample.people import Person
from meshplane.sample.progress import Progress, ProgressStore
from meshplane.sample.stage import (
    EMBEDDED_LAKE,
    Check,
    CommandLine,
    Lake,
    Stage,
    Step,
)

CHAPTERS = (
    "Domains, projects and people",
    "Five data products",
    "Quality",
    "Search, and a refusal",
    "A request, and a decision",
    "What was granted, and no more",
    "The producer changes the data",
    "A product made of products",
    "Drift repaired, access revoked, all of it on record",
)


class TokenFor(Protocol):
    """Gives a bearer token for a user with groups."""

    def __call__(self, user: str, groups: tuple[str, ...], /) -> str:
        """A token that is valid now."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a step went.

    Args:
        step: which.
        saw: what the person saw.
        checks: what had to hold.
        seconds: how long it took.
        trouble: the error that ended it, if one did.
        differences: what was otherwise than on the embedded lake.
    """

    step: Step
    saw: str
    checks: tuple[Check, ...]
    seconds: float
    trouble: MeshplaneError | None = None
    differences: tuple[str, ...] = ()

    @property
    def held(self) -> bool:
        """Whether it ended well and every check in it held."""
        return self.trouble is None and all(check.held for check in self.checks)


@dataclass(slots=True)
class Story:
    """What came of a journey: outcomes of the steps played now, and all numbers."""

    outcomes: list[Outcome] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)

    @property
    def checks(self) -> list[Check]:
        """All checks, in order."""
        return [check for outcome in self.outcomes for check in outcome.checks]

    @property
    def differences(self) -> list[str]:
        """What was otherwise than on the embedded lake, in order."""
        return [how for outcome in self.outcomes for how in outcome.differences]

    @property
    def held(self) -> bool:
        """Whether every step ended well and every check held."""
        return all(outcome.held for outcome in self.outcomes)

    @property
    def trouble(self) -> MeshplaneError | None:
        """The error that ended the journey early, if one did."""
        return self.outcomes[-1].trouble if self.outcomes else None


class Audience(Protocol):
    """Watches the journey being played."""

    def begins(self, step: Step) -> None:
        """A step begins."""
        ...

    def ended(self, outcome: Outcome) -> None:
        """A step ended."""
        ...


class Journey:
    """Plays the journey, from where it last stopped.

    Args:
        client_factory: makes the client of one person from the source of his tokens.
        token_for: gives tokens.
        progress_store: keeps what is done.
        archive: the data.
        clock: the time, for the start of the journey.
        key_prefix: begins every idempotency key, so that two journeys do not meet.
        command_line: where given, a step runs `meshplane query` too.
        lake: what the mesh's lake is.
    """

    def __init__(
        self,
        client_factory: Callable[[TokenSource], Api],
        token_for: TokenFor,
        progress_store: ProgressStore,
        *,
        archive: NycFlights,
        clock: Clock,
        key_prefix: str,
        command_line: CommandLine | None = None,
        lake: Lake = EMBEDDED_LAKE,
    ) -> None:
        self._lake = lake
        self._client_factory = client_factory
        self._token_for = token_for
        self._store = progress_store
        self._archive = archive
        self._clock = clock
        self._key_prefix = key_prefix
        self._command_line = command_line
        self._clients: dict[str, Api] = {}

    def steps(self) -> tuple[Step, ...]:
        """All steps, in order."""
        chapters = (
            journey_mesh.STEPS,
            journey_products.STEPS,
            journey_access.STEPS,
            journey_queries.STEPS,
            journey_queries.AT_THE_TERMINAL if self._command_line is not None else (),
            journey_change.STEPS,
            journey_lake.STEPS,
            journey_audit.STEPS,
        )
        return tuple(step for chapter in chapters for step in chapter)

    def remaining(self) -> tuple[Step, ...]:
        """The steps that are not on record as done."""
        progress = self._store.load()
        if progress is None:
            return self.steps()
        done = {step["name"] for step in progress.steps}
        return tuple(step for step in self.steps() if step.name not in done)

    def play(self, audience: Audience) -> Story:
        """Plays the remaining steps.

        A step whose check does not hold, and every step after it, is not recorded as done, so
        that the next run plays it again. An error ends the journey.

        Args:
            audience: is told as each step begins and ends.
        """
        remaining = self.remaining()
        progress = self._store.load() or Progress(started_at=to_text(self._clock.now()))
        if not progress.steps:
            self._store.save(progress)  # the start is part of what repeated requests say
        story = Story()
        for step in remaining:
            audience.begins(step)
            outcome = self._play(step, progress)
            story.outcomes.append(outcome)
            if story.held:
                progress.steps.append(_record(outcome))
                if step is remaining[-1]:
                    progress.finished_at = to_text(self._clock.now())
                self._store.save(progress)
            audience.ended(outcome)
            if outcome.trouble is not None:
                break
        story.numbers = dict(progress.values.get("numbers", {}))
        return story

    def _play(self, step: Step, progress: Progress) -> Outcome:
        began = time.perf_counter()
        stage = Stage(
            step=step.name,
            key_prefix=self._key_prefix,
            started_at=progress.started_at,
            values=progress.values,
            api_of=self._api_of,
            archive=self._archive,
            command_line=self._command_line,
            lake=self._lake,
        )
        trouble: MeshplaneError | None = None
        saw = ""
        try:
            saw = step.play(stage)
        except MeshplaneError as error:
            trouble = error
            saw = f"{error.code}: {error.message}"
        seconds = time.perf_counter() - began
        return Outcome(step, saw, tuple(stage.checks), seconds, trouble, tuple(stage.differences))

    def _api_of(self, person: Person) -> Api:
        if person.user not in self._clients:
            self._clients[person.user] = self._client_factory(
                lambda: self._token_for(person.user, person.groups)
            )
        return self._clients[person.user]


def _record(outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.step.name,
        "saw": outcome.saw,
        "seconds": round(outcome.seconds, 3),
        "checks": [check.to_document() for check in outcome.checks],
    }
