"""What of STS moto does not say as AWS does: who calls."""

from collections.abc import Mapping
from typing import Any

from meshplane.sandbox.fake import Caller, Handler, World


class StsFake:
    """Answers `GetCallerIdentity`; the rest of STS is moto's."""

    service = "sts"

    def __init__(self, world: World) -> None:
        world.services[self.service] = self
        self.handlers: Mapping[str, Handler] = {"GetCallerIdentity": self._caller_identity}

    def _caller_identity(self, caller: Caller, _given: dict[str, Any]) -> dict[str, Any]:
        user = caller.account if caller.arn.endswith(":root") else caller.session_arn[-64:]
        return {"UserId": user, "Account": caller.account, "Arn": caller.session_arn}
