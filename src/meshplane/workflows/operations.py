"""The port through which workflows and functions have the platform do something."""

from collections.abc import Mapping
from typing import Any, Protocol


class OperationCaller(Protocol):
    """Carries out an operation of the platform by its operationId, in one certain name."""

    async def call(
        self, operation_id: str, arguments: Mapping[str, Any], *, idempotency_key: str
    ) -> Any:
        """The answer's JSON.

        Args:
            operation_id: as in the API: `startQualityRun`.
            arguments: by their names in the API.
            idempotency_key: the same key with the same arguments has one effect.

        Raises:
            MeshplaneError: what the operation raises.
        """
        ...
