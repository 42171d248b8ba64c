"""The rule types of DQDL: their parameters, and the conditions that each allows.

Source: https://docs.aws.amazon.com/glue/latest/dg/dqdl-rule-types.html and the published parser of
the language, awslabs/dqdl.
"""

from dataclasses import dataclass

from meshplane.services.quality.dqdl.model import Kind

NUMBER = frozenset({Kind.NUMBER})
VALUES = frozenset({Kind.NUMBER, Kind.TEXT, Kind.DATE})


@dataclass(frozen=True, slots=True)
class RuleType:
    """One rule type.

    Args:
        parameters: the fewest and the most parameters; the most is None when there is no end.
        kinds: what its condition may compare with; empty for a rule that is true or false itself.
        condition_required: False where the rule also stands without a condition.
        threshold: whether `with threshold` is allowed.
        where: whether a where clause is allowed.
        analyzer_only: True if it gathers metrics and is no rule.
    """

    parameters: tuple[int, int | None]
    kinds: frozenset[Kind] = frozenset()
    condition_required: bool = True
    threshold: bool = False
    where: bool = False
    analyzer_only: bool = False


RULE_TYPES: dict[str, RuleType] = {
    "AggregateMatch": RuleType((2, 2), NUMBER),
    "AllStatistics": RuleType((1, 1), NUMBER, analyzer_only=True),
    "ColumnCorrelation": RuleType((2, 2), NUMBER, where=True),
    "ColumnCount": RuleType((0, 0), NUMBER),
    "ColumnDataType": RuleType((1, 1), frozenset({Kind.TEXT}), threshold=True, where=True),
    "ColumnExists": RuleType((1, 1)),
    "ColumnLength": RuleType((1, 1), NUMBER, where=True),
    "ColumnNamesMatchPattern": RuleType((1, 1)),
    "ColumnValues": RuleType((1, 1), VALUES, threshold=True, where=True),
    "Completeness": RuleType((1, 1), NUMBER, where=True),
    "CustomSql": RuleType((1, 1), NUMBER, condition_required=False, threshold=True),
    "DataFreshness": RuleType((1, 1), frozenset({Kind.DURATION}), where=True),
    "DatasetMatch": RuleType((2, 3), NUMBER),
    "DetectAnomalies": RuleType((1, None)),
    "DistinctValuesCount": RuleType((1, 1), NUMBER, where=True),
    "Entropy": RuleType((1, 1), NUMBER, where=True),
    "FileFreshness": RuleType((0, 1), frozenset({Kind.DATE})),
    "FileMatch": RuleType((0, 2), frozenset({Kind.TEXT}), condition_required=False),
    "FileSize": RuleType((0, 1), frozenset({Kind.SIZE})),
    "FileUniqueness": RuleType((0, 1), NUMBER),
    "IsComplete": RuleType((1, 1), where=True),
    "IsPrimaryKey": RuleType((1, None), where=True),
    "IsUnique": RuleType((1, None), where=True),
    "Mean": RuleType((1, 1), NUMBER, where=True),
    "ReferentialIntegrity": RuleType((2, 2), NUMBER, where=True),
    "RowCount": RuleType((0, 0), NUMBER, where=True),
    "RowCountMatch": RuleType((1, 1), NUMBER),
    "SchemaMatch": RuleType((1, 1), NUMBER),
    "StandardDeviation": RuleType((1, 1), NUMBER, where=True),
    "Sum": RuleType((1, 1), NUMBER, where=True),
    "UniqueValueRatio": RuleType((1, 1), NUMBER, where=True),
    "Uniqueness": RuleType((1, None), NUMBER, where=True),
    "Variance": RuleType((1, 1), NUMBER, where=True),
}
