"""The rule about the names of all columns."""

from meshplane.services.quality.dqdl.model import Rule
from meshplane.services.quality.dqdl.result import Outcome, Verdict
from meshplane.services.quality.dqdl.target import Judge, Target

_SHOWN = 10


def column_names_match_pattern(rule: Rule, target: Target) -> Judge:
    """`ColumnNamesMatchPattern`: the expression is found in each name; it reads no data."""
    (pattern,) = rule.parameters
    matching = target.names_matching(pattern, list(target.columns))
    others = [name for name in target.columns if name not in matching]
    share = len(matching) / len(target.columns) if target.columns else 1.0
    metrics = {"Dataset.*.ColumnNamesPatternMatchRatio": share}
    if not others:
        return lambda _: Verdict(Outcome.PASS, metrics)
    shown = ", ".join(others[:_SHOWN]) + (", …" if len(others) > _SHOWN else "")
    failure = f"These columns do not match the pattern: {shown}."
    return lambda _: Verdict(Outcome.FAIL, metrics, failure)
