"""HTTP of the quality service."""

from typing import Any

from meshplane.boundary.actor import Actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import OperationRoute, Operations
from meshplane.boundary.schemas import Page
from meshplane.services.quality.records import RUNNING
from meshplane.services.quality.rounds import Rounds
from meshplane.services.quality.schemas import (
    NewRound,
    NewRuleset,
    NewRun,
    RoundView,
    RulesetView,
    RunQuery,
    RunView,
)
from meshplane.services.quality.service import Quality


def routes(quality: Quality, rounds: Rounds, boundary: Boundary) -> list[OperationRoute]:
    """The routes under /api/v1/data-quality."""
    operations = Operations(boundary)

    @operations.write("PUT", "/data-quality/rulesets/{asset_id}", "putRuleset")
    async def put_ruleset(call: Call, asset_id: str, body: NewRuleset) -> RulesetView:
        return await quality.put_ruleset(call, asset_id, body)

    @operations.read("/data-quality/rulesets/{asset_id}", "getRuleset")
    async def get_ruleset(call: Call, asset_id: str) -> RulesetView:
        return await quality.ruleset(call, asset_id)

    async def settled(actor: Actor, answer: dict[str, Any]) -> RunView:
        if answer["status"] != RUNNING:
            return RunView.model_validate(answer)
        # Read as anybody reads it: a stored answer may be repeated long after a role was lost.
        return await boundary.read(
            "getQualityRun", actor, lambda call: quality.settled(call, answer["runId"])
        )

    @operations.write(
        "POST",
        "/data-quality/run",
        "startQualityRun",
        settle=settled,
        goes_on=lambda run: run.status == RUNNING,
    )
    async def start_quality_run(call: Call, body: NewRun) -> RunView:
        """Runs the ruleset of an asset. Where that takes long, it goes on after the answer."""
        return await quality.run(call, body)

    @operations.write("POST", "/data-quality/run-all", "runAllQualityChecks")
    async def run_all_quality_checks(call: Call, body: NewRound) -> RoundView:
        return await rounds.run(call, body)

    @operations.read("/data-quality/runs", "listQualityRuns")
    async def list_quality_runs(call: Call, query: RunQuery) -> Page[RunView]:
        return await quality.runs(call, query)

    @operations.read("/data-quality/runs/{run_id}", "getQualityRun")
    async def get_quality_run(call: Call, run_id: str) -> RunView:
        return await quality.get_run(call, run_id)

    @operations.write("POST", "/data-quality/runs/{run_id}/cancel", "cancelQualityRun")
    async def cancel_quality_run(call: Call, run_id: str) -> RunView:
        """Ends a run that goes on."""
        return await quality.cancel(call, run_id)

    return operations.routes
