"""What DQDL's rules are made of, and what each type of rule needs."""

from collections.abc import Sequence
from dataclasses import dataclass, field

# Every rule type of the reference; one that the fake cannot evaluate becomes an ERROR of its run.
RULE_TYPES = frozenset(
    [
        "AggregateMatch",
        "ColumnCorrelation",
        "ColumnCount",
        "ColumnDataType",
        "ColumnExists",
        "ColumnLength",
        "ColumnNamesMatchPattern",
        "ColumnValues",
        "Completeness",
        "CustomSql",
        "DataFreshness",
        "DatasetMatch",
        "DetectAnomalies",
        "DistinctValuesCount",
        "Entropy",
        "FileFreshness",
        "FileMatch",
        "FileSize",
        "FileUniqueness",
        "IsComplete",
        "IsPrimaryKey",
        "IsUnique",
        "Mean",
        "ReferentialIntegrity",
        "RowCount",
        "RowCountMatch",
        "SchemaMatch",
        "StandardDeviation",
        "Sum",
        "UniqueValueRatio",
        "Uniqueness",
        "Variance",
    ]
)
_NO_CONDITION = frozenset({"IsComplete", "IsUnique", "IsPrimaryKey", "ColumnExists"})
_OPTIONAL_CONDITION = frozenset({"CustomSql", "DetectAnomalies"})
_COLUMNS = {"IsPrimaryKey": (1, 99), "IsUnique": (1, 99), "ColumnCorrelation": (2, 2)}
_WITHOUT_COLUMN = frozenset({"RowCount", "ColumnCount"})
_ONE_COLUMN = frozenset(
    [
        "ColumnDataType",
        "ColumnExists",
        "ColumnLength",
        "ColumnValues",
        "Completeness",
        "DataFreshness",
        "DistinctValuesCount",
        "Entropy",
        "IsComplete",
        "Mean",
        "StandardDeviation",
        "Sum",
        "UniqueValueRatio",
        "Uniqueness",
        "Variance",
    ]
)


@dataclass(frozen=True, slots=True)
class Operand:
    """A value of a condition.

    Args:
        kind: `number`, `text`, `keyword` (NULL, EMPTY, WHITESPACES_ONLY), `now` or `span`.
        text: as written, a text unquoted; of `now` and `span` the seconds.
    """

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Condition:
    """What a value is compared with.

    Args:
        operator: `=`, `!=`, `<`, `<=`, `>`, `>=`, `between`, `in` or `matches`.
        operands: one, two for `between`, any number for `in`.
        negated: by `not`.
    """

    operator: str
    operands: tuple[Operand, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, or several of them joined.

    Args:
        kind: its type; `and` or `or` of a joined one.
        text: as written.
        parameters: columns and other texts.
        condition: what its measure must be.
        threshold: which part of the rows must fit.
        where: which rows it is about, an SQL condition.
        tags: of `with name = "value"`.
        parts: of a joined one.
    """

    kind: str
    text: str
    parameters: tuple[str, ...] = ()
    condition: Condition | None = None
    threshold: Condition | None = None
    where: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    parts: tuple["Rule", ...] = ()


def is_whole(rule: Rule) -> bool:
    """Whether a rule has the columns and the condition that its type wants."""
    if (rule.condition is not None) == (rule.kind in _NO_CONDITION):
        return rule.kind in _OPTIONAL_CONDITION
    if rule.where is not None and not rule.where.strip():
        return False
    least, most = _counts(rule.kind)
    return least <= len(rule.parameters) <= most


def _counts(kind: str) -> Sequence[int]:
    if kind in _WITHOUT_COLUMN:
        return (0, 0)
    if kind in _ONE_COLUMN:
        return (1, 1)
    return _COLUMNS.get(kind, (0, 99))
