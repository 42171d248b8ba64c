"""Rulesets evaluated on this machine."""

import asyncio

from meshplane.services.quality.evaluation import evaluate_files
from meshplane.services.quality.ports import Evaluated, ToEvaluate
from meshplane.services.tables.api import TablesApi, remove_residue


class LocalEvaluator:
    """`RulesetEvaluator` over the files of a table, in an engine of each run's own.

    Args:
        tables: the service below.
    """

    def __init__(self, tables: TablesApi) -> None:
        self._tables = tables

    async def evaluate(self, asked: ToEvaluate) -> Evaluated:
        """See `RulesetEvaluator.evaluate`."""
        from meshplane.services.quality.dqdl import parse

        ruleset = await asyncio.to_thread(parse, asked.ruleset)
        scan = await self._tables.scan(asked.actor, asked.table_id, None)
        try:
            result = await asyncio.to_thread(
                evaluate_files, scan.files, scan.columns, ruleset, asked.clock
            )
        finally:
            await asyncio.to_thread(remove_residue, scan)
        return Evaluated(result, scan.snapshot_id)
