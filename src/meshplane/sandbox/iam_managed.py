"""Policies that AWS itself keeps, put into moto's IAM when a call names them.

moto knows their texts, some 1,500. To load all of them takes longer than all else of a start.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

_PREFIX = "arn:aws:iam::aws:policy/"


def load_named(account: str, region: str, parameters: Mapping[str, Any]) -> None:
    """Makes the policies of AWS that a call of IAM names known to an account.

    Args:
        account: whose IAM it is.
        region: of the request.
        parameters: of the call; its members `PolicyArn` and `PermissionsBoundary` count.
    """
    from moto.iam.models import AWSManagedPolicy, iam_backends

    for member in ("PolicyArn", "PermissionsBoundary"):
        arn = parameters.get(member)
        if not isinstance(arn, str) or not arn.startswith(_PREFIX):
            continue
        known = iam_backends[account]["aws"].managed_policies
        name = arn.rpartition("/")[2]
        data = _texts().get(name)
        if arn in known or data is None:
            continue
        policy = AWSManagedPolicy.from_data(name, account, region, data)
        if policy.arn == arn:
            known[arn] = policy


@lru_cache(maxsize=1)
def _texts() -> Mapping[str, Any]:
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    texts: Mapping[str, Any] = json.loads(aws_managed_policies_data)
    return texts
