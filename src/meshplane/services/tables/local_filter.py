"""Conditions on rows, as text: parsed, bound to a table's columns, and applied as SQL would."""

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.expressions import (
    AlwaysFalse,
    AlwaysTrue,
    And,
    BooleanExpression,
    BoundPredicate,
    BoundTerm,
    LiteralPredicate,
    Not,
    Or,
    SetPredicate,
    UnboundPredicate,
)
from pyiceberg.expressions.literals import DecimalLiteral, Literal
from pyiceberg.expressions.parser import parse
from pyiceberg.expressions.visitors import (
    BooleanExpressionVisitor,
    BoundBooleanExpressionVisitor,
    _InclusiveMetricsEvaluator,
    bind,
    visit,
)
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.manifest import DataFile
from pyiceberg.schema import Schema
from pyiceberg.types import DecimalType, IcebergType, IntegerType, LongType
from pyparsing import ParseBaseException

from meshplane.kit.errors import Invalid

_LONGEST_CHARACTERS = 10_000
_DEEPEST = 20


class RowFilter:
    """A condition on the rows of a table.

    Args:
        text: the condition.
        schema: the table's current schema.

    Raises:
        Invalid: `ROW_FILTER_INVALID`.
    """

    def __init__(self, text: str, schema: Schema) -> None:
        expression: BooleanExpression = _parse(text)
        try:
            expression = visit(expression, _ExactLiterals(schema))
            bound = bind(schema, expression, case_sensitive=True)
            self._matches: pc.Expression = visit(bound, _ToArrow(schema))
            self.without_matches(schema_to_pyarrow(schema).empty_table())
            # Not a filtered scan: in 0.12.0 its residuals fail on a partition whose value is null.
            self._may_match = _InclusiveMetricsEvaluator(schema, expression).eval
        except (
            ValueError,
            TypeError,
            ArithmeticError,
            NotImplementedError,
            pa.ArrowException,
        ) as error:
            raise Invalid(
                "ROW_FILTER_INVALID",
                "The condition names a column that the table does not have, or compares a column "
                "with a value that it cannot hold. Its columns: "
                f"{', '.join(column.name for column in schema.fields)}.",
                field="where",
            ) from error

    def may_match(self, data_file: DataFile) -> bool:
        """Whether the statistics of a file leave open that one of its rows matches."""
        return self._may_match(data_file)

    def without_matches(self, rows: pa.Table) -> pa.Table:
        """The rows for which the condition is false or unknown."""
        return rows.filter(~self._matches | self._matches.is_null())


