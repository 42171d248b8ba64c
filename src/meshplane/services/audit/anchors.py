"""Anchors: heads of the chain, noted in a file beside the database.

A chain alone does not show that its end was cut off. Every minute in which it grew, its head is
appended to `audit-anchors.log`, and verification looks for each of them.
"""

import asyncio
import os
import re
from pathlib import Path

from meshplane.platform.store import Store

ANCHOR_SECONDS = 60.0
_ANCHOR = re.compile(r"([0-9]{1,18}) ([0-9a-f]{64})")


class Anchors:
    """Notes heads and finds them again.

    Args:
        store: holds the chain.
        file: where heads are noted; a line is `SEQUENCE HASH`.
    """

    def __init__(self, store: Store, file: Path) -> None:
        self._store = store
        self._file = file
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to note heads, the first at once."""
        self._task = asyncio.create_task(self._run(), name="audit-anchors")

    async def stop(self) -> None:
        """Notes the last head and ends."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.note()

    async def note(self) -> None:
        """Notes the present head, if it is not noted yet."""
        head = await self._head()
        if head is not None and (not (noted := self.noted()) or noted[-1] != head):
            await asyncio.to_thread(self._append, head)

    def noted(self) -> list[tuple[int, str]]:
        """(sequence, hash) of each noted head; a line that was cut by a crash is left out."""
        if not self._file.exists():
            return []
        lines = self._file.read_text(encoding="ascii", errors="replace").split("\n")[:-1]
        found = [_ANCHOR.fullmatch(line) for line in lines]
        return [(int(match[1]), match[2]) for match in found if match]

    async def _run(self) -> None:
        while True:
            await self.note()
            await asyncio.sleep(ANCHOR_SECONDS)

    async def _head(self) -> tuple[int, str] | None:
        last = await self._store.audit_head()
        return last if last[0] else None

    def _append(self, head: tuple[int, str]) -> None:
        with self._file.open("a+b") as file:
            # A line that a crash cut short must not run into this one.
            file.seek(max(0, file.tell() - 1))
            cut = file.read(1) not in (b"", b"\n")
            file.write(b"\n" * cut + f"{head[0]} {head[1]}\n".encode())
            file.flush()
            os.fsync(file.fileno())
