"""Shares on AWS: a grant to the other account, its acceptance, a resource link, a query.

Lake Formation makes and keeps the share in RAM by itself when it grants to another account. Which
share that is, it tells in its list of permissions. Within an organization that shares, nobody needs
to accept.

Needs AWS: whether a share is open at once within an organization, and how long each step takes to
be seen; the sandbox shows both as they are documented.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from meshplane.kit.errors import Conflict, MeshplaneError, Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.polling import until
from meshplane.services.shares.aws_grants import close_to_iam, grant, held_by, revoke
from meshplane.services.shares.aws_invitations import (
    answered,
    arns_of,
    seen_by_owner,
)
from meshplane.services.shares.aws_links import hide, link_to, unlink
from meshplane.services.shares.aws_reading import read_once
from meshplane.services.shares.ports import Acceptance, SharedTable

_TRIES = 3
Step = Callable[[SharedTable], Awaitable[object]]


class AwsSharing:
    """Carries shares out; see `ports.Sharing`.

    Args:
        aws: the mesh's own account, the owner of what is shared.
        workgroup: of Athena, in which the reader's query runs.
        new_token: makes a token for a query, 32 to 128 characters.
        deadline_seconds: how long one step waits for what AWS does in its own time.
    """

    def __init__(
        self,
        aws: Aws,
        *,
        workgroup: str,
        new_token: Callable[[], str],
        deadline_seconds: float = 60.0,
    ) -> None:
        self._aws, self._workgroup = aws, workgroup
        self._new_token, self._deadline_seconds = new_token, deadline_seconds

    async def carry_out(self, shared: SharedTable) -> Acceptance:
        """All steps; what fails for good is taken back.

        Args:
            shared: what, and with whom.

        Returns:
            ACCEPTED: it is done. PENDING: the other account has to accept; call again later.

        Raises:
            Conflict: SHARE_REJECTED, SHARE_NOT_READABLE, LINK_NAME_TAKEN; it was taken back.
            AwsRejected: AWS refused a step; it was taken back.
            Unavailable: SHARE_NOT_WITHDRAWN: a step failed and it could not be taken back either;
                call `withdraw`. Otherwise AWS does not answer, and it was taken back.
        """
        try:
            await _tried(self.offer, shared)
            acceptance = await self._accepted(shared)
            if acceptance != "ACCEPTED":
                return acceptance
            await _tried(self.link, shared)
            await _tried(self.verify, shared)
        except MeshplaneError as error:
            try:
                await _tried(self.withdraw, shared)
            except MeshplaneError as another:
                raise Unavailable(
                    "SHARE_NOT_WITHDRAWN",
                    f"The share failed ({error.code}), and taking it back failed too "
                    f"({another.code}). Withdraw it again.",
                ) from error
            raise
        return "ACCEPTED"

    async def offer(self, shared: SharedTable) -> None:
        """Grants the table to the other account; nothing where one account is both sides."""
        if shared.at_home:
            return
        await close_to_iam(self._aws, shared)
        await grant(self._aws, shared.account, shared, passed_on=True)

    async def accept(self, shared: SharedTable) -> Acceptance:
        """Accepts the share, or tells how it stands where the mesh has no role in the account.

        An invitation that has expired is made anew.

        Args:
            shared: what was offered.
        """
        if shared.at_home:
            return "ACCEPTED"
        arns = await until(
            "the share is there", lambda: arns_of(self._aws, shared), self._deadline_seconds
        )
        there = self._there(shared)
        if there is None:
            return await seen_by_owner(self._aws, shared, arns)
        try:
            return await until(
                "the share is accepted",
                lambda: answered(self._aws, there, shared, arns),
                self._deadline_seconds,
            )
        except Unavailable as error:
            if error.code != "AWS_TOO_SLOW":
                raise
            return "PENDING"

    async def link(self, shared: SharedTable) -> bool:
        """Grants to the reader, and links the table into his account.

        Args:
            shared: what was accepted.

        Returns:
            False: the mesh has no role in that account.

        Raises:
            Conflict: LINK_NAME_TAKEN, another table has the link's name there.
        """
        there = self._there(shared)
        if there is None:
            return False
        if not shared.at_home:
            await link_to(there, shared)
        reader = shared.reader
        if reader is not None:
            await until(
                "the shared table can be granted there",
                lambda: _granted(there, reader, shared),
                self._deadline_seconds,
            )
        return True

    async def verify(self, shared: SharedTable) -> bool:
        """Reads the table as the reader does.

        Args:
            shared: what was linked.

        Returns:
            False: there is no reader, or the mesh has no role in his account to be him from.

        Raises:
            Conflict: SHARE_NOT_READABLE, the mesh may not be the reader, or his query was refused
                or failed.
        """
        there = self._there(shared)
        if there is None or shared.reader is None:
            return False
        reader = there.as_role(shared.reader, f"verify-{shared.share_id}"[:64])
        database = shared.database if shared.at_home else shared.link_database
        await read_once(
            reader,
            (database, shared.table),
            workgroup=self._workgroup,
            token=self._new_token(),
            seconds=self._deadline_seconds,
        )
        return True

    async def withdraw(self, shared: SharedTable, beside: Sequence[SharedTable] = ()) -> None:
        """Takes back all that the other steps did; the owner's grant in any case.

        Args:
            shared: what was shared, or begun to be.
            beside: other shares of the same table with the same account: what they need stays.

        Raises:
            AwsRejected, AwsUnavailable: something is left; call again.
        """
        failed: MeshplaneError | None = None
        there = self._there(shared)
        if there is not None:
            try:
                await self._clear_there(there, shared, beside)
            except MeshplaneError as error:
                # Access ends with the owner's grant: that must not wait for the other account.
                failed = error
        if not shared.at_home:
            own = _but_for(shared, beside)
            await revoke(self._aws, shared.account, await held_by(self._aws, shared.account, own))
        if failed is not None:
            raise failed

    async def _clear_there(
        self, there: Aws, shared: SharedTable, beside: Sequence[SharedTable]
    ) -> None:
        if shared.reader is not None:
            own = _but_for(shared, [one for one in beside if one.reader == shared.reader])
            await revoke(there, shared.reader, await held_by(there, shared.reader, own))
        if shared.at_home:
            return
        in_it = [one for one in beside if one.link_database == shared.link_database]
        if not in_it:
            await unlink(there, shared)
        elif not any(one.reader == shared.reader for one in in_it):
            await hide(there, shared)

    async def _accepted(self, shared: SharedTable) -> Acceptance:
        acceptance: Acceptance = "PENDING"

        async def step(one: SharedTable) -> None:
            nonlocal acceptance
            acceptance = await self.accept(one)

        await _tried(step, shared)
        if acceptance == "REJECTED":
            raise Conflict("SHARE_REJECTED", "The other account does not take part in the share.")
        return acceptance

    def _there(self, shared: SharedTable) -> Aws | None:
        """The other account as the mesh may act in it; None: it may not."""
        try:
            return self._aws.in_account(shared.account)
        except AwsRejected as error:
            if error.code != "ACCOUNT_UNKNOWN":
                raise
            return None


def _but_for(shared: SharedTable, beside: Sequence[SharedTable]) -> SharedTable:
    """A share with the permissions that it alone needs."""
    needed = {permission for one in beside for permission in one.permissions}
    return replace(shared, permissions=tuple(sorted(set(shared.permissions) - needed)))


async def _granted(there: Aws, reader: str, shared: SharedTable) -> bool | None:
    """Grants to the reader; None: the share has not come through yet."""
    try:
        await grant(there, reader, shared, passed_on=False)
    except AwsRejected as error:
        if error.aws_code != "AccessDeniedException":
            raise
        return None
    return True


async def _tried(step: Step, shared: SharedTable) -> None:
    """A step, again where AWS did not answer: each of them may be taken twice."""
    for left in reversed(range(_TRIES)):
        try:
            await step(shared)
        except Unavailable:
            if left == 0:
                raise
        else:
            return
