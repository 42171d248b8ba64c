"""Payloads: what a consumer, EventBridge and a reader of the log can count on."""

import importlib
import pkgutil
import types
from typing import Any, Union, get_args, get_origin

import orjson
import pytest
from pydantic import ValidationError

import meshplane.events
from meshplane.events.payload import Payload

for _module in pkgutil.iter_modules(meshplane.events.__path__):
    importlib.import_module(f"meshplane.events.{_module.name}")


def every_payload(of: type[Payload] = Payload) -> list[type[Payload]]:
    own = [each for each in of.__subclasses__() if hasattr(each, "entity_field")]
    return [*own, *(deeper for each in of.__subclasses__() for deeper in every_payload(each))]


PAYLOADS = sorted(
    {each for each in every_payload() if each.__module__.startswith("meshplane.")},
    key=lambda each: each.__name__,
)


def value_of(annotation: Any) -> Any:
    """Some value of a field's type."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return value_of(get_args(annotation)[0])
    if origin is tuple:
        return (value_of(get_args(annotation)[0]),)
    if origin is not None and origin.__name__ == "Literal":
        return get_args(annotation)[0]
    simple: dict[Any, Any] = {str: "Ω text", int: 3, float: 0.5, bool: True, type(None): None}
    if annotation in simple:
        return simple[annotation]
    return annotation(**{n: value_of(f.annotation) for n, f in annotation.model_fields.items()})


def some(payload: type[Payload]) -> Payload:
    return payload(**{n: value_of(f.annotation) for n, f in payload.model_fields.items()})


def test_payloads__are_found() -> None:
    assert len(PAYLOADS) >= 12
    assert len({each.__name__ for each in PAYLOADS}) == len(PAYLOADS)


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda each: each.__name__)
def test_payload__becomes_an_event_and_comes_back(payload: type[Payload]) -> None:
    made = some(payload)
    event = made.event()
    assert event.type == payload.__name__
    assert event.source.startswith("management-app.")
    assert event.entity == str(getattr(made, payload.entity_field))
    assert payload.entity_field in payload.model_fields
    stored = orjson.loads(orjson.dumps(event.detail))
    assert payload.model_validate(stored) == made


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda each: each.__name__)
def test_payload__is_in_camel_case_and_cannot_be_changed(payload: type[Payload]) -> None:
    made = some(payload)
    assert all("_" not in name for name in made.event().detail)
    with pytest.raises(ValidationError):
        setattr(made, payload.entity_field, "other")
