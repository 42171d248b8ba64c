"""Requests and answers of AWS's protocols, read and written by the shapes of the model.

Source: Smithy 2.0, "AWS JSON 1.0/1.1", "AWS restJson1", "AWS restXml" and "AWS query" protocols.
"""

import gzip
import io
import json
import zlib
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from botocore.model import OperationModel, Shape, StructureShape
from botocore.parsers import RpcV2CBORParser

from meshplane.sandbox import json_shapes, timestamps
from meshplane.sandbox.form_shapes import from_form, from_xml, to_xml
from meshplane.sandbox.request import Answer, Request
from meshplane.sandbox.routing import Found

# Protocols in which a fake may answer.
ANSWERED = frozenset({"json", "rest-json", "query"})
_XML, _PROLOG = "text/xml", b'<?xml version="1.0" encoding="UTF-8"?>'


class Unreadable(Exception):
    """A body that is not of its protocol."""


def decode(found: Found, protocol: str, request: Request) -> dict[str, Any]:
    """The parameters of a request, as boto3 has them.

    What does not fit its shape is handed on as it came: `strictness` says where it is.

    Args:
        found: the operation, and what its path says.
        protocol: as `routing.protocol_of` gives it.
        request: what came.

    Raises:
        Unreadable: the body is no JSON, no XML, no CBOR, or no gzip.
    """
    shape = found.operation.input_shape
    request = _unpacked(found.operation, request)
    if protocol == "query":
        text = request.body.decode("utf-8", "replace") or request.query_text
        return from_form(shape, dict(parse_qsl(text, keep_blank_values=True)))
    if shape is None:
        return {}
    if protocol == "json":
        return _structure(shape, _json(request.body))
    if protocol == "cbor":
        return _structure(shape, _cbor(request.body))
    return _decode_rest(shape, found.labels, protocol, request)


def _unpacked(operation: OperationModel, request: Request) -> Request:
    """The request with its body as it was before the client compressed it, where it may.

    Source: Smithy 2.0, "requestCompression trait": clients compress what is longer than 10,240
    bytes. Of other operations the encoding is that of what is stored, as of an object in S3.
    """
    if operation.request_compression is None:
        return request
    if request.headers.get("content-encoding") != "gzip":
        return request
    try:
        return replace(request, body=gzip.decompress(request.body))
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable("The body is no gzip.") from error


def _decode_rest(
    shape: StructureShape, labels: dict[str, str], protocol: str, request: Request
) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    body_names: dict[str, Shape] = {}
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        written = json_shapes.written_name(member, name)
        if location is None:
            body_names[name] = member
            continue
        if location == "uri":
            value = json_shapes.from_text(member, labels[written], timestamps.QUERY_STRING_FORMAT)
        elif location == "querystring":
            value = _from_query(member, written, request.query)
        elif location == "header":
            value = _from_header(member, request.headers.get(written.lower()))
        else:
            value = _from_headers(written.lower(), request)
        if value is not None:
            parameters[name] = value
    payload = shape.serialization.get("payload")
    if payload is not None:
        value = _payload(shape.members[payload], protocol, request.body)
        return {**parameters, payload: value} if value is not None else parameters
    if protocol == "rest-json":
        return {**_structure(shape, _json(request.body)), **parameters}
    if body_names and request.body:
        parameters.update(from_xml(shape, _xml(request.body)))
    return parameters


def _from_query(member: Shape, written: str, query: list[tuple[str, str]]) -> Any:
    form = timestamps.QUERY_STRING_FORMAT
    values = [value for name, value in query if name == written]
    if member.type_name == "list":
        return [json_shapes.from_text(member.member, value, form) for value in values] or None
    if member.type_name == "map":
        # Every parameter that no other member takes belongs to a map.
        return dict(query) or None
    return json_shapes.from_text(member, values[0], form) if values else None


def _from_header(member: Shape, text: str | None) -> Any:
    if text is None:
        return None
    if member.type_name == "list":
        return [
            json_shapes.from_text(member.member, part.strip(), timestamps.HEADER_FORMAT)
            for part in text.split(",")
        ]
    value = json_shapes.from_text(member, text, timestamps.HEADER_FORMAT)
    if isinstance(value, str):
        # S3 takes a header's `enabled` for ENABLED, and Arrow's own client writes it so.
        spelled = {known.lower(): known for known in member.metadata.get("enum", ())}
        return spelled.get(value.lower(), value)
    return value


def _from_headers(prefix: str, request: Request) -> dict[str, str] | None:
    found = {
        name[len(prefix) :]: value
        for name, value in request.headers.items()
        if prefix and name.startswith(prefix)
    }
    return found or None


def _payload(member: Shape, protocol: str, body: bytes) -> Any:
    if member.type_name == "blob":
        return body
    if member.type_name == "string":
        return body.decode("utf-8", "replace")
    if not body:
        return None
    if protocol == "rest-json":
        return json_shapes.from_json(member, _json(body))
    return from_xml(member, _xml(body))


