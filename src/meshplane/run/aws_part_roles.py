"""What the role of each part of a mesh may do, and who takes it.

The policies are generated from the calls of the code, and lie beside this file.
"""

import json
from collections.abc import Iterable
from importlib import resources
from typing import Any

from meshplane.platform.aws.place import AwsPlace

_VERSION = "2012-10-17"
_PACKAGE, _FILE = "meshplane.run", "aws_policies.json"


def part_policy(place: AwsPlace, part: str) -> dict[str, Any] | None:
    """What a part of `aws_parts` may do in the mesh's account; None for one that calls nobody.

    Args:
        place: the mesh's.
        part: of the setting.
    """
    text = resources.files(_PACKAGE).joinpath(_FILE).read_text(encoding="utf-8")
    for name, value in (
        ("ACCOUNT", place.account),
        ("REGION", place.region),
        ("PREFIX", place.prefix),
    ):
        text = text.replace(f"${{MESHPLANE_AWS_{name}}}", value)
    found: dict[str, Any] | None = json.loads(text).get(part)
    return found


def part_trust(place: AwsPlace, processes: Iterable[str]) -> dict[str, Any]:
    """Who may take the role of a part.

    Args:
        place: the mesh's.
        processes: ARNs of what the mesh's processes run as; none: whoever in the account has the
            right to assume roles.
    """
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": list(processes) or f"arn:aws:iam::{place.account}:root"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:PrincipalAccount": place.account}},
    }
    return {"Version": _VERSION, "Statement": [statement]}


def process_policy(roles: Iterable[str]) -> dict[str, Any]:
    """All that a process of the mesh needs where each of its parts has a role.

    Args:
        roles: ARNs of these roles.
    """
    statement = {
        "Sid": "Parts",
        "Effect": "Allow",
        "Action": ["sts:AssumeRole"],
        "Resource": sorted(roles),
    }
    return {"Version": _VERSION, "Statement": [statement]}
