"""Statements on Redshift, over its Data API: for assets that are tables of a Redshift workgroup.

statement → one SELECT, in Redshift's words, its parameters by name (`aws_redshift_sql`) → run as
the project's role, which Redshift knows as a database user → awaited → rows typed again
(`aws_redshift_rows`), and encoded as on this machine.

Redshift's own grants and row policies on that user decide what is read; nothing of the mesh's
policy is in the statement. Needs AWS: those grants, and how the role becomes a user.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from logging import WARNING
from typing import TYPE_CHECKING, Any

from meshplane.kit.errors import MeshplaneError, Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected, AwsUnavailable
from meshplane.platform.aws.redshift import RedshiftPlace, look_at
from meshplane.platform.telemetry import log
from meshplane.services.query.sandbox import Outcome, Sink, Statement
from meshplane.services.query.sandbox.faults import invalid, limit, refused, runtime
from meshplane.services.query.sandbox.text import check_text

if TYPE_CHECKING:  # it loads the parser
    from meshplane.services.query.aws_redshift_sql import Translated

_FIRST_SECONDS, _LONGEST_SECONDS, _GROWTH = 0.05, 1.0, 1.5
_TOKEN_BYTES = 24
_WRONG = "ValidationException"
_NO_RIGHT = ("permission denied", "not authorized")
_AS_WRITTEN = ("syntax error", "does not exist", "must appear in the group by", "cannot find")


class RedshiftQueries:
    """Runs SELECTs on Redshift.

    Args:
        aws: as the role of whoever asks.
        place: the database.
    """

    def __init__(self, aws: Aws, place: RedshiftPlace) -> None:
        self._aws = aws
        self._place = place

    async def run(self, statement: Statement, sink: Sink | None = None) -> Outcome:
        """The answer to a statement in DuckDB's dialect.

        It ends, also at Redshift, when whoever waits for it is cancelled.

        Args:
            statement: text, parameters, form of the answer, and limits.
            sink: takes the body piece by piece; then `body` of the outcome is empty.

        Raises:
            Refused: SQL_REFUSED, it is no SELECT, cannot be said on Redshift, or reads what the
                role may not.
            Invalid: SQL_INVALID, SQL_RUNTIME.
            LimitReached: SQL_LIMIT.
            Unavailable: QUERY_ENGINE_UNAVAILABLE.
        """
        from meshplane.services.query.aws_redshift_sql import translate

        begun = time.monotonic()
        check_text(statement.sql)
        told = await asyncio.to_thread(translate, statement.sql, statement.parameters)
        return await self.run_told(told, statement, begun, sink)

    async def run_told(
        self, told: "Translated", statement: Statement, begun: float, sink: Sink | None = None
    ) -> Outcome:
        """The answer to a statement that is in Redshift's words already.

        Args:
            told: those words.
            statement: form of the answer, and limits.
            begun: when somebody began to work on it, by the monotonic clock.
            sink: as in `run`.

        Raises:
            MeshplaneError: as `run`.
        """
        ready = time.monotonic()
        seconds = statement.limits.timeout_seconds
        number: str | None = None
        try:
            async with asyncio.timeout(seconds):
                number = await self._started(told.sql, told.parameters)
                await self._ended(number)
                body, answer = await self._encoded(number, statement, sink)
        except TimeoutError:
            await asyncio.shield(self._stopped(number))
            raise limit(f"The statement took longer than {seconds:g} seconds.") from None
        except (asyncio.CancelledError, Unavailable):
            await asyncio.shield(self._stopped(number))
            raise
        return Outcome(
            columns=tuple(answer.columns),
            row_count=answer.row_count,
            truncated=answer.truncated,
            body=body,
            relations=told.names,
            seconds=time.monotonic() - begun,
            resolve_seconds=ready - begun,
        )

    async def _started(self, sql: str, parameters: list[dict[str, str]]) -> str:
        """Hands a statement in. An answer that is lost is asked for again by the same token."""
        given: dict[str, Any] = {"Parameters": parameters} if parameters else {}
        token = secrets.token_hex(_TOKEN_BYTES)

        async def once() -> dict[str, Any]:
            return await self._aws.call(
                "redshift-data",
                "execute_statement",
                Sql=sql,
                ClientToken=token,
                **self._place.parameters(),
                **given,
            )

        try:
            try:
                answer = await once()
            except AwsUnavailable as error:
                if not error.may_have_happened:
                    raise
                answer = await once()
        except AwsRejected as error:
            if error.aws_code == _WRONG:
                raise invalid("Redshift does not take the statement as written for it.") from error
            raise
        return str(answer["Id"])

    async def _ended(self, number: str) -> None:
        pause = _FIRST_SECONDS
        while True:
            shown = await look_at(self._aws, number)
            if shown["Status"] == "FINISHED":
                return
            if shown["Status"] in {"FAILED", "ABORTED"}:
                raise _failure(shown)
            await asyncio.sleep(pause)
            pause = min(pause * _GROWTH, _LONGEST_SECONDS)

    async def _encoded(
        self, number: str, statement: Statement, sink: Sink | None
    ) -> tuple[bytes, Any]:
        """The body of the answer, empty where a sink took it, and what is told of it."""
        from meshplane.services.query.aws_redshift_rows import RedshiftColumns
        from meshplane.services.query.sandbox.encoding import Encoding

        pieces: list[bytes] = []
        columns: RedshiftColumns | None = None
        encoding: Encoding | None = None
        pages = self._pages(number)
        try:
            async for page in pages:
                if encoding is None or columns is None:
                    columns = RedshiftColumns(page["ColumnMetadata"])
                    encoding = Encoding(
                        columns.columns,
                        columns.schema,
                        statement.output,
                        statement.limits,
                        pieces.append,
                    )
                if page["Records"]:
                    encoding.add(await asyncio.to_thread(columns.batch, page["Records"]))
                await _handed_on(pieces, sink)
                if encoding.is_full:
                    break
        finally:
            await pages.aclose()  # type: ignore[attr-defined]
        if encoding is None:
            raise _unavailable()
        answer = encoding.finish()
        await _handed_on(pieces, sink)
        return b"".join(pieces), answer

    async def _pages(self, number: str) -> AsyncIterator[dict[str, Any]]:
        try:
            async for page in self._aws.pages("redshift-data", "get_statement_result", Id=number):
                yield page
        except AwsRejected as error:
            raise _unavailable() from error

    async def _stopped(self, number: str | None) -> None:
        if number is None:
            return
        try:
            await self._aws.call("redshift-data", "cancel_statement", Id=number)
        except MeshplaneError as error:
            # It may have ended meanwhile; nobody waits for it any more.
            log(WARNING, "redshift_stop_failed", code=error.code)


async def _handed_on(pieces: list[bytes], sink: Sink | None) -> None:
    while sink is not None and pieces:
        await sink(pieces.pop(0))


def _failure(shown: dict[str, Any]) -> MeshplaneError:
    """What to raise for a statement that ended so. Redshift's text goes no further."""
    if shown["Status"] == "ABORTED":
        return limit("Redshift stopped the statement: it met a limit, or somebody cancelled it.")
    told = str(shown.get("Error", "")).lower()
    if any(sign in told for sign in _NO_RIGHT):
        return refused("Redshift does not let your project read what the statement names.")
    if any(sign in told for sign in _AS_WRITTEN):
        return invalid("A name or a part of the statement is not there for you on Redshift.")
    return runtime()


def _unavailable() -> MeshplaneError:
    return Unavailable(
        "QUERY_ENGINE_UNAVAILABLE", "Redshift did not carry the statement out. Try again."
    )
