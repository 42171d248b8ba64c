"""Finds states whose result replaces an input that a later state still wants.

In the States Language a result takes the input's place unless `ResultPath` puts it elsewhere.
The data is followed along every way through the states. A field counts as lost when what took
the input's place can not have it, or when an earlier state read it from the input itself.
"""

from collections import defaultdict, deque
from dataclasses import dataclass, field

from meshplane.workflows.asl.validation_reads import fields_read, fields_tested
from meshplane.workflows.asl.validation_report import Place, listed
from meshplane.workflows.asl.validation_scopes import Scope, catchers, followers
from meshplane.workflows.asl.validation_shapes import Data, error_output_of, output_of, start_of


@dataclass(slots=True)
class _Origin:
    """The scopes that begin with the same data, and the fields that were read from it."""

    given: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Followed:
    """A scope with what reaches its states, and what these read."""

    scope: Scope
    origin: _Origin
    arriving: dict[str, Data]
    reads: dict[str, list[str]]


def warn_of_lost_input(scopes: list[Scope]) -> None:
    """Tells each state, or Catch, whose result takes away what is read later.

    Args:
        scopes: all scopes of a machine, outer ones first.
    """
    followed: dict[Scope, _Followed] = {}
    for scope in scopes:
        around = followed.get(scope.parent) if scope.parent is not None else None
        arriving = around.arriving.get(scope.parent_state) if around is not None else None
        if scope.start is None or (scope.parent is not None and arriving is None):
            continue  # it never runs
        data, same = start_of(scope, arriving or Data())
        origin = around.origin if around is not None and same else _Origin()
        followed[scope] = _followed(scope, scope.start, data, origin)
    for each in followed.values():
        for name, data in each.arriving.items():
            if data.original:
                each.origin.given.update(each.reads[name])
    lost: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for each in followed.values():
        _find(each, lost)
    for pointer, fields in lost.items():
        _tell(Place(scopes[0].place.report, pointer), fields)


def _followed(scope: Scope, start: str, data: Data, origin: _Origin) -> _Followed:
    arriving = _follow(scope, start, data)
    tested = {name for state in scope.states.values() for name in fields_tested(state)}
    reads: dict[str, list[str]] = {}
    for name in arriving:
        state = scope.states[name]
        found = fields_read(scope.state_place(name), state, scope.language_of(state))
        reads[name] = [each for each, _ in found if each not in tested]
    return _Followed(scope, origin, arriving, reads)


def _find(followed: _Followed, lost: dict[str, dict[str, list[str]]]) -> None:
    for name, data in followed.arriving.items():
        for pointer, replacement in data.replaced.items():
            for each in followed.reads[name]:
                if each in replacement.fields:
                    continue
                if replacement.exact or each in followed.origin.given:
                    readers = lost[pointer].setdefault(each, [])
                    if name not in readers:
                        readers.append(name)


def _follow(scope: Scope, start: str, data: Data) -> dict[str, Data]:
    """What may reach each state, until nothing new is learnt."""
    arriving: dict[str, Data] = {start: Data(data.original, dict(data.replaced))}
    waiting = deque([start])
    queued = {start}
    while waiting:
        name = waiting.popleft()
        queued.discard(name)
        for target, leaving in _leaving(scope, name, arriving[name]):
            if target not in scope.states:
                continue
            new = target not in arriving
            changed = arriving.setdefault(target, Data()).add(leaving)
            if (changed or new) and target not in queued:
                queued.add(target)
                waiting.append(target)
    return arriving


def _leaving(scope: Scope, name: str, data: Data) -> list[tuple[str, Data]]:
    state = scope.states[name]
    output = output_of(scope, name, state, data)
    found = [(target, output) for target in followers(state, caught=False)]
    for index, catcher in catchers(state):
        target = catcher.get("Next")
        if isinstance(target, str):
            pointer = scope.state_place(name).at("Catch", index).pointer
            found.append((target, error_output_of(scope, pointer, state, catcher, data)))
    return found


def _tell(place: Place, fields: dict[str, list[str]]) -> None:
    readers = list(dict.fromkeys(reader for each in fields.values() for reader in each))
    told = f"{listed(list(fields))}, which {listed(readers)} reads later"
    parent, _, last = place.pointer.rpartition("/")
    if last in ("ItemSelector", "Parameters", "Arguments"):
        place.warn("LOST_INPUT", f"What is passed on here does not have {told}. Add it here.")
        return
    keep = "error" if parent.endswith("/Catch") else _as_field(last)
    place.warn(
        "LOST_INPUT",
        f"What comes out here takes the place of the input, and with it goes {told}. Keep the"
        f' input with a ResultPath such as "$.{keep}", or null to drop what comes out; in JSONata'
        " put what is needed into Output or Assign.",
    )


def _as_field(name: str) -> str:
    letters = "".join(each for each in name if each.isalnum() and each.isascii())
    return letters[:1].lower() + letters[1:] if letters else "result"
