"""What a metadata form asks for, and whether what was filled in fits. Pure."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from meshplane.kit.clock import from_text
from meshplane.kit.errors import FieldProblem
from meshplane.services.assets.api import FormValue

STRING, INTEGER, DECIMAL, BOOLEAN = "string", "integer", "decimal", "boolean"
DATE, TIMESTAMP = "date", "timestamp"

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_LEAST, _MOST = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class FormField:
    """A field of a form.

    Args:
        name: unique in the form, whatever the case.
        type: `string`, `integer` (64 bits), `decimal`, `boolean`, `date` (`2026-01-31`),
            `timestamp` (RFC 3339, with its offset).
        description: what to fill in.
        required: whether a form without it does not fit.
        allowed: the only values that fit; all of its type do where there are none.
        glossary_id: the glossary of which the value is a term, by the term's id; empty for none.
    """

    name: str
    type: str
    description: str = ""
    required: bool = False
    allowed: tuple[FormValue, ...] = ()
    glossary_id: str = ""


def field_item(field: FormField) -> dict[str, Any]:
    """A field as rows hold it."""
    return {
        "name": field.name,
        "type": field.type,
        "description": field.description,
        "required": field.required,
        "allowed": list(field.allowed),
        "glossaryId": field.glossary_id,
    }


def field_of(item: Mapping[str, Any]) -> FormField:
    """A field from a row."""
    return FormField(
        item["name"],
        item["type"],
        item["description"],
        item["required"],
        tuple(item["allowed"]),
        item["glossaryId"],
    )


def form_problems(fields: Sequence[FormField]) -> list[FieldProblem]:
    """What is wrong with the fields of a form that is to be."""
    found, names = [], set()
    for position, field in enumerate(fields):
        place = f"fields.{position}"
        if field.name.casefold() in names:
            found.append(FieldProblem(f"{place}.name", "is the name of another field"))
        names.add(field.name.casefold())
        if field.glossary_id and field.type != STRING:
            found.append(FieldProblem(f"{place}.type", "must be string: it holds a term"))
        if field.allowed and (field.glossary_id or field.type == BOOLEAN):
            found.append(FieldProblem(f"{place}.allowed", "is for values that are not set yet"))
        for number, value in enumerate(field.allowed):
            wrong = _misfit(field.type, value)
            if wrong:
                found.append(FieldProblem(f"{place}.allowed.{number}", wrong))
    return found


def value_problems(
    fields: Sequence[FormField], values: Mapping[str, FormValue], place: str
) -> list[FieldProblem]:
    """What of the values does not fit the form; terms of glossaries are looked up elsewhere.

    Args:
        fields: of the form's revision.
        values: by field.
        place: of the values in the request, for the problems: `forms.0.values`.
    """
    known = {field.name: field for field in fields}
    found = [
        FieldProblem(f"{place}.{name}", "is no field of the form")
        for name in values
        if name not in known
    ]
    for field in fields:
        if field.name not in values:
            if field.required:
                found.append(FieldProblem(f"{place}.{field.name}", "must be filled in"))
            continue
        value = values[field.name]
        wrong = _misfit(field.type, value)
        if wrong is None and field.required and value == "":
            wrong = "must be filled in"
        if wrong is None and field.allowed and value not in field.allowed:
            wrong = "is none of the values allowed"
        if wrong:
            found.append(FieldProblem(f"{place}.{field.name}", wrong))
    return found


def _misfit(kind: str, value: FormValue) -> str | None:
    """Why a value is not of a type; None if it is."""
    if kind == BOOLEAN:
        return None if isinstance(value, bool) else "must be true or false"
    if kind in (INTEGER, DECIMAL):
        return _no_number(kind, value)
    if not isinstance(value, str):
        return "must be text"
    if kind == DATE:
        return None if _is_date(value) else "must be a date such as 2026-01-31"
    if kind == TIMESTAMP:
        return None if _is_instant(value) else "must be an instant such as 2026-01-31T12:00:00Z"
    return None


def _no_number(kind: str, value: FormValue) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "must be a number"
    if kind == INTEGER and not isinstance(value, int):
        return "must be a whole number"
    if isinstance(value, float):
        return None if math.isfinite(value) else "must be a number"
    return None if _LEAST <= value <= _MOST else "must have at most 64 bits"


def _is_date(text: str) -> bool:
    try:
        return bool(_DATE.fullmatch(text)) and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _is_instant(text: str) -> bool:
    try:
        from_text(text)
    except ValueError:
        return False
    return True
