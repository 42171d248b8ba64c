"""The secrets of a mesh: in its home folder, or in Secrets Manager."""

from typing import TYPE_CHECKING

from meshplane.gateway.issuer import IssuerKeys, SigningKeys
from meshplane.kit.clock import Clock
from meshplane.platform.sealing import NoSeal
from meshplane.run.home import Home
from meshplane.run.known_secrets import KeptSecrets
from meshplane.run.settings import Settings

if TYPE_CHECKING:  # it loads boto3
    from meshplane.platform.aws.calls import Aws


def kept_secrets(settings: Settings, home: Home, aws: "Aws | None", clock: Clock) -> KeptSecrets:
    """The secrets of a mesh; those that are missing are made.

    Args:
        settings: say where they are kept.
        home: of the process, prepared.
        aws: calls AWS; None where nothing runs there.
        clock: for the ages of keys.

    Raises:
        Invalid: MASK_KEY_DAMAGED, MASK_KEY_EXPOSED, SECRET_DAMAGED, ISSUER_KEY_DAMAGED.
        Conflict: SECRETS_DIFFER, the home and Secrets Manager have different ones.
    """
    if aws is None or "secrets" not in settings.aws_parts:
        return KeptSecrets(home.mask_key(), lambda: IssuerKeys.load_or_create(home.keys), NoSeal())
    from meshplane.run.aws import part_aws
    from meshplane.run.aws_secrets import secrets_there

    return secrets_there(part_aws(settings, aws, "secrets"), home, clock)


def issuer_keys(settings: Settings, home: Home, clock: Clock) -> SigningKeys:
    """What the issuer of a home signs with, for whoever is not the server: the command line.

    Raises:
        Invalid: as `kept_secrets`; EXTRA_MISSING, the client of AWS is not installed.
    """
    if "secrets" not in settings.aws_parts:
        return IssuerKeys.load_or_create(home.keys)
    from meshplane.run.aws import aws_of, part_aws
    from meshplane.run.aws_secrets import issuer_keys_there

    aws = aws_of(settings)
    if aws is None:  # the settings were read, and so they name a region and an account
        return IssuerKeys.load_or_create(home.keys)
    try:
        return issuer_keys_there(part_aws(settings, aws, "secrets"), clock)
    finally:
        aws.close()
