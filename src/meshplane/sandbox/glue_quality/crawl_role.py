"""Whether the role of a crawler may do what a crawl needs.

IAM must let it read the objects and make tables, as Glue takes the role. Where Lake Formation
governs the database, or the place that a table lies in, it must let the role make tables there, and
use the place. A role that IAM does not know may do all of it.

Sources: Glue Developer Guide, "Crawler prerequisites"; Lake Formation Developer Guide, "Underlying
data access control" and "Lake Formation permissions reference".
"""

from collections.abc import Iterable
from typing import Any

from meshplane.sandbox.fake import Caller, World
from meshplane.sandbox.iam_policy import Asked, decide, trusts
from meshplane.sandbox.lakeformation.atoms import IAM_ALLOWED, Atom

_GLUE = "glue.amazonaws.com"
_ALL = "ALL"


class NotAllowed(Exception):
    """The role may not; the message is the error of a crawl."""


def check_role(
    world: World, caller: Caller, role: str, database: str, objects: Iterable[str]
) -> None:
    """Lets a crawl read objects and fill a database, or not.

    Args:
        world: of whose `services["lakeformation"]`, if it is there, the rights are asked.
        caller: who started the crawl.
        role: the crawler's, its ARN or name.
        database: that it fills.
        objects: `s3://BUCKET/KEY` of what it reads.

    Raises:
        NotAllowed: IAM or Lake Formation does not let it.
    """
    arn = role if role.startswith("arn:") else f"arn:aws:iam::{caller.account}:role/{role}"
    found = _role(caller.account, arn)
    places = sorted(objects)
    if found is not None:
        _check_iam(caller, arn, found, database, places)
    lake: Any = world.services.get("lakeformation")
    if lake is not None:
        _check_lake(lake.state(caller.account, caller.region), arn, database, places)


def _check_iam(caller: Caller, arn: str, role: Any, database: str, places: list[str]) -> None:
    context = {
        "aws:principalarn": arn,
        "aws:principalaccount": caller.account,
        "aws:sourceaccount": caller.account,
    }
    taken = Asked("sts:AssumeRole", arn, context)
    if not trusts(role.assume_role_policy_document, [_GLUE], taken, "Service"):
        raise NotAllowed("Service is unable to assume the role")
    attached = [
        version.document
        for policy in role.managed_policies.values()
        for version in policy.versions
        if version.version_id == policy.default_version_id
    ]
    policies = [*role.policies.values(), *attached]
    glue = f"arn:aws:glue:{caller.region}:{caller.account}"
    wanted = [("glue:CreateTable", f"{glue}:table/{database}/*")]
    wanted += [("s3:GetObject", f"arn:aws:s3:::{place.partition('://')[2]}") for place in places]
    for action, resource in wanted:
        if decide(policies, Asked(action, resource, context)) is not True:
            raise NotAllowed(f"{arn} is not authorized to perform: {action}")


def _check_lake(state: Any, arn: str, database: str, places: list[str]) -> None:
    state.notice(database)
    on = Atom("database", state.account, database)
    held = {**state.held(arn, on), **state.held(IAM_ALLOWED, on)}
    if not {"CREATE_TABLE", _ALL} & held.keys():
        raise NotAllowed(f"Insufficient Lake Formation permission(s): CREATE_TABLE on {database}")
    rights = [atom.name for atom, held in state.of(arn) if "DATA_LOCATION_ACCESS" in held]
    for place in places:
        there = f"arn:aws:s3:::{place.partition('://')[2]}"
        registered = any(_is_in(there, one) for one, _ in state.locations.items())
        if registered and not any(_is_in(there, one) for one in rights):
            raise NotAllowed("Insufficient Lake Formation permission(s) on the data location")


def _is_in(place: str, folder: str) -> bool:
    return place == folder or place.startswith(f"{folder.rstrip('/')}/")


def _role(account: str, arn: str) -> Any:
    from moto.iam.models import iam_backends

    roles = iam_backends[account]["aws"].roles.values()
    return next((role for role in list(roles) if role.arn == arn), None)
