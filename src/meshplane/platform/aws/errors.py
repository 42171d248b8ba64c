"""What a call of AWS can fail with."""

from collections.abc import Mapping
from typing import Any

from meshplane.kit.errors import MeshplaneError, Unavailable


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
        super().__init__(
            code,
            f"AWS refused {service} {operation} with {aws_code}. The mesh's log and CloudTrail say "
            "more.",
            details={"service": service, "operation": operation, "awsCode": aws_code},
        )
        self.service, self.operation, self.aws_code = service, operation, aws_code
        self.answer = dict(answer or {})


class AwsUnavailable(Unavailable):
    """AWS did not answer, or has asked to come back later, and the attempts are used up.

    `may_have_happened` says that the request was sent and its answer lost: the effect may be there.
    """

    def __init__(
        self, service: str, operation: str, reason: str, *, may_have_happened: bool
    ) -> None:
        super().__init__(
            "AWS_UNAVAILABLE",
            f"AWS did not carry out {service} {operation} ({reason}). Try again.",
            details={"service": service, "operation": operation},
        )
        self.service, self.operation, self.reason = service, operation, reason
        self.may_have_happened = may_have_happened
