"""What a call of AWS can fail with."""

from collections.abc import Mapping
from typing import Any

from meshplane.kit.errors import MeshplaneError, Unavailable
from meshplane.platform.aws.budget import THROTTLES

_FIND = (
    "Clients of AWS look for them in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, in the profile "
    "that AWS_PROFILE names, and in the role of the pod, task or machine."
)
NO_CREDENTIALS = "NoCredentialsError"
"""What botocore calls it when it found none."""

# What AWS's services say of credentials that are wrong or have ended.
_BAD_CREDENTIALS = frozenset(
    {
        *("ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidClientTokenId"),
        *("InvalidSignatureException", "SignatureDoesNotMatch", "UnrecognizedClientException"),
    }
)
_TRUST = (
    "Of a role: its trust policy names who may take it, and may demand an sts:ExternalId, which "
    "MESHPLANE_AWS_EXTERNAL_ID says for roles in other accounts; who takes it needs sts:AssumeRole "
    "on it."
)
# What botocore calls it when a call could not be sent, and what to do about it.
_ADVICE = {
    NO_CREDENTIALS: f"There are no credentials. {_FIND}",
    "PartialCredentialsError": f"Half of the credentials is missing. {_FIND}",
    "EndpointConnectionError": "Nothing answers there: see to the network, and to "
    "MESHPLANE_AWS_ENDPOINT_URL, which leads to a sandbox. Then try again.",
}


class AwsRejected(MeshplaneError):
    """AWS answered, and the answer is no: the same call would be refused again.

    Args:
        service, operation: botocore's names of what was called.
        aws_code: AWS's code: `EntityNotFoundException`.
        code: ours; the gateway shows it where no adapter made something better of the refusal.
        answer: what botocore made of AWS's answer, such as the reasons of a cancelled transaction.
            It may hold data, and stays with the adapter.
    """

    def __init__(
        self,
        service: str,
        operation: str,
        aws_code: str,
        *,
        code: str = "AWS_REJECTED",
        answer: Mapping[str, Any] | None = None,
    ) -> None:
        more = "The mesh's log and CloudTrail say more."
        if aws_code in _BAD_CREDENTIALS:
            more = f"The credentials are wrong, or have ended. {_FIND}"
        elif (service, operation) == ("sts", "assume_role"):
            more = _TRUST
        super().__init__(
            code,
            f"AWS refused {service} {operation} with {aws_code}. {more}",
            details={"service": service, "operation": operation, "awsCode": aws_code},
        )
        self.service, self.operation, self.aws_code = service, operation, aws_code
        self.answer = dict(answer or {})


class AwsUnavailable(Unavailable):
    """AWS did not answer, or has asked to come back later, and the attempts are used up.

    `may_have_happened` says that the request was sent and its answer lost: the effect may be there.
    `advice` says more than what is said for such a reason. `is_throttled` says that AWS asked for
    fewer calls: who waits for something anyway asks again after a pause.
    """

    def __init__(
        self,
        service: str,
        operation: str,
        reason: str,
        *,
        may_have_happened: bool,
        advice: str | None = None,
    ) -> None:
        super().__init__(
            "AWS_UNAVAILABLE",
            f"AWS did not carry out {service} {operation} ({reason}). "
            f"{advice or _ADVICE.get(reason, 'Try again.')}",
            details={"service": service, "operation": operation},
        )
        self.service, self.operation, self.reason = service, operation, reason
        self.may_have_happened = may_have_happened
        self.is_throttled = reason in THROTTLES
