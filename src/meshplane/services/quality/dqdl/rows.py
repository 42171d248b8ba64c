"""Rules about each value of a column: they measure the share of rows that meet a condition.

A rule passes when every row meets its condition, or when the share meets its threshold. A table
without rows passes. NULL meets `!=`, `not in` and `not between` of days, and nothing else, unless
the condition names it.

Sources: https://docs.aws.amazon.com/glue/latest/dg/dqdl-rule-types.html and awslabs/deequ.
"""

import re
from collections.abc import Sequence
from datetime import date, timedelta

from meshplane.services.quality.dqdl.conditions import as_date
from meshplane.services.quality.dqdl.model import (
    Condition,
    Duration,
    Keyword,
    Kind,
    Now,
    Operand,
    Operator,
    Rule,
    Text,
)
from meshplane.services.quality.dqdl.number_tests import constant, number_test
from meshplane.services.quality.dqdl.result import Outcome, Verdict
from meshplane.services.quality.dqdl.target import (
    UNSUPPORTED,
    CannotEvaluate,
    Family,
    Judge,
    Readings,
    Target,
)

_SCALARS = (Family.NUMBER, Family.TEXT, Family.BOOLEAN, Family.TIME, Family.ZONED_TIME)


def _condition(rule: Rule) -> Condition:
    if rule.condition is None:
        raise CannotEvaluate(UNSUPPORTED, "it has no condition.")
    return rule.condition


def _share_judge(name: str, predicate: str, rule: Rule, target: Target) -> Judge:
    rows = target.scan.rows()
    meeting = target.scan.aggregate(f"count(*) FILTER (WHERE {predicate})")
    test = None if rule.threshold is None else number_test(rule.threshold)

    def judge(readings: Readings) -> Verdict:
        total = readings.value(rows)
        if not total:
            return Verdict(Outcome.PASS, {})
        share = (readings.value(meeting) or 0) / total
        if test is None:
            passed, failure = share == 1, "Some rows do not meet the condition."
        else:
            passed, failure = test(share), "The share of rows is not within the threshold."
        metrics = {name: share}
        return Verdict(Outcome.PASS, metrics) if passed else Verdict(Outcome.FAIL, metrics, failure)

    return judge


def compare(value: str, raw: str, operator: Operator, bounds: Sequence[str], null: bool) -> str:
    """The SQL that is true for a row that meets a condition.

    Args:
        value: SQL of the value; NULL where `raw` cannot be read as a value of this kind.
        raw: SQL of the column.
        operator: how it compares.
        bounds: placeholders.
        null: whether NULL is one of the operands.
    """
    listed = ", ".join(bounds)
    if operator in (Operator.EQUAL, Operator.IN):
        meets = f"{value} IN ({listed})" if bounds else "false"
        return f"({raw} IS NULL OR {meets})" if null else meets
    if operator in (Operator.NOT_EQUAL, Operator.NOT_IN):
        meets = f"({value} IS NULL OR {value} NOT IN ({listed}))" if bounds else "true"
        return f"({raw} IS NOT NULL AND {meets})" if null else meets
    first, last = bounds[0], bounds[-1]
    if operator is Operator.BETWEEN:
        return f"({value} > {first} AND {value} < {last})"
    if operator is Operator.NOT_BETWEEN:
        return f"({value} IS NULL OR {value} <= {first} OR {value} >= {last})"
    return f"{value} {operator.value} {first}"


def column_values(rule: Rule, target: Target) -> Judge:
    """`ColumnValues`."""
    (column,) = rule.parameters
    condition = _condition(rule)
    ignore_case = _flag(rule, "ignoreCase")
    if condition.kind is Kind.NUMBER:
        predicate = _number_predicate(column, condition, target)
    elif condition.kind is Kind.DATE:
        predicate = _date_predicate(column, condition, target)
    else:
        predicate = _text_predicate(column, condition, target, ignore_case=ignore_case)
    return _share_judge(f"Column.{column}.ColumnValues.Compliance", predicate, rule, target)


def _flag(rule: Rule, name: str) -> bool:
    value = rule.tags.get(name, "false").lower()
    if value not in {"true", "false"}:
        raise CannotEvaluate(UNSUPPORTED, f'the setting {name} is "true" or "false".')
    return value == "true"


def _values(condition: Condition) -> list[Operand]:
    return [operand for operand in condition.operands if operand is not Keyword.NULL]


