"""What IAM calls the operations of AWS's APIs.

Source: the Service Authorization Reference, which lists the actions of each service and what API
operation each belongs to. An action is the service's prefix and the operation's name, but for what
stands here.
"""

from collections.abc import Collection, Mapping
from typing import Any

# Prefixes that differ from botocore's name of the service.
_PREFIXES = {
    "apigatewayv2": "apigateway",
    "dynamodbstreams": "dynamodb",
    "elbv2": "elasticloadbalancing",
    "opensearch": "es",
    "opensearchserverless": "aoss",
    "resourcegroupstaggingapi": "tag",
    "s3control": "s3",
    "sesv2": "ses",
    "stepfunctions": "states",
}

# "Actions defined by Amazon S3", and "Required permissions for Amazon S3 API operations".
_S3 = {
    "AbortMultipartUpload": ("AbortMultipartUpload",),
    "CompleteMultipartUpload": ("PutObject",),
    "CopyObject": ("PutObject",),
    "CreateMultipartUpload": ("PutObject",),
    "DeleteBucketCors": ("PutBucketCORS",),
    "DeleteBucketEncryption": ("PutEncryptionConfiguration",),
    "DeleteBucketLifecycle": ("PutLifecycleConfiguration",),
    "DeleteBucketOwnershipControls": ("PutBucketOwnershipControls",),
    "DeleteBucketTagging": ("PutBucketTagging",),
    "DeleteObjects": ("DeleteObject",),
    "DeletePublicAccessBlock": ("PutBucketPublicAccessBlock",),
    "GetBucketEncryption": ("GetEncryptionConfiguration",),
    "GetBucketLifecycleConfiguration": ("GetLifecycleConfiguration",),
    "GetBucketNotificationConfiguration": ("GetBucketNotification",),
    "GetPublicAccessBlock": ("GetBucketPublicAccessBlock",),
    "HeadBucket": ("ListBucket",),
    "HeadObject": ("GetObject",),
    "ListBuckets": ("ListAllMyBuckets",),
    "ListMultipartUploads": ("ListBucketMultipartUploads",),
    "ListObjectVersions": ("ListBucketVersions",),
    "ListObjects": ("ListBucket",),
    "ListObjectsV2": ("ListBucket",),
    "ListParts": ("ListMultipartUploadParts",),
    "PutBucketEncryption": ("PutEncryptionConfiguration",),
    "PutBucketLifecycleConfiguration": ("PutLifecycleConfiguration",),
    "PutBucketNotificationConfiguration": ("PutBucketNotification",),
    "PutPublicAccessBlock": ("PutBucketPublicAccessBlock",),
    "UploadPart": ("PutObject",),
    "UploadPartCopy": ("PutObject",),
}
_OTHERS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "s3": _S3,
    # "Actions defined by AWS Lambda": invoking is `InvokeFunction`.
    "lambda": {"Invoke": ("InvokeFunction",), "InvokeAsync": ("InvokeFunction",)},
    # "Actions defined by Amazon SQS": a batch is allowed by the action of one.
    "sqs": {
        "SendMessageBatch": ("SendMessage",),
        "DeleteMessageBatch": ("DeleteMessage",),
        "ChangeMessageVisibilityBatch": ("ChangeMessageVisibility",),
    },
    # "Actions defined by Amazon SNS".
    "sns": {"PublishBatch": ("Publish",)},
    # "DynamoDB API permissions": a transaction needs what each of its parts needs.
    "dynamodb": {
        "TransactGetItems": ("GetItem",),
        "TransactWriteItems": ("ConditionCheckItem", "DeleteItem", "PutItem", "UpdateItem"),
    },
    # "Actions defined by AWS KMS".
    "kms": {"ReEncrypt": ("ReEncryptFrom", "ReEncryptTo")},
}

# "Actions defined by AWS Security Token Service": no policy can allow or deny it.
_FREE = frozenset({("sts", "GetCallerIdentity"), ("sts", "GetSessionToken")})

_TRANSACTION_PARTS = {
    "ConditionCheck": "ConditionCheckItem",
    "Delete": "DeleteItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
}
_VERSIONED = {"GetObject": "GetObjectVersion", "DeleteObject": "DeleteObjectVersion"}

# What is made with tags is tagged, which has an action of its own: member by service, and action.
# "Tagging on creation" in the guides of these services.
_TAGGED = {
    "athena": ("Tags", "TagResource"),
    "cognito-idp": ("UserPoolTags", "TagResource"),
    "dynamodb": ("Tags", "TagResource"),
    "events": ("Tags", "TagResource"),
    "glue": ("Tags", "TagResource"),
    "iam": ("Tags", "TagRole"),
    "kms": ("Tags", "TagResource"),
    "scheduler": ("Tags", "TagResource"),
    "secretsmanager": ("Tags", "TagResource"),
    "sns": ("Tags", "TagResource"),
    "sqs": ("tags", "TagQueue"),
    "stepfunctions": ("tags", "TagResource"),
}
_MAKES = ("Create", "Put")

