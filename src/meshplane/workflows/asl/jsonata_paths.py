"""Paths of JSONata: steps, filters, grouping, and the streams of `@`, `#` and `%`."""

from collections.abc import Callable
from typing import Any

from meshplane.workflows.asl.jsonata_errors import JsonataError
from meshplane.workflows.asl.jsonata_sorting import compile_sort
from meshplane.workflows.asl.jsonata_values import (
    MISSING,
    Constructed,
    Evaluate,
    Frame,
    NodeCompiler,
    OuterList,
    Run,
    Sequence,
    is_number,
    truthy,
)

Step = Callable[[list[Any], Frame, bool], Any]
DEEPEST_VALUE = 512


def looked_up(run: Run, value: Any, name: str) -> Any:
    """A member by name; of a list, the members of its items, one after the other."""
    if isinstance(value, dict):
        return value.get(name, MISSING)
    if not isinstance(value, list):
        return MISSING
    run.spend(1 + len(value))
    found = Sequence()
    for item in value:
        member = looked_up(run, item, name)
        if isinstance(member, list):
            run.spend(len(member))
            found.extend(member)
        elif member is not MISSING:
            found.append(member)
    return found


def all_members(run: Run, value: Any) -> Any:
    """The wildcard `*`: the values of all members, lists flattened."""
    if isinstance(value, OuterList) and value:
        value = value[0]
    found = Sequence()
    members = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list):
        for member in members:
            _flatten(run, member, found, 0)
    return found


def _flatten(run: Run, value: Any, found: list[Any], depth: int) -> None:
    run.spend(1)
    if depth > DEEPEST_VALUE:
        raise JsonataError("D1011")
    if isinstance(value, list):
        for item in value:
            _flatten(run, item, found, depth + 1)
    else:
        found.append(value)


def all_descendants(run: Run, value: Any) -> Any:
    """`**`: the value and all below it, except lists themselves."""
    if value is MISSING:
        return MISSING
    found = Sequence()
    _descend(run, value, found, 0)
    return found[0] if len(found) == 1 else found


def _descend(run: Run, value: Any, found: list[Any], depth: int) -> None:
    run.spend(1)
    if depth > DEEPEST_VALUE:
        raise JsonataError("D1011")
    if not isinstance(value, list):
        found.append(value)
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _descend(run, item, found, depth + 1)


def compile_path(compiler: NodeCompiler, node: Any) -> Evaluate:
    """A path of one or more steps."""
    quick = _names_only(node)
    general = _general_path(compiler, node)
    if quick is None:
        return general
    variable, names = quick

    def follow(value: Any, frame: Frame) -> Any:
        at = value if variable is None else frame.lookup(variable)
        for name in names:
            if type(at) is not dict:
                # Lists, and whatever else needs the rules for sequences.
                return general(value, frame)
            at = at.get(name, MISSING)
            if at is MISSING:
                return MISSING
        return at

    return follow


def _names_only(node: Any) -> tuple[str | None, list[str]] | None:
    """The names of a path such as `$states.input.a`, when it has nothing else to it."""
    if node.keep_array or node.keep_singleton_array or node.group is not None or node.tuple:
        return None
    steps = list(node.steps)
    for step in steps:
        if step.stages or step.predicate or step.tuple or step.group or step.keep_array:
            return None
    variable = None
    if steps[0].type == "variable":
        variable = steps.pop(0).value
        if not variable or not steps:
            return None
    if any(step.type != "name" for step in steps):
        return None
    return variable, [step.value for step in steps]


