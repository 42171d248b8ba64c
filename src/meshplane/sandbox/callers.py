"""Who calls, by the access key that signed.

Signatures are not verified: whoever knows an access key id is taken for its owner. Needs AWS.
"""

import re
from dataclasses import dataclass

from meshplane.sandbox.fake import Caller, FakeError
from meshplane.sandbox.request import Signed

UNKNOWN_KEY = "UnrecognizedClientException"

_ROOT_KEY = re.compile(r"ASBX(\d{12})[A-Z0-9]*")
# A made-up secret; nothing checks it.
_SECRET = "sandbox"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller, and what his permissions hang on.

    Args:
        caller: as fakes see him.
        kind: `root`, `role`, `user`, or `nobody` (an unsigned request).
        name: of the role or user.
        session_policy: JSON that narrows a session, if one was given with it.
    """

    caller: Caller
    kind: str
    name: str = ""
    session_policy: str | None = None


def root_keys(account: str) -> tuple[str, str]:
    """Access key id and secret of an account's root.

    The id has 20 characters, as AWS's have.
    """
    return f"ASBX{account}ROOT", _SECRET


def identify(signed: Signed, accounts: tuple[str, ...]) -> Identity:
    """Who signed a request.

    Args:
        signed: what the signature says.
        accounts: those of the sandbox; an unsigned request counts as of the first.

    Raises:
        FakeError: UnrecognizedClientException, nobody has that access key.
    """
    key = signed.access_key
    if key is None:
        return Identity(_caller(accounts[0], signed, "anonymous", "anonymous"), "nobody")
    root = _ROOT_KEY.fullmatch(key)
    if root is not None and root[1] in accounts:
        arn = f"arn:aws:iam::{root[1]}:root"
        return Identity(_caller(root[1], signed, arn, arn), "root")
    found = _in_moto(key, signed)
    if found is None:
        raise FakeError(UNKNOWN_KEY, "The security token included in the request is invalid.", 403)
    return found


def _in_moto(key: str, signed: Signed) -> Identity | None:
    """Of a role's session or a user, as moto's STS and IAM have given out the key."""
    from moto.iam.models import iam_backends
    from moto.sts.models import sts_backends

    for account in list(iam_backends):
        known = iam_backends[account]["aws"].access_keys.get(key)
        if known is None:
            continue
        role = sts_backends[account]["aws"].get_assumed_role_from_access_key(key)
        if role is not None:
            name = role.role_arn.rpartition("/")[2]
            caller = _caller(account, signed, role.role_arn, role.arn)
            return Identity(caller, "role", name, role.policy or None)
        if known.user_name:
            arn = iam_backends[account]["aws"].get_user(known.user_name).arn
            return Identity(_caller(account, signed, arn, arn), "user", known.user_name)
    return None


def _caller(account: str, signed: Signed, arn: str, session_arn: str) -> Caller:
    return Caller(account, signed.region, arn, session_arn, signed.access_key or "")
