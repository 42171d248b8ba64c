"""The OpenAPI document, as a server of this code serves it."""

import asyncio
import json
import tempfile
from pathlib import Path


def openapi_document() -> str:
    """`/openapi.json` of a server with every service, laid out for reading and comparing."""
    with tempfile.TemporaryDirectory(prefix="meshplane-reference-") as folder:
        found = asyncio.run(_served(Path(folder)))
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


async def _served(home: Path) -> object:
    import httpx

    from meshplane.run.mesh import Mesh
    from meshplane.run.settings import read_settings

    # Every service, whatever the variables of whoever writes the reference say.
    mesh = Mesh(read_settings(home=home, only=(), links={}))
    try:
        transport = httpx.ASGITransport(mesh.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            answer = await client.get("/openapi.json")
            answer.raise_for_status()
            return answer.json()
    finally:
        await mesh.store.close()
