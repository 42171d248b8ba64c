"""Values by their shape, from the form fields of the query protocol, and from and to XML.

Source: Smithy 2.0, "AWS query protocol" and "AWS restXml protocol".
"""

import base64
import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from botocore.model import Shape

from meshplane.sandbox.json_shapes import from_text, to_text, written_name
from meshplane.sandbox.timestamps import QUERY_STRING_FORMAT, XML_FORMAT

# What every request of the protocol carries beside its parameters.
_ENVELOPE = {"Action", "Version"}
_NUMBER = re.compile(r"(\d+)(\.|$)")


def from_form(shape: Shape | None, form: Mapping[str, str]) -> dict[str, Any]:
    """The parameters of a request of the query protocol.

    Fields that the model does not know stand under their own names.
    """
    used = set(_ENVELOPE)
    read = _read(shape, "", form, used) if shape is not None else {}
    unknown = {name.partition(".")[0]: form[name] for name in form if name not in used}
    return {**(read or {}), **unknown}


def _read(shape: Shape, prefix: str, form: Mapping[str, str], used: set[str]) -> Any:
    """What stands under a prefix; None where nothing does."""
    kind = shape.type_name
    if kind == "structure":
        found = {
            name: value
            for name, member in shape.members.items()
            if (value := _read(member, _joined(prefix, written_name(member, name)), form, used))
            is not None
        }
        return found or None
    if kind == "list":
        return _read_list(shape, prefix, form, used)
    if kind == "map":
        return _read_map(shape, prefix, form, used)
    if prefix not in form:
        return None
    used.add(prefix)
    return from_text(shape, form[prefix], QUERY_STRING_FORMAT)


def _read_list(shape: Shape, prefix: str, form: Mapping[str, str], used: set[str]) -> Any:
    if prefix in form:  # an empty list is sent as an empty field
        used.add(prefix)
        return []
    item = shape.member.serialization.get("name", "member")
    if shape.serialization.get("flattened"):
        # A flattened list is called after its item, where the item has a name of its own.
        named = shape.member.serialization.get("name")
        if named:
            prefix = ".".join([*prefix.split(".")[:-1], named])
    else:
        prefix = f"{prefix}.{item}"
    numbers = _numbers(prefix, form)
    if not numbers:
        return None
    return [_read(shape.member, f"{prefix}.{number}", form, used) for number in numbers]


def _read_map(shape: Shape, prefix: str, form: Mapping[str, str], used: set[str]) -> Any:
    if not shape.serialization.get("flattened"):
        prefix = f"{prefix}.entry"
    key, value = written_name(shape.key, "key"), written_name(shape.value, "value")
    numbers = _numbers(prefix, form)
    if not numbers:
        return None
    return {
        _read(shape.key, f"{prefix}.{number}.{key}", form, used): _read(
            shape.value, f"{prefix}.{number}.{value}", form, used
        )
        for number in numbers
    }


def _numbers(prefix: str, form: Mapping[str, str]) -> list[int]:
    found = set()
    for name in form:
        if name.startswith(f"{prefix}.") and (match := _NUMBER.match(name, len(prefix) + 1)):
            found.add(int(match[1]))
    return sorted(found)


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def from_xml(shape: Shape, element: ElementTree.Element) -> Any:
    """A value as boto3 has it; elements that the model does not know are passed over."""
    kind = shape.type_name
    if kind == "structure":
        read = {}
        for name, member in shape.members.items():
            written = written_name(member, name)
            if member.serialization.get("xmlAttribute"):
                found = [value for key, value in element.items() if _plain(key) == _plain(written)]
                if found:
                    read[name] = from_text(member, found[0], XML_FORMAT)
                continue
            inner = _children(element, written)
            if not inner:
                continue
            flat = member.type_name == "list" and member.serialization.get("flattened")
            read[name] = (
                [from_xml(member.member, one) for one in inner]
                if flat
                else from_xml(member, inner[0])
            )
        return read
    if kind == "list":
        item = shape.member.serialization.get("name", "member")
        return [from_xml(shape.member, one) for one in _children(element, item)]
    if kind == "map":
        key, value = written_name(shape.key, "key"), written_name(shape.value, "value")
        return {
            from_xml(shape.key, _children(entry, key)[0]): from_xml(
                shape.value, _children(entry, value)[0]
            )
            for entry in _children(element, "entry")
        }
    return from_text(shape, element.text or "", XML_FORMAT)


def to_xml(shape: Shape, value: Any, name: str) -> str:
    """A value that fits its shape, as an element of that name."""
    kind = shape.type_name
    if kind == "structure":
        inner = "".join(
            to_xml(member, value[key], written_name(member, key))
            for key, member in shape.members.items()
            if value.get(key) is not None
        )
    elif kind == "list":
        item = shape.member.serialization.get("name", "member")
        if shape.serialization.get("flattened"):
            return "".join(to_xml(shape.member, one, name) for one in value)
        inner = "".join(to_xml(shape.member, one, item) for one in value)
    elif kind == "map":
        key_name, value_name = written_name(shape.key, "key"), written_name(shape.value, "value")
        pairs = (
            to_xml(shape.key, key, key_name) + to_xml(shape.value, one, value_name)
            for key, one in value.items()
        )
        inner = "".join(f"<entry>{pair}</entry>" for pair in pairs)
    elif kind == "blob":
        inner = base64.b64encode(bytes(value)).decode("ascii")
    else:
        inner = escape(to_text(shape, value, XML_FORMAT))
    return f"<{name}>{inner}</{name}>"


def _children(element: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [child for child in element if _plain(child.tag) == _plain(name)]


def _plain(name: str) -> str:
    """A name without its namespace: `{http://…}Key` and `xsi:type`."""
    return name.rpartition("}")[2].rpartition(":")[2]
