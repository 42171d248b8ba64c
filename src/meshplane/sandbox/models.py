"""botocore's service models: the one description of AWS's operations that all else goes by."""

from functools import lru_cache

from botocore import xform_name
from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel

# Names that requests are signed with, where they differ from botocore's name of the service.
_SIGNED_AS = {
    "aoss": "opensearchserverless",
    "email": "sesv2",
    "monitoring": "cloudwatch",
    "states": "stepfunctions",
    "tagging": "resourcegroupstaggingapi",
}
# Services that sign with another's name, by what their requests have of their own.
_BY_TARGET = {"DynamoDBStreams_20120810": "dynamodbstreams"}
_BY_PATH = {("s3", "/v20180820/"): "s3control", ("apigateway", "/v2/"): "apigatewayv2"}
# Who may be called without a signature, by the first part of `X-Amz-Target`.
_UNSIGNED = {
    "AWSCognitoIdentityProviderService": "cognito-idp",
    "AWSCognitoIdentityService": "cognito-identity",
}

_loader = Loader()


@lru_cache(maxsize=64)
def service_model(service: str) -> ServiceModel:
    """The model of a service.

    Raises:
        UnknownServiceError: botocore knows no such service.
    """
    return ServiceModel(_loader.load_service_model(service, "service-2"), service)


@lru_cache(maxsize=64)
def operations(service: str) -> dict[str, str]:
    """The operations of a service by boto3's names of them.

    Raises:
        UnknownServiceError: botocore knows no such service.
    """
    return {xform_name(name): name for name in service_model(service).operation_names}


@lru_cache(maxsize=256)
def is_service(service: str) -> bool:
    """Whether botocore knows a service of that name."""
    try:
        service_model(service)
    except UnknownServiceError:
        return False
    return True


def operation_of(service: str, name: str) -> OperationModel | None:
    """An operation by its name in the model, or None where the service has no such one."""
    model = service_model(service)
    return model.operation_model(name) if name in model.operation_names else None


def find_service(signed_as: str | None, target: str | None, path: str) -> str | None:
    """Whom a request is for.

    Args:
        signed_as: the service of the signature's credential scope, None without signature.
        target: the header `X-Amz-Target`.
        path: of the URL.

    Returns:
        botocore's name of the service, or None where nothing tells.
    """
    prefix = (target or "").partition(".")[0]
    if signed_as is None:
        return _UNSIGNED.get(prefix)
    if prefix in _BY_TARGET:
        return _BY_TARGET[prefix]
    for (signing, start), service in _BY_PATH.items():
        if signed_as == signing and path.startswith(start):
            return service
    name = _SIGNED_AS.get(signed_as, signed_as)
    return name if is_service(name) else None
