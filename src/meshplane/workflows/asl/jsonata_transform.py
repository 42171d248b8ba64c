"""The transform operator of JSONata, `| pattern | update, delete |`."""

from typing import Any

from meshplane.workflows.asl.jsonata_errors import JsonataError
from meshplane.workflows.asl.jsonata_signature import read_signature
from meshplane.workflows.asl.jsonata_values import MISSING, Evaluate, Frame, Native, Run

DEEPEST_VALUE = 512


def transformer(pattern: Evaluate, update: Evaluate, delete: Evaluate | None) -> Evaluate:
    """A function of a value that gives a changed copy of it."""

    def evaluate(value: Any, frame: Frame) -> Any:
        def work(run: Run, source: Any) -> Any:
            if source is MISSING:
                return MISSING
            own: set[int] = set()
            copy = cloned(run, source, own)
            matches = pattern(copy, frame)
            for match in matches if isinstance(matches, list) else [matches]:
                # Only the copy is changed: a pattern can lead to other values, too.
                if isinstance(match, dict) and id(match) in own:
                    _change(match, update, delete, frame)
            return copy

        return Native("transform", work, 1, read_signature("<(oa):o>", "transform"))

    return evaluate


def _change(match: dict[str, Any], update: Evaluate, delete: Evaluate | None, frame: Frame) -> None:
    changes = update(match, frame)
    if changes is not MISSING:
        if not isinstance(changes, dict):
            raise JsonataError("T2011", value=changes)
        match.update(changes)
    names = delete(match, frame) if delete is not None else MISSING
    if names is MISSING:
        return
    listed = names if isinstance(names, list) else [names]
    if not all(isinstance(name, str) for name in listed):
        raise JsonataError("T2012", value=names)
    for name in listed:
        match.pop(name, None)


def cloned(run: Run, value: Any, own: set[int], depth: int = 0) -> Any:
    """A deep copy; the identities of its objects are added to `own`."""
    run.spend(1)
    if depth > DEEPEST_VALUE:
        raise JsonataError("D1011")
    if isinstance(value, dict):
        made = {name: cloned(run, item, own, depth + 1) for name, item in value.items()}
        own.add(id(made))
        return made
    if isinstance(value, list):
        return [cloned(run, item, own, depth + 1) for item in value]
    return value
