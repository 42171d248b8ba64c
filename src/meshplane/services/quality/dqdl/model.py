"""A DQDL ruleset as plain, frozen objects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

NOTHING: Mapping[str, str] = MappingProxyType({})


class Operator(Enum):
    """How a condition compares. `between` leaves out both of its bounds."""

    EQUAL = "="
    NOT_EQUAL = "!="
    GREATER = ">"
    GREATER_EQUAL = ">="
    LESS = "<"
    LESS_EQUAL = "<="
    BETWEEN = "between"
    NOT_BETWEEN = "not between"
    IN = "in"
    NOT_IN = "not in"
    MATCHES = "matches"
    NOT_MATCHES = "not matches"


class Kind(Enum):
    """What a condition compares with."""

    NUMBER = "a number"
    TEXT = "a text"
    DATE = "a date"
    DURATION = "a duration"
    SIZE = "a file size"


class Keyword(Enum):
    """A word that stands for a missing or blank value."""

    NULL = "NULL"
    EMPTY = "EMPTY"
    WHITESPACES_ONLY = "WHITESPACES_ONLY"


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it is written; `text` keeps all of its digits."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function of earlier runs, such as `avg(last(10))`."""

    name: str
    arguments: tuple["Numeric", ...]


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`first` and then each further operand with its sign, from left to right, of one precedence.

    `-x` is an `Arithmetic` whose first operand is 0.
    """

    first: "Numeric"
    rest: tuple[tuple[str, "Numeric"], ...]


Numeric = Number | Call | Arithmetic


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted text. `raw` keeps its backslashes, as a regular expression needs them."""

    value: str
    raw: str


@dataclass(frozen=True, slots=True)
class Now:
    """The time of the run, moved by `offset_seconds`."""

    offset_seconds: int


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time, `3 hours`."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Size:
    """A size of a file, `5 MB`."""

    amount: int
    unit: str


Operand = Number | Call | Arithmetic | Text | Now | Duration | Size | Keyword


@dataclass(frozen=True, slots=True)
class Condition:
    """What a rule expects."""

    kind: Kind
    operator: Operator
    operands: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Args:
        text: the rule as its author wrote it.
        line: the line of the ruleset where it begins, from 1.
        type: the name of its rule type (`IsComplete`).
        parameters: mostly columns.
        condition: what the value must be, for rule types that have one.
        where: SQL that picks the rows.
        threshold: which share of the rows must meet the condition.
        tags: its `with name = "value"` settings.
        labels: its own labels over the default labels of the ruleset.
    """

    text: str
    line: int
    type: str
    parameters: tuple[str, ...] = ()
    condition: Condition | None = None
    where: str | None = None
    threshold: Condition | None = None
    tags: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    labels: Mapping[str, str] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class Composite:
    """Rules joined by `and` (`every`) or `or` (not `every`)."""

    text: str
    line: int
    every: bool
    members: tuple["AnyRule", ...]
    labels: Mapping[str, str] = field(default_factory=lambda: NOTHING)


AnyRule = Rule | Composite


@dataclass(frozen=True, slots=True)
class Analyzer:
    """A metric to be gathered without a rule about it."""

    text: str
    line: int
    type: str
    parameters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ruleset:
    """A whole document.

    Args:
        rules: in the order of the text; composites hold theirs.
        analyzers: in the order of the text.
        metadata: `Version`, if it is given.
        primary_source: the name of the table, if the document gives one.
        additional_sources: the names of its reference tables.
    """

    rules: tuple[AnyRule, ...]
    analyzers: tuple[Analyzer, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    primary_source: str | None = None
    additional_sources: tuple[str, ...] = ()
