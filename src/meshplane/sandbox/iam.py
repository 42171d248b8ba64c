"""Whether a caller may do what he asks for, by the policies that moto's IAM holds.

Evaluated: inline and attached policies of the calling role or user, and of the user's groups; a
permissions boundary; the policy of a session; `iam:PassRole` for roles that a call hands on; the
trust policy of a role that is assumed. The account's root may everything. `iam_policy` says what of
a policy counts, `iam_context` which conditions of IAM's and KMS's own are known.

Needs AWS: policies of resources (of buckets, queues, keys, the Glue catalog), service control
policies, most condition keys, and permissions that a service checks on behalf of a caller.
"""

import base64
import json
from typing import Any

from botocore.model import OperationModel

from meshplane.sandbox.callers import Identity
from meshplane.sandbox.fake import Caller, FakeError
from meshplane.sandbox.iam_actions import actions_of, passed_roles, prefix_of
from meshplane.sandbox.iam_context import facts_of
from meshplane.sandbox.iam_policy import Asked, Context, decide, trusts
from meshplane.sandbox.iam_resources import resources_of

DENIED = "AccessDeniedException"

_NOBODY = "none"
"""How the model says that an operation needs no signature, such as signing in to a user pool."""


def authorize(identity: Identity, operation: OperationModel, parameters: dict[str, Any]) -> None:
    """Lets a call through, or not.

    Args:
        identity: who calls.
        operation: of the model.
        parameters: as boto3 has them.

    Raises:
        FakeError: AccessDeniedException, it names the action and who asked for it.
    """
    if identity.kind == "root" or operation.auth_type == _NOBODY:
        return
    service, caller = operation.service_model.service_name, identity.caller
    context = context_of(caller)
    policies = _policies(identity)
    for action in actions_of(service, operation.name, parameters):
        named = resources_of(service, action, caller, parameters)
        for resource in named if named is not None else (None,):
            facts = facts_of(action, resource, caller, parameters)
            known = {**context, **_account_of(resource), **facts.context}
            _require(identity, policies, Asked(action, resource, known, facts.families))
    if (service, operation.name) == ("s3", "CopyObject"):
        source = str(parameters.get("CopySource", "")).lstrip("/").partition("?")[0]
        asked = Asked("s3:GetObject", f"arn:aws:s3:::{source}", context)
        _require(identity, policies, asked)
    handed = {**context, "iam:passedtoservice": f"{prefix_of(service)}.amazonaws.com"}
    for role in passed_roles(service, operation.name, parameters):
        arn = role if role.startswith("arn:") else f"arn:aws:iam::{caller.account}:role/{role}"
        _require(identity, policies, Asked("iam:PassRole", arn, handed))


def check_trust(identity: Identity, parameters: dict[str, Any], *, enforced: bool) -> None:
    """Lets a role be assumed, or not: it must be there and, where IAM counts, trust the caller.

    The root of an account may assume roles here, which AWS does not allow.

    Args:
        identity: who calls.
        parameters: of `sts AssumeRole`.
        enforced: whether the trust policy counts.

    Raises:
        FakeError: AccessDenied.
    """
    arn, caller = parameters["RoleArn"], identity.caller
    role = _role(arn)
    names = {
        caller.arn,
        caller.session_arn,
        caller.account,
        f"arn:aws:iam::{caller.account}:root",
    }
    context = {**context_of(caller)}
    if "ExternalId" in parameters:
        context["sts:externalid"] = parameters["ExternalId"]
    asked = Asked("sts:AssumeRole", arn, context)
    trusted = role is not None and (
        not enforced or trusts(role.assume_role_policy_document, names, asked)
    )
    if not trusted:
        raise _denied(caller, "sts:AssumeRole", arn)


