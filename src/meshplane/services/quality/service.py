"""Use cases of data quality."""

import asyncio
import time
from typing import Any

from meshplane.boundary.call import Call
from meshplane.boundary.schemas import Page
from meshplane.kit.errors import BaseMoved, Conflict, Missing
from meshplane.platform.store import ABSENT
from meshplane.platform.tables import Row
from meshplane.policy.model import Resource
from meshplane.services.assets.api import AssetsApi, AssetSummary, no_such_asset
from meshplane.services.quality.local import LocalEvaluator
from meshplane.services.quality.ports import RulesetEvaluator, ToEvaluate
from meshplane.services.quality.records import (
    CANCELLED,
    COMPLETED,
    RUNNING,
    completed,
    new_run,
    tell,
)
from meshplane.services.quality.running import LongRuns
from meshplane.services.quality.schemas import (
    NewRuleset,
    NewRun,
    RulesetView,
    RuleView,
    RunQuery,
    RunView,
)
from meshplane.services.quality.store import RULESETS, RUNS
from meshplane.services.tables.api import TablesApi


class Quality:
    """Keeps rulesets and runs them.

    Args:
        assets, tables: the services below.
        evaluator: runs rulesets; by default this machine does.
        long: carries runs to their end, where they take long; then `evaluator` is not used.
    """

    def __init__(
        self,
        assets: AssetsApi,
        tables: TablesApi,
        evaluator: RulesetEvaluator | None = None,
        long: LongRuns | None = None,
    ) -> None:
        self._assets = assets
        self._tables = tables
        self._long = long
        self._evaluator = evaluator if evaluator is not None else LocalEvaluator(tables)

    async def put_ruleset(self, call: Call, asset_id: str, body: NewRuleset) -> RulesetView:
        """Sets the ruleset of an asset.

        Raises:
            Invalid: RULESET_INVALID, RULE_UNSUPPORTED, RULE_COLUMN_UNKNOWN, RULE_COLUMN_TYPE.
        """
        asset = await self._allowed(call, asset_id)
        rules = await self._checked(call, asset, body.ruleset)
        row = await call.work.get(RULESETS, asset_id)
        version = row.version if row else ABSENT
        item = {"assetId": asset_id, "ruleset": body.ruleset, "rules": rules}
        call.work.put(RULESETS, item, expected=version)
        return _ruleset_view(Row(item, version + 1))

    async def ruleset(self, call: Call, asset_id: str) -> RulesetView:
        """The ruleset of an asset."""
        await self._allowed(call, asset_id)
        return _ruleset_view(await _existing_ruleset(call, asset_id))

    async def run(self, call: Call, body: NewRun) -> RunView:
        """Runs the ruleset of an asset on its present snapshot, or begins to.

        Raises:
            Missing: ASSET_NOT_FOUND, RULESET_NOT_FOUND.
        """
        asset = await self._allowed(call, body.asset_id)
        kept = (await _existing_ruleset(call, body.asset_id)).item
        begun = time.perf_counter()
        run = new_run(call.new_id("dqrun"), body.asset_id, kept["rules"], call.now)
        call.resource = f"QualityRun:{run['runId']}"
        call.note(asset=body.asset_id)
        asked = ToEvaluate(
            actor=call.actor,
            run_id=run["runId"],
            table_id=asset.table_id,
            database=asset.domain_name,
            name=asset.name,
            ruleset=kept["ruleset"],
            clock=call.clock,
        )
        if self._long is not None:
            call.work.put(RUNS, run, expected=ABSENT)
            self._long.begin(call.work, asked)
            return _run_view(run)
        evaluated = await self._evaluator.evaluate(asked)
        run = completed(run, evaluated, time.perf_counter() - begun)
        call.note(score=run["score"])
        call.work.put(RUNS, run, expected=ABSENT)
        tell(call.work, run, call.now)
        return _run_view(run)

    async def settled(self, call: Call, run_id: str) -> RunView:
        """A run as whoever began it is told of it: its end, if that comes soon."""
        if self._long is not None:
            await self._long.settle(run_id)
        return await self.get_run(call, run_id)

    async def cancel(self, call: Call, run_id: str) -> RunView:
        """Ends a run that goes on; one that was cancelled stays so.

        Raises:
            Missing: RUN_NOT_FOUND.
            Conflict: RUN_ENDED.
        """
        row = await self._run_row(call, run_id)
        if row.item.get("status") == CANCELLED:
            return _run_view(row.item)
        if row.item.get("status") != RUNNING:
            raise Conflict("RUN_ENDED", "The run has ended: there is nothing to stop.")
        item = {**row.item, "status": CANCELLED, "statusReason": "It was cancelled."}
        moved = BaseMoved("STALE", "The run was changed meanwhile: try again.")
        call.work.put(RUNS, item, expected=row.version, otherwise=moved)
        return _run_view(item)

    async def get_run(self, call: Call, run_id: str) -> RunView:
        """The run with that id."""
        return _run_view((await self._run_row(call, run_id)).item)

    async def runs(self, call: Call, query: RunQuery) -> Page[RunView]:
        """The runs of an asset, latest first."""
        await self._allowed(call, query.asset_id)
        page = await call.work.query(
            RUNS,
            query.asset_id,
            index="byAsset",
            limit=query.limit,
            cursor=query.cursor,
            descending=True,
        )
        return Page[RunView](
            items=[_run_view(row.item) for row in page.rows], next_cursor=page.cursor
        )

    async def _run_row(self, call: Call, run_id: str) -> Row:
        row = await call.work.get(RUNS, run_id)
        missing = Missing("RUN_NOT_FOUND", "There is no run with this id.", field="runId")
        if row is None:
            await call.allow(Resource("Asset", "unknown"), hide=missing)
            raise missing
        await self._allowed(call, row.item["assetId"])
        return row

    async def _allowed(self, call: Call, asset_id: str) -> AssetSummary:
        asset = await self._assets.find(call.actor, asset_id)
        missing = no_such_asset()
        if asset is None:
            await call.allow(Resource("Asset", asset_id), hide=missing)
            raise missing
        await call.allow(
            Resource("Asset", asset_id, asset.domain_id, asset.project_id),
            hide=None if asset.is_published else missing,
        )
        return asset

    async def _checked(self, call: Call, asset: AssetSummary, text: str) -> int:
        """How many rules the text has, if they can be run on the asset's table."""
        from meshplane.services.quality.dqdl import check_supported, parse

        ruleset = await asyncio.to_thread(parse, text)
        table = await self._tables.find(call.actor, asset.table_id)
        types = {column.name: column.sql_type for column in table.columns} if table else {}
        check_supported(ruleset, types)
        return len(ruleset.rules)


async def _existing_ruleset(call: Call, asset_id: str) -> Row:
    row = await call.work.get(RULESETS, asset_id)
    if row is None:
        raise Missing(
            "RULESET_NOT_FOUND", "The asset has no ruleset: set one first.", field="assetId"
        )
    return row


def _ruleset_view(row: Row) -> RulesetView:
    return RulesetView(
        asset_id=row.item["assetId"],
        ruleset=row.item["ruleset"],
        rules=row.item["rules"],
        version=row.version,
    )


def _run_view(item: dict[str, Any]) -> RunView:
    return RunView(
        run_id=item["runId"],
        asset_id=item["assetId"],
        # Runs of earlier versions were kept when they had ended.
        status=item.get("status", COMPLETED),
        status_reason=item.get("statusReason"),
        score=item["score"],
        rules_passed=item["rulesPassed"],
        rules_total=item["rulesTotal"],
        rules=[RuleView(**rule) for rule in item["rules"]],
        snapshot_id=item["snapshotId"],
        started_at=item["startedAt"],
        seconds=item["seconds"],
    )
