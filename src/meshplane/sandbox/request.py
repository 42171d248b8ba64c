"""A request and an answer of HTTP, as the sandbox's parts hand them on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from meshplane.sandbox.models import find_service


@dataclass(frozen=True, slots=True)
class Request:
    """What came over the wire.

    Args:
        method: `POST`.
        path: with its percent signs, without the query.
        query_text: behind the question mark.
        headers: by lower-case name.
        body: whole.
        environ: of WSGI, for moto.
    """

    method: str
    path: str
    query_text: str
    headers: Mapping[str, str]
    body: bytes
    environ: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def query(self) -> list[tuple[str, str]]:
        """The parameters of the query, each as often as it stands there."""
        return parse_qsl(self.query_text, keep_blank_values=True)


@dataclass(slots=True)
class Answer:
    """What goes back over the wire."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    listed_headers: tuple[tuple[str, str], ...] = ()
    """Headers of an answer that was made elsewhere, where a name may stand twice."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What the signature of a request says, unverified.

    Args:
        access_key: None where nobody signed.
        region: such as `eu-central-1`.
        service: botocore's name of whom it is for, None where nothing tells.
    """

    access_key: str | None
    region: str
    service: str | None


_NO_REGION = "us-east-1"
_SCOPE_PARTS = 5


def read_signature(request: Request) -> Signed:
    """Reads the credential scope of Signature Version 4, of the header or of a presigned URL.

    Source: AWS General Reference, "Elements of an AWS API request signature": the scope is
    `ACCESS_KEY/DATE/REGION/SERVICE/aws4_request`.
    """
    target = request.headers.get("x-amz-target")
    parts = _scope(request).split("/")
    if len(parts) != _SCOPE_PARTS:
        service = find_service(None, target, request.path) or _unsigned_sts(request)
        return Signed(None, _NO_REGION, service)
    access_key, _, region, signed_as, _ = parts
    return Signed(access_key, region, find_service(signed_as, target, request.path))


def _scope(request: Request) -> str:
    header = request.headers.get("authorization", "")
    if header.startswith("AWS4-"):
        for part in header.partition(" ")[2].split(","):
            name, _, value = part.strip().partition("=")
            if name == "Credential":
                return value
    return unquote(dict(request.query).get("X-Amz-Credential", ""))


def _unsigned_sts(request: Request) -> str | None:
    # The two operations of STS that a token is exchanged with need no signature.
    return "sts" if b"Action=AssumeRoleWith" in request.body[:4096] else None