def _general_path(compiler: NodeCompiler, node: Any) -> Evaluate:
    steps = node.steps
    compiled: list[tuple[Any, bool, Any]] = []
    streaming = False
    for at, step in enumerate(steps):
        streaming = streaming or step.tuple is not None
        if at == 0 and step.consarray:
            compiled.append((None, False, compiler.compile(step)))
        elif streaming:
            compiled.append((step, True, _tuple_step(compiler, step)))
        else:
            compiled.append((step, False, _step(compiler, step)))
    from_variable = steps[0].type == "variable"
    keep, carries = bool(node.keep_singleton_array), node.tuple is not None
    group = compile_group(compiler, node.group.lhs_object) if node.group is not None else None
    last = len(steps) - 1

    def evaluate(value: Any, frame: Frame) -> Any:
        current: Any = value if isinstance(value, list) and not from_variable else [value]
        result: Any = MISSING
        tuples: Any = None
        for at, (step, streams, run_step) in enumerate(compiled):
            if step is None:
                result = run_step(current, frame)
            elif streams:
                tuples = run_step(current, tuples, frame)
            else:
                result = run_step(current, frame, at == last)
            if not streams and (result is MISSING or result == []):
                break
            if step is None or step.focus is None:
                current = result if isinstance(result, list) else [result]
        if streaming and tuples is not None:
            result = tuples if carries else Sequence(one["@"] for one in tuples)
        if keep:
            result = _kept(result)
        if group is not None:
            result = group(tuples if streaming and tuples is not None else result, frame)
        return result

    return evaluate


def _kept(result: Any) -> Any:
    """A result that stays a list although it may have one item."""
    if isinstance(result, Constructed):
        result = Sequence([result])
    elif result is MISSING:
        result = Sequence()
    if isinstance(result, Sequence):
        result.keep_singleton = True
    return result


def _step(compiler: NodeCompiler, step: Any) -> Step:
    stages = [compile_filter(compiler, stage.expr) for stage in _filters(step)]
    if step.type == "sort":
        order = compile_sort(compiler, step)

        def sort(current: list[Any], frame: Frame, last: bool) -> Any:
            result: Any = order(current, frame)
            for stage in stages:
                result = stage(result, frame)
            return result

        return sort
    inner, weight = compiler.weighed(step)

    def evaluate(current: list[Any], frame: Frame, last: bool) -> Any:
        frame.run.spend(weight * len(current))
        results: list[Any] = []
        for item in current:
            result = inner(item, frame)
            for stage in stages:
                result = stage(result, frame)
            if result is not MISSING:
                results.append(result)
        if last and len(results) == 1:
            only = results[0]
            if isinstance(only, list) and not isinstance(only, Sequence):
                return only
        return _flattened(frame.run, results)

    return evaluate


def _filters(step: Any) -> list[Any]:
    return [stage for stage in step.stages or () if stage.type == "filter"]


def _flattened(run: Run, results: list[Any]) -> Sequence:
    flat = Sequence()
    for result in results:
        if isinstance(result, list) and not isinstance(result, Constructed):
            run.spend(len(result))
            flat.extend(result)
        else:
            flat.append(result)
    return flat


def _tuple_step(compiler: NodeCompiler, step: Any) -> Callable[[list[Any], Any, Frame], Any]:
    """A step of a path that carries names along: each result remembers where it came from."""
    stages = [_stage(compiler, stage) for stage in step.stages or ()]
    if step.type == "sort":
        order = compile_sort(compiler, step)

        def sort(current: list[Any], tuples: Any, frame: Frame) -> Any:
            if tuples is not None:
                result: Any = order(tuples, frame)
            else:
                result = _stream(
                    {"@": item, step.index: at} for at, item in enumerate(order(current, frame))
                )
            for stage in stages:
                result = stage(result, frame)
            return result

        return sort
    inner, weight = compiler.weighed(step)

    def evaluate(current: list[Any], tuples: Any, frame: Frame) -> Any:
        result: Any = _stream(())
        for one in [{"@": item} for item in current] if tuples is None else tuples:
            frame.run.spend(weight + len(one))
            found = inner(one["@"], Frame(frame, frame.run, one))
            if found is not MISSING:
                result.extend(_bound(frame.run, step, one, found))
        for stage in stages:
            result = stage(result, frame)
        return result

    return evaluate


def _bound(run: Run, step: Any, one: dict[str, Any], found: Any) -> list[dict[str, Any]]:
    bound: list[dict[str, Any]] = []
    carries = isinstance(found, Sequence) and found.tuple_stream
    for at, item in enumerate(found if isinstance(found, list) else [found]):
        run.spend(1 + len(one))
        made = dict(one)
        if carries:
            made.update(item)
        else:
            if step.focus is not None:
                made[step.focus] = item
            else:
                made["@"] = item
            if step.index is not None:
                made[step.index] = at
            if step.ancestor is not None:
                made[step.ancestor.label] = one["@"]
        bound.append(made)
    return bound