# Where a request hands a role to a service, which `iam:PassRole` must allow: member by member.
_PASSED_ROLES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("cloudformation", "CreateChangeSet"): ("RoleARN",),
    ("cloudformation", "CreateStack"): ("RoleARN",),
    ("cloudformation", "UpdateStack"): ("RoleARN",),
    ("datazone", "CreateDomain"): ("domainExecutionRole", "serviceRole"),
    ("datazone", "UpdateDomain"): ("domainExecutionRole", "serviceRole"),
    ("glue", "CreateCrawler"): ("Role",),
    ("glue", "CreateJob"): ("Role",),
    ("glue", "StartDataQualityRulesetEvaluationRun"): ("Role",),
    ("glue", "StartDataQualityRuleRecommendationRun"): ("Role",),
    ("glue", "UpdateCrawler"): ("Role",),
    ("glue", "UpdateJob"): ("Role",),
    ("lakeformation", "RegisterResource"): ("RoleArn",),
    ("lakeformation", "UpdateResource"): ("RoleArn",),
    ("lambda", "CreateFunction"): ("Role",),
    ("lambda", "UpdateFunctionConfiguration"): ("Role",),
    ("scheduler", "CreateSchedule"): ("Target.RoleArn",),
    ("scheduler", "UpdateSchedule"): ("Target.RoleArn",),
    ("stepfunctions", "CreateStateMachine"): ("roleArn",),
    ("stepfunctions", "UpdateStateMachine"): ("roleArn",),
}
_PASSED_IN_LISTS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("events", "PutTargets"): ("Targets", "RoleArn"),
}


def prefix_of(service: str) -> str:
    """The prefix of a service's actions: `states` of `stepfunctions`."""
    return _PREFIXES.get(service, service)


def actions_of(
    service: str, operation: str, parameters: Mapping[str, Any] | None = None
) -> tuple[str, ...]:
    """What a call needs, all of them.

    Args:
        service: botocore's name.
        operation: its name in the model.
        parameters: of the call; without them, all that some call of the operation may need.

    Returns:
        Such as `glue:GetTable`; none where nothing is needed.
    """
    if (service, operation) in _FREE:
        return ()
    if service == "apigatewayv2":
        return (f"apigateway:{_verb(operation)}",)
    names = _OTHERS.get(service, {}).get(operation, (operation,))
    if service == "s3" and operation in _VERSIONED:
        versioned = _VERSIONED[operation]
        if parameters is None:
            names = (operation, versioned)
        elif parameters.get("VersionId"):
            names = (versioned,)
    if (service, operation) == ("dynamodb", "TransactWriteItems") and parameters is not None:
        parts = {part for item in parameters.get("TransactItems", []) for part in item}
        names = tuple(sorted(_TRANSACTION_PARTS.get(part, "PutItem") for part in parts))
    tag = tagging(service, operation, [one for one, value in (parameters or {}).items() if value])
    if tag is not None:
        names = (*names, tag)
    return tuple(f"{prefix_of(service)}:{name}" for name in names)


def tagging(service: str, operation: str, members: Collection[str]) -> str | None:
    """The action by which what a call makes is tagged; None where it is not.

    Args:
        service: botocore's name.
        operation: its name in the model.
        members: that the call gives.
    """
    member, action = _TAGGED.get(service, ("", ""))
    return action if member in members and operation.startswith(_MAKES) else None


def passes_role(service: str, operation: str) -> bool:
    """Whether a call of an operation can hand a role to a service."""
    key = (service, operation)
    return bool(_PASSED_ROLES.get(key)) or key in _PASSED_IN_LISTS


def passed_roles(service: str, operation: str, parameters: Mapping[str, Any]) -> list[str]:
    """The ARNs (or names, in Glue) of the roles that a call hands to a service."""
    key = (service, operation)
    found = [_at(parameters, path) for path in _PASSED_ROLES.get(key, ())]
    if key in _PASSED_IN_LISTS:
        listed, member = _PASSED_IN_LISTS[key]
        found += [item.get(member) for item in parameters.get(listed, [])]
    return [each for each in found if isinstance(each, str) and each]


def _at(parameters: Mapping[str, Any], path: str) -> Any:
    value: Any = parameters
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _verb(operation: str) -> str:
    """The actions of API Gateway are the methods of HTTP ("Actions defined by API Gateway V2")."""
    verbs = {"Create": "POST", "Delete": "DELETE", "Get": "GET", "Update": "PATCH", "Tag": "POST"}
    return next((verb for start, verb in verbs.items() if operation.startswith(start)), "PUT")
