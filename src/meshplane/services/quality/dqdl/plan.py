"""Which rule types are evaluated, and by what."""

from collections.abc import Callable

from meshplane.services.quality.dqdl import metrics, rows
from meshplane.services.quality.dqdl.column_names import column_names_match_pattern
from meshplane.services.quality.dqdl.model import Rule
from meshplane.services.quality.dqdl.target import UNSUPPORTED, CannotEvaluate, Judge, Target

Planner = Callable[[Rule, Target], Judge]

PLANNERS: dict[str, Planner] = {
    "ColumnCorrelation": metrics.correlation,
    "ColumnCount": metrics.column_count,
    "ColumnDataType": rows.column_data_type,
    "ColumnExists": metrics.column_exists,
    "ColumnLength": rows.column_length,
    "ColumnNamesMatchPattern": column_names_match_pattern,
    "ColumnValues": rows.column_values,
    "Completeness": metrics.completeness,
    "DataFreshness": rows.data_freshness,
    "DistinctValuesCount": metrics.distinct_values_count,
    "Entropy": metrics.entropy,
    "IsComplete": metrics.is_complete,
    "IsPrimaryKey": metrics.is_primary_key,
    "IsUnique": metrics.is_unique,
    "Mean": metrics.mean,
    "RowCount": metrics.row_count,
    "StandardDeviation": metrics.standard_deviation,
    "Sum": metrics.total,
    "UniqueValueRatio": metrics.unique_value_ratio,
    "Uniqueness": metrics.uniqueness,
    "Variance": metrics.variance,
}

_TAGS = {"ColumnValues": {"ignoreCase"}, "ColumnDataType": {"format"}}


def plan(rule: Rule, target: Target) -> Judge:
    """Asks the scan of the target for what a rule needs.

    Args:
        rule: no composite.
        target: the table.

    Returns:
        What turns the readings of the scan into a verdict.

    Raises:
        CannotEvaluate: the rule is not evaluated on this table.
    """
    planner = PLANNERS.get(rule.type)
    if planner is None:
        raise CannotEvaluate(UNSUPPORTED, "this rule type is not evaluated. Leave the rule out.")
    if rule.where is not None:
        raise CannotEvaluate(
            UNSUPPORTED,
            "a where clause is SQL and is not run. Leave it out, or check a view of those rows.",
        )
    unknown = sorted(set(rule.tags) - _TAGS.get(rule.type, set()))
    if unknown:
        raise CannotEvaluate(UNSUPPORTED, f"the setting {unknown[0][:40]} is not known for it.")
    return planner(rule, target)
