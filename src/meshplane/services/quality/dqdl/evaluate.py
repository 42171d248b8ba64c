"""Evaluates a ruleset on a table."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from meshplane.kit.clock import Clock
from meshplane.services.quality.dqdl.engine import measure, texts_matching
from meshplane.services.quality.dqdl.model import AnyRule, Composite, Rule, Ruleset
from meshplane.services.quality.dqdl.plan import plan
from meshplane.services.quality.dqdl.result import Outcome, QualityResult, RuleResult, Verdict
from meshplane.services.quality.dqdl.scan import Scan
from meshplane.services.quality.dqdl.target import (
    COLUMN_UNKNOWN,
    CannotEvaluate,
    Judge,
    Readings,
    Target,
    Unread,
)

if TYPE_CHECKING:
    import duckdb


def evaluate(
    connection: "duckdb.DuckDBPyConnection",
    relation: str,
    columns: Mapping[str, str],
    ruleset: Ruleset,
    *,
    clock: Clock,
) -> QualityResult:
    """Evaluates all rules by one scan of a table, and one GROUP BY per set of unique columns.

    A rule that cannot be evaluated becomes an ERROR, and so does a composite that holds one; ask
    `check_supported` first to refuse it. A rule on a column that is not there (any more) fails.

    Args:
        connection: it sees the relation; statements run on it one after the other.
        relation: the name of a table or view, unquoted and without a schema.
        columns: the columns that rules may speak of, and their DuckDB types.
        ruleset: what to evaluate; its analyzers are left out.
        clock: the time that `now()` and `DataFreshness` mean.

    Raises:
        LimitReached: `QUALITY_LIMIT_REACHED`, the run was interrupted or is out of memory.
        Unavailable: `QUALITY_DATA_UNREADABLE`.
    """
    scan = Scan(relation)
    target = Target(
        scan=scan,
        columns=columns,
        now=clock.now(),
        matching=lambda pattern, texts: texts_matching(connection, pattern, texts),
    )
    judges = [(rule, _judge(rule, target)) for rule in ruleset.rules]
    readings = measure(connection, scan)
    results = tuple(_result(rule, judge(readings)) for rule, judge in judges)
    passed = sum(result.outcome is Outcome.PASS for result in results)
    return QualityResult(passed / len(results) if results else 0.0, results)


def _result(rule: AnyRule, verdict: Verdict) -> RuleResult:
    return RuleResult(rule.text, verdict.outcome, verdict.metrics, verdict.message)


def _judge(rule: AnyRule, target: Target) -> Judge:
    return _composite(rule, target) if isinstance(rule, Composite) else _leaf(rule, target)


def _leaf(rule: Rule, target: Target) -> Judge:
    try:
        judge = plan(rule, target)
    except CannotEvaluate as problem:
        outcome = Outcome.FAIL if problem.code == COLUMN_UNKNOWN else Outcome.ERROR
        verdict = Verdict(outcome, {}, f"{rule.type} was not evaluated: {problem.reason}")
        return lambda _: verdict

    def judged(readings: Readings) -> Verdict:
        try:
            return judge(readings)
        except Unread:
            message = f"{rule.type} could not be computed on this data, as by an overflow."
            return Verdict(Outcome.ERROR, {}, message)

    return judged


def _composite(rule: Composite, target: Target) -> Judge:
    judges = [_judge(member, target) for member in rule.members]

    def judge(readings: Readings) -> Verdict:
        verdicts = [member(readings) for member in judges]
        passes = [verdict.outcome is Outcome.PASS for verdict in verdicts]
        if any(verdict.outcome is Outcome.ERROR for verdict in verdicts):
            outcome = Outcome.ERROR
        else:
            outcome = Outcome.PASS if (all if rule.every else any)(passes) else Outcome.FAIL
        metrics = {name: value for verdict in verdicts for name, value in verdict.metrics.items()}
        messages = dict.fromkeys(verdict.message for verdict in verdicts if verdict.message)
        return Verdict(outcome, metrics, "" if outcome is Outcome.PASS else " ".join(messages))

    return judge