def _parse(text: str) -> BooleanExpression:
    if len(text) > _LONGEST_CHARACTERS or _depth(text) > _DEEPEST:
        raise Invalid(
            "ROW_FILTER_INVALID",
            f"The condition is longer than {_LONGEST_CHARACTERS:,} characters or nested deeper "
            f"than {_DEEPEST} parentheses; simplify it.",
            field="where",
        )
    try:
        return parse(text)
    except (ParseBaseException, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise Invalid(
            "ROW_FILTER_INVALID",
            "The condition cannot be read. Write comparisons (=, !=, <, <=, >, >=), IS NULL, IN, "
            "BETWEEN or LIKE 'prefix%' of a column and values, joined by AND, OR, NOT.",
            field="where",
        ) from error


def _depth(text: str) -> int:
    """How deep parentheses nest, at most; those in quoted text count too, which is harmless."""
    deepest = depth = 0
    for sign in text:
        depth += (sign == "(") - (sign == ")")
        deepest = max(deepest, depth)
    return deepest


class _ExactLiterals(BooleanExpressionVisitor[BooleanExpression]):
    """Writes fractions in the scale of their column, and refuses those that would be rounded.

    pyiceberg takes `passengers = 1.5` for `passengers = 2`, and `price = 1.5` for an error where
    the price has two places.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def visit_unbound_predicate(self, predicate: UnboundPredicate) -> BooleanExpression:
        """Rewrites the values that a column is compared with."""
        kind = predicate.term.bind(self._schema).ref().field.field_type
        if isinstance(predicate, LiteralPredicate):
            return type(predicate)(predicate.term, _exact(predicate.literal, kind))
        if isinstance(predicate, SetPredicate):
            exact = {_exact(literal, kind) for literal in predicate.literals}
            return type(predicate)(predicate.term, exact)
        return predicate

    def visit_bound_predicate(self, predicate: BoundPredicate) -> BooleanExpression:
        """Leaves what is bound already."""
        return predicate

    def visit_true(self) -> BooleanExpression:
        """Leaves it."""
        return AlwaysTrue()

    def visit_false(self) -> BooleanExpression:
        """Leaves it."""
        return AlwaysFalse()

    def visit_not(self, child_result: BooleanExpression) -> BooleanExpression:
        """Joins what was rewritten."""
        return Not(child_result)

    def visit_and(
        self, left_result: BooleanExpression, right_result: BooleanExpression
    ) -> BooleanExpression:
        """Joins what was rewritten."""
        return And(left_result, right_result)

    def visit_or(
        self, left_result: BooleanExpression, right_result: BooleanExpression
    ) -> BooleanExpression:
        """Joins what was rewritten."""
        return Or(left_result, right_result)


def _exact(literal: Literal[Any], kind: IcebergType) -> Literal[Any]:
    if not isinstance(literal, DecimalLiteral):
        return literal
    if isinstance(kind, IntegerType | LongType):
        scale = 0
    elif isinstance(kind, DecimalType):
        scale = kind.scale
    else:
        return literal
    exact = literal.value.quantize(Decimal(1).scaleb(-scale))
    if exact != literal.value:
        raise ValueError("the value has more places than the column")
    return DecimalLiteral(exact)


class _ToArrow(BoundBooleanExpressionVisitor[Any]):
    """Translates a bound condition so that a comparison with null is unknown, as in SQL."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def _column(self, term: BoundTerm) -> pc.Expression:
        field = term.ref().field
        if self._schema.find_column_name(field.field_id) != field.name:
            raise TypeError("a part of a nested column is not looked into")
        return pc.field(field.name)

    def _value(self, term: BoundTerm, literal: Literal[Any]) -> pa.Scalar:
        return pa.scalar(literal.value, schema_to_pyarrow(term.ref().field.field_type))

    def visit_in(self, term: BoundTerm, literals: set[Any]) -> pc.Expression:
        values = pa.array(list(literals), schema_to_pyarrow(term.ref().field.field_type))
        column = self._column(term)
        return pc.if_else(column.is_valid(), column.isin(values), pa.scalar(None, pa.bool_()))

    def visit_not_in(self, term: BoundTerm, literals: set[Any]) -> pc.Expression:
        return ~self.visit_in(term, literals)

    def visit_is_nan(self, term: BoundTerm) -> pc.Expression:
        return pc.is_nan(self._column(term))

    def visit_not_nan(self, term: BoundTerm) -> pc.Expression:
        return ~pc.is_nan(self._column(term))

    def visit_is_null(self, term: BoundTerm) -> pc.Expression:
        return self._column(term).is_null()

    def visit_not_null(self, term: BoundTerm) -> pc.Expression:
        return self._column(term).is_valid()

    def visit_equal(self, term: BoundTerm, literal: Literal[Any]) -> pc.Expression:
        return self._column(term) == self._value(term, literal)

    def visit_not_equal(self, term: BoundTerm, literal: Literal[Any]) -> pc.Expression:
        return self._column(term) != self._value(term, literal)

    def visit_greater_than_or_equal(self, term: BoundTerm, literal: Literal[Any]) -> pc.Expression:
        return self._column(term) >= self._value(term, literal)

    def visit_greater_than(self, term: BoundTerm, literal: Literal[Any]) -> pc.Expression:
        return self._column(term) > self._value(term, literal)

    def visit_less_than(self, term: BoundTerm, literal: Literal[Any]) -> pc.Expression:
        return self._column(term) < self._value(term, literal)

    def visit_less_than_or_equal(self, term: BoundTerm, literal: Literal[Any]) -> pc.Expression:
        return self._column(term) <= self._value(term, literal)

    def visit_starts_with(self, term: BoundTerm, literal: Literal[Any]) -> pc.Expression:
        return pc.starts_with(self._column(term), literal.value)

    def visit_not_starts_with(self, term: BoundTerm, literal: Literal[Any]) -> pc.Expression:
        return ~pc.starts_with(self._column(term), literal.value)

    def visit_true(self) -> pc.Expression:
        return pc.scalar(True)

    def visit_false(self) -> pc.Expression:
        return pc.scalar(False)

    def visit_not(self, child_result: Any) -> pc.Expression:
        return ~child_result

    def visit_and(self, left_result: Any, right_result: Any) -> pc.Expression:
        return left_result & right_result

    def visit_or(self, left_result: Any, right_result: Any) -> pc.Expression:
        return left_result | right_result
