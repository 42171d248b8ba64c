"""Values by their shape in the model, from JSON and to JSON.

What does not fit its shape is handed on as it came, so that `strictness` can say where it is.
"""

import base64
import binascii
from datetime import datetime
from typing import Any

from botocore.model import Shape

from meshplane.sandbox import timestamps

_SPECIAL_FLOATS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def is_document(shape: Shape) -> bool:
    """Whether any JSON may stand there."""
    return bool(getattr(shape, "is_document_type", False))


def written_name(member: Shape, name: str) -> str:
    """How a member is called on the wire."""
    return str(member.serialization.get("name", name))


def from_json(shape: Shape, value: Any) -> Any:
    """A value as boto3 has it. Members that the model does not know keep the name they came with.

    A member that is null counts as absent, as it does on AWS.
    """
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict) and not is_document(shape):
        names = {written_name(member, name): name for name, member in shape.members.items()}
        read = {}
        for key, inner in value.items():
            if inner is None:
                continue
            name = names.get(key)
            read[name or key] = from_json(shape.members[name], inner) if name else inner
        return read
    if kind == "list" and isinstance(value, list):
        return [from_json(shape.member, inner) for inner in value]
    if kind == "map" and isinstance(value, dict):
        return {key: from_json(shape.value, inner) for key, inner in value.items()}
    return from_scalar(shape, value, timestamps.JSON_FORMAT)


def from_scalar(shape: Shape, value: Any, instants: str) -> Any:
    """A value that holds no others, from JSON.

    Args:
        shape: its shape.
        value: of JSON.
        instants: the form of instants where the model names none.
    """
    kind = shape.type_name
    if kind == "timestamp":
        return timestamps.read(value, shape.serialization.get("timestampFormat", instants))
    if kind == "blob" and isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except binascii.Error:
            return value
    if kind in {"float", "double"} and isinstance(value, str):
        return _SPECIAL_FLOATS.get(value, value)
    if kind in {"integer", "long"} and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def from_text(shape: Shape, text: str, instants: str) -> Any:
    """A value that holds no others, from the text of a header, a path, a query or a form.

    Args:
        shape: its shape.
        text: as it stands there.
        instants: the form of instants where the model names none.
    """
    kind = shape.type_name
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    try:
        if kind in {"integer", "long"}:
            return int(text)
        if kind in {"float", "double"}:
            return float(text)
    except ValueError:
        return text
    return from_scalar(shape, text, instants)


def to_json(shape: Shape, value: Any) -> Any:
    """A value that fits its shape, as JSON."""
    kind = shape.type_name
    if kind == "structure" and not is_document(shape):
        return {
            written_name(shape.members[name], name): to_json(shape.members[name], inner)
            for name, inner in value.items()
            if inner is not None
        }
    if kind == "list":
        return [to_json(shape.member, inner) for inner in value]
    if kind == "map":
        return {key: to_json(shape.value, inner) for key, inner in value.items()}
    if kind == "timestamp" and isinstance(value, datetime):
        form = shape.serialization.get("timestampFormat", timestamps.JSON_FORMAT)
        return timestamps.write(value, form)
    if kind == "blob":
        content = value.encode() if isinstance(value, str) else bytes(value)
        return base64.b64encode(content).decode("ascii")
    return value


def to_text(shape: Shape, value: Any, instants: str) -> str:
    """A value that holds no others, as the text of a header."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return str(timestamps.write(value, shape.serialization.get("timestampFormat", instants)))
    return str(value)
