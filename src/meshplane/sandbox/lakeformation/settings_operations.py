"""The operations on settings, registered locations and opt-ins.

From the API's model and the Developer Guide: *PutDataLakeSettings* (replaces all), *Changing the
default settings for your data lake*, *RegisterResource* (a role, or the service-linked one; no
trailing slash), *Hybrid access mode*.
"""

import re
from typing import Any

from meshplane.sandbox.fake import Caller, FakeError, Handler
from meshplane.sandbox.lakeformation.atoms import Atom, atoms_of, invalid, plain_catalog
from meshplane.sandbox.lakeformation.authority import is_admin
from meshplane.sandbox.lakeformation.granting import Accounts
from meshplane.sandbox.lakeformation.listing import resource_of
from meshplane.sandbox.lakeformation.permissions import account_of, denied, one_name
from meshplane.sandbox.lakeformation.state import State
from meshplane.sandbox.paging import page

_PAGE = 100
_VERSIONS = frozenset("12345")
_ADMIN = re.compile(r"arn:aws:iam::([0-9]{12}):(?:root|(?:role|user)/\S+)")
_LOCATION = re.compile(r"arn:aws:s3:::[a-z0-9.-]{3,63}(?:/.+)?")
_FIELDS = {"RESOURCE_ARN": "ResourceArn", "ROLE_ARN": "RoleArn", "LAST_MODIFIED": "LastModified"}
_KEPT = (
    "WithFederation",
    "HybridAccessEnabled",
    "WithPrivilegedAccess",
    "ExpectedResourceOwnerAccount",
)


