"""Conditions on rows, as text: parsed, bound to a table's columns, and applied as SQL would."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.expressions import BooleanExpression, BoundTerm
from pyiceberg.expressions.literals import Literal
from pyiceberg.expressions.parser import parse
from pyiceberg.expressions.visitors import BoundBooleanExpressionVisitor, bind, visit
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.schema import Schema
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
        self.expression: BooleanExpression = _parse(text)
        try:
            bound = bind(schema, self.expression, case_sensitive=True)
            self._matches: pc.Expression = visit(bound, _ToArrow(schema))
            self.without_matches(schema_to_pyarrow(schema).empty_table())
        except (ValueError, TypeError, NotImplementedError, pa.ArrowException) as error:
            raise Invalid(
                "ROW_FILTER_INVALID",
                "The condition names a column that the table does not have, or compares a column "
                "with a value of another type. Its columns: "
                f"{', '.join(column.name for column in schema.fields)}.",
                field="where",
            ) from error

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


class _ToArrow(BoundBooleanExpressionVisitor[Any]):
    """Translates a bound condition so that a comparison with null is unknown, as in SQL."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def _column(self, term: BoundTerm) -> pc.Expression:
        field = term.ref().field
        if self._schema.find_column_name(field.field_id) != field.name:
            raise NotImplementedError("parts of nested columns")
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
