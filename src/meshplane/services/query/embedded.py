"""The engine on this machine, as the query service sees it."""

from meshplane.services.query.ports import Asked
from meshplane.services.query.sandbox import Outcome, Sandbox, Sink


class EmbeddedEngine:
    """`QueryEngine` over the sandbox.

    Args:
        sandbox: runs one statement in a process of its own.
        hash_key: of hash masks.
    """

    def __init__(self, sandbox: Sandbox, hash_key: bytes) -> None:
        self._sandbox = sandbox
        self._hash_key = hash_key

    async def run(self, asked: Asked, sink: Sink | None = None) -> Outcome:
        """See `QueryEngine.run`."""
        return await self._sandbox.run(asked.statement, asked.access.resolve, self._hash_key, sink)

    async def explain(self, asked: Asked) -> Outcome:
        """See `QueryEngine.explain`."""
        return await self._sandbox.explain(asked.statement, asked.access.resolve)
