"""What an evaluation found."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """PASS and FAIL say something about the data; ERROR says that the rule was not evaluated."""

    PASS = "PASS"  # noqa: S105 -- an outcome, not a password
    FAIL = "FAIL"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one rule.

    Args:
        outcome: PASS, FAIL or ERROR.
        metrics: what was measured, under the names that AWS Glue gives
            (`Column.dep_time.Completeness`).
        message: why it did not pass, without a value of the data; empty if it passed.
    """

    outcome: Outcome
    metrics: Mapping[str, float]
    message: str = ""


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule of the ruleset, as its author wrote it, and what became of it."""

    rule: str
    outcome: Outcome
    metrics: Mapping[str, float]
    message: str = ""


@dataclass(frozen=True, slots=True)
class QualityResult:
    """The results of all rules, in the order of the ruleset, and the score.

    Args:
        score: passed rules by all rules, 0 to 1. A composite counts as one rule; a ruleset that
            holds no rule scores 0, as nothing was shown.
        rules: one result for each rule.
    """

    score: float
    rules: tuple[RuleResult, ...]