def _stage(compiler: NodeCompiler, stage: Any) -> Callable[[Any, Frame], Any]:
    if stage.type == "filter":
        return compile_filter(compiler, stage.expr)
    name = str(stage.value)

    def number(tuples: Any, frame: Frame) -> Any:
        return _stream({**one, name: at} for at, one in enumerate(tuples))

    return number


def _stream(tuples: Any) -> Sequence:
    stream = Sequence(tuples)
    stream.tuple_stream = True
    return stream


def compile_filter(compiler: NodeCompiler, predicate: Any) -> Callable[[Any, Frame], Any]:
    """A filter `[…]`: a place in the list, places, or a condition."""
    if predicate.type == "number":
        place = int(predicate.value // 1)
        return lambda value, frame: _at_place(value, place)
    inner, weight = compiler.weighed(predicate)

    def keep(value: Any, frame: Frame) -> Any:
        items = value if isinstance(value, list) else [value]
        streams = isinstance(value, Sequence) and value.tuple_stream
        kept = Sequence()
        kept.tuple_stream = streams
        frame.run.spend(weight * len(items))
        for at, item in enumerate(items):
            if streams:
                found = inner(item["@"], Frame(frame, frame.run, item))
            else:
                found = inner(item, frame)
            if _chosen(frame.run, found, at, len(items)):
                kept.append(item)
        return kept

    return keep


def _at_place(value: Any, place: int) -> Any:
    items = value if isinstance(value, list) else [value]
    if not -len(items) <= place < len(items):
        return Sequence()
    item = items[place]
    return item if isinstance(item, list) else Sequence([item])


def _chosen(run: Run, found: Any, at: int, size: int) -> bool:
    if is_number(found):
        found = [found]
    if isinstance(found, list) and found and all(map(is_number, found)):
        run.spend(len(found))
        places = (int(place // 1) for place in found)
        return any((place + size if place < 0 else place) == at for place in places)
    return truthy(found)


def compile_group(compiler: NodeCompiler, pairs: Any) -> Callable[[Any, Frame], Any]:
    """An object `{…}`, which also groups a sequence by its keys."""
    compiled = [(compiler.compile(name), *compiler.weighed(value)) for name, value in pairs]
    weight = 1 + sum(weight for _, _, weight in compiled)

    def evaluate(value: Any, frame: Frame) -> Any:
        run = frame.run
        streams = isinstance(value, Sequence) and value.tuple_stream
        items = value if isinstance(value, list) else [value]
        groups: dict[str, tuple[int, list[Any]]] = {}
        for item in items or [MISSING]:
            run.spend(weight)
            inner = Frame(frame, run, item) if streams else frame
            for at, (name, _, _) in enumerate(compiled):
                key = name(item["@"] if streams else item, inner)
                if key is MISSING:
                    continue
                if not isinstance(key, str):
                    raise JsonataError("T1003", value=key)
                known = groups.setdefault(key, (at, []))
                if known[0] != at:
                    raise JsonataError("D1009", value=key)
                known[1].append(item)
        made: dict[str, Any] = {}
        for key, (at, members) in groups.items():
            if streams:
                context, inner = _reduced(run, members, frame)
            else:
                context, inner = _joined(run, members), frame
            result = compiled[at][1](context, inner)
            if result is not MISSING:
                made[key] = result
        return made

    return evaluate


def _joined(run: Run, members: list[Any]) -> Any:
    """What a group's value is evaluated for: its one member, or all in one list."""
    if len(members) == 1:
        return members[0]
    joined: list[Any] = []
    for member in members:
        if isinstance(member, list):
            run.spend(len(member))
            joined.extend(member)
        elif member is not MISSING:
            joined.append(member)
    return joined


def _reduced(run: Run, members: list[Any], frame: Frame) -> tuple[Any, Frame]:
    """The same for a stream: each name has all values that it had in the group."""
    names = {name: _joined(run, [one.get(name, MISSING) for one in members]) for name in members[0]}
    context = names.pop("@")
    return context, Frame(frame, run, names)
