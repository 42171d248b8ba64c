"""Granting and revoking, one by one and in batches.

From the API reference and Developer Guide: *GrantPermissions*, *RevokePermissions*,
*BatchGrantPermissions* (at most 20 entries; HTTP 200 with `Failures[]`), *Data filtering
limitations* (at most 10 filters in one grant on a table, 100 SELECTs on filters for one principal
and table), *Sharing prerequisites* (nothing of IAM_ALLOWED_PRINCIPALS may be left on what is
shared), *Cross-account access: how it works* (no own account as a grantee).

Read off what users of the API report, as the reference does not say it: a revoke of something that
is not held fails whole ("No permissions revoked"); a revoke of a permission takes its grant option
along; a grant or revoke that lists a column that the table has not (any more) fails. What is on
a thing that was dropped stays, and holds again for what is made by its name (the API's note on
`Principal` says so of principals; of tables nothing is told). On a resource link there are DESCRIBE
and DROP: *Granting resource link permissions*.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from meshplane.sandbox.fake import Caller, FakeError, Handler
from meshplane.sandbox.lakeformation.atoms import (
    ALL_TABLES,
    IAM_ALLOWED,
    Atom,
    atoms_of,
    invalid,
    plain_catalog,
)
from meshplane.sandbox.lakeformation.authority import (
    everybody_of,
    is_admin,
    may_pass_on,
    received,
)
from meshplane.sandbox.lakeformation.permissions import (
    account_of,
    check,
    denied,
    is_organization,
    one_name,
)
from meshplane.sandbox.lakeformation.state import State

_MOST_ENTRIES = 20
_MOST_FILTERS_IN_A_GRANT = 10
_MOST_FILTERS = 100
_FIRST_VERSION_FOR_ROLES = 3
_OF_LINKS = frozenset({"DESCRIBE", "DROP"})

Pairs = list[tuple[Atom, str]]


class Accounts(Protocol):
    """The states of all accounts, and what goes between them."""

    def state(self, account: str, region: str) -> State:
        """The state of an account."""
        ...

    def groups(self, account: str) -> tuple[str, ...]:
        """The organizations and units that an account belongs to."""
        ...

    def shared(self, owner: State, account: str, principal: str, atom: Atom) -> bool:
        """Whether an atom has been shared with a principal in an account that accepted it."""
        ...

    def share(self, owner: State, principal: str) -> None:
        """Brings the shares for a principal into line with what he holds."""
        ...

    def share_arns(self, owner: State, principal: str) -> tuple[str, ...]:
        """The ARNs of the shares by which a principal gets what is granted to him."""
        ...

    def may_share(self, owner: State, principal: str) -> None:
        """Refuses principals of other accounts with whom RAM does not share."""
        ...


class Granting:
    """The operations that grant and revoke."""

    def __init__(self, accounts: Accounts, known: Callable[[str], bool]) -> None:
        """See the class.

        Args:
            accounts: the states of all accounts.
            known: whether IAM has a principal by that ARN.
        """
        self._accounts, self._known = accounts, known

    def handlers(self) -> dict[str, Handler]:
        """By the operation's name."""
        return {
            "GrantPermissions": self._grant,
            "RevokePermissions": self._revoke,
            "BatchGrantPermissions": lambda caller, given: self._batch(caller, given, self._grant),
            "BatchRevokePermissions": lambda caller, given: self._batch(
                caller, given, self._revoke
            ),
        }

    def _batch(self, caller: Caller, given: dict[str, Any], one: Handler) -> dict[str, Any]:
        entries = given["Entries"]
        if len(entries) > _MOST_ENTRIES:
            raise invalid(f"A batch has at most {_MOST_ENTRIES} entries.")
        if len({entry["Id"] for entry in entries}) != len(entries):
            raise invalid("Two entries of the batch have the same Id.")
        failures = []
        on_filters: Counter[str] = Counter()
        for entry in entries:
            try:
                for member in ("Principal", "Resource", "Permissions"):
                    if member not in entry:
                        raise invalid(f"The entry has no {member}.")
                if one == self._grant:
                    _count_filters(entry, on_filters)
                more = {"CatalogId": given["CatalogId"]} if "CatalogId" in given else {}
                one(caller, {**entry, **more})
            except FakeError as error:
                failures.append(
                    {
                        "RequestEntry": entry,
                        "Error": {"ErrorCode": error.code, "ErrorMessage": error.message},
                    }
                )
        return {"Failures": failures}

    def _grant(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        principal, pairs, passed_on = self._read(caller, given)
        if not pairs:
            raise invalid("Permissions must not be empty.")
        catalog = pairs[0][0].catalog
        owner = self._accounts.state(catalog, caller.region)
        home = self._accounts.state(caller.account, caller.region)
        _exists(owner, pairs)
        for atom, _ in pairs:
            _tagging_exists(owner, atom)
        self._may(caller, home, owner, pairs, principal)
        self._grantee(home, owner, principal, pairs)
        _room(home, principal, pairs)
        for atom, permission in pairs:
            held = home.held(principal, atom)
            held[permission] = held.get(permission, False) or (atom, permission) in passed_on
            home.put(principal, atom, held, caller.session_arn)
        self._accounts.share(home, principal)
        return {}

    def _revoke(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        principal, pairs, passed_on = self._read(caller, given)
        everything = [*pairs, *(pair for pair in passed_on if pair not in pairs)]
        if not everything:
            raise invalid("Permissions must not be empty.")
        home = self._accounts.state(caller.account, caller.region)
        owner = self._accounts.state(everything[0][0].catalog, caller.region)
        _exists(owner, [pair for pair in everything if pair[0].kind != "columns"])
        self._may(caller, home, owner, everything, None)
        missing = sorted(
            {
                permission
                for atom, permission in pairs
                if permission not in home.held(principal, atom)
            }
            | {
                f"{permission} with grant option"
                for atom, permission in passed_on
                if not home.held(principal, atom).get(permission)
                and (atom, permission) not in pairs
            }
        )
        if missing:
            raise invalid(f"No permissions revoked. Grantee does not have:{missing}")
        for atom, permission in everything:
            held = home.held(principal, atom)
            if (atom, permission) in pairs:
                del held[permission]
            else:
                held[permission] = False
            home.put(principal, atom, held, caller.session_arn)
        self._accounts.share(home, principal)
        return {}

    def _read(self, caller: Caller, given: dict[str, Any]) -> tuple[str, Pairs, Pairs]:
        """Whom it is about, what he is to hold, and which part of it with the grant option."""
        if given.get("Condition"):
            raise invalid("Conditions are not in this sandbox.")
        principal = one_name(given["Principal"]["DataLakePrincipalIdentifier"])
        permissions = sorted(set(given["Permissions"]))
        grantable = sorted(set(given.get("PermissionsWithGrantOption") or ()))
        check(given["Resource"], permissions, grantable)
        catalog = plain_catalog(given.get("CatalogId"), caller.account)

        def pairs(names: list[str]) -> Pairs:
            lists = atoms_of(given["Resource"], catalog, names)
            return [
                (atom, name) for name, atoms in zip(names, lists, strict=True) for atom in atoms
            ]

        made, passed_on = pairs(permissions), pairs(grantable)
        for atom, _ in (made or passed_on)[:1]:
            self._accounts.state(atom.catalog, caller.region).notice_all_of(made or passed_on)
        return principal, made, passed_on

    def _may(
        self, caller: Caller, home: State, owner: State, pairs: Pairs, grantee: str | None
    ) -> None:
        own = owner.account == caller.account
        if own and is_admin(caller, home):
            return
        mine = (caller.arn, everybody_of(caller.account))
        groups = self._accounts.groups(caller.account)

        def came(principal: str, atom: Atom) -> bool:
            return self._accounts.shared(owner, caller.account, principal, atom)

        for atom, permission in pairs:
            if may_pass_on(home, mine, atom, permission):
                continue
            if own:
                raise denied(f"Required {permission} with grant option on the {atom.kind}.")
            administers = is_admin(caller, home) and received(
                owner, caller.account, groups, atom, permission, came
            )
            directly = any(received(owner, one, (), atom, permission, came) for one in mine)
            # Whatever an administrator's account passed on, he takes back, accepted or not.
            takes_back = grantee is None and is_admin(caller, home)
            if not (administers or directly or takes_back):
                raise denied(f"Required {permission} with grant option on the shared {atom.kind}.")
        if not own and grantee is not None and account_of(grantee) != caller.account:
            raise invalid("What another account shares is not shared on.")

    def _grantee(self, home: State, owner: State, principal: str, pairs: Pairs) -> None:
        account = account_of(principal)
        if principal == home.account:
            raise invalid("The account that owns the resource cannot be granted to.")
        if account == home.account and principal.startswith("arn:") and not self._known(principal):
            raise invalid("Invalid principal: IAM has none by this ARN.")
        if principal in home.admins() and any(atom.kind == "column" for atom, _ in pairs):
            raise invalid("Permissions modification is invalid: an administrator is not narrowed.")
        if principal == IAM_ALLOWED or account == home.account:
            return
        atoms = [atom for atom, _ in pairs]
        if any(atom.kind in {"catalog", "expression"} for atom in atoms):
            raise invalid("This kind of resource is not shared with other accounts.")
        if home.version() < _FIRST_VERSION_FOR_ROLES:
            if account is not None and principal != account:
                raise invalid("Roles of other accounts need CROSS_ACCOUNT_VERSION 3 or later.")
            if is_organization(principal) and any(atom.kind == "policy" for atom in atoms):
                raise invalid("Organizations get LF-tags by CROSS_ACCOUNT_VERSION 3 or later.")
        self._accounts.may_share(owner, principal)
        for atom in atoms:
            if _open_to_everybody(owner, atom):
                raise invalid(
                    "Revoke the permissions of IAM_ALLOWED_PRINCIPALS before sharing it with "
                    "another account."
                )


def _count_filters(entry: dict[str, Any], on_filters: Counter[str]) -> None:
    on = entry["Resource"].get("DataCellsFilter")
    if on is None:
        return
    principal = entry["Principal"].get("DataLakePrincipalIdentifier")
    key = f"{principal} {on.get('DatabaseName')} {on.get('TableName')}"
    on_filters[key] += 1
    if on_filters[key] > _MOST_FILTERS_IN_A_GRANT:
        raise invalid(f"A grant on a table has at most {_MOST_FILTERS_IN_A_GRANT} filters.")


def _exists(owner: State, pairs: Pairs) -> None:
    """What is granted on must be there."""
    for atom in {atom for atom, _ in pairs}:
        if atom.database:
            owner.glue.need_database(atom.database)
        if atom.table and atom.table != ALL_TABLES:
            columns = owner.glue.need_columns(atom.database, atom.table)
            named = {atom.name} if atom.kind == "column" else set(atom.names)
            if not named <= columns.keys():
                raise invalid("Cannot grant/revoke permission on non-existent column.")
            wanted = {permission for one, permission in pairs if one == atom}
            if owner.glue.is_link(atom.database, atom.table) and not wanted <= _OF_LINKS:
                raise invalid(
                    "On a resource link there are DESCRIBE and DROP; grant on its target."
                )


def _tagging_exists(owner: State, atom: Atom) -> None:
    missing = FakeError("EntityNotFoundException", f"The {atom.kind} does not exist.")
    if atom.kind == "filter" and atom not in owner.filters:
        raise missing
    if atom.kind == "expression" and atom.name not in owner.expressions:
        raise missing
    if atom.kind == "policy" and atom.value and atom.value not in owner.expressions:
        raise missing
    terms = atom.terms if atom.kind == "policy" else ((atom.name, (atom.value,)),)
    if atom.kind in {"policy", "tag"}:
        need_tags(owner, () if atom.kind == "policy" and atom.value else terms)


def need_tags(owner: State, terms: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
    """Refuses keys and values that are not defined; `*` is any value.

    Raises:
        FakeError: EntityNotFoundException for a key, InvalidInputException for a value.
    """
    for key, values in terms:
        defined = owner.tags.get(key)
        if defined is None:
            raise FakeError("EntityNotFoundException", "LF-tag key does not exist.")
        if not set(values) <= {*defined, "*"}:
            raise invalid("Tag values are not among those that the LF-tag has.")


def _room(home: State, principal: str, pairs: Pairs) -> None:
    asked = {atom for atom, permission in pairs if atom.kind == "filter" and permission == "SELECT"}
    for atom in asked:
        others = sum(
            1
            for one, held in home.of(principal)
            if one.kind == "filter"
            and "SELECT" in held
            and one not in asked
            and (one.catalog, one.database, one.table) == (atom.catalog, atom.database, atom.table)
        )
        if others + len(asked) > _MOST_FILTERS:
            raise invalid(
                f"A principal holds SELECT on at most {_MOST_FILTERS} filters of a table."
            )


def _open_to_everybody(owner: State, atom: Atom) -> bool:
    if atom.kind in {"database"}:
        return bool(owner.held(IAM_ALLOWED, atom))
    if not atom.table:
        return False
    tables = owner.glue.tables(atom.database) if atom.table == ALL_TABLES else [atom.table]
    return any(
        owner.held(IAM_ALLOWED, Atom("table", atom.catalog, atom.database, table))
        for table in (*tables, ALL_TABLES)
    )
