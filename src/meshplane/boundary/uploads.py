"""Receiving bodies: small ones into memory, large ones into a file, each with its limit."""

import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import ClientDisconnect, Request

from meshplane.kit.errors import Invalid, TooLarge

LARGEST_JSON_BYTES = 1024 * 1024
LARGEST_UPLOAD_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """A received file; it is removed when the request ends."""

    path: Path
    sha256: str
    size_bytes: int


async def read_body(request: Request) -> bytes:
    """The whole body of a request.

    Raises:
        TooLarge: BODY_TOO_LARGE; the rest is not read.
    """
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > LARGEST_JSON_BYTES:
        raise _too_large(LARGEST_JSON_BYTES)
    parts, size = [], 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        size += len(part)
        if size > LARGEST_JSON_BYTES:
            raise _too_large(LARGEST_JSON_BYTES)
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(most_bytes: int) -> TooLarge:
    return TooLarge(
        "BODY_TOO_LARGE", f"A body here has at most {most_bytes:,} bytes.", field="(body)"
    )


@asynccontextmanager
async def receive(
    request: Request, content_type: str, folder: Path | None
) -> AsyncIterator[Upload]:
    """Writes the body to a temporary file and gives it.

    Raises:
        Invalid: CONTENT_TYPE_UNSUPPORTED.
        TooLarge: BODY_TOO_LARGE.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != content_type:
        raise Invalid(
            "CONTENT_TYPE_UNSUPPORTED", f"Send the body as {content_type}.", field="Content-Type"
        )
    digest, size = hashlib.sha256(), 0
    with tempfile.NamedTemporaryFile(prefix="upload-", dir=folder) as file:
        async for chunk in request.stream():
            size += len(chunk)
            if size > LARGEST_UPLOAD_BYTES:
                raise _too_large(LARGEST_UPLOAD_BYTES)
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        yield Upload(Path(file.name), digest.hexdigest(), size)
