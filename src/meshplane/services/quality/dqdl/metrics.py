"""Rules about one measured number of a table or column.

Sources: https://docs.aws.amazon.com/glue/latest/dg/dqdl-rule-types.html, and awslabs/deequ, which
evaluates these rules for AWS Glue, for what the page leaves open: the standard deviation and the
variance are those of the population; entropy is in nats; uniqueness, unique value ratio and entropy
leave out rows without a value; NULL counts as one distinct value.
"""

import math
from collections.abc import Callable, Sequence

from meshplane.services.quality.dqdl.model import Condition, Rule
from meshplane.services.quality.dqdl.number_tests import number_test
from meshplane.services.quality.dqdl.result import Outcome, Verdict
from meshplane.services.quality.dqdl.target import (
    UNSUPPORTED,
    CannotEvaluate,
    Family,
    Judge,
    Readings,
    Target,
)

Reader = Callable[[Readings], float | None]
Planner = Callable[[Rule, Target], Judge]


def _judge(name: str, read: Reader, condition: Condition | None) -> Judge:
    if condition is None:
        raise CannotEvaluate(UNSUPPORTED, "it has no condition.")
    test = number_test(condition)

    def judge(readings: Readings) -> Verdict:
        value = read(readings)
        if value is None or not math.isfinite(value):
            return Verdict(
                Outcome.FAIL, {}, f"{name} has no value, as there are no rows to measure."
            )
        metrics = {name: float(value)}
        if test(value):
            return Verdict(Outcome.PASS, metrics)
        return Verdict(Outcome.FAIL, metrics, f"{name} does not meet the condition.")

    return judge


def _set_name(columns: Sequence[str], metric: str) -> str:
    kind = "Column" if len(columns) == 1 else "Multicolumn"
    return f"{kind}.{','.join(columns)}.{metric}"


def row_count(rule: Rule, target: Target) -> Judge:
    """`RowCount`."""
    rows = target.scan.rows()
    return _judge("Dataset.*.RowCount", lambda readings: readings.value(rows), rule.condition)


def column_count(rule: Rule, target: Target) -> Judge:
    """`ColumnCount`; it reads no data."""
    count = float(len(target.columns))
    return _judge("Dataset.*.ColumnCount", lambda _: count, rule.condition)


def _share(target: Target, column: str) -> Reader:
    rows = target.scan.rows()
    present = target.scan.aggregate(f"count({target.column(column)})")

    def read(readings: Readings) -> float | None:
        total = readings.value(rows)
        return (readings.value(present) or 0) / total if total else None

    return read


def completeness(rule: Rule, target: Target) -> Judge:
    """`Completeness`: rows with a value by all rows."""
    (column,) = rule.parameters
    return _judge(f"Column.{column}.Completeness", _share(target, column), rule.condition)


def _numeric(metric: str, expression: str) -> Planner:
    """A rule about an aggregate of one column of numbers; `{}` stands for its quoted name."""

    def plan(rule: Rule, target: Target) -> Judge:
        (column,) = rule.parameters
        name = target.column_of(column, Family.NUMBER)
        measured = target.scan.aggregate(expression.replace("{}", name))
        return _judge(
            f"Column.{column}.{metric}", lambda readings: readings.value(measured), rule.condition
        )

    return plan


mean = _numeric("Mean", "avg({})")
total = _numeric("Sum", "CAST(sum({}) AS DOUBLE)")
standard_deviation = _numeric("StandardDeviation", "stddev_pop({})")
variance = _numeric("Variance", "var_pop({})")


def correlation(rule: Rule, target: Target) -> Judge:
    """`ColumnCorrelation`, after Pearson."""
    names = [target.column_of(column, Family.NUMBER) for column in rule.parameters]
    measured = target.scan.aggregate(f"corr({', '.join(names)})")
    name = _set_name(rule.parameters, "ColumnCorrelation")
    return _judge(name, lambda readings: readings.value(measured), rule.condition)


