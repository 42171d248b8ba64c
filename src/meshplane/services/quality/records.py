"""Runs of rulesets as rows, and the events that tell of them."""

from typing import Any

from meshplane.events.quality import DataQualityAlert, DataQualityRunCompleted
from meshplane.platform.store import UnitOfWork
from meshplane.services.quality.ports import Evaluated

Item = dict[str, Any]

RUNNING, COMPLETED, FAILED, CANCELLED = "running", "completed", "failed", "cancelled"


def new_run(run_id: str, asset_id: str, rules: int, started_at: str) -> Item:
    """A run that goes on.

    Args:
        run_id: of the run.
        asset_id: what it measures.
        rules: how many rules there are.
        started_at: RFC 3339.
    """
    return {
        "runId": run_id,
        "assetId": asset_id,
        "status": RUNNING,
        "statusReason": None,
        "score": None,
        "rulesPassed": 0,
        "rulesTotal": rules,
        "rules": [],
        "snapshotId": None,
        "startedAt": started_at,
        "seconds": 0.0,
    }


def completed(run: Item, evaluated: Evaluated, seconds: float) -> Item:
    """A run with its results.

    Args:
        run: as it began.
        evaluated: what came of it.
        seconds: how long it took.
    """
    result = evaluated.result
    return {
        **run,
        "status": COMPLETED,
        "score": result.score,
        "rulesPassed": sum(rule.outcome == "PASS" for rule in result.rules),
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
        "seconds": round(seconds, 6),
    }


def tell(work: UnitOfWork, run: Item, completed_at: str) -> None:
    """Emits what a completed run means for others: its score, and an alert if a rule failed.

    Args:
        work: the unit of work that puts the run.
        run: the run.
        completed_at: RFC 3339.
    """
    failed = run["rulesTotal"] - run["rulesPassed"]
    work.emit(
        DataQualityRunCompleted(
            asset_id=run["assetId"],
            run_id=run["runId"],
            score=run["score"],
            rules_passed=run["rulesPassed"],
            rules_total=run["rulesTotal"],
            completed_at=completed_at,
        ).event()
    )
    if failed:
        work.emit(
            DataQualityAlert(
                asset_id=run["assetId"],
                run_id=run["runId"],
                score=run["score"],
                failed_rules=failed,
            ).event()
        )
