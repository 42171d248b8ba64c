"""People, groups and roles as DataZone names them, and as the mesh does.

Here they are `user:NAME` and `group:NAME` of single sign-on, and `role:ARN` of IAM; there they are
profiles with ids.
"""

import re
from collections.abc import Mapping
from typing import Any

from meshplane.kit.errors import Missing
from meshplane.platform.aws.datazone import MISSING, DataZone, token_of
from meshplane.platform.aws.errors import AwsRejected

# Of `CreateUserProfile`, for people of single sign-on.
_USER_NAME = re.compile(r"[a-zA-Z_0-9+=,.@-]+", re.ASCII)
_UNKNOWN = frozenset({MISSING, "ValidationException"})


class DataZoneMembers:
    """Finds profiles by names, and names by profiles.

    Args:
        zone: the mesh's domain there.
    """

    def __init__(self, zone: DataZone) -> None:
        self._zone = zone
        self._names: dict[str, str] = {}

    async def key_of(self, member: str) -> dict[str, str]:
        """A member as DataZone's operations take him; roles are made users of its domain.

        Returns:
            `{"userIdentifier": …}` or `{"groupIdentifier": …}`.

        Raises:
            Missing: PORTAL_MEMBER_UNKNOWN, single sign-on has nobody of that name.
        """
        kind, _, name = member.partition(":")
        if kind == "role":
            return {"userIdentifier": await self._zone.profile(name)}
        try:
            if kind == "group":
                found = await self._group(name)
            elif _USER_NAME.fullmatch(name):
                found = await self._user(name)
            else:
                raise _unknown()
        except AwsRejected as error:
            if error.aws_code not in _UNKNOWN:
                raise
            raise _unknown() from error
        self._names[found] = member
        return {f"{kind}Identifier": found}

    async def name_of(self, member: Mapping[str, Any]) -> str | None:
        """A member's name here; None for the mesh itself.

        Args:
            member: `{"user": {"userId": …}}` or `{"group": {"groupId": …}}`.
        """
        domain = await self._zone.domain()
        if "group" in member:
            identifier = member["group"]["groupId"]
            if identifier not in self._names:
                group = await self._zone.aws.call(
                    "datazone",
                    "get_group_profile",
                    domainIdentifier=domain,
                    groupIdentifier=identifier,
                )
                self._names[identifier] = f"group:{group['groupName']}"
            return self._names[identifier]
        identifier = member["user"]["userId"]
        if identifier == await self._zone.own_profile():
            return None
        if identifier not in self._names:
            user = await self._zone.aws.call(
                "datazone", "get_user_profile", domainIdentifier=domain, userIdentifier=identifier
            )
            shown = user["details"]
            self._names[identifier] = (
                f"role:{shown['iam']['arn']}"
                if "iam" in shown
                else f"user:{shown['sso']['username']}"
            )
        name = self._names[identifier]
        # The account itself is no member that anybody could add or remove.
        return None if name.endswith(":root") else name

    async def _group(self, name: str) -> str:
        group = await self._zone.aws.call(
            "datazone",
            "get_group_profile",
            domainIdentifier=await self._zone.domain(),
            groupIdentifier=name,
        )
        return str(group["id"])

    async def _user(self, name: str) -> str:
        """The profile of a person of single sign-on, made with his first membership."""
        named = {"domainIdentifier": await self._zone.domain(), "userIdentifier": name}
        try:
            user = await self._zone.aws.call("datazone", "get_user_profile", type="SSO", **named)
        except AwsRejected as error:
            if error.aws_code != MISSING:
                raise
            user = await self._zone.aws.call(
                "datazone",
                "create_user_profile",
                userType="SSO_USER",
                clientToken=token_of("user", *named.values()),
                **named,
            )
        return str(user["id"])


def _unknown() -> Missing:
    return Missing(
        "PORTAL_MEMBER_UNKNOWN",
        "The portal does not know a member: add him to its single sign-on.",
    )
