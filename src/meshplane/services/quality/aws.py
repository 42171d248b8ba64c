"""Rulesets evaluated by Glue Data Quality.

ruleset → kept in Glue under a name made of the table and the text, so that a run can only evaluate
the text that it was started with → run started as a role, and awaited → results under our rules.

Glue evaluates what its catalogue points to at that moment; `snapshot_id` is the version that is
current here when the run starts. Glue's own messages may hold values and stay there.

Needs AWS: how long runs take (minutes), how many go on at once, and which of Glue's rule types a
region has.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from meshplane.kit.errors import Invalid, MeshplaneError, Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.polling import until
from meshplane.services.quality.ports import Begun, Evaluated, RulesetEvaluator, ToEvaluate
from meshplane.services.tables.api import TablesApi

_ABSENT, _THERE, _WRONG = (
    "EntityNotFoundException",
    "AlreadyExistsException",
    "InvalidInputException",
)
_GOING_ON = frozenset({"STARTING", "RUNNING", "STOPPING"})
_FIRST_SECONDS = 0.2
_KEPT = timedelta(days=1)  # no run of ours goes on for so long
_MESSAGES = {
    "FAIL": "AWS Glue Data Quality found that the rule does not hold.",
    "ERROR": "AWS Glue Data Quality did not evaluate the rule.",
}


class GlueEvaluator:
    """`RulesetEvaluator` and `LongEvaluator` over Glue Data Quality.

    Args:
        aws: the mesh itself.
        tables: says which snapshot is current.
        role: the ARN of the role that Glue reads tables as; Lake Formation must let it read them.
        otherwise: evaluates tables that Glue does not know, such as those of drafts; without it
            they are refused.
        deadline_seconds: after which `evaluate` gives a run up and cancels it.
    """

    def __init__(
        self,
        aws: Aws,
        tables: TablesApi,
        role: str,
        *,
        otherwise: RulesetEvaluator | None = None,
        deadline_seconds: float = 900.0,
    ) -> None:
        self._aws = aws
        self._tables = tables
        self._role = role
        self._otherwise = otherwise
        self._deadline_seconds = deadline_seconds

    async def evaluate(self, asked: ToEvaluate) -> Evaluated:
        """See `RulesetEvaluator.evaluate`."""
        begun = await self.begin(asked)
        if isinstance(begun, Evaluated):
            return begun
        try:
            run = await until(
                "AWS Glue Data Quality has evaluated the ruleset",
                lambda: self._ended(begun.number),
                self._deadline_seconds,
                first_seconds=_FIRST_SECONDS,
            )
        except (asyncio.CancelledError, Unavailable):
            await asyncio.shield(self.cancel(begun))
            raise
        return await self._outcome(asked, begun, run)

    async def begin(self, asked: ToEvaluate) -> Begun | Evaluated:
        """See `LongEvaluator.begin`."""
        version = await self._tables.version(asked.actor, asked.table_id, None)
        try:
            name = await self._keep(asked)
            return Begun(await self._start(asked, name), version.snapshot_id)
        except AwsRejected as error:
            if error.aws_code != _ABSENT:
                raise
            if self._otherwise is None:
                raise _not_in_the_lake() from error
            return await self._otherwise.evaluate(asked)

    async def look(self, asked: ToEvaluate, begun: Begun) -> Evaluated | None:
        """See `LongEvaluator.look`."""
        run = await self._ended(begun.number)
        return None if run is None else await self._outcome(asked, begun, run)

    async def cancel(self, begun: Begun) -> None:
        """See `LongEvaluator.cancel`."""
        # It may have ended meanwhile, or AWS be out of reach: Glue ends runs by itself.
        with suppress(MeshplaneError):
            await self._aws.call(
                "glue", "cancel_data_quality_ruleset_evaluation_run", RunId=begun.number
            )

    async def _ended(self, number: str) -> dict[str, Any] | None:
        """A run that has ended; None while it goes on."""
        run = await self._aws.call("glue", "get_data_quality_ruleset_evaluation_run", RunId=number)
        return None if run["Status"] in _GOING_ON else run

    async def _outcome(self, asked: ToEvaluate, begun: Begun, run: dict[str, Any]) -> Evaluated:
        if run["Status"] != "SUCCEEDED" or not run.get("ResultIds"):
            raise Unavailable(
                "QUALITY_RUN_FAILED",
                f"AWS Glue Data Quality ended the run as {run['Status']}. Its console says why; "
                "most often its role may not read the table. Try again.",
                details={"run": begun.number, "status": run["Status"]},
            )
        result = await self._aws.call(
            "glue", "get_data_quality_result", ResultId=run["ResultIds"][0]
        )
        return Evaluated(_told(asked.ruleset, result["RuleResults"]), begun.snapshot_id)

    async def _keep(self, asked: ToEvaluate) -> str:
        """Lets Glue have the ruleset, and forget earlier ones of the table; gives its name."""
        place = {"DatabaseName": asked.database.lower(), "TableName": asked.name.lower()}
        ours = f"{self._aws.place.prefix}meshplane-{asked.table_id}-"
        name = ours + hashlib.sha256(asked.ruleset.encode()).hexdigest()[:16]
        try:
            await self._aws.call(
                "glue",
                "create_data_quality_ruleset",
                Name=name,
                Description="Kept by Meshplane; changes here are not taken over.",
                Ruleset=asked.ruleset,
                TargetTable=place,
                ClientToken=name,
            )
        except AwsRejected as error:
            if error.aws_code == _WRONG:
                raise Invalid(
                    "RULE_UNSUPPORTED",
                    "AWS Glue Data Quality does not take this ruleset. Check its rule types "
                    "against the DQDL reference of your region.",
                    field="ruleset",
                ) from error
            if error.aws_code != _THERE:
                raise
            return name
        await self._forget(asked, place, ours, name)
        return name

    async def _forget(self, asked: ToEvaluate, place: dict[str, str], ours: str, name: str) -> None:
        """Deletes rulesets of the table that no run of ours can need any more."""
        listed = await self._aws.call(
            "glue",
            "list_data_quality_rulesets",
            Filter={
                "TargetTable": place,
                "LastModifiedBefore": asked.clock.now() - _KEPT,
            },
        )
        for one in listed.get("Rulesets", []):
            if one["Name"].startswith(ours) and one["Name"] != name:
                # Somebody else may have been faster.
                with suppress(AwsRejected):
                    await self._aws.call("glue", "delete_data_quality_ruleset", Name=one["Name"])

    async def _start(self, asked: ToEvaluate, name: str) -> str:
        place = {"DatabaseName": asked.database.lower(), "TableName": asked.name.lower()}
        answer = await self._aws.call(
            "glue",
            "start_data_quality_ruleset_evaluation_run",
            DataSource={"GlueTable": place},
            Role=self._role,
            RulesetNames=[name],
            ClientToken=asked.run_id,
        )
        return str(answer["RunId"])


def _told(text: str, given: Sequence[dict[str, Any]]) -> Any:
    """Glue's results under our rules.

    Raises:
        Unavailable: there are not as many of one as of the other.
    """
    from meshplane.services.quality.dqdl import Outcome, QualityResult, RuleResult, parse

    rules = parse(text).rules
    if len(given) != len(rules):
        raise Unavailable(
            "QUALITY_RUN_FAILED",
            f"AWS Glue Data Quality told of {len(given)} rules out of {len(rules)}. Try again.",
        )
    results = []
    for rule, one in zip(rules, sorted(given, key=_number), strict=True):
        outcome = Outcome(one.get("Result", "ERROR"))
        metrics = {name: float(value) for name, value in one.get("EvaluatedMetrics", {}).items()}
        results.append(RuleResult(rule.text, outcome, metrics, _MESSAGES.get(outcome, "")))
    passed = sum(one.outcome is Outcome.PASS for one in results)
    return QualityResult(passed / len(results) if results else 0.0, tuple(results))


def _number(result: dict[str, Any]) -> int:
    """The place of a rule in its ruleset: Glue calls them `Rule_1` and so on."""
    number = str(result.get("Name", "")).rpartition("_")[2]
    return int(number) if number.isdigit() else 0


def _not_in_the_lake() -> Invalid:
    return Invalid(
        "QUALITY_NOT_IN_LAKE",
        "AWS Glue does not know the table yet: publish the asset first, then run its ruleset.",
        field="assetId",
    )
