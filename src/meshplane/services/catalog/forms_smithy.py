"""A metadata form in Smithy, as DataZone takes the model of a form type. Pure.

Sources: CreateFormType in DataZone's API reference, for `@amazon.datazone#searchable` and
`@amazon.datazone#glossaryterm`; a field of terms is a list, as its console makes it. Smithy 2.0,
"String values", for the texts.

Dates and instants are texts: how a form says a Smithy `Timestamp`, nothing of AWS documents.
Allowed values are said in a field's documentation, as a model of DataZone has no place for them.

Needs AWS: that it takes every character in names and documentation.
"""

import json
import re
from collections.abc import Mapping, Sequence

from meshplane.services.catalog.forms import (
    BOOLEAN,
    DATE,
    DECIMAL,
    INTEGER,
    STRING,
    TIMESTAMP,
    FormField,
)

_SHAPES = {
    STRING: "String",
    INTEGER: "Long",
    DECIMAL: "Double",
    BOOLEAN: "Boolean",
    DATE: "String",
    TIMESTAMP: "String",
}
_MOST_ALLOWED_TOLD = 20
# A model has at most 100,000 letters and a form 50 fields: so much, also if each letter is escaped.
_MOST_LETTERS_TOLD = 700
_LINE = re.compile(r"\s+")


def form_type_name(form_id: str) -> str:
    """The name of a form's type, which lasts when the form gets another name.

    Args:
        form_id: ours; letters, digits and hyphens.
    """
    return "MeshplaneForm_" + form_id.removeprefix("form-").replace("-", "_")


def smithy_of(
    name: str, display: str, fields: Sequence[FormField], glossaries: Mapping[str, str]
) -> str:
    """The model of a revision of a form.

    Args:
        name: of its type.
        display: what people call it.
        fields: of that revision.
        glossaries: the portal's ids of the glossaries that fields name, by ours.
    """
    lists = [
        f"@length(min: 1, max: 1)\nlist {_list(field)} {{ member: String }}\n"
        for field in fields
        if field.glossary_id
    ]
    members = "".join(_member(field, glossaries) for field in fields)
    title = f"@amazon.datazone#displayname(defaultName: {_quoted(display)})\n"
    return f"{''.join(lists)}{title}structure {name} {{\n{members}}}\n"


def _member(field: FormField, glossaries: Mapping[str, str]) -> str:
    lines = [f"@amazon.datazone#displayname(defaultName: {_quoted(field.name)})"]
    told = _told(field)
    if told:
        lines.append(f"@documentation({_quoted(told)})")
    if field.required:
        lines.append("@required")
    if field.glossary_id:
        lines.append(f"@amazon.datazone#glossaryterm({_quoted(glossaries[field.glossary_id])})")
        lines.append(f"{field.name}: {_list(field)}")
    else:
        lines.append("@amazon.datazone#searchable")
        lines.append(f"{field.name}: {_SHAPES[field.type]}")
    return "".join(f"  {line}\n" for line in lines)


def _list(field: FormField) -> str:
    return f"{field.name[0].upper()}{field.name[1:]}Terms"


def _told(field: FormField) -> str:
    allowed = ", ".join(str(one) for one in field.allowed[:_MOST_ALLOWED_TOLD])
    more = ", …" if len(field.allowed) > _MOST_ALLOWED_TOLD else ""
    one_of = f"One of: {allowed}{more}" if allowed else ""
    told = _LINE.sub(" ", f"{field.description} {one_of}").strip()
    return told if len(told) <= _MOST_LETTERS_TOLD else f"{told[: _MOST_LETTERS_TOLD - 1]}…"


def _quoted(text: str) -> str:
    return json.dumps(_LINE.sub(" ", text), ensure_ascii=False)
