"""Lake Formation, put together."""

from collections.abc import Mapping
from typing import Any

from meshplane.sandbox.fake import Caller, Handler, World
from meshplane.sandbox.lakeformation.atoms import Atom
from meshplane.sandbox.lakeformation.decision import Decision, TableAccess
from meshplane.sandbox.lakeformation.expression_operations import ExpressionOperations
from meshplane.sandbox.lakeformation.filter_operations import FilterOperations
from meshplane.sandbox.lakeformation.granting import Granting
from meshplane.sandbox.lakeformation.listing import Listing
from meshplane.sandbox.lakeformation.settings_operations import SettingsOperations
from meshplane.sandbox.lakeformation.sharing import Sharing
from meshplane.sandbox.lakeformation.state import State
from meshplane.sandbox.lakeformation.tag_operations import TagOperations


class LakeFormationFake:
    """Lake Formation of all accounts.

    Args:
        world: what it shares with other fakes; it asks the fake of RAM there.

    Attributes:
        only_known_principals: refuse roles and users of the account that IAM does not have, as AWS
            does.
        decision: set its `only_registered` to show nothing of a table whose data lies at no
            registered location.
    """

    service = "lakeformation"

    def __init__(self, world: World) -> None:
        self._world = world
        self._states: dict[tuple[str, str], State] = {}
        self.only_known_principals = False
        self.decision = Decision(self)
        parts = (
            SettingsOperations(self),
            Granting(self, self._known),
            Listing(self),
            TagOperations(self),
            ExpressionOperations(self),
            FilterOperations(self),
        )
        self.handlers: Mapping[str, Handler] = {
            name: handler for part in parts for name, handler in part.handlers().items()
        }
        world.services[self.service] = self

    def access(self, caller: Caller, catalog: str, database: str, table: str) -> TableAccess:
        """What the caller may read of a table: see `decision`.

        Args:
            caller: whoever runs the query.
            catalog: the account that owns the table.
            database: its name in that account.
            table: its name in that account, of no resource link.
        """
        with self._world.lock:
            return self.decision.access(caller, catalog, database, table)

    def describes(self, caller: Caller, catalog: str, database: str, table: str = "") -> bool:
        """Whether the caller sees that a table, or a database, is there.

        Args:
            caller: whoever looks.
            catalog: the account that owns it.
            database: its name in that account.
            table: its name there; empty: the database is meant.
        """
        with self._world.lock:
            return self.decision.describes(caller, catalog, database, table)

    def state(self, account: str, region: str) -> State:
        """What is kept for an account in a region."""
        key = (account, region)
        if key not in self._states:
            self._states[key] = State(
                account, region, self._world.clock.now, lambda: self._world.visibility_seconds
            )
        return self._states[key]

    def groups(self, account: str) -> tuple[str, ...]:
        """The organizations and units that an account belongs to."""
        return self._sharing().groups(account)

    def shared(self, owner: State, account: str, principal: str, atom: Atom) -> bool:
        """Whether an atom of one account has come to a principal in another."""
        return self._sharing().shared(owner, account, principal, atom)

    def share(self, owner: State, principal: str) -> None:
        """Brings the shares for a principal into line with what he holds."""
        self._sharing().share(owner, principal)

    def share_arns(self, owner: State, principal: str) -> tuple[str, ...]:
        """The ARNs of the shares by which a principal gets what is granted to him."""
        return self._sharing().share_arns(owner, principal)

    def may_share(self, owner: State, principal: str) -> None:
        """Refuses principals of other accounts with whom RAM does not share."""
        self._sharing().may_share(owner, principal)

    def _sharing(self) -> Sharing:
        ram: Any = self._world.services.get("ram")
        return Sharing(ram)

    def _known(self, arn: str) -> bool:
        if not self.only_known_principals or arn.endswith(":root"):
            return True
        from moto.backends import get_backend

        iam: Any = get_backend("iam")[arn.split(":")[4]]["aws"]
        return any(one.arn == arn for one in (*iam.roles.values(), *iam.users.values()))
