"""Which permissions there are on what, and to whom they may be given.

From the Developer Guide: *Lake Formation permissions reference* (the table of permissions by
resource), *Notes and restrictions for column-level filtering* (SELECT alone on columns, a list of
columns with the grant option), *Managing LF-Tag value permissions*, *Granting permissions on Data
Catalog resources* (the principals that can be named).
"""

import re
from typing import Any

from meshplane.sandbox.fake import FakeError
from meshplane.sandbox.lakeformation.atoms import ALL_TABLES, IAM_ALLOWED, invalid, kind_of

_OF_DATABASES = frozenset({"ALL", "ALTER", "CREATE_TABLE", "DESCRIBE", "DROP"})
_OF_TABLES = frozenset({"ALL", "ALTER", "DELETE", "DESCRIBE", "DROP", "INSERT", "SELECT"})
VALID = {
    "Catalog": frozenset({"CREATE_DATABASE", "CREATE_LF_TAG", "CREATE_LF_TAG_EXPRESSION"}),
    "Database": _OF_DATABASES,
    "Table": _OF_TABLES,
    "TableWithColumns": frozenset({"SELECT"}),
    "DataCellsFilter": frozenset({"SELECT", "DESCRIBE", "DROP"}),
    "DataLocation": frozenset({"DATA_LOCATION_ACCESS"}),
    "LFTag": frozenset({"ALTER", "DROP", "DESCRIBE", "ASSOCIATE", "GRANT_WITH_LF_TAG_EXPRESSION"}),
    "LFTagPolicy DATABASE": _OF_DATABASES,
    "LFTagPolicy TABLE": _OF_TABLES,
    "LFTagExpression": frozenset({"ALTER", "DROP", "DESCRIBE", "GRANT_WITH_LF_TAG_EXPRESSION"}),
}
"""The permissions that there are on each kind of resource."""

NEED_ALL_COLUMNS = frozenset({"ALTER", "DROP", "INSERT", "DELETE"})
"""What an LF-tag expression that matches a part of a table's columns does not give."""

_ACCOUNT = re.compile(r"[0-9]{12}")
_EVERYBODY_OF = re.compile(r"([0-9]{12}):IAMPrincipals")
_IAM = re.compile(r"arn:aws:iam::([0-9]{12}):(?:root|(?:role|user|saml-provider)/\S+)")
_ORGANIZATION = re.compile(
    r"arn:aws:organizations::[0-9]{12}:(?:organization/o-[a-z0-9]+|ou/o-[a-z0-9]+/ou-[a-z0-9-]+)"
)
_ROOT = re.compile(r"arn:aws:iam::([0-9]{12}):root")


def account_of(principal: str) -> str | None:
    """The account that a principal is of; None: a group, or an organization.

    Raises:
        FakeError: it is nobody that Lake Formation could know.
    """
    if principal == IAM_ALLOWED or _ORGANIZATION.fullmatch(principal):
        return None
    if _ACCOUNT.fullmatch(principal):
        return principal
    for form in (_EVERYBODY_OF, _IAM):
        found = form.fullmatch(principal)
        if found:
            return found[1]
    raise invalid("Invalid principal: it is no role, user, account, organization or group.")


def whole_account(principal: str) -> bool:
    """Whether it is an account or an organization, whose administrators pass on what it holds."""
    return bool(_ACCOUNT.fullmatch(principal) or _ORGANIZATION.fullmatch(principal))


def is_organization(principal: str) -> bool:
    """Whether it is an organization, or a unit of one."""
    return bool(_ORGANIZATION.fullmatch(principal))


def one_name(principal: str) -> str:
    """An account has two names, `111122223333` and its root; this is the first."""
    found = _ROOT.fullmatch(principal)
    return found[1] if found else principal


def check(resource: dict[str, Any], permissions: list[str], grantable: list[str]) -> None:
    """Refuses permissions that there are not on the resource.

    Raises:
        FakeError: InvalidInputException.
    """
    known = VALID.get(kind_of(resource))
    if known is None:
        return
    wrong = sorted({*permissions, *grantable} - known)
    if wrong:
        raise invalid(f"Permissions {wrong} are not valid on {kind_of(resource)}.")
    columns = resource.get("TableWithColumns")
    if columns is not None and grantable and "ColumnNames" not in columns:
        whole = not (columns.get("ColumnWildcard") or {}).get("ExcludedColumnNames")
        if not whole:
            raise invalid("The grant option on columns needs a list of columns to include.")
    if columns is not None and columns["Name"] == ALL_TABLES and "ColumnNames" in columns:
        raise invalid("Columns cannot be listed for all tables.")


def denied(message: str) -> FakeError:
    """The error for somebody who may not."""
    return FakeError(
        "AccessDeniedException",
        f"Insufficient Lake Formation permission(s): {message}",
        status=400,
    )
