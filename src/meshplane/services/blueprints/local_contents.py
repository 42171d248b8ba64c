"""What a template would hold, and what another would change in that. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meshplane.services.blueprints.ports import Change, Replacement, Wish


@dataclass(frozen=True, slots=True)
class Contents:
    """What a stack holds.

    Args:
        resources: by logical name, the type and a digest of the rest.
        outputs: those whose values follow from the template and its parameters.
        rest: a digest of what else may change: outputs, tags, role.
    """

    resources: Mapping[str, tuple[str, str]]
    outputs: Mapping[str, str]
    rest: str


def contents_of(wish: Wish, document: Mapping[str, Any]) -> Contents:
    """What a stack of that wish holds.

    Args:
        wish: the wish.
        document: its template's sections.
    """
    values = _parameters(wish, document)
    resources = {
        str(name): (
            str(one.get("Type", "")) if isinstance(one, Mapping) else "",
            _digest(_filled(one, values)),
        )
        for name, one in (document.get("Resources") or {}).items()
    }
    outputs = {}
    for name, one in (document.get("Outputs") or {}).items():
        value = _text(one.get("Value") if isinstance(one, Mapping) else None, wish.stack, values)
        if value is not None:
            outputs[str(name)] = value
    rest = [_filled(document.get("Outputs"), values), sorted(wish.tags.items()), wish.role_arn]
    return Contents(resources, outputs, _digest(rest))


def changes_between(stack: str, old: Contents | None, new: Contents) -> list[Change]:
    """What happens to resources when a stack goes from one to the other.

    Args:
        stack: its name.
        old: what it holds; None: nothing yet.
        new: what it shall hold.
    """
    before = {} if old is None else old.resources
    changes = []
    for name, (kind, digest) in new.resources.items():
        if name not in before:
            changes.append(Change("Add", name, kind))
        elif before[name] != (kind, digest):
            # Whether a property can change in place is for its service to say; a type cannot.
            anew = before[name][0] != kind
            replacement: Replacement = "yes" if anew else "perhaps"
            changes.append(Change("Modify", name, kind, physical_id(stack, name), replacement))
    for name, (kind, _) in before.items():
        if name not in new.resources:
            changes.append(Change("Remove", name, kind, physical_id(stack, name)))
    return changes


def physical_id(stack: str, logical_id: str) -> str:
    """What a resource would be called."""
    return f"{stack}-{logical_id}"


def _parameters(wish: Wish, document: Mapping[str, Any]) -> dict[str, str]:
    values = {}
    for name, one in (document.get("Parameters") or {}).items():
        default = one.get("Default") if isinstance(one, Mapping) else None
        values[str(name)] = wish.parameters.get(str(name), _plain(default))
    return values


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    """The value with `Ref`s of parameters replaced."""
    if isinstance(value, Mapping):
        if set(value) == {"Ref"} and value["Ref"] in values:
            return values[value["Ref"]]
        return {str(key): _filled(each, values) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, values) for each in value]
    if isinstance(value, str) and "${" in value:
        for name, given in values.items():
            value = value.replace(f"${{{name}}}", given)
    return value


def _text(value: Any, stack: str, values: Mapping[str, str]) -> str | None:
    """An output's value; None where only AWS could tell it."""
    if isinstance(value, Mapping):
        name = value.get("Ref")
        if not isinstance(name, str) or name.startswith("AWS::"):
            return None
        return values.get(name, physical_id(stack, name))
    return None if value is None or isinstance(value, list) else _plain(value)


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _digest(value: Any) -> str:
    said = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(said.encode()).hexdigest()
