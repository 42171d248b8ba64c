"""Form types in Smithy, as far as they are needed to judge what a form holds. Pure.

A model is one structure named after the form type, with the lists, maps and further structures that
its members name. Traits are read only for `@required` (Smithy 2.0, "Simple shapes", "Aggregate
shapes", "required trait").
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from meshplane.sandbox.datazone.state import Item, invalid

_TEXT_OR_COMMENT = re.compile(r"\"(?:[^\"\\]|\\.)*\"|//[^\n]*")
_BLOCK = re.compile(
    r"\b(structure|list|map|union|enum)\s+(\w+)(?:\s+with\s*\[[^\]]*\])?\s*\{([^{}]*)\}"
)
_TRAIT = r"@[\w.#]+(?:\s*\((?:[^()\"]|\"(?:[^\"\\]|\\.)*\")*\))?"
_MEMBER = re.compile(rf"((?:{_TRAIT}\s*)*)(\w+)\s*:\s*\$?([\w.#]+)")
_SIMPLE: dict[str, tuple[type, ...]] = {
    "String": (str,),
    "Timestamp": (str, int, float),
    "Boolean": (bool,),
    "Byte": (int,),
    "Short": (int,),
    "Integer": (int,),
    "Long": (int,),
    "BigInteger": (int,),
    "Float": (int, float),
    "Double": (int, float),
    "BigDecimal": (int, float),
    "Document": (dict, list, str, int, float, bool),
}


@dataclass(frozen=True, slots=True)
class FormModel:
    """The shapes of a form type: kind, and of each member its type and whether it must be there."""

    name: str
    shapes: dict[str, tuple[str, dict[str, tuple[str, bool]]]] = field(default_factory=dict)


def read_model(name: str, smithy: str) -> FormModel:
    """The model of a form type.

    Args:
        name: of the form type, with or without its namespace.
        smithy: its text.

    Raises:
        FakeError: ValidationException, it is no structure of that name, or names unknown shapes.
    """
    short = name.rpartition(".")[2]
    shapes = {
        block[2]: (
            block[1],
            {
                member[2]: (member[3].rpartition("#")[2], "@required" in member[1])
                for member in _MEMBER.finditer(block[3])
            },
        )
        for block in _BLOCK.finditer(_bare(smithy))
    }
    if shapes.get(short, ("", {}))[0] != "structure":
        raise invalid(f"The model of form type {short} has no structure {short}.")
    for kind, members in shapes.values():
        for member, (of, _) in members.items():
            if kind != "enum" and of not in shapes and of not in _SIMPLE:
                raise invalid(f"The model of form type {short} has no shape {of} for {member}.")
    return FormModel(short, shapes)


def _bare(smithy: str) -> str:
    """A model without comments, and with nothing in its texts: they may hold what it is made of."""
    return _TEXT_OR_COMMENT.sub(lambda found: '""' if found[0].startswith('"') else "", smithy)


def check_content(form: str, model: FormModel, content: str | None) -> Item:
    """What a form says, if it fits its type.

    Args:
        form: its name, for the error.
        model: of its type.
        content: JSON text.

    Raises:
        FakeError: ValidationException.
    """
    try:
        value = json.loads(content or "{}")
    except ValueError:
        raise invalid(f"The content of form {form} is not JSON.") from None
    if not isinstance(value, dict):
        raise invalid(f"The content of form {form} is not a JSON object.")
    _check(form, model, model.name, value)
    return value


def _check(place: str, model: FormModel, shape: str, value: Any) -> None:
    if shape not in model.shapes:
        wanted = _SIMPLE[shape]
        if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
            raise invalid(f"{place} must be a {shape}.")
        return
    kind, members = model.shapes[shape]
    if kind == "list":
        if not isinstance(value, list):
            raise invalid(f"{place} must be a list.")
        for position, one in enumerate(value):
            _check(f"{place}[{position}]", model, members["member"][0], one)
    elif kind == "map":
        if not isinstance(value, dict):
            raise invalid(f"{place} must be a map.")
        for key, one in value.items():
            _check(f"{place}.{key}", model, members["value"][0], one)
    elif kind in {"structure", "union"}:
        _check_members(place, model, members, value)


def _check_members(
    place: str, model: FormModel, members: dict[str, tuple[str, bool]], value: Any
) -> None:
    if not isinstance(value, dict):
        raise invalid(f"{place} must be an object.")
    unknown = sorted(set(value) - set(members))
    if unknown:
        raise invalid(f"{place} has no member {unknown[0]}.")
    for name, (of, required) in members.items():
        if value.get(name) is not None:
            _check(f"{place}.{name}", model, of, value[name])
        elif required:
            raise invalid(f"{place} needs a member {name}.")
