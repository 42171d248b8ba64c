"""What the shares service needs from outside: somebody who carries a share out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

Acceptance = Literal["ACCEPTED", "PENDING", "EXPIRED", "REJECTED"]
"""Whether the other account takes part; EXPIRED: it did not answer in time."""


@dataclass(frozen=True, slots=True)
class SharedTable:
    """A table that is shared with an account.

    Args:
        share_id: of the share.
        owner: the account that the table is of, 12 digits.
        database: its database there.
        table: its name there.
        permissions: SELECT, DESCRIBE, or both.
        account: with whom it is shared.
        reader: the role in that account that is to read it; None: its administrators grant it to
            whom they want.
        link_database: the database in that account that gets a link to the table.
        begun_at: when the share was asked for; what the account refused before is about another.
    """

    share_id: str
    owner: str
    database: str
    table: str
    permissions: tuple[str, ...]
    account: str
    reader: str | None
    link_database: str
    begun_at: datetime | None = None

    @property
    def at_home(self) -> bool:
        """Whether one account is both sides: then a grant is all there is to do."""
        return self.owner == self.account


class Sharing(Protocol):
    """Carries shares out, step by step; each step again changes nothing more."""

    async def offer(self, shared: SharedTable) -> None:
        """Grants the table to the other account, which makes the share."""
        ...

    async def accept(self, shared: SharedTable) -> Acceptance:
        """Accepts the share in the other account where that can be done from here, and tells."""
        ...

    async def link(self, shared: SharedTable) -> bool:
        """Makes the table readable there; False: that account's administrators must."""
        ...

    async def verify(self, shared: SharedTable) -> bool:
        """Reads the table as the reader does; False: there is nobody to be, or nobody to be him.

        Raises:
            Conflict: SHARE_NOT_READABLE, the reader cannot be taken on, or cannot read.
        """
        ...

    async def withdraw(self, shared: SharedTable, beside: Sequence[SharedTable] = ()) -> None:
        """Takes back whatever the other steps did, but for what shares beside it need."""
        ...
