"""Whole numbers that a state is given as a literal, by a path, or by a JSONata expression."""

import math
from typing import Any

from meshplane.workflows.asl.errors import (
    QUERY_EVALUATION_ERROR,
    RUNTIME,
    PathMissing,
    StateError,
    json_text,
)
from meshplane.workflows.asl.jsonata import Jsonata, compile_jsonata, is_jsonata
from meshplane.workflows.asl.scope import Scope
from meshplane.workflows.asl.templates import Expression, compile_expression


class Quantity:
    """`Name: 3`, `NamePath: "$.three"` or `Name: "{% 3 %}"`.

    Args:
        document: the state's document.
        name: the field.
        most: the largest number that may be meant.
    """

    __slots__ = ("_expression", "_jsonata", "_literal", "_most", "_name", "present")

    def __init__(self, document: dict[str, Any], name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._literal: float | None = None
        self._jsonata: Jsonata | None = None
        self._expression: Expression | None = None
        value = document.get(name)
        path = document.get(f"{name}Path")
        if isinstance(path, str):
            self._expression = compile_expression(path, f"{name}Path")
        elif is_jsonata(value):
            self._jsonata = compile_jsonata(value)
        elif value is not None:
            self._literal = value
        self.present = value is not None or path is not None

    def evaluate(self, scope: Scope) -> int | None:
        """The number; None if the state has none.

        Raises:
            StateError: it is no whole number of 0 to `most`.
        """
        if self._literal is not None or not self.present:
            return None if self._literal is None else int(self._literal)
        if self._jsonata is not None:
            value = self._jsonata.evaluate(scope, self._name, "number")
            return self._number(
                value, QUERY_EVALUATION_ERROR, f"{self._name} field", json_text(value)
            )
        if self._expression is None:
            return None
        value = self._expression.evaluate(scope)
        if not is_whole(value):
            raise StateError(
                RUNTIME,
                f'The {self._name}Path field refers to value "{plain_text(value)}" which is not a'
                f" valid integer: {self._expression.text}",
            )
        return self._number(
            value, RUNTIME, f"{self._name}Path field", f"{self._expression.text} == {value}"
        )

    def _number(self, value: Any, error: str, what: str, told: str) -> int:
        if not is_whole(value):
            raise StateError(error, f"The {what} cannot be parsed as a long value: {told}")
        number = int(value)
        if number < 0:
            raise self._negative(number, error, what, told)
        if number > self._most:
            raise StateError(
                error, f"The {what} references a value that is over {self._most}: {told}"
            )
        return number

    def _negative(self, number: int, error: str, what: str, told: str) -> StateError:
        return StateError(error, f"The {what} references a negative value: {told}")


class Limit(Quantity):
    """A limit of a Map, whose cause is worded differently where a path gives a negative one.

    Args:
        document: the state's document.
        name: the field.
        most: the largest number that may be meant.
        refusal: that cause; `{}` in it stands for the number.
    """

    __slots__ = ("_refusal",)

    def __init__(self, document: dict[str, Any], name: str, most: int, refusal: str) -> None:
        super().__init__(document, name, most)
        self._refusal = refusal

    def _negative(self, number: int, error: str, what: str, told: str) -> StateError:
        if error == RUNTIME:
            return StateError(error, self._refusal.format(number))
        return super()._negative(number, error, what, told)


class Percentage(Quantity):
    """`ToleratedFailurePercentage`: a number from 0 to 100, which may have a fraction.

    Args:
        document: the state's document.
        name: the field.
    """

    __slots__ = ()

    def __init__(self, document: dict[str, Any], name: str) -> None:
        super().__init__(document, name, 100)

    def share_of(self, total: int, scope: Scope) -> int | None:
        """So many of a total; None if the state has no percentage.

        Raises:
            StateError: it is no number of 0 to 100.
        """
        percent = self._percent(scope)
        return None if percent is None else math.floor(total * percent / 100)

    def _percent(self, scope: Scope) -> float | None:
        if self._literal is not None or not self.present:
            return self._literal
        if self._jsonata is not None:
            value = self._jsonata.evaluate(scope, self._name, "number")
            return self._within(value, QUERY_EVALUATION_ERROR)
        if self._expression is None:
            return None
        value = self._expression.evaluate(scope)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise StateError(
                RUNTIME,
                f'The {self._name}Path field refers to value "{plain_text(value)}" which is'
                f" not a valid float: {self._expression.text}",
            )
        return self._within(value, RUNTIME)

    def _within(self, value: float, error: str) -> float:
        if not 0 <= value <= self._most:
            raise StateError(error, f"{self._name} must be between 0 and {self._most}.")
        return value


class Seconds(Quantity):
    """`Seconds` of a Wait, whose causes are worded differently."""

    __slots__ = ()

    def evaluate(self, scope: Scope) -> int | None:
        """How long to wait, as `Quantity.evaluate`."""
        if self._expression is None:
            return super().evaluate(scope)
        text = self._expression.text
        try:
            value = self._expression.source.evaluate(scope)
        except PathMissing:
            raise StateError(
                RUNTIME, f"The SecondsPath parameter does not reference an input value: {text}"
            ) from None
        return self._number(
            value, RUNTIME, "SecondsPath parameter", f"{text} == {plain_text(value)}"
        )


def is_whole(value: Any) -> bool:
    """Whether a JSON value is a whole number, written with a point or without."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, int) or (math.isfinite(value) and value.is_integer())


def plain_text(value: Any) -> str:
    """A value for a cause: a text as it is, all else as JSON."""
    return value if isinstance(value, str) else json_text(value)
