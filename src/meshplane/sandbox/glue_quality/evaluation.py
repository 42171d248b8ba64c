"""The outcome of rules over tables, as `RuleResults` have it.

PASS and FAIL are the rule's; FAIL it is, too, when a column is missing or SQL cannot be run, with
the reason as its message: so recorded outcomes of Glue's engine have it. A rule type that this fake
does not evaluate is an ERROR, which AWS gives for what it could not evaluate at all.
"""

from collections.abc import Callable
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from meshplane.sandbox.glue_quality import measures
from meshplane.sandbox.glue_quality.measures import CannotEvaluate, Measured, quoted
from meshplane.sandbox.glue_quality.rows_fit import length_fits, number_fits, value_fits
from meshplane.sandbox.glue_quality.rules import Rule
from meshplane.sandbox.glue_quality.several import (
    aggregate_match,
    dataset_match,
    referential_integrity,
    row_count_match,
)
from meshplane.sandbox.glue_quality.typed import type_fits

Metrics = dict[str, float]
Outcome = tuple[bool, Metrics, str]  # whether it passes, what was measured, why not
Others = dict[str, Measured]


class _NotEvaluated(Exception):
    """The fake does not know the rule type."""


def evaluate(rule: Rule, table: Measured, others: Others, number: int) -> dict[str, Any]:
    """One `DataQualityRuleResult`.

    Args:
        rule: to evaluate.
        table: the primary one.
        others: the additional data sources, by alias.
        number: of the rule in its ruleset, from 1.
    """
    result: dict[str, Any] = {"Name": f"Rule_{number}", "Description": rule.text[:2048]}
    try:
        passes, metrics, message = _outcome(rule, table, others)
    except _NotEvaluated:
        message = f"Rule type {rule.kind} is not supported by this sandbox"
        return {**result, "Result": "ERROR", "EvaluationMessage": message}
    except CannotEvaluate as error:
        return {**result, "Result": "FAIL", "EvaluationMessage": str(error)[:2048]}
    result["Result"] = "PASS" if passes else "FAIL"
    result["EvaluatedMetrics"] = metrics
    result["EvaluatedRule"] = rule.text[:2048]
    if not passes:
        result["EvaluationMessage"] = message[:2048]
    return result


def _outcome(rule: Rule, table: Measured, others: Others) -> Outcome:
    if rule.parts:
        found = [_part(one, table, others) for one in rule.parts]
        passes = (all if rule.kind == "and" else any)(one[0] for one in found)
        merged = {name: value for one in found for name, value in one[1].items()}
        return passes, merged, "; ".join(one[2] for one in found if one[2])
    narrowed = table.narrowed(rule.where)
    if rule.kind in _OVER_ROWS:
        return _share_of_rows(rule, narrowed)
    if rule.kind in _MEASURED:
        name, value = _MEASURED[rule.kind](rule, narrowed)
        return _compared(rule, name, value)
    if rule.kind in _SEVERAL:
        value = _SEVERAL[rule.kind](rule.parameters, narrowed, others)
        return _compared(rule, f"Dataset.{rule.parameters[0]}.{rule.kind}", value)
    if rule.kind in _TRUE_OR_NOT:
        return _TRUE_OR_NOT[rule.kind](rule, narrowed)
    if rule.kind == "CustomSql":
        return _custom_sql(rule, narrowed, others)
    raise _NotEvaluated


def _part(rule: Rule, table: Measured, others: Others) -> Outcome:
    """Within joined rules, one that cannot be evaluated fails."""
    try:
        return _outcome(rule, table, others)
    except CannotEvaluate as error:
        return False, {}, str(error)


def _compared(rule: Rule, name: str, value: float | None) -> Outcome:
    metrics = {} if value is None else {name: float(value)}
    passes = number_fits(value, rule.condition)
    return passes, metrics, f"Value: {value} does not meet the constraint requirement!"


def _row_count(rule: Rule, table: Measured) -> tuple[str, float | None]:
    return "Dataset.*.RowCount", float(table.rows())


def _column_count(rule: Rule, table: Measured) -> tuple[str, float | None]:
    return "Dataset.*.ColumnCount", float(len(table.columns))


def _of_column(measure: Callable[[Measured, str], float | None]) -> Any:
    def make(rule: Rule, table: Measured) -> tuple[str, float | None]:
        name = rule.parameters[0]
        return f"Column.{name}.{rule.kind}", measure(table, name)

    return make


