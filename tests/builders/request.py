"""A request as tests send it."""

from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass(slots=True)
class Request:
    """A request as it will be sent, below /api/v1 unless its path says otherwise."""

    method: str
    path: str
    json: Any = None
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def send(self, client: httpx.Client) -> httpx.Response:
        """The answer to it; of a stream its head alone."""
        path = self.path if self.path.startswith("/metrics") else f"/api/v1{self.path}"
        if self.path.startswith("/events/stream"):
            return self._head_of_stream(client, path)
        if self.content is not None:
            return client.request(self.method, path, content=self.content, headers=self.headers)
        return client.request(self.method, path, json=self.json, headers=self.headers)

    def _head_of_stream(self, client: httpx.Client, path: str) -> httpx.Response:
        with client.stream(self.method, path, headers=self.headers) as answer:
            if not answer.is_success:
                answer.read()
            return answer
