"""The OpenAPI document: made once, whoever asks while it is being made."""

import asyncio
import time
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from meshplane.gateway import app, openapi


async def test_openapi__asked_for_by_many_at_once__is_made_once_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[int] = []

    def slowly(_routes: object) -> dict[str, Any]:
        made.append(len(made))
        time.sleep(0.05)
        return {"made": len(made)}

    monkeypatch.setattr(openapi, "document", slowly)
    served = Starlette(routes=app._open_routes([], lambda: True))
    transport = httpx.ASGITransport(served)
    async with httpx.AsyncClient(transport=transport, base_url="http://mesh") as client:
        answers = await asyncio.gather(*(client.get("/openapi.json") for _ in range(12)))
    assert [answer.json() for answer in answers] == [{"made": 1}] * 12