def check_web_identity(parameters: dict[str, Any], *, enforced: bool) -> None:
    """Lets a role be taken by a token of a web identity, as pods of EKS do, or not.

    The role must be there and, where IAM counts, trust the token's issuer under the conditions of
    its trust policy on `sub` and `aud`. Whether somebody signed the token, and whether it has
    ended, is not looked at. Needs AWS.

    Args:
        parameters: of `sts AssumeRoleWithWebIdentity`.
        enforced: whether the trust policy counts.

    Raises:
        FakeError: AccessDenied; InvalidIdentityToken, it is none.
    """
    claims = _claims(parameters["WebIdentityToken"])
    issuer = str(claims.get("iss", "")).removeprefix("https://")
    role = _role(parameters["RoleArn"])
    account = parameters["RoleArn"].split(":")[4]
    asked = Asked(
        "sts:AssumeRoleWithWebIdentity",
        None,
        {f"{issuer}:{name}".lower(): str(claims.get(name, "")) for name in ("sub", "aud")},
    )
    provider = f"arn:aws:iam::{account}:oidc-provider/{issuer}"
    if role is None or (
        enforced
        and not trusts(role.assume_role_policy_document, {provider}, asked, kind="Federated")
    ):
        raise FakeError(
            "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", 403
        )


def _claims(token: str) -> dict[str, Any]:
    try:
        middle = token.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        return {**found, "aud": next(iter(_listed(found.get("aud", ""))))}
    except (IndexError, ValueError, TypeError, StopIteration) as error:
        raise FakeError("InvalidIdentityToken", "The token is no JSON Web Token.", 400) from error


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def context_of(caller: Caller) -> Context:
    """The condition keys that are known of a caller, in lower case."""
    return {
        "aws:principalaccount": caller.account,
        "aws:principalarn": caller.arn,
        "aws:requestedregion": caller.region,
    }


def _account_of(resource: str | None) -> Context:
    """Whose a resource is, where its ARN says so."""
    account = (resource or "").split(":")[4:5]
    return {"aws:resourceaccount": account[0]} if account and account[0] else {}


def _require(identity: Identity, policies: list[list[str]], asked: Asked) -> None:
    """Each of the sets of policies must allow it, and none may deny it."""
    if all(decide(each, asked) is True for each in policies):
        return
    raise _denied(identity.caller, asked.action, asked.resource)


def _denied(caller: Caller, action: str, resource: str | None) -> FakeError:
    return FakeError(
        DENIED,
        f"User: {caller.session_arn} is not authorized to perform: {action} on resource: "
        f"{resource or '*'} because no identity-based policy allows the {action} action",
        403,
    )


def _policies(identity: Identity) -> list[list[str]]:
    """Sets of policies of which each must allow: the caller's, his boundary, his session's."""
    from moto.iam.models import iam_backends

    backend = iam_backends[identity.caller.account]["aws"]
    if identity.kind == "nobody":
        return [[]]
    holders: list[Any]
    if identity.kind == "role":
        role = _role(identity.caller.arn)
        holders = [role] if role is not None else []
    else:
        holders = [backend.get_user(identity.name), *backend.get_groups_for_user(identity.name)]
    sets = [[text for holder in holders for text in _texts(holder)]]
    boundary = getattr(holders[0], "permissions_boundary_arn", None) if holders else None
    if boundary:
        sets.append([_document(backend.managed_policies[boundary])])
    if identity.session_policy:
        sets.append([identity.session_policy])
    return sets


def _texts(holder: Any) -> list[str]:
    attached = [_document(each) for each in holder.managed_policies.values()]
    return [*holder.policies.values(), *attached]


def _document(policy: Any) -> str:
    found = next(
        version.document
        for version in policy.versions
        if version.version_id == policy.default_version_id
    )
    return str(found)


def _role(arn: str) -> Any:
    from moto.iam.models import iam_backends

    account = arn.split(":")[4]
    roles = iam_backends[account]["aws"].roles.values() if account in iam_backends else ()
    return next((role for role in list(roles) if role.arn == arn), None)
