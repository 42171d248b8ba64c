"""What is known of a call by the condition keys of its service: IAM's and KMS's.

Sources: the Service Authorization Reference, "Actions defined by AWS Identity and Access
Management", which names the actions that know `iam:PermissionsBoundary`; KMS Developer Guide,
"Use tags to control access to KMS keys" and "Use aliases to control access to KMS keys".

Needs AWS: how long KMS takes to heed tags and aliases that have changed, five minutes at most.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from meshplane.sandbox.fake import Caller, FakeError
from meshplane.sandbox.iam_policy import Context

_BOUNDARY = "iam:permissionsboundary"
_REQUEST_TAG, _RESOURCE_TAG = "aws:requesttag/", "aws:resourcetag/"
# Of these, the key is the boundary that the request sets; of those, the one that is set.
_SETS_BOUNDARY = frozenset({"CreateRole", "PutRolePermissionsBoundary"})
_UNDER_BOUNDARY = frozenset(
    {
        "AttachRolePolicy",
        "DeleteRolePermissionsBoundary",
        "DeleteRolePolicy",
        "DetachRolePolicy",
        "PutRolePolicy",
    }
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one action on one resource.

    Args:
        context: condition keys in lower case.
        families: what keys begin with of which all are known.
    """

    context: Context = field(default_factory=dict)
    families: tuple[str, ...] = ()


def facts_of(
    action: str, resource: str | None, caller: Caller, parameters: Mapping[str, Any]
) -> Facts:
    """The condition keys that an action's service knows.

    Args:
        action: `iam:PutRolePolicy`.
        resource: an ARN; None: unknown.
        caller: whose account it is.
        parameters: of the call.
    """
    service, _, name = action.partition(":")
    if service == "iam":
        bound = _boundary(name, caller, parameters)
        return Facts({_BOUNDARY: bound} if bound else {})
    if service == "kms":
        return Facts(_of_kms(resource, parameters), (_REQUEST_TAG, _RESOURCE_TAG, "kms:resource"))
    return Facts()


def _boundary(name: str, caller: Caller, parameters: Mapping[str, Any]) -> str | None:
    if name in _SETS_BOUNDARY:
        return parameters.get("PermissionsBoundary")
    if name not in _UNDER_BOUNDARY:
        return None
    role = _iam(caller.account).roles_by_name.get(str(parameters.get("RoleName")))
    return role.permissions_boundary_arn if role is not None else None


def _of_kms(resource: str | None, parameters: Mapping[str, Any]) -> Context:
    given = {one["TagKey"]: one["TagValue"] for one in parameters.get("Tags") or ()}
    found: dict[str, str | list[str]] = {
        f"{_REQUEST_TAG}{key}".lower(): value for key, value in given.items()
    }
    if given:
        found["aws:tagkeys"] = list(given)
    _, _, _, region, account, place = (resource or ":::::").split(":", 5)
    if not place.startswith("key/"):
        return found
    backend = _kms(account, region)
    key = backend.keys.get(place.removeprefix("key/")) if backend is not None else None
    if key is None:
        return found
    tags = backend.tagger.get_tag_dict_for_resource(key.id)
    found |= {f"{_RESOURCE_TAG}{name}".lower(): value for name, value in tags.items()}
    if key.aliases:
        found["kms:resourcealiases"] = list(key.aliases)
    return found


def key_of_alias(account: str, region: str, alias: str) -> str | None:
    """The ARN of the key that an alias leads to; None: there is no such alias.

    Args:
        account: the alias's.
        region: the alias's.
        alias: its name, which begins with `alias/`.
    """
    backend = _kms(account, region)
    keys = list(backend.keys.values()) if backend is not None else ()
    return next((str(key.arn) for key in keys if alias in key.aliases), None)


def check_policies(account: str, operation: str, parameters: Mapping[str, Any]) -> None:
    """Refuses what IAM does and moto does not, where policies are named.

    Args:
        account: whose IAM it is.
        operation: of IAM's model.
        parameters: of the call.

    Raises:
        FakeError: NoSuchEntity, there is no policy to be a boundary; DeleteConflict, a policy that
            is used, or has more than one version, cannot be deleted.
    """
    backend = _iam(account)
    boundary = parameters.get("PermissionsBoundary")
    if boundary and boundary not in backend.managed_policies:
        told = f"Scope ARN: {boundary} does not exist or is not attachable."
        raise FakeError("NoSuchEntity", told, 404)
    if operation != "DeletePolicy" or parameters["PolicyArn"] not in backend.managed_policies:
        return
    arn = parameters["PolicyArn"]
    holders = [*backend.roles.values(), *backend.users.values(), *backend.groups.values()]
    for one in holders:
        is_bound = getattr(one, "permissions_boundary_arn", None) == arn
        if is_bound or arn in one.managed_policies:
            told = "Cannot delete a policy attached to entities."
            raise FakeError("DeleteConflict", told, 409)
    if len(backend.managed_policies[arn].versions) > 1:
        told = "This policy has more than one version. Delete the non-default versions first."
        raise FakeError("DeleteConflict", told, 409)


class _Iam:
    """moto's IAM of an account, with its roles by their names."""

    def __init__(self, backend: Any) -> None:
        self.roles: Mapping[str, Any] = dict(backend.roles)
        self.users: Mapping[str, Any] = dict(backend.users)
        self.groups: Mapping[str, Any] = dict(backend.groups)
        self.managed_policies: Mapping[str, Any] = backend.managed_policies

    @property
    def roles_by_name(self) -> Mapping[str, Any]:
        """The roles."""
        return {role.name: role for role in self.roles.values()}


def _iam(account: str) -> _Iam:
    from moto.iam.models import iam_backends

    return _Iam(iam_backends[account]["aws"])


def _kms(account: str, region: str) -> Any:
    from moto.kms.models import kms_backends

    return dict(kms_backends[account]).get(region) if account in kms_backends else None