def _number_predicate(column: str, condition: Condition, target: Target) -> str:
    name = target.column_of(column, Family.NUMBER, Family.TEXT)
    is_text = target.family(column) is Family.TEXT
    value = f"TRY_CAST(CAST({name} AS VARCHAR) AS DOUBLE)" if is_text else name
    bounds = [target.scan.bind(constant(operand)) for operand in _values(condition)]
    null = Keyword.NULL in condition.operands
    meets = compare(value, name, condition.operator, bounds, null)
    if condition.operator is Operator.NOT_BETWEEN:
        # Of numbers, unlike of days, one that is missing lies nowhere.
        return f"({value} IS NOT NULL AND {meets})"
    return meets


def _date_predicate(column: str, condition: Condition, target: Target) -> str:
    name = target.column_of(column, Family.TIME, Family.ZONED_TIME, Family.TEXT)
    family = target.family(column)
    if family is Family.TEXT:
        value = f"TRY_CAST(CAST({name} AS VARCHAR) AS DATE)"
    elif family is Family.ZONED_TIME:
        # By way of microseconds, as a cast would use the time zone of the session.
        value = f"CAST(make_timestamp(epoch_us({name})) AS DATE)"
    else:
        value = f"CAST({name} AS DATE)"
    bounds = [target.scan.bind(_day(operand, target)) for operand in _values(condition)]
    null = Keyword.NULL in condition.operands
    return compare(value, name, condition.operator, bounds, null)


def _day(operand: Operand, target: Target) -> date:
    if isinstance(operand, Now):
        try:
            return (target.now + timedelta(seconds=operand.offset_seconds)).date()
        except OverflowError:
            raise CannotEvaluate(UNSUPPORTED, "a date in it is out of range.") from None
    day = as_date(operand.value) if isinstance(operand, Text) else None
    if day is None:
        raise CannotEvaluate(UNSUPPORTED, "a time of day is not evaluated; write a date.")
    return day


def _text_predicate(column: str, condition: Condition, target: Target, *, ignore_case: bool) -> str:
    name = target.column_of(column, *_SCALARS)
    value = f"CAST({name} AS VARCHAR)"
    if condition.operator in (Operator.MATCHES, Operator.NOT_MATCHES):
        return _pattern_predicate(value, condition, target, ignore_case=ignore_case)
    texts = [operand.value for operand in condition.operands if isinstance(operand, Text)]
    bounds = [target.scan.bind(text) for text in texts]
    compared = value
    if ignore_case:
        compared, bounds = f"lower({value})", [f"lower({bound})" for bound in bounds]
    null = Keyword.NULL in condition.operands
    meets = compare(compared, name, condition.operator, bounds, null)
    blanks = {
        Keyword.EMPTY: f"{value} = ''",
        Keyword.WHITESPACES_ONLY: f"regexp_full_match({value}, '\\s+')",
    }
    blank = [sql for keyword, sql in blanks.items() if keyword in condition.operands]
    if condition.operator in (Operator.EQUAL, Operator.IN):
        return " OR ".join([meets, *blank])
    return " AND ".join([meets, *(f"({sql}) IS NOT TRUE" for sql in blank)])


def _pattern_predicate(
    value: str, condition: Condition, target: Target, *, ignore_case: bool
) -> str:
    (operand,) = condition.operands
    if not isinstance(operand, Text):
        raise CannotEvaluate(UNSUPPORTED, "it matches something other than a regular expression.")
    pattern = target.scan.bind(target.pattern(operand.raw))
    options = ", 'i'" if ignore_case else ""
    matches = f"regexp_full_match({value}, {pattern}{options})"
    return f"NOT {matches}" if condition.operator is Operator.NOT_MATCHES else matches


def column_length(rule: Rule, target: Target) -> Judge:
    """`ColumnLength`, in characters; NULL has the length 0."""
    (column,) = rule.parameters
    name = target.column_of(column, Family.TEXT)
    condition = _condition(rule)
    length = f"length(coalesce(CAST({name} AS VARCHAR), ''))"
    bounds = [target.scan.bind(constant(operand)) for operand in condition.operands]
    predicate = compare(length, length, condition.operator, bounds, null=False)
    share = _share_judge(f"Column.{column}.LengthCompliance", predicate, rule, target)
    extremes = {
        f"Column.{column}.MinimumLength": target.scan.aggregate(f"min({length})"),
        f"Column.{column}.MaximumLength": target.scan.aggregate(f"max({length})"),
    }

    def judge(readings: Readings) -> Verdict:
        verdict = share(readings)
        found = {metric: readings.value(aggregate) for metric, aggregate in extremes.items()}
        lengths = {metric: value for metric, value in found.items() if value is not None}
        return Verdict(verdict.outcome, {**verdict.metrics, **lengths}, verdict.message)

    return judge


