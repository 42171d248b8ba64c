"""What a step of the journey works with: the actors' clients, values, checks and patience."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, TypeVar

from meshplane.client import Api, ApiProblem
from meshplane.kit.clock import from_text, to_text
from meshplane.kit.errors import Unavailable
from meshplane.sample.nycflights import NycFlights
from meshplane.sample.people import Person

T = TypeVar("T")

_PATIENCE_SECONDS = 120.0
_PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold: what was expected and what was found. JSON values only."""

    step: str
    what: str
    expected: Any
    found: Any

    @property
    def held(self) -> bool:
        """Whether what was found is what was expected."""
        return bool(self.expected == self.found)

    def to_document(self) -> dict[str, Any]:
        """The check as JSON."""
        return {
            "step": self.step,
            "what": self.what,
            "expected": self.expected,
            "found": self.found,
            "held": self.held,
        }


@dataclass(frozen=True, slots=True)
class Lake:
    """The lake that a mesh stands on, as far as a journey can tell.

    Args:
        target: what grants are compiled for: `embedded` or `lake-formation`.
        engine: what runs queries: `embedded` or `athena`.
    """

    target: Literal["embedded", "lake-formation"] = "embedded"
    engine: Literal["embedded", "athena"] = "embedded"

    @classmethod
    def on(cls, parts: Collection[str]) -> "Lake":
        """The lake of a mesh of which these parts are on AWS, as the setting `aws_parts` names."""
        everything = "all" in parts
        return cls(
            target="lake-formation" if everything or "lake" in parts else "embedded",
            engine="athena" if everything or "query" in parts else "embedded",
        )

    @property
    def masks(self) -> bool:
        """Whether queries show a masked column masked; otherwise they leave it out."""
        return self.engine == "embedded"

    @property
    def follows(self) -> bool:
        """Whether queries see a commit only moments after it, once Glue has followed."""
        return self.engine == "athena"


EMBEDDED_LAKE = Lake()


class CommandLine(Protocol):
    """Runs `meshplane query` as a person would at a terminal."""

    def query(self, person: Person, sql: str, project_id: str) -> Mapping[str, Any]:
        """What `meshplane query SQL --json` prints, parsed."""
        ...


class Stage:
    """The surroundings of one step.

    A step may be played again after a crash that came before it was recorded. So each write
    carries a key made of the journey's prefix, the step and a label, and anything a request
    derives from the time is derived from the start of the journey.

    Args:
        step: the step's name.
        key_prefix: begins every idempotency key of this journey.
        started_at: when the journey began, RFC 3339.
        values: what earlier steps left behind; the step adds to it.
        api_of: the client of a person.
        archive: the data.
        command_line: the command line, where the journey has one.
        lake: what the mesh's lake is.
    """

    def __init__(
        self,
        *,
        step: str,
        key_prefix: str,
        started_at: str,
        values: dict[str, Any],
        api_of: Callable[[Person], Api],
        archive: NycFlights,
        command_line: CommandLine | None,
        lake: Lake = EMBEDDED_LAKE,
    ) -> None:
        self.lake = lake
        self.differences: list[str] = []
        self.values = values
        self.archive = archive
        self.command_line = command_line
        self.checks: list[Check] = []
        self._step = step
        self._key_prefix = key_prefix
        self._started_at = from_text(started_at)
        self._api_of = api_of

    def api(self, person: Person) -> Api:
        """The server as this person sees it."""
        return self._api_of(person)

    def key(self, label: str) -> str:
        """The idempotency key of the write of that label in this step."""
        return f"{self._key_prefix}-{self._step}-{label}"

    def post(self, person: Person, path: str, body: Any, *, once: str) -> Any:
        """Posts as that person; `once` labels the write within the step."""
        return self.api(person).post(path, body, key=self.key(once))

    def days_after_start(self, days: int) -> datetime:
        """The midnight (UTC) that many days after the journey began."""
        midnight = self._started_at.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight + timedelta(days=days)

    def check(self, what: str, expected: Any, found: Any) -> None:
        """Records what was expected and what was found."""
        self.checks.append(Check(self._step, what, expected, found))

    def differs(self, how: str) -> None:
        """Says what is otherwise here than on the embedded lake; it is told at the end."""
        self.differences.append(how)

    def number(self, name: str, value: Any) -> None:
        """Keeps a number under its name in the journey's summary."""
        self.values.setdefault("numbers", {})[name] = value

    def query(
        self,
        person: Person,
        sql: str,
        *,
        project: str,
        as_of: str | None = None,
        max_rows: int | None = None,
    ) -> dict[str, Any]:
        """The answer to a query that the person runs on behalf of the project of that name."""
        body: dict[str, Any] = {"sql": sql, "projectId": self.values[f"project:{project}"]}
        if as_of is not None:
            body["asOf"] = as_of
        if max_rows is not None:
            body["maxRows"] = max_rows
        answer: dict[str, Any] = self.api(person).post("/query", body)
        return answer

    def wait_until(self, what: str, probe: Callable[[], T | None]) -> T:
        """Asks again and again until the probe gives something, and gives that.

        Args:
            what: what is waited for, as it reads after "until".
            probe: looks, and gives None while there is nothing yet.

        Raises:
            Unavailable: it did not come within two minutes (`SAMPLE_WAITED_IN_VAIN`).
        """
        give_up = time.monotonic() + _PATIENCE_SECONDS
        while True:
            found = probe()
            if found is not None:
                return found
            if time.monotonic() >= give_up:
                raise Unavailable(
                    "SAMPLE_WAITED_IN_VAIN",
                    f"Waited {_PATIENCE_SECONDS:.0f} s until {what}, in vain. See the server's "
                    "log for what holds it up.",
                )
            time.sleep(_PAUSE_SECONDS)


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the journey.

    Args:
        chapter: which of the nine chapters it belongs to.
        name: stable; progress and idempotency keys are kept under it.
        who: who acts.
        did: what that person does, in the past tense.
        play: does it, records checks, and says what the person saw.
    """

    chapter: int
    name: str
    who: Person
    did: str
    play: Callable[[Stage], str]


def refusal(attempt: Callable[[], object]) -> ApiProblem | None:
    """The refusal that an attempt meets, or None when it was let through."""
    try:
        attempt()
    except ApiProblem as problem:
        return problem
    return None


def code_of(problem: ApiProblem | None) -> str:
    """The code of a refusal; `ALLOWED` when there was none."""
    return problem.code if problem is not None else "ALLOWED"


def an_instant_before(instant: str) -> str:
    """The moment one millisecond before, RFC 3339; snapshots are stamped in milliseconds."""
    return to_text(from_text(instant) - timedelta(milliseconds=1))
