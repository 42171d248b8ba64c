"""Athena: workgroups; executions started, awaited, cancelled; pages of results; costs."""

import asyncio
import math
import secrets
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from logging import WARNING
from typing import TYPE_CHECKING, Any

from meshplane.kit.errors import MeshplaneError, Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected, AwsUnavailable
from meshplane.platform.telemetry import log
from meshplane.services.query.aws_failures import failure, unavailable
from meshplane.services.query.sandbox import Spent
from meshplane.services.query.sandbox.faults import invalid

if TYPE_CHECKING:  # it loads the parser
    from meshplane.services.query.aws_sql import Translated

_CATALOG = "AwsDataCatalog"
_ENCRYPTION = "EncryptionConfiguration"
_ENGINE = "Athena engine version 3"
_WRONG, _MALFORMED = "InvalidRequestException", "MALFORMED_QUERY"
_FIRST_SECONDS, _LONGEST_SECONDS, _GROWTH = 0.05, 1.0, 1.5
_TOKEN_BYTES = 24  # 48 characters: a request's token has 32 to 128
_LEAST_CUTOFF_BYTES = 10_000_000  # that a workgroup takes
_MEBIBYTE, _LEAST_MEBIBYTES, _TEBIBYTE = 2**20, 10, 2**40


@dataclass(frozen=True, slots=True)
class WorkgroupSettings:
    """What a project's workgroup enforces.

    Args:
        most_bytes: that one statement may scan.
        kms_key: by which results are encrypted; None: by S3's own key.
        as_bucket: whether results are encrypted as their bucket says, whatever `kms_key` is.
        usd_per_tebibyte: Athena's price in the region, for the costs that are told.
    """

    most_bytes: int = 100 * 2**30
    kms_key: str | None = None
    as_bucket: bool = False
    usd_per_tebibyte: float = 5.0

    def spent(self, statistics: Mapping[str, Any]) -> Spent:
        """What an execution took. Bytes are counted in whole mebibytes, ten at the least."""
        scanned = int(statistics.get("DataScannedInBytes") or 0)
        counted = max(math.ceil(scanned / _MEBIBYTE), _LEAST_MEBIBYTES) if scanned else 0
        usd = counted * _MEBIBYTE / _TEBIBYTE * self.usd_per_tebibyte
        return Spent(scanned, round(usd, 12))


class WorkgroupLost(Unavailable):
    """Athena does not take a statement in a workgroup that was there, or is disabled."""

    def __init__(self) -> None:
        super().__init__(
            "QUERY_ENGINE_UNAVAILABLE",
            "The project's workgroup in Athena takes no statements. Try again.",
        )


