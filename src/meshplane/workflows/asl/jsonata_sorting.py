"""The order-by of JSONata paths, `^(price, >name)`."""

from collections.abc import Callable
from functools import cmp_to_key, partial
from typing import Any

from meshplane.workflows.asl.jsonata_errors import JsonataError
from meshplane.workflows.asl.jsonata_values import (
    MISSING,
    Frame,
    NodeCompiler,
    Run,
    Sequence,
    is_number,
)


def compile_sort(compiler: NodeCompiler, step: Any) -> Callable[[Any, Frame], Any]:
    """A step that orders what it is given by the values of its terms."""
    terms = [(*compiler.weighed(term.expression), bool(term.descending)) for term in step.terms]
    weight = sum(weight for _, weight, _ in terms)

    def order(current: Any, frame: Frame) -> Any:
        run = frame.run
        streams = isinstance(current, Sequence) and current.tuple_stream
        run.spend((1 + weight) * len(current))
        keyed: list[tuple[list[Any], Any]] = []
        for item in current:
            inner = Frame(frame, run, item) if streams else frame
            context = item["@"] if streams else item
            keyed.append(([evaluate(context, inner) for evaluate, _, _ in terms], item))
        descending = [one for _, _, one in terms]
        keyed.sort(key=cmp_to_key(partial(_compare, run, descending)))
        result = Sequence(item for _, item in keyed)
        result.tuple_stream = streams
        return result

    return order


_Keyed = tuple[list[Any], Any]


def _compare(run: Run, descending: list[bool], left: _Keyed, right: _Keyed) -> int:
    run.spend(1)
    for a, b, down in zip(left[0], right[0], descending, strict=True):
        if a is MISSING or b is MISSING:
            # What is not there comes last, in either direction.
            if a is not b:
                return 1 if a is MISSING else -1
            continue
        for side in (a, b):
            if not isinstance(side, str) and not is_number(side):
                raise JsonataError("T2008")
        if isinstance(a, str) is not isinstance(b, str):
            raise JsonataError("T2007", value=a, value2=b)
        if a != b:
            return (1 if a > b else -1) * (-1 if down else 1)
    return 0
