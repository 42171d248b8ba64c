"""Receiving a large body into a file, with a limit and its digest."""

import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

from meshplane.kit.errors import Invalid, TooLarge

LARGEST_UPLOAD_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """A received file; it is removed when the request ends."""

    path: Path
    sha256: str
    size_bytes: int


@asynccontextmanager
async def receive(request: Request, content_type: str) -> AsyncIterator[Upload]:
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
    with tempfile.NamedTemporaryFile(prefix="meshplane-upload-") as file:
        async for chunk in request.stream():
            size += len(chunk)
            if size > LARGEST_UPLOAD_BYTES:
                raise TooLarge(
                    "BODY_TOO_LARGE",
                    f"A body of rows has at most {LARGEST_UPLOAD_BYTES} bytes: send several.",
                    field="(body)",
                )
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        yield Upload(Path(file.name), digest.hexdigest(), size)
