"""JSONata's functions of lists and objects, and of functions."""

from collections.abc import Callable
from typing import Any

from meshplane.workflows.asl.jsonata_calls import apply, arity_of, call_for
from meshplane.workflows.asl.jsonata_errors import JsonataError
from meshplane.workflows.asl.jsonata_paths import looked_up
from meshplane.workflows.asl.jsonata_signature import symbol_of
from meshplane.workflows.asl.jsonata_text import equal
from meshplane.workflows.asl.jsonata_transform import cloned
from meshplane.workflows.asl.jsonata_values import (
    MISSING,
    Run,
    Sequence,
    appended,
    is_number,
    truthy,
)

_TYPES = {
    "l": "null",
    "b": "boolean",
    "n": "number",
    "s": "string",
    "a": "array",
    "o": "object",
    "f": "function",
}


def count(run: Run, values: Any) -> int:
    """`$count(list)`."""
    return 0 if values is MISSING else len(values)


def mapped(run: Run, values: Any, function: Any) -> Any:
    """`$map(list, function(value, index, list))`."""
    if values is MISSING:
        return MISSING
    result = Sequence()
    for at, value in enumerate(values):
        run.spend(1)
        made = call_for(run, function, value, at, values)
        if made is not MISSING:
            result.append(made)
    return result


def filtered(run: Run, values: Any, function: Any) -> Any:
    """`$filter(list, function(value, index, list))`."""
    if values is MISSING:
        return MISSING
    result = Sequence()
    for at, value in enumerate(values):
        run.spend(1)
        if truthy(call_for(run, function, value, at, values)):
            result.append(value)
    return result


def single(run: Run, values: Any, function: Any) -> Any:
    """`$single(list, function)`: the only one for which the function holds."""
    if values is MISSING:
        return MISSING
    found: list[Any] = []
    for at, value in enumerate(values):
        run.spend(1)
        if function is MISSING or truthy(call_for(run, function, value, at, values)):
            if found:
                raise JsonataError("D3138")
            found.append(value)
    if not found:
        raise JsonataError("D3139")
    return found[0]


def reduced(run: Run, values: Any, function: Any, initial: Any) -> Any:
    """`$reduce(list, function(previous, value, index, list), initial)`."""
    if values is MISSING:
        return MISSING
    arity = arity_of(function)
    if arity < 2:
        raise JsonataError("D3050")
    at = 0
    result = initial
    if initial is MISSING and values:
        result, at = values[0], 1
    for place in range(at, len(values)):
        given = [result, values[place], place, values][:arity]
        result = apply(run, function, given, MISSING)
    return result


def zipped(run: Run, *lists: Any) -> Any:
    """`$zip(list, …)`: as long as the shortest."""
    rows = [values if values is not MISSING else [] for values in lists]
    run.spend(sum(map(len, rows)))
    return [list(row) for row in zip(*rows, strict=False)]


def sifted(run: Run, value: Any, function: Any) -> Any:
    """`$sift(object, function(value, name, object))`: the members for which it holds."""
    if value is MISSING:
        return MISSING
    result = {}
    for name, member in value.items():
        run.spend(1)
        if truthy(call_for(run, function, member, name, value)):
            result[name] = member
    return result or MISSING


def keys(run: Run, value: Any) -> Any:
    """`$keys(object or list of objects)`: each name once."""
    names: dict[str, None] = {}
    for item in value if isinstance(value, list) else [value]:
        run.spend(1)
        if isinstance(item, dict):
            run.spend(len(item))
            names.update(dict.fromkeys(item))
        elif isinstance(item, list):
            names.update(dict.fromkeys(keys(run, item)))
    return Sequence(names)


def lookup(run: Run, value: Any, name: Any) -> Any:
    """`$lookup(object or list of objects, name)`."""
    return MISSING if name is MISSING else looked_up(run, value, name)


def spread(run: Run, value: Any) -> Any:
    """`$spread(object or list of objects)`: one object for each member."""
    if isinstance(value, list):
        result = Sequence()
        for item in value:
            run.spend(1)
            parts = spread(run, item)
            result.extend(parts if isinstance(parts, list) else [parts])
        return result
    if isinstance(value, dict):
        run.spend(len(value))
        return Sequence({name: member} for name, member in value.items())
    return value


def merged(run: Run, values: Any) -> Any:
    """`$merge(objects)`: of equal names the last one's value."""
    if values is MISSING:
        return MISSING
    result: dict[str, Any] = {}
    for value in values:
        run.spend(1 + len(value))
        result.update(value)
    return result


def reverse(run: Run, values: Any) -> Any:
    """`$reverse(list)`."""
    if values is MISSING:
        return MISSING
    run.spend(len(values))
    return list(values[::-1])


