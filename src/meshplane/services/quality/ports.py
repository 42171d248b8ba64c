"""What quality needs of the outside: an evaluator of rulesets, and a place in the portal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from meshplane.boundary.actor import Actor
from meshplane.kit.clock import Clock

if TYPE_CHECKING:
    from meshplane.services.quality.dqdl import QualityResult


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """A rule of a run: its text, and `PASS`, `FAIL` or `ERROR`."""

    rule: str
    outcome: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class ScorePoint:
    """The outcome of a run.

    Args:
        run_id: ours.
        at: when it completed, RFC 3339; one run an instant.
        percentage: of rules that passed, 0 to 100.
        rules: all of them.
    """

    run_id: str
    at: str
    percentage: float
    rules: Sequence[RuleOutcome]


class QualityPortal(Protocol):
    """Shows scores in the portal. A method that raises `Unavailable` is called again."""

    async def post(self, asset: str, point: ScorePoint) -> None:
        """Adds a point to the scores of an asset; the same point again is one point.

        Args:
            asset: the portal's id.
            point: the outcome of a run.
        """
        ...

    async def points(self, asset: str) -> Sequence[tuple[str, float]]:
        """When and what the scores of an asset were, latest first."""
        ...


@dataclass(frozen=True, slots=True)
class ToEvaluate:
    """A ruleset, and the table that it is to be run on.

    Args:
        actor: in whose name.
        run_id: of this run; it names the evaluation, so that asking twice starts one.
        table_id: the table.
        database, name: what the table is called in the lake's catalogue: domain and asset.
        ruleset: DQDL.
        clock: the time that `now()` and `DataFreshness` mean, where the evaluator has no own.
    """

    actor: Actor
    run_id: str
    table_id: str
    database: str
    name: str
    ruleset: str
    clock: Clock


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What an evaluation gave, and of which snapshot."""

    result: "QualityResult"
    snapshot_id: str | None


class RulesetEvaluator(Protocol):
    """Runs rulesets on the present snapshot of a table."""

    async def evaluate(self, asked: ToEvaluate) -> Evaluated:
        """The results of all rules, in the order of the ruleset.

        It ends, also where the work is done, when whoever waits for it is cancelled. A rule that
        was not evaluated is never reported as passed, and no message holds a value of the data.

        Raises:
            Missing: TABLE_NOT_FOUND.
            Invalid: RULE_UNSUPPORTED, the evaluator does not take this ruleset.
            LimitReached: QUALITY_LIMIT_REACHED.
            Unavailable: the evaluator is not to be had, or did not come to an end.
        """
        ...


@dataclass(frozen=True, slots=True)
class Begun:
    """An evaluation that goes on elsewhere. JSON values only, so that it can be kept.

    Args:
        number: its number there.
        snapshot_id: what was current here when it began.
    """

    number: str
    snapshot_id: str | None


class LongEvaluator(Protocol):
    """Runs rulesets elsewhere, in minutes. Each method may be called again."""

    async def begin(self, asked: ToEvaluate) -> Begun | Evaluated:
        """Begins an evaluation, once for each run; some are done at once.

        Raises:
            Missing, Invalid, LimitReached: as `RulesetEvaluator.evaluate`.
            Unavailable: the evaluator is not to be had.
        """
        ...

    async def look(self, asked: ToEvaluate, begun: Begun) -> Evaluated | None:
        """What came of it; None while it goes on.

        Raises:
            Unavailable: QUALITY_RUN_FAILED, it did not come to an end; otherwise the evaluator is
                not to be had.
        """
        ...

    async def cancel(self, begun: Begun) -> None:
        """Stops it, if it still goes on."""
        ...
