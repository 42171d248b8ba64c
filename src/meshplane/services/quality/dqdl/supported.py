"""Says before a run whether every rule of a ruleset can be evaluated on a table."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from meshplane.kit.errors import Invalid
from meshplane.services.quality.dqdl.engine import texts_matching
from meshplane.services.quality.dqdl.model import AnyRule, Composite, Rule, Ruleset
from meshplane.services.quality.dqdl.plan import plan
from meshplane.services.quality.dqdl.scan import Scan
from meshplane.services.quality.dqdl.target import UNSUPPORTED, CannotEvaluate, Target

if TYPE_CHECKING:
    import duckdb

MAX_GROUPINGS = 64

# Planning needs a time, and no decision of it depends on which.
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)


def check_supported(ruleset: Ruleset, columns: Mapping[str, str]) -> None:
    """Refuses a ruleset that `evaluate` could not wholly evaluate. It reads no data.

    Args:
        ruleset: what is to be evaluated.
        columns: the columns of the table and their DuckDB types.

    Raises:
        Invalid: `RULE_UNSUPPORTED` (the rule type or a part of the rule), `RULE_COLUMN_UNKNOWN`,
            or `RULE_COLUMN_TYPE` (it needs numbers and the column holds texts);
            `RULESET_TOO_COSTLY`, it asks for uniqueness of too many sets of columns.
    """
    if ruleset.analyzers:
        analyzer = ruleset.analyzers[0]
        raise _refused(
            UNSUPPORTED, analyzer.type, analyzer.line, "analyzers are not run. Leave them out."
        )
    with ExitStack() as stack:
        target = Target(Scan("any"), columns, _ANY_TIME, _matching(stack))
        for rule in _leaves(ruleset.rules):
            try:
                plan(rule, target)
            except CannotEvaluate as problem:
                raise _refused(problem.code, rule.type, rule.line, problem.reason) from None
    if len(target.scan.groupings) > MAX_GROUPINGS:
        raise Invalid(
            "RULESET_TOO_COSTLY",
            "Rules on uniqueness, distinct values and entropy sort the whole table once for each "
            f"set of columns. This ruleset has {len(target.scan.groupings)} sets; at most "
            f"{MAX_GROUPINGS} are allowed. Split it into several rulesets.",
            field="ruleset",
        )


def _refused(code: str, type_name: str, line: int, reason: str) -> Invalid:
    return Invalid(
        code,
        f"{type_name} in line {line} cannot be evaluated: {reason}",
        field="ruleset",
        details={"rule_type": type_name, "line": line},
    )


def _leaves(rules: Sequence[AnyRule]) -> Iterator[Rule]:
    for rule in rules:
        if isinstance(rule, Composite):
            yield from _leaves(rule.members)
        else:
            yield rule


def _matching(stack: ExitStack) -> Callable[[str, Sequence[str]], frozenset[str] | None]:
    """Asks an engine of its own, that holds no data, about regular expressions.

    The engine is opened for the first one, and closed with the stack.
    """
    opened: list[duckdb.DuckDBPyConnection] = []

    def matching(pattern: str, texts: Sequence[str]) -> frozenset[str] | None:
        import duckdb

        if not opened:
            opened.append(stack.enter_context(duckdb.connect(":memory:")))
        return texts_matching(opened[0], pattern, texts)

    return matching
