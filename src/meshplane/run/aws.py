"""What calls AWS, made of the settings; loaded where something runs on AWS alone."""

import asyncio
from importlib.util import find_spec
from logging import WARNING
from typing import TYPE_CHECKING

from meshplane.kit.clock import Clock
from meshplane.kit.errors import Invalid, MeshplaneError, Unavailable
from meshplane.platform.telemetry import log
from meshplane.run.settings import Settings

if TYPE_CHECKING:  # it loads boto3
    from meshplane.platform.aws.calls import Aws
    from meshplane.platform.aws.datazone import DataZone
    from meshplane.platform.aws.metrics import Metrics
    from meshplane.platform.aws.part_roles import Identities
    from meshplane.platform.aws.place import AwsPlace

_ACCOUNT_SECONDS = 10.0


def aws_of(settings: Settings) -> "Aws | None":
    """What calls AWS; None where nothing runs there.

    Raises:
        Invalid: EXTRA_MISSING, the client of AWS is not installed.
    """
    if not settings.aws_parts or settings.aws_region is None or settings.aws_account is None:
        return None
    demand_client()
    from meshplane.platform.aws.calls import Aws
    from meshplane.platform.aws.place import AwsPlace

    return Aws(
        AwsPlace(
            region=settings.aws_region,
            account=settings.aws_account,
            endpoint_url=settings.aws_endpoint_url,
            account_roles=settings.aws_account_roles,
            external_id=settings.aws_external_id,
            prefix=settings.aws_prefix,
            most_attempts=settings.aws_attempts,
            read_seconds=settings.aws_read_seconds,
        )
    )


def aws_to_serve(settings: Settings) -> "Aws | None":
    """As `aws_of`, for a process that is to serve: before it makes anything in an account.

    Parts that call AWS as the process must do so in the mesh's account, so who it is is asked for
    once. Roles of parts name their account themselves. Where nobody answers, the process starts
    all the same: AWS may be back before it is needed.

    Raises:
        Invalid: EXTRA_MISSING; ACCOUNT_NOT_MEANT, the credentials are of another account.
        AwsRejected: they do not hold.
    """
    found = aws_of(settings)
    if found is None:
        return None
    roles = identities_of(settings, found.place).roles
    if set(settings.aws_parts) <= roles.keys():
        return found
    from meshplane.platform.aws.at_once import at_once
    from meshplane.run.aws_prepare import demand_account

    try:
        at_once(asyncio.wait_for(demand_account(found), _ACCOUNT_SECONDS))
    except (Unavailable, TimeoutError) as error:
        log(WARNING, "account_not_checked", error=type(error).__name__)
    except MeshplaneError:
        found.close()
        raise
    return found


def caller_of_nobody(settings: Settings) -> "Aws":
    """What calls operations of AWS that need no credentials, such as signing in.

    Raises:
        Invalid: EXTRA_MISSING; SETTING_INVALID, the settings name no region.
    """
    region, _, _ = (settings.aws_cognito_pool or "").partition("_")
    region = settings.aws_region or region
    if not region:
        raise Invalid(
            "SETTING_INVALID",
            "Setting aws_region: name the region, or the user pool, whose id begins with it.",
            field="aws_region",
        )
    demand_client()
    from meshplane.platform.aws.calls import Aws
    from meshplane.platform.aws.place import AwsPlace

    return Aws(AwsPlace(region, settings.aws_account or "", settings.aws_endpoint_url))


def demand_client() -> None:
    """Makes sure that the client of AWS is there, before what imports it is imported.

    Raises:
        Invalid: EXTRA_MISSING.
    """
    if find_spec("boto3") is None:
        raise Invalid(
            "EXTRA_MISSING",
            "The client of AWS is not installed: run `make setup-dev`, or `pip install '.[aws]'` "
            "in the repository's folder.",
            field="aws_parts",
        )


def identities_of(settings: Settings, place: "AwsPlace") -> "Identities":
    """Who the mesh is on AWS, as the settings say it."""
    from meshplane.platform.aws.part_roles import identities

    return identities(place, settings.aws_parts, settings.aws_part_roles, settings.aws_principals)


def part_aws(settings: Settings, aws: "Aws", part: str) -> "Aws":
    """What calls AWS for a part: a session of its own role, where it has one."""
    return identities_of(settings, aws.place).session(aws, part)


def portal_of(settings: Settings, aws: "Aws | None") -> "DataZone | None":
    """The mesh's domain in DataZone; None where the portal is not on AWS."""
    if aws is None or "portal" not in settings.aws_parts:
        return None
    return zone_of(part_aws(settings, aws, "portal"))


def zone_of(aws: "Aws") -> "DataZone":
    """The mesh's domain in DataZone, as a principal sees it."""
    from meshplane.platform.aws.datazone import DataZone
    from meshplane.platform.aws.names import PORTAL_ROLE, project_role_arn, role_arn

    return DataZone(
        aws,
        name=f"{aws.place.prefix}meshplane",
        execution_role=role_arn(aws.place, PORTAL_ROLE),
        acting=lambda project_id: aws.as_role(project_role_arn(aws.place, project_id), "meshplane"),
    )


def metrics_of(settings: Settings, aws: "Aws | None", clock: Clock) -> "Metrics | None":
    """What sends figures to CloudWatch; None where they are not shown there."""
    if aws is None or "metrics" not in settings.aws_parts:
        return None
    from meshplane.platform.aws.metrics import Metrics

    own = part_aws(settings, aws, "metrics")
    return Metrics(own, clock, interval_seconds=settings.aws_metrics_seconds)
