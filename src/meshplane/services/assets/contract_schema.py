"""The schema of a data contract: its objects, their properties, relationships and quality rules.

Source: Open Data Contract Standard 3.1.0, sections Schema, References and Data Quality.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from meshplane.services.assets.contract_fields import (
    AuthoritativeDefinition,
    CustomProperty,
    Given,
    Problem,
    Section,
    StableId,
    Whole,
    problems_of,
    refuse_places,
    wrong,
)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ID = re.compile(r"[A-Za-z0-9_-]+")
_FILE = re.compile(r"(?:https?://)?[A-Za-z0-9._/-]+\.yaml")


# --- quality ------------------------------------------------------------------------------------


def _range(value: list[float]) -> list[float]:
    if len(value) != 2 or value[0] == value[1]:
        raise wrong("must be a list of two different numbers, the smaller one first")
    return value


Range = Annotated[list[float], AfterValidator(_range)]


def _code(value: object) -> object:
    if not isinstance(value, str | dict):
        raise wrong("must be text or a mapping")
    return value


class Quality(Section):
    """One data quality rule. Which keys it may have depends on its type."""

    id: Given[StableId] = None
    name: Given[str] = None
    description: Given[str] = None
    type: Given[Literal["text", "library", "sql", "custom"]] = None
    dimension: Given[
        Literal[
            "accuracy",
            "completeness",
            "conformity",
            "consistency",
            "coverage",
            "timeliness",
            "uniqueness",
        ]
    ] = None
    severity: Given[str] = None
    business_impact: Given[str] = None
    method: Given[str] = None
    unit: Given[str] = None
    schedule: Given[str] = None
    scheduler: Given[str] = None
    tags: Given[list[str]] = None
    custom_properties: Given[list[CustomProperty]] = None
    authoritative_definitions: Given[list[AuthoritativeDefinition]] = None

    metric: Given[
        Literal["nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount"]
    ] = None
    rule: Given[str] = None
    arguments: Given[dict[str, Any]] = None
    query: Given[str] = None
    engine: Given[str] = None
    implementation: Annotated[Any, AfterValidator(_code)] = None

    must_be: Any = None
    must_not_be: Any = None
    must_be_greater_than: Given[float] = None
    must_be_greater_or_equal_to: Given[float] = None
    must_be_less_than: Given[float] = None
    must_be_less_or_equal_to: Given[float] = None
    must_be_between: Given[Range] = None
    must_not_be_between: Given[Range] = None

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        given = self.keys_given()
        # A metric makes a rule a library rule, whatever else it says.
        kinds = {self.type} | ({"library"} if "metric" in given else set())
        problems: list[Problem] = []
        allowed: set[str] = set()
        for kind in kinds & _RULE_KEYS.keys():
            required, optional = _RULE_KEYS[kind]
            allowed |= required | optional
            problems += [
                ((key,), f"is required in a quality rule of type {kind}")
                for key in sorted(required - given)
            ]
        operators = given & _OPERATORS
        if kinds & _COMPARING:
            allowed |= _OPERATORS
            if len(operators) != 1:
                problems.append(((), f"must have exactly one of {', '.join(sorted(_OPERATORS))}"))
        problems += [
            ((key,), "does not belong to a quality rule of this type")
            for key in sorted((given & _TYPED_KEYS) - allowed)
        ]
        refuse_places("quality", problems)
        return self


_OPERATORS = frozenset(
    {
        "mustBe",
        "mustNotBe",
        "mustBeGreaterThan",
        "mustBeGreaterOrEqualTo",
        "mustBeLessThan",
        "mustBeLessOrEqualTo",
        "mustBeBetween",
        "mustNotBeBetween",
    }
)
_COMPARING = frozenset({"library", "sql"})
# What a type of rule requires, and what else it allows.
_RULE_KEYS: Mapping[str | None, tuple[frozenset[str], frozenset[str]]] = {
    "library": (frozenset({"metric"}), frozenset({"rule", "arguments"})),
    "sql": (frozenset({"query"}), frozenset()),
    "custom": (frozenset({"engine", "implementation"}), frozenset()),
}
_TYPED_KEYS = _OPERATORS.union(*(required | more for required, more in _RULE_KEYS.values()))


# --- relationships ------------------------------------------------------------------------------


def _is_reference(text: str) -> bool:
    """Tell whether text points at a property: `table.column`, or ids as `schema/x/properties/y`."""
    if all(_NAME.fullmatch(name) for name in text.split(".")):
        return "." in text
    file, mark, inside = text.rpartition("#")
    if mark and not _FILE.fullmatch(file):
        return False
    steps = inside.removeprefix("/").split("/")
    sections, ids = steps[::2], steps[1::2]
    return (
        len(sections) == len(ids)
        and all(_NAME.fullmatch(name) for name in sections)
        and all(_ID.fullmatch(name) for name in ids)
    )


def _reference(value: object) -> object:
    references = [value] if isinstance(value, str) else value
    if (
        not isinstance(references, list)
        or not references
        or not all(isinstance(text, str) and _is_reference(text) for text in references)
    ):
        raise wrong(
            "must be a reference such as table.column or schema/table_id/properties/column_id, "
            "or a list of them"
        )
    return value


Reference = Annotated[Any, AfterValidator(_reference)]


class PropertyRelationship(Section):
    """What the property that it stands in refers to."""

    type: Given[Literal["foreignKey"]] = None
    to: Reference
    custom_properties: Given[list[CustomProperty]] = None


class ObjectRelationship(Section):
    """Which properties of an object refer to which others."""

    type: Given[Literal["foreignKey"]] = None
    from_: Reference = Field(alias="from")
    to: Reference
    custom_properties: Given[list[CustomProperty]] = None

    @model_validator(mode="after")
    def _ends_match(self) -> Self:
        sizes = [
            len(end) if isinstance(end, list) else "one reference" for end in (self.from_, self.to)
        ]
        if sizes[0] != sizes[1]:
            message = "must be one reference or a list as long as from, in the same order"
            refuse_places("relationship", [(("to",), message)])
        return self


# --- options of a logical type ------------------------------------------------------------------

Size = Annotated[Whole, Field(ge=0)]
Step = Annotated[float, Field(gt=0)]


def _distinct(value: list[str]) -> list[str]:
    if len(set(value)) != len(value):
        raise wrong("names a property twice")
    return value


class TextOptions(Section):
    """Options of `string`."""

    min_length: Given[Size] = None
    max_length: Given[Size] = None
    pattern: Given[str] = None
    format: Given[str] = None


class DateOptions(Section):
    """Options of `date`."""

    format: Given[str] = None
    minimum: Given[str] = None
    maximum: Given[str] = None
    exclusive_minimum: Given[str] = None
    exclusive_maximum: Given[str] = None


class TimeOptions(DateOptions):
    """Options of `timestamp` and `time`."""

    timezone: Given[bool] = None
    default_timezone: Given[str] = None


class _AmountOptions(Section):
    multiple_of: Given[Step] = None
    minimum: Given[float] = None
    maximum: Given[float] = None
    exclusive_minimum: Given[float] = None
    exclusive_maximum: Given[float] = None


class IntegerOptions(_AmountOptions):
    """Options of `integer`."""

    format: Given[Literal["i8", "i16", "i32", "i64", "i128", "u8", "u16", "u32", "u64", "u128"]] = (
        None
    )


class NumberOptions(_AmountOptions):
    """Options of `number`."""

    format: Given[Literal["f32", "f64"]] = None


class ObjectOptions(Section):
    """Options of `object`."""

    min_properties: Given[Size] = None
    max_properties: Given[Size] = None
    required: Given[Annotated[list[str], Field(min_length=1), AfterValidator(_distinct)]] = None


class ArrayOptions(Section):
    """Options of `array`."""

    min_items: Given[Size] = None
    max_items: Given[Size] = None
    unique_items: Given[bool] = None


# A boolean has no options of its own, and the standard leaves them free.
_OPTIONS: Mapping[str, type[Section]] = {
    "string": TextOptions,
    "date": DateOptions,
    "timestamp": TimeOptions,
    "time": TimeOptions,
    "integer": IntegerOptions,
    "number": NumberOptions,
    "object": ObjectOptions,
    "array": ArrayOptions,
}


# --- objects and properties ---------------------------------------------------------------------


class Element(Section):
    """What objects and properties have in common."""

    id: Given[StableId] = None
    physical_name: Given[str] = None
    physical_type: Given[str] = None
    description: Given[str] = None
    business_name: Given[str] = None
    authoritative_definitions: Given[list[AuthoritativeDefinition]] = None
    tags: Given[list[str]] = None
    custom_properties: Given[list[CustomProperty]] = None
    quality: Given[list[Quality]] = None


class _Property(Element):
    logical_type: Given[
        Literal[
            "string",
            "date",
            "timestamp",
            "time",
            "number",
            "integer",
            "object",
            "array",
            "boolean",
        ]
    ] = None
    logical_type_options: Given[dict[str, Any]] = None
    required: Given[bool] = None
    unique: Given[bool] = None
    primary_key: Given[bool] = None
    primary_key_position: Given[Whole] = None
    partitioned: Given[bool] = None
    partition_key_position: Given[Whole] = None
    classification: Given[str] = None
    encrypted_name: Given[str] = None
    critical_data_element: Given[bool] = None
    transform_source_objects: Given[list[str]] = None
    transform_logic: Given[str] = None
    transform_description: Given[str] = None
    examples: Given[list[Any]] = None
    relationships: Given[list[PropertyRelationship]] = None
    properties: Given[list["Property"]] = None
    items: Given["Item"] = None

    @model_validator(mode="after")
    def _fits_its_logical_type(self) -> Self:
        problems = self._option_problems()
        if self.properties is not None and self.logical_type not in (None, "object"):
            problems.append((("properties",), "needs logicalType: object"))
        if self.items is not None and self.logical_type not in (None, "array"):
            problems.append((("items",), "needs logicalType: array"))
        refuse_places("property", problems)
        return self

    def _option_problems(self) -> list[Problem]:
        if not self.logical_type_options:
            return []
        if self.logical_type is None:
            return [
                (("logicalTypeOptions",), "needs a logicalType, which says what may stand here")
            ]
        options = _OPTIONS.get(self.logical_type)
        if options is None:
            return []
        try:
            options.model_validate(self.logical_type_options)
        except ValidationError as error:
            return [
                (("logicalTypeOptions", *place), message) for place, message in problems_of(error)
            ]
        return []


class Property(_Property):
    """A column, or a field inside another property."""

    name: str


class Item(_Property):
    """What the entries of an array are."""

    name: Given[str] = None


class SchemaObject(Element):
    """A table, view, topic or file."""

    name: str
    logical_type: Given[Literal["object"]] = None
    data_granularity_description: Given[str] = None
    properties: Given[list[Property]] = None
    relationships: Given[list[ObjectRelationship]] = None