def _structure(shape: Shape, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable("The body is no object.")
    read = json_shapes.from_json(shape, value)
    return dict(read)


def _json(body: bytes) -> Any:
    if not body:
        return {}
    try:
        return json.loads(body)
    except ValueError as error:
        raise Unreadable("The body is no JSON.") from error


def _xml(body: bytes) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(body)  # noqa: S314 # it comes over loopback from our own side
    except ElementTree.ParseError as error:
        raise Unreadable("The body is no XML.") from error


def _cbor(body: bytes) -> Any:
    if not body:
        return {}
    try:
        return RpcV2CBORParser().parse_data_item(io.BufferedReader(io.BytesIO(body)))
    except Exception as error:
        raise Unreadable("The body is no CBOR.") from error


def encode(operation: OperationModel, protocol: str, output: dict[str, Any]) -> Answer:
    """An answer that fits the operation's output shape, on the wire.

    Args:
        operation: of the model.
        protocol: one of `ANSWERED`.
        output: as boto3 would have it.
    """
    shape = operation.output_shape
    status = int(operation.http.get("responseCode", 200))
    if protocol == "json":
        version = operation.service_model.metadata.get("jsonVersion", "1.0")
        content = json_shapes.to_json(shape, output) if shape is not None else {}
        return Answer(status, _dump(content), {"Content-Type": f"application/x-amz-json-{version}"})
    if protocol == "query":
        return _encode_xml(operation, output)
    headers = {"Content-Type": "application/json"}
    if shape is None:
        return Answer(status, b"{}", headers)
    body: dict[str, Any] = {}
    for name, value in output.items():
        member = shape.members[name]
        location = member.serialization.get("location")
        written = json_shapes.written_name(member, name)
        if value is None:
            continue
        if location == "statusCode":
            status = int(value)
        elif location == "header":
            headers[written] = json_shapes.to_text(member, value, timestamps.HEADER_FORMAT)
        elif location == "headers":
            headers.update({f"{written}{key}": str(inner) for key, inner in value.items()})
        else:
            body[name] = value
    return Answer(status, _body(shape, body, headers), headers)


def _encode_xml(operation: OperationModel, output: dict[str, Any]) -> Answer:
    name, shape = operation.name, operation.output_shape
    result = ""
    if shape is not None:
        result = to_xml(shape, output, shape.serialization.get("resultWrapper", f"{name}Result"))
    number = f"<ResponseMetadata><RequestId>{uuid4()}</RequestId></ResponseMetadata>"
    text = f"<{name}Response>{result}{number}</{name}Response>"
    return Answer(200, _PROLOG + text.encode(), {"Content-Type": _XML})


def _body(shape: StructureShape, body: dict[str, Any], headers: dict[str, str]) -> bytes:
    payload = shape.serialization.get("payload")
    if payload is None:
        return _dump(json_shapes.to_json(shape, body))
    value, member = body.get(payload), shape.members[payload]
    if member.type_name in {"blob", "string"}:
        headers.setdefault("Content-Type", "application/octet-stream")
        return value.encode() if isinstance(value, str) else bytes(value or b"")
    return _dump(json_shapes.to_json(member, value)) if value is not None else b""


def refuse(
    protocol: str,
    code: str,
    message: str,
    status: int,
    *,
    members: dict[str, Any] | None = None,
    shape: Shape | None = None,
) -> Answer:
    """An error as its protocol has it.

    Args:
        protocol: of the request.
        code: `EntityNotFoundException`.
        message: for people.
        status: of HTTP.
        members: further members of the error, as boto3 would have them.
        shape: of the error, where it is modelled.
    """
    if protocol in {"query", "ec2", "rest-xml"}:
        return _refuse_xml(protocol, code, message, status)
    if protocol == "cbor":
        body = b"\xa2" + b"".join(map(_cbor_text, ("__type", code, "message", message)))
        head = {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
        return Answer(status, body, head)
    content = dict(members or {})
    known = shape.members if shape is not None else {}
    content["Message" if "Message" in known else "message"] = message
    if shape is not None:
        content = json_shapes.to_json(shape, content)
    if protocol == "json":
        head = {"Content-Type": "application/x-amz-json-1.1"}
        return Answer(status, _dump({"__type": code, **content}), head)
    head = {"Content-Type": "application/json", "x-amzn-ErrorType": code}
    return Answer(status, _dump(content), head)


def _refuse_xml(protocol: str, code: str, message: str, status: int) -> Answer:
    blame = "Sender" if status < 500 else "Receiver"
    told = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if protocol == "rest-xml":
        text = f"<Error>{told}</Error>"
    elif protocol == "ec2":
        text = f"<Response><Errors><Error>{told}</Error></Errors></Response>"
    else:
        # Clients find it here, and not in the headers.
        number = f"<RequestId>{uuid4()}</RequestId>"
        text = f"<ErrorResponse><Error><Type>{blame}</Type>{told}</Error>{number}</ErrorResponse>"
    return Answer(status, _PROLOG + text.encode(), {"Content-Type": _XML})


def _cbor_text(text: str) -> bytes:
    """RFC 8949, section 3.1: major type 3, with the length in two bytes."""
    content = text.encode()[: 2**16 - 1]
    return b"\x79" + len(content).to_bytes(2, "big") + content


def _dump(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
