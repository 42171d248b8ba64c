"""What Lake Formation keeps for one account in one region.

IAM_ALLOWED_PRINCIPALS: whoever creates a database or a table while the default permissions name
this group grants it access past Lake Formation (*Changing the default settings for your data
lake*). Glue is moto here and does not tell of its creations, so a database or table is noticed
when Lake Formation next comes across it, and gets what the defaults say then; before the defaults
change, all that exists is noticed. The answer is the same as on AWS, save that a table which was
dropped and made again in between is one table. A database keeps the defaults for its tables that
held when it was made, or its own `CreateTableDefaultPermissions`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from meshplane.sandbox.delayed import Delayed
from meshplane.sandbox.lakeformation.atoms import Atom, Terms
from meshplane.sandbox.lakeformation.glue import Glue

_EVERYBODY = [
    {
        "Principal": {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"},
        "Permissions": ["ALL"],
    }
]


@dataclass(frozen=True, slots=True)
class Held:
    """What one principal holds on one atom.

    Args:
        permissions: each with whether it may be passed on.
        at: when it last changed.
        by: who changed it.
    """

    permissions: dict[str, bool]
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Cells:
    """A data cells filter: which rows, which columns."""

    catalog: str
    database: str
    table: str
    name: str
    expression: str | None
    columns: tuple[str, ...] | None
    left_out: tuple[str, ...]
    version: str


@dataclass(frozen=True, slots=True)
class SavedExpression:
    """An LF-tag expression with a name."""

    terms: Terms
    description: str | None


def first_settings() -> dict[str, Any]:
    """The settings of an account that has set none: IAM alone decides."""
    return {
        "DataLakeAdmins": [],
        "ReadOnlyAdmins": [],
        "CreateDatabaseDefaultPermissions": list(_EVERYBODY),
        "CreateTableDefaultPermissions": list(_EVERYBODY),
        "Parameters": {"CROSS_ACCOUNT_VERSION": "1", "SET_CONTEXT": "TRUE"},
        "TrustedResourceOwners": [],
        "AllowExternalDataFiltering": False,
        "ExternalDataFilteringAllowList": [],
    }


@dataclass
class State:
    """All of it.

    Args:
        account: whose.
        region: where.
        now: the present instant.
        lag_seconds: how long a change stays unseen by lists.
        settings: as `GetDataLakeSettings` shows them.
        expressions: saved ones, by name.
        filters: data cells filters.
        assigned: LF-tags by what carries them.
        opt_ins: who is under Lake Formation for what is left to IAM otherwise.
        shares: the names of the shares in RAM by the principal that they are for.
    """

    account: str
    region: str
    now: Callable[[], datetime]
    lag_seconds: Callable[[], float]
    settings: dict[str, Any] = field(default_factory=first_settings)
    expressions: dict[str, SavedExpression] = field(default_factory=dict)
    filters: dict[Atom, Cells] = field(default_factory=dict)
    assigned: dict[Atom, dict[str, str]] = field(default_factory=dict)
    opt_ins: dict[tuple[str, Atom], dict[str, Any]] = field(default_factory=dict)
    shares: dict[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.glue = Glue(self.account, self.region)
        self.grants: Delayed[tuple[str, Atom], Held] = Delayed(self.now, self.lag_seconds)
        self.tags: Delayed[str, tuple[str, ...]] = Delayed(self.now, self.lag_seconds)
        self.locations: Delayed[str, dict[str, Any]] = Delayed(self.now, self.lag_seconds)
        self._by_principal: dict[str, set[Atom]] = {}
        self._noticed: dict[tuple[str, str], datetime] = {}
        self._table_defaults: dict[str, list[dict[str, Any]]] = {}

    def put(self, principal: str, atom: Atom, permissions: dict[str, bool], by: str) -> None:
        """Sets what a principal holds on an atom; nothing held is no grant."""
        if permissions:
            self.grants.put((principal, atom), Held(permissions, self.now(), by))
            self._by_principal.setdefault(principal, set()).add(atom)
        else:
            self.grants.drop((principal, atom))
            self._by_principal.get(principal, set()).discard(atom)

    def held(self, principal: str, atom: Atom) -> dict[str, bool]:
        """What a principal holds on exactly this atom; each with whether he may pass it on."""
        found = self.grants.get((principal, atom))
        return dict(found.permissions) if found is not None else {}

    def of(self, principal: str) -> Iterator[tuple[Atom, dict[str, bool]]]:
        """All that a principal holds."""
        for atom in sorted(self._by_principal.get(principal, ())):
            yield atom, self.held(principal, atom)

    def principals(self) -> list[str]:
        """All who hold something, or did."""
        return sorted(self._by_principal)

    def admins(self) -> frozenset[str]:
        """The ARNs of the data lake's administrators."""
        return frozenset(
            one["DataLakePrincipalIdentifier"] for one in self.settings.get("DataLakeAdmins") or ()
        )

    def readers(self) -> frozenset[str]:
        """The ARNs of those who see everything and change nothing."""
        return frozenset(
            one["DataLakePrincipalIdentifier"] for one in self.settings.get("ReadOnlyAdmins") or ()
        )

    def version(self) -> int:
        """The version of sharing with other accounts."""
        return int((self.settings.get("Parameters") or {}).get("CROSS_ACCOUNT_VERSION", "1"))

    def notice_all(self) -> None:
        """Gives what was created unseen the permissions that the defaults say."""
        for database in self.glue.databases():
            self.notice(database)
            for table in self.glue.tables(database):
                self.notice(database, table)

    def notice(self, database: str, table: str = "") -> None:
        """As `notice_all`, of one database, or of one table and its database."""
        there = self.glue.database(database)
        if there is None:
            return
        if self._noticed.get((database, "")) != there["CreateTime"]:
            self._noticed[database, ""] = there["CreateTime"]
            self._table_defaults[database] = list(
                self.settings.get("CreateTableDefaultPermissions") or ()
            )
            made = self.settings.get("CreateDatabaseDefaultPermissions") or ()
            self._default(Atom("database", self.account, database), made)
        found = self.glue.table(database, table) if table else None
        if found is not None and self._noticed.get((database, table)) != found["CreateTime"]:
            self._noticed[database, table] = found["CreateTime"]
            own = there.get("CreateTableDefaultPermissions")
            made = own if own is not None else self._table_defaults[database]
            self._default(Atom("table", self.account, database, table), made)

    def _default(self, atom: Atom, defaults: Any) -> None:
        for one in defaults:
            principal = one["Principal"]["DataLakePrincipalIdentifier"]
            held = self.held(principal, atom)
            held.update(dict.fromkeys(one.get("Permissions") or (), False))
            self.put(principal, atom, held, f"arn:aws:iam::{self.account}:root")

    def notice_all_of(self, pairs: list[tuple[Atom, str]]) -> None:
        """As `notice`, of what some permissions are on."""
        for atom in {atom for atom, _ in pairs}:
            if atom.table == "ALL_TABLES":
                for table in self.glue.tables(atom.database):
                    self.notice(atom.database, table)
            elif atom.database:
                self.notice(atom.database, atom.table)