def data_freshness(rule: Rule, target: Target) -> Judge:
    """`DataFreshness`: how long before the run the time in a column is; times are in UTC.

    `=` and `in` compare hours with two decimals.
    """
    (column,) = rule.parameters
    name = target.column_of(column, Family.TIME, Family.ZONED_TIME, Family.TEXT)
    is_text = target.family(column) is Family.TEXT
    value = f"TRY_CAST(CAST({name} AS VARCHAR) AS TIMESTAMP)" if is_text else name
    now = target.scan.bind(target.now.timestamp())
    condition = _condition(rule)
    age, unit_seconds = f"({now} - epoch({value}))", 1
    if condition.operator in (Operator.EQUAL, Operator.NOT_EQUAL, Operator.IN, Operator.NOT_IN):
        age, unit_seconds = f"round({age} / 3600, 2)", 3600
    bounds = [
        target.scan.bind(round(operand.seconds / unit_seconds, 2))
        for operand in condition.operands
        if isinstance(operand, Duration)
    ]
    meets = compare(age, name, condition.operator, bounds, null=False)
    # A row without a time is never fresh, nor different from an age.
    predicate = f"{age} IS NOT NULL AND {meets}"
    return _share_judge(f"Column.{column}.DataFreshness.Compliance", predicate, rule, target)


_TYPES = {
    "BOOLEAN": "BOOLEAN",
    "DATE": "DATE",
    "TIMESTAMP": "TIMESTAMP",
    "INTEGER": "INTEGER",
    "LONG": "BIGINT",
    "FLOAT": "FLOAT",
    "DOUBLE": "DOUBLE",
    "STRING": "VARCHAR",
}
_DECIMAL = re.compile(r"DECIMAL\((\d{1,2}), ?(\d{1,2})\)", re.ASCII)
# A day without a year is read in a leap year, so that 29 February is one.
_FORMATS = {
    "yyyy-MM-dd": "%Y-%m-%d",
    "dd-MM-yyyy": "%d-%m-%Y",
    "MM-dd-yyyy": "%m-%d-%Y",
    "yyyy-MM": "%Y-%m",
    "MM-yyyy": "%m-%Y",
    "dd-MM": "%d-%m",
    "MM-dd": "%m-%d",
}


def column_data_type(rule: Rule, target: Target) -> Judge:
    """`ColumnDataType`: the values can be read as a type; NULL cannot."""
    (column,) = rule.parameters
    name = target.column_of(column, *_SCALARS)
    condition = _condition(rule)
    if condition.operator not in (Operator.EQUAL, Operator.NOT_EQUAL):
        raise CannotEvaluate(UNSUPPORTED, "it compares a data type by something else than = or !=.")
    (operand,) = condition.operands
    type_name = operand.value.upper() if isinstance(operand, Text) else ""
    reads = _reads_as(f"CAST({name} AS VARCHAR)", type_name, rule, target)
    predicate = reads if condition.operator is Operator.EQUAL else f"NOT ({reads})"
    return _share_judge(f"Column.{column}.ColumnDataType.Compliance", predicate, rule, target)


def _reads_as(value: str, type_name: str, rule: Rule, target: Target) -> str:
    date_format = rule.tags.get("format")
    if date_format is not None:
        dashed = date_format.replace("/", "-")
        if type_name != "DATE" or dashed not in _FORMATS or {"-", "/"} <= set(date_format):
            raise CannotEvaluate(UNSUPPORTED, "its date format is not one of those that are known.")
        pattern, text = _FORMATS[dashed], value
        if "%Y" not in pattern:
            pattern, text = f"{pattern}-%Y", f"{value} || '-2000'"
        if "/" in date_format:
            pattern, text = pattern.replace("-", "/"), text.replace("-2000", "/2000")
        return f"TRY_STRPTIME({text}, {target.scan.bind(pattern)}) IS NOT NULL"
    decimal = _DECIMAL.fullmatch(type_name)
    if decimal:
        precision, scale = int(decimal[1]), int(decimal[2])
        if 1 <= precision <= 38 and scale <= precision:
            return f"TRY_CAST({value} AS DECIMAL({precision},{scale})) IS NOT NULL"
    if type_name not in _TYPES:
        known = ", ".join(sorted([*_TYPES, "DECIMAL(precision,scale)"]))
        raise CannotEvaluate(UNSUPPORTED, f"its data type is not one of {known}.")
    return f"TRY_CAST({value} AS {_TYPES[type_name]}) IS NOT NULL"
