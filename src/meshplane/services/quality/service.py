"""Use cases of data quality."""

import asyncio
import time
from typing import Any

from meshplane.boundary.call import Call
from meshplane.boundary.schemas import Page
from meshplane.events.quality import DataQualityAlert, DataQualityRunCompleted
from meshplane.kit.errors import Missing
from meshplane.platform.store import ABSENT
from meshplane.platform.tables import Row
from meshplane.policy.model import Resource
from meshplane.services.assets.api import AssetsApi, AssetSummary, no_such_asset
from meshplane.services.quality.local import LocalEvaluator
from meshplane.services.quality.ports import RulesetEvaluator, ToEvaluate
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
    """

    def __init__(
        self,
        assets: AssetsApi,
        tables: TablesApi,
        evaluator: RulesetEvaluator | None = None,
    ) -> None:
        self._assets = assets
        self._tables = tables
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
        """Runs the ruleset of an asset on its present snapshot.

        Raises:
            Missing: ASSET_NOT_FOUND, RULESET_NOT_FOUND.
        """
        asset = await self._allowed(call, body.asset_id)
        ruleset = (await _existing_ruleset(call, body.asset_id)).item["ruleset"]
        started_at, begun = call.now, time.perf_counter()
        run_id = call.new_id("dqrun")
        evaluated = await self._evaluator.evaluate(
            ToEvaluate(
                actor=call.actor,
                run_id=run_id,
                table_id=asset.table_id,
                database=asset.domain_name,
                name=asset.name,
                ruleset=ruleset,
                clock=call.clock,
            )
        )
        result = evaluated.result
        passed = sum(rule.outcome == "PASS" for rule in result.rules)
        item = {
            "runId": run_id,
            "assetId": body.asset_id,
            "score": result.score,
            "rulesPassed": passed,
            "rulesTotal": len(result.rules),
            "rules": [
                {
                    "rule": rule.rule,
                    "outcome": str(rule.outcome),
                    "metrics": dict(rule.metrics),
                    "message": rule.message,
                }
                for rule in result.rules
            ],
            "snapshotId": evaluated.snapshot_id,
            "startedAt": started_at,
            "seconds": round(time.perf_counter() - begun, 6),
        }
        _put_run(call, item)
        return _run_view(item)

    async def get_run(self, call: Call, run_id: str) -> RunView:
        """The run with that id."""
        row = await call.work.get(RUNS, run_id)
        missing = Missing("RUN_NOT_FOUND", "There is no run with this id.", field="runId")
        if row is None:
            await call.allow(Resource("Asset", "unknown"), hide=missing)
            raise missing
        await self._allowed(call, row.item["assetId"])
        return _run_view(row.item)

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


def _put_run(call: Call, item: dict[str, Any]) -> None:
    call.resource = f"QualityRun:{item['runId']}"
    call.note(score=item["score"], asset=item["assetId"])
    call.work.put(RUNS, item, expected=ABSENT)
    failed = item["rulesTotal"] - item["rulesPassed"]
    call.work.emit(
        DataQualityRunCompleted(
            asset_id=item["assetId"],
            run_id=item["runId"],
            score=item["score"],
            rules_passed=item["rulesPassed"],
            rules_total=item["rulesTotal"],
            completed_at=call.now,
        ).event()
    )
    if failed:
        call.work.emit(
            DataQualityAlert(
                asset_id=item["assetId"],
                run_id=item["runId"],
                score=item["score"],
                failed_rules=failed,
            ).event()
        )


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
        score=item["score"],
        rules_passed=item["rulesPassed"],
        rules_total=item["rulesTotal"],
        rules=[RuleView(**rule) for rule in item["rules"]],
        snapshot_id=item["snapshotId"],
        started_at=item["startedAt"],
        seconds=item["seconds"],
    )
