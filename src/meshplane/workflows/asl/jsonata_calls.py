"""Calls of JSONata functions: arguments, tail calls, depth."""

from typing import Any

from meshplane.workflows.asl.json_path_regex import Match, Regex
from meshplane.workflows.asl.jsonata_errors import JsonataError
from meshplane.workflows.asl.jsonata_values import (
    DEEPEST_CALLS,
    MISSING,
    Frame,
    Lambda,
    Native,
    Run,
    TailCall,
)


def apply(run: Run, function: Any, arguments: list[Any], context: Any) -> Any:
    """What a function gives for arguments.

    Args:
        run: counts the work.
        function: what is called.
        arguments: in their order; undefined ones count.
        context: the value that a native function takes for an argument left out.

    Raises:
        JsonataError: it is no function, or what the function raises.
    """
    run.depth += 1
    if run.depth > DEEPEST_CALLS:
        raise JsonataError("D1011")
    try:
        result = _applied(run, function, arguments, context)
        # A tail call does not go deeper, so that a recursion can be a loop.
        while type(result) is TailCall:
            result = _applied(run, result.function, result.arguments, result.input)
    finally:
        run.depth -= 1
    return result


def _applied(run: Run, function: Any, arguments: list[Any], context: Any) -> Any:
    if type(function) is Lambda:
        run.spend(function.weight)
        if function.signature is not None:
            arguments = function.signature.validate(arguments, context)
        names = dict.fromkeys(function.parameters, MISSING)
        names.update(zip(function.parameters, arguments, strict=False))
        return function.body(function.input, Frame(function.frame, run, names))
    if type(function) is Native:
        run.spend(1)
        if function.signature is not None:
            arguments = function.signature.validate(arguments, context)
        return function.work(run, *arguments)
    if isinstance(function, Regex):
        text = arguments[0] if arguments else MISSING
        return _matched(run, function, text) if isinstance(text, str) else MISSING
    raise JsonataError("T1006")


def _matched(run: Run, regex: Regex, text: str) -> Any:
    """A regular expression called as a function: its first match, and how to go on to the next."""
    matches = regex.each(text, run.spend)

    def following(_: Run) -> Any:
        match = next(matches, None)
        if match is None:
            return MISSING
        return {**match_object(match), "next": Native("next", following, 0, None)}

    match = next(matches, None)
    if match is None:
        return MISSING
    return {**match_object(match), "next": Native("next", following, 0, None)}


def match_object(match: Match) -> dict[str, Any]:
    """A match as JSONata shows it to a function."""
    return {
        "match": match.text,
        "start": match.start,
        "end": match.end,
        "groups": [group if group is not None else MISSING for group in match.groups],
    }


def arity_of(function: Any) -> int:
    """How many arguments a function can take."""
    return function.arity if isinstance(function, Lambda | Native) else 1


def call_for(run: Run, function: Any, *arguments: Any) -> Any:
    """Calls a function with as many of the arguments as it can take, and at least the first."""
    return apply(run, function, list(arguments[: max(1, arity_of(function))]), MISSING)