def uniqueness(rule: Rule, target: Target) -> Judge:
    """`Uniqueness`: rows whose value stands nowhere else, by the rows that have one."""
    read = _uniqueness(target, rule.parameters)
    return _judge(_set_name(rule.parameters, "Uniqueness"), read, rule.condition)


def _uniqueness(target: Target, columns: tuple[str, ...]) -> Reader:
    for column in columns:
        target.column(column)
    grouping = target.scan.grouping(columns)

    def read(readings: Readings) -> float | None:
        groups = readings.groups(grouping)
        return groups.single / groups.rows if groups.rows else None

    return read


def unique_value_ratio(rule: Rule, target: Target) -> Judge:
    """`UniqueValueRatio`: values that stand in one row, by the distinct values."""
    (column,) = rule.parameters
    target.column(column)
    grouping = target.scan.grouping((column,))

    def read(readings: Readings) -> float | None:
        groups = readings.groups(grouping)
        return groups.single / groups.groups if groups.groups else None

    return _judge(f"Column.{column}.UniqueValueRatio", read, rule.condition)


def distinct_values_count(rule: Rule, target: Target) -> Judge:
    """`DistinctValuesCount`; NULL is one of the values."""
    (column,) = rule.parameters
    rows = target.scan.rows()
    present = target.scan.aggregate(f"count({target.column(column)})")
    grouping = target.scan.grouping((column,))

    def read(readings: Readings) -> float | None:
        has_null = readings.value(rows) != readings.value(present)
        return readings.groups(grouping).groups + int(has_null)

    return _judge(f"Column.{column}.DistinctValuesCount", read, rule.condition)


def entropy(rule: Rule, target: Target) -> Judge:
    """`Entropy`."""
    (column,) = rule.parameters
    target.column(column)
    grouping = target.scan.grouping((column,))
    return _judge(
        f"Column.{column}.Entropy",
        lambda readings: readings.groups(grouping).entropy,
        rule.condition,
    )


def _all_one(readers: dict[str, Reader], failure: str) -> Judge:
    """Passes when each of the shares is 1; a share of no rows holds, too."""

    def judge(readings: Readings) -> Verdict:
        found = {name: read(readings) for name, read in readers.items()}
        metrics = {name: value for name, value in found.items() if value is not None}
        if all(value == 1 for value in metrics.values()):
            return Verdict(Outcome.PASS, metrics)
        return Verdict(Outcome.FAIL, metrics, failure)

    return judge


def is_complete(rule: Rule, target: Target) -> Judge:
    """`IsComplete`."""
    (column,) = rule.parameters
    readers = {f"Column.{column}.Completeness": _share(target, column)}
    return _all_one(readers, f"Some rows have no value in {column}.")


def is_unique(rule: Rule, target: Target) -> Judge:
    """`IsUnique`; rows without a value are left out."""
    columns = rule.parameters
    readers = {_set_name(columns, "Uniqueness"): _uniqueness(target, columns)}
    return _all_one(readers, f"Some values of {', '.join(columns)} stand in more than one row.")


def is_primary_key(rule: Rule, target: Target) -> Judge:
    """`IsPrimaryKey`: complete and unique."""
    columns = rule.parameters
    readers = {_set_name(columns, "Uniqueness"): _uniqueness(target, columns)}
    readers |= {f"Column.{name}.Completeness": _share(target, name) for name in columns}
    failure = f"Some rows have no value in {', '.join(columns)}, or have that of another row."
    return _all_one(readers, failure)


def column_exists(rule: Rule, target: Target) -> Judge:
    """`ColumnExists`; it reads no data."""
    (column,) = rule.parameters
    if column in target.columns:
        return lambda _: Verdict(Outcome.PASS, {})
    return lambda _: Verdict(Outcome.FAIL, {}, f"The table has no column {column}.")
