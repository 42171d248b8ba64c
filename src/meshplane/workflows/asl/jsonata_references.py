"""Names in a JSONata expression that Step Functions has no value for.

An expression is evaluated without a context of its own: what it works on is in variables. So a
field's name that follows nothing (`price` where `$states.input.price` is meant) and `$$` never have
a value, and Step Functions refuses a definition with them. Source: the developer guide of AWS Step
Functions, "Transforming data with JSONata".
"""

from collections.abc import Iterator
from typing import Any


def unknown_reference(tree: Any) -> str | None:
    """A name at the top level of an expression, or `$$`, if it has one.

    What stands inside functions, predicates and later steps of a path has a context, and is not
    looked at.

    Args:
        tree: the parsed expression.
    """
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        kind = node.type
        if kind == "path":
            first = node.steps[0]
            if first.type == "name":
                return str(first.value)
            waiting.append(first)
        elif kind == "variable" and node.value == "$":
            return "$$"
        else:
            waiting += _same_level(node, kind)
    return None


def _same_level(node: Any, kind: str) -> Iterator[Any]:
    """The parts of a node that are evaluated where it is itself."""
    if kind in ("binary", "apply"):
        yield node.lhs
        yield node.rhs
    elif kind == "bind":
        yield node.rhs
    elif kind == "condition":
        yield node.condition
        yield node.then
        if node._else is not None:
            yield node._else
    elif kind == "block" or (kind == "unary" and node.value == "["):
        yield from node.expressions
    elif kind == "unary" and node.value == "{":
        for pair in node.lhs_object:
            yield from pair
    elif kind == "unary":
        yield node.expression
    elif kind in ("function", "partial"):
        yield from node.arguments or ()
