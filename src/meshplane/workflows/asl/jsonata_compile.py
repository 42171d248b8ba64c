"""Makes a JSONata tree into nested Python functions, each of (input, frame) -> value.

The semantics are those of the reference implementation (jsonata.org, version 2); whatever can
grow with data or recursion is counted (see `Run`).
"""

import re
from collections.abc import Callable
from typing import Any

from meshplane.workflows.asl import jsonata_paths as paths
from meshplane.workflows.asl.jsonata_calls import apply
from meshplane.workflows.asl.jsonata_errors import JsonataError
from meshplane.workflows.asl.jsonata_operators import ARITHMETIC, OPERATORS
from meshplane.workflows.asl.jsonata_references import unknown_reference
from meshplane.workflows.asl.jsonata_signature import Parameter, Signature
from meshplane.workflows.asl.jsonata_syntax import InvalidJsonata, parse
from meshplane.workflows.asl.jsonata_transform import transformer
from meshplane.workflows.asl.jsonata_values import (
    MISSING,
    Constructed,
    Evaluate,
    Frame,
    Lambda,
    Native,
    OuterList,
    Run,
    Sequence,
    TailCall,
    is_function,
    is_number,
    normal_number,
    truthy,
)
from meshplane.workflows.asl.remembered import remembered

_NODES_PER_STEP = 4