class Workgroups:
    """Makes a workgroup for each project, when it is first needed.

    Args:
        aws: the mesh itself.
        settings: what every one enforces.
    """

    def __init__(self, aws: Aws, settings: WorkgroupSettings) -> None:
        self._aws = aws
        self._settings = settings
        self._ready: set[tuple[str, str]] = set()

    async def ensure(self, name: str, output: str) -> None:
        """Makes the workgroup, or makes the one that is there enforce what it should.

        Args:
            name: of the workgroup.
            output: where results go: `s3://BUCKET/KEY/`.
        """
        if (name, output) in self._ready:
            return
        wanted = self._configuration(output)
        there = await self._found(name)
        if there is None:
            there = await self._made(name, wanted)
        if there is not None and not _enforces(there, wanted):
            await self._aws.call(
                "athena",
                "update_work_group",
                WorkGroup=name,
                State="ENABLED",
                ConfigurationUpdates=_updates(wanted),
            )
        self._ready.add((name, output))

    def forget(self, name: str) -> None:
        """Looks at the workgroup again when it is needed next."""
        self._ready = {one for one in self._ready if one[0] != name}

    async def _found(self, name: str) -> dict[str, Any] | None:
        try:
            answer = await self._aws.call("athena", "get_work_group", WorkGroup=name)
        except AwsRejected as error:
            if error.aws_code == _WRONG:
                return None
            raise
        found: dict[str, Any] = answer["WorkGroup"]
        return found

    async def _made(self, name: str, wanted: dict[str, Any]) -> dict[str, Any] | None:
        try:
            await self._aws.call(
                "athena",
                "create_work_group",
                Name=name,
                Configuration=wanted,
                Description="Statements of one project of the mesh",
            )
        except AwsRejected as error:
            if error.aws_code != _WRONG:
                raise
            return await self._found(name)  # another process made it meanwhile
        return None

    def _configuration(self, output: str) -> dict[str, Any]:
        results = {"OutputLocation": output, "ExpectedBucketOwner": self._aws.place.account}
        return {
            "ResultConfiguration": {**results, **self._encryption()},
            "EnforceWorkGroupConfiguration": True,
            "PublishCloudWatchMetricsEnabled": True,
            "BytesScannedCutoffPerQuery": max(self._settings.most_bytes, _LEAST_CUTOFF_BYTES),
            "EngineVersion": {"SelectedEngineVersion": _ENGINE},
        }

    def _encryption(self) -> dict[str, Any]:
        if self._settings.as_bucket:
            return {}
        key = self._settings.kms_key
        if key is None:
            return {_ENCRYPTION: {"EncryptionOption": "SSE_S3"}}
        return {_ENCRYPTION: {"EncryptionOption": "SSE_KMS", "KmsKey": key}}


