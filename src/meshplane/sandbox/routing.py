"""Which operation a request means, in each of AWS's protocols."""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl, unquote

from botocore.model import OperationModel, Shape

from meshplane.sandbox.models import operation_of, service_model
from meshplane.sandbox.request import Request

_CBOR_PATH = re.compile(r"/service/[^/]+/operation/([A-Za-z0-9]+)")
_LABEL = re.compile(r"\{([^}]+)\}")


@dataclass(frozen=True, slots=True)
class Route:
    """How one operation of a REST service is told from the others.

    Args:
        method: of HTTP.
        path: matches the path, with a group for each label, named in `labels`.
        labels: of the path, in order.
        fixed: parameters of the query that must be there, with a value or with any (None).
        wanted_query, wanted_headers: required members outside the path and the body.
        literal: how much of the path is fixed text, for preferring the narrower.
        operation: its name in the model.
    """

    method: str
    path: re.Pattern[str]
    labels: tuple[str, ...]
    fixed: tuple[tuple[str, str | None], ...]
    wanted_query: tuple[str, ...]
    wanted_headers: tuple[str, ...]
    literal: int
    operation: str

    @property
    def weight(self) -> tuple[int, int]:
        """The larger, the narrower."""
        wanted = len(self.fixed) + len(self.wanted_query) + len(self.wanted_headers)
        return self.literal, wanted


@dataclass(frozen=True, slots=True)
class Found:
    """An operation and the labels of its path, decoded."""

    operation: OperationModel
    labels: dict[str, str]


def protocol_of(service: str, request: Request) -> str:
    """The protocol that a request speaks: `json`, `rest-json`, `query`, `rest-xml`, `ec2`, `cbor`.

    A service may speak several; the request's own marks tell them apart.
    """
    metadata = service_model(service).metadata
    protocols = metadata.get("protocols", [metadata.get("protocol")])
    if request.headers.get("smithy-protocol") == "rpc-v2-cbor":
        return "cbor"
    content = request.headers.get("content-type", "")
    if "query" in protocols and content.startswith("application/x-www-form-urlencoded"):
        return "query"
    if "json" in protocols and "x-amz-target" in request.headers:
        return "json"
    return str(metadata.get("protocol"))


def find_operation(service: str, protocol: str, request: Request) -> Found | None:
    """The operation that a request means, or None where the service has no such one."""
    if protocol in {"rest-json", "rest-xml"}:
        return _by_route(service, request)
    if protocol == "cbor":
        match = _CBOR_PATH.search(request.path)
        name = match[1] if match else ""
    elif protocol == "json":
        name = request.headers.get("x-amz-target", "").rpartition(".")[2]
    else:
        form = parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
        name = dict(form or request.query).get("Action", "")
    operation = operation_of(service, name)
    return Found(operation, {}) if operation is not None else None


def _by_route(service: str, request: Request) -> Found | None:
    query = dict(request.query)
    path = request.path if len(request.path) == 1 else request.path.rstrip("/")
    for route in _routes(service):
        if route.method != request.method:
            continue
        # A trailing slash may belong to the last label, as in a key of S3.
        match = route.path.fullmatch(request.path) or route.path.fullmatch(path)
        if match is None or not _has(route, query, request):
            continue
        labels = {
            name: unquote(text) for name, text in zip(route.labels, match.groups(), strict=True)
        }
        return Found(service_model(service).operation_model(route.operation), labels)
    return None


def _has(route: Route, query: dict[str, str], request: Request) -> bool:
    return (
        all(
            name in query and (value is None or query[name] == value) for name, value in route.fixed
        )
        and all(name in query for name in route.wanted_query)
        and all(name in request.headers for name in route.wanted_headers)
    )


@lru_cache(maxsize=32)
def _routes(service: str) -> tuple[Route, ...]:
    model = service_model(service)
    operations = [model.operation_model(name) for name in model.operation_names]
    # Of two at one address (PutBucketLifecycle, PutBucketLifecycleConfiguration), the newer one.
    operations.sort(key=lambda operation: bool(operation.deprecated))
    routes = [_route(operation, service) for operation in operations]
    return tuple(sorted(routes, key=lambda route: route.weight, reverse=True))


def _route(operation: OperationModel, service: str) -> Route:
    path, _, query = operation.http["requestUri"].partition("?")
    path = path.rstrip("/") or "/"
    labels = tuple(label.rstrip("+") for label in _LABEL.findall(path))
    pattern, at = "", 0
    for match in _LABEL.finditer(path):
        # A label may hold an encoded slash only; a greedy one (`+`) any.
        label = "(.+)" if match[1].endswith("+") else "([^/]+)"
        pattern += re.escape(path[at : match.start()]) + label
        at = match.end()
    pattern += re.escape(path[at:])
    fixed = tuple(
        (name, value or None)
        for name, value in parse_qsl(query, keep_blank_values=True)
        if name != "x-id"  # what an SDK adds for its own logs
    )
    # Elsewhere a required member that is missing is an error of the request, not another operation.
    tells = service in {"s3", "s3control"}
    return Route(
        method=operation.http["method"],
        path=re.compile(pattern),
        labels=labels,
        fixed=fixed,
        wanted_query=_required(operation.input_shape, "querystring") if tells else (),
        wanted_headers=_required(operation.input_shape, "header") if tells else (),
        literal=len(_LABEL.sub("", path)),
        operation=operation.name,
    )


def _required(shape: Shape | None, location: str) -> tuple[str, ...]:
    if shape is None:
        return ()
    found = [
        member.serialization.get("name", name).lower()
        if location == "header"
        else member.serialization.get("name", name)
        for name, member in shape.members.items()
        if name in shape.required_members and member.serialization.get("location") == location
    ]
    return tuple(found)