class Compiler:
    """Compiles the nodes of one tree, and counts them: a function's weight is that of its body."""

    def __init__(self) -> None:
        self.nodes = 0

    def weighed(self, node: Any) -> tuple[Evaluate, int]:
        """A compiled node, and how many steps one evaluation of it counts."""
        before = self.nodes
        compiled = self.compile(node)
        return compiled, 1 + (self.nodes - before) // _NODES_PER_STEP

    def compile(self, node: Any) -> Evaluate:
        """A node, with its predicates and grouping.

        Raises:
            InvalidJsonata: it is of no known kind.
        """
        self.nodes += 1
        kind = node.type
        if kind == "path":
            return self._unwrapped(node, paths.compile_path(self, node))
        make = getattr(self, f"_{kind}", None)
        if make is None:
            raise InvalidJsonata("S0206", f"Unknown expression type: {kind}", node.position)
        inner: Evaluate = make(node)
        plain = node.predicate is None and node.group is None
        if plain and kind in ("string", "number", "value", "lambda", "regex"):
            return inner
        for predicate in node.predicate or ():
            inner = self._filtered(inner, paths.compile_filter(self, predicate.expr))
        if node.group is not None:
            inner = self._grouped(inner, paths.compile_group(self, node.group.lhs_object))
        return self._unwrapped(node, inner)

    def _unwrapped(self, node: Any, inner: Evaluate) -> Evaluate:
        keep_array = bool(node.keep_array)

        def evaluate(value: Any, frame: Frame) -> Any:
            result = inner(value, frame)
            if isinstance(result, Sequence) and not result.tuple_stream:
                if keep_array:
                    result.keep_singleton = True
                if not result:
                    return MISSING
                if len(result) == 1 and not result.keep_singleton:
                    return result[0]
            return result

        return evaluate

    def _filtered(self, inner: Evaluate, keep: Callable[[Any, Frame], Any]) -> Evaluate:
        return lambda value, frame: keep(inner(value, frame), frame)

    def _grouped(self, inner: Evaluate, group: Callable[[Any, Frame], Any]) -> Evaluate:
        return lambda value, frame: group(inner(value, frame), frame)

    def _value(self, node: Any) -> Evaluate:
        constant = node.value
        if isinstance(constant, str):
            # The parser makes a character beyond the first plane from two escapes, as two halves.
            constant = constant.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return lambda value, frame: constant

    _string = _value
    _number = _value
    _regex = _value

    def _name(self, node: Any) -> Evaluate:
        name = node.value
        return lambda value, frame: paths.looked_up(frame.run, value, name)

    def _variable(self, node: Any) -> Evaluate:
        name = node.value
        if name == "":
            return lambda value, frame: (
                value[0] if isinstance(value, OuterList) and value else value
            )
        return lambda value, frame: frame.lookup(name)

    def _parent(self, node: Any) -> Evaluate:
        slot = node.slot
        return lambda value, frame: frame.lookup(slot.label)

    def _wildcard(self, node: Any) -> Evaluate:
        return lambda value, frame: paths.all_members(frame.run, value)

    def _descendant(self, node: Any) -> Evaluate:
        return lambda value, frame: paths.all_descendants(frame.run, value)

    def _unary(self, node: Any) -> Evaluate:
        if node.value == "[":
            return self._array(node)
        if node.value == "{":
            return paths.compile_group(self, node.lhs_object)
        inner = self.compile(node.expression)

        def negate(value: Any, frame: Frame) -> Any:
            number = inner(value, frame)
            if number is MISSING:
                return MISSING
            if not is_number(number):
                raise JsonataError("D1002", value=number)
            return normal_number(-number)

        return negate

    def _array(self, node: Any) -> Evaluate:
        items = [
            (self.compile(item), item.type == "unary" and item.value == "[")
            for item in node.expressions
        ]
        kind = Constructed if node.consarray else list

        def build(value: Any, frame: Frame) -> Any:
            built: list[Any] = kind()
            for evaluate, nested in items:
                item = evaluate(value, frame)
                if item is MISSING:
                    continue
                if isinstance(item, list) and not nested:
                    frame.run.spend(len(item))
                    built.extend(item)
                else:
                    built.append(item)
            return built

        return build

    def _binary(self, node: Any) -> Evaluate:
        left, right = self.compile(node.lhs), self.compile(node.rhs)
        if node.value == "and":
            return lambda value, frame: truthy(left(value, frame)) and truthy(right(value, frame))
        if node.value == "or":
            return lambda value, frame: truthy(left(value, frame)) or truthy(right(value, frame))
        operate = OPERATORS.get(node.value)
        if operate is None:
            raise InvalidJsonata("S0204", f"Unknown operator: {node.value}", node.position)
        return lambda value, frame: operate(frame.run, left(value, frame), right(value, frame))

    def compile_last(self, node: Any) -> Evaluate:
        """The arithmetic that gives the whole expression's value: null where it is no number.

        Only operands have to be finite; JSON has null for what is not (`1 / 0`).
        """
        left, right = self.compile(node.lhs), self.compile(node.rhs)
        operate = OPERATORS[node.value]

        def evaluate(value: Any, frame: Frame) -> Any:
            first, second = left(value, frame), right(value, frame)
            try:
                return operate(frame.run, first, second)
            except JsonataError as failure:
                if failure.code == "D1001":
                    return None
                raise

        return evaluate

    def _bind(self, node: Any) -> Evaluate:
        name, inner = node.lhs.value, self.compile(node.rhs)

        def bind(value: Any, frame: Frame) -> Any:
            bound = inner(value, frame)
            frame.names[name] = bound
            return bound

        return bind

    def _condition(self, node: Any) -> Evaluate:
        test, then = self.compile(node.condition), self.compile(node.then)
        otherwise = self.compile(node._else) if node._else is not None else None

        def choose(value: Any, frame: Frame) -> Any:
            if truthy(test(value, frame)):
                return then(value, frame)
            return otherwise(value, frame) if otherwise is not None else MISSING

        return choose

    def _block(self, node: Any) -> Evaluate:
        inner = [self.compile(expression) for expression in node.expressions]

        def evaluate(value: Any, frame: Frame) -> Any:
            block = Frame(frame, frame.run, {})
            result: Any = MISSING
            for expression in inner:
                result = expression(value, block)
            return result

        return evaluate

    def _lambda(self, node: Any) -> Evaluate:
        if node.thunk:
            return self._tail_call(node.body)
        body, weight = self.weighed(node.body)
        parameters = tuple(str(parameter.value) for parameter in node.arguments)
        signature = _lambda_signature(node)
        return lambda value, frame: Lambda(parameters, body, weight, signature, (value, frame))

    def _tail_call(self, call: Any) -> Evaluate:
        procedure = self._procedure(call)
        arguments = [self.compile(argument) for argument in call.arguments]

        def evaluate(value: Any, frame: Frame) -> Any:
            function = procedure(value, frame)
            return TailCall(function, [one(value, frame) for one in arguments], value)

        return evaluate

    def _procedure(self, call: Any) -> Evaluate:
        """What is called: an error for what is no function, and a hint for a forgotten dollar."""
        inner = self.compile(call.procedure)
        kind = call.procedure.type
        name = call.procedure.steps[0].value if kind == "path" else None

        def evaluate(value: Any, frame: Frame) -> Any:
            function = inner(value, frame)
            forgotten = function is MISSING and name is not None
            if forgotten and frame.lookup(str(name)) is not MISSING:
                raise JsonataError("T1005", name=str(name))
            if not is_function(function):
                raise JsonataError("T1006")
            return function

        return evaluate

    def _function(self, node: Any) -> Evaluate:
        called = self._called(node)
        return lambda value, frame: called(value, frame, ())

    def _called(self, node: Any) -> Callable[[Any, Frame, tuple[Any, ...]], Any]:
        """A call that can have arguments from elsewhere before its own (`x ~> $f(y)`)."""
        procedure = self._procedure(node)
        arguments = [self.compile(argument) for argument in node.arguments or ()]

        def evaluate(value: Any, frame: Frame, first: tuple[Any, ...]) -> Any:
            function = procedure(value, frame)
            given = [*first, *[one(value, frame) for one in arguments]]
            return apply(frame.run, function, given, value)

        return evaluate

    def _partial(self, node: Any) -> Evaluate:
        procedure = self.compile(node.procedure)
        arguments = [
            None
            if argument.type == "operator" and argument.value == "?"
            else self.compile(argument)
            for argument in node.arguments
        ]
        holes = sum(one is None for one in arguments)

        def evaluate(value: Any, frame: Frame) -> Any:
            function = procedure(value, frame)
            if not is_function(function):
                raise JsonataError("T1008")
            given = [None if one is None else one(value, frame) for one in arguments]

            def fill(run: Run, *filled: Any) -> Any:
                rest = iter(filled)
                complete = [
                    next(rest, MISSING) if one is None else known
                    for one, known in zip(arguments, given, strict=True)
                ]
                return apply(run, function, complete, value)

            return Native("partial", fill, holes, None)

        return evaluate

    def _apply(self, node: Any) -> Evaluate:
        left = self.compile(node.lhs)
        if node.rhs.type == "function" and node.rhs.predicate is None:
            called = self._called(node.rhs)
            return lambda value, frame: called(value, frame, (left(value, frame),))
        right = self.compile(node.rhs)

        def evaluate(value: Any, frame: Frame) -> Any:
            first, function = left(value, frame), right(value, frame)
            if not is_function(function):
                raise JsonataError("T2006")
            if not is_function(first):
                return apply(frame.run, function, [first], MISSING)

            def chain(run: Run, *given: Any) -> Any:
                between = apply(run, first, list(given), MISSING)
                return apply(run, function, [between], MISSING)

            return Native("chain", chain, 1, None)

        return evaluate

    def _transform(self, node: Any) -> Evaluate:
        pattern, update = self.compile(node.pattern), self.compile(node.update)
        delete = self.compile(node.delete) if node.delete is not None else None
        return transformer(pattern, update, delete)


def _lambda_signature(node: Any) -> Signature | None:
    """The signature of a function; the parser has read it, but does not keep its text."""
    if node.signature is None:
        return None
    return Signature(
        "lambda",
        [
            Parameter(
                str(one.type),
                str(one.regex),
                re.compile(one.regex.removesuffix("?")) if one.context else None,
                getattr(one, "subtype", None),
            )
            for one in node.signature._params
        ],
    )


@remembered(2_048)
def compile_expression(text: str) -> tuple[Evaluate, str | None]:
    """A compiled expression; the 2,048 short ones used last are kept.

    Returns:
        What evaluates it, and a name in it that never has a value (`unknown_reference`).

    Raises:
        InvalidJsonata: it cannot be read.
    """
    tree = parse(text)
    try:
        if tree.type == "binary" and tree.value in ARITHMETIC and not tree.predicate:
            return Compiler().compile_last(tree), unknown_reference(tree)
        return Compiler().compile(tree), unknown_reference(tree)
    except RecursionError:
        raise InvalidJsonata("", "The expression is nested too deeply") from None
