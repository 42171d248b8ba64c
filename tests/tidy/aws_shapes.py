"""What stands in the code of a call of AWS, held against the shape of its parameters.

Only what is written there in full can be held against it: names of members, constants, and the
lists and dictionaries around them. What a variable holds, the sandbox checks when it is called.
"""

import ast
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from botocore import xform_name
from botocore.model import OperationModel, Shape
from botocore.session import get_session

from meshplane.cli.reference_aws_calls import CallSite
from meshplane.sandbox.json_shapes import is_document
from meshplane.sandbox.models import is_service, service_model
from meshplane.sandbox.strictness import problems


def misfits(site: CallSite) -> list[str]:
    """What of a call does not fit the model: service, operation, pages, and parameters."""
    if not is_service(site.service):
        return [f"{site.place}: botocore knows no service {site.service}"]
    operation = _operations(site.service).get(site.method)
    if operation is None:
        return [f"{site.place}: {site.service} has no operation {site.method}"]
    found = [f"{site.place}: {problem}" for problem in _argument_problems(site, operation)]
    if site.paged and operation.name not in _paginated(site.service):
        found.append(f"{site.place}: botocore knows no pages of it")
    return found


def _argument_problems(site: CallSite, operation: OperationModel) -> Iterator[str]:
    shape = operation.input_shape
    members = shape.members if shape is not None else {}
    for name, value in site.arguments.items():
        if site.paged and name == "PaginationConfig":
            continue  # it is for the client alone
        if name not in members:
            yield f"{name}: no such member"
        else:
            yield from _value_problems(members[name], value, name)
    if shape is not None and not site.open_ended:
        yield from _missing(shape, set(site.arguments), "")


def _value_problems(shape: Shape, node: ast.expr, where: str) -> Iterator[str]:
    if is_document(shape):
        return
    if isinstance(node, ast.IfExp):
        yield from _value_problems(shape, node.body, where)
        yield from _value_problems(shape, node.orelse, where)
    elif isinstance(node, ast.Constant):
        yield from _constant_problems(shape, node.value, where)
    elif isinstance(node, ast.Dict):
        yield from _dictionary_problems(shape, node, where)
    elif isinstance(node, ast.List | ast.Tuple):
        if shape.type_name != "list":
            yield f"{where}: must be {shape.type_name}"
            return
        for number, inner in enumerate(node.elts):
            if not isinstance(inner, ast.Starred):
                yield from _value_problems(shape.member, inner, f"{where}[{number}]")


def _constant_problems(shape: Shape, value: Any, where: str) -> Iterator[str]:
    for problem in problems(shape, value):
        place, _, told = problem.rpartition(": ")
        yield f"{where}{'' if place == 'The input' else place}: {told}"


def _dictionary_problems(shape: Shape, node: ast.Dict, where: str) -> Iterator[str]:
    if shape.type_name == "map":
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None:
                yield from _value_problems(shape.key, key, f"{where} (key)")
                yield from _value_problems(shape.value, value, where)
        return
    if shape.type_name != "structure":
        yield f"{where}: must be {shape.type_name}"
        return
    names = set()
    for key, value in zip(node.keys, node.values, strict=True):
        if not isinstance(key, ast.Constant):
            continue
        name = str(key.value)
        names.add(name)
        if name in shape.members:
            yield from _value_problems(shape.members[name], value, f"{where}.{name}")
        else:
            yield f"{where}.{name}: no such member"
    if all(isinstance(key, ast.Constant) for key in node.keys):
        yield from _missing(shape, names, f"{where}.")
        if shape.is_tagged_union and len(names) != 1:
            yield f"{where}: must have exactly one member"


def _missing(shape: Shape, names: set[str], start: str) -> Iterator[str]:
    for name in shape.required_members:
        # The client itself makes up a token that is left out.
        if name not in names and not shape.members[name].metadata.get("idempotencyToken"):
            yield f"{start}{name}: is required"


@lru_cache
def _operations(service: str) -> dict[str, OperationModel]:
    model = service_model(service)
    return {xform_name(name): model.operation_model(name) for name in model.operation_names}


@lru_cache
def _paginated(service: str) -> set[str]:
    model = get_session().get_paginator_model(service)
    return set(model._paginator_config)