def _statistic(rule: Rule, table: Measured) -> tuple[str, float | None]:
    name = rule.parameters[0]
    return f"Column.{name}.{rule.kind}", measures.statistic(table, rule.kind, name)


def _uniqueness(rule: Rule, table: Measured) -> tuple[str, float | None]:
    return _many(rule.parameters, "Uniqueness"), measures.uniqueness(table, rule.parameters)


def _correlation(rule: Rule, table: Measured) -> tuple[str, float | None]:
    first, second = rule.parameters
    return _many(rule.parameters, "ColumnCorrelation"), measures.correlation(table, first, second)


def _freshness(rule: Rule, table: Measured) -> Outcome:
    name = rule.parameters[0]
    column = f"TRY_CAST({table.column(name)} AS TIMESTAMP)"
    ages = table.fetch(
        f"SELECT epoch(CAST(now() AS TIMESTAMP)) - epoch({column}) "  # noqa: S608 - names are quoted
        f"FROM {table.source()} WHERE {table.column(name)} IS NOT NULL"
    )
    fits = [number_fits(age, rule.condition) for (age,) in ages]
    share = sum(fits) / len(fits) if fits else 1.0
    passes = _within(rule, sum(fits), len(fits))
    return passes, {f"Column.{name}.DataFreshness.Compliance": share}, _unmet(share)


def _is_complete(rule: Rule, table: Measured) -> Outcome:
    name = rule.parameters[0]
    value = _or_whole(measures.completeness(table, name))
    return value == 1.0, {f"Column.{name}.Completeness": value}, _unmet(value)


def _is_unique(rule: Rule, table: Measured) -> Outcome:
    value = _or_whole(measures.uniqueness(table, rule.parameters))
    return value == 1.0, {_many(rule.parameters, "Uniqueness"): value}, _unmet(value)


def _is_primary_key(rule: Rule, table: Measured) -> Outcome:
    unique = _or_whole(measures.uniqueness(table, rule.parameters))
    complete = {
        f"Column.{name}.Completeness": _or_whole(measures.completeness(table, name))
        for name in rule.parameters
    }
    metrics = {**complete, _many(rule.parameters, "Uniqueness"): unique}
    passes = all(value == 1.0 for value in metrics.values())
    return passes, metrics, _unmet(min(metrics.values()))


def _column_exists(rule: Rule, table: Measured) -> Outcome:
    name = rule.parameters[0]
    there = name.lower() in table.columns
    return there, {}, f"Column {name} does not exist in dataset"


def _names_match(rule: Rule, table: Measured) -> Outcome:
    pattern = measures.text_literal(rule.parameters[0])
    wrong = [
        name
        for name in table.columns
        if not table.fetch(f"SELECT regexp_full_match({measures.text_literal(name)}, {pattern})")[
            0
        ][0]
    ]
    total = len(table.columns)
    share = (total - len(wrong)) / total if total else 1.0
    metrics = {"Dataset.*.ColumnNamesPatternMatchRatio": share}
    return not wrong, metrics, f"Columns that do not match the pattern: {', '.join(wrong)}"


def _share_of_rows(rule: Rule, table: Measured) -> Outcome:
    fits = _OVER_ROWS[rule.kind](rule, table)
    name = rule.parameters[0]
    total = table.rows()
    fitting = table.value(f"count(*) FILTER ({fits})")
    share = fitting / total if total else 1.0
    passes = _within(rule, fitting, total)
    return passes, {f"Column.{name}.{rule.kind}.Compliance": share}, _unmet(share)


def _values(rule: Rule, table: Measured) -> str:
    if rule.condition is None:
        raise CannotEvaluate("The rule has no condition")
    return value_fits(table, rule.parameters[0], rule.condition)


def _lengths(rule: Rule, table: Measured) -> str:
    if rule.condition is None:
        raise CannotEvaluate("The rule has no condition")
    return length_fits(table, rule.parameters[0], rule.condition)


def _types(rule: Rule, table: Measured) -> str:
    if rule.condition is None:
        raise CannotEvaluate("The rule has no condition")
    wanted = rule.condition.operands[0].text
    return type_fits(table, rule.parameters[0], wanted, rule.tags.get("format"))