def each(run: Run, value: Any, function: Any) -> Any:
    """`$each(object, function(value, name, object))`."""
    if value is MISSING:
        return MISSING
    result = Sequence()
    for name, member in value.items():
        run.spend(1)
        made = call_for(run, function, member, name, value)
        if made is not MISSING:
            result.append(made)
    return result


def fail(run: Run, message: Any) -> Any:
    """`$error(message)`."""
    text = message if isinstance(message, str) else "$error() function evaluated"
    raise JsonataError("D3137", message=text)


def check(run: Run, condition: Any, message: Any) -> Any:
    """`$assert(condition, message)`."""
    if not truthy(condition):
        text = message if isinstance(message, str) else "$assert() statement failed"
        raise JsonataError("D3141", message=text)
    return MISSING


def type_of(run: Run, value: Any) -> Any:
    """`$type(value)`."""
    return _TYPES.get(symbol_of(value), MISSING)


def ordered(run: Run, values: Any, function: Any) -> Any:
    """`$sort(list, function(left, right))`: the function tells whether the left comes later."""
    if values is MISSING or len(values) <= 1:
        return values
    run.spend(2 * len(values))
    if function is MISSING:
        if not (all(map(is_number, values)) or all(isinstance(one, str) for one in values)):
            raise JsonataError("D3070")
        return sorted(values)

    def later(left: Any, right: Any) -> int:
        # Asked one way round only, as the reference implementation does: no swap, no change.
        return 1 if truthy(apply(run, function, [left, right], MISSING)) else -1

    return _merge_sorted(list(values), later)


def _merge_sorted(values: list[Any], later: Callable[[Any, Any], int]) -> list[Any]:
    """A stable sort that asks about a left and a right item, never the other way round."""
    width = 1
    while width < len(values):
        following: list[Any] = []
        for start in range(0, len(values), 2 * width):
            left = values[start : start + width]
            right = values[start + width : start + 2 * width]
            i = j = 0
            while i < len(left) and j < len(right):
                if later(left[i], right[j]) > 0:
                    following.append(right[j])
                    j += 1
                else:
                    following.append(left[i])
                    i += 1
            following += left[i:] + right[j:]
        values = following
        width *= 2
    return values


def shuffle(run: Run, values: Any) -> Any:
    """`$shuffle(list)`."""
    if values is MISSING:
        return MISSING
    run.spend(4 * len(values))
    shuffled = list(values)
    run.scope.random.shuffle(shuffled)
    return shuffled


def distinct(run: Run, values: Any) -> Any:
    """`$distinct(list)`: each value once."""
    if not isinstance(values, list) or len(values) <= 1:
        return values
    result: list[Any] = Sequence() if isinstance(values, Sequence) else []
    simple: set[Any] = set()
    others: list[Any] = []
    for value in values:
        run.spend(1)
        if isinstance(value, list | dict):
            if any(equal(run, value, other) for other in others):
                continue
            others.append(value)
        else:
            mark = (isinstance(value, bool), value)
            if mark in simple:
                continue
            simple.add(mark)
        result.append(value)
    return result


def boolean(run: Run, value: Any) -> Any:
    """`$boolean(value)`."""
    return MISSING if value is MISSING else truthy(value)


def negation(run: Run, value: Any) -> Any:
    """`$not(value)`."""
    return MISSING if value is MISSING else not truthy(value)


def clone(run: Run, value: Any) -> Any:
    """`$clone(value)`."""
    return MISSING if value is MISSING else cloned(run, value, set())


LIST_FUNCTIONS: list[tuple[str, str, Callable[..., Any]]] = [
    ("count", "<a:n>", count),
    ("map", "<af>", mapped),
    ("filter", "<af>", filtered),
    ("single", "<af?>", single),
    ("reduce", "<afj?:j>", reduced),
    ("zip", "<a+>", zipped),
    ("sift", "<o-f?:o>", sifted),
    ("keys", "<x-:a<s>>", keys),
    ("lookup", "<x-s:x>", lookup),
    ("append", "<xx:a>", appended),
    ("exists", "<x:b>", lambda run, value: value is not MISSING),
    ("spread", "<x-:a<o>>", spread),
    ("merge", "<a<o>:o>", merged),
    ("reverse", "<a:a>", reverse),
    ("each", "<o-f:a>", each),
    ("error", "<s?:x>", fail),
    ("assert", "<bs?:x>", check),
    ("type", "<x:s>", type_of),
    ("sort", "<af?:a>", ordered),
    ("shuffle", "<a:a>", shuffle),
    ("distinct", "<x:x>", distinct),
    ("boolean", "<x-:b>", boolean),
    ("not", "<x-:b>", negation),
    ("clone", "<(oa)-:o>", clone),
]