class SettingsOperations:
    """Settings, locations, opt-ins."""

    def __init__(self, accounts: Accounts) -> None:
        """See the class.

        Args:
            accounts: the states of all accounts.
        """
        self._accounts = accounts

    def handlers(self) -> dict[str, Handler]:
        """By the operation's name."""
        return {
            "GetDataLakeSettings": self._get,
            "PutDataLakeSettings": self._put,
            "RegisterResource": self._register,
            "DescribeResource": self._describe,
            "UpdateResource": self._update,
            "DeregisterResource": self._deregister,
            "ListResources": self._list,
            "CreateLakeFormationOptIn": self._opt_in,
            "DeleteLakeFormationOptIn": self._opt_out,
            "ListLakeFormationOptIns": self._opted_in,
        }

    def _home(self, caller: Caller, given: dict[str, Any]) -> State:
        if plain_catalog(given.get("CatalogId"), caller.account) != caller.account:
            raise denied("The settings of another account are not managed from here.")
        return self._accounts.state(caller.account, caller.region)

    def _get(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        return {"DataLakeSettings": self._home(caller, given).settings}

    def _put(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        state, new = self._home(caller, given), dict(given["DataLakeSettings"])
        for member in ("DataLakeAdmins", "ReadOnlyAdmins"):
            for one in new.get(member) or ():
                found = _ADMIN.fullmatch(one["DataLakePrincipalIdentifier"])
                if not found or found[1] != state.account:
                    raise invalid("Administrators are roles and users of the account.")
        version = (new.get("Parameters") or {}).get("CROSS_ACCOUNT_VERSION", "1")
        if version not in _VERSIONS:
            raise invalid("CROSS_ACCOUNT_VERSION is 1, 2, 3, 4 or 5.")
        for member in ("CreateDatabaseDefaultPermissions", "CreateTableDefaultPermissions"):
            for one in new.get(member) or ():
                account_of(one["Principal"]["DataLakePrincipalIdentifier"])
        # What exists already got the permissions that the former defaults say.
        state.notice_all()
        parameters = {"SET_CONTEXT": "TRUE", **(new.get("Parameters") or {})}
        new["Parameters"] = {**parameters, "CROSS_ACCOUNT_VERSION": version}
        for member in (
            "DataLakeAdmins",
            "ReadOnlyAdmins",
            "CreateDatabaseDefaultPermissions",
            "CreateTableDefaultPermissions",
            "TrustedResourceOwners",
            "ExternalDataFilteringAllowList",
        ):
            new.setdefault(member, [])
        new.setdefault("AllowExternalDataFiltering", False)
        state.settings = new
        return {}

    def _register(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        state, arn = self._accounts.state(caller.account, caller.region), given["ResourceArn"]
        if arn.endswith("/"):
            raise invalid("ResourceArn must not end with a slash.")
        if not _LOCATION.fullmatch(arn):
            raise invalid("ResourceArn must be that of a bucket, or of a path in one.")
        linked, role = given.get("UseServiceLinkedRole"), given.get("RoleArn")
        if bool(linked) == bool(role):
            raise invalid("Say either RoleArn or UseServiceLinkedRole.")
        if arn in state.locations:
            raise FakeError("AlreadyExistsException", "Resource is already registered.")
        service_role = (
            f"arn:aws:iam::{state.account}:role/aws-service-role/lakeformation.amazonaws.com/"
            "AWSServiceRoleForLakeFormationDataAccess"
        )
        info = {
            "ResourceArn": arn,
            "RoleArn": role or service_role,
            "LastModified": state.now(),
            "HybridAccessEnabled": False,
            "WithFederation": False,
            "VerificationStatus": "VERIFIED",
        }
        kept = {member: given[member] for member in _KEPT if member in given}
        state.locations.put(arn, {**info, **kept})
        return {}

    def _describe(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        state = self._accounts.state(caller.account, caller.region)
        return {"ResourceInfo": _location(state, given["ResourceArn"])}

    def _update(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        state = self._accounts.state(caller.account, caller.region)
        before = _location(state, given["ResourceArn"])
        kept = {member: given[member] for member in _KEPT if member in given}
        now = {"RoleArn": given["RoleArn"], "LastModified": state.now()}
        state.locations.put(given["ResourceArn"], {**before, **now, **kept})
        return {}

    def _deregister(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        state = self._accounts.state(caller.account, caller.region)
        _location(state, given["ResourceArn"])
        state.locations.drop(given["ResourceArn"])
        return {}

    def _list(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        state = self._accounts.state(caller.account, caller.region)
        found = [
            info
            for _, info in sorted(state.locations.seen().items())
            if all(_passes(info, one) for one in given.get("FilterConditionList") or ())
        ]
        shown, token = page(found, given, size=_PAGE)
        answer: dict[str, Any] = {"ResourceInfoList": shown}
        return {**answer, "NextToken": token} if token else answer

    def _opt_in(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        state, key = self._opting(caller, given)
        if key in state.opt_ins:
            raise invalid("The principal has opted in for this resource already.")
        state.opt_ins[key] = {
            "Principal": given["Principal"],
            "Resource": resource_of(key[1]),
            "LastModified": state.now(),
            "LastUpdatedBy": caller.session_arn,
        }
        return {}

    def _opt_out(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        state, key = self._opting(caller, given)
        if state.opt_ins.pop(key, None) is None:
            raise FakeError("EntityNotFoundException", "The principal has not opted in.")
        return {}

    def _opted_in(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        state = self._accounts.state(caller.account, caller.region)
        found = list(state.opt_ins.items())
        if given.get("Principal"):
            name = given["Principal"]["DataLakePrincipalIdentifier"]
            found = [(key, info) for key, info in found if key[0] == one_name(name)]
        if given.get("Resource"):
            [atoms] = atoms_of(given["Resource"], caller.account, ["DESCRIBE"])
            found = [(key, info) for key, info in found if key[1] == atoms[0]]
        found.sort(key=lambda one: one[0])
        shown, token = page([info for _, info in found], given, size=_PAGE)
        answer: dict[str, Any] = {"LakeFormationOptInsInfoList": shown}
        return {**answer, "NextToken": token} if token else answer

    def _opting(self, caller: Caller, given: dict[str, Any]) -> tuple[State, tuple[str, Atom]]:
        state = self._accounts.state(caller.account, caller.region)
        if not is_admin(caller, state):
            raise denied("Required to be a data lake administrator.")
        principal = one_name(given["Principal"]["DataLakePrincipalIdentifier"])
        account_of(principal)
        [atoms] = atoms_of(given["Resource"], caller.account, ["DESCRIBE"])
        atom = atoms[0]
        if atom.kind not in {"database", "table"}:
            raise invalid("Principals opt in for databases and tables.")
        state.glue.need_database(atom.database)
        if atom.kind == "table" and atom.table != "ALL_TABLES":
            state.glue.need_columns(atom.database, atom.table)
        return state, (principal, atom)


def _location(state: State, arn: str) -> dict[str, Any]:
    found = state.locations.get(arn)
    if found is None:
        raise FakeError("EntityNotFoundException", "Entity not found: it is not registered.")
    return found


def _passes(info: dict[str, Any], condition: dict[str, Any]) -> bool:
    """Whether a location satisfies one condition of a list."""
    value = str(info.get(_FIELDS.get(condition.get("Field", ""), ""), ""))
    wanted: list[str] = condition.get("StringValueList") or [""]
    tests = {
        "EQ": value == wanted[0],
        "NE": value != wanted[0],
        "LT": value < wanted[0],
        "LE": value <= wanted[0],
        "GT": value > wanted[0],
        "GE": value >= wanted[0],
        "CONTAINS": wanted[0] in value,
        "NOT_CONTAINS": wanted[0] not in value,
        "BEGINS_WITH": value.startswith(wanted[0]),
        "IN": value in wanted,
        "BETWEEN": wanted[0] <= value <= wanted[-1],
    }
    return bool(tests.get(condition.get("ComparisonOperator", "")))
