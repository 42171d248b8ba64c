"""Waits a while for what was begun with a deployment, so that whoever began it learns its end.

Where stacks are only recorded it takes moments; CloudFormation takes minutes, and nobody waits.
"""

import asyncio
import time

from meshplane.platform.store import Store
from meshplane.services.blueprints.states import AT_WORK
from meshplane.services.blueprints.store import DEPLOYMENT_HISTORY

_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.5


class DeploymentSettling:
    """Waits until nothing goes on with a deployment.

    Args:
        store: holds the deployments.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def settle(self, deployment_id: str, timestamp: int, patience_seconds: float) -> None:
        """Returns when it is at rest, or at the end of the patience.

        Args:
            deployment_id: of the deployment.
            timestamp: of the deployment, which is a part of its key.
            patience_seconds: how long to wait; what was begun goes on all the same.
        """
        give_up = time.monotonic() + patience_seconds
        pause_seconds = _FIRST_PAUSE_SECONDS
        while time.monotonic() < give_up:
            row = await self._store.begin().get(DEPLOYMENT_HISTORY, deployment_id, timestamp)
            if row is None or row.item["status"] not in AT_WORK:
                return
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(_LONGEST_PAUSE_SECONDS, pause_seconds * 1.5)
