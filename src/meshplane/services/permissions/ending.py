"""Notes the end of grants that came to it: an event and a line of history, once.

A grant lets nothing through from the instant of its end, whether that has been noted or not.
"""

import asyncio
import math
import time
from logging import ERROR, WARNING

from meshplane.boundary.actor import service_actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.kit.clock import from_text, to_text
from meshplane.kit.errors import MeshplaneError
from meshplane.platform.stillness import parts
from meshplane.platform.store import Store
from meshplane.platform.tables import Between
from meshplane.platform.telemetry import log
from meshplane.platform.trouble import Trouble
from meshplane.policy.model import MESH
from meshplane.services.permissions.grant_rows import grant_of, in_force, note_end
from meshplane.services.permissions.store import ENDING, GRANTS

_PAUSE_SECONDS = 1.0
_MOST_OF_A_ROUND = 100


class Ending:
    """Looks for grants that have ended, once a second where others may change them.

    Several processes may do so: of two that find the same grant, one notes its end.

    Args:
        boundary: commits.
        store: holds the grants.
    """

    def __init__(self, boundary: Boundary, store: Store) -> None:
        self._boundary = boundary
        self._store = store
        self._trouble = Trouble("grants_not_ended", "grants_are_ended_again")
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to look."""
        self._task = asyncio.create_task(self._run(), name="permissions-ending")

    async def stop(self) -> None:
        """Ends; what was not noted is noted after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def note_all(self) -> int:
        """Notes the ends that have come, up to a hundred; how many. Each by itself."""
        now = to_text(self._boundary.clock.now())
        page = await self._store.begin().query(
            GRANTS, ENDING, index="byEnd", where=Between(None, now), limit=_MOST_OF_A_ROUND
        )
        noted = 0
        for row in page.rows:
            try:
                await self._note(row.item["grantId"])
            except MeshplaneError as error:
                log(WARNING, "grant_not_ended", code=error.code, grant=row.item["grantId"])
            except Exception as error:  # noqa: BLE001 - a damaged row is no matter of the others
                log(ERROR, "grant_not_ended", exc_info=error, grant=row.item["grantId"])
            else:
                noted += 1
        return noted

    async def _note(self, grant_id: str) -> None:
        async def end(call: Call) -> None:
            await call.allow(MESH)
            call.resource = f"Grant:{grant_id}"
            row = await call.work.get(GRANTS, grant_id)
            grant = grant_of(row) if row else None
            # It may have been revoked, given another end, or noted by another process meanwhile.
            if row is None or grant is None or in_force(grant, call.clock):
                return
            if "ending" in row.item:
                note_end(call, row)

        itself = service_actor("permissions")
        await self._boundary.write("expireGrant", itself, end)

    async def _run(self) -> None:
        stillness, looks_at = self._store.stillness, parts(GRANTS)
        while True:
            since, most_seconds = time.monotonic(), _PAUSE_SECONDS
            try:
                if await self.note_all() == _MOST_OF_A_ROUND:
                    most_seconds = 0.0
                elif stillness.seconds(_PAUSE_SECONDS, looks_at, since=since) > _PAUSE_SECONDS:
                    most_seconds = await self._next_seconds()
                self._trouble.over()
            except Exception as error:  # noqa: BLE001 - nothing may end the looking for good
                self._trouble.met(error)
            await stillness.pause(_PAUSE_SECONDS, most_seconds, of=looks_at, since=since)

    async def _next_seconds(self) -> float:
        """Until the next end of a grant."""
        page = await self._store.begin().query(GRANTS, ENDING, index="byEnd", limit=1)
        if not page.rows:
            return math.inf
        end = from_text(page.rows[0].item["expiresAt"])
        left = (end - self._boundary.clock.now()).total_seconds()
        # What has ended and could not be noted is tried again after the pause.
        return left if left > 0 else _PAUSE_SECONDS
