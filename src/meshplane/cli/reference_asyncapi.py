"""The AsyncAPI document: every event on the bus as a message, read off the payload classes.

Specification: AsyncAPI 3.0.0. Its schemas are JSON Schema, as pydantic writes it.
"""

import inspect
import json
from collections import defaultdict
from typing import Any

from meshplane import __version__
from meshplane.cli.reference_pages import event_payloads

_SCHEMAS = "#/components/schemas/"
_ENVELOPE = "EventEnvelope"


def asyncapi_document() -> str:
    """The document, laid out for reading and comparing."""
    return json.dumps(_document(event_payloads()), indent=2, ensure_ascii=False) + "\n"


def _document(kinds: list[Any]) -> dict[str, Any]:
    from meshplane.events.envelope import BUS

    schemas: dict[str, Any] = {_ENVELOPE: _envelope()}
    by_source: dict[str, list[str]] = defaultdict(list)
    for kind in kinds:
        schemas.update(_schemas(kind))
        by_source[kind.source].append(kind.__name__)
    names = sorted(kind.__name__ for kind in kinds)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Meshplane events",
            "version": __version__,
            "description": (
                "Made by `make reference` from the code. An event is stored in the commit of what "
                "it tells of, and delivered at least once; its id is the same at each delivery. "
                "Events of one entity are delivered in order."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            BUS: {
                "address": BUS,
                "title": "The mesh's event bus",
                "description": "Rules match its events and give them to their targets.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
            }
        },
        "operations": {
            _operation(source): {
                "action": "send",
                "title": f"Events of {source}",
                "channel": {"$ref": f"#/channels/{BUS}"},
                "messages": [
                    {"$ref": f"#/channels/{BUS}/messages/{name}"}
                    for name in sorted(by_source[source])
                ],
            }
            for source in sorted(by_source)
        },
        "components": {
            "messages": {
                kind.__name__: _message(kind)
                for kind in sorted(kinds, key=lambda kind: str(kind.__name__))
            },
            "schemas": {name: schemas[name] for name in sorted(schemas)},
        },
    }


def _operation(source: str) -> str:
    """`management-app.data-quality` as `sendDataQualityEvents`."""
    words = source.rpartition(".")[2].split("-")
    return f"send{''.join(word.capitalize() for word in words)}Events"


def _message(kind: Any) -> dict[str, Any]:
    return {
        "name": kind.__name__,
        "title": kind.__name__,
        "summary": inspect.getdoc(kind),
        "contentType": "application/json",
        "tags": [{"name": kind.source}],
        "payload": {
            "allOf": [
                {"$ref": f"{_SCHEMAS}{_ENVELOPE}"},
                {
                    "type": "object",
                    "properties": {
                        "detail-type": {"const": kind.__name__},
                        "source": {"const": kind.source},
                        "detail": {"$ref": f"{_SCHEMAS}{kind.__name__}"},
                    },
                },
            ]
        },
    }


def _schemas(kind: Any) -> dict[str, Any]:
    """A payload's schema, and those of what stands inside it, by name."""
    schema = kind.model_json_schema(
        by_alias=True, mode="serialization", ref_template=_SCHEMAS + "{model}"
    )
    inner: dict[str, Any] = schema.pop("$defs", {})
    return {**inner, kind.__name__: schema}


def _envelope() -> dict[str, Any]:
    from meshplane.events.envelope import ACCOUNT, REGION

    members = {
        "version": {"const": "0"},
        "id": {"type": "string", "description": "The same at each delivery."},
        "detail-type": {"type": "string", "description": "The type of the event."},
        "source": {"type": "string", "description": "The part of the mesh that it comes from."},
        "account": {"const": ACCOUNT},
        "time": {"type": "string", "format": "date-time", "description": "When it was stored."},
        "region": {"const": REGION},
        "resources": {
            "type": "array",
            "items": {"type": "string"},
            "description": "What it happened to: events of one are delivered in order.",
        },
        "detail": {"type": "object"},
    }
    return {
        "title": "Envelope",
        "description": "An event as patterns see it and targets get it: EventBridge's structure.",
        "type": "object",
        "properties": {
            **members,
            "replay-name": {
                "type": "string",
                "description": "The replay that delivers it again, if one does.",
            },
        },
        "required": list(members),
    }
