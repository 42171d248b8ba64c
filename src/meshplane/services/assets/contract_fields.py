"""What the sections of a data contract are made of, and how a mistake in them is told.

A key that is left out and a key that is empty differ in the standard: only where it says "any
value" may null stand. `Given[T]` is a field that may be left out and not be null.

Source: Open Data Contract Standard 3.1.0, https://bitol-io.github.io/open-data-contract-standard/
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from meshplane.services.assets.contract_limits import Place

T = TypeVar("T")
Problem = tuple[Place, str]

# The error type that marks a message as ours and ready to show.
_OURS = "contract"
_STABLE_ID = re.compile(r"[A-Za-z0-9_-]+")


class Section(BaseModel):
    """A mapping of the standard: it has the keys that are declared and no others."""

    # Built at first use, so that importing the declarations costs little.
    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, defer_build=True, alias_generator=to_camel
    )

    def keys_given(self) -> set[str]:
        """The keys that the document has here, as the document spells them."""
        declared = type(self).model_fields
        return {declared[name].alias or name for name in self.model_fields_set if name in declared}


def wrong(message: str) -> PydanticCustomError:
    """An error for a validator of one field to raise, with a message fit to show."""
    return PydanticCustomError(_OURS, message)


def refuse_places(section: str, problems: Sequence[Problem]) -> None:
    """Raise one error for rules that span the keys of a section; nothing if there is no problem.

    Args:
        section: the name of the section, for the error's title.
        problems: places relative to the section, with messages fit to show.

    Raises:
        ValidationError: carries each problem at its place.
    """
    if problems:
        errors = [
            InitErrorDetails(type=wrong(message), loc=place, input=None)
            for place, message in problems
        ]
        raise ValidationError.from_exception_data(section, errors)


def problems_of(error: ValidationError) -> list[Problem]:
    """Say each mistake in words that carry no value of the document."""
    return [
        (tuple(step for step in found["loc"] if step not in _BRANCHES), _say(found))
        for found in error.errors(include_url=False)
    ]


# Steps that pydantic adds to a place for a choice between two forms; not keys of the document.
_BRANCHES = frozenset({"(team)", "(members)"})
_EMPTY = "must not be empty; give a value or leave the key out"
_SAYINGS: Mapping[str, str] = {
    "missing": "is required",
    "extra_forbidden": "is not a key of the standard here; check its spelling and its place",
    "string_type": "must be text; put a number or a date in quotes",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "list_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "union_tag_not_found": "must be a mapping of keys to values",
    "too_short": "must not be an empty list",
}


def _say(found: ErrorDetails) -> str:
    kind, context = found["type"], found.get("ctx", {})
    if kind == _OURS:
        return found["msg"]
    if found.get("input", ...) is None and kind != "missing":
        return _EMPTY
    if kind == "literal_error":
        # The list of accepted words is ours; the word that came is not repeated.
        return f"must be {context['expected']}"
    if kind == "greater_than_equal":
        return f"must be {context['ge']} or more"
    if kind == "greater_than":
        return f"must be more than {context['gt']}"
    return _SAYINGS.get(kind, "is not a value that the standard accepts here")


def _present(value: object) -> object:
    if value is None:
        raise wrong(_EMPTY)
    return value


def _whole(value: object) -> object:
    # 5432.0 is a whole number in JSON Schema, on which the standard's own check rests.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _stable_id(value: str) -> str:
    if not _STABLE_ID.fullmatch(value):
        raise wrong("may hold letters, digits, - and _ only")
    return value


def _single(value: object) -> object:
    if isinstance(value, dict | list):
        raise wrong("must be a single value: text, a number, true, false or null")
    return value


Given = Annotated[T | None, BeforeValidator(_present)]
Whole = Annotated[int, BeforeValidator(_whole)]
StableId = Annotated[str, AfterValidator(_stable_id)]
Single = Annotated[Any, AfterValidator(_single)]


class CustomProperty(Section):
    """A key and value that the standard does not name."""

    id: Given[StableId] = None
    property: str
    value: Any
    description: Given[str] = None


class AuthoritativeDefinition(Section):
    """A link to where something is defined in full."""

    id: Given[StableId] = None
    url: str
    type: str
    description: Given[str] = None


class Role(Section):
    """A role that gives access, and who approves it."""

    id: Given[StableId] = None
    role: str
    description: Given[str] = None
    access: Given[str] = None
    first_level_approvers: Given[str] = None
    second_level_approvers: Given[str] = None
    custom_properties: Given[list[CustomProperty]] = None
