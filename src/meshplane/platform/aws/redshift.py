"""Statements on Redshift over its Data API, awaited: for the mesh's own short ones.

Needs AWS: how a role becomes a database user, `IAMR:` and the role's name, is Redshift's own doing
(management guide, "Mapping IAM identities to database users").
"""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from meshplane.kit.errors import MeshplaneError, Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsUnavailable

_FIRST_SECONDS, _LONGEST_SECONDS, _GROWTH = 0.05, 1.0, 1.5
_DEADLINE_SECONDS = 60.0
_TOKEN_BYTES = 24


@dataclass(frozen=True, slots=True)
class RedshiftPlace:
    """Where a database is; of workgroup and cluster exactly one.

    Args:
        database: its name.
        workgroup: of Redshift Serverless: its name.
        cluster: of provisioned Redshift: its identifier.
        secret_arn: of a secret with the user's password; None: the role is the user.
    """

    database: str
    workgroup: str | None = None
    cluster: str | None = None
    secret_arn: str | None = None

    def parameters(self) -> dict[str, str]:
        """As the Data API has them."""
        named = {
            "Database": self.database,
            "WorkgroupName": self.workgroup,
            "ClusterIdentifier": self.cluster,
            "SecretArn": self.secret_arn,
        }
        return {name: value for name, value in named.items() if value is not None}


class StatementFailed(MeshplaneError):
    """Redshift did not carry a statement of the mesh's out. Its text goes no further than `told`.

    Args:
        told: Redshift's words, which may hold names.
    """

    def __init__(self, told: str) -> None:
        super().__init__("REDSHIFT_FAILED", "Redshift did not carry a statement of the mesh out.")
        self.told = told


class RedshiftStatements:
    """Runs the mesh's own statements.

    Args:
        aws: as whom.
        place: the database.
    """

    def __init__(self, aws: Aws, place: RedshiftPlace) -> None:
        self._aws = aws
        self.place = place

    async def rows(self, sql: str, **parameters: str) -> list[list[Any]]:
        """The rows of a query, each value as the Data API gives it; `:name` stands for a text.

        Raises:
            StatementFailed, AwsRejected, AwsUnavailable.
            Unavailable: AWS_TOO_SLOW.
        """
        bound = [{"name": name, "value": value} for name, value in parameters.items()]
        given: dict[str, Any] = {"Parameters": bound} if bound else {}
        answer = await self._aws.call(
            "redshift-data", "execute_statement", Sql=sql, **self.place.parameters(), **given
        )
        number = str(answer["Id"])
        await self._ended(number)
        return await self._read(number)

    async def all_rows(self, sqls: Sequence[str], **parameters: str) -> list[list[list[Any]]]:
        """The rows of several queries that are run in one transaction; see `rows`."""
        answer = await self._sent(sqls, parameters)
        shown = await self._ended(answer)
        parts = [str(one["Id"]) for one in shown["SubStatements"]]
        return list(await asyncio.gather(*(self._read(one) for one in parts)))

    async def together(self, sqls: Sequence[str]) -> None:
        """Runs statements in one transaction; sent again by the same token if no answer comes.

        Raises:
            StatementFailed, AwsRejected, AwsUnavailable: none of them has had an effect, but for
                the last, after which they may have had it.
            Unavailable: AWS_TOO_SLOW.
        """
        await self._ended(await self._sent(sqls, {}))

    async def _sent(self, sqls: Sequence[str], parameters: dict[str, str]) -> str:
        bound = [{"name": name, "value": value} for name, value in parameters.items()]
        given: dict[str, Any] = {"Parameters": bound} if bound else {}
        token = secrets.token_hex(_TOKEN_BYTES)

        async def once() -> dict[str, Any]:
            return await self._aws.call(
                "redshift-data",
                "batch_execute_statement",
                Sqls=list(sqls),
                ClientToken=token,
                **self.place.parameters(),
                **given,
            )

        try:
            answer = await once()
        except AwsUnavailable as error:
            if not error.may_have_happened:
                raise
            answer = await once()
        return str(answer["Id"])

    async def _read(self, number: str) -> list[list[Any]]:
        found: list[list[Any]] = []
        async for page in self._aws.pages("redshift-data", "get_statement_result", Id=number):
            found += [[_value(one) for one in record] for record in page["Records"]]
        return found

    async def _ended(self, number: str) -> dict[str, Any]:
        pause = _FIRST_SECONDS
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                while True:
                    shown = await look_at(self._aws, number)
                    if shown["Status"] == "FINISHED":
                        return shown
                    if shown["Status"] in {"FAILED", "ABORTED"}:
                        raise StatementFailed(str(shown.get("Error", "")))
                    await asyncio.sleep(pause)
                    pause = min(pause * _GROWTH, _LONGEST_SECONDS)
        except TimeoutError:
            raise Unavailable(
                "AWS_TOO_SLOW", "Redshift did not answer in time. Try again later."
            ) from None


async def look_at(aws: Aws, number: str) -> dict[str, Any]:
    """What Redshift says of a statement; STARTED where it asked for fewer calls.

    Args:
        aws: as who began the statement.
        number: its id.
    """
    try:
        return await aws.call("redshift-data", "describe_statement", Id=number)
    except AwsUnavailable as error:
        if not error.is_throttled:
            raise
        return {"Status": "STARTED"}


def _value(one: dict[str, Any]) -> Any:
    return None if one.get("isNull") else next(iter(one.values()))
