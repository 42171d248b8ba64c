"""What calls AWS, made of the settings; loaded where something runs on AWS alone."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from meshplane.kit.errors import Invalid
from meshplane.run.settings import Settings

if TYPE_CHECKING:  # it loads boto3
    from meshplane.platform.aws.calls import Aws
    from meshplane.platform.aws.datazone import DataZone


def aws_of(settings: Settings) -> "Aws | None":
    """What calls AWS; None where nothing runs there.

    Raises:
        Invalid: EXTRA_MISSING, the client of AWS is not installed.
    """
    if not settings.aws_parts or settings.aws_region is None or settings.aws_account is None:
        return None
    if find_spec("boto3") is None:
        raise Invalid(
            "EXTRA_MISSING",
            "aws_parts needs the client of AWS: install it with pip install 'meshplane[aws]'.",
            field="aws_parts",
        )
    from meshplane.platform.aws.calls import Aws
    from meshplane.platform.aws.place import AwsPlace

    return Aws(
        AwsPlace(
            region=settings.aws_region,
            account=settings.aws_account,
            endpoint_url=settings.aws_endpoint_url,
            account_roles=settings.aws_account_roles,
            prefix=settings.aws_prefix,
        )
    )


def portal_of(settings: Settings, aws: "Aws | None") -> "DataZone | None":
    """The mesh's domain in DataZone; None where the portal is not on AWS."""
    if aws is None or "portal" not in settings.aws_parts:
        return None
    from meshplane.platform.aws.datazone import DataZone
    from meshplane.platform.aws.names import PORTAL_ROLE, project_role_arn, role_arn

    return DataZone(
        aws,
        name=f"{aws.place.prefix}meshplane",
        execution_role=role_arn(aws.place, PORTAL_ROLE),
        acting=lambda project_id: aws.as_role(project_role_arn(aws.place, project_id), "meshplane"),
    )
