"""Who a mesh is on AWS: what its processes run as, and the roles that its parts work as. Pure.

A part with a role of its own calls AWS in sessions of it, which are renewed by themselves; the
process then needs nothing but `sts:AssumeRole` on these roles.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from meshplane.platform.aws.names import part_role
from meshplane.platform.aws.place import AwsPlace

if TYPE_CHECKING:  # it loads boto3
    from meshplane.platform.aws.calls import Aws

MADE = "made"
"""The value of the setting `aws_part_roles` for roles that `meshplane aws prepare` makes."""

# Who takes the roles of projects: Athena's queries, requests in the portal, tried shares.
_AS_PROJECTS = ("query", "portal", "shares")
# Who grants in the data lake, and who makes what Lake Formation governs.
_ADMINISTER = ("lake", "shares", "tables")


@dataclass(frozen=True, slots=True)
class Identities:
    """Who a mesh is on AWS.

    Args:
        processes: ARNs of what its processes run as; none: not known.
        roles: by part, the ARN of its own role.
        made: whether `prepare` makes these roles.
    """

    processes: tuple[str, ...] = ()
    roles: Mapping[str, str] = field(default_factory=dict)
    made: bool = False

    def session(self, aws: "Aws", part: str) -> "Aws":
        """AWS as a part calls it; as the process does, where the part has no role.

        Args:
            aws: as the process.
            part: of `aws_parts`; CloudTrail shows it in the session's name.
        """
        role = self.roles.get(part)
        return aws if role is None else aws.as_role(role, f"meshplane-{part}")

    def acting(self, parts: Collection[str]) -> tuple[str, ...]:
        """The ARNs of who takes the roles of projects; none: whoever may by IAM.

        Args:
            parts: those on AWS.
        """
        return self._of(part for part in _AS_PROJECTS if part in parts)

    def administrators(self, parts: Collection[str]) -> tuple[str, ...]:
        """The ARNs of who must administer the data lake; none: who prepares the account is it.

        Args:
            parts: those on AWS.
        """
        return self._of(part for part in _ADMINISTER if part in parts)

    def writing(self) -> tuple[str, ...]:
        """The ARNs of who writes and reads the files of tables; none: not known."""
        return self._of(("tables",))

    def _of(self, parts: Iterable[str]) -> tuple[str, ...]:
        """The ARNs that some parts call AWS as; none where one of them is not known."""
        found: dict[str, None] = {}
        for part in parts:
            role = self.roles.get(part)
            if role is None and not self.processes:
                return ()
            found |= dict.fromkeys((role,) if role is not None else self.processes)
        return tuple(found)


def identities(
    place: AwsPlace, parts: Iterable[str], roles: Mapping[str, str], processes: Iterable[str]
) -> Identities:
    """As the settings say it.

    Args:
        place: the mesh's.
        parts: of `aws_parts`.
        roles: of `aws_part_roles`: ARNs by part; or `MADE` alone.
        processes: of `aws_principals`.
    """
    made = MADE in roles
    if made:
        account = place.account
        roles = {part: f"arn:aws:iam::{account}:role/{part_role(place, part)}" for part in parts}
    return Identities(tuple(processes), dict(roles), made)
