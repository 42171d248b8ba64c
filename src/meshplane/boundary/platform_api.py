"""The platform's own API, as workflows and functions reach it: the port."""

from collections.abc import Mapping
from typing import Any, Protocol

from meshplane.boundary.actor import Actor


class PlatformApi(Protocol):
    """Carries out operations in somebody's name."""

    async def call(
        self, operation_id: str, arguments: Mapping[str, Any], *, actor: Actor, key: str
    ) -> Any:
        """The JSON answer of an operation.

        Args:
            operation_id: as in the OpenAPI document.
            arguments: by their names in the API, those of the path too.
            actor: in whose name.
            key: the same key with the same arguments has one effect.

        Raises:
            MeshplaneError: what the operation raises; OPERATION_UNKNOWN, ARGUMENT_MISSING.
        """
        ...

    async def invoke(
        self, method: str, path: str, arguments: Mapping[str, Any], *, actor: Actor, key: str
    ) -> tuple[int, Any]:
        """Status and JSON of the operation at a method and path; errors are answered."""
        ...
