"""IAM policies for each part of the product: the actions that its code calls, and no others.

What a policy does not know until a mesh has its place stands as a variable of the settings, so that
`envsubst` fills it in: `${MESHPLANE_AWS_ACCOUNT}`, `${MESHPLANE_AWS_REGION}`,
`${MESHPLANE_AWS_PREFIX}`.

Source of the resources: the Service Authorization Reference, "Resource types" of each service.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from meshplane.cli.reference_aws_calls import CallSite, call_sites, sources, takes_roles
from meshplane.cli.reference_iam_conditions import BOUNDARY, NARROWED
from meshplane.cli.reference_iam_parts import (
    ACCOUNT,
    BUCKETS,
    EVERY_BUCKET,
    HANDED_ON,
    MORE,
    OWN_ROLES,
    PREFIX,
    PROJECT_ROLES,
    REGION,
    ROLES,
    TAKEN,
    TAKEN_IF,
    USERS,
    parts_of,
)
from meshplane.sandbox.iam_actions import actions_of, passes_role, tagging
from meshplane.sandbox.models import operations

SHIPPED = "run/aws_policies.json"
"""Where the package has them, for `meshplane aws prepare`."""

# What libraries call by themselves, without `Aws`: pyarrow reads and writes the files of tables, in
# buckets whose keys belong to KMS.
_BESIDE: Mapping[str, Sequence[tuple[str, str]]] = {
    "tables": (
        ("kms", "Decrypt"),
        ("kms", "GenerateDataKey"),
        ("s3", "AbortMultipartUpload"),
        ("s3", "CompleteMultipartUpload"),
        ("s3", "CreateMultipartUpload"),
        ("s3", "DeleteObject"),
        ("s3", "DeleteObjects"),
        ("s3", "GetObject"),
        ("s3", "HeadBucket"),
        ("s3", "HeadObject"),
        ("s3", "ListObjectsV2"),
        ("s3", "ListParts"),
        ("s3", "PutObject"),
        ("s3", "UploadPart"),
    ),
}

# What there is below an account, where names begin with the prefix of the mesh if they can, and the
# word that actions on it have in their names, if there is one.
_RESOURCES: Mapping[str, Mapping[str, str]] = {
    "athena": {"workgroup/{prefix}*": ""},
    "cloudformation": {"stack/{prefix}*/*": ""},
    "cognito-idp": {"userpool/*": ""},
    "datazone": {"domain/*": ""},
    "dynamodb": {"table/{prefix}*": ""},
    "events": {
        "api-destination/{prefix}*": "ApiDestination",
        "archive/{prefix}*": "Archive",
        "connection/{prefix}*": "Connection",
        "event-bus/*": "",
        "replay/{prefix}*": "Replay",
        "rule/*": "",
    },
    "glue": {
        "catalog": "",
        "crawler/{prefix}*": "Crawler",
        "dataQualityRuleset/*": "DataQuality",
        "database/*": "",
        "table/*": "",
    },
    "kms": {"alias/{prefix}meshplane-*": "Alias", "key/*": ""},
    "lambda": {"function:{prefix}*": ""},
    "scheduler": {"schedule-group/{prefix}*": "", "schedule/{prefix}*": ""},
    "secretsmanager": {"secret:{prefix}meshplane/*": ""},
    "sns": {"{prefix}*": ""},
    "sqs": {"{prefix}*": ""},
    "states": {"execution:{prefix}*": "Execution", "stateMachine:{prefix}*": ""},
}
_GLOBAL = frozenset({"iam", "s3"})
# Actions that name no resource, so that only `*` allows them.
_WITHOUT_RESOURCE = frozenset(
    {
        "cognito-idp:CreateUserPool",
        "cognito-idp:ListUserPools",
        "datazone:CreateDomain",
        "datazone:ListDomains",
        "kms:CreateKey",
        "s3:ListAllMyBuckets",
        "states:SendTaskFailure",
        "states:SendTaskHeartbeat",
        "states:SendTaskSuccess",
        "states:ValidateStateMachineDefinition",
    }
)
# Services whose lists name no resource.
_LISTS_WITHOUT_RESOURCE = frozenset(
    {"athena", "dynamodb", "events", "iam", "kms", "scheduler", "sns", "sqs", "states"}
)
# Who a role is handed to, where it is not `SERVICE.amazonaws.com`.
_PASSED_TO = {"stepfunctions": "states.amazonaws.com"}


def policies(package: Path) -> dict[str, str]:
    """A policy for each part that calls AWS, as JSON, by the part's name.

    Args:
        package: the folder of the product's code.
    """
    return {part: json.dumps(made, indent=2) + "\n" for part, made in _policies(package).items()}


def shipped(package: Path) -> str:
    """All of them, as the package has them: a line for each part."""
    lines = [
        f"{json.dumps(part)}: {json.dumps(made, separators=(',', ':'))}"
        for part, made in _policies(package).items()
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


@cache
def _policies(package: Path) -> dict[str, dict[str, Any]]:
    calls: dict[str, set[tuple[str, str]]] = defaultdict(set)
    acting = set()
    for path, text in sources(package):
        sites = call_sites(path, text)
        called = {(site.service, operation(site)) for site in sites}
        called |= {(site.service, tag) for site in sites if (tag := _tag(site)) is not None}
        acts = takes_roles(text)
        for part in parts_of(path):
            calls[part] |= called
            if acts:
                acting.add(part)
    return {
        part: _policy(part, {*called, *_BESIDE.get(part, ())}, acts=part in acting)
        for part, called in sorted(calls.items())
        if called
    }


def operation(site: CallSite) -> str:
    """The model's name of what a call site calls.

    Raises:
        KeyError: the service has no such operation.
    """
    return operations(site.service)[site.method]


def _tag(site: CallSite) -> str | None:
    return tagging(site.service, operation(site), site.arguments.keys())


def _policy(part: str, called: Iterable[tuple[str, str]], *, acts: bool) -> dict[str, Any]:
    called = sorted(called)
    actions_called = {action for service, name in called for action in actions_of(service, name)}
    narrowed = [one.statement(actions_called) for one in NARROWED.get(part, ())]
    kept = [one for one in narrowed if one is not None]
    grouped: dict[tuple[str, bool], set[str]] = defaultdict(set)
    for action in actions_called.difference(*(one["Action"] for one in kept)):
        grouped[action.partition(":")[0], _is_anywhere(action)].add(action)
    statements: list[dict[str, Any]] = [
        {
            "Sid": _sid(prefix) + ("Anywhere" if anywhere else ""),
            "Effect": "Allow",
            "Action": sorted(actions),
            "Resource": ["*"] if anywhere else _resources(part, prefix, actions),
        }
        for (prefix, anywhere), actions in sorted(grouped.items())
    ]
    statements += kept
    passed = sorted({_passed_to(service) for service, name in called if passes_role(service, name)})
    if passed:
        statements.append(
            {
                "Sid": "RolesHandedOn",
                "Effect": "Allow",
                "Action": ["iam:PassRole"],
                "Resource": list(HANDED_ON.get(part, OWN_ROLES)),
                "Condition": {"StringEquals": {"iam:PassedToService": passed}},
            }
        )
    if acts:
        condition = {"Condition": TAKEN_IF[part]} if part in TAKEN_IF else {}
        statements.append(
            {
                "Sid": "RolesTaken",
                "Effect": "Allow",
                "Action": ["sts:AssumeRole"],
                "Resource": list(TAKEN.get(part, PROJECT_ROLES)),
                **condition,
            }
        )
    statements += [dict(one) for one in MORE.get(part, ())]
    return {"Version": "2012-10-17", "Statement": statements}


def _is_anywhere(action: str) -> bool:
    prefix, _, name = action.partition(":")
    if prefix not in _RESOURCES and prefix not in _GLOBAL:
        return True
    lists = name.startswith("List") and prefix in _LISTS_WITHOUT_RESOURCE
    return lists or action in _WITHOUT_RESOURCE


def _resources(part: str, prefix: str, actions: Iterable[str]) -> list[str]:
    if prefix == "iam":
        kinds = {_iam_kind(action) for action in actions}
        return [
            *(ROLES.get(part, OWN_ROLES) if "role" in kinds else ()),
            *((BOUNDARY,) if "policy" in kinds else ()),
            *((USERS,) if "user" in kinds else ()),
        ]
    if prefix == "s3":
        on_objects = [_is_on_objects(action) for action in actions]
        buckets = BUCKETS.get(part, EVERY_BUCKET)
        return [
            *(buckets if not all(on_objects) else ()),
            *(f"{bucket}/*" for bucket in buckets if any(on_objects)),
        ]
    start = f"arn:aws:{prefix}:{REGION}:{ACCOUNT}:"
    return [
        start + each.format(prefix=PREFIX)
        for each, word in _RESOURCES[prefix].items()
        if any(word in action for action in actions)
    ]


def _iam_kind(action: str) -> str:
    """What it is about: a managed policy itself, and not what has it; a user; a role."""
    if "Policy" in action and "Role" not in action:
        return "policy"
    return "user" if "User" in action else "role"


def _is_on_objects(action: str) -> bool:
    return "Object" in action or action in {
        "s3:AbortMultipartUpload",
        "s3:ListMultipartUploadParts",
    }


def _passed_to(service: str) -> str:
    return _PASSED_TO.get(service, f"{service}.amazonaws.com")


def _sid(prefix: str) -> str:
    return "".join(word.capitalize() for word in prefix.split("-"))