def _custom_sql(rule: Rule, table: Measured, others: Others) -> Outcome:
    sql = _over(rule.parameters[0], table, others)
    if rule.condition is not None:
        rows = table.fetch(sql)
        if len(rows) != 1 or len(rows[0]) != 1:
            raise CannotEvaluate("Custom SQL must return one value")
        value = rows[0][0]
        return _compared(rule, "Dataset.*.CustomSQL", None if value is None else float(value))
    try:
        found = table.connection.sql(sql)
        names = list(found.columns)
    except Exception as error:
        raise CannotEvaluate("Custom SQL could not be run") from error
    wrong = [name for name in names if name.lower() not in table.columns]
    if wrong or not names:
        raise CannotEvaluate("The columns of the custom SQL are not those of the primary dataset")
    listed = ", ".join(quoted(name) for name in names)
    same = " AND ".join(f"p.{quoted(n)} IS NOT DISTINCT FROM s.{quoted(n)}" for n in names)
    total = table.rows()
    fitting = table.fetch(
        f"SELECT count(*) FROM {table.source()} p WHERE EXISTS "  # noqa: S608 - the ruleset's
        f"(SELECT 1 FROM (SELECT {listed} FROM ({sql})) s WHERE {same})"
    )[0][0]
    share = fitting / total if total else 1.0
    passes = _within(rule, fitting, total)
    return passes, {"Dataset.*.CustomSQL.Compliance": share}, _unmet(share)


def _over(text: str, table: Measured, others: Others) -> str:
    """The rule's SQL, its tables those of the run: `primary`, and the additional ones."""
    try:
        tree = sqlglot.parse_one(text, read="spark")
    except SqlglotError as error:
        raise CannotEvaluate("Custom SQL could not be parsed") from error
    if not isinstance(tree, exp.Query):
        raise CannotEvaluate("Custom SQL must be a SELECT")
    own = {one.alias_or_name.lower() for one in tree.find_all(exp.CTE)}
    known = {"primary": table, **others}
    for node in list(tree.find_all(exp.Table)):
        name = node.name.lower()
        if name in own:
            continue
        if name not in known or node.db:
            raise CannotEvaluate(f"Table or view not found: {node.name}")
        alias = node.alias_or_name
        inner = sqlglot.parse_one(known[name].relation, read="duckdb", into=exp.Table)
        node.replace(exp.alias_(inner, alias, table=True, quoted=True))
    return tree.sql("duckdb", identify=True)


def _many(names: tuple[str, ...], metric: str) -> str:
    scope = "Column" if len(names) == 1 else "Multicolumn"
    return f"{scope}.{','.join(names)}.{metric}"


def _or_whole(share: float | None) -> float:
    """Nothing at all is complete, and unique."""
    return 1.0 if share is None else share


def _within(rule: Rule, fitting: float, total: float) -> bool:
    """Whether enough rows fit; of no rows, all do."""
    if not total or rule.threshold is None:
        return fitting == total
    return number_fits(fitting / total, rule.threshold)


def _unmet(value: float) -> str:
    return f"Value: {value} does not meet the constraint requirement!"


_OVER_ROWS: dict[str, Callable[[Rule, Measured], str]] = {
    "ColumnValues": _values,
    "ColumnLength": _lengths,
    "ColumnDataType": _types,
}
_MEASURED: dict[str, Callable[[Rule, Measured], tuple[str, float | None]]] = {
    "RowCount": _row_count,
    "ColumnCount": _column_count,
    "Completeness": _of_column(measures.completeness),
    "Uniqueness": _uniqueness,
    "UniqueValueRatio": _of_column(measures.unique_value_ratio),
    "DistinctValuesCount": _of_column(measures.distinct_values),
    "Entropy": _of_column(measures.entropy),
    "Mean": _statistic,
    "Sum": _statistic,
    "StandardDeviation": _statistic,
    "Variance": _statistic,
    "ColumnCorrelation": _correlation,
}
_TRUE_OR_NOT: dict[str, Callable[[Rule, Measured], Outcome]] = {
    "IsComplete": _is_complete,
    "IsUnique": _is_unique,
    "IsPrimaryKey": _is_primary_key,
    "ColumnExists": _column_exists,
    "ColumnNamesMatchPattern": _names_match,
    "DataFreshness": _freshness,
}
_SEVERAL: dict[str, Callable[[tuple[str, ...], Measured, Others], float]] = {
    "RowCountMatch": row_count_match,
    "ReferentialIntegrity": referential_integrity,
    "AggregateMatch": aggregate_match,
    "DatasetMatch": dataset_match,
}
