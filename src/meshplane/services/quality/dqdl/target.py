"""The table that rules are planned for, and what planning a rule may come to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from meshplane.services.quality.dqdl.result import Verdict
from meshplane.services.quality.dqdl.scan import Aggregate, Grouping, Groups, Scan, quoted

UNSUPPORTED = "RULE_UNSUPPORTED"
COLUMN_UNKNOWN = "RULE_COLUMN_UNKNOWN"
COLUMN_TYPE = "RULE_COLUMN_TYPE"


class CannotEvaluate(Exception):
    """A rule of valid DQDL that is not evaluated on this table.

    Args:
        code: `RULE_UNSUPPORTED`, `RULE_COLUMN_UNKNOWN` or `RULE_COLUMN_TYPE`.
        reason: why, and what to do; text of the ruleset and names of columns only.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Unread(Exception):
    """The engine could not compute this value on this data."""


class Readings(Protocol):
    """What the scan found."""

    def value(self, aggregate: Aggregate) -> float | None:
        """The value of an aggregate; None if it has none, as the mean of no rows.

        Raises:
            Unread: the engine could not compute it.
        """
        ...

    def groups(self, grouping: Grouping) -> Groups:
        """What a GROUP BY found.

        Raises:
            Unread: the engine could not compute it.
        """
        ...


Judge = Callable[[Readings], Verdict]


class Family(Enum):
    """What can be done with the values of a column."""

    NUMBER = "numbers"
    TEXT = "texts"
    BOOLEAN = "booleans"
    TIME = "dates or times"
    ZONED_TIME = "times with a zone"
    OTHER = "nested, binary or other values"


_WHOLE_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_NUMBERS = frozenset(
    [
        *_WHOLE_NUMBERS,
        *(f"U{name}" for name in _WHOLE_NUMBERS),
        "FLOAT",
        "REAL",
        "DOUBLE",
        "DECIMAL",
    ]
)
_TIMES = frozenset(
    ["DATE", "TIMESTAMP", "DATETIME", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP_US"]
)


def family_of(type_name: str) -> Family:
    """The family of a DuckDB type, given as DuckDB prints it (`DECIMAL(10,2)`)."""
    name = type_name.strip().upper()
    if name.endswith("]"):
        return Family.OTHER
    base = name.split("(", 1)[0].strip()
    if base in _NUMBERS:
        return Family.NUMBER
    if base in {"VARCHAR", "TEXT", "STRING", "CHAR", "ENUM", "UUID"}:
        return Family.TEXT
    if base == "BOOLEAN":
        return Family.BOOLEAN
    if name in {"TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"}:
        return Family.ZONED_TIME
    return Family.TIME if base in _TIMES else Family.OTHER


@dataclass(frozen=True, slots=True)
class Target:
    """The table and the time of one evaluation.

    Args:
        scan: collects what is to be measured.
        columns: the columns of the table and their DuckDB types.
        now: the time of the run.
        matching: those of some texts in which a regular expression is found, or None if the engine
            does not know the expression.
    """

    scan: Scan
    columns: Mapping[str, str]
    now: datetime
    matching: Callable[[str, Sequence[str]], frozenset[str] | None]

    def column(self, name: str) -> str:
        """The quoted name of a column.

        Raises:
            CannotEvaluate: there is no such column.
        """
        if name not in self.columns:
            alike = [known for known in self.columns if known.lower() == name.lower()]
            hint = f" Column names are case sensitive: there is {alike[0]}." if alike else ""
            raise CannotEvaluate(COLUMN_UNKNOWN, f"the table has no column {name}.{hint}")
        return quoted(name)

    def family(self, name: str) -> Family:
        """What the values of a column are.

        Raises:
            CannotEvaluate: there is no such column.
        """
        self.column(name)
        return family_of(self.columns[name])

    def column_of(self, name: str, *families: Family) -> str:
        """The quoted name of a column that holds such values.

        Raises:
            CannotEvaluate: there is no such column, or it holds other values.
        """
        found = self.family(name)
        if found not in families:
            wanted = " or ".join(family.value for family in families)
            raise CannotEvaluate(
                COLUMN_TYPE, f"the column {name} holds {found.value}; this rule needs {wanted}."
            )
        return quoted(name)

    def pattern(self, text: str) -> str:
        """A regular expression, checked.

        Raises:
            CannotEvaluate: the engine does not know it.
        """
        self.names_matching(text, ())
        return text

    def names_matching(self, pattern: str, names: Sequence[str]) -> frozenset[str]:
        """Those of the names in which a regular expression is found.

        Raises:
            CannotEvaluate: the engine does not know it.
        """
        found = self.matching(pattern, names)
        if found is None:
            raise CannotEvaluate(
                UNSUPPORTED,
                "the regular expression is not valid. It follows RE2, which has no lookaround and "
                "no back references.",
            )
        return found
