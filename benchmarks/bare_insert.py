"""The peer of durable writes: a bare Starlette route with one group-committed insert into SQLite.

`POST /insert` answers when its row is on disk; rows that arrive together share a commit, as in
Meshplane: the same WAL mode, the same `synchronous=FULL`, the commit in a thread. Nothing else is
done: no token, no policy, no validation, no event, no audit record.
"""

import asyncio
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


class Inserts:
    """Group commit of single inserts."""

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS Rows (id INTEGER PRIMARY KEY, body BLOB NOT NULL)"
        )
        self._disk = ThreadPoolExecutor(max_workers=1)
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def insert(self, body: bytes) -> None:
        """Returns when the row is on disk."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((body, done))
        if self._worker is None or self._worker.done():
            self._worker = loop.create_task(self._work())
        await done

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group, self._waiting = self._waiting, []
            self._connection.execute("BEGIN IMMEDIATE")
            for body, _ in group:
                self._connection.execute("INSERT INTO Rows (body) VALUES (?)", (body,))
            await loop.run_in_executor(self._disk, self._connection.execute, "COMMIT")
            for _, done in group:
                done.set_result(None)


def application(path: str) -> Starlette:
    """The application, on that database file."""
    inserts: list[Inserts] = []

    async def insert(request: Request) -> Response:
        if not inserts:
            inserts.append(Inserts(path))
        await inserts[0].insert(await request.body())
        return JSONResponse({"done": True}, 201)

    async def ready(_request: Request) -> Response:
        return JSONResponse({"ready": True})

    return Starlette(routes=[Route("/insert", insert, methods=["POST"]), Route("/ready", ready)])


if __name__ == "__main__":
    uvicorn.run(application(sys.argv[1]), port=int(sys.argv[2]), log_config=None, access_log=False)