class Execution:
    """One statement on Athena, as a role.

    Each wait for a thread takes as long as a tenth of a short call, so what follows each other is
    done in one: the translation, and calls.

    Args:
        aws: as the role.
        workgroup: the project's.
        translate: gives what Athena is told; blocks.
    """

    def __init__(self, aws: Aws, workgroup: str, translate: Callable[[], "Translated"]) -> None:
        self._aws = aws
        self._workgroup = workgroup
        self._translate = translate
        self.lists: Mapping[int, str] = {}
        self._handing_in = threading.Lock()
        self._is_handed_in = self._is_stopped = False
        self._beginning: asyncio.Future[None] | None = None
        self._number: Future[str] = Future()
        self._ended: dict[str, Any] | None = None
        self._first: dict[str, Any] | None = None

    async def begin(self) -> None:
        """Translates the statement, hands it in and looks at it once.

        Raises:
            Refused, Invalid, LimitReached: SQL_REFUSED, SQL_INVALID, SQL_LIMIT.
            WorkgroupLost: it is not what it was.
            MeshplaneError: as `ended`.
        """
        # What was sent is waited for in any case, so that it can be stopped.
        self._beginning = asyncio.ensure_future(self._aws.in_thread("athena", self._begin))
        await asyncio.shield(self._beginning)

    def _begin(self) -> None:
        told = self._translate()
        self.lists = told.lists
        with self._handing_in:
            if self._is_stopped:
                return
            self._is_handed_in = True
        self._number.set_result(self._hand_in(told))
        self._look()

    def _hand_in(self, told: "Translated") -> str:
        """Its id. An answer that is lost is asked for again by the same token."""
        values = {"ExecutionParameters": list(told.parameters)} if told.parameters else {}
        token = secrets.token_hex(_TOKEN_BYTES)

        def once() -> str:
            answer = self._aws.run(
                "athena",
                "start_query_execution",
                QueryString=told.sql,
                QueryExecutionContext={"Catalog": _CATALOG},
                WorkGroup=self._workgroup,
                ClientRequestToken=token,
                **values,
            )
            return str(answer["QueryExecutionId"])

        try:
            try:
                return once()
            except AwsUnavailable as error:
                if not error.may_have_happened:
                    raise
                return once()
        except AwsRejected as error:
            if error.aws_code == _WRONG and _told(error) != _MALFORMED:
                raise WorkgroupLost from error
            if error.aws_code == _WRONG:
                raise invalid(
                    "Athena cannot read the statement as it was written for it."
                ) from error
            raise

    async def ended(self) -> dict[str, Any]:
        """The execution when it has succeeded.

        Raises:
            MeshplaneError: why it failed.
            NoRight: the role may not read what it names.
        """
        pause = _FIRST_SECONDS
        while self._ended is None:
            await asyncio.sleep(pause)
            pause = min(pause * _GROWTH, _LONGEST_SECONDS)
            await self._aws.in_thread("athena", self._look)
        return self._ended

    def _look(self) -> None:
        """Looks whether it has ended, and takes the first rows if so."""
        try:
            answer = self._aws.run(
                "athena", "get_query_execution", QueryExecutionId=self._number.result()
            )
        except AwsUnavailable as error:
            if not error.is_throttled:
                raise
            return  # it goes on, and is looked at again after a pause
        execution: dict[str, Any] = answer["QueryExecution"]
        state = execution["Status"]["State"]
        if state in {"FAILED", "CANCELLED"}:
            raise failure(execution["Status"])
        if state == "SUCCEEDED":
            self._first = self._page({})
            self._ended = execution

    def _page(self, more: Mapping[str, str]) -> dict[str, Any]:
        try:
            return self._aws.run(
                "athena", "get_query_results", QueryExecutionId=self._number.result(), **more
            )
        except AwsRejected as error:
            raise unavailable() from error

    async def pages(self) -> AsyncIterator[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
        """The columns, and the next rows; the header, the first row of the first page, is left out.

        Raises:
            Unavailable: QUERY_ENGINE_UNAVAILABLE.
        """
        page, self._first = self._first, None
        header = 1
        while page is not None:
            result = page["ResultSet"]
            yield result["ResultSetMetadata"]["ColumnInfo"], result["Rows"][header:]
            header = 0
            more = page.get("NextToken")
            page = more and await self._aws.in_thread(
                "athena", partial(self._page, {"NextToken": more})
            )

    async def stop(self) -> None:
        """Ends it, when Athena has it; one that has ended, or never began, stays as it is."""
        with self._handing_in:
            self._is_stopped = True
            if not self._is_handed_in or self._beginning is None:
                return
        first: set[asyncio.Future[Any]] = {self._beginning, asyncio.wrap_future(self._number)}
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        if not self._number.done():
            return
        try:
            await self._aws.call(
                "athena", "stop_query_execution", QueryExecutionId=self._number.result()
            )
        except MeshplaneError as error:
            # Nobody waits for it any more; the workgroup's own limit bounds what it still costs.
            log(WARNING, "athena_stop_failed", code=error.code)


def _told(error: AwsRejected) -> str:
    """Athena's own code beside that of the error; it stands in the answer or in its error."""
    told = error.answer
    return str(told.get("AthenaErrorCode") or told.get("Error", {}).get("AthenaErrorCode") or "")


def _enforces(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    now = there.get("Configuration", {})
    results = now.get("ResultConfiguration", {})
    names = ("EnforceWorkGroupConfiguration", "BytesScannedCutoffPerQuery")
    return (
        there.get("State", "ENABLED") == "ENABLED"
        and all(now.get(name) == wanted[name] for name in names)
        and all(results.get(name) == it for name, it in wanted["ResultConfiguration"].items())
        and (_ENCRYPTION in results) == (_ENCRYPTION in wanted["ResultConfiguration"])
    )


def _updates(wanted: Mapping[str, Any]) -> dict[str, Any]:
    updates = {name: it for name, it in wanted.items() if name != "ResultConfiguration"}
    results = wanted["ResultConfiguration"]
    more = {} if _ENCRYPTION in results else {"RemoveEncryptionConfiguration": True}
    return {**updates, "ResultConfigurationUpdates": {**results, **more}}
